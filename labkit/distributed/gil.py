"""Threads against processes: two kinds of work, done twice in turn, by two threads, and by two processes."""

import sys
import threading
import time

import torch

__all__ = ["KINDS", "gil_is_on", "in_threads", "in_turn", "race"]


def python_loop(amount):
    """Add up numbers in plain Python: the interpreter is busy all the time. Returns the sum.

    >>> python_loop(1) > 0
    True
    """
    total = 0
    for number in range(20_000 * amount):
        total += number % 7
    return total


def matrix_products(amount):
    """Multiply matrices: the interpreter only hands them over, the time is spent in compiled code.

    >>> matrix_products(1).shape
    torch.Size([256, 256])
    """
    matrix = torch.full((256, 256), 1 / 256)
    for _ in range(2 * amount):
        matrix = matrix @ matrix
    return matrix


KINDS = {"Python loop": python_loop, "matrix products": matrix_products}
"""Work that holds the interpreter's lock, and work that lets go of it."""


def gil_is_on():
    """Whether this Python lets only one thread at a time run Python code (the global interpreter lock, GIL)."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def in_turn(kind, amount, *, times=2):
    """Take the seconds of doing the work `times` times, one after the other."""
    start = time.perf_counter()
    for _ in range(times):
        KINDS[kind](amount)
    return time.perf_counter() - start


def in_threads(kind, amount, *, threads=2):
    """Take the seconds of doing the work once in each of `threads` threads of this process, all at the same time."""
    crew = [threading.Thread(target=KINDS[kind], args=(amount,)) for _ in range(threads)]
    start = time.perf_counter()
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return time.perf_counter() - start


def race(*, amount=40, rounds=5, progress=None):
    """Do each kind of work twice, in turn, by two threads, by two processes: the best seconds of `rounds`.

    Returns a dictionary from kinds to dictionaries from ways to seconds; "starting" is what two processes take to
    start, once. Each of them computes with one thread.

    Raises WorkerError when a worker fails, Interrupted on Ctrl-C.
    """
    from labkit.distributed import launch
    from labkit.distributed.demos import work

    before, found = torch.get_num_threads(), {}
    torch.set_num_threads(1)  # else the matrix products in turn would use two cores already
    try:
        for kind in KINDS:
            KINDS[kind](1)
            # By turns, so that a machine that is busy for a while is so for both.
            pairs = [(in_turn(kind, amount), in_threads(kind, amount)) for _ in range(rounds)]
            best = [min(seconds) for seconds in zip(*pairs, strict=True)]
            found[kind] = dict(zip(("in turn", "two threads"), best, strict=True))
    finally:
        torch.set_num_threads(before)
    start = time.perf_counter()
    workers = launch(work, 2, list(KINDS), amount, rounds=rounds, progress=progress)
    whole = time.perf_counter() - start
    for kind in KINDS:
        rounds_of_both = zip(*(seconds[kind] for seconds in workers), strict=True)
        found[kind]["two processes"] = min(max(both) for both in rounds_of_both)
    return found | {"starting": whole - sum(sum(seconds) for seconds in workers[0].values())}
