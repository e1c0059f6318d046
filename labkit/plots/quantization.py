"""The pictures of lesson 05: levels on weights, error against reach and sharing, F1 against bits."""

import numpy as np
from matplotlib.ticker import NullLocator

from labkit.plots.style import COLOURS, CYCLE, figure, ticks

__all__ = [
    "error_against_reach",
    "errors_by_sharing",
    "f1_against_bits",
    "moves",
    "scale_of_tensors",
    "weights_and_levels",
]

GONE = "#C9C9C9"


def weights_and_levels(counts, edges, levels, *, points=(), curve=None, now=None):
    """Draw the distribution of weights with the levels they are rounded to; beside it F1 against the error.

    `counts` (bins,), in thousands of weights, and `edges` (bins + 1,) are a histogram, `levels` the values on one grid.
    What lies beyond the last level is grey: this grid does not reach it, that of another group may. `points` are
    (error, F1, measured by the reader), `curve` is (errors, F1s) between them, `now` the error of the setting and its
    F1 or None. Errors are shares of the weights' size. Returns a Figure.
    """
    fig, (left, right) = figure(7.4, 2.9, columns=2)
    middles = (edges[:-1] + edges[1:]) / 2
    inside = (middles >= levels[0]) & (middles <= levels[-1])
    # Two filled steps, and all levels as one broken line: a slider redraws this many times a second.
    left.stairs(counts, edges, fill=True, color=GONE)
    left.stairs(np.where(inside, counts, 0), edges, fill=True, color=COLOURS["sky"])
    top = 1.08 * counts.max()
    shown = levels[(levels >= edges[0]) & (levels <= edges[-1])]
    x = np.repeat(shown, 3)
    y = np.tile([0.0, top, np.nan], len(shown))
    left.plot(x, y, color=COLOURS["vermillion"], linewidth=1.0 if len(shown) < 40 else 0.4)
    left.set(title="Levels of a middle group\ngrey: beyond this group's levels", xlabel="weight",
             ylabel="weights (thousands)", xlim=(edges[0], edges[-1]), ylim=(0, top))  # fmt: skip
    if curve is not None:
        right.plot(*curve, color=COLOURS["grey"], linestyle="--")
    for mine, marker, colour in ((False, "o", COLOURS["blue"]), (True, "D", COLOURS["green"])):
        chosen = [(error, f1) for error, f1, own in points if own is mine]
        if chosen:
            right.plot(*zip(*chosen, strict=True), linestyle="", marker=marker, color=colour,
                       label="measured by you" if mine else "measured")  # fmt: skip
    if now is not None:
        error, f1 = now
        if f1 is None:  # beyond what was measured: the error is known, the F1 is not
            right.axvline(error, color=COLOURS["vermillion"], linewidth=1.5, label="your setting")
        else:
            right.plot([error], [f1], marker="x", markersize=11, markeredgewidth=2.5, linestyle="",
                       color=COLOURS["vermillion"], label="your setting")  # fmt: skip
    right.set_xscale("log")
    right.set(title="All matrices with this error", xlabel="error, share of the weights' size (%)", ylabel="macro-F1",
              xlim=(0.002, 1.1), ylim=(0, 1))  # fmt: skip
    ticks(right.xaxis, (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1), ("0.5", "2", "5", "10", "20", "50", "100"))
    right.xaxis.set_minor_locator(NullLocator())
    ticks(right.yaxis, (0, 0.25, 0.5, 0.75, 1))
    if right.get_legend_handles_labels()[0]:
        right.legend(loc="lower left", fontsize=9)
    return fig


def f1_against_bits(series, *, teacher=None, baseline=None):
    """Draw F1 against the bits of a weight, one line a way to round, with 95 % intervals.

    `series` maps a name to a list of (bits, Interval); `teacher` and `baseline` are F1 values, drawn as horizontal
    lines. Where several ways have the same bits, they stand beside one another. Returns a Figure.
    """
    fig, ax = figure(6.8, 3.8)
    beside = {
        bits: [n for n, p in series.items() if bits in dict(p)] for points in series.values() for bits, _ in points
    }
    for (name, points), colour, marker in zip(series.items(), CYCLE, "osD^vP", strict=False):
        aside = [0.06 * (beside[bits].index(name) - (len(beside[bits]) - 1) / 2) for bits, _ in points]
        y = [f1.value for _, f1 in points]
        spread = [[f1.value - f1.low for _, f1 in points], [f1.high - f1.value for _, f1 in points]]
        x = [bits + shift for (bits, _), shift in zip(points, aside, strict=True)]
        ax.errorbar(x, y, yerr=spread, marker=marker, color=colour, capsize=3, label=name)
    for value, name, style in ((teacher, "not rounded", ":"), (baseline, "TF-IDF", "-.")):
        if value is not None:
            ax.axhline(value, color=COLOURS["grey"], linestyle=style, linewidth=1.4, label=name)
    ax.set(xlabel="bits of a weight, scales not counted", ylabel="macro-F1", ylim=(0, 1))
    ax.set_title("F1 against bits")
    ax.legend(loc="lower right")
    return fig


