"""What this process has started and what still runs of it."""

import os

import psutil

__all__ = ["started"]


def started():
    """Give all processes under this one, but the one that forks workers: it stays, for the next launch."""
    return [child for child in psutil.Process().children(recursive=True) if not _forks(child)]


def _forks(process):
    """Tell the process that forks workers from the workers, which have its command line."""
    return process.ppid() == os.getpid() and "labkit.fork_server" in " ".join(process.cmdline())
