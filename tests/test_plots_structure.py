"""The pictures of lesson 04 show the numbers they are given, with words on their axes."""

import numpy as np
import pytest

from labkit.latency import Latency
from labkit.plots import structure as plots
from labkit.plots.style import png
from labkit.statistics import Interval

SERIES = {
    "the last go": [(6, Interval(0.9, 0.88, 0.92)), (4, Interval(0.2, 0.15, 0.25))],
    "the first go": [(6, Interval(0.9, 0.88, 0.92)), (4, Interval(0.1, 0.05, 0.15))],
}
TRAINED = {"the last go, trained": [(3, Interval(0.87, 0.85, 0.9))]}
ROWS = {
    "whole": (1.0, {1: Latency(5, 6), 32: Latency(60, 70)}),
    "3 layers": (0.5, {1: Latency(2.5, 3, 0.55, 0.5, 0.6), 32: Latency(30, 33, 0.48, 0.45, 0.5)}),
}
CURVE = [(6, Interval(0.9, 0.88, 0.92)), (2, Interval(0.5, 0.4, 0.6))]
LAYERS = [True, False, True]
HEADS = np.array([[True, False, True, False]] * 3)
POINTS = [(5.0, 0.9, False, False), (3.0, 0.8, True, False), (2.0, 0.3, False, True), (1.0, 0.85, True, True)]
FIGURES = {
    "f1_by_layers": lambda: plots.f1_by_layers(SERIES, trained=TRAINED, teacher=0.9, chance=0.2),
    "head_map": lambda: plots.head_map([[1.0, 4.0], [3.0, 0.3], [0.2, 0.1]]),
    "part_curves": lambda: plots.part_curves(
        {"heads left in each layer": {"magnitude": CURVE}, "columns left in each layer": {"first-order": CURVE}},
        teacher=0.9,
    ),
    "work_and_time": lambda: plots.work_and_time(ROWS),
    "plan_and_points": lambda: plots.plan_and_points(LAYERS, HEADS, 0.5, points=POINTS, now=(2.5, 0.7), limit=6.0),
}


def test_every_picture_is_tested():
    assert set(FIGURES) == set(plots.__all__)


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_words_and_the_picture_can_be_drawn(name):
    fig = FIGURES[name]()
    assert png(fig).startswith(b"\x89PNG")
    assert fig.axes[0].get_title(loc="left")
    for ax in fig.axes:
        assert ax.get_xlabel() or ax.get_label() == "<colorbar>"
        assert ax.get_ylabel() or all(label.get_text() for label in ax.get_yticklabels())


def boxes(ax):
    return {box.get_label(): box.lines[0].get_xydata().tolist() for box in ax.containers if hasattr(box, "lines")}


def test_each_way_to_drop_layers_has_its_line_and_training_its_markers():
    ax = FIGURES["f1_by_layers"]().axes[0]
    found = boxes(ax)
    assert found["the first go"] == [[6, 0.9], [4, 0.1]]
    assert found["the last go, trained"][0][1] == 0.87
    assert round(found["the last go, trained"][0][0]) == 3
    flat = {line.get_label(): line.get_ydata()[0] for line in ax.lines}
    assert (flat["all layers"], flat["guessing"]) == (0.9, 0.2)


def test_heads_are_compared_within_their_layer_and_the_first_is_at_the_bottom():
    ax = FIGURES["head_map"]().axes[0]
    image = ax.images[0]
    np.testing.assert_allclose(image.get_array(), [[0.25, 1.0], [1.0, 0.1], [1.0, 0.5]])
    assert image.origin == "lower"


def test_a_panel_for_each_kind_of_part():
    left, right = FIGURES["part_curves"]().axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("heads left in each layer", "columns left in each layer")
    assert boxes(left)["magnitude"] == [[6, 0.9], [2, 0.5]]
    assert boxes(right)["first-order"] == [[6, 0.9], [2, 0.5]]


def test_work_is_a_bar_and_time_a_marker_and_the_first_is_on_top():
    ax = FIGURES["work_and_time"]().axes[0]
    assert [bar.get_width() for bar in ax.patches] == [0.5, 1.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["3 layers", "whole"]
    found = boxes(ax)
    assert [x for x, _ in found["time left, batch of 1"]] == [0.55, 1.0]
    assert [x for x, _ in found["time left, batch of 32"]] == [0.48, 1.0]


@pytest.mark.parametrize(("high", "end"), [(0.6, 1.2), (1.8, 1.03 * 1.8)])
def test_every_interval_ends_within_the_picture(high, end):
    rows = ROWS | {"zeros": (0.2, {1: Latency(5, 6, 1.1, 0.9, high), 32: Latency(60, 70)})}
    assert plots.work_and_time(rows).axes[0].get_xlim() == pytest.approx((0, end))


def test_blue_cells_are_what_stays():
    cells = plots._cells(np.array(LAYERS), HEADS, 0.5)
    middle = cells[plots.CELL // 2 :: plots.CELL, plots.CELL // 2 :: plots.CELL]
    blue = (middle == plots.KEPT).all(axis=2)
    assert middle.shape[:2] == (3, 4 + 1 + plots.BLOCKS)
    assert blue[0].tolist() == blue[2].tolist() == [True, False, True, False, False] + [True] * 8 + [False] * 8
    assert not blue[1].any()
    assert (middle[:, 4] == 255).all()


def test_points_of_the_lesson_and_of_the_reader_look_different():
    right = FIGURES["plan_and_points"]().axes[1]
    found = {line.get_label(): line for line in right.lines}
    assert found["not trained after the cut"].get_xydata().tolist() == [[5, 0.9]]
    assert found["trained after the cut"].get_xydata().tolist() == [[3, 0.8]]
    assert found["by you, not trained"].get_xydata().tolist() == [[2, 0.3]]
    assert found["by you, trained"].get_xydata().tolist() == [[1, 0.85]]
    assert found["your setting"].get_xdata() == [2.5, 2.5]
    assert [line.get_xydata().tolist() for line in right.lines if line.get_marker() == "x"] == [[[2.5, 0.7]]]
    looks = {(line.get_marker(), line.get_markerfacecolor()) for line in right.lines[:4]}
    assert len(looks) == 4


def test_the_legend_of_the_points_lies_below_them():
    fig = FIGURES["plan_and_points"]()
    fig.draw_without_rendering()
    box, right = fig.axes[1].get_legend().get_window_extent(), fig.axes[1]
    assert box.y1 <= right.xaxis.label.get_window_extent().y0
    assert 0 <= box.x0 < box.x1 <= fig.bbox.x1


def test_a_setting_without_a_score_has_a_line_alone():
    right = plots.plan_and_points(LAYERS, HEADS, 1.0, now=(2.5, None)).axes[1]
    assert [line.get_label() for line in right.lines] == ["your setting"]
