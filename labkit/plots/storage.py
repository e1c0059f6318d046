"""The pictures of lesson 09: what formats cost, what compressors reach, error against rank, where every byte goes."""

import re

import numpy as np
from matplotlib.ticker import NullLocator

from labkit.plots.style import COLOURS, CYCLE, figure, ticks

__all__ = ["contents", "format_costs", "group_of", "layers_and_file", "lost_tokens", "reached", "svd_errors"]

PARTS = {"integers": "blue", "scales": "orange", "values as they are": "green", "text and tables": "grey"}


def format_costs(shares, costs, *, value_bits):
    """Draw the bits that a weight costs in a file against sparsity, one line a format.

    `shares` has shape (points,), `costs` maps a name to bits a weight of the same shape. Returns a Figure.
    """
    fig, ax = figure(6.8, 3.6)
    for (name, cost), style in zip(costs.items(), ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1))), strict=False):
        ax.plot(100 * shares, cost, linestyle=style, label=name)
    ax.set(xlabel="weights that are zero (%)", ylabel="bits a weight", xlim=(0, 100), ylim=(0, 3 * value_bits))
    ax.set_title(f"Values of {value_bits} bits: when does a sparse format pay?")
    ax.legend(loc="upper right")
    return fig


def reached(bits, *, floor, title, xlabel="bits a weight"):
    """Draw one horizontal bar a compressor, and the entropy as a line that none of them should be able to cross.

    `bits` maps names to bits a weight. Returns a Figure.
    """
    fig, ax = figure(6.8, 0.9 + 0.42 * len(bits))
    names = list(bits)[::-1]
    numbers = [bits[name] for name in names]
    colours = [COLOURS["blue"] if number <= 1.02 * floor else COLOURS["sky"] for number in numbers]
    ax.barh(names, numbers, color=colours, height=0.62)
    for name, number in zip(names, numbers, strict=True):
        ax.annotate(f"{number:.2f}", (number, name), xytext=(5, 0), textcoords="offset points", va="center")
    ax.axvline(floor, color=COLOURS["vermillion"], linewidth=1.6, label=f"entropy, {floor:.2f}")
    ax.set(xlabel=xlabel, xlim=(0, 1.15 * max([*numbers, floor])))
    ax.set_title(title)
    ax.grid(axis="y", visible=False)
    fig.legend(loc="outside lower right", fontsize=9)
    return fig


