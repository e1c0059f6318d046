"""The pictures of lesson 08: who sees which rows, what a score is off by, seconds, memory and speed on more workers."""

import numpy as np

from labkit.plots.style import COLOURS, CYCLE, figure, ticks

__all__ = [
    "f1_errors",
    "memory",
    "model_against_measured",
    "rows_seen",
    "scaling_curves",
    "seconds_in_words",
    "step_and_speedup",
]

PARTS = {
    "rows": COLOURS["blue"],
    "each step": COLOURS["sky"],
    "handling bytes": COLOURS["orange"],
    "compressing": COLOURS["purple"],
    "waiting for the link": COLOURS["vermillion"],
}
"""Where the seconds of a step go, in the order of `Scaling.parts`."""


LEAST = 1 / 64  # a speedup below it is drawn there


def seconds_in_words(seconds):
    """Write a time with a unit that suits it.

    >>> seconds_in_words(0.0727), seconds_in_words(1.39), seconds_in_words(6380)
    ('72.7 ms', '1.39 s', '106 min')
    """
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


def rows_seen(ways, *, rows):
    """Draw which worker trains on which row, one panel for each way to deal them out.

    `ways` maps a name to a list of row numbers for each worker; a row that comes twice is drawn twice as strong.
    Returns a Figure.
    """
    fig, panels = figure(7.4, 0.8 + 0.85 * len(ways), rows=len(ways), sharex=True)
    for ax, (name, parts) in zip(np.atleast_1d(panels), ways.items(), strict=True):
        counts = np.stack([np.bincount(np.asarray(part, dtype=int), minlength=rows) for part in parts])
        times = counts.sum(axis=0)
        for worker, seen in enumerate(counts):
            for mask, colour, marker in (((seen > 0) & (times == 1), COLOURS["blue"], "s"),
                                         ((seen > 0) & (times > 1), COLOURS["vermillion"], "D")):  # fmt: skip
                places = np.flatnonzero(mask)
                ax.plot(places, [worker] * len(places), linestyle="", marker=marker, markersize=7, color=colour)
        never = np.flatnonzero(times == 0)
        ax.plot(never, [len(parts) / 2 - 0.5] * len(never), linestyle="", marker="x", color=COLOURS["black"])
        ax.set_title(f"{name}: {np.sum(times > 1)} of {rows} rows repeated, {len(never)} never seen", fontsize=10)
        ax.set(ylim=(len(parts) - 0.5, -0.5), xlim=(-1, rows))
        ticks(ax.yaxis, range(len(parts)), [f"worker {worker}" for worker in range(len(parts))])
        ax.grid(axis="y", visible=False)
    np.atleast_1d(panels)[-1].set_xlabel("row of the data (square: once, diamond: more than once, cross: never)")
    return fig


def f1_errors(workers, series):
    """Draw how far a score is from the exact one, against the number of workers; one line a way to score.

    `workers` has shape (points,), `series` maps a name to errors in points of macro-F1 of that shape. Returns a Figure.
    """
    fig, ax = figure(6.8, 3.4)
    for (name, errors), marker, colour in zip(series.items(), "osD", CYCLE, strict=False):
        ax.plot(workers, errors, marker=marker, color=colour, label=name)
    ax.axhline(0, color=COLOURS["grey"], linewidth=1.4)
    ax.set_xscale("log", base=2)
    ticks(ax.xaxis, workers, [str(count) for count in workers])
    ax.xaxis.set_minor_locator(_none())
    ax.set(xlabel="workers that share the test rows", ylabel="off by (points of macro-F1)")
    ax.set_title("The same predictions, scored in three ways")
    ax.legend(loc="best")
    return fig


def memory(ways, *, unit=1e6):
    """Draw what each worker holds, one group of bars a way to share the work; `ways` maps a name to bytes a worker."""
    count = max(len(held) for held in ways.values())
    fig, ax = figure(6.8, 0.9 + 0.34 * sum(len(held) + 1 for held in ways.values()))
    place, names, places = 0, [], []
    for colour, (name, held) in zip(CYCLE, ways.items(), strict=False):
        for worker, size in enumerate(held):
            ax.barh(place, size / unit, height=0.8, color=colour)
            ax.annotate(f"{size / unit:,.0f}", (size / unit, place), xytext=(5, 0), textcoords="offset points",
                        va="center")  # fmt: skip
            names.append(name if len(held) == 1 else f"{name}, worker {worker}")
            places.append(place)
            place += 1
        place += 0.6
    largest = max(size for held in ways.values() for size in held) / unit
    ax.set(xlabel="memory (MB)", xlim=(0, 1.15 * largest), ylim=(place - 0.5, -0.7))
    ticks(ax.yaxis, places, names)
    ax.set_title(f"What {'one worker' if count == 1 else 'each worker'} holds")
    ax.grid(axis="y", visible=False)
    return fig


