"""Widgets of lesson 02: what a rounding does to a real weight matrix, and how long the article's step is."""

from functools import cache, lru_cache

import numpy as np

from labkit.errors import SettingError
from labkit.plots.theory import training_curves, weights_and_errors
from labkit.theory import (
    Rounding,
    article_scale,
    round_weights,
    shard_sizes,
    softmax_loss,
    train_nodes,
)
from labkit.widgets.controls import choice, slider
from labkit.widgets.panel import Panel, View

__all__ = [
    "MATRICES",
    "OUTLIER",
    "headline_features",
    "panel",
    "update_panel",
    "update_view",
    "view",
    "weights",
]

MATRICES = {
    "layer 1, FFN output (one outlier)": "encoder.layer.0.output.dense.weight",
    "layer 6, FFN input (no outlier)": "encoder.layer.5.intermediate.dense.weight",
    "layer 1, attention output": "encoder.layer.0.attention.output.dense.weight",
    "pooler": "pooler.dense.weight",
}
OUTLIER = next(iter(MATRICES))
SHARES = {"tensor": "the whole matrix", "channel": "each row", "group": "each group"}
PARTS = 16  # principal components of a headline that the small softmax layer sees
READINGS = ("averaged", "article, shard means", "article, shard sums")


@cache
def weights(matrix):
    """One of the MATRICES of the pre-trained model, shape (outputs, inputs), float32; read only once.

    >>> weights("pooler").shape
    (384, 384)
    """
    from safetensors import safe_open

    from labkit.classifier import checkpoint_folder

    with safe_open(checkpoint_folder() / "model.safetensors", framework="np") as file:
        return file.get_tensor(MATRICES[matrix])


@cache
def _histogram(matrix):
    """Counts and edges within six standard deviations, weights outside, and the largest in these units."""
    weight = weights(matrix)
    reach = 6 * weight.std()
    counts, edges = np.histogram(weight, bins=121, range=(-reach, reach))
    return counts, edges, weight.size - counts.sum(), np.abs(weight).max() / weight.std()


