"""The pictures of lesson 07 show the numbers they are given, with words on their axes."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex

from labkit.distributed.schedules import all_reduce, bytes_sent, held
from labkit.plots import collectives as plots
from labkit.plots.style import png

RING = all_reduce(4, how="ring")
TIMES = {"server": [(0.01, 1.0), (1.0, 8.0)], "ring": [(0.01, 3.0), (1.0, 4.0)]}


def widget(step=2, how="ring", workers=4, **more):
    rounds = all_reduce(workers, how=how)
    sent = [n / 840 for n in bytes_sent(rounds[:step], 840, workers=workers, itemsize=1)]
    moves = rounds[step] if step < len(rounds) else []
    return plots.workers_and_bytes(
        held(rounds[:step], workers), moves, sent, most=workers - 1, step="two rounds", whole=how != "ring", **more
    )


FIGURES = {
    "workers_and_bytes": lambda: widget(times=TIMES, mine=[("ring", 0.1, 2.0)], size=1.0),
    "states": lambda: plots.states([held(RING[:step], 4) for step in range(7)], RING),
    "busiest": lambda: plots.busiest([2, 4, 8], {"server": [1, 3, 7], "ring": [1, 1.5, 1.75]}, measured=[("ring", 4, 1.5)]),
    "seconds": lambda: plots.seconds({"memory": TIMES, "1 Gbit/s": TIMES}),
    "losses": lambda: plots.losses({"SGD": {"mean": [1, 0.5, 0.3], "sum": [1, 4, 50]}, "Adam": {"mean": [1, 0.9, 0.8], "sum": [1, 0.9, 0.8]}}),
    "work_and_time": lambda: plots.work_and_time({"Python loop": {"two threads": 1.02, "two processes": 0.55}, "matrix products": {"two threads": 0.6, "two processes": 0.52}}),
}  # fmt: skip


def test_every_picture_is_tested():
    assert set(FIGURES) == set(plots.__all__) - {"WORKERS"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_words_and_the_picture_can_be_drawn(name):
    fig = FIGURES[name]()
    assert png(fig).startswith(b"\x89PNG")
    for ax in fig.axes:
        if not ax.axison:
            continue
        assert ax.get_xlabel() or not ax.get_subplotspec().is_last_row()
        named = ax.get_ylabel() or all(label.get_text() for label in ax.get_yticklabels())
        assert named or ax is fig.axes[1] or not ax.get_subplotspec().is_first_col()
        assert ax.get_title(loc="left")


def boxes(ax):
    (cells,) = [one for one in ax.collections if isinstance(one, PolyCollection)]
    corners = [path.vertices[0] for path in cells.get_paths()]
    return corners, [to_hex(colour, keep_alpha=True) for colour in cells.get_facecolors()], cells.get_edgecolors()


def test_a_stripe_has_the_colour_of_the_worker_whose_numbers_are_in():
    corners, fills, _ = boxes(widget(step=2).axes[0])
    table = held(RING[:2], 4)
    for row in range(4):
        for chunk in range(4):
            stripes = [
                fill[:7].upper()
                for (x, y), fill in zip(corners, fills, strict=True)
                if fill.endswith("ff") and chunk - 0.01 <= x < chunk + 0.73 and y == pytest.approx(row - 0.32)
            ]
            expected = [plots.WORKERS[who] if who in table[row][chunk] else plots.EMPTY for who in range(4)]
            assert stripes == [colour.upper() for colour in expected]


def test_what_is_complete_has_a_black_frame():
    for step, complete in ((0, 0), (2, 0), (3, 4), (4, 8), (6, 16)):
        edges = boxes(widget(step=step).axes[0])[2]
        assert sum(to_hex(edge, keep_alpha=True) == "#000000ff" for edge in edges) == complete


def test_an_arrow_goes_from_each_sender_to_its_receiver_beside_its_chunk():
    ax = widget(step=2).axes[0]
    (lines,) = [one for one in ax.collections if isinstance(one, LineCollection)]
    drawn = {(int(s[0][0]), int(s[0][1]), int(s[1][1])) for s in lines.get_segments()}
    assert drawn == {(move.chunk, move.source, move.target) for move in RING[2]}
    heads = {(line.get_marker(), int(y)) for line in ax.lines for y in line.get_ydata() if line.get_marker() != "o"}
    assert heads == {("v", 1), ("v", 2), ("v", 3), ("^", 0)}


def test_at_the_end_nobody_sends():
    ax = widget(step=6).axes[0]
    assert not [one for one in ax.collections if isinstance(one, LineCollection)]
    assert not ax.lines


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_messages_of_whole_vectors_have_a_lane_each_inside_the_picture(workers):
    for step in (0, 1):
        ax = widget(step=step, how="server", workers=workers).axes[0]
        (lines,) = [one for one in ax.collections if isinstance(one, LineCollection)]
        places = [segment[0][0] for segment in lines.get_segments()]
        assert len(set(places)) == workers - 1
        assert max(places) < ax.get_xlim()[1]
        assert min(places) > 0.4 * workers - 0.2


def test_bars_are_what_was_sent():
    fig = widget(step=3)
    (bars,) = fig.axes[1].collections
    assert [path.vertices[:, 0].max() for path in bars.get_paths()] == pytest.approx([0.75] * 4)
    assert [text.get_text().strip() for text in fig.axes[1].texts] == ["0.75"]
    server = widget(step=2, how="server").axes[1]
    (bars,) = server.collections
    assert [path.vertices[:, 0].max() for path in bars.get_paths()] == pytest.approx([3, 1, 1, 1])
    assert [(text.get_text().strip(), text.get_position()[1]) for text in server.texts] == [("3", 0)]


def test_measured_times_and_the_readers_own_are_where_they_belong():
    right = FIGURES["workers_and_bytes"]().axes[2]
    found = [line.get_xydata().tolist() for line in right.lines]
    assert found[:3] == [[[0.01, 1.0], [1.0, 8.0]], [[0.01, 3.0], [1.0, 4.0]], [[0.1, 2.0]]]
    assert found[3][0][0] == 1.0  # the chosen size


def test_the_strip_shows_every_round_and_says_which_add():
    titles = [ax.get_title(loc="left") for ax in FIGURES["states"]().axes if ax.axison]
    assert titles == [f"round {n}: {'add' if n < 4 else 'copy'}" for n in range(1, 7)] + ["the end"]


def test_lines_are_the_numbers_given():
    ax = FIGURES["busiest"]().axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert lines["server"] == [[2, 1], [4, 3], [8, 7]]
    assert [line.get_xydata().tolist() for line in ax.lines][-1] == [[4, 1.5]]
    for ax in FIGURES["seconds"]().axes:
        assert {line.get_label(): line.get_xydata().tolist() for line in ax.lines} == {
            way: [list(point) for point in points] for way, points in TIMES.items()
        }
    left, right = FIGURES["losses"]().axes
    assert list(left.lines[1].get_ydata()) == [1, 4, 50]
    assert np.array_equal(right.lines[0].get_ydata(), right.lines[1].get_ydata())


def test_bars_of_time_are_in_the_order_given():
    ax = FIGURES["work_and_time"]().axes[0]
    assert [bar.get_width() for bar in ax.patches] == [1.02, 0.55, 0.6, 0.52]
    assert ax.get_yticklabels()[0].get_text() == "Python loop, two threads"
