"""The pictures of lesson 03 show the numbers they are given, with words on their axes."""

import numpy as np
import pytest
from drawn import assert_has_words, lines
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

from labkit.plots import pruning as plots
from labkit.plots.style import png
from labkit.statistics import Interval

COUNTS, EDGES = np.array([1.0, 5.0, 9.0, 5.0, 1.0]), np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
POINTS = [(0.0, 0.9, False), (0.5, 0.8, False), (0.25, 0.88, True)]
SERIES = {
    "one-shot": [(0.3, Interval(0.9, 0.88, 0.91)), (0.6, Interval(0.5, 0.45, 0.6))],
    "gradual": [(0.8, Interval(0.89, 0.8, 0.9))],
}
FIGURES = {
    "weights_and_cut": lambda: plots.weights_and_cut(
        COUNTS, EDGES, 1.2, points=POINTS, now=(0.4, 0.84), curve=(np.array([0, 0.5]), np.array([0.9, 0.8]))
    ),
    "f1_curves": lambda: plots.f1_curves(SERIES, teacher=0.91, baseline=0.8),
    "bars": lambda: plots.bars({"dense": 90.9, "sparse": 45.0}, title="Bytes", xlabel="file (MB)", mark=50, spread={"dense": (80, 95), "sparse": (40, 50)}),
    "sparse_cost": lambda: plots.sparse_cost(np.linspace(0, 1, 5), {"entropy": np.linspace(33, 0, 5), "index": np.linspace(64, 0, 5)}),
    "gap_curves": lambda: plots.gap_curves([(0.0, 0.99, 0.9), (0.8, 0.9, 0.85)]),
    "criteria": lambda: plots.criteria({"magnitude": Interval(0.02, 0.01, 0.03), "movement": Interval(-0.01, -0.02, 0.005)}),
}  # fmt: skip


def test_every_picture_is_tested():
    assert set(FIGURES) == set(plots.__all__)


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_words_and_the_picture_can_be_drawn(name):
    assert_has_words(FIGURES[name]())


def test_grey_is_what_lies_below_the_cut():
    left = FIGURES["weights_and_cut"]().axes[0]
    everything, grey = (steps.get_data() for steps in left.patches)
    assert everything.values.tolist() == COUNTS.tolist()
    assert grey.values.tolist() == [0.0, 5.0, 9.0, 5.0, 0.0]
    assert grey.edges.tolist() == EDGES.tolist()
    assert to_hex(left.patches[1].get_facecolor()).upper() == "#C9C9C9"
    assert sorted(float(line.get_xdata()[0]) for line in left.lines) == [-1.2, 1.2]


def test_measured_points_and_the_setting_are_where_they_belong():
    found = lines(FIGURES["weights_and_cut"]().axes[1])
    assert found["measured"].get_xydata().tolist() == [[0, 0.9], [50, 0.8]]
    assert found["measured by you"].get_xydata().tolist() == [[25, 0.88]]
    assert found["your setting"].get_xydata().tolist() == [[40, 0.84]]
    assert len({found[name].get_marker() for name in ("measured", "measured by you", "your setting")}) == 3


def test_without_points_there_is_nothing_to_explain(recwarn):
    fig = plots.weights_and_cut(COUNTS, EDGES, 0.0)
    assert png(fig)
    assert [str(warning.message) for warning in recwarn] == []


def test_curves_carry_their_intervals():
    ax = FIGURES["f1_curves"]().axes[0]
    assert [box.get_label() for box in ax.containers] == ["one-shot", "gradual"]
    segments = [s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()]
    ends = sorted((round(s[0][0]), round(float(s[0][1]), 3), round(float(s[1][1]), 3)) for s in segments)
    assert ends == [(30, 0.88, 0.91), (60, 0.45, 0.6), (80, 0.8, 0.9)]
    assert (lines(ax)["not pruned"].get_ydata()[0], lines(ax)["TF-IDF"].get_ydata()[0]) == (0.91, 0.8)


def test_bars_are_in_the_order_given_from_above_with_their_numbers():
    ax = FIGURES["bars"]().axes[0]
    assert [bar.get_width() for bar in ax.patches] == [45.0, 90.9]
    assert [text.get_text() for text in ax.texts] == ["45.0", "90.9"]
    assert ax.get_xlim()[1] >= 95
    assert [
        text.get_text() for text in plots.bars({"a": 1234.5}, title="t", xlabel="x", form="{:,.0f}").axes[0].texts
    ] == ["1,234"]


def test_losses_are_in_points_and_the_first_is_on_top():
    ax = FIGURES["criteria"]().axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["movement", "magnitude"]
    values = [float(box.lines[0].get_xdata()[0]) for box in ax.containers]
    assert values == pytest.approx([-1.0, 2.0])


def test_a_criterion_that_loses_nearly_all_is_an_arrow_with_its_number():
    losses = {"magnitude": Interval(0.02, 0.01, 0.03), "movement": Interval(0.825, 0.811, 0.839)}
    ax = plots.criteria(losses).axes[0]
    assert [text.get_text().strip() for text in ax.texts] == ["82"]
    assert [float(box.lines[0].get_xdata()[0]) for box in ax.containers] == pytest.approx([2.0])
    assert ax.get_xlim()[1] == pytest.approx(3.6)
    alone = plots.criteria({"movement": losses["movement"]}).axes[0]
    assert alone.get_xlim()[1] > 83


def test_the_gap_lies_between_both_lines():
    ax = FIGURES["gap_curves"]().axes[0]
    found = lines(ax)
    assert found["training rows"].get_xydata().tolist() == [[0, 0.99], [80, 0.9]]
    assert found["test rows"].get_xydata().tolist() == [[0, 0.9], [80, 0.85]]


def test_a_dense_weight_costs_32_bits_at_any_sparsity():
    ax = FIGURES["sparse_cost"]().axes[0]
    assert set(lines(ax)["dense: every weight as it is"].get_ydata()) == {32}
    assert lines(ax)["entropy"].get_xdata().tolist() == [0, 25, 50, 75, 100]
