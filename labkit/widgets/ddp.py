"""The widget of lesson 08: workers, bandwidth, model size, batch and hook; what a step takes, and what is gained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np

from labkit.distributed.scaling import Scaling, fit_scaling, mbit
from labkit.distributed.scaling_demos import HERE_AT_MOST, time_here
from labkit.errors import SettingError
from labkit.plots.ddp import seconds_in_words as _time
from labkit.plots.ddp import step_and_speedup
from labkit.widgets.controls import choice, log_slider, steps
from labkit.widgets.panel import Panel, View

__all__ = ["Basis", "Point", "measure_point", "panel", "view"]

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCHES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
HOOKS = {"none": "no hook: 32-bit gradients", "fp16": "fp16: 16-bit gradients", "powersgd": "PowerSGD: low rank"}
LATENCY = 50e-6  # seconds a message: an ordinary Ethernet switch and the operating systems at its ends


@dataclass(frozen=True)
class Basis:
    """What was measured of one model on this machine: all that the widget calculates with.

    `millions` of parameters, `bytes` that a worker hands over without a hook, and the share of them with each hook.
    """

    scaling: Scaling
    millions: float
    bytes: float
    shares: Mapping = field(default_factory=dict)

    @classmethod
    def of(cls, points, *, millions):
        """Fit the scaling model to the points (StepTimes) of one model.

        Raises SettingError where no point of several workers without a hook is among them.
        """
        sent = {point.hook: point.bytes for point in points if point.workers > 1 and point.bytes > 0}
        if "none" not in sent:
            raise SettingError(
                "a measured step of two workers without a hook", received=str(sorted(sent)), do="Measure one."
            )
        shares = {hook: size / sent["none"] for hook, size in sent.items()}
        return cls(fit_scaling(points, latency=LATENCY), millions, sent["none"], shares)


@dataclass(frozen=True)
class Point:
    """One real run of two workers on this machine: seconds of a step alone and together."""

    millions: float
    batch: int
    hook: str
    alone: float
    together: float
    workers: int = 2

    @property
    def speedup(self):
        """How many times faster than one worker."""
        return self.alone / self.together


def view(basis, *, workers, rate, millions, batch, hook, measured=()):
    """What a step takes on `workers` machines like this one, joined by links of `rate` Mbit/s, and what is gained.

    `batch` is the rows of a step, of all workers together; `measured` are Points of two workers on this machine.
    """
    if hook not in basis.shares:
        raise SettingError(f"a hook among {sorted(basis.shares)}", received=repr(hook), do="Pick one from the list.")
    used, factor = min(workers, batch), millions / basis.millions
    scaling, size = basis.scaling.scaled(factor), factor * basis.bytes * basis.shares[hook]
    link = {"batch": batch, "bandwidth": mbit(rate), "crowded": False}
    seconds = scaling.parts(used, bytes=size, hook=hook, **link)
    total, alone = sum(seconds.values()), scaling.seconds(1, batch=batch)
    curve = _curve(scaling, batch, rate, size, hook)
    plain = None if hook == "none" else _curve(scaling, batch, rate, factor * basis.bytes, "none")
    fig = step_and_speedup(
        {name: part / total for name, part in seconds.items()}, seconds, curve, plain=plain,
        now=(used, alone / total), measured=[(point.workers, point.speedup) for point in measured],
    )  # fmt: skip
    words = [
        f"{used} worker{'s' if used > 1 else ''}, {_rate(rate)}, {_count(millions)} million parameters, "
        f"{batch:,} rows a step: {_time(total)} a step, {_time(alone)} on one worker."
    ]
    if used > 1:
        words.append(_gain(used, alone / total, seconds, size))
    if hook != "none":
        words.append("The grey line is without a hook.")
    if workers > used:
        words.append(f"Only {used} of the {workers} workers get a row.")
    words += [_found(point) for point in measured[-1:]]
    return View(fig, " ".join(words))


def _gain(workers, speedup, seconds, size):
    most = max(seconds, key=seconds.get)
    return (
        f"That is {speedup:.3g} times as fast, an efficiency of {_percent(speedup / workers)}. Each worker hands "
        f"{_count(size / 1e6)} MB to the network. Most of the step is {_DOING[most]} "
        f"({seconds[most] / sum(seconds.values()):.0%})."
    )


def _found(point):
    return (
        f"Measured on this machine, 2 workers, {_count(point.millions)} million parameters, {point.batch} rows, "
        f"hook {point.hook}: {_time(point.alone)} alone, {_time(point.together)} together, "
        f"{point.speedup:.2f} times as fast."
    )


_DOING = {
    "rows": "computing rows", "each step": "what every worker does whatever its rows, the optimizer above all",
    "handling bytes": "copying and adding gradients", "compressing": "compressing gradients",
    "waiting for the link": "waiting for the link",
}  # fmt: skip


def _curve(scaling, batch, rate, size, hook):
    # A mapping has no hash, so what the curve depends on is handed over as plain numbers.
    return _speedups((*_numbers(scaling), scaling.hooks.get(hook, 0.0)), batch, rate, size)


def _numbers(scaling):
    return (scaling.row_seconds, scaling.step_seconds, scaling.byte_seconds, scaling.overlap, scaling.latency)


@lru_cache(maxsize=4096)
def _speedups(numbers, batch, rate, size):
    row, step, handling, overlap, latency, compressing = numbers
    scaling = Scaling(row, step, byte_seconds=handling, overlap=overlap, latency=latency, hooks={"it": compressing})
    counts = [count for count in WORKERS if count <= batch]
    setting = {"batch": batch, "bandwidth": mbit(rate), "bytes": size, "crowded": False, "hook": "it"}
    return np.array(counts), np.array([scaling.speedup(count, **setting) for count in counts])


def _count(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _percent(share):
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"


def _rate(rate):
    return f"links of {rate / 1000:,.3g} Gbit/s" if rate >= 1000 else f"links of {rate:,.3g} Mbit/s"


def measure_point(params, progress, should_stop):
    """Train a small model of about the chosen size for a few steps, alone and by two real workers; returns a Point.

    The size is held to what this machine does in seconds; the link is this machine's own.
    """
    setting = {
        "millions": min(params["millions"], HERE_AT_MOST["millions"]),
        "batch": min(params["batch"], HERE_AT_MOST["batch"]),
        "hook": params["hook"],
    }
    found = time_here(**setting, progress=progress, should_stop=should_stop)
    return None if found is None else Point(**setting, alone=found["alone"], together=found["together"])


def panel(basis, *, workers=2, rate=1000, batch=32):
    """Make the widget: five settings, and a button that measures two real workers on this machine."""
    hooks = [(words, hook) for hook, words in HOOKS.items() if hook in basis.shares]
    controls = {
        "workers": steps("Workers", WORKERS, value=workers),
        "rate": log_slider("Link of each worker (Mbit/s)", low=10, high=100_000, value=rate),
        "millions": log_slider("Parameters (millions)", low=1, high=1000, value=basis.millions),
        "batch": steps("Rows a step, all workers", BATCHES, value=batch),
        "hook": choice("Gradients sent as", hooks, value="none"),
    }
    return Panel(partial(view, basis), controls, measure=measure_point)
