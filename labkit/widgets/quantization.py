"""The widget of lesson 05: bits, group and clipping on the real weights of any layer, and what they would cost."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np
import torch

from labkit.errors import SettingError
from labkit.plots.quantization import weights_and_levels
from labkit.quantization import Scheme, fit, round_into
from labkit.quantization.blocks import blocks_of
from labkit.steps.base import encoder_weights
from labkit.widgets.controls import choice, slider
from labkit.widgets.curve import between
from labkit.widgets.panel import Panel, View
from labkit.widgets.pruning import KINDS
from labkit.widgets.scoring import f1_unless_stopped

__all__ = ["Matrix", "matrices_of", "panel", "rounded_model", "view"]

GROUPS = {
    "the whole matrix": "tensor", "each row": "row", "each 128 weights": 128, "each 64 weights": 64,
    "each 32 weights": 32, "each 16 weights": 16,
}  # fmt: skip
SAMPLE = 1536  # rows of a larger matrix that are looked at


@dataclass(frozen=True, eq=False)
class Matrix:
    """One matrix of the model, or some of its rows, prepared so that a slider can move at once."""

    weight: torch.Tensor
    rows: int
    """Rows of the whole matrix."""

    @cached_property
    def histogram(self):
        """Counts in thousands of weights of the whole matrix, and edges; far weights are left out of the picture."""
        flat = self.weight.numpy().ravel()
        limit = float(np.quantile(np.abs(flat), 1 - 20 / flat.size))
        counts, edges = np.histogram(flat, bins=80, range=(-limit, limit))
        return counts * self.rows / len(self.weight) / 1000, edges

    @cached_property
    def buffer(self):
        """Room for the rounded weights."""
        return torch.empty_like(self.weight)


def matrices_of(classifier):
    """Prepare every matrix of the encoder, the word embedding and the pooler; a dictionary from readable names."""
    found = {}
    for name, parameter in encoder_weights(classifier.model).items():
        layer, _, rest = name.partition("encoder.layer.")[2].partition(".")
        found[f"layer {layer}, {KINDS.get(rest.removesuffix('.weight'), rest)}"] = parameter
    for name, parameter in classifier.model.named_parameters():
        for end, words in (("word_embeddings.weight", "word embedding"), ("pooler.dense.weight", "pooler")):
            if name.endswith(end):
                found[words] = parameter
    return {name: Matrix(_some_rows(weight.detach()), len(weight)) for name, weight in found.items()}


def _some_rows(weight):
    return weight[:: -(-len(weight) // SAMPLE)].contiguous()


def _grid(weight, bits, group, reach):
    grid = fit(weight, Scheme(bits, group))
    scales = (grid.scales.float() * reach).half()
    return replace(grid, scales=torch.where(scales == 0, grid.scales, scales))


@lru_cache(maxsize=4096)
def _outcome(matrix, bits, group, reach):
    """Error, share of zeros, share of clipped weights, and the values on the middle one of the grids."""
    weight, grid = matrix.weight, _grid(matrix.weight, bits, group, reach)
    rounded = round_into(weight, grid, matrix.buffer)
    zeros = 1 - int(torch.count_nonzero(rounded)) / weight.numel()
    ends = grid.high * grid.scales.float()[..., None]
    clipped = int(torch.count_nonzero(blocks_of(weight, group).abs() > ends * (1 + 0.5 / grid.high))) / weight.numel()
    error = float((rounded.sub_(weight)).norm() / weight.norm())
    levels = float(grid.scales.float().median()) * np.arange(grid.low, grid.high + 1)
    return error, zeros, clipped, levels


def view(matrices, swept, *, layer, bits, group, reach=1.0, measured=()):
    """What rounding does to one of the prepared matrices.

    `matrices` comes from `matrices_of`; `group` is a number of neighbours, "row" or "tensor"; `reach` the share of the
    largest weight of each group that its grid reaches. `swept` and `measured` are (error, F1) of the rounded model.
    """
    if layer not in matrices:
        raise SettingError(f"one of {len(matrices)} matrices", received=repr(layer), do="Pick one from the list.")
    matrix = matrices[layer]
    error, zeros, clipped, levels = _outcome(matrix, bits, group, round(reach, 4))
    points = [(e, f1, False) for e, f1 in swept] + [(e, f1, True) for e, f1 in measured]
    curve, now = between(points, error, steps=80, log=True)
    fig = weights_and_levels(*matrix.histogram, levels, points=points, curve=curve, now=(error, now))
    shape = (matrix.rows, matrix.weight.shape[1])
    cost, total = Scheme(bits, group).bits_a_weight(shape), shape[0] * shape[1]
    shared = next((words for words, value in GROUPS.items() if value == group), f"each {group} weights")
    readout = (
        f"{layer.capitalize()}, {total:,} weights: {bits} bits, one scale for {shared}, grids up to {reach:.0%} of "
        f"their largest weight. The error is {error:.1%} of the weights' size; {zeros:.0%} of them are zero, "
        f"{clipped:.1%} are clipped. With the scales a weight costs {cost:.2f} bits: {total * cost / 8e3:,.0f} kB "
        f"instead of {4 * total / 1e3:,.0f} kB, {32 / cost:.1f} times smaller."
    )
    if now is not None:
        readout += f" With this error in every matrix, F1 is about {now:.3f} (between measured points)."
    if measured:
        readout += f" Last measured: an error of {measured[-1][0]:.1%}, F1 {measured[-1][1]:.3f}."
    return View(fig, readout)


def rounded_model(teacher, *, bits, group, reach=1.0):
    """Round every matrix of a copy of the teacher: the classifier, and its error over all matrices together."""
    student, gap, size = teacher.copy(), 0.0, 0.0
    for parameter in student.model.parameters():
        if parameter.ndim == 2:
            before = parameter.detach().clone()
            round_into(before, _grid(before, bits, group, reach), parameter.data)
            gap += float((parameter.data - before).square().sum())
            size += float(before.square().sum())
    return student, (gap / size) ** 0.5


def measure_point(teacher, task, params, progress, should_stop):
    """Round the real model with the setting and score it on the test rows; gives (error, F1)."""
    progress(0.05, f"rounding every matrix to {params['bits']} bits")
    student, error = rounded_model(teacher, bits=params["bits"], group=params["group"], reach=params["reach"])
    f1 = f1_unless_stopped(student, task, progress, should_stop, begin=0.2)
    return None if f1 is None else (error, f1)


def panel(teacher, task, swept, *, bits=4):
    """Make the widget for a teacher: choose a matrix, move bits, group and reach, measure the real thing.

    `swept` is a list of (error, F1) that the lesson has measured.
    """
    matrices = matrices_of(teacher)
    controls = {
        "layer": choice("Weights of", list(matrices)),
        "bits": slider("Bits of a weight", low=2, high=8, value=bits),
        "group": choice("One scale for", list(GROUPS.items()), value=64),
        "reach": slider("Grid reaches (share of the largest)", low=0.05, high=1.0, value=1.0, step=0.01),
    }
    return Panel(partial(view, matrices, tuple(swept)), controls, measure=partial(measure_point, teacher, task))
