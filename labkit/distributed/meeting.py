"""Meeting again after a restart: torchrun's store still holds what the workers of the attempt before wrote into it."""

import os
import time
import uuid
from datetime import timedelta

__all__ = ["fresh_store", "store_after_restart"]

TICK = 0.02


def store_after_restart(*, rank, world_size, timeout=120.0):
    """Give a new part of the store of a torchrun that keeps one over its restarts, as it does by default.

    Without a part of the store to themselves, workers that start again may find the addresses of those that are dead
    and try to reach them (pytorch issue 135712). The number of the restart does not tell attempts apart, because every
    node counts its own.
    """
    import torch.distributed as dist

    store = dist.TCPStore(
        os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False, timeout=timedelta(seconds=timeout)
    )
    return fresh_store(store, rank=rank, world_size=world_size, timeout=timeout)


def fresh_store(store, *, rank, world_size, timeout=120.0):
    """Give the workers that are alive now a part of `store` that nobody has written to before.

    Each but worker 0 writes a word that it has just made up; worker 0 answers to every word it finds, so also to those
    of the dead, with the name of the new part. Only the living read their answer, and confirm.

    >>> import torch.distributed as dist
    >>> store = dist.HashStore()
    >>> store.set("address", "of a dead worker")
    >>> fresh_store(store, rank=0, world_size=1).check(["address"])
    False

    Raises torch's DistStoreError where the others do not come within `timeout` seconds.
    """
    import torch.distributed as dist

    word, end = uuid.uuid4().hex, time.monotonic() + timeout
    if rank > 0:
        store.set(f"hello/{rank}", word)
        name = store.get(f"welcome/{word}").decode()
        store.set(f"joined/{name}/{rank}", "")
        return dist.PrefixStore(name, store)
    missing = set(range(1, world_size))
    while missing:
        for other in sorted(missing):
            if store.check([f"hello/{other}"]):
                store.set(f"welcome/{store.get(f'hello/{other}').decode()}", word)
            if store.check([f"joined/{word}/{other}"]):
                missing.remove(other)
        if time.monotonic() > end:
            raise dist.DistStoreError(f"timed out after {timeout:g} s: no word from workers {sorted(missing)}")
        time.sleep(TICK if missing else 0)
    return dist.PrefixStore(word, store)
