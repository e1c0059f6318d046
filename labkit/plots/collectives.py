"""The pictures of lesson 07: who holds whose numbers, bytes and seconds of an all-reduce, a sum in place of a mean."""

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from labkit.plots.style import COLOURS, CYCLE, figure, ticks

__all__ = ["WORKERS", "busiest", "losses", "seconds", "states", "work_and_time", "workers_and_bytes"]

WORKERS = (*CYCLE, COLOURS["grey"])
"""The colour of each worker's numbers; eight are enough for a picture."""
LOOKS = {
    "server": ("vermillion", "s", "--"),
    "tree": ("green", "^", "-."),
    "ring": ("blue", "o", "-"),
    "PyTorch": ("grey", "D", ":"),
}
EMPTY, LANE = "#EFEFEF", 0.26  # what has not come in yet; the width beside a cell where arrows run


def workers_and_bytes(table, moves, sent, *, most, step, whole=False, times=(), mine=(), size=None):
    """Draw the widget of lesson 07: who holds whose numbers and sends what, bytes sent so far, seconds measured.

    `table[worker][chunk]` is a set of workers (see `labkit.distributed.schedules.held`), `moves` the messages of the
    coming round, `step` a few words on where we are, `sent` what each worker has sent so far, in vectors, on an axis up
    to `most`. With `whole`, the vector is not cut, and one column stands for it. `times` maps ways to lists of
    (megabytes, milliseconds), `mine` are (way, megabytes, milliseconds) of the reader, `size` the chosen megabytes.
    Returns a Figure.
    """
    fig, (left, middle, right) = figure(9.6, 3.4, columns=3, width_ratios=(2.3, 1, 1.25))
    _cells(left, table, whole=whole)
    _arrows(left, moves, len(table), whole=whole)
    left.set_title("Who holds whose numbers")
    # Not in the title: a title belongs to what the painter keeps, and this changes with every round.
    left.text(0.97, 1.02, step, transform=left.transAxes, ha="right", fontsize=9)
    _sent_bars(middle, sent, most)
    _times(right, times, mine, size)
    return fig


def _cells(ax, table, *, whole=False, names=True):
    """A cell for each worker (row) and chunk (column), with a stripe for each worker whose numbers are in it."""
    workers = len(table)
    columns, wide = (1, 0.4 * workers - LANE) if whole else (workers, 1 - LANE)
    boxes, fills, edges = [], [], []
    for row, cells in enumerate(table):
        boxes.append(_box(-0.62, row - 0.16, 0.24, 0.32))  # the worker's own colour, beside its name
        fills.append(WORKERS[row])
        edges.append("none")
        for column, cell in enumerate(cells[:columns]):
            for place in range(workers):
                boxes.append(_box(column + wide * place / workers, row - 0.32, wide / workers, 0.64))
                fills.append(WORKERS[place] if place in cell else EMPTY)
                edges.append("none")
            boxes.append(_box(column, row - 0.32, wide, 0.64))
            fills.append("none")
            edges.append(COLOURS["black"] if len(cell) == workers else "#BDBDBD")
    widths = [2.0 if edge == COLOURS["black"] else 0.6 for edge in edges]
    # One collection for all boxes, and limits given: a slider redraws this many times a second.
    ax.add_collection(PolyCollection(boxes, facecolors=fills, edgecolors=edges, linewidths=widths), autolim=False)
    ax.set(xlim=(-0.75, workers), ylim=(workers - 0.45, -0.55))
    ticks(ax.yaxis, range(workers), [f"worker {row}" if names else f"{row}" for row in range(workers)])
    if whole:
        ticks(ax.xaxis, [], [])
        ax.set_xlabel("the whole vector, and who sends it to whom")
    else:
        ticks(ax.xaxis, np.arange(workers) + wide / 2, [f"{chunk}" for chunk in range(workers)])
        ax.set_xlabel("chunk of the vector")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)


