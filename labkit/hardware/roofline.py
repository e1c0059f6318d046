"""The roofline: how fast a computation can run, given what the processor and the memory can do."""

from dataclasses import dataclass

from labkit.errors import SettingError

__all__ = ["Estimate", "attainable", "estimate"]


def attainable(intensity, *, peak, bandwidth):
    """Give the highest operations a second that a computation of this intensity can reach.

    Under the ridge (peak / bandwidth) each byte brings too little work with it: bandwidth × intensity.
    Above it, the processor is the limit: peak (Williams, Waterman and Patterson 2009,
    doi 10.1145/1498765.1498785). `intensity` is in FLOP/byte, `peak` in FLOP/s, `bandwidth` in bytes/s.
    Raises SettingError where one of them is not positive.

    >>> attainable(2.0, peak=100.0, bandwidth=10.0), attainable(50.0, peak=100.0, bandwidth=10.0)
    (20.0, 100.0)
    """
    for name, value in (("intensity", intensity), ("peak", peak), ("bandwidth", bandwidth)):
        if not value > 0:
            raise SettingError(f"{name} above 0", received=value, do="Check the units: none of the three is 0.")
    return min(peak, bandwidth * intensity)


@dataclass(frozen=True)
class Estimate:
    """What the roofline says about one computation on one device."""

    seconds: float  # at least: nothing runs faster than this
    flop_s: float  # at most
    intensity: float  # FLOP/byte
    ridge: float  # FLOP/byte where both limits meet

    @property
    def bound(self):
        """Which limit binds: "compute-bound" or "bandwidth-bound"."""
        return "compute-bound" if self.intensity >= self.ridge else "bandwidth-bound"


def estimate(work, device, *, weight_bytes=4):
    """Estimate the shortest time of `work` on `device`: max(operations / peak, bytes / bandwidth).

    >>> from labkit.hardware.devices import PUBLISHED
    >>> from labkit.hardware.work import Work
    >>> pi = PUBLISHED["Raspberry Pi 5, 8 GB"]
    >>> found = estimate(Work(flops=1e9, bytes=1e9), pi)
    >>> found.bound, round(found.seconds, 4)
    ('bandwidth-bound', 0.0585)
    """
    peak = device.peak(weight_bytes)
    reached = attainable(work.intensity, peak=peak, bandwidth=device.bandwidth)
    return Estimate(work.flops / reached, reached, work.intensity, peak / device.bandwidth)
