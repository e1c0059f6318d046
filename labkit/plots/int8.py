"""The pictures of lesson 06: what is an integer, scales that move, who suffers from rounding, bits for each part."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import NullLocator

from labkit.plots.style import COLOURS, CYCLE, figure, ticks

__all__ = ["bits_and_damage", "bytes_by_type", "damage_map", "moving_scales", "size_against_f1"]

SHADES = {
    "float32": "grey",
    "float16": "sky",
    "int8": "blue",
    "uint8": "blue",
    "int64": "yellow",
    "tokenizer": "orange",
}


def bytes_by_type(files):
    """Draw what files consist of: one bar a file, cut by the type of the numbers, its size at its end.

    `files` maps names to {type: megabytes}; a type of which no file has 0.05 MB is too small for a colour of its own.
    Returns a Figure.
    """
    fig, ax = figure(7.2, 1.1 + 0.42 * len(files))
    names, seen = list(files)[::-1], set()
    ends = np.zeros(len(names))
    for kind in dict.fromkeys(kind for parts in files.values() for kind in parts):
        sizes = np.array([files[name].get(kind, 0.0) for name in names])
        if sizes.max() >= 0.05:
            label = "int8" if kind == "uint8" else kind
            ax.barh(names, sizes, left=ends, height=0.6, color=COLOURS[SHADES.get(kind, "purple")],
                    label=None if label in seen else label)  # fmt: skip
            seen.add(label)
            ends += sizes
    for name, end in zip(names, ends, strict=True):
        ax.annotate(f"{end:.1f}", (end, name), xytext=(5, 0), textcoords="offset points", va="center")
    ax.set(xlabel="numbers in the file (MB)", xlim=(0, 1.15 * ends.max()))
    ax.set_title("What the numbers in a file are")
    ax.grid(axis="y", visible=False)
    fig.legend(loc="outside lower center", ncols=len(seen))
    return fig


def moving_scales(batches, lines):
    """Draw the scale that one text's activations get in many batches, a dot each, beside scales that stand still.

    `batches` maps a batch size to the scales found, `lines` names to one scale each. Returns a Figure.
    """
    fig, ax = figure(6.8, 3.4)
    random = np.random.default_rng(0)
    for place, scales in enumerate(batches.values()):
        x = place + random.uniform(-0.15, 0.15, size=len(scales))
        ax.plot(x, scales, marker="o", linestyle="", markersize=4, alpha=0.6, color=COLOURS["blue"],
                label="one scale a batch" if place == 0 else None)  # fmt: skip
    for (name, scale), colour, style in zip(lines.items(), CYCLE[1:], ("-", "--", "-."), strict=False):
        ax.axhline(scale, color=colour, linestyle=style, label=name)
    ticks(ax.xaxis, range(len(batches)), [f"{size}" for size in batches])
    ax.set(xlabel="texts in the batch", ylabel="scale (size of one step)", ylim=(0, None))
    ax.set_title("The same text, in other company")
    ax.legend(loc="best")
    return fig


def damage_map(measured, prices, *, computed=(5, 6)):
    """Draw the divergence of the answers when one part alone is rounded: parts downwards, bits across.

    `measured` and `prices` map parts to {bits: nats}. All bits of `measured` are drawn as they are; beyond a line
    follow the `computed` ones, which come from `prices`. Returns a Figure.
    """
    names, bits = list(measured), list(next(iter(measured.values())))
    rows = [[*measured[name].values(), *(prices[name][b] for b in computed)] for name in names]
    values = np.maximum(rows, 1e-9)
    fig, ax = figure(7.2, 0.9 + 0.24 * len(names))
    norm = LogNorm(max(values.min(), 1e-6), max(values.max(), 1e-5))
    ax.imshow(values, aspect="auto", cmap="cividis", norm=norm)
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            dark = norm(value) < 0.55
            ax.text(column, row, f"{value:.1g}" if value >= 1e-4 else "·", ha="center", va="center", fontsize=8,
                    color="white" if dark else "black")  # fmt: skip
    ax.axvline(len(bits) - 0.5, color=COLOURS["black"], linewidth=2)
    words = [*(str(b) for b in bits), *(f"{b} (computed)" for b in computed)]
    ticks(ax.xaxis, range(len(words)), words)
    ticks(ax.yaxis, range(len(names)), names)
    ax.set(xlabel="bits a weight in this part, all others in float32   (· below 0.0001)")
    ax.set_title("Divergence of the answers (nats)")
    ax.grid(visible=False)
    return fig


def size_against_f1(series, *, teacher):
    """Draw F1 with its interval against size; `series` maps a name to a list of (megabytes, Interval).

    Returns a Figure.
    """
    fig, ax = figure(6.8, 3.6)
    for (name, points), colour, marker in zip(series.items(), CYCLE, "os^Dv", strict=False):
        x, y = [size for size, _ in points], [f1.value for _, f1 in points]
        spread = [[f1.value - f1.low for _, f1 in points], [f1.high - f1.value for _, f1 in points]]
        ax.errorbar(x, y, yerr=spread, marker=marker, color=colour, capsize=3, label=name)
    ax.axhline(teacher, color=COLOURS["grey"], linestyle=":", label="teacher, float32")
    ax.set(xlabel="weights (MB)", ylabel="macro-F1")
    ax.set_title("The same bits for all, or spent where they help")
    ax.legend(loc="lower right")
    return fig


def bits_and_damage(bits, curve, uniform, now, *, budget, pinned=None, measured=()):
    """Draw the bits of each part, and beside them the divergence against the size.

    `bits` maps parts to bits; `curve` is (sizes, divergences) of the best choice, `uniform` a list of (size,
    divergence, bits), `now` the size and divergence of the choice, `measured` the same of what was really run; the
    `budget` is a vertical line. Returns a Figure.
    """
    fig, (left, right) = figure(7.6, 3.8, columns=2)
    names = list(bits)
    places = np.arange(len(names))[::-1]
    colours = [COLOURS["orange"] if name == pinned else COLOURS["blue"] for name in names]
    left.barh(places, list(bits.values()), color=colours, height=0.7)
    ticks(left.yaxis, places, names)
    ticks(left.xaxis, (0, 2, 4, 6, 8))
    left.tick_params(axis="y", labelsize=7)
    left.set(xlabel="bits a weight", xlim=(0, 8.4), title="Bits for each part")
    left.grid(axis="y", visible=False)
    right.plot(*curve, color=COLOURS["blue"], label="spent where it helps")
    right.plot([size for size, _, _ in uniform], [nats for _, nats, _ in uniform], color=COLOURS["grey"], marker="o",
               linestyle="--", markersize=4, label="the same for all")  # fmt: skip
    if measured:
        right.plot(
            *zip(*measured, strict=True), linestyle="", marker="D", color=COLOURS["green"], label="measured by you"
        )
    right.plot([now[0]], [now[1]], marker="x", markersize=11, markeredgewidth=2.5, linestyle="",
               color=COLOURS["vermillion"], label="your setting")  # fmt: skip
    right.axvline(budget, color=COLOURS["vermillion"], linewidth=1.2, label="budget")
    right.set_yscale("log")
    ticks(right.yaxis, [10.0**n for n in range(-5, 2)], [f"{10.0**n:g}" for n in range(-5, 2)])
    right.yaxis.set_minor_locator(NullLocator())
    right.set(xlabel="weights (MB)", ylabel="divergence (nats)", ylim=(5e-6, 20), title="What it costs")
    right.legend(loc="upper right", fontsize=8)
    return fig
