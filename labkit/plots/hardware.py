"""Figures of lesson 01: counts, memory, the roofline, the order of stages, the long run."""

import numpy as np

from labkit.plots.style import COLOURS, figure, ticks

__all__ = [
    "fullest",
    "long_run",
    "memory_bars",
    "memory_on",
    "order",
    "parameter_counts",
    "roofline",
    "roofline_on",
]

PART_COLOURS = {
    "weights": COLOURS["blue"],
    "gradients": COLOURS["orange"],
    "moments": COLOURS["green"],
    "fp32 copy": COLOURS["sky"],
    "activations": COLOURS["purple"],
    "temporary": COLOURS["grey"],
}


def parameter_counts(counts, *, border=1e9):
    """Draw parameters by model (dict of name: count) on a logarithmic scale, with a line at `border`."""
    fig, ax = figure(7, 2.8)
    names, values = list(counts), list(counts.values())
    above = [value >= border for value in values]
    ax.barh(names, values, color=[COLOURS["vermillion" if over else "blue"] for over in above], height=0.6)
    for row, value in enumerate(values):
        ax.text(value * 1.15, row, readable(value), va="center", fontsize=9)
    ax.axvline(border, color=COLOURS["black"], linestyle="--", linewidth=1.2)
    ax.text(border * 1.1, -0.75, "a billion", va="center", fontsize=9)
    ax.set(xscale="log", xlim=(min(values) / 3, max(values) * 12), xlabel="parameters (logarithmic)")
    ax.set_ylim(-1.1, len(names) - 0.5)
    ax.grid(axis="y", visible=False)
    return fig


def readable(value, unit=""):
    """Write a large number with a prefix people say.

    >>> readable(109_482_240), readable(2.5e12, "FLOP"), readable(0.25)
    ('109 M', '2.5 TFLOP', '0.25')
    """
    if value < 1000:
        return f"{value:.3g} {unit}".strip()
    steps = {1e3: "K", 1e6: "M", 1e9: "G" if unit else "B", 1e12: "T", 1e15: "P", 1e18: "E", 1e21: "Z"}
    step = max(step for step in steps if value >= step * 0.9995 or step == 1e3)
    return f"{value / step:.3g} {steps[step]}{unit}"


def memory_bars(rows, *, limit=None, limit_name="", measured=None):
    """Draw memory as stacked bars: `rows` is {name: {part: bytes}}.

    `measured` ({name: bytes}) adds a diamond to a row, `limit` (bytes) a line with its name.
    """
    fig, ax = figure(7, 1.7 + 0.45 * len(rows))
    memory_on(ax, rows, limit=limit, limit_name=limit_name, measured=measured)
    fig.legend(*_unique_handles(ax), loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return fig


def fullest(rows):
    """Pick each model's fuller row from {"model: moment": {part: bytes}}.

    >>> fullest({"A: one": {"weights": 1}, "A: two": {"weights": 2}, "B: one": {"weights": 1}})
    ['A: two', 'B: one']
    """
    best = {}
    for row, parts in rows.items():
        name = row.split(":")[0]
        if name not in best or sum(parts.values()) > sum(rows[best[name]].values()):
            best[name] = row
    return list(best.values())


def memory_on(ax, rows, *, limit=None, limit_name="", measured=None):
    """Draw stacked bars of memory into given axes; arguments as for `memory_bars`."""
    for row, (name, parts) in enumerate(rows.items()):
        left = 0.0
        for part, size in parts.items():
            ax.barh(row, size / 1e9, left=left, color=PART_COLOURS[part], height=0.55, label=part)
            left += size / 1e9
        if measured and name in measured:
            ax.plot(measured[name] / 1e9, row, "D", color=COLOURS["black"], label="measured peak")
    if limit:
        ax.axvline(limit / 1e9, color=COLOURS["vermillion"], linestyle="--", linewidth=1.5)
        ax.text(limit / 1e9, -0.55, f" {limit_name}", color=COLOURS["vermillion"], fontsize=9)
    ticks(ax.yaxis, range(len(rows)), rows)
    ax.set(xlabel="memory (GB)", ylim=(len(rows) - 0.5, -0.8))
    ax.grid(axis="y", visible=False)


def _unique_handles(ax):
    handles, labels = ax.get_legend_handles_labels()
    first = dict(zip(labels, handles, strict=True))
    return list(first.values()), list(first)


def roofline(*, peak, bandwidth, points=(), name=""):
    """Draw one roofline: `peak` in FLOP/s, `bandwidth` in bytes/s, points (label, FLOP/byte, FLOP/s, style).

    `style` is "measured" or "predicted".
    """
    fig, ax = figure(7, 4)
    roofline_on(ax, peak=peak, bandwidth=bandwidth, points=points)
    ax.set_title(name)
    return fig


def roofline_on(ax, *, peak, bandwidth, points=()):
    """Draw a roofline into given axes; arguments as for `roofline`."""
    ridge = peak / bandwidth
    seen = [point[1] for point in points]
    low, high = min([ridge / 30, *seen]) / 2, max([ridge * 30, *seen]) * 2
    x = np.geomspace(low, high, 200)
    ax.plot(x, np.minimum(peak, bandwidth * x) / 1e9, color=COLOURS["black"], label="the roof")
    ax.axvspan(low, ridge, color=COLOURS["sky"], alpha=0.15, linewidth=0)
    ax.axvspan(ridge, high, color=COLOURS["yellow"], alpha=0.18, linewidth=0)
    bottom = min([bandwidth * low, *(point[2] for point in points)]) / 1e9 / 2
    for place, words in ((np.sqrt(low * ridge), "bandwidth-bound"), (np.sqrt(ridge * high), "compute-bound")):
        ax.text(place, bottom * 1.25, words, ha="center", va="bottom", fontsize=9, color="#444444")
    looks = {"measured": ("D", COLOURS["vermillion"]), "predicted": ("o", COLOURS["blue"])}
    for label, intensity, reached, style in points:
        marker, colour = looks[style]
        ax.plot(intensity, reached / 1e9, marker, color=colour, zorder=3)
        ax.annotate(label, (intensity, reached / 1e9), xytext=(5, -13), textcoords="offset points", fontsize=8)
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(bottom, peak / 1e9 * 3))
    ax.set(xlabel="intensity (FLOP for each byte from memory)", ylabel="speed (GFLOP/s)")
    # Small ticks of a logarithmic axis take longer to draw than all the rest.
    ax.minorticks_off()


