"""The pictures of lesson 04: layers, heads and columns, what they are worth, and what is saved without them."""

import numpy as np

from labkit.plots.style import COLOURS, CYCLE, figure, ticks

__all__ = ["f1_by_layers", "head_map", "part_curves", "plan_and_points", "work_and_time"]

KEPT, GONE = (0, 114, 178), (220, 220, 220)  # blue and light grey, red-green-blue
CELL = 9  # pixels of a cell, one of them its white border
BLOCKS = 16  # cells that stand for the columns of a feed-forward part


def f1_by_layers(series, *, trained=None, teacher=None, chance=None):
    """Draw F1 against the number of layers left, one line a way to drop them, with 95 % intervals.

    `series` maps a name to a list of (layers, Interval); `trained` likewise, for models that were trained after the
    cut: open markers without a line. `teacher` and `chance` are F1 values, drawn as horizontal lines.
    """
    fig, ax = figure(6.8, 4.1)
    for (name, points), colour, marker in zip(series.items(), CYCLE, "osD^v", strict=False):
        _with_intervals(ax, points, label=name, color=colour, marker=marker)
    for i, (name, points) in enumerate((trained or {}).items()):
        shifted = [(layers + 0.08 * (i - 1), f1) for layers, f1 in points]  # side by side, not on top of each other
        _with_intervals(ax, shifted, label=name, color=CYCLE[i], marker="osD^v"[i], linestyle="", markersize=9,
                        markerfacecolor="white")  # fmt: skip
    for value, name, style in ((teacher, "all layers", ":"), (chance, "guessing", "-.")):
        if value is not None:
            ax.axhline(value, color=COLOURS["grey"], linestyle=style, linewidth=1.4, label=name)
    ax.set(xlabel="layers left", ylabel="macro-F1", ylim=(0, 1))
    ax.set_title("F1 without some of the layers")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3, fontsize=9)
    return fig


def head_map(scores):
    """Draw the importance of every head, shape (layers, heads), each layer in units of its largest; dark is important.

    The first layer is at the bottom, as in BERT. Returns a Figure.
    """
    scores = np.asarray(scores, dtype=float)
    fig, ax = figure(6.4, 2.9)
    image = ax.imshow(scores / scores.max(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1, origin="lower")
    ax.set(xlabel="head", ylabel="layer")
    ax.set_title("What a head is worth")
    ticks(ax.xaxis, range(scores.shape[1]))
    ticks(ax.yaxis, range(len(scores)))
    ax.grid(visible=False)
    fig.colorbar(image, ax=ax, label="share of the layer's best", shrink=0.9)
    return fig


def part_curves(panels, *, teacher):
    """Draw F1 against what is left of each layer, one panel a kind of part, one line a criterion.

    `panels` maps a word for the axis, such as "heads left in each layer", to {criterion: [(count, Interval)]}.
    """
    fig, axes = figure(7.6, 3.4, columns=len(panels))
    lowest = min(f1.low for lines in panels.values() for points in lines.values() for _, f1 in points)
    for ax, (words, lines) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        for (name, points), colour, marker in zip(lines.items(), CYCLE, "osD^v", strict=False):
            _with_intervals(ax, points, label=name, color=colour, marker=marker)
        ax.axhline(teacher, color=COLOURS["grey"], linestyle=":", linewidth=1.4, label="whole")
        ax.set(xlabel=words, ylabel="macro-F1", ylim=(np.floor(10 * lowest) / 10, 1))
        ax.set_title("No training afterwards")
        ax.legend(loc="lower right", fontsize=9)
    return fig


def work_and_time(rows):
    """Draw for each variant the share of multiply-adds that is left, and the share of time in batches of 1 and 32.

    `rows` maps a name to (share of multiply-adds, {batch: Latency}). A grey bar is the work, the markers are the time
    with their 95 % intervals: where a marker lies right of its bar, the work saved more than the time.
    """
    fig, ax = figure(7.2, 1.1 + 0.42 * len(rows))
    names = list(rows)[::-1]
    ax.barh(names, [rows[name][0] for name in names], color="#D5D5D5", height=0.62, label="multiply-adds left")
    batches = next(iter(rows.values()))[1]
    for batch, colour, marker, shift in zip(batches, CYCLE, "os", (0.14, -0.14), strict=False):
        times = [rows[name][1][batch] for name in names]
        places = np.arange(len(names)) + shift
        spread = [[max(t.ratio - t.low, 0) for t in times], [max(t.high - t.ratio, 0) for t in times]]
        ax.errorbar([t.ratio for t in times], places, xerr=spread, linestyle="", marker=marker, color=colour, capsize=2,
                    markersize=5, linewidth=1.2, label=f"time left, batch of {batch}")  # fmt: skip
    widest = max(t.high for _, times in rows.values() for t in times.values())
    ax.set(xlabel="share of the whole model", xlim=(0, max(1.2, 1.03 * widest)))  # every interval ends in the picture
    ax.set_title("Work that is left, time that is left")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=9)
    return fig