def svd_errors(curves, rounded):
    """Draw the error of a matrix against its bits a weight: low rank as lines, rounding as points.

    `curves` and `rounded` map a name to (bits a weight, error), each an array; the error is a share of the norm.
    Returns a Figure.
    """
    fig, ax = figure(6.8, 3.9)
    for (name, (bits, error)), colour, style in zip(curves.items(), CYCLE, ("-", "--", "-.", ":"), strict=False):
        ax.plot(bits, error, color=colour, linestyle=style, label=f"low rank, {name}")
    for (name, (bits, error)), colour, marker in zip(rounded.items(), CYCLE, "osD^", strict=False):
        ax.plot(bits, error, color=colour, marker=marker, markersize=9, markerfacecolor="none", markeredgewidth=1.6,
                linestyle="", label=f"rounded, {name}")  # fmt: skip
    ax.set(xlabel="bits a weight of the matrix", ylabel="error (share of the norm)", xscale="log", ylim=(0, 1.02))
    ticks(ax.xaxis, (0.125, 0.25, 0.5, 1, 2, 4, 8, 16), ("0.125", "0.25", "0.5", "1", "2", "4", "8", "16"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_title("The same bits, spent on rank or on rounding")
    ax.legend(fontsize=9)
    return fig


def group_of(row):
    """Name the part of the model that a row of `pack.inspect` belongs to, and where that part stands in the picture.

    >>> group_of({"name": "bert.encoder.layer.2.output.dense.weight", "kind": "encoder"})
    (4, 'layer 2')
    >>> group_of({"name": "words", "kind": "vocabulary"})
    (10001, 'words of the vocabulary')
    """
    if row["kind"] == "encoder":
        layer = re.search(r"layer\.(\d+)\.", row["name"])
        return (2 + int(layer[1]), f"layer {layer[1]}") if layer else (9999, "encoder, other")
    if row["kind"] == "vocabulary":
        return (10001, "words of the vocabulary") if row["name"] == "words" else (10002, "rows of merged tokens")
    places = {
        "word embedding": (0, "word embedding"), "other embeddings": (1, "other embeddings"),
        "head": (10000, "pooler and head"), "header": (10003, "header and tables"),
    }  # fmt: skip
    return places[row["kind"]]


def contents(rows, *, title="Where every byte goes"):
    """Draw an inspected file: one bar for each part of the model, split into integers, scales, plain values and text.

    `rows` comes from `pack.inspect`. Returns a Figure.
    """
    groups = {}
    for row in rows:
        parts = groups.setdefault(group_of(row), dict.fromkeys(PARTS, 0))
        parts["scales"] += row["scale_bytes"]
        kind = {"integers": "integers", "text": "text and tables", "tables": "text and tables", "map": "integers"}
        parts[kind.get(row["stored"], "values as they are")] += row["bytes"] - row["scale_bytes"]
    order = sorted(groups, reverse=True)
    whole = sum(row["bytes"] for row in rows)
    fig, ax = figure(7.2, 1.2 + 0.34 * len(order))
    left, names = np.zeros(len(order)), [name for _, name in order]
    for part, colour in PARTS.items():
        sizes = np.array([groups[group][part] / 1000 for group in order])
        if sizes.any():
            ax.barh(names, sizes, left=left, color=COLOURS[colour], height=0.7, label=part)
        left += sizes
    for name, end in zip(names, left, strict=True):
        words = f"{end:,.1f} kB, {1000 * end / whole:.1%}"
        ax.annotate(words, (end, name), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set(xlabel=f"kilobytes, of {whole / 1000:,.0f}", xlim=(0, 1.28 * left.max()))
    ax.set_title(title)
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower right", fontsize=9)
    return fig


def lost_tokens(rows):
    """Draw how much worse than the nearest row the other answers are, before training and after it, with intervals.

    `rows` are those of `labkit bench vocabulary`. Returns a Figure.
    """
    shown = [row for row in rows if row.get("answer", "nearest") != "nearest"]
    places = list(dict.fromkeys((row["rows"], row["answer"]) for row in shown))[::-1]
    fig, ax = figure(6.8, 1.3 + 0.5 * len(places))
    for trained, up, colour, marker in ((False, 0.13, "vermillion", "o"), (True, -0.13, "blue", "s")):
        some = [row for row in shown if row["trained"] is trained]
        worse = np.array([row["worse"] for row in some])
        reach = np.array([[row["worse"] - row["worse_low"], row["worse_high"] - row["worse"]] for row in some]).T
        heights = [places.index((row["rows"], row["answer"])) + up for row in some]
        ax.errorbar(worse, heights, xerr=reach, linestyle="", color=COLOURS[colour], marker=marker, capsize=3,
                    label="after training" if trained else "before training")  # fmt: skip
    ax.axvline(0, color="black", linewidth=1)
    ticks(ax.yaxis, range(len(places)), [f"{answer}, {count:,} rows" for count, answer in places])
    ax.set(xlabel="points of macro-F1 less than the nearest row with as many rows", ylim=(-0.5, len(places) - 0.5))
    ax.set_title("A token without a row: is the nearest row worth its map?")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="best", fontsize=9)
    return fig


def layers_and_file(names, fixed, coded, *, lines, now, measured=()):
    """Draw the widget of lesson 09: bytes of each part, with a fixed width and coded; the whole file beside it.

    `names` are the parts from above, `fixed` and `coded` their megabytes. `lines` maps a name to (sparsities,
    megabytes), `now` is the setting as (sparsity, megabytes), `measured` are such points of the reader. Returns a
    Figure.
    """
    fig, (left, right) = figure(7.6, 3.3, columns=2)
    places = np.arange(len(names))[::-1]
    left.barh(places + 0.2, fixed, height=0.38, color="#C9C9C9", label="each with all its bits")
    left.barh(places - 0.2, coded, height=0.38, color=COLOURS["blue"], label="coded by its entropy")
    ticks(left.yaxis, places, names)
    left.set(xlabel="megabytes", xlim=(0, 1.05 * max(fixed)))
    left.set_title("Layer by layer")
    left.grid(axis="y", visible=False)
    left.legend(loc="lower right", fontsize=8)
    for (name, (shares, sizes)), style, colour in zip(lines.items(), ("-", "--", "-."), CYCLE[2:], strict=False):
        right.plot(100 * np.asarray(shares), sizes, linestyle=style, color=colour, label=name)
    if measured:
        right.plot(*zip(*((100 * s, size) for s, size in measured), strict=True), linestyle="", marker="D",
                   color=COLOURS["green"], label="measured by you")  # fmt: skip
    right.plot([100 * now[0]], [now[1]], marker="x", markersize=11, markeredgewidth=2.5, linestyle="",
               color=COLOURS["vermillion"], label="your setting")  # fmt: skip
    right.set(xlabel="encoder weights that are zero (%)", ylabel="packed file (MB)", xlim=(-3, 103), ylim=(0, 25))
    ticks(right.xaxis, (0, 25, 50, 75, 100))
    ticks(right.yaxis, (0, 5, 10, 15, 20, 25))
    right.set_title("The whole file")
    right.legend(loc="upper right", fontsize=8)
    return fig