def _box(x, y, width, height):
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _arrows(ax, moves, workers, *, whole=False):
    """An upright arrow for each message, from its sender's row to its receiver's; filled where it is added."""
    if not moves:
        return
    lanes = np.linspace(0.4 * workers + 0.1, workers - 0.2, max(workers - 1, 2))
    places = lanes[: len(moves)] if whole else [move.chunk + 1 - LANE / 2 for move in moves]
    lines = [[(x, move.source), (x, move.target)] for move, x in zip(moves, places, strict=True)]
    ax.add_collection(LineCollection(lines, colors=COLOURS["black"], linewidths=1.6, capstyle="butt"), autolim=False)
    for down, marker in ((True, "v"), (False, "^")):
        heads = [end for (_, source), end in lines if (end[1] > source) is down]
        if heads:
            ax.plot(*zip(*heads, strict=True), linestyle="", marker=marker, color=COLOURS["black"], markersize=7)
    ax.plot(*zip(*(start for start, _ in lines), strict=True), linestyle="", marker="o", color=COLOURS["black"],
            markersize=4)  # fmt: skip


def _sent_bars(ax, sent, most):
    workers = len(sent)
    bars = [_box(0, row - 0.25, amount, 0.5) for row, amount in enumerate(sent) if amount > 0]
    ax.add_collection(PolyCollection(bars, facecolors=COLOURS["blue"], linewidths=0), autolim=False)
    busy = int(np.argmax(sent))
    ax.annotate(
        f"{sent[busy]:.3g}", (sent[busy], busy), xytext=(3, 0), textcoords="offset points", va="center", fontsize=9
    )
    ax.set(xlim=(0, 1.25 * most), ylim=(workers - 0.45, -0.55), xlabel="sent (vectors)")
    ticks(ax.xaxis, range(0, most + 1, 1 if most < 5 else 2))
    ticks(ax.yaxis, range(workers), [""] * workers)
    ax.set_title("Sent so far")
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)


def _times(ax, times, mine, size):
    for way, points in dict(times).items():
        colour, marker, dashes = LOOKS[way]
        ax.plot(*zip(*points, strict=True), color=COLOURS[colour], linestyle=dashes, marker=marker, markersize=4,
                linewidth=1.4)  # fmt: skip
    for way, megabytes, milliseconds in mine:
        colour, marker, _ = LOOKS[way]
        ax.plot([megabytes], [milliseconds], linestyle="", marker=marker, markersize=9, color=COLOURS[colour],
                markeredgecolor=COLOURS["black"])  # fmt: skip
    if size is not None:
        ax.axvline(size, color=COLOURS["black"], linewidth=1)
    ax.set(xscale="log", yscale="log", xlim=(5e-4, 200), ylim=(0.2, 5000), ylabel="time (ms)")
    _decades(ax.xaxis, (0.001, 0.1, 10))
    _decades(ax.yaxis, (1, 10, 100, 1000))
    ax.set_xlabel("vector (MB)\n■ server  ▲ tree  ● ring")  # a legend would be drawn anew each time
    ax.set_title("Measured")


def _decades(axis, places):
    ticks(axis, places, [f"{place:,g}" for place in places])
    axis.set_minor_locator(_none())


def _none():
    from matplotlib.ticker import NullLocator

    return NullLocator()


