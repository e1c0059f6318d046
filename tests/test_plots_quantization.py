"""The pictures of lesson 05 show the numbers they are given, with words on their axes."""

import numpy as np
import pytest
from drawn import assert_has_words, lines
from matplotlib.collections import LineCollection

from labkit.plots import quantization as plots
from labkit.plots.style import png
from labkit.statistics import Interval

COUNTS, EDGES = np.array([1.0, 5.0, 9.0, 5.0, 1.0]), np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
LEVELS = np.array([-1.2, 0.0, 1.2])
POINTS = [(0.01, 0.9, False), (0.3, 0.5, False), (0.1, 0.88, True)]
SERIES = {
    "largest weight": [(8, Interval(0.9, 0.88, 0.91)), (2, Interval(0.5, 0.45, 0.6))],
    "least error": [(3, Interval(0.89, 0.8, 0.9))],
}
FIGURES = {
    "weights_and_levels": lambda: plots.weights_and_levels(
        COUNTS, EDGES, LEVELS, points=POINTS, now=(0.05, 0.89), curve=(np.array([0.01, 0.3]), np.array([0.9, 0.5]))
    ),
    "f1_against_bits": lambda: plots.f1_against_bits(SERIES, teacher=0.91, baseline=0.8),
    "errors_by_sharing": lambda: plots.errors_by_sharing({"matrix": [0.3, 0.5, 0.4], "row": [0.1, 0.12, 0.2]}),
    "error_against_reach": lambda: plots.error_against_reach({8: ([0.5, 1.0], [0.3, 0.01]), 2: ([0.5, 1.0], [0.4, 0.6])}),
    "moves": lambda: plots.moves([0.26, 0.28, 0.31], [0.2, 0.2, 0.4], 0.2),
    "scale_of_tensors": lambda: plots.scale_of_tensors({"matrices": [(0.04, 0.8)], "LayerNorm": [(0.3, 0.0)]}, step=0.1),
}  # fmt: skip


def test_every_picture_is_tested():
    assert set(FIGURES) == set(plots.__all__)


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_words_and_the_picture_can_be_drawn(name):
    assert_has_words(FIGURES[name]())


def test_levels_are_lines_and_what_lies_beyond_them_is_grey():
    left = FIGURES["weights_and_levels"]().axes[0]
    everything, inside = (steps.get_data() for steps in left.patches)
    assert everything.values.tolist() == COUNTS.tolist()
    assert inside.values.tolist() == [0.0, 5.0, 9.0, 5.0, 0.0]
    drawn = left.lines[0].get_xdata()
    assert sorted(set(np.asarray(drawn)[::3].tolist())) == LEVELS.tolist()
    assert len(left.lines) == 1, "all levels are one artist: a slider draws them"


def test_levels_outside_of_the_picture_are_not_drawn():
    left = plots.weights_and_levels(COUNTS, EDGES, np.arange(-9.0, 10.0)).axes[0]
    assert left.get_xlim() == (-2.5, 2.5)
    assert np.nanmax(np.abs(left.lines[0].get_xdata())) <= 2.5


def test_measured_points_and_the_setting_are_where_they_belong():
    found = lines(FIGURES["weights_and_levels"]().axes[1])
    assert found["measured"].get_xydata().tolist() == [[0.01, 0.9], [0.3, 0.5]]
    assert found["measured by you"].get_xydata().tolist() == [[0.1, 0.88]]
    assert found["your setting"].get_xydata().tolist() == [[0.05, 0.89]]
    assert len({found[name].get_marker() for name in ("measured", "measured by you", "your setting")}) == 3


def test_a_setting_without_f1_is_a_line_at_its_error(recwarn):
    fig = plots.weights_and_levels(COUNTS, EDGES, LEVELS, now=(0.7, None))
    assert set(lines(fig.axes[1])["your setting"].get_xdata()) == {0.7}
    assert png(plots.weights_and_levels(COUNTS, EDGES, LEVELS))
    assert [str(warning.message) for warning in recwarn] == []


def test_curves_carry_their_intervals():
    ax = FIGURES["f1_against_bits"]().axes[0]
    assert [box.get_label() for box in ax.containers] == ["largest weight", "least error"]
    segments = [s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()]
    ends = sorted((round(s[0][0]), round(float(s[0][1]), 3), round(float(s[1][1]), 3)) for s in segments)
    assert ends == [(2, 0.45, 0.6), (3, 0.8, 0.9), (8, 0.88, 0.91)]
    assert (lines(ax)["not rounded"].get_ydata()[0], lines(ax)["TF-IDF"].get_ydata()[0]) == (0.91, 0.8)


def test_as_many_curves_as_the_lesson_has_are_drawn_each_with_its_own_marker():
    ax = plots.f1_against_bits({f"way {k}": [(2, Interval(0.5, 0.4, 0.6))] for k in range(6)}).axes[0]
    assert len({box.lines[0].get_marker() for box in ax.containers}) == 6


def test_ways_stand_beside_one_another_only_where_they_have_the_same_bits():
    f1 = Interval(0.5, 0.4, 0.6)
    ax = plots.f1_against_bits({"a": [(8, f1), (2, f1)], "b": [(3, f1), (2, f1)], "c": [(2, f1)]}).axes[0]
    places = [box.lines[0].get_xdata().tolist() for box in ax.containers]
    assert places[0][0] == 8
    assert places[1][0] == 3
    assert [places[0][1], places[1][1], places[2][0]] == pytest.approx([1.94, 2, 2.06])


def test_each_way_to_share_has_its_dots_and_its_median():
    ax = FIGURES["errors_by_sharing"]().axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["row", "matrix"]
    dots = [line.get_xdata() for line in ax.lines[::2]]
    assert [sorted(np.round(dot, 9)) for dot in dots] == [[10, 12, 20], [30, 40, 50]]
    assert [float(line.get_xdata()[0]) for line in ax.lines[1::2]] == pytest.approx([12, 40])


def test_a_dot_marks_the_least_error():
    ax = FIGURES["error_against_reach"]().axes[0]
    dots = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "o"]
    assert dots == [[100.0, 1.0], [50.0, 40.0]]
    assert "8 bits" in lines(ax)


def test_a_weight_jumps_between_the_levels_that_are_drawn():
    ax = FIGURES["moves"]().axes[0]
    levels = [float(line.get_ydata()[0]) for line in ax.lines if line.get_linestyle() == ":"]
    assert levels == pytest.approx([0.2, 0.4])
    assert lines(ax)["rounded weight: the model computes with it"].get_ydata().tolist() == [0.2, 0.2, 0.4]


def test_tensors_are_where_their_size_and_their_zeros_are():
    ax = FIGURES["scale_of_tensors"]().axes[0]
    assert lines(ax)["matrices"].get_xydata().tolist() == [[0.04, 80.0]]
    assert set(lines(ax)["half a step"].get_xdata()) == {0.05}
