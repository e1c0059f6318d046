"""What is handed to the workers: checked before anything starts, then written down once for all of them."""

import errno
import pickle
import shutil
import types
from dataclasses import dataclass
from functools import partial
from numbers import Integral

from labkit.errors import SettingError, WorkerError

__all__ = ["MOST", "NO_SPACE", "Setup", "check_function", "no_room", "pack", "write"]

MOST = 64
BACKENDS = ("gloo", "nccl")
NO_SPACE = "Make room there, or set the environment variable TMPDIR to a folder on another disk."
RESERVE = 4_000_000  # bytes that must stay free beside the job: for the rendezvous, the logs and small results


@dataclass(frozen=True)
class Setup:
    """How many workers there are, how many threads each has, and what they talk over.

    >>> Setup(2)
    Setup(world_size=2, threads=1, timeout=120.0, backend='gloo')
    """

    world_size: int
    threads: int = 1
    """Threads that each worker computes with."""
    timeout: float = 120.0
    """Seconds without news from any worker, after which they hang."""
    backend: str = "gloo"

    def __post_init__(self):
        if not _is_count(self.world_size) or self.world_size > MOST:
            raise SettingError(
                f"a number of workers from 1 to {MOST}", received=repr(self.world_size),
                do="2 is a good start; more than this machine has cores make it slower.",
            )  # fmt: skip
        if not _is_count(self.threads):
            raise SettingError("1 thread a worker or more", received=repr(self.threads), do="Write threads=1.")
        if not isinstance(self.timeout, (int, float)) or not self.timeout > 0:
            raise SettingError("a timeout of more than 0 seconds", received=repr(self.timeout), do="Write timeout=120.")
        if self.backend not in BACKENDS:
            raise SettingError(" or ".join(BACKENDS), received=repr(self.backend), do="On a CPU it is gloo.")
        if self.backend == "nccl":
            _check_gpus(self.world_size)


def _is_count(value):
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1


def _check_gpus(world_size):
    import torch

    gpus = torch.cuda.device_count() if torch.distributed.is_nccl_available() else 0
    if gpus < world_size:
        raise SettingError(
            f"{world_size} GPUs, one for each worker, for the backend nccl", received=f"{gpus} that PyTorch can use",
            do='Write backend="gloo": it works between processors.',
        )  # fmt: skip


def check_function(fn):
    """Refuse what another process could not find: a lambda, a function in a function, one from a notebook's cell.

    >>> import math
    >>> check_function(math.gcd)
    >>> check_function(lambda: 1)
    Traceback (most recent call last):
    ...
    labkit.errors.SettingError: Expected a function that a worker can import. Received a lambda. Write it with def ...
    """
    while isinstance(fn, partial):
        fn = fn.func
    name = getattr(fn, "__qualname__", type(fn).__qualname__)
    home = getattr(fn, "__module__", None) or type(fn).__module__
    if not callable(fn):
        received = repr(fn)
    elif "<lambda>" in name:
        received = "a lambda"
    elif "<locals>" in name:
        received = f"{name.rpartition('.')[2]}, which is defined inside another function"
    elif home == "__main__":
        received = f"{name}, which is defined in a notebook's cell or in the script itself"
    else:
        return
    raise SettingError(
        "a function that a worker can import", received=received,
        do="Write it with def at the top of a .py file beside your notebook and import it from there: "
        "a worker is another process and sees files, not cells. labkit.distributed.demos has ready ones.",
    )  # fmt: skip


class _Pickler(pickle.Pickler):
    """Refuses what lives in a notebook: pickling it works here, and fails in the worker."""

    def reducer_override(self, thing):
        if isinstance(thing, (type, types.FunctionType)) and thing.__module__ == "__main__":
            raise pickle.PicklingError(f"{thing.__qualname__} is defined in a notebook's cell or in the script itself")
        return NotImplemented


def pack(fn, args, kwargs, stream):
    """Write a function and its arguments for the workers; tensors go by value.

    Raises SettingError for what cannot be sent, such as an open file, or an object of a class from a cell.
    """
    check_function(fn)
    try:
        _Pickler(stream, protocol=pickle.HIGHEST_PROTOCOL).dump((fn, args, kwargs))
    except OSError:
        raise
    except Exception as error:  # pickle raises its own kinds, and whatever the objects raise
        raise SettingError(
            "a function and arguments that can be sent to another process", received=f"{type(error).__name__}: {error}",
            do="Give numbers, texts, arrays, tensors, and objects of classes from files; open files inside the worker.",
        ) from error  # fmt: skip


def write(folder, fn, args, kwargs):
    """Write the job into the workers' folder; there has to be room for what they write as well.

    Raises WorkerError when there is none, SettingError for what cannot be sent.
    """
    try:
        with (folder / "job").open("wb") as stream:
            pack(fn, args, kwargs, stream)
        free = shutil.disk_usage(folder).free
        if free < RESERVE:
            raise OSError(errno.ENOSPC, f"{free / 1e6:.1f} MB are free")
    except OSError as error:
        raise no_room(folder.parent, error) from error


def no_room(place, error):
    """Say in one error where the workers' files should have gone, and why they could not."""
    return WorkerError(
        f"room for the workers' files (job, rendezvous, logs) in {place}", received=error.strerror or str(error),
        do=NO_SPACE,
    )  # fmt: skip
