"""Two ways for a process to join the others of its group: at a file that all can see, or as torchrun tells it."""

import os
from datetime import timedelta

from labkit.distributed.meeting import store_after_restart
from labkit.errors import SettingError, WorkerError

__all__ = ["init_from_environment", "join_at_file"]

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
PATIENCE = timedelta(days=7)  # who waits too long is for `launch` to decide: it hears the news of all workers


def join_at_file(path, *, rank, world_size, backend="gloo"):
    """Join the group whose members write their addresses into one file, which does not exist before the first comes.

    >>> import tempfile, torch.distributed as dist
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     join_at_file(f"{folder}/rendezvous", rank=0, world_size=1)
    ...     dist.get_world_size()
    ...     dist.destroy_process_group()
    1
    """
    import torch.distributed as dist

    # The store itself instead of file://…, which would have to quote a folder with a space in its name.
    store = dist.FileStore(str(path), world_size)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=PATIENCE)


def init_from_environment(*, timeout=120.0, backend="gloo"):
    """Join the group that the environment names, as torchrun sets it for each worker; returns rank and world size.

    The worker of rank 0 opens MASTER_PORT, the others find it there. Where torchrun's agent has opened it, it keeps
    what workers wrote before a restart: then they meet in a part of it that is new.
    A collective that waits longer than `timeout` seconds raises.

    Raises SettingError when a variable is missing or makes no sense, when another program has the port, or when
    MASTER_ADDR is unknown; WorkerError when the others do not come within `timeout` seconds.
    """
    import torch.distributed as dist

    rank, world_size, place = _read_environment()
    try:
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            store = {"store": store_after_restart(rank=rank, world_size=world_size, timeout=timeout)}
        else:
            store = {"init_method": "env://"}
        dist.init_process_group(backend, rank=rank, world_size=world_size, timeout=timedelta(seconds=timeout), **store)
    except (dist.DistError, RuntimeError) as error:
        raise _in_our_words(str(error), rank, world_size, place, timeout) from error
    return rank, world_size


def _read_environment():
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        raise SettingError(
            f"the environment variables {', '.join(NEEDED)}", received=f"no {', '.join(missing)}",
            do="Start with `torchrun --nproc-per-node=2 -m ...`: it sets all four for each worker.",
        )  # fmt: skip
    rank, size, address, port = (os.environ[name] for name in NEEDED)
    if not (rank.isdecimal() and size.isdecimal() and int(rank) < int(size)):
        raise SettingError(
            "a RANK from 0 to WORLD_SIZE - 1", received=f"RANK={rank} and WORLD_SIZE={size}",
            do="Ranks are counted from 0, and each worker has its own.",
        )  # fmt: skip
    if not (port.isdecimal() and 0 < int(port) < 65536):
        raise SettingError("a MASTER_PORT from 1 to 65535", received=port, do="29500 is the usual one.")
    return int(rank), int(size), f"{address}:{port}"


def _in_our_words(text, rank, world_size, place, timeout):
    first = text.strip().splitlines()[0] if text.strip() else "no answer"
    if "EADDRINUSE" in text or "address already in use" in text.lower():
        return SettingError(
            f"the port of {place} to be free", received="it is in use by another program, or by a run that still ends",
            do="Set MASTER_PORT (torchrun: --master-port, --rdzv-endpoint) to another number.",
        )  # fmt: skip
    if "timed out" in text.lower() or "timeout" in text.lower():
        return WorkerError(
            f"{world_size} workers to meet at {place} within {timeout:g} s", received=first, rank=rank,
            do="Is a worker missing, is WORLD_SIZE or the address wrong, does a firewall close the port?",
        )  # fmt: skip
    return SettingError(
        f"{world_size} workers to meet at {place}", received=first,
        do="Is MASTER_ADDR the machine of rank 0, and does no other program answer at MASTER_PORT?",
    )  # fmt: skip
