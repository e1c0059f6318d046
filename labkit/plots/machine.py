"""The figures of lesson 00: what this machine can hold and do, and what the headlines are like."""

from labkit.plots.style import COLOURS, figure, ticks

__all__ = ["MODELS", "class_counts", "scores", "token_limits"]

MODELS = {"MiniLM": 22.7, "BERT-base": 110, "BERT-large": 340, "GPT-3": 175_000}
"""Parameters in millions: our model's own count; Devlin et al. 2019; Brown et al. 2020."""

_SIZES = {1: "1 M", 10: "10 M", 100: "100 M", 1e3: "1 B", 1e4: "10 B", 1e5: "100 B", 1e6: "1 T"}
_TIMES = {1e-7: "0.1 µs", 1e-5: "10 µs", 1e-3: "1 ms", 0.1: "0.1 s", 10: "10 s", 1000: "1,000 s"}


def token_limits(sizes, *, reading, arithmetic, at, fits, measured=()):
    """Draw the time for one token against the size of a model, on two logarithmic scales.

    `sizes` are millions of parameters, shape (n,); `reading` and `arithmetic` the seconds at each size, shape
    (n,). `at` is (millions, seconds) of the chosen size, `fits` the millions that memory can hold, `measured`
    a sequence of (millions, seconds).

    >>> import numpy as np
    >>> sizes = np.array([1.0, 1e6])
    >>> fig = token_limits(sizes, reading=sizes / 1e4, arithmetic=sizes / 1e5, at=(10, 1e-3), fits=5000)
    >>> fig.axes[0].get_xlabel()
    'parameters'
    """
    fig, ax = figure(7.0, 3.8)
    low, high = min(reading[0], arithmetic[0]) / 2, max(reading[-1], arithmetic[-1]) * 2
    ax.set(xscale="log", yscale="log", xlim=(sizes[0], sizes[-1]), ylim=(low, high))
    if fits < sizes[-1]:
        ax.axvspan(fits, sizes[-1], color=COLOURS["grey"], alpha=0.18, linewidth=0)
        words = {"fontsize": 9, "color": "#555555", "ha": "right", "va": "center"}
        ax.text(sizes[-1] * 0.8, low * 100, "does not fit\ninto memory", **words)
    ax.plot(sizes, reading, color=COLOURS["blue"], label="reading every weight once")
    ax.plot(sizes, arithmetic, "--", color=COLOURS["vermillion"], label="arithmetic for one token")
    for name, millions in MODELS.items():
        ax.axvline(millions, color=COLOURS["grey"], linestyle=":", linewidth=1)
        ax.text(millions, low * 1.5, name, rotation=90, fontsize=8, va="bottom", ha="right", color="#555555")
    ax.plot(*at, "o", color=COLOURS["black"], markersize=9, label="the size you chose")
    if measured:
        ax.plot(*zip(*measured, strict=True), "D", color=COLOURS["green"], label="measured, 4 bytes")
    for axis, words in ((ax.xaxis, _SIZES), (ax.yaxis, _TIMES)):
        ticks(axis, words, words.values())
    ax.minorticks_off()
    ax.set(xlabel="parameters", ylabel="time")
    ax.set_title("One token, on this machine", loc="left")
    ax.legend(loc="upper left", fontsize=9, frameon=False)
    return fig


def class_counts(labels, counts):
    """Draw how many headlines each class has, as horizontal bars with their numbers.

    >>> class_counts(("a", "b"), (3, 4)).axes[0].get_xlabel()
    'headlines'
    """
    fig, ax = figure(6.4, 2.4)
    bars = ax.barh(labels, counts, color=COLOURS["blue"])
    ax.bar_label(bars, padding=4)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_title("Headlines in each class", loc="left")
    ax.set(xlabel="headlines", xlim=(0, max(counts) * 1.12))
    return fig


def scores(names, intervals):
    """Draw macro-F1 with its 95 % interval for each model, one line each.

    `intervals` are objects with `value`, `low` and `high`, such as `statistics.Interval`.

    >>> from labkit.statistics import Interval
    >>> intervals = Interval(0.8, 0.76, 0.84), Interval(0.9, 0.87, 0.93)
    >>> scores(("counting words", "MiniLM"), intervals).axes[0].get_xlabel()
    'macro-F1 on the test headlines, with 95 % interval'
    """
    fig, ax = figure(6.4, 1.2 + 0.45 * len(names))
    for row, one in enumerate(intervals):
        colour = COLOURS["blue" if row else "grey"]
        ax.errorbar(
            one.value, row, xerr=[[one.value - one.low], [one.high - one.value]],
            fmt="o", color=colour, capsize=4,
        )  # fmt: skip
        ax.annotate(f"{one.value:.3f}", (one.value, row), (0, 8), textcoords="offset points", ha="center")
    ticks(ax.yaxis, range(len(names)), names)
    ax.set(ylim=(len(names) - 0.5, -0.7), xlabel="macro-F1 on the test headlines, with 95 % interval")
    ax.set_title("How much does pre-training give?", loc="left")
    return fig
