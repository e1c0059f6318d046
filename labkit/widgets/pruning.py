"""The widget of lesson 03: a sparsity or a threshold on the real weights of any layer, and what it would do."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from labkit.coding import sparse_bits
from labkit.errors import SettingError
from labkit.plots.pruning import weights_and_cut
from labkit.policy import Policy
from labkit.steps import PruneMagnitude
from labkit.steps.base import encoder_weights
from labkit.widgets.controls import choice, slider
from labkit.widgets.curve import between
from labkit.widgets.panel import Panel, View
from labkit.widgets.scoring import f1_unless_stopped

__all__ = ["Weights", "panel", "view", "weights_of"]

WHOLE = "the whole encoder"
KINDS = {
    "attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
    "attention.output.dense": "attention output", "intermediate.dense": "feed-forward, up",
    "output.dense": "feed-forward, down",
}  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """One matrix, or all, prepared so that a slider can move at once.

    `sizes` are the sorted absolute values at 4,001 evenly spaced ranks, `counts` and `edges` a histogram in
    thousands of weights, `total` the number of weights.
    """

    sizes: np.ndarray
    counts: np.ndarray
    edges: np.ndarray
    total: int

    @classmethod
    def of(cls, weight):
        """Prepare the values of an array of any shape."""
        flat = np.asarray(weight, dtype=np.float32).ravel()
        # Sorting all of them takes a fifteenth of the time of np.quantile.
        sizes = np.interp(np.linspace(0, flat.size - 1, 4001), np.arange(flat.size), np.sort(np.abs(flat)))
        limit = float(sizes[-20])
        counts, edges = np.histogram(flat, bins=60, range=(-limit, limit))
        return cls(sizes, counts / 1000, edges, flat.size)

    def threshold(self, sparsity):
        """The size below which a share of the weights lies."""
        return float(np.interp(sparsity, np.linspace(0, 1, len(self.sizes)), self.sizes))

    def sparsity(self, threshold):
        """The share of the weights below a size."""
        return float(np.searchsorted(self.sizes, threshold) / (len(self.sizes) - 1)) if threshold > 0 else 0.0


def weights_of(classifier):
    """Prepare every matrix of the encoder, and all together; a dictionary from readable names to Weights."""
    found, everything = {}, []
    for name, parameter in encoder_weights(classifier.model).items():
        layer, _, rest = name.partition("encoder.layer.")[2].partition(".")
        weight = parameter.detach().numpy()
        found[f"layer {layer}, {KINDS[rest.removesuffix('.weight')]}"] = Weights.of(weight)
        everything.append(weight.ravel())
    return {WHOLE: Weights.of(np.concatenate(everything))} | found


def view(weights, swept, *, layer, sparsity, threshold=0.0, measured=()):
    """What happens at a sparsity, or at a threshold where one is given, to one of the prepared matrices.

    `weights` comes from `weights_of`; `swept` and `measured` are (sparsity, F1) of the pruned model.
    """
    if layer not in weights:
        raise SettingError(f"one of {len(weights)} layers", received=repr(layer), do="Pick one from the list.")
    one = weights[layer]
    if threshold > 0:
        sparsity = min(one.sparsity(threshold), 1.0)
    cut = threshold if threshold > 0 else one.threshold(sparsity)
    points = [(s, f1, False) for s, f1 in swept] + [(s, f1, True) for s, f1 in measured]
    curve, now = between(points, sparsity, steps=721)
    fig = weights_and_cut(one.counts, one.edges, cut, points=points, curve=curve,
                          now=None if now is None else (sparsity, now))  # fmt: skip
    dense, sparse = 4 * one.total / 1e6, sparse_bits(one.total, sparsity) / 8e6
    smaller = "no smaller" if sparse >= dense else f"{dense / sparse:.1f} times smaller" if sparse else "nothing left"
    readout = (
        f"{layer.capitalize()}: {sparsity:.0%} of {one.total:,} weights lie below {cut:.4f} and become zero; "
        f"{1 - sparsity:.0%} stay. As a dense file {dense:.2f} MB, as before; with the zeros coded {sparse:.2f} MB, "
        f"{smaller}."
    )
    if now is not None:
        readout += f" With the same share of every matrix at zero, F1 is about {now:.3f} (between measured points)."
    if measured:
        readout += f" Last measured: {measured[-1][0]:.0%} of every matrix at zero, F1 {measured[-1][1]:.3f}."
    return View(fig, readout)


def measure_point(teacher, task, params, progress, should_stop, *, weights):
    """Prune the real model in one shot, reload it from its packed file, and score it on the test rows."""
    sparsity = params["sparsity"]
    if params["threshold"] > 0:
        sparsity = min(weights[params["layer"]].sparsity(params["threshold"]), 1.0)
    progress(0.1, f"pruning {sparsity:.0%} and packing")
    pruned = Policy([PruneMagnitude(sparsity=round(sparsity, 4))]).apply(teacher, task)
    f1 = f1_unless_stopped(pruned, task, progress, should_stop, begin=0.3)
    return None if f1 is None else (sparsity, f1)


def panel(teacher, task, swept, *, sparsity=0.5):
    """Make the widget for a teacher: choose a layer, move the sparsity or a threshold, measure the real thing.

    `swept` is a list of (sparsity, F1) that the lesson has measured.
    """
    weights = weights_of(teacher)
    largest = float(weights[WHOLE].sizes[-40])
    controls = {
        "layer": choice("Weights of", list(weights), value=WHOLE),
        "sparsity": slider("Sparsity (share of zeros)", low=0.0, high=1.0, value=float(sparsity), step=0.01),
        "threshold": slider("Threshold (0: use the sparsity)", low=0.0, high=largest, value=0.0, step=largest / 200),
    }
    controls["threshold"].readout_format = ".4f"
    return Panel(
        partial(view, weights, tuple(swept)), controls,
        measure=partial(measure_point, teacher, task, weights=weights),
    )  # fmt: skip
