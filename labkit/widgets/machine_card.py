"""Lesson 00's widget: how large a model may be on this machine, and what one token of it costs."""

import time
from dataclasses import dataclass
from statistics import median

import numpy as np

from labkit.errors import SettingError
from labkit.machine import probe
from labkit.plots import machine as plots
from labkit.widgets.controls import choice, log_slider
from labkit.widgets.panel import Panel, View

__all__ = ["Token", "measure", "panel", "view"]

SIZES = np.geomspace(1, 1e6, 61)  # millions of parameters
STORED_AS = (("32-bit floats (4 bytes)", 4.0), ("16-bit floats (2 bytes)", 2.0),
             ("8-bit whole numbers (1 byte)", 1.0), ("4-bit whole numbers (half a byte)", 0.5))  # fmt: skip
ROWS, COLUMNS = 1000, 1000
REPEATS = 20


def reading_seconds(machine, millions, bytes_a_weight):
    """The time to read every weight from memory once, in seconds.

    >>> from types import SimpleNamespace
    >>> reading_seconds(SimpleNamespace(read_gb_s=40.0), 100, 4)  # 0.4 GB at 40 GB/s
    0.01
    """
    return millions * 1e6 * bytes_a_weight / (machine.read_gb_s * 1e9)


def arithmetic_seconds(machine, millions):
    """The time to multiply and add once for every weight, in seconds: one token, fp32.

    >>> from types import SimpleNamespace
    >>> arithmetic_seconds(SimpleNamespace(gflop_s=200.0), 100)  # 0.2 GFLOP at 200 GFLOP/s
    0.001
    """
    return 2 * millions * 1e6 / (machine.gflop_s * 1e9)


def view(millions=100.0, bytes_a_weight=4.0, *, machine=None, measured=()):
    """Show the cost of one token for a model of `millions` parameters, stored in `bytes_a_weight` bytes each.

    `measured` are points that `measure` returned. Without a `machine`, it is this one.

    >>> view(22.7, 4.0).readout.startswith("23 million parameters at 4 bytes each are 90.8 MB.")
    True
    """
    machine = machine or probe()
    reading, arithmetic = (
        reading_seconds(machine, millions, bytes_a_weight),
        arithmetic_seconds(machine, millions),
    )
    fig = plots.token_limits(
        SIZES,
        reading=reading_seconds(machine, SIZES, bytes_a_weight),
        arithmetic=arithmetic_seconds(machine, SIZES),
        at=(millions, max(reading, arithmetic)),
        fits=machine.memory_bytes / bytes_a_weight / 1e6,
        measured=[(point.millions, point.seconds) for point in measured],
    )
    size = millions * 1e6 * bytes_a_weight
    limit, ratio = ("memory", reading / arithmetic) if reading > arithmetic else ("arithmetic", arithmetic / reading)
    words = [
        f"{_count(millions)} parameters at {bytes_a_weight:g} byte{'s' * (bytes_a_weight != 1)} each "
        f"are {_size(size)}.",
        f"This machine reads them once in {_duration(reading)} ({machine.read_gb_s:g} GB/s), and does "
        f"the arithmetic of one token in {_duration(arithmetic)} ({machine.gflop_s:g} GFLOP/s).",
        f"So {limit} is the limit, by a factor of {ratio:.2g}.",
        _fit(size, machine.memory_bytes),
    ]
    words += [f"Measured: {_count(p.millions)} parameters, {_duration(p.seconds)}." for p in measured[-1:]]
    return View(fig, " ".join(words))


@dataclass(frozen=True)
class Token:
    """One measured point: `millions` of weights times one vector took `seconds`."""

    millions: int
    seconds: float


def measure(params, progress, should_stop):
    """Multiply as many real weights with one vector, as a model does for one token; returns a Token.

    The weights are 32-bit floats in matrices of a million, so that no two lie in the same place of memory.
    Raises SettingError when they are not 4 bytes each, or would not fit into half of the free memory.
    """
    import psutil
    import torch

    millions = round(params["millions"])
    if params["bytes_a_weight"] != 4:
        raise SettingError(
            "weights of 4 bytes, which this button measures",
            received=f"{params['bytes_a_weight']:g}",
            do="Choose 32-bit floats.",
        )
    room = psutil.virtual_memory().available / 2 / (4 * ROWS * COLUMNS)
    if not 1 <= millions <= room:
        raise SettingError(
            f"1 to {room:,.0f} million parameters, half of the free memory",
            received=f"{millions:,}",
            do="Choose a smaller model.",
        )
    matrices = []
    for count in range(millions):
        if should_stop():
            return None
        matrices.append(torch.full((ROWS, COLUMNS), 0.01))
        progress(0.5 * count / millions, f"making weights, {count} of {millions} million")
    vector, out, seconds = torch.ones(COLUMNS), torch.empty(ROWS), []
    for repeat in range(REPEATS):
        if should_stop():
            break
        start = time.perf_counter()
        for matrix in matrices:
            torch.mv(matrix, vector, out=out)
        seconds.append(time.perf_counter() - start)
        progress(0.5 + 0.5 * (repeat + 1) / REPEATS, f"token {repeat + 1} of {REPEATS}")
    return Token(millions, median(seconds)) if seconds else None


def panel():
    """Make the panel: the size of a model, how its weights are stored, and a Measure button."""
    controls = {
        "millions": log_slider("Parameters in millions", low=1, high=1e6, value=100),
        "bytes_a_weight": choice("Weights stored as", STORED_AS, value=4.0),
    }
    return Panel(view, controls, measure=measure)


def _fit(size, memory):
    if size <= memory:
        return f"They take {size / memory:.1%} of its {_size(memory)} of memory."
    return f"They do not fit: its memory holds {_size(memory)}."


def _count(millions):
    return f"{millions:,.0f} million" if millions < 1000 else f"{millions / 1000:,.4g} billion"


def _size(count):
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count / 1e3:.3g} KB"


def _duration(seconds):
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