def model_against_measured(points):
    """Draw the model's seconds against the measured ones, with a band of 20 % around equality.

    `points` are (name, measured seconds, seconds by the model, whether the fit has seen it). Returns a Figure.
    """
    fig, ax = figure(6.4, 4.2)
    times = [time for _, measured, model, _ in points for time in (measured, model)]
    ends = np.array([min(times) / 1.5, max(times) * 1.5])
    ax.fill_between(ends, 0.8 * ends, 1.2 * ends, color=COLOURS["sky"], alpha=0.25, linewidth=0, label="within 20 %")
    ax.plot(ends, ends, color=COLOURS["grey"], linewidth=1.2)
    kinds = ((True, "o", COLOURS["blue"], "used for the fit"), (False, "D", COLOURS["vermillion"], "not used"))
    for seen, marker, colour, label in kinds:
        some = [(measured, model) for _, measured, model, used in points if used is seen]
        if some:
            ax.plot(*zip(*some, strict=True), linestyle="", marker=marker, color=colour, label=label)
    # Those that count have names; one to the right and below, the next to the left and above, so that they keep apart.
    for place, (name, measured, model, _) in enumerate(sorted(p for p in points if not p[3])):
        shift, side = ((9, -4), "left") if place % 2 == 0 else ((-9, 3), "right")
        ax.annotate(name, (measured, model), xytext=shift, textcoords="offset points", ha=side, fontsize=9)
    ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="measured (seconds a step)",
           ylabel="the model says (seconds a step)")  # fmt: skip
    nice = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if ends[0] <= t <= ends[1]]
    for axis in (ax.xaxis, ax.yaxis):
        ticks(axis, nice, [f"{t:g}" for t in nice])
        axis.set_minor_locator(_none())
    ax.set_title("Six numbers against the clock")
    ax.legend(loc="upper left")
    return fig


def scaling_curves(curves, *, measured=(), batch=None):
    """Draw speedup against workers, one line a link, and the ideal; both axes double at each tick.

    `curves` maps a name to a list of (workers, speedup); `measured` are (workers, speedup). Returns a Figure.
    """
    fig, ax = figure(6.8, 4.0)
    counts = sorted({workers for curve in curves.values() for workers, _ in curve})
    ax.plot(counts, counts, color=COLOURS["grey"], linestyle="--", linewidth=1.4, label="ideal")
    for (name, curve), colour, style in zip(
        curves.items(), CYCLE, ("-", "-.", ":", (0, (6, 1, 1, 1, 1, 1))), strict=False
    ):
        ax.plot(*zip(*curve, strict=True), color=colour, linestyle=style, label=name)
    if measured:
        ax.plot(*zip(*measured, strict=True), linestyle="", marker="D", color=COLOURS["black"], label="measured here")
    slowest = min(speedup for curve in curves.values() for _, speedup in curve)
    _doubling(ax, counts, low=max(LEAST, min(1 / 8, 2.0 ** np.floor(np.log2(slowest)))))
    ax.set(xlabel="workers, each with a machine of its own", ylabel="times as fast as one")
    ax.set_title("Speedup" if batch is None else f"Speedup at {batch:,} rows a step (calculated)")
    ax.legend(loc="upper left")
    return fig


def step_and_speedup(parts, seconds, curve, *, now, plain=None, measured=(), workers=(1, 256)):
    """Draw the widget of lesson 08: where a step's seconds go, and the speedup against the number of workers.

    `parts` and `seconds` map the names of PARTS to shares of the step and to seconds; `curve` and `plain` (without a
    hook) are (workers, speedup) arrays, `now` the setting's (workers, speedup), `measured` more of them.
    Returns a Figure.
    """
    fig, (left, right) = figure(8.4, 3.3, columns=2, width_ratios=(1, 1.15))
    # Names stand at the axis and the numbers at the bars: no legend, which a slider would have to draw anew.
    places = np.arange(len(PARTS))
    left.barh(places, [100 * parts[name] for name in PARTS], color=list(PARTS.values()), height=0.7)
    for place, name in zip(places, PARTS, strict=True):
        if parts[name] > 0:
            left.annotate(seconds_in_words(seconds[name]), (100 * parts[name], place), xytext=(4, 0), fontsize=9,
                          textcoords="offset points", va="center")  # fmt: skip
    ticks(left.yaxis, places, list(PARTS))
    ticks(left.xaxis, (0, 25, 50, 75, 100))
    left.set(xlim=(0, 125), ylim=(len(PARTS) - 0.5, -0.5), xlabel="share of the step (%)")
    left.set_title("Where a step goes")
    left.grid(axis="y", visible=False)
    right.plot(workers, workers, color=COLOURS["grey"], linestyle="--", linewidth=1.4)
    if plain is not None:
        right.plot(*plain, color=COLOURS["grey"], linewidth=1.6)
    right.plot(*curve, color=COLOURS["blue"])
    if measured:
        right.plot(*zip(*measured, strict=True), linestyle="", marker="D", color=COLOURS["green"])
    right.plot([now[0]], [max(now[1], LEAST)], linestyle="", marker="x", markersize=11, markeredgewidth=2.5,
               color=COLOURS["vermillion"], clip_on=False)  # fmt: skip
    _doubling(right, [2**power for power in range(int(np.log2(workers[1])) + 1)], low=LEAST, every=2)
    right.set(xlabel="workers", ylabel="times as fast as one")
    right.set_title("Speedup (× you, ◆ measured)")
    return fig


def _doubling(ax, counts, *, low, every=1):
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    high = counts[-1]
    ticks(ax.xaxis, counts[::every], [f"{count:,}" for count in counts[::every]])
    powers = np.arange(np.log2(low), np.log2(high) + 0.1, 2 if high > 64 else 1)
    ticks(ax.yaxis, 2.0**powers, [f"{2**power:,.0f}" if power >= 0 else f"1/{2**-power:.0f}" for power in powers])
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(_none())
    ax.set(xlim=(0.9, 1.1 * high), ylim=(0.9 * low, 1.2 * high))


def _none():
    from matplotlib.ticker import NullLocator

    return NullLocator()
