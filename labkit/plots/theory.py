"""Figures of lesson 02: a mean as an area, the nearest sparse point, a rounding, a wrong update."""

import numpy as np

from labkit.plots.style import COLOURS, figure, ticks

__all__ = [
    "mask_distances",
    "mean_as_area",
    "nearest_sparse",
    "staircase",
    "training_curves",
    "two_zeros",
    "weights_and_errors",
]

_LINES = {
    "averaged": ("blue", "-", "o"),
    "article, shard means": ("vermillion", "--", "s"),
    "article, shard sums": ("orange", ":", "^"),
    "each node alone": ("purple", "-.", "D"),
}


def mean_as_area(means, sizes):
    """Shards as blocks, as wide as their rows and as high as their mean loss: the mean levels the area.

    `means` has one loss a shard (nats), `sizes` the rows of each. Two lines show the mean over all rows and
    the mean of the means.
    """
    means, sizes = np.asarray(means, dtype=float), np.asarray(sizes)
    fig, ax = figure(6.4, 2.9)
    left = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    ax.bar(left, means, width=sizes, align="edge", color=COLOURS["sky"], edgecolor="white", linewidth=2)
    for start, size, mean in zip(left, sizes, means, strict=True):
        ax.annotate(f"{size} rows, mean {mean:.3g}", (start + size / 2, 0.06), ha="center", fontsize=9)
    lines = [
        ("mean over all rows", np.average(means, weights=sizes), "blue", "-"),
        ("mean of the shards' means", means.mean(), "vermillion", "--"),
    ]
    for label, height, colour, dashes in lines:
        ax.axhline(height, color=COLOURS[colour], linestyle=dashes, label=f"{label}: {height:.3g}")
    ax.set(xlabel="rows", ylabel="loss (nats)", xlim=(0, sizes.sum()), ylim=(0, 1.45 * means.max()))
    ax.legend(loc="upper left")
    return fig


def nearest_sparse(theta):
    """The points with at most one non-zero are the two axes: a point and its distance to both."""
    x, y = theta
    fig, ax = figure(4.2, 3.4)
    ax.axhline(0, color=COLOURS["black"], linewidth=3)
    ax.axvline(0, color=COLOURS["black"], linewidth=3)
    near, far = ((x, 0), (0, y)) if abs(x) >= abs(y) else ((0, y), (x, 0))
    for target, colour, dashes, word in [
        (near, "blue", "-", "nearest"),
        (far, "vermillion", "--", "the other"),
    ]:
        gap = float(np.hypot(x - target[0], y - target[1]))
        ax.plot([x, target[0]], [y, target[1]], color=COLOURS[colour], linestyle=dashes, marker="o",
                label=f"{word}: distance {gap:.2g}")  # fmt: skip
    ax.plot(x, y, "o", color=COLOURS["black"], markersize=9)
    ax.annotate("θ", (x, y), xytext=(7, 5), textcoords="offset points", fontsize=12)
    reach = 1.5 * max(abs(x), abs(y))
    ax.set(xlabel="first weight", ylabel="second weight", xlim=(-reach / 5, reach), ylim=(-reach / 5, reach))
    ax.set_aspect("equal")
    ax.legend(loc="upper right")
    return fig


def mask_distances(distances, best):
    """How far random masks move a row of weights, and how far the mask that keeps the largest does."""
    fig, ax = figure(6.4, 2.8)
    ax.hist(distances, bins=40, color=COLOURS["sky"], label=f"{len(distances):,} random masks")
    ax.axvline(best, color=COLOURS["blue"], label="keep the largest")
    low, high = min(best, np.min(distances)), np.max(distances)
    edge = 0.1 * (high - low)
    ax.set(xlabel="distance to the unpruned row", ylabel="masks", xlim=(low - edge, high + edge))
    ax.legend(loc="upper center")
    return fig