@lru_cache(maxsize=4096)
def _outcome(matrix, rounding):
    """Relative error, weights that are not zero, and one grid (the middle one by scale) of one rounding."""
    weight = weights(matrix)
    rounded = round_weights(weight, rounding)
    error = np.sqrt(np.square(rounded - weight).mean() / np.square(weight).mean())
    smallest, largest = rounding.ends(weight)
    middle = np.argsort((largest - smallest).ravel())[len(largest) // 2]
    points = rounding.grid_of(float(smallest[middle, 0]), float(largest[middle, 0])).points()
    return float(error), int(np.count_nonzero(rounded)), points


def view(matrix, *, bits=4, share="tensor", group=64, scheme="symmetric", percentile=100.0):
    """The weights of a matrix with the grid they are rounded to, and the error for each way to share a scale.

    >>> print(view("pooler", bits=8, share="channel").readout[:41])
    8 bits, symmetric, one scale for each row
    """
    settings = {kind: Rounding(bits, kind, group, scheme, percentile) for kind in SHARES}
    outcomes = {kind: _outcome(matrix, setting) for kind, setting in settings.items()}
    error, left, points = outcomes[share]
    errors = {kind: outcome[0] for kind, outcome in outcomes.items()}
    cost = settings[share].bits_per_weight(weights(matrix).shape)
    size = f" of {group} weights" if share == "group" else ""
    others = ", ".join(f"for {SHARES[kind]} {errors[kind]:.1%}" for kind in SHARES if kind != share)
    return View(
        weights_and_errors(*_histogram(matrix), points, errors, chosen=share),
        f"{bits} bits, {scheme}, one scale for {SHARES[share]}{size}, grid up to percentile "
        f"{percentile:.4g}: the error is {error:.1%} of the weights' size, {left:,} of "
        f"{weights(matrix).size:,} weights are not zero, and each costs {cost:.2f} bits with its share of "
        f"the scales. With one scale {others}.",
    )


def panel(matrix=OUTLIER):
    """The main widget: bits, who shares a scale, scheme and clipping, on real weights."""
    controls = {
        "matrix": choice("Weight matrix", list(MATRICES), value=matrix),
        "bits": slider("Bits for each weight", low=2, high=8, value=4),
        "share": choice("One scale for", [(words, kind) for kind, words in SHARES.items()], value="tensor"),
        "group": choice("Weights in a group", [16, 32, 64, 128], value=64),
        "scheme": choice("Scheme", ["symmetric", "affine"], value="symmetric"),
        "percentile": slider("Grid reaches up to percentile", low=99.0, high=100.0, value=100.0, step=0.1),
    }
    return Panel(lambda matrix, **rest: view(matrix, **rest), controls)


@lru_cache(maxsize=4)
def headline_features(rows, *, seed=0):
    """Features (rows, 16) and labels (rows,) of training headlines, for a small softmax layer.

    The frozen pre-trained model gives 384 numbers a headline; their 16 principal components, each scaled to
    variance 1, are the features. Raises SettingError for fewer than 16 rows, or more than there are.
    """
    import torch

    from labkit.batches import encode, pad
    from labkit.classifier import pretrained
    from labkit.task import load_task

    task = load_task()
    texts, model = task.texts("train"), pretrained(task.labels)
    if not PARTS <= rows <= len(texts):
        raise SettingError(
            f"a number of rows from {PARTS} to {len(texts)}",
            received=str(rows),
            do="The training part has no more headlines, and fewer do not span the features.",
        )
    chosen = np.random.default_rng(seed).permutation(len(texts))[:rows]
    ids, means = encode(model.tokenizer, [texts[i] for i in chosen]), []
    for first in range(0, rows, 32):
        batch = pad(ids[first : first + 32])
        with torch.inference_mode():
            hidden = model.model.base_model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        means.append(((hidden * mask).sum(1) / mask.sum(1)).double().numpy())
    mean = np.concatenate(means)
    directions = np.linalg.svd(mean - mean.mean(axis=0), full_matrices=False)[0]
    return directions[:, :PARTS] * np.sqrt(rows), task.truth("train")[chosen]


def update_view(workers, *, rows=240, learning_rate=4.0, steps=20):
    """The right update and the article's, on `rows` real headlines and `workers` simulated nodes.

    >>> print(update_view(4, rows=64, steps=2).readout[:20])
    4 workers, 64 rows.
    """
    features, labels = (values[:rows] for values in headline_features(240, seed=0))
    cuts = np.cumsum(shard_sizes(rows, workers=workers))[:-1]
    shards = list(zip(np.split(features, cuts), np.split(labels, cuts), strict=True))
    start, losses = np.zeros((features.shape[1], 5)), {}
    for name in READINGS:
        path = train_nodes(start, shards, update=name, learning_rate=learning_rate, steps=steps)
        losses[name] = [softmax_loss(nodes[0], features, labels) for nodes in path]
    means, sums = (article_scale(workers, rows=rows, gradient=kind) for kind in ("mean", "sum"))
    last = ", ".join(f"{name} {values[-1]:.3f}" for name, values in losses.items())
    accident = " Here N = K²: with shard means the article is right by accident." if workers**2 == rows else ""
    return View(
        training_curves(losses),
        f"{workers} workers, {rows} rows. Read with shard means, the article's step is {means:.3g} times the "
        f"right one (K²/N), with shard sums {sums:.3g} times (K). Loss after {steps} steps: "
        f"{last}.{accident}",
    )


def update_panel():
    """The second widget: workers, rows and learning rate of a distributed step."""
    controls = {
        "workers": slider("Workers (K)", low=1, high=16, value=8),
        "rows": slider("Rows (N)", low=16, high=240, value=240, step=16),
        "learning_rate": slider("Learning rate", low=0.5, high=8.0, value=4.0, step=0.5),
    }
    return Panel(lambda workers, **rest: update_view(workers, **rest), controls)
