"""Lesson 01's widget: does a model fit on a device, which limit binds, and how long does a step take?"""

from dataclasses import dataclass

from labkit.errors import SettingError
from labkit.hardware import (
    PUBLISHED,
    SHAPES,
    estimate,
    forward,
    inference_bytes,
    parameters,
    this_machine,
    training_moments,
    training_step,
)
from labkit.hardware.measured import measure_step
from labkit.machine import probe
from labkit.plots import hardware as plots
from labkit.plots.style import figure
from labkit.widgets.controls import choice, steps, whole_numbers
from labkit.widgets.panel import Panel, View

__all__ = ["Point", "devices", "measure", "panel", "view"]

WIDTHS = (("fp32: 4 bytes", 4.0), ("bf16: 2 bytes", 2.0), ("int8: 1 byte", 1.0), ("int4: half a byte", 0.5))
USES = ("inference", "training")
HERE = "this machine"


@dataclass(frozen=True)
class Point:
    """One real run on this machine."""

    setting: tuple  # (model, batch, length, use)
    intensity: float  # FLOP/byte, calculated
    flop_s: float  # reached
    seconds: float  # of one step
    peak_bytes: int  # above the libraries' own memory


def devices():
    """All devices by name, this machine first."""
    return {HERE: this_machine(), **PUBLISHED}


def view(model="BERT-base", device=HERE, batch=1, length=8, weight_bytes=4.0, use="inference", *, measured=()):
    """Show whether a model fits on a device, which limit binds and the shortest time of a step.

    `measured` are points that `measure` returned.

    >>> "does not fit" in view("GPT-3", "NVIDIA A100 40 GB", weight_bytes=2.0).readout
    True
    """
    shape, chosen = SHAPES[model], devices()[device]
    size = {"batch": batch, "length": min(length, shape.positions)}
    training = use == "training"
    # Gradients need at least 16 bits, so narrower weights are trained as 16-bit ones.
    width = max(2.0, weight_bytes) if training else weight_bytes
    work = (training_step if training else forward)(shape, **size, weight_bytes=width)
    told = estimate(work, chosen, weight_bytes=width)
    parts = _memory(shape, size, width, training)
    setting = (model, *size.values(), use)
    own = [point for point in measured if device == HERE]
    fig, (roof, memory) = figure(8.4, 4.9, rows=2, height_ratios=(3.2, 1))
    plots.roofline_on(
        roof,
        peak=chosen.peak(width),
        bandwidth=chosen.bandwidth,
        points=[
            ("calculated", told.intensity, told.flop_s, "predicted"),
            *(("measured", point.intensity, point.flop_s, "measured") for point in own),
        ],
    )
    same = [point for point in own if point.setting == setting and width == 4]
    plots.memory_on(
        memory,
        {model: parts},
        limit=chosen.memory,
        limit_name="all its memory",
        measured={model: same[-1].peak_bytes} if same else None,
    )
    memory.set(xlim=(0, 1.25 * max(sum(parts.values()), chosen.memory) / 1e9), ylim=(0.5, -2.1))
    memory.legend(loc="upper left", ncols=6, fontsize=8, frameon=False)
    return View(fig, _words(shape, chosen, size, told, parts, (use, width, weight_bytes), same))


def _memory(shape, size, width, training):
    """Parts of the memory at its fullest moment, {part: bytes}."""
    if training:
        moments = training_moments(shape, **size, mixed=width == 2)
        return max(moments.values(), key=lambda parts: sum(parts.values()))
    weights = width * parameters(shape)
    return {"weights": weights, "temporary": inference_bytes(shape, **size, weight_bytes=width) - weights}


def _words(shape, device, size, told, parts, use, same):
    """The picture in words."""
    use, width, asked = use
    needed = sum(parts.values())
    largest = max(parts, key=parts.get)
    fits = "fits" if needed <= device.memory else "does not fit"
    lines = [
        f"{shape.name}, {plots.readable(parameters(shape))} parameters, {use} with {width:g} bytes a weight, "
        f"{size['batch']} × {size['length']} tokens, on {device.name} (figures {device.kind}).",
        f"Memory: {needed / 1e9:.3g} GB of {device.memory / 1e9:.3g} GB, most of it {largest}: it {fits}.",
        f"Intensity {told.intensity:.3g} FLOP a byte, the ridge is at {told.ridge:.3g}: it is {told.bound}, "
        f"at most {plots.readable(told.flop_s, 'FLOP')}/s, so at least {seconds_in_words(told.seconds)}.",
    ]
    if width != asked:
        lines.append("Training needs at least 2 bytes a weight, so that is what you see.")
    if size["length"] == shape.positions:
        lines.append(f"{shape.positions} tokens are the longest input of {shape.name}.")
    if same:
        ratio = same[-1].seconds / told.seconds
        lines.append(
            f"Measured: {seconds_in_words(same[-1].seconds)}, {ratio:.2g} times the shortest possible, "
            f"with {same[-1].peak_bytes / 1e9:.3g} GB at the peak."
        )
    return " ".join(lines)


def seconds_in_words(seconds):
    """Write a time with a unit that suits it.

    >>> seconds_in_words(0.0123), seconds_in_words(90), seconds_in_words(7200)
    ('12.3 ms', '90 s', '2 hours')
    """
    for unit, scale in (("days", 86400 * 2), ("hours", 7200), ("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / {'days': 86400, 'hours': 3600}.get(unit, scale):.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def measure(params, progress, should_stop):
    """Run this setting here with random weights in a process of its own; returns a Point.

    Raises SettingError for another device, for weights that are not 4 bytes, and for what does not fit.
    """
    if params["device"] != HERE:
        raise SettingError(HERE, received=params["device"], do="Only this machine can be measured here.")
    if params["weight_bytes"] != 4:
        raise SettingError("weights of 4 bytes", received=f"{params['weight_bytes']:g}", do="Choose fp32 to measure.")
    shape, training = SHAPES[params["model"]], params["use"] == "training"
    size = {"batch": params["batch"], "length": min(params["length"], shape.positions)}
    progress(0.1, f"{shape.name} is being built and run in its own process.")
    found = measure_step(
        shape,
        **size,
        train=training,
        threads=probe().threads,
        memory=False,
        activations=False,
        should_stop=should_stop,
    )
    progress(1.0, "done")
    work = (training_step if training else forward)(shape, **size)
    setting = (params["model"], *size.values(), params["use"])
    return Point(setting, work.intensity, work.flops / found.seconds, found.seconds, found.peak_bytes)


def panel():
    """Make the panel: model, device, batch, length, bytes a weight, use, and a Measure button."""
    controls = {
        "model": choice("Model", list(SHAPES), value="BERT-base"),
        "device": choice("Device", list(devices()), value=HERE),
        "batch": steps("Batch: texts at a time", whole_numbers(1, 1024), value=1),
        "length": steps("Length: tokens a text", whole_numbers(1, 2048), value=8),
        "weight_bytes": choice("Weights stored as", WIDTHS, value=4.0),
        "use": choice("Used for", USES, value="inference"),
    }
    return Panel(view, controls, measure=measure)
