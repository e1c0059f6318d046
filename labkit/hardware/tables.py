"""Calculated beside measured: the tables of lesson 01, as plain dicts of rows."""

from labkit.hardware.memory import training_moments, training_peak_bytes, training_state_bytes
from labkit.hardware.roofline import estimate
from labkit.hardware.shape import SHAPES, parameters
from labkit.hardware.wire import all_reduce_bytes
from labkit.hardware.work import forward, layer_products, training_step

__all__ = ["device_rows", "grown", "growth", "layer_rows", "moment_rows", "ratios", "that_fit", "training_rows"]


def that_fit(sizes, *, memory, share=0.8):
    """Keep the models of {name: (batch, length)} whose training needs at most `share` of `memory` bytes.

    >>> that_fit({"MiniLM": (1, 8), "GPT-3": (1, 8)}, memory=10**9)
    {'MiniLM': (1, 8)}
    """
    return {
        name: (batch, length)
        for name, (batch, length) in sizes.items()
        if training_peak_bytes(SHAPES[name], batch=batch, length=length) <= share * memory
    }


def training_rows(sizes, steps):
    """Set the memory of training beside the measured one, in MB: {model: {column: value}}.

    `sizes` is {model: (batch, length)}, `steps` {model: Measured}.
    """
    rows = {}
    for name, step in steps.items():
        batch, length = sizes[name]
        peak = training_peak_bytes(SHAPES[name], batch=batch, length=length)
        found = {
            "16 bytes a parameter (MB)": sum(training_state_bytes(SHAPES[name]).values()),
            "measured between steps (MB)": step.static_bytes,
            "calculated peak (MB)": peak,
            "measured peak (MB)": step.peak_bytes,
        }
        rows[name] = {"batch × length": f"{batch} × {length}"}
        rows[name] |= {column: round(value / 1e6) for column, value in found.items()}
    return rows


def moment_rows(sizes):
    """List what is in memory at both full moments of a step, for a figure: {row: {part: bytes}}.

    >>> list(moment_rows({"MiniLM": (1, 8)}))
    ['MiniLM: start of backward', 'MiniLM: update']
    """
    return {
        f"{name}: {moment}": parts
        for name, (batch, length) in sizes.items()
        for moment, parts in training_moments(SHAPES[name], batch=batch, length=length).items()
    }


def layer_rows(shape, speeds, device, *, named):
    """Set the roofline beside what `layer_speeds` measured: {words: {column: value}}.

    `named` says in words what each number of tokens stands for: {words: tokens}.
    """
    rows = {}
    for words, tokens in named.items():
        found = next(speed for speed in speeds if speed.tokens == tokens)
        told = estimate(layer_products(shape, tokens=tokens), device)
        rows[words] = {
            "tokens at a time": tokens,
            "intensity (FLOP/byte)": round(told.intensity, 1),
            "ridge (FLOP/byte)": round(told.ridge, 1),
            "so it is": told.bound,
            "at least (ms)": round(told.seconds * 1e3, 2),
            "measured (ms)": round(found.seconds * 1e3, 2),
        }
    return rows


def device_rows(shape, devices, *, length=8, batches=(1, 32), weight_bytes=2):
    """Say for each device which limit binds when a model reads texts: {device: {column: value}}."""
    rows = {}
    for device in devices:
        told = {
            batch: estimate(
                forward(shape, batch=batch, length=length, weight_bytes=weight_bytes),
                device,
                weight_bytes=weight_bytes,
            )
            for batch in batches
        }
        rows[device.name] = {"figures": device.kind, "ridge (FLOP/byte)": round(told[batches[0]].ridge, 1)}
        rows[device.name] |= {f"batch {batch}": found.bound for batch, found in told.items()}
    return rows


def growth(machine, steps, *, flops, sent, batch=4, length=128):
    """Collect what a training step takes for every published shape, for `plots.hardware.long_run`.

    `steps` is {model: Measured}, `flops` {model: operations that torch counted}, `sent` {model: Sent}.
    """
    every = SHAPES.items()
    step = {"batch": batch, "length": length}
    return {
        "Operations": {
            "unit": "FLOP a step",
            "calculated": {name: training_step(shape, **step).flops for name, shape in every},
            "measured": flops,
            "limit": (machine.gflop_s * 1e9, "this machine in 1 s"),
        },
        "Memory": {
            "unit": "bytes between steps",
            "calculated": {name: sum(training_state_bytes(shape).values()) for name, shape in every},
            "measured": {name: found.static_bytes for name, found in steps.items()},
            "limit": (machine.memory_bytes, "this machine's memory"),
        },
        "Wire": {
            "unit": "bytes each worker sends a step",
            "calculated": {name: all_reduce_bytes(shape, workers=2) for name, shape in every},
            "measured": {name: found.bytes for name, found in sent.items()},
            "limit": (1e9 / 8, "a 1 Gbit/s link in 1 s"),
        },
    }


def grown(panels, *, small, large):
    """Say how many times more the large model needs than the small one, of each quantity of `growth` (str).

    >>> grown({"Wire": {"calculated": {"a": 2, "b": 3000}}}, small="a", large="b")
    'wire × 1,500'
    """
    told = {title: panel["calculated"] for title, panel in panels.items()}
    return ", ".join(f"{title.lower()} × {of[large] / of[small]:,.0f}" for title, of in told.items())


def ratios(sizes, steps):
    """Divide measured by calculated memory: {model: (between steps, at the peak)}."""
    found = {}
    for name, step in steps.items():
        batch, length = sizes[name]
        state = 16 * parameters(SHAPES[name])
        peak = training_peak_bytes(SHAPES[name], batch=batch, length=length)
        found[name] = (step.static_bytes / state, step.peak_bytes / peak)
    return found