def errors_by_sharing(errors):
    """Draw the error of each matrix, one row of dots for each way to share a scale, on a log scale.

    `errors` maps a name to relative errors, one a matrix, (matrices,). A line marks the median. Returns a Figure.
    """
    fig, ax = figure(6.8, 0.9 + 0.55 * len(errors))
    names = list(errors)[::-1]
    for place, (name, colour) in enumerate(zip(names, CYCLE, strict=False)):
        found = np.asarray(errors[name])
        ax.plot(100 * found, np.full(len(found), place), linestyle="", marker="o", alpha=0.5, color=colour)
        ax.plot([100 * np.median(found)] * 2, [place - 0.3, place + 0.3], color=COLOURS["black"], linewidth=2)
    ax.set_xscale("log")
    ticks(ax.yaxis, range(len(names)), names)
    places = [place for place in (0.5, 1, 2, 5, 10, 20, 50, 100) if _near(place, errors)]
    ticks(ax.xaxis, places, [f"{place:g}" for place in places])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="error, share of the weights' size (%)", ylim=(-0.6, len(names) - 0.4))
    ax.set_title("One dot a matrix, the line is their median")
    ax.grid(axis="y", visible=False)
    return fig


def _near(place, errors):
    found = 100 * np.concatenate([np.asarray(values) for values in errors.values()])
    return found.min() / 2 <= place <= found.max() * 2


def error_against_reach(curves):
    """Draw the error against how far the grid reaches, one line a number of bits; a dot marks the least.

    `curves` maps bits to (reaches, errors): shares of the largest weight and of the weights' size. Returns a Figure.
    """
    fig, ax = figure(6.8, 3.6)
    for (bits, (reaches, errors)), style, colour in zip(curves.items(), ("-", "--", "-.", ":"), CYCLE, strict=False):
        best = int(np.argmin(errors))
        ax.plot(
            100 * np.asarray(reaches), 100 * np.asarray(errors), linestyle=style, color=colour, label=f"{bits} bits"
        )
        ax.plot([100 * reaches[best]], [100 * errors[best]], marker="o", linestyle="", color=colour)
    ax.set(xlabel="the grid reaches this share of the largest weight (%)", ylabel="error (% of the weights' size)",
           xlim=(0, 103), ylim=(0, None))  # fmt: skip
    ax.set_title("The dot: what clipping adds is what finer steps save")
    ax.legend()
    return fig


def moves(exact, rounded, scale):
    """Draw one weight in training with rounding in the loop: the exact one drifts, the rounded one jumps.

    `exact` and `rounded` have shape (steps,), `scale` is the distance of two levels. Returns a Figure.
    """
    fig, ax = figure(6.8, 3.2)
    low, high = np.floor(min(exact) / scale), np.ceil(max(exact) / scale)
    for level in np.arange(low, high + 1) * scale:
        ax.axhline(level, color=COLOURS["grey"], linewidth=1.0, linestyle=":")
    ax.plot(exact, label="exact weight: the optimizer moves it")
    ax.step(
        range(len(rounded)), rounded, where="post", linestyle="--", label="rounded weight: the model computes with it"
    )
    ax.set(xlabel="training step", ylabel="weight")
    ax.set_title("Small moves add up until the nearest level is another")
    ax.legend(fontsize=9)
    return fig


def scale_of_tensors(lost, *, step):
    """Draw for each tensor which share of it a fixed step rounds to zero, against its typical size.

    `lost` maps a kind of tensor to pairs (standard deviation, share of zeros), one a tensor. Returns a Figure.
    """
    fig, ax = figure(6.8, 3.4)
    for (name, pairs), marker in zip(lost.items(), "osD^v", strict=False):
        ax.plot(
            [size for size, _ in pairs], [100 * share for _, share in pairs], marker=marker, linestyle="", label=name
        )
    ax.axvline(step / 2, color=COLOURS["grey"], linestyle=":", linewidth=1.4, label="half a step")
    ax.set_xscale("log")
    ax.set(xlabel="standard deviation of the tensor's numbers", ylabel="rounded to zero (%)", ylim=(-4, 104))
    ax.set_title(f"A step of {step:g} for every tensor")
    ax.legend(fontsize=9)
    return fig
