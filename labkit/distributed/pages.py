"""Memory that all workers of one machine see."""

import math
import os

import numpy as np
import torch
import torch.distributed as dist

from labkit.errors import SettingError

__all__ = ["shared_pages"]


def shared_pages(shape, *, group):
    """Give a float32 tensor of zeros that all workers of a group see: what one writes, the others read.

    The pages have no name and go when the last worker ends, however it ends; those that nobody writes to take no
    memory.

    Raises SettingError when the workers are not on one machine, or the system has no memory for it.
    """
    rank, size, word = dist.get_rank(group), 4 * math.prod(shape), os.urandom(16)
    mine = _pages(size + len(word)) if rank == 0 else None
    if rank == 0:
        os.pwrite(mine, word, size)
    offered = [(f"/proc/{os.getpid()}/fd/{mine}", word)]
    dist.broadcast_object_list(offered, src=0, group=group)
    path, word = offered[0]
    try:
        descriptor = os.dup(mine) if rank == 0 else os.open(path, os.O_RDWR)
        found = os.pread(descriptor, len(word), size) == word
    except OSError:
        found = False
    together = torch.tensor(int(found))
    dist.all_reduce(together, dist.ReduceOp.MIN, group=group)
    if mine is not None:
        os.close(mine)
    if not together:
        raise SettingError(
            "workers that can see the same memory", received="workers on several machines, or in containers",
            do='Write through="network".',
        )  # fmt: skip
    with os.fdopen(descriptor, "r+b") as file:
        return torch.from_numpy(np.memmap(file, dtype=np.float32, mode="r+", shape=tuple(shape)))


def _pages(size):
    """Make a file that lives in memory only, and give its descriptor."""
    if not hasattr(os, "memfd_create"):
        raise SettingError(
            "Linux, for memory without a name", received=os.uname().sysname if hasattr(os, "uname") else os.name,
            do='Write through="network".',
        )  # fmt: skip
    descriptor = os.memfd_create("labkit-gradients")
    os.ftruncate(descriptor, size)
    return descriptor
