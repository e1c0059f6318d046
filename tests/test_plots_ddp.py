"""The pictures of lesson 08 show the numbers they are given, with words on their axes."""

import numpy as np
import pytest
from drawn import lines

from labkit.plots import ddp as plots
from labkit.plots.style import COLOURS, png

WAYS = {
    "dealt out": [[0, 2, 4], [1, 3, 5]],
    "no sampler": [[0, 1, 2, 3, 4, 5]] * 2,
    "own shuffles": [[0, 1, 2], [2, 3, 4]],
}
SHARES = dict(zip(plots.PARTS, (0.5, 0.2, 0.2, 0.0, 0.1), strict=True))
CURVE = (np.array([1, 2, 4]), np.array([1, 1.8, 3]))
FIGURES = {
    "rows_seen": lambda: plots.rows_seen(WAYS, rows=6),
    "f1_errors": lambda: plots.f1_errors([1, 2, 4], {"mean": np.array([0, -0.5, -1.0]), "pooled": np.zeros(3)}),
    "memory": lambda: plots.memory({"one process": [6e8], "pipeline": [4e8, 3e8]}),
    "model_against_measured": lambda: plots.model_against_measured(
        [("alone", 0.4, 0.41, True), ("together", 0.3, 0.29, True), ("slow link", 1.0, 1.3, False)]
    ),
    "scaling_curves": lambda: plots.scaling_curves(
        {"1 Gbit/s": [(1, 1), (2, 1.2), (4, 1.5)], "10 Gbit/s": [(1, 1), (2, 1.9), (4, 3.5)]}, measured=[(2, 1.1)],
        batch=1024,
    ),
    "step_and_speedup": lambda: plots.step_and_speedup(
        SHARES, {name: share * 2 for name, share in SHARES.items()}, CURVE, now=(2, 1.8), plain=CURVE, measured=[(2, 1.3)]
    ),
}  # fmt: skip


def test_every_picture_is_tested():
    assert set(FIGURES) == set(plots.__all__) - {"PARTS", "seconds_in_words"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_words_and_the_picture_can_be_drawn(name):
    fig = FIGURES[name]()
    assert png(fig).startswith(b"\x89PNG")
    assert fig.axes[-1].get_xlabel()
    for ax in fig.axes:
        assert ax.get_ylabel() or all(label.get_text() for label in ax.get_yticklabels())
        assert ax.get_title(loc="left")


def test_each_row_stands_with_each_worker_that_sees_it():
    dealt, every, own = FIGURES["rows_seen"]().axes
    assert [line.get_xdata().tolist() for line in dealt.lines if line.get_marker() == "s"] == WAYS["dealt out"]
    assert [line.get_xdata().tolist() for line in every.lines if line.get_marker() == "D"] == WAYS["no sampler"]
    assert [line.get_xdata().tolist() for line in own.lines if line.get_marker() == "x"] == [[5]]
    assert [line.get_xdata().tolist() for line in own.lines if line.get_marker() == "D"] == [[2], [2]]
    assert [ax.get_title(loc="left") for ax in (dealt, every, own)] == [
        "dealt out: 0 of 6 rows repeated, 0 never seen",
        "no sampler: 6 of 6 rows repeated, 0 never seen",
        "own shuffles: 1 of 6 rows repeated, 1 never seen",
    ]


def test_errors_are_against_the_workers():
    found = lines(FIGURES["f1_errors"]().axes[0])
    assert found["mean"].get_xydata().tolist() == [[1, 0], [2, -0.5], [4, -1]]
    assert found["mean"].get_marker() != found["pooled"].get_marker()


def test_a_bar_for_each_worker_in_megabytes():
    ax = FIGURES["memory"]().axes[0]
    assert [bar.get_width() for bar in ax.patches] == [600, 400, 300]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one process", "pipeline, worker 0", "pipeline, worker 1"]  # fmt: skip
    assert [text.get_text() for text in ax.texts] == ["600", "400", "300"]
    assert ax.yaxis_inverted()


def test_what_the_fit_has_not_seen_looks_different():
    found = lines(FIGURES["model_against_measured"]().axes[0])
    assert found["used for the fit"].get_xydata().tolist() == [[0.4, 0.41], [0.3, 0.29]]
    assert found["not used"].get_xydata().tolist() == [[1.0, 1.3]]
    assert found["used for the fit"].get_marker() != found["not used"].get_marker()
    names = [text.get_text() for text in FIGURES["model_against_measured"]().axes[0].texts]
    assert names == ["slow link"]


def test_curves_and_the_ideal():
    ax = FIGURES["scaling_curves"]().axes[0]
    found = lines(ax)
    assert found["ideal"].get_xydata().tolist() == [[1, 1], [2, 2], [4, 4]]
    assert found["10 Gbit/s"].get_xydata().tolist() == [[1, 1], [2, 1.9], [4, 3.5]]
    assert found["measured here"].get_xydata().tolist() == [[2, 1.1]]
    assert len({found[name].get_linestyle() for name in ("ideal", "1 Gbit/s", "10 Gbit/s")}) == 3
    assert "1,024 rows" in ax.get_title(loc="left")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1/8", "1/4", "1/2", "1", "2", "4"]


def test_a_link_that_is_far_too_slow_stays_in_the_picture():
    slow = plots.scaling_curves({"100 Mbit/s": [(1, 1), (2, 0.1), (4, 0.06)]}).axes[0]
    assert slow.get_ylim()[0] < 0.06
    assert slow.get_yticklabels()[0].get_text() == "1/32"


def test_the_widget_shows_shares_seconds_and_the_setting():
    left, right = FIGURES["step_and_speedup"]().axes
    assert [bar.get_width() for bar in left.patches] == [50, 20, 20, 0, 10]
    assert [label.get_text() for label in left.get_yticklabels()] == list(plots.PARTS)
    assert [text.get_text() for text in left.texts] == ["1 s", "400 ms", "400 ms", "200 ms"]
    crosses = [line for line in right.lines if line.get_marker() == "x"]
    assert [line.get_xydata().tolist() for line in crosses] == [[[2, 1.8]]]
    diamonds = [line for line in right.lines if line.get_marker() == "D"]
    assert [line.get_xydata().tolist() for line in diamonds] == [[[2, 1.3]]]
    assert [line.get_color() for line in right.lines].count(COLOURS["grey"]) == 2


def test_a_setting_that_is_off_the_scale_is_drawn_at_its_edge():
    zero = dict.fromkeys(plots.PARTS, 0.0) | {"waiting for the link": 1.0}
    right = plots.step_and_speedup(zero, zero, CURVE, now=(4, 1e-6)).axes[1]
    (cross,) = [line for line in right.lines if line.get_marker() == "x"]
    low, high = right.get_ylim()
    assert low <= cross.get_ydata()[0] <= high