def staircase(grid, *, low, high):
    """Q(x) over x, and the error Q(x) - x below it: a saw of half a step, until the ends clip."""
    fig, (top, bottom) = figure(6.0, 4.2, rows=2, columns=1, sharex=True)
    x = np.linspace(low, high, 2001)
    rounded = grid.round_trip(x)
    top.plot(x, x, color=COLOURS["grey"], linewidth=1, label="x")
    top.plot(x, rounded, color=COLOURS["blue"], label="Q(x)")
    top.plot(grid.points(), grid.points(), "o", color=COLOURS["blue"], markersize=5, label="grid points")
    top.set_ylabel("rounded value")
    top.legend(loc="upper left")
    bottom.plot(x, rounded - x, color=COLOURS["vermillion"])
    for sign in (-1, 1):
        bottom.axhline(sign * grid.scale / 2, color=COLOURS["black"], linestyle=":", linewidth=1)
    bottom.annotate(" s/2", (high, grid.scale / 2), va="center", annotation_clip=False)
    bottom.annotate(" −s/2", (high, -grid.scale / 2), va="center", annotation_clip=False)
    bottom.set(xlabel="x", ylabel="error Q(x) − x", xlim=(low, high))
    return fig


def two_zeros(whole, fractional):
    """The points of two grids on a line each, around zero: one grid holds zero, the other misses it."""
    fig, ax = figure(6.4, 2.0)
    for height, grid, colour, marker in [(1, whole, "blue", "o"), (0, fractional, "vermillion", "s")]:
        points = grid.points()
        ax.plot(points, np.full(len(points), height), marker, color=COLOURS[colour])
        miss = points[np.abs(points).argmin()]
        word = "zero is a point" if abs(miss) < 1e-12 else f"zero becomes {miss:+.3g}"
        ax.annotate(
            word, (miss, height), xytext=(6, 10), textcoords="offset points", fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    ax.axvline(0, color=COLOURS["black"], linewidth=1)
    ax.set(xlabel="x", ylim=(-0.6, 1.8))
    ticks(ax.yaxis, [0, 1], ["fractional z", "whole z"])
    ax.grid(axis="y", visible=False)
    return fig


def training_curves(losses, spreads=None):
    """Loss after each step for each way to update the nodes, and, beside it, how far the nodes are apart.

    `losses` and `spreads` map the names of `labkit.theory.UPDATES` to one number a step.
    """
    fig, axes = figure(7.6 if spreads else 6.4, 3.3, columns=2 if spreads else 1)
    panels = [(np.atleast_1d(axes)[0], losses, "loss on all rows (nats)")]
    if spreads:
        panels.append((axes[1], spreads, "largest gap between two nodes"))
    for ax, table, label in panels:
        for name, values in table.items():
            colour, dashes, marker = _LINES[name]
            ax.plot(values, color=COLOURS[colour], linestyle=dashes, marker=marker, markevery=4, label=name)
        ax.set(xlabel="step", ylabel=label, ylim=(0, None))
    handles, names = panels[0][0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=len(names), fontsize=9, frameon=False)
    return fig


def weights_and_errors(counts, edges, outside, largest, points, errors, *, chosen):
    """Weights as a histogram under the points of their grid; the error of each way to share a scale as bars.

    `counts` and `edges` are the histogram, `outside` the number of weights beyond it, `largest` the largest
    magnitude in standard deviations, `errors` maps a way to share a scale to its error; `chosen` is one way.
    """
    fig, (left, right) = figure(8.4, 3.3, columns=2, width_ratios=(3, 2))
    left.stairs(counts, edges, fill=True, color=COLOURS["sky"], label="weights")
    shown, top = points[np.abs(points) <= edges[-1]], 1.5 * counts.max()
    label = f"{len(shown)} of {len(points)} grid points"
    left.vlines(shown, 0.8, top, color=COLOURS["vermillion"], linewidth=1, label=label)
    left.set(xlabel="weight", ylabel="number of weights", yscale="log")
    ticks(left.yaxis, [1, 100, 10_000])
    left.minorticks_off()
    left.set(xlim=(edges[0], edges[-1]), ylim=(0.8, 60 * counts.max()))
    note = f"not in the picture: {outside} weights, the largest\nat {largest:.0f} standard deviations"
    left.annotate(note, (0.03, 0.87), xycoords="axes fraction", fontsize=8, va="top")
    left.legend(loc="upper left", ncols=2, fontsize=8, frameon=False)
    for place, (kind, error) in enumerate(errors.items()):
        right.barh(place, error, color=COLOURS["blue" if kind == chosen else "grey"], height=0.6)
        right.annotate(f" {error:.1%}", (error, place), va="center", fontsize=9)
    ticks(right.yaxis, range(len(errors)), [f"→ {kind}" if kind == chosen else kind for kind in errors])
    right.set(xlabel="error (share of the weights' size)", xlim=(0, 1.25), ylim=(len(errors) - 0.4, -0.6))
    right.grid(axis="y", visible=False)
    return fig
