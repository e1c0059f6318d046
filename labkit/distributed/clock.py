"""Seconds of all-reduces on this machine's real workers, asked once and kept."""

from labkit.asked import asked_once
from labkit.distributed.launch import launch
from labkit.distributed.schedules import WAYS

__all__ = ["all_reduce_times"]

CODE = ("labkit.distributed.clock", "labkit.distributed.demos", "labkit.distributed.collectives",
        "labkit.distributed.schedules", "labkit.distributed.wire")  # fmt: skip


def all_reduce_times(workers, megabytes, *, ways=tuple(WAYS), rate=None, repeats=5, cache=None, progress=None):
    """Let real workers do all-reduces of these sizes; a dictionary from ways to lists of (megabytes, milliseconds).

    `ways` are "server", "tree", "ring" and, where links are not limited, "PyTorch"; `rate` limits every worker's link,
    in bytes a second. With a `cache`, this machine is asked once.

    Raises WorkerError when a worker fails, Interrupted on Ctrl-C.
    """
    counts = [max(1, round(size * 1e6 / 4)) for size in megabytes]

    def ask():
        # Imported here: who only looks at kept times need not wait for PyTorch.
        from labkit.distributed.demos import timings

        found = launch(timings, workers, counts, list(ways), rate=rate, repeats=repeats, progress=progress)
        # An all-reduce is over when the slowest worker has the sum.
        return [
            (way, 4 * count / 1e6, 1000 * max(rows[row][2] for rows in found))
            for row, (way, count, *_) in enumerate(found[0])
        ]

    rows = asked_once("all-reduce times", ask, cache=cache, code=CODE, workers=workers, counts=counts, ways=list(ways),
                      rate=rate, repeats=repeats)  # fmt: skip
    return {way: [(size, time) for one, size, time in rows if one == way] for way in ways}
