"""Gradients through memory instead of a network: workers on one machine read each other's from pages that all see."""

import os

import numpy as np
import torch
import torch.distributed as dist

from labkit.errors import SettingError

__all__ = ["SharedPages", "mean_through_memory"]


class SharedPages:
    """Memory that all workers of a group see: two rooms, and in each a place for every worker.

    `numbers` is how many 32-bit numbers go into a place. The pages have no name and go when the last worker ends,
    however it ends; those that nobody writes to take no memory.

    Raises SettingError when the workers are not on one machine, or the system has no memory for it.
    """

    def __init__(self, numbers, *, group):
        rank, workers = dist.get_rank(group), dist.get_world_size(group)
        size, word = 4 * 2 * workers * numbers, os.urandom(16)
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
            pages = np.memmap(file, dtype=np.float32, mode="r+", shape=(2, workers, numbers))
        self.rooms = torch.from_numpy(pages)


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


def mean_through_memory(numbers, *, group):
    """Give a function that replaces a bucket's gradient by its mean over the workers; `numbers` fit into a bucket.

    Each worker writes its part of the mean down, waits until all have done so, and adds up what all have written, in
    the order of their ranks, so that the sums are equal bit by bit. The next bucket goes into the other room: a
    worker that comes back to the first one has met all others in between, and nobody reads there any more.
    """
    pages, workers = SharedPages(numbers, group=group), dist.get_world_size(group)
    rank, turn = dist.get_rank(group), 0

    def work(bucket):
        nonlocal turn
        whole = bucket.buffer()
        places = pages.rooms[turn % 2, :, : len(whole)]
        turn += 1
        torch.mul(whole, 1 / workers, out=places[rank])
        dist.barrier(group=group)
        torch.add(places[0], places[1], out=whole)
        for place in places[2:]:
            whole.add_(place)
        return whole

    return work
