"""Measure what the calculator predicts: the memory of a real step, the speed of a layer's products."""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from labkit.asked import asked_once
from labkit.errors import Interrupted, LabError, SettingError
from labkit.hardware.memory import inference_bytes, training_peak_bytes
from labkit.hardware.shape import SHAPES
from labkit.hardware.work import layer_products
from labkit.machine.speed import torch_threads
from labkit.machine.system import memory_bytes

__all__ = ["LayerSpeed", "Measured", "counted_flops", "layer_speeds", "measure_step", "measure_training"]


@dataclass(frozen=True)
class Measured:
    """What one model needed in a process of its own; memory is counted above that of the libraries."""

    static_bytes: int  # held between two steps: weights, and in training the gradients and moments
    peak_bytes: int  # highest at any time
    activation_bytes: int | None  # kept by autograd from forward to backward; None: not counted
    seconds: float  # of the fastest step
    parameters: int


@dataclass(frozen=True)
class LayerSpeed:
    """How long one layer's products with its weights took."""

    tokens: int  # rows at a time
    seconds: float
    flop_s: float  # reached
    intensity: float  # FLOP/byte


def measure_step(
    shape,
    *,
    batch,
    length,
    train=True,
    optimizer="adam",
    threads=1,
    memory=True,
    activations=True,
    should_stop=None,
):
    """Run a real model of this shape, with random weights, in a fresh process, and measure it (Measured).

    `train=False` predicts instead. `memory` makes freed memory go back at once, so that the peak is what is in
    use; it costs time, so leave it out to measure speed. `activations` adds a forward pass that counts what
    autograd keeps. `should_stop()` is asked ten times a second. Raises SettingError where the model does not
    fit into memory or the input is longer than the model's positions, Interrupted when stopped, LabError when
    the process fails.
    """
    _check_size(shape, batch=batch, length=length, train=train, optimizer=optimizer)
    job = {
        "config": {**shape.to_config().to_dict(), "model_type": "gpt2" if shape.lm_head else "bert"},
        "labels": shape.labels, "batch": batch, "length": length, "train": train, "optimizer": optimizer,
        "threads": threads, "count_activations": activations,
    }  # fmt: skip
    exact = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"} if memory else {}
    quiet = {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryFile("w+") as asked, tempfile.TemporaryFile("w+") as told:
        json.dump(job, asked)
        asked.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "labkit.hardware.worker"],
            stdin=asked, stdout=told, stderr=subprocess.STDOUT, env={**os.environ, **exact, **quiet},
        )  # fmt: skip
        try:
            while process.poll() is None:
                if should_stop is not None and should_stop():
                    raise Interrupted("time to finish", received="a stop", do="Start again when you like.")
                time.sleep(0.1 if should_stop else 0.02)
        finally:
            process.kill()
            process.wait()
        told.seek(0)
        lines = told.read().strip().splitlines() or [f"no output, exit code {process.returncode}"]
    if process.returncode:
        raise LabError(
            f"{shape.name} to run once",
            received=lines[-1],
            do="Choose a smaller batch or a smaller model; the process may have been out of memory.",
        )
    return Measured(**json.loads(lines[-1]))


def measure_training(sizes, *, threads=1, count_in=(), cache=None):
    """Train each model of {name: (batch, length)} for two steps ({name: Measured}), two models at a time.

    Two only where both fit into memory together. Memory does not depend on who else is running; the times
    do. `count_in` names the models whose activations are counted too. With a `cache`, this machine is asked once.
    """
    peaks = sorted(
        training_peak_bytes(SHAPES[name], batch=batch, length=length) for name, (batch, length) in sizes.items()
    )
    together = 2 if sum(peaks[-2:]) < 0.7 * memory_bytes()[1] else 1

    def one(name):
        batch, length = sizes[name]
        return measure_step(SHAPES[name], batch=batch, length=length, threads=threads, activations=name in count_in)

    def ask():
        with ThreadPoolExecutor(together) as pool:
            return dict(zip(sizes, pool.map(one, sizes), strict=True))

    if cache is None:
        return ask()
    kept = asked_once(
        "training memory", lambda: {name: asdict(found) for name, found in ask().items()}, cache=cache,
        code=("labkit.hardware.measured", "labkit.hardware.worker"), sizes=sizes, threads=threads,
        count_in=list(count_in),
    )  # fmt: skip
    return {name: Measured(**one) for name, one in kept.items()}


def _check_size(shape, *, batch, length, train, optimizer):
    """Refuse what cannot run here before it starts."""
    if length > shape.positions:
        raise SettingError(
            f"at most {shape.positions} tokens for {shape.name}",
            received=length,
            do="Choose a shorter length.",
        )
    size = {"batch": batch, "length": length}
    needed = inference_bytes(shape, **size)
    if train:
        needed = training_peak_bytes(shape, optimizer=optimizer, **size)
    free = memory_bytes()[1]
    if needed > 0.9 * free:
        raise SettingError(
            f"a model that fits into the {free / 1e9:.1f} GB of free memory",
            received=f"{shape.name}, which needs about {needed / 1e9:.1f} GB",
            do="Choose a smaller model, a smaller batch or a shorter length.",
        )


def layer_speeds(shape, *, tokens=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512), threads=1, seconds=0.3):
    """Time one layer's six products with its weights, for several numbers of tokens ([LayerSpeed]).

    The time is the shortest over several layers used in turn, more than a cache can hold: as in a whole
    model, the weights of each come from memory. `seconds` is the time for each number of tokens.
    """
    import torch
    from torch.nn.functional import linear

    h, i = shape.hidden, shape.intermediate
    one = 4 * (4 * h * h + 2 * h * i)
    count = max(2, min(shape.layers, -(-160_000_000 // one)))
    layers = [[torch.full(size, 0.01) for size in [(h, h)] * 4 + [(i, h), (h, i)]] for _ in range(count)]

    def run(layer, x):
        query, key, value, output, up, down = layer
        linear(x, query), linear(x, key)
        return linear(linear(linear(linear(x, value), output), up), down)

    best = dict.fromkeys(tokens, float("inf"))
    started = time.perf_counter()
    with torch_threads(threads), torch.inference_mode():
        inputs = {number: torch.full((number, h), 0.01) for number in tokens}
        rounds = 0
        # All in turn, so that a busy moment of the machine does not fall on one of them alone.
        while rounds < 3 or time.perf_counter() - started < seconds * len(best):
            rounds += 1
            for number, x in inputs.items():
                for layer in layers:
                    before = time.perf_counter()
                    run(layer, x)
                    best[number] = min(best[number], time.perf_counter() - before)
    work = {number: layer_products(shape, tokens=number) for number in tokens}
    return [
        LayerSpeed(number, taken, work[number].flops / taken, work[number].intensity) for number, taken in best.items()
    ]


def counted_flops(shape, *, batch, length, train=False):
    """Let torch count the operations of a real model (int), on its "meta" device, where nothing is computed.

    >>> from labkit.hardware.shape import SHAPES
    >>> counted_flops(SHAPES["BERT-base"], batch=1, length=128)
    22348431360
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModel, AutoModelForCausalLM

    config = shape.to_config()
    fast = torch.backends.mha.get_fastpath_enabled()
    # The counter sees attention only where it is spelled out as products of matrices.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.device("meta"), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            model = (AutoModelForCausalLM if shape.lm_head else AutoModel).from_config(config)
            result = model(input_ids=torch.zeros(batch, length, dtype=torch.long))
            if train:
                result[0 if shape.lm_head else 1].sum().backward()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops()
