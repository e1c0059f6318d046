"""Wait for all workers to finish, and find out whose fault it is when they do not."""

import errno
import os
import time
from dataclasses import dataclass
from pathlib import PurePath

from labkit.distributed.job import NO_SPACE
from labkit.errors import WorkerError

__all__ = ["follow"]

TICK = 0.1  # seconds between two looks at should_stop
START = 60  # seconds that workers may import and meet without news, whatever the timeout: that is not their work
GRACE = 2.0  # seconds to wait for the true cause, when all we know of is a lost connection
ANSWER = 1.0  # seconds that workers get to say where they are
FULL = os.strerror(errno.ENOSPC)
COLLECTIVE = "torch/distributed/"  # a file of this folder is in the stack of whoever waits for the others


@dataclass(frozen=True)
class Fault:
    """How one worker failed, `time` in seconds on the clock that all processes of a machine share."""

    rank: int
    received: str
    traceback: str
    time: float
    lost: bool = False
    """It only lost its connection: another one failed before it."""
    do: str = ""


def follow(workers, *, show, should_stop):
    """Return when every worker has finished; `show(fraction, text)` is told what worker 0 reports.

    Raises WorkerError for the first that fails, or when nobody says anything for the timeout; KeyboardInterrupt when
    `should_stop()` says so.
    """
    pending, faults, heard = set(range(workers.setup.world_size)), {}, time.monotonic()
    starting = set(pending)
    while pending:
        if should_stop():
            raise KeyboardInterrupt
        certain = any(not fault.lost for fault in faults.values())
        told = workers.news(0 if certain else TICK)
        if told is not None:
            rank, message = told
            heard = time.monotonic()
            if message["kind"] == "report" and rank == 0:
                show(message["fraction"], message["text"])
            elif message["kind"] == "joined":
                starting.discard(rank)
            elif message["kind"] == "finished":
                pending.discard(rank)
            elif message["kind"] in ("raised", "gone") and rank not in faults:
                faults[rank] = _fault(workers, rank, message)
        elif certain:
            raise _error(workers, faults)
        now = time.monotonic()
        if faults:
            if now - min(fault.time for fault in faults.values()) > GRACE:
                raise _error(workers, faults)
        elif now - heard > max(workers.setup.timeout, START if starting else 0):
            raise _silence(workers, pending)


def _fault(workers, rank, message):
    log = workers.log(rank)
    if message["kind"] == "raised":
        printed = f"\n\nThe last that it printed:\n{log}" if log else ""
        do = NO_SPACE if FULL in message["error"] else "Its traceback is in the error's .traceback."
        trace = message["traceback"] + printed
        return Fault(rank, message["error"], trace, time=message["time"], lost=message["lost"], do=do)
    how = workers.how_it_died(rank)
    do = "What it printed last is in the error's .traceback."
    if "SIGKILL" in how:
        do = "Systems kill what takes too much memory: start fewer workers, or give each less at a time."
    return Fault(rank, how, log, time=time.monotonic(), do=do)


def _error(workers, faults):
    fault = min(faults.values(), key=lambda fault: (fault.lost, fault.time))
    return WorkerError(
        f"worker {fault.rank} of {workers.setup.world_size} to finish", received=fault.received, do=fault.do,
        rank=fault.rank, traceback=fault.traceback,
    )  # fmt: skip


def _place(stack):
    """Say where a stack ends, from the last line that names a file.

    >>> _place('  File "/home/me/job.py", line 7, in wait')
    ' in wait (job.py, line 7)'
    """
    places = [line.strip().split(", ") for line in stack.splitlines() if line.startswith('  File "')]
    if not places:
        return ""
    file, line, function = places[-1]
    return f" {function} ({PurePath(file[6:-1]).name}, {line})"


def _silence(workers, pending):
    """Ask all that have not finished where they are; who waits for others in a collective is not the one that hangs."""
    for rank in pending:
        workers.ask(rank, "where")
    stacks, end = {}, time.monotonic() + ANSWER
    while len(stacks) < len(pending) and (left := end - time.monotonic()) > 0:
        told = workers.news(left)
        if told is not None and told[1]["kind"] == "here":
            stacks[told[0]] = told[1]["stack"]
    guilty = [rank for rank in sorted(pending) if COLLECTIVE not in stacks.get(rank, "").replace("\\", "/")]
    done = sorted(set(range(workers.setup.world_size)) - pending)
    if guilty:
        rank = guilty[0]
        received = f"none: worker {rank} hangs" + (_place(stacks[rank]) if rank in stacks else " and does not answer")
    else:
        rank = min(pending)
        received = f"none: worker {rank} waits for the others"
        received += f", and worker {done[0]} has finished" if done else ", and they wait too"
    return WorkerError(
        f"news from {workers.setup.world_size} workers within {workers.setup.timeout:g} s", received=received,
        do="The error's .traceback shows where they are. Where the work takes long, let it call "
        "labkit.distributed.report, or give a longer timeout.",
        rank=rank, traceback="\n".join(f"Worker {rank}:\n{stack}" for rank, stack in sorted(stacks.items())),
    )  # fmt: skip