def plan_and_points(layers, kept_heads, share, *, points=(), now=None, limit=1.0):
    """Draw which parts of the model stay, in blue; beside it F1 against milliseconds of the measured models.

    `layers` says for each layer whether it stays; `kept_heads` has shape (layers, heads), `share` is the share of
    columns that stays. `points` are (milliseconds, F1, trained afterwards, measured by the reader), `now` is
    (milliseconds, F1 or None) of the setting, `limit` the largest milliseconds shown.
    """
    fig, (left, right) = figure(7.8, 3.5, columns=2)
    heads, cells = np.shape(kept_heads)[1], _cells(np.asarray(layers), np.asarray(kept_heads), share)
    place = (0, heads + 1 + BLOCKS, -0.5, len(layers) - 0.5)
    left.imshow(cells, aspect="auto", origin="lower", interpolation="nearest", extent=place)
    left.set(title="Blue: stays", xlabel="part of a layer", ylabel="layer")
    ticks(left.xaxis, (heads / 2, heads + 1 + BLOCKS / 2), ("heads", "feed-forward columns"))
    ticks(left.yaxis, range(len(layers)))
    left.grid(visible=False)
    for own, trained, label, look in _LOOKS:
        chosen = [(ms, f1) for ms, f1, t, o in points if (o, t) == (own, trained)]
        if chosen:
            right.plot(*zip(*chosen, strict=True), linestyle="", label=label, **look)
    if now is not None:
        right.axvline(now[0], color=COLOURS["vermillion"], linewidth=1.5, label="your setting")
        if now[1] is not None:
            right.plot([now[0]], [now[1]], marker="x", markersize=11, markeredgewidth=2.5, linestyle="",
                       color=COLOURS["vermillion"])  # fmt: skip
    right.set(title="Measured models", xlabel="one headline (ms, by the fit)", ylabel="macro-F1",
              xlim=(0, limit), ylim=(0, 1))  # fmt: skip
    ticks(right.yaxis, (0, 0.25, 0.5, 0.75, 1))
    if right.get_legend_handles_labels()[0]:
        # Below: inside, the line of the setting would run through its words, and a box would hide low points.
        right.legend(loc="upper center", bbox_to_anchor=(0.48, -0.19), ncols=2, fontsize=8, columnspacing=1.2)
    return fig


_LOOKS = (
    (False, False, "not trained after the cut",
     {"marker": "o", "color": COLOURS["blue"], "markerfacecolor": "white"}),
    (False, True, "trained after the cut", {"marker": "o", "color": COLOURS["blue"]}),
    (True, False, "by you, not trained", {"marker": "D", "color": COLOURS["green"], "markerfacecolor": "white"}),
    (True, True, "by you, trained", {"marker": "D", "color": COLOURS["green"]}),
)  # fmt: skip


def _with_intervals(ax, points, **look):
    """Plot (x, Interval) with error bars."""
    x, f1 = [point[0] for point in points], [point[1] for point in points]
    spread = [[one.value - one.low for one in f1], [one.high - one.value for one in f1]]
    ax.errorbar(x, [one.value for one in f1], yerr=spread, capsize=3, **look)


def _cells(layers, heads, share):
    """The picture of a plan as pixels: a row a layer, a cell a head, then a gap, then cells for the columns."""
    columns = np.broadcast_to(np.arange(BLOCKS) < round(share * BLOCKS), (len(layers), BLOCKS))
    stays = np.concatenate([heads, np.zeros((len(layers), 1)), columns], axis=1).astype(bool) & layers[:, None]
    cells = np.where(stays[..., None], KEPT, GONE).astype(np.uint8)
    cells[:, heads.shape[1]] = 255
    pixels = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
    pixels[::CELL] = 255
    pixels[:, ::CELL] = 255
    return pixels
