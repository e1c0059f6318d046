"""The pictures of lesson 03: weights and what is cut off, F1 against sparsity, bytes and milliseconds."""

import numpy as np

from labkit.plots.style import COLOURS, CYCLE, figure, ticks

__all__ = ["bars", "criteria", "f1_curves", "gap_curves", "sparse_cost", "weights_and_cut"]

FAR = 25.0  # points lost; what loses more is no candidate, and its place would squeeze those that are


def weights_and_cut(counts, edges, cut, *, points=(), now=None, curve=None, limits=None):
    """Draw the distribution of weights with the part below `cut` greyed; beside it F1 against sparsity.

    `counts` (bins,) and `edges` (bins + 1,) are a histogram; `points` are (sparsity, F1, measured by the reader),
    `curve` is (sparsities, F1s) between them, `now` the chosen sparsity and its F1. Returns a Figure.
    """
    fig, (left, right) = figure(7.4, 2.9, columns=2)
    # Two filled steps and not a bar for each bin: a slider redraws this many times a second.
    left.stairs(counts, edges, fill=True, color=COLOURS["blue"])
    gone = np.abs((edges[:-1] + edges[1:]) / 2) < cut
    left.stairs(np.where(gone, counts, 0), edges, fill=True, color="#C9C9C9")
    for side in (-cut, cut):
        left.axvline(side, color=COLOURS["vermillion"], linewidth=1.5)
    left.set(title="Grey: becomes zero", xlabel="weight", ylabel="weights (thousands)")
    if curve is not None:
        right.plot(100 * curve[0][::12], curve[1][::12], color=COLOURS["grey"], linestyle="--")
    for mine, marker, colour in ((False, "o", COLOURS["blue"]), (True, "D", COLOURS["green"])):
        chosen = [(100 * s, f1) for s, f1, own in points if own is mine]
        if chosen:
            right.plot(*zip(*chosen, strict=True), linestyle="", marker=marker, color=colour,
                       label="measured by you" if mine else "measured")  # fmt: skip
    if now is not None:
        right.plot([100 * now[0]], [now[1]], marker="x", markersize=11, markeredgewidth=2.5, linestyle="",
                   color=COLOURS["vermillion"], label="your setting")  # fmt: skip
    right.set(title="One-shot pruning, whole encoder", xlabel="weights set to zero (%)", ylabel="macro-F1",
              xlim=(-3, 103), ylim=limits or (0, 1))  # fmt: skip
    # Few ticks, and a legend that is not searched a place for: most of the time of a picture goes into its words.
    ticks(right.xaxis, (0, 25, 50, 75, 100))
    if limits is None:
        ticks(right.yaxis, (0, 0.25, 0.5, 0.75, 1))
    if right.get_legend_handles_labels()[0]:
        right.legend(loc="lower left", fontsize=9)
    return fig


def f1_curves(series, *, teacher=None, baseline=None):
    """Draw F1 against sparsity, one line a method, with 95 % intervals.

    `series` maps a name to a list of (sparsity, Interval); `teacher` and `baseline` are F1 values, drawn as
    horizontal lines. Returns a Figure.
    """
    fig, ax = figure(6.8, 3.8)
    for (name, points), colour, marker in zip(series.items(), CYCLE, "osD^v", strict=False):
        x = [100 * sparsity for sparsity, _ in points]
        y = [f1.value for _, f1 in points]
        spread = [[f1.value - f1.low for _, f1 in points], [f1.high - f1.value for _, f1 in points]]
        ax.errorbar(x, y, yerr=spread, marker=marker, color=colour, capsize=3, label=name)
    for value, name, style in ((teacher, "not pruned", ":"), (baseline, "TF-IDF", "-.")):
        if value is not None:
            ax.axhline(value, color=COLOURS["grey"], linestyle=style, linewidth=1.4, label=name)
    ax.set(xlabel="encoder weights set to zero (%)", ylabel="macro-F1", ylim=(0, 1), xlim=(-2, 100))
    ax.set_title("F1 against sparsity")
    ax.legend(loc="lower left")
    return fig


