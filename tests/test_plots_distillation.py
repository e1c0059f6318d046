"""The pictures of lesson 10 show the numbers they are given, with words on their axes."""

import numpy as np
import pytest
from drawn import assert_has_words, lines
from matplotlib.collections import LineCollection

from labkit.plots import distillation as plots
from labkit.statistics import Interval

LABELS = ("business", "politics", "tech")
TEACHER, STUDENT = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
PUSHES = np.array([[0.7, 0.0, -0.7], [-0.1, 0.2, -0.1]])
POINTS = [(2.0, 0.9, Interval(0.01, -0.01, 0.03), False), (8.0, 0.5, Interval(-0.02, -0.06, 0.02), True)]
WARM = np.array([1.0, 2.0, 10.0])


def pull(**other):
    given = {"pushes": PUSHES, "terms": (0.4, 0.05), "labels": LABELS, "temperature": 3.0, "points": POINTS} | other
    return plots.pull(TEACHER, STUDENT, 1, **given)


FIGURES = {
    "answers": lambda: plots.answers(["Bank to cut jobs", "Phone tax rises"], np.array([TEACHER, STUDENT]), [0, 2], LABELS),
    "doubts": lambda: plots.doubts({"training headlines": [0.001, 0.002], "test headlines": [0.4, 0.01, 0.1, 0.02]}),
    "gradients": lambda: plots.gradients(WARM, [1.0, 0.25, 0.01], [1.0, 1.0, 1.0], [0.3, 0.5, 0.9]),
    "pull": pull,
    "temperature_curves": lambda: plots.temperature_curves(
        WARM, np.array([[0.9, 0.08, 0.02], [0.6, 0.3, 0.1], [0.4, 0.3, 0.3]]), LABELS, marks=(2.0,)
    ),
}  # fmt: skip


def widths(ax):
    """The lengths of the bars of an axis, one list for each colour."""
    return [[bar.get_width() for bar in box] for box in ax.containers if hasattr(box, "patches")]


def test_every_picture_is_tested():
    assert set(FIGURES) == set(plots.__all__)


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_words_and_the_picture_can_be_drawn(name):
    assert_has_words(FIGURES[name]())


def test_each_headline_has_a_bar_a_topic_and_that_of_the_label_stands_out():
    first, second = FIGURES["answers"]().axes
    assert widths(first) == [[60.0], pytest.approx([30.0, 10.0])]
    assert widths(second) == [[50.0], pytest.approx([20.0, 30.0])]
    places = {round(bar.get_y() + bar.get_height() / 2): bar.get_width() for box in first.containers for bar in box}
    names = dict(zip(first.get_yticks(), (label.get_text() for label in first.get_yticklabels()), strict=True))
    assert {names[place]: width for place, width in places.items()} == pytest.approx(
        {"business": 60, "politics": 30, "tech": 10}
    )
    assert first.get_title(loc="left") == "Bank to cut jobs"


def test_doubts_are_the_share_of_texts_that_leave_so_much():
    drawn = lines(FIGURES["doubts"]().axes[0])
    np.testing.assert_allclose(drawn["test headlines"].get_xydata(), [[1, 100], [2, 75], [10, 50], [40, 25]])
    assert "3" in [label.get_text() for label in FIGURES["doubts"]().axes[0].get_xticklabels()]
    assert drawn["training headlines"].get_linestyle() != drawn["test headlines"].get_linestyle()


def test_a_topic_is_a_line_against_the_temperature():
    drawn = lines(FIGURES["temperature_curves"]().axes[0])
    assert set(LABELS) <= set(drawn)
    np.testing.assert_allclose(drawn["politics"].get_xydata(), [[1, 8], [2, 30], [10, 30]])
    assert len({drawn[name].get_linestyle() for name in LABELS}) == 3


def test_the_guide_falls_as_one_over_t_squared_and_ends_at_the_gradient():
    left, right = FIGURES["gradients"]().axes
    guide = lines(left)["falling as 1/T²"].get_ydata()
    np.testing.assert_allclose(guide, [1.0, 0.25, 0.01])
    np.testing.assert_allclose(lines(left)["of KL alone"].get_ydata(), [1.0, 0.25, 0.01])
    assert right.lines[0].get_ydata().tolist() == [0.3, 0.5, 0.9]
    assert right.lines[1].get_ydata()[0] == 1


def test_the_widgets_picture_has_both_answers_the_label_and_both_pushes():
    said, told, loss, _ = pull().axes
    assert widths(said) == [pytest.approx([60, 30, 10]), pytest.approx([20, 30, 50])]
    star = lines(said)["the label"]
    assert star.get_ydata().tolist() == [1]
    assert star.get_xdata() > 1, "beside the axis, since it is no probability"
    assert star.get_transform() == said.get_yaxis_transform()
    assert said.get_xlim() == (0, 100)
    assert widths(told) == [pytest.approx([0.7, 0.0, -0.7]), pytest.approx([-0.1, 0.2, -0.1])]
    assert lines(told)["together"].get_xdata().tolist() == pytest.approx([0.6, 0.2, -0.8])
    assert lines(told)["together"].get_ydata().tolist() == [2, 1, 0], "the first topic is at the top"
    assert widths(loss) == [pytest.approx([0.4, 0.05])]


def test_ends_move_in_steps_and_nothing_sticks_out():
    assert pull().axes[1].get_xlim() == (-1, 1)
    assert pull(pushes=3 * PUSHES).axes[1].get_xlim() == (-5, 5)
    assert pull(terms=(0.6, 0.1)).axes[2].get_xlim() == (0, 2)
    assert pull().axes[3].get_ylim() == (-10, 10)
    assert pull(points=()).axes[3].get_ylim() == (-5, 5)


def test_students_are_where_they_were_measured_with_their_intervals():
    ax = pull().axes[3]
    boxes = {box.get_label(): box for box in ax.containers}
    assert boxes["measured"][0].get_xydata().tolist() == [[2.0, 1.0]]
    assert boxes["measured by you"][0].get_xydata().tolist() == [[8.0, -2.0]]
    assert boxes["measured"][0].get_marker() != boxes["measured by you"][0].get_marker()
    segments = [s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()]
    assert sorted(round(float(s[0][1]), 6) for s in segments) == [-6, -1]
    assert [text.get_text() for text in ax.texts] == ["mix 0.9", "mix 0.5"]
    assert set(lines(ax)["your setting"].get_xdata()) == {3.0}
