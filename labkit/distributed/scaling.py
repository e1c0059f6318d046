"""How long a training step takes on more workers: a model of six numbers, fitted to what was measured.

With K workers, B rows a step and G bytes that each worker hands to the network:

    own  = crowding * (step + row * B / K)                   every worker's forward, backward and optimizer
    wire = 2(K-1)/K * G / bandwidth + latency * messages      what the link needs
    seconds = own + handling * 2(K-1)/K * G + hook + max(0, wire - overlap * own)

What it assumes, and what you give up when it does not hold:

1. Workers are equal and get equal shards; nobody waits for a straggler.
2. A row costs the same in a large batch as in a small one.
3. Gradients go round a ring: each worker sends 2(K-1)/K of them (lesson 07), all links at full rate at once.
   No switch is shared. What is exchanged otherwise (rows of an embedding) is counted the same way.
4. The processor copies and adds every byte at `handling` seconds, link or no link. A network card that does it
   by itself is faster than that.
5. Computing hides the link's time up to `overlap` of itself, because buckets leave while backward still runs.
6. In a cluster each worker has a machine like this one for itself: `crowded=False`.
7. The batch is what you set. Whether the model *learns* as well with it is another question (Goyal et al. 2017).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from labkit.errors import SettingError
from labkit.hardware.wire import ring_share

__all__ = ["Scaling", "StepTime", "fit_scaling", "mbit", "messages", "ring_share"]

BUCKET = 25 * 2**20  # bytes of a DDP bucket; the first one has 1 MiB
FIRST_BUCKET = 2**20


@dataclass(frozen=True)
class StepTime:
    """One measured point: how long a step took.

    >>> StepTime(workers=2, batch=32, bytes=90e6, seconds=0.33).rows_per_second
    96.96969696969697
    """

    workers: int
    batch: int
    """Rows of a step, of all workers together."""
    seconds: float
    bytes: float = 0.0
    """What each worker hands to the network in a step; 0 where nothing is exchanged."""
    hook: str = "none"
    bandwidth: float = math.inf
    """Of each worker's link, bytes a second; infinite where they share a machine."""
    model: str = ""

    @property
    def rows_per_second(self):
        """How many rows are trained on in a second."""
        return self.batch / self.seconds


@dataclass(frozen=True)
class Scaling:
    """The model above. Times in seconds, sizes in bytes.

    >>> small = Scaling(row_seconds=0.01, step_seconds=0.04)
    >>> round(small.seconds(1, batch=32), 3), round(small.seconds(2, batch=32), 3)
    (0.36, 0.2)
    >>> round(small.seconds(2, batch=32, bytes=100e6, bandwidth=mbit(1000)), 3)   # 0.2 + 100 MB at 125 MB/s
    1.0
    >>> round(small.efficiency(2, batch=32), 2)   # the optimizer's 0.04 s are not shared
    0.9
    """

    row_seconds: float
    """Forward and backward of one row."""
    step_seconds: float
    """What a step costs whatever its rows: the optimizer above all."""
    byte_seconds: float = 0.0
    """Handling: copying and adding one byte that goes through a worker."""
    crowding: float = 1.0
    """How many times longer a worker's own work takes while others work on the same machine."""
    overlap: float = 0.0
    """Share of its own work behind which a worker can hide the link's time."""
    latency: float = 0.0
    """Of one message."""
    hooks: Mapping = field(default_factory=dict)
    """Seconds that compressing and unpacking take in a step, by the hook's name."""

    def parts(self, workers, *, batch, bytes=0.0, bandwidth=math.inf, hook="none", crowded=True):
        """Split the seconds of a step: a dictionary of rows, each step, handling, compressing and waiting.

        >>> Scaling(0.01, 0.04).parts(2, batch=8, bytes=1e6, bandwidth=1e7)["waiting for the link"]
        0.1

        Raises SettingError for less than one worker, fewer rows than workers, a bandwidth that is not above zero,
        or a hook that was not measured.
        """
        self._check(workers, batch, bandwidth, hook)
        alone = workers == 1
        crowding = self.crowding if crowded and not alone else 1.0
        rows, step = crowding * self.row_seconds * batch / workers, crowding * self.step_seconds
        sent = ring_share(workers) * bytes
        wire = 0.0 if alone else sent / bandwidth + self.latency * messages(workers, bytes)
        return {
            "rows": rows,
            "each step": step,
            "handling bytes": self.byte_seconds * sent,
            "compressing": 0.0 if alone else self.hooks.get(hook, 0.0),
            "waiting for the link": max(0.0, wire - self.overlap * (rows + step)),
        }

    def seconds(self, workers, **setting):
        """Seconds of a step; the settings are those of `parts`."""
        return sum(self.parts(workers, **setting).values())

    def speedup(self, workers, **setting):
        """How many times faster than one worker with the same rows a step."""
        return self.seconds(1, batch=setting["batch"]) / self.seconds(workers, **setting)

    def efficiency(self, workers, **setting):
        """Speedup over the number of workers: 1 where nothing is lost."""
        return self.speedup(workers, **setting) / workers

    def scaled(self, factor):
        """The model for a network `factor` times as large in all its parts, on the same machine.

        >>> Scaling(0.01, 0.04).scaled(2).seconds(1, batch=32)
        0.72
        """
        hooks = {name: factor * seconds for name, seconds in self.hooks.items()}
        return replace(
            self, row_seconds=factor * self.row_seconds, step_seconds=factor * self.step_seconds, hooks=hooks
        )

    def of(self, point):
        """Seconds that the model gives for the setting of a StepTime."""
        return self.seconds(
            point.workers, batch=point.batch, bytes=point.bytes, bandwidth=point.bandwidth, hook=point.hook
        )

    def error(self, point):
        """How far the model is from a measured point: 0.1 says 10 % too slow, -0.1 says 10 % too fast."""
        return self.of(point) / point.seconds - 1

    def _check(self, workers, batch, bandwidth, hook):
        if workers < 1 or batch < workers:
            raise SettingError(
                "one worker or more, and a row for each", received=f"{workers} workers, {batch} rows",
                do="Take fewer workers, or more rows a step.",
            )  # fmt: skip
        if not bandwidth > 0:
            raise SettingError("a bandwidth above zero", received=f"{bandwidth}", do="Use mbit(100) for 100 Mbit/s.")
        if hook != "none" and hook not in self.hooks:
            known = ", ".join(["none", *self.hooks])
            raise SettingError(f"a hook that was measured: {known}", received=repr(hook), do="Measure it first.")


