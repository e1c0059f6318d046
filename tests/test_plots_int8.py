"""The pictures of lesson 06 show the numbers they are given, with words on their axes."""

import numpy as np
import pytest
from drawn import lines

from labkit.plots import int8 as plots
from labkit.plots.style import png
from labkit.statistics import Interval

MEASURED = {"words": {2: 0.5, 3: 0.02, 4: 0.03}, "head": {2: 0.1, 3: 0.01, 4: 1e-3}}
DAMAGE = {
    "words": {2: 0.5, 3: 0.02, 4: 0.001, 5: 2e-4, 6: 5e-5},
    "head": {2: 0.1, 3: 0.01, 4: 1e-3, 5: 1e-4, 6: 1e-5},
}
BITS = {"words": 3, "layer 0 attention": 5, "head": 8}
UNIFORM = [(5.0, 1.0, 2), (8.0, 0.1, 3), (20.0, 1e-4, 8)]
FIGURES = {
    "bits_and_damage": lambda: plots.bits_and_damage(
        BITS, ([5.0, 20.0], [0.5, 1e-4]), UNIFORM, (9.0, 0.02), budget=9.5, pinned="words", measured=[(10.0, 0.03)]
    ),
    "bytes_by_type": lambda: plots.bytes_by_type(
        {"a": {"float32": 47.0, "int8": 11.0, "int64": 0.004}, "b": {"uint8": 5.0, "int8": 1.0}}
    ),
    "damage_map": lambda: plots.damage_map(MEASURED, DAMAGE),
    "moving_scales": lambda: plots.moving_scales({1: [0.1] * 3, 32: [0.2, 0.3, 0.25]}, {"static": 0.28}),
    "size_against_f1": lambda: plots.size_against_f1(
        {"same": [(8.0, Interval(0.8, 0.78, 0.83))], "spent": [(8.0, Interval(0.85, 0.83, 0.9))]}, teacher=0.9
    ),
}


def test_every_picture_is_tested():
    assert set(FIGURES) == set(plots.__all__)


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_words_and_the_picture_can_be_drawn(name):
    fig = FIGURES[name]()
    assert png(fig).startswith(b"\x89PNG")
    for ax in fig.axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel() or all(label.get_text() for label in ax.get_yticklabels())
        assert ax.get_title(loc="left") or ax.get_title()


def test_bars_add_up_and_bytes_of_one_width_have_one_name():
    fig = FIGURES["bytes_by_type"]()
    ax = fig.axes[0]
    assert [text.get_text() for text in ax.texts] == ["6.0", "58.0"]  # the first name is on top
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["float32", "int8"]
    ends = {round(bar.get_y() + 0.3): bar.get_x() + bar.get_width() for bar in ax.patches if bar.get_width()}
    assert ends == {0: 6.0, 1: 58.0}


def test_each_batch_is_a_dot_and_what_stands_still_a_line():
    ax = FIGURES["moving_scales"]().axes[0]
    dots = [line for line in ax.lines if line.get_linestyle() == "None"]
    assert [sorted(line.get_ydata()) for line in dots] == [[0.1] * 3, [0.2, 0.25, 0.3]]
    assert all(abs(x - place) < 0.2 for place, line in enumerate(dots) for x in line.get_xdata())
    assert set(lines(ax)["static"].get_ydata()) == {0.28}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "32"]


def test_the_map_has_parts_downwards_and_a_number_in_each_field():
    ax = FIGURES["damage_map"]().axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["words", "head"]
    assert ax.images[0].get_array()[0, 0] == 0.5
    said = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in ax.texts}
    assert said[0, 0] == "0.5"
    assert said[1, 1] == "0.01"
    assert said[0, 2] == "0.03"  # as it was measured, though it is worse than 3 bits
    assert said[0, 3] == "0.0002"
    assert said[1, 4] == "·"
    assert len(said) == 10
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "3", "4", "5 (computed)", "6 (computed)"]
    assert {*ax.lines[0].get_xdata()} == {2.5}
    assert "· below 0.0001" in ax.get_xlabel()


def test_intervals_are_drawn_around_their_points():
    ax = FIGURES["size_against_f1"]().axes[0]
    assert [box.get_label() for box in ax.containers] == ["same", "spent"]
    ends = [box.lines[2][0].get_segments()[0][:, 1].tolist() for box in ax.containers]
    assert np.allclose(ends, [[0.78, 0.83], [0.83, 0.9]])
    assert lines(ax)["teacher, float32"].get_ydata()[0] == 0.9


def test_bits_from_above_the_pinned_part_in_another_colour_and_the_setting():
    left, right = FIGURES["bits_and_damage"]().axes
    assert {bar.get_y(): bar.get_width() for bar in left.patches}[max(bar.get_y() for bar in left.patches)] == 3
    assert [bar.get_width() for bar in left.patches] == [3, 5, 8]
    assert left.patches[0].get_facecolor() != left.patches[1].get_facecolor()
    found = lines(right)
    assert found["your setting"].get_xydata().tolist() == [[9.0, 0.02]]
    assert found["measured by you"].get_xydata().tolist() == [[10.0, 0.03]]
    assert found["the same for all"].get_xydata().tolist() == [[size, nats] for size, nats, _ in UNIFORM]
    assert found["budget"].get_xdata()[0] == 9.5
    assert right.get_yscale() == "log"
    plain = plots.bits_and_damage(BITS, ([5.0], [0.5]), UNIFORM, (9.0, 0.02), budget=9.0)
    assert "measured by you" not in lines(plain.axes[1])
