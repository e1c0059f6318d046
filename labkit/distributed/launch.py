"""Run one function on several real processes that can talk to each other, and bring back what each returned."""

import pickle
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from labkit.distributed.job import Setup, check_function, no_room, write
from labkit.distributed.news import shown
from labkit.distributed.watching import follow
from labkit.distributed.workers import Workers
from labkit.errors import Interrupted

__all__ = ["launch"]

PREFIX = "labkit-workers-"
LEFT_DAYS = 3  # no run takes that long


def launch(
    fn, world_size, /, *args, threads=1, timeout=120.0, progress=None, should_stop=None, backend="gloo", link=None,
    **kwargs,
):  # fmt: skip
    """Run `fn(*args, **kwargs)` in `world_size` fresh processes and return what they returned, by rank.

    When `fn` starts, its process group is set up: `torch.distributed.get_rank()` says who it is, `all_reduce` adds.
    Each worker computes with `threads` threads. `fn` has to stand in a file that can be imported; arguments and
    results are copied from process to process (pickle; tensors by value).

    `progress(fraction, text)` is called with what worker 0 reports (labkit.distributed.report), and a bar is shown
    where it is None. `should_stop()` is asked ten times a second. `link` takes the ends of a labkit.distributed.link.
    No process outlives the call, and its temporary folder is gone as well.

    >>> import math
    >>> launch(math.gcd, 2, 12, 18)
    [6, 6]

    Raises SettingError for what cannot be started; WorkerError, with the number of the worker in `.rank` and its
    traceback in `.traceback`, when one raises or dies, or when none says anything for `timeout` seconds (60 at least
    while they start); Interrupted on Ctrl-C or a stop.
    """
    check_function(fn)
    setup = Setup(world_size, threads=threads, timeout=timeout, backend=backend)
    try:
        with _folder() as folder, shown(progress, getattr(fn, "__name__", "workers")) as show:
            write(folder, fn, args, kwargs)
            with Workers(folder, setup, link=link) as workers:
                follow(workers, show=show, should_stop=should_stop or _never)
            return [_result(folder, rank) for rank in range(world_size)]
    except KeyboardInterrupt:
        raise Interrupted(
            f"{world_size} workers to finish", received="a stop", do="They have all ended; start again when you like."
        ) from None


def _never():
    return False


@contextmanager
def _folder():
    """Make the folder that the workers share, readable by nobody else, and delete it in the end."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    except OSError as error:  # also where no temporary folder is usable at all
        raise no_room(tempfile.tempdir or "the temporary folder", error) from error
    try:
        for old in folder.parent.glob(f"{PREFIX}*"):  # of a process that was killed and could not delete it
            if _days_old(old) > LEFT_DAYS:
                shutil.rmtree(old, ignore_errors=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _days_old(path):
    try:
        return (time.time() - path.stat().st_mtime) / 86400
    except OSError:  # another run has just deleted it
        return 0.0


def _result(folder, rank):
    with (folder / f"result-{rank}").open("rb") as stream:
        return pickle.load(stream)
