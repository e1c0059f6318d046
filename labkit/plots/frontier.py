"""F1 against bytes: where each way of making a model smaller ends up."""

from matplotlib.ticker import NullLocator

from labkit.plots.style import COLOURS, figure, ticks

__all__ = ["frontier", "on_the_front"]

KINDS = {  # the first word of a row's name says what it is
    "teacher": ("black", "s"), "pruning": ("vermillion", "v"), "quantization": ("blue", "o"),
    "structure": ("green", "^"),
    "distillation": ("purple", "D"), "pipeline": ("orange", "*"), "deployed": ("sky", "P"),
}  # fmt: skip

LOWEST = 0.75  # macro-F1 of the axis; a row below is named, not drawn: the others would lie on one line


def on_the_front(rows):
    """Choose the rows that no other beats in both bytes and F1, from small to large.

    >>> rows = [{"name": n, "bytes": b, "f1": f} for n, b, f in (("a", 1, 0.7), ("b", 2, 0.6), ("c", 3, 0.9))]
    >>> [row["name"] for row in on_the_front(rows)]   # b is larger and worse than a
    ['a', 'c']
    """
    front, best = [], -1.0
    for row in sorted(rows, key=lambda row: (row["bytes"], -row["f1"])):
        if row["f1"] > best:
            front.append(row)
            best = row["f1"]
    return front


def frontier(rows):
    """Draw F1 with its interval against bytes, on a log scale, and the front of those that nothing beats.

    Pipelines on the front are marked with how many times smaller than the teacher they are; of several within a tenth
    of a size, the best.
    """
    fig, ax = figure(8.0, 4.6)
    front = on_the_front(rows)
    marked = _apart([row for row in front if _kind(row) == "pipeline"])
    ax.step([row["bytes"] / 1e6 for row in front], [row["f1"] for row in front], where="post", color=COLOURS["grey"],
            linewidth=1, label="nothing is smaller and better")  # fmt: skip
    seen = set()
    for row in rows:
        kind = _kind(row)
        colour, mark = KINDS.get(kind, ("grey", "x"))
        label, size = kind if kind in KINDS else "others", row["bytes"] / 1e6
        if row["f1"] < LOWEST:
            ax.annotate(f"{row['name'].split(', ')[-1]}: {row['f1']:.2f}", (size, LOWEST), xytext=(0, 22), ha="center",
                        textcoords="offset points", color=COLOURS[colour], fontsize=8,
                        arrowprops={"arrowstyle": "->", "color": COLOURS[colour]})  # fmt: skip
            continue
        low, high = row["f1"] - row["f1_low"], row["f1_high"] - row["f1"]
        ax.errorbar(size, row["f1"], yerr=[[low], [high]], fmt=mark, color=COLOURS[colour], elinewidth=1,
                    markersize=9 if mark == "*" else 6, label=None if label in seen else label)  # fmt: skip
        seen.add(label)
        if row in marked:
            ax.annotate(f"{row['ratio']:.0f}×", (size, row["f1"]), xytext=(-5, 3), textcoords="offset points",
                        ha="right", va="bottom", fontsize=9)  # fmt: skip
    ax.set_xscale("log")
    ticks(ax.xaxis, places := (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100), [f"{place:g}" for place in places])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(bottom=LOWEST)
    ax.set_xlabel("size of everything that predicting needs (MB)")
    ax.set_ylabel("macro-F1, five folds")
    ax.set_title("What is left of 90.9 MB, and what it still knows")
    ax.legend(loc="lower right", fontsize=8, ncols=2)
    return fig


def _kind(row):
    return row["name"].split()[0].strip(",")


def _apart(front):
    """Leave out those of the front that are hardly smaller than the next better one: their words would overlap."""
    kept = []
    for row in reversed(front):
        if not kept or row["bytes"] < 0.9 * kept[-1]["bytes"]:
            kept.append(row)
    return kept