def bars(values, *, title, xlabel, form="{:.1f}", spread=None, mark=None):
    """Draw one horizontal bar a name, its number at its end, and `mark` as a vertical line.

    `values` maps names to numbers; `spread` maps names to (low, high). Returns a Figure.
    """
    fig, ax = figure(6.8, 0.75 + 0.45 * len(values))
    names = list(values)[::-1]
    numbers = [values[name] for name in names]
    ax.barh(names, numbers, color=COLOURS["blue"], height=0.6)
    ends = numbers
    if spread:
        low = [values[name] - spread[name][0] for name in names]
        high = [spread[name][1] - values[name] for name in names]
        ax.errorbar(numbers, names, xerr=[low, high], linestyle="", color=COLOURS["black"], capsize=3, linewidth=1.2)
        ends = [spread[name][1] for name in names]
    for name, number, end in zip(names, numbers, ends, strict=True):
        ax.annotate(form.format(number), (end, name), xytext=(5, 0), textcoords="offset points", va="center")
    if mark is not None:
        ax.axvline(mark, color=COLOURS["vermillion"], linewidth=1.5)
    ax.set(xlabel=xlabel, xlim=(0, 1.15 * max(ends)))
    ax.set_title(title)
    ax.grid(axis="y", visible=False)
    return fig


def sparse_cost(shares, costs, *, dense=32):
    """Draw the bits that a weight costs in a file against sparsity, one line a way to store the pattern.

    `shares` has shape (points,), `costs` maps a name to bits a weight of the same shape. Returns a Figure.
    """
    fig, ax = figure(6.8, 3.6)
    for (name, cost), style in zip(costs.items(), ("-", "--", "-."), strict=False):
        ax.plot(100 * shares, cost, linestyle=style, label=name)
    ax.axhline(dense, color=COLOURS["grey"], linestyle=":", label="dense: every weight as it is")
    ax.set(xlabel="weights that are zero (%)", ylabel="bits a weight", ylim=(0, 66), xlim=(0, 100))
    ax.set_title("When does a sparse file pay?")
    ax.legend()
    return fig


def gap_curves(points):
    """Draw F1 on training and on test rows against sparsity; `points` are (sparsity, train F1, test F1)."""
    fig, ax = figure(6.8, 3.4)
    x = [100 * sparsity for sparsity, _, _ in points]
    train, test = ([point[column] for point in points] for column in (1, 2))
    ax.fill_between(x, test, train, color=COLOURS["sky"], alpha=0.3, linewidth=0, label="the gap")
    ax.plot(x, train, marker="o", label="training rows")
    ax.plot(x, test, marker="s", label="test rows")
    ax.set(xlabel="encoder weights set to zero (%)", ylabel="macro-F1")
    ax.set_title("Does pruning close the gap?")
    ax.legend(loc="center left")
    return fig


def criteria(losses):
    """Draw the paired loss of each criterion with its 95 % interval; `losses` maps names to Intervals (of F1).

    A loss far beyond the others is an arrow at the edge with its number, so that the others can be told apart.
    """
    fig, ax = figure(6.8, 0.9 + 0.5 * len(losses))
    near = {name for name, loss in losses.items() if 100 * loss.value <= FAR} or set(losses)
    edge = 1.2 * max(1.0, *(100 * losses[name].high for name in near))
    for i, (name, loss) in enumerate(reversed(losses.items())):
        value, colour = 100 * loss.value, CYCLE[i % len(CYCLE)]
        spread = [[value - 100 * loss.low], [100 * loss.high - value]]
        if name in near:
            ax.errorbar([value], [name], xerr=spread, marker="o", capsize=4, color=colour)
        else:
            ax.plot([edge], [name], marker=">", markersize=9, color=colour, clip_on=False)
            ax.annotate(
                f"{value:.0f} ", (edge, name), xytext=(-8, 0), textcoords="offset points", ha="right", va="center"
            )
    ax.axvline(0, color=COLOURS["grey"], linewidth=1.4)
    ax.set(xlabel="macro-F1 lost against the teacher (points, right is worse)", ylim=(-0.6, len(losses) - 0.4))
    ax.set_xlim(right=edge)
    ax.set_title("Paired loss with its 95 % interval")
    ax.grid(axis="y", visible=False)
    return fig
