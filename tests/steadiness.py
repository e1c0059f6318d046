"""How evenly this machine computes: what a bar on times means on one that others use too."""

import time

__all__ = ["STEADY", "p95", "slowdown"]

STEADY = 1.5  # below it the machine is taken for a steady one
ROUNDS = 40


def slowdown(work=lambda: sum(number * number for number in range(600_000))):
    """Give the time that the same work takes at its 95th percentile, over that at its best: 1.0 is perfectly even.

    The work takes as long as a picture, and there are pauses as between key presses: about three seconds in all.
    """
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
        time.sleep(0.02)
    return p95(times) / min(times)


def p95(times):
    """Give the 95th percentile of some times, one of them."""
    return sorted(times)[int(0.95 * len(times))]
