"""Timing variants against each other: warmed up, taken in turn, median and 95th percentile."""

import gc
import time
from dataclasses import dataclass

import numpy as np

from labkit.errors import SettingError

__all__ = ["Latency", "race"]


@dataclass(frozen=True)
class Latency:
    """Milliseconds a call: `p50`, half of the calls were faster; `p95`, nineteen of twenty were; `ratio` of medians
    against the first variant, taken round by round, below 1 is faster, with `low` and `high` around it (95 %)."""

    p50: float
    p95: float
    ratio: float = 1.0
    low: float = 1.0
    high: float = 1.0


def race(variants, *, rounds=40, warmup=5, settle=0, seed=0):
    """Time functions without arguments, in turn and in random order, and return a Latency for each name.

    Whatever slows the machine down for a moment hits all variants alike, so ratios are steadier than times. `settle`
    calls come before the timed one in each turn: among many models each would else find the processor's caches full of
    another's weights, and other threads still waiting for work, which a model in use does not.

    >>> result = race({"one": lambda: sum(range(20000)), "half": lambda: sum(range(10000))}, rounds=20)
    >>> result["half"].ratio < 0.8
    True

    Raises SettingError for fewer than 5 rounds.
    """
    if rounds < 5 or not variants:
        raise SettingError("a variant and at least 5 rounds", received=f"{len(variants)}, {rounds}", do="Add some.")
    names = list(variants)
    seconds = {name: np.empty(rounds) for name in names}
    for name in names:
        for _ in range(warmup):
            variants[name]()
    random = np.random.default_rng(seed)
    collecting = gc.isenabled()
    gc.disable()  # a collection in the middle of a call is not the model's doing
    try:
        for turn in range(rounds):
            for i in random.permutation(len(names)):
                for _ in range(settle):
                    variants[names[i]]()
                start = time.perf_counter()
                variants[names[i]]()
                seconds[names[i]][turn] = time.perf_counter() - start
    finally:
        if collecting:
            gc.enable()
    return {name: _summary(seconds[name], seconds[names[0]], random) for name in names}


def _summary(own, first, random):
    p50, p95 = np.percentile(own, [50, 95]) * 1000
    ratios = own / first
    draws = random.integers(0, len(ratios), size=(1000, len(ratios)))
    low, high = np.percentile(np.median(ratios[draws], axis=1), [2.5, 97.5])
    return Latency(float(p50), float(p95), float(np.median(ratios)), float(low), float(high))
