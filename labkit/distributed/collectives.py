"""Collectives between real processes, by hand: each is a schedule, carried out with sends and receives.

All workers call the same function with arrays of the same shape and type. Sums, not means: divide by the number of
workers yourself. The argument is left as it is.
"""

import torch

from labkit.distributed import schedules
from labkit.distributed.schedules import bytes_on_the_wire
from labkit.distributed.wire import as_tensor
from labkit.errors import SettingError

__all__ = ["all_gather", "all_reduce", "broadcast", "bytes_on_the_wire", "carry_out", "reduce", "reduce_scatter"]


def broadcast(x, *, wire, root=0):
    """Give everyone the array of worker `root`; it travels along a tree.

    The others give an array of the same shape and type, whatever is in it.
    """
    return _with(schedules.broadcast(wire.world_size, root=root), x, wire)


def reduce(x, *, wire, root=0):
    """Add up everyone's arrays along a tree: worker `root` gets the sum, the others None."""
    total = _with(schedules.reduce(wire.world_size, root=root), x, wire)
    return total if wire.rank == root else None


def all_reduce(x, *, wire, how="ring"):
    """Add up everyone's arrays and give everyone the sum: how="server", "tree" or "ring".

    The sum is the same to the last bit on every worker, whatever the way. Between two ways the last bits may differ,
    because they add in another order.

    Raises SettingError for another way.
    """
    return _with(schedules.all_reduce(wire.world_size, how=how), x, wire)


def reduce_scatter(x, *, wire):
    """Add up everyone's arrays in a ring, and leave worker r with chunk r of the sum, flat.

    For three workers and ten numbers, the chunks have 4, 3 and 3 numbers.
    """
    flat = as_tensor(x).flatten().clone()
    carry_out(schedules.reduce_scatter(wire.world_size), flat, wire)
    return _like(x, flat.tensor_split(wire.world_size)[wire.rank].clone())


def all_gather(part, *, wire, count=None):
    """Give everyone all parts, one after the other in order of rank, flat; they go around a ring.

    All parts have one size, unless `count` says how many numbers there are together: then the parts are what
    `reduce_scatter` leaves of so many.

    Raises SettingError where a part is not as large as `count` says.
    """
    mine = as_tensor(part).flatten()
    whole = mine.new_zeros(mine.numel() * wire.world_size if count is None else count)
    place = whole.tensor_split(wire.world_size)[wire.rank]
    if place.shape != mine.shape:
        raise SettingError(
            f"{place.numel()} numbers from worker {wire.rank}", received=str(mine.numel()),
            do="Cut as reduce_scatter does: the first chunks are one larger.",
        )  # fmt: skip
    place.copy_(mine)
    carry_out(schedules.all_gather(wire.world_size), whole, wire)
    return _like(part, whole)


def carry_out(rounds, flat, wire):
    """Do this worker's share of a schedule on a flat tensor, which changes in place.

    In each round the worker sends what it has and takes what comes; only then does it add or copy. So all messages of a
    round go on at the same time, and no message depends on another of its round.
    """
    chunks = flat.tensor_split(wire.world_size)  # views: what is added to a chunk is added to the whole

    def part(move):
        return flat if move.chunk is None else chunks[move.chunk]

    for moves in rounds:
        incoming = [move for move in moves if move.target == wire.rank]
        arrived = wire.exchange(
            [(move.target, part(move)) for move in moves if move.source == wire.rank],
            [(move.source, part(move)) for move in incoming],
        )
        for move, data in zip(incoming, arrived, strict=True):
            if move.adds:
                part(move).add_(data)
            else:
                part(move).copy_(data)


def _with(rounds, x, wire):
    flat = as_tensor(x).flatten().clone()
    carry_out(rounds, flat, wire)
    return _like(x, flat.view(as_tensor(x).shape))


def _like(x, tensor):
    return tensor if isinstance(x, torch.Tensor) else tensor.numpy()