def long_run(sizes, panels):
    """Draw what grows with a model, one panel for each quantity.

    `sizes` is {model: parameters}; `panels` is {title: {"unit": axis name, "calculated": {model: value},
    "measured": {model: value}, "limit": (value, words)}}.
    """
    fig, axes = figure(10, 3.6, columns=len(panels), squeeze=False)
    for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
        for kind, look, colour in (("calculated", "o-", "blue"), ("measured", "D", "vermillion")):
            points = sorted((sizes[name], value) for name, value in panel[kind].items())
            ax.plot([x for x, _ in points], [y for _, y in points], look, lw=1, ms=5, color=COLOURS[colour], label=kind)
        value, words = panel["limit"]
        ax.axhline(value, color=COLOURS["black"], linestyle="--", linewidth=1.2)
        ax.text(min(sizes.values()), value * 1.2, words, fontsize=8, va="bottom")
        ax.set(xscale="log", yscale="log", xlabel="parameters", ylabel=panel["unit"])
        ax.set_title(title)
    axes.flat[0].legend(fontsize=9, loc="lower right", frameon=False)
    return fig


def order():
    """Draw which stage of a model's life can come before which, with compression as a family of stages."""
    fig, ax = figure(10, 4)
    ax.set(xlim=(0, 10), ylim=(0.2, 4.3))
    ax.axis("off")
    places = {
        "pre-training": (1.1, 2.3), "fine-tuning": (3.5, 2.3), "distillation": (6.4, 3.05),
        "pruning": (6.4, 2.3), "quantization": (6.4, 1.55), "deployment": (9.2, 2.3),
    }  # fmt: skip
    families = (
        ("training: can be distributed over machines", (0.2, 1.65), 4.2, 1.3, "#9C4F7C", -0.28),
        ("kinds of compression", (5.35, 1.05), 2.1, 2.5, COLOURS["green"], 2.68),
    )
    for words, (left, bottom), width, height, colour, lift in families:
        ax.add_patch(_frame((left, bottom), width, height, colour))
        ax.text(left, bottom + lift, words, color=colour, weight="bold", fontsize=9)
    box = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": COLOURS["blue"], "linewidth": 1.5}
    for name, (x, y) in places.items():
        ax.text(x, y, name, ha="center", va="center", bbox=box, fontsize=11)
    arrows = (
        ((1.85, 2.3), (2.8, 2.3), 0, ""),
        ((4.2, 2.45), (5.35, 2.45), 0, ""),
        ((5.35, 2.1), (4.2, 2.1), 0, "recover"),
        ((7.5, 2.3), (8.45, 2.3), 0, ""),
        ((6.4, 2.78), (6.4, 2.56), 0, ""),
        ((6.4, 2.03), (6.4, 1.81), 0, ""),
        ((1.1, 2.6), (5.3, 3.3), -0.3, "before fine-tuning"),
        ((3.5, 2.0), (9.2, 2.0), 0.5, "as it is"),
    )
    for start, end, bend, words in arrows:
        look = {"arrowstyle": "-|>", "color": "#444444", "connectionstyle": f"arc3,rad={bend}", "lw": 1.5}
        ax.annotate("", end, xytext=start, arrowprops=look)
        middle = np.add(start, end) / 2 + bend / 2 * np.array([end[1] - start[1], start[0] - end[0]])
        white = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        drop = 0.2 if not bend else 0.0
        ax.text(*(middle - [0, drop]), words, ha="center", va="center", fontsize=9, bbox=white if words else None)
    return fig


def _frame(corner, width, height, colour):
    """A rounded dashed frame around a family of stages."""
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0.08"
    return FancyBboxPatch(corner, width, height, boxstyle=style, facecolor="none", edgecolor=colour, ls="--")