def messages(workers, bytes):
    """Messages that a worker sends in a step: 2(K-1) for each bucket of 25 MiB, the first one of 1 MiB.

    >>> messages(2, 0), messages(2, 1000), messages(4, 90e6)
    (0, 2, 30)
    """
    if bytes <= 0:
        return 0
    return 2 * (workers - 1) * (1 + math.ceil(max(0.0, bytes - FIRST_BUCKET) / BUCKET))


def mbit(rate):
    """Bytes a second of a link of so many megabits a second.

    >>> mbit(100)
    12500000.0
    """
    return rate * 1e6 / 8


def fit_scaling(measurements, *, latency=0.0):
    """Find the numbers of the model from measured points of one network: relative errors are made small.

    Two points of one worker with different batches give `row_seconds` and `step_seconds`; points of several workers
    give `crowding`, `byte_seconds` and a time for each hook; points over a slow link give `overlap`. What the points
    do not tell stays at nothing: no crowding, no handling, no overlap. `latency` is taken as given.

    >>> true = Scaling(0.01, 0.04, byte_seconds=1e-9)
    >>> points = [StepTime(k, b, true.seconds(k, batch=b, bytes=9e7), bytes=9e7) for k in (1, 2) for b in (32, 128)]
    >>> found = fit_scaling(points)
    >>> round(found.row_seconds, 4), round(found.step_seconds, 3), round(1e9 * found.byte_seconds, 2)
    (0.01, 0.04, 1.0)

    Raises SettingError when all points have the same number of rows a worker, or a time is not above zero.
    """
    from scipy.optimize import least_squares

    points = list(measurements)
    if len({point.batch / point.workers for point in points}) < 2:
        raise SettingError(
            "points with two different numbers of rows a worker", received=f"{len(points)} points",
            do="Measure at batch 32 and at batch 128.",
        )  # fmt: skip
    if any(not 0 < point.seconds < math.inf for point in points):
        raise SettingError("times above zero", received=str(min(p.seconds for p in points)), do="Measure again.")
    names = tuple(sorted({point.hook for point in points if point.workers > 1} - {"none"}))
    told = _told(points)

    def unpack(numbers):
        row, step, handling, crowding, overlap = np.where(told, numbers[:5], 0.0).tolist()
        return Scaling(
            row, step, byte_seconds=1e-9 * handling, crowding=1 + crowding, overlap=overlap, latency=latency,
            hooks=dict(zip(names, numbers[5:].tolist(), strict=True)),
        )  # fmt: skip

    def misses(numbers):
        scaling = unpack(numbers)
        errors = [math.log(max(scaling.of(point), 1e-12) / point.seconds) for point in points]
        return [*errors, 1e-4 * numbers[3]]  # where crowding and handling explain the same, it is handling

    fastest = min(point.seconds * point.workers / point.batch for point in points)
    start = [0.8 * fastest, 0.2 * fastest, 1.0, 0.05, 0.3, *(0.01 for _ in names)]
    most = [math.inf, math.inf, math.inf, math.inf, 1.0, *(math.inf for _ in names)]
    return unpack(least_squares(misses, start, bounds=(0, most), x_scale="jac", xtol=1e-12, ftol=1e-12).x)


def _told(points):
    """Which of row, step, handling, crowding and overlap the points say anything about."""
    several = [point for point in points if point.workers > 1]
    exchange = any(point.bytes > 0 for point in several)
    linked = any(math.isfinite(point.bandwidth) and point.bytes > 0 for point in several)
    return np.array([True, True, exchange, bool(several), linked])