def states(tables, rounds):
    """Draw an all-reduce of a cut vector as a strip: what everyone holds before each round, its messages, the end.

    `tables` are as for `workers_and_bytes`, one more than `rounds`. Returns a Figure.
    """
    columns = -(-len(tables) // 2)
    fig, axes = figure(9.4, 5.0, rows=2, columns=columns)
    for step, (ax, table) in enumerate(zip(axes.flat, tables, strict=False)):
        _cells(ax, table, names=False)
        if step < len(rounds):
            _arrows(ax, rounds[step], len(table))
        word = "add" if step < len(rounds) // 2 else "copy"
        ax.set_title("the end" if step == len(rounds) else f"round {step + 1}: {word}", fontsize=10)
        ax.set(xlabel="chunk", ylabel="worker")
    for ax in axes.flat[len(tables) :]:
        ax.set_axis_off()
    return fig


def busiest(workers, series, *, measured=()):
    """Draw the bytes that the busiest worker sends, in vectors, against the number of workers; one line a way.

    `workers` has shape (points,), `series` maps ways to numbers of that shape, `measured` are (way, workers, vectors).
    Returns a Figure.
    """
    fig, ax = figure(6.8, 3.6)
    for way, vectors in series.items():
        colour, _, dashes = LOOKS[way]
        ax.plot(workers, vectors, color=COLOURS[colour], linestyle=dashes, label=way)
    for way, count, vectors in measured:
        colour, marker, _ = LOOKS[way]
        ax.plot([count], [vectors], linestyle="", marker=marker, markersize=8, color=COLOURS[colour],
                markeredgecolor=COLOURS["black"])  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    for axis, largest in ((ax.xaxis, max(workers)), (ax.yaxis, max(max(line) for line in series.values()))):
        places = 2 ** np.arange(int(np.log2(largest)) + 1)
        ticks(axis, places, [f"{place}" for place in places])
        axis.set_minor_locator(_none())
    ax.set(xlabel="workers", ylabel="sent by the busiest worker (vectors)")
    ax.set_title("A ring stays below two (marks: counted on real workers)")
    ax.legend(loc="upper left")
    return fig


def seconds(panels):
    """Draw milliseconds against megabytes, one panel a kind of link and one line a way.

    `panels` maps a title to a dictionary from ways to lists of (megabytes, milliseconds). Returns a Figure.
    """
    fig, axes = figure(8.4, 3.6, columns=len(panels), sharey=True)
    for ax, (title, times) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        for way, points in times.items():
            colour, marker, dashes = LOOKS[way]
            ax.plot(*zip(*points, strict=True), color=COLOURS[colour], linestyle=dashes, marker=marker, label=way)
        ax.set(xscale="log", yscale="log", xlabel="vector (MB)", ylabel="time (ms)")
        ax.set_title(title)
        ax.legend(loc="upper left")
        ax.label_outer()
        for axis in (ax.xaxis, ax.yaxis):
            low, high = axis.get_view_interval()
            _decades(axis, [10.0**power for power in range(-4, 6) if low <= 10.0**power <= high])
    return fig


def losses(panels, *, highest=1e3):
    """Draw the loss against the step, one panel an optimizer, one line a way to put gradients together.

    `panels` maps a title to a dictionary from names to losses; a line that leaves the picture ends at its top.
    Returns a Figure.
    """
    fig, axes = figure(8.0, 3.4, columns=len(panels), sharey=True)
    for ax, (title, lines) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        for (name, values), colour, dashes, marker, size in zip(
            lines.items(), ("blue", "vermillion"), ("-", "--"), ("o", "x"), (9, 6), strict=False
        ):
            ax.plot(values, color=COLOURS[colour], linestyle=dashes, marker=marker, markersize=size, markevery=2,
                    fillstyle="none", label=name)  # fmt: skip
        ax.set(yscale="log", ylim=(0.1, highest), xlabel="step", ylabel="loss on all rows")
        ax.set_title(title)
        ax.legend(loc="upper right")
        ax.label_outer()
    return fig


def work_and_time(ratios):
    """Draw the time of the same work done in different ways, one group a kind of work; 1 is one after the other.

    `ratios` maps a kind of work to a dictionary from ways to shares of the time. Returns a Figure.
    """
    ways = list(next(iter(ratios.values())))
    fig, ax = figure(6.8, 0.9 + 0.36 * (len(ways) + 0.6) * len(ratios))
    names, places, place = [], [], 0.0
    for kind, times in ratios.items():
        for way, colour in zip(ways, CYCLE, strict=False):
            ax.barh(place, times[way], height=0.8, color=colour)
            ax.annotate(
                f"{times[way]:.2f}", (times[way], place), xytext=(5, 0), textcoords="offset points", va="center"
            )
            names.append(f"{kind}, {way}")
            places.append(place)
            place += 1
        place += 0.6
    ticks(ax.yaxis, places, names)
    for mark in (0.5, 1.0):
        ax.axvline(mark, color=COLOURS["grey"], linestyle=":", linewidth=1.4)
    ax.set(xlabel="time (1: one after the other)", ylim=(place - 1.0, -0.6))
    ax.set(xlim=(0, 1.15 * max(ratio for times in ratios.values() for ratio in times.values())))
    ax.set_title("Twice the same work")
    ax.grid(axis="y", visible=False)
    return fig
