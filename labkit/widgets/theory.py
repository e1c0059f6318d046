"""Widgets of lesson 02: what a rounding does to a real weight matrix, and how long the article's step is."""

from functools import lru_cache

import numpy as np

from labkit.plots.style import COLOURS, figure
from labkit.plots.theory import training_curves
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

__all__ = ["MATRICES", "headline_features", "panel", "update_panel", "update_view", "view", "weights"]

MATRICES = {
    "layer 1, FFN output (has an outlier)": "encoder.layer.0.output.dense.weight",
    "layer 6, FFN input (even)": "encoder.layer.5.intermediate.dense.weight",
    "layer 1, attention output": "encoder.layer.0.attention.output.dense.weight",
    "pooler": "pooler.dense.weight",
}
SHARES = ("tensor", "channel", "group")


@lru_cache(maxsize=None)
def weights(matrix):
    """One of the MATRICES of the pre-trained model, shape (outputs, inputs), float32; read only once.

    >>> weights("pooler").shape
    (384, 384)
    """
    from safetensors import safe_open

    from labkit.classifier import checkpoint_folder

    with safe_open(checkpoint_folder() / "model.safetensors", framework="np") as file:
        return file.get_tensor(MATRICES[matrix])


@lru_cache(maxsize=512)
def _outcome(matrix, rounding):
    """Relative error, share of zeros and the middle row's grid of one rounding: what the picture needs."""
    weight = weights(matrix)
    rounded = round_weights(weight, rounding)
    error = np.sqrt(np.square(rounded - weight).mean() / np.square(weight).mean())
    grid = rounding.grid(weight)
    middle = np.argsort(grid.scale.ravel())[len(grid.scale) // 2]
    zero = np.broadcast_to(grid.zero_point, grid.scale.shape).ravel()[middle]
    points = grid.scale.ravel()[middle] * (np.arange(grid.low, grid.high + 1) - zero)
    return float(error), float((rounded == 0).mean()), points, rounding.bits_per_weight(weight.shape)


def view(matrix, *, bits=4, share="tensor", group=64, scheme="symmetric", percentile=100.0):
    """The weights of a matrix with the grid they are rounded to, and the error for each way to share a scale.

    >>> view("pooler", bits=8, share="channel").readout[:26]
    '8 bits, symmetric, one sca'
    """
    settings = {
        kind: Rounding(bits=bits, share=kind, group=group, scheme=scheme, percentile=percentile)
        for kind in SHARES
    }
    outcomes = {kind: _outcome(matrix, setting) for kind, setting in settings.items()}
    error, zeros, points, cost = outcomes[share]
    fig, (left, right) = figure(8.4, 3.3, columns=2, width_ratios=(3, 2))
    _histogram(left, weights(matrix), points)
    _bars(right, outcomes, chosen=share)
    names = {"tensor": "the whole matrix", "channel": "each row", "group": f"each {group} neighbours"}
    others = ", ".join(f"for {names[kind]} {outcomes[kind][0]:.1%}" for kind in SHARES if kind != share)
    return View(
        fig,
        f"{bits} bits, {scheme}, one scale for {names[share]}, clipped above {percentile:.4g} %: the error is "
        f"{error:.1%} of the weights' size, {zeros:.1%} of the weights become zero, and each costs {cost:.2f} "
        f"bits with its share of the scales. With one scale {others}.",
    )


def _histogram(ax, weight, points):
    reach = 6 * weight.std()
    ax.hist(
        _inside(weight.ravel(), reach), bins=121, range=(-reach, reach), color=COLOURS["sky"], label="weights"
    )
    shown = _inside(points, reach)
    for index, point in enumerate(shown if len(shown) <= 80 else []):
        ax.axvline(point, color=COLOURS["vermillion"], linewidth=1, label="grid" if index == 0 else None)
    outside = weight[np.abs(weight) > reach]
    largest = np.abs(weight).max() / weight.std()
    note = f"{len(outside)} weights outside,\nthe largest at {largest:.0f} std"
    ax.annotate(note, (0.02, 0.80), xycoords="axes fraction", fontsize=8, va="top")
    ax.set(xlabel="weight", ylabel="number of weights", yscale="log", xlim=(-reach, reach))
    ax.legend(loc="upper left", ncols=2, fontsize=8, frameon=False)


def _inside(values, reach):
    return values[np.abs(values) <= reach]


def _bars(ax, outcomes, *, chosen):
    for place, kind in enumerate(SHARES):
        error = outcomes[kind][0]
        ax.barh(place, error, color=COLOURS["blue"] if kind == chosen else COLOURS["grey"], height=0.6)
        ax.annotate(f" {error:.1%}", (error, place), va="center", fontsize=9)
    labels = [f"{'→ ' if kind == chosen else ''}{kind}" for kind in SHARES]
    ax.set(xlabel="error (share of the weights' size)", xlim=(0, 1.25), ylim=(2.6, -0.6))
    ax.set_yticks(range(len(SHARES)), labels)
    ax.grid(axis="y", visible=False)


def panel(matrix="layer 1, FFN output (has an outlier)"):
    """The main widget: bits, who shares a scale, scheme and clipping, on real weights."""
    controls = {
        "matrix": choice("Weight matrix", list(MATRICES), value=matrix),
        "bits": slider("Bits for each weight", low=2, high=8, value=4),
        "share": choice("Who shares one scale", list(SHARES), value="tensor"),
        "group": choice("Weights in a group", [16, 32, 64, 128], value=64),
        "scheme": choice("Scheme", ["symmetric", "affine"], value="symmetric"),
        "percentile": slider(
            "Percentile to reach (rest is clipped)", low=99.0, high=100.0, value=100.0, step=0.1
        ),
    }
    return Panel(lambda matrix, **rest: view(matrix, **rest), controls)


@lru_cache(maxsize=4)
def headline_features(rows, *, parts=16, seed=0):
    """Real numbers for a small softmax layer: features (rows, parts) and labels (rows,) of training headlines.

    The frozen pre-trained model gives 384 numbers a headline; their `parts` principal components, each scaled
    to variance 1, are the features.
    """
    import torch

    from labkit.batches import encode, pad
    from labkit.classifier import pretrained
    from labkit.task import load_task

    task = load_task()
    chosen = np.random.default_rng(seed).permutation(len(task.texts("train")))[:rows]
    texts, model = task.texts("train"), pretrained(task.labels)
    batch = pad(encode(model.tokenizer, [texts[i] for i in chosen]))
    with torch.inference_mode():
        hidden = model.model.base_model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    mean = ((hidden * mask).sum(1) / mask.sum(1)).double().numpy()
    directions = np.linalg.svd(mean - mean.mean(axis=0), full_matrices=False)[0]
    return directions[:, :parts] * np.sqrt(rows), task.truth("train")[chosen]


def update_view(workers, *, rows=240, learning_rate=4.0, steps=20):
    """The right update and the article's, on `rows` headlines and `workers` simulated nodes.

    >>> update_view(4, rows=64, steps=2).readout[:51]
    '4 workers, 64 rows. Read with shard means the artic'
    """
    features, labels = (values[:rows] for values in headline_features(240))
    cuts = np.cumsum(shard_sizes(rows, workers=workers))[:-1]
    shards = list(zip(np.split(features, cuts), np.split(labels, cuts), strict=True))
    start = np.zeros((features.shape[1], 5))
    losses = {}
    for name in ("averaged", "article, shard means", "article, shard sums"):
        path = train_nodes(start, shards, update=name, learning_rate=learning_rate, steps=steps)
        losses[name] = [softmax_loss(nodes[0], features, labels) for nodes in path]
    means, sums = article_scale(workers, rows=rows), article_scale(workers, rows=rows, gradient="sum")
    last = {name: values[-1] for name, values in losses.items()}
    return View(
        training_curves(losses),
        f"{workers} workers, {rows} rows. Read with shard means the article's step is {means:.3g} times the right "
        f"one (K²/N), with shard sums {sums:.3g} times (K). Loss after {steps} steps: right {last['averaged']:.3f}, "
        f"shard means {last['article, shard means']:.3f}, shard sums {last['article, shard sums']:.3f}. "
        + ("Here N = K², and the article is right by accident." if workers**2 == rows else ""),
    )


def update_panel():
    """The second widget: workers, rows and learning rate of a distributed step."""
    controls = {
        "workers": slider("Workers (K)", low=1, high=16, value=8),
        "rows": slider("Rows (N)", low=16, high=240, value=240, step=16),
        "learning_rate": slider("Learning rate", low=0.5, high=8.0, value=4.0, step=0.5),
    }
    return Panel(lambda workers, **rest: update_view(workers, **rest), controls)
