"""What lesson 07 lets real workers do; each function is one worker, and `launch` starts several."""

import time
from statistics import median

import torch
import torch.distributed as dist

from labkit.distributed import schedules
from labkit.distributed.collectives import all_gather, all_reduce, broadcast, carry_out, reduce, reduce_scatter
from labkit.distributed.gil import KINDS, in_turn
from labkit.distributed.news import report
from labkit.distributed.wire import Wire

__all__ = ["every_collective", "ranks", "ring_by_table", "timings", "work"]

LARGE = 10e6  # bytes; such a vector takes long, and a delay here or there makes no difference


def ranks():
    """Say who I am: the rank, and nothing else."""
    return dist.get_rank()


def every_collective(cases):
    """Be one worker: do each collective by hand, and PyTorch's all-reduce beside them, for each of `cases`.

    A case has one vector for each worker, shape (workers, ...). Returns for each case a dictionary from names to
    (result, bytes sent, messages sent).
    """
    return [_every_collective(vectors[dist.get_rank()]) for vectors in cases]


def _every_collective(x):
    calls = {
        "broadcast": lambda wire: broadcast(x, wire=wire),
        "reduce": lambda wire: reduce(x, wire=wire),
        "reduce-scatter": lambda wire: reduce_scatter(x, wire=wire),
        "all-gather": lambda wire: all_gather(x, wire=wire),
        **{f"all-reduce, {how}": lambda wire, how=how: all_reduce(x, wire=wire, how=how) for how in schedules.WAYS},
    }
    found = {}
    for name, call in calls.items():
        wire = Wire()
        found[name] = (call(wire), wire.sent, wire.messages)
    theirs = torch.as_tensor(x).clone()
    dist.all_reduce(theirs)
    return found | {"PyTorch": (theirs.numpy(), None, None)}


def ring_by_table(vectors, table):
    """Be one worker of a ring that follows a reader's table: `table[step][rank]` is the chunk that a worker sends.

    The first half of the steps add, the second half copy. Returns (result, bytes sent).
    """
    workers, wire = dist.get_world_size(), Wire()
    rounds = [
        [schedules.Move(r, (r + 1) % workers, chunk=int(row[r]), adds=step < workers - 1) for r in range(workers)]
        for step, row in enumerate(table)
    ]
    flat = torch.as_tensor(vectors[wire.rank]).clone()
    carry_out(rounds, flat, wire)
    return flat.numpy(), wire.sent


def timings(counts, ways, *, rate=None, repeats=5):
    """Be one worker: take the seconds of all-reduces of so many 32-bit numbers, by hand and, as "PyTorch", by gloo.

    With a `rate` (bytes a second) every worker has a link of that speed; PyTorch's cannot be slowed down.
    Returns a list of (way, count, seconds, bytes sent), the median of `repeats`, or of one where vectors are LARGE.
    """
    found = []
    for way in ways:  # the first message between two workers sets up their connection
        _sum(torch.ones(dist.get_world_size()), way, Wire())
    for step, count in enumerate(counts):
        x = torch.ones(count)
        for way in ways:
            report(step / len(counts), f"{4 * count / 1e6:,.3g} MB, {way}")
            seconds, wire = [], Wire(rate=rate)
            times = repeats if 4 * count < LARGE else 1
            for _ in range(times):
                dist.barrier()
                start = time.perf_counter()
                _sum(x, way, wire)
                dist.barrier()  # it is over when it is over for all
                seconds.append(time.perf_counter() - start)
            found.append((way, count, median(seconds), wire.sent // times))
    return found


def _sum(x, way, wire):
    dist.all_reduce(x.clone()) if way == "PyTorch" else all_reduce(x, wire=wire, how=way)


def work(kinds, amount, *, rounds=3):
    """Be one worker that computes by itself: the seconds of each of `rounds`, from a common start, for each kind.

    The kinds of work are those of `labkit.distributed.gil`.
    """
    found = {}
    for kind in kinds:
        KINDS[kind](1)  # what a first time costs does not count
        found[kind] = []
        for _ in range(rounds):
            dist.barrier()
            found[kind].append(in_turn(kind, amount, times=1))
    return found
