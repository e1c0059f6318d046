import numpy as np
import pytest

from labkit.plots import theory as plots
from labkit.plots.style import png
from labkit.theory import UPDATES, affine_grid

FIGURES = {
    "mean_as_area": lambda: plots.mean_as_area([0.5, 2.0], (9, 3)),
    "nearest_sparse": lambda: plots.nearest_sparse((0.3, 0.8)),
    "mask_distances": lambda: plots.mask_distances(np.array([2.0, 2.5, 3.0]), 1.0),
    "staircase": lambda: plots.staircase(affine_grid(-1, 2, bits=3), low=-1.6, high=2.6),
    "two_zeros": lambda: plots.two_zeros(
        affine_grid(-1.1, 2, bits=3), affine_grid(-1.1, 2, bits=3, integer_zero=False)
    ),
    "training_curves": lambda: plots.training_curves({name: [1.0, 0.5] for name in UPDATES}),
    "weights_and_errors": lambda: plots.weights_and_errors(
        np.array([1, 5]), np.array([-1.0, 0.0, 1.0]), 0, 2.0, np.array([0.0]), {"a": 0.5}, chosen="a"
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_says_what_it_shows_and_the_picture_can_be_drawn(name):
    fig = FIGURES[name]()
    assert png(fig).startswith(b"\x89PNG")
    for ax in fig.axes:
        assert ax.get_xlabel() or ax.get_shared_x_axes().get_siblings(ax) != [ax]
        assert ax.get_ylabel() or [label.get_text() for label in ax.get_yticklabels()]


def test_every_figure_is_tested():
    assert set(FIGURES) == set(plots.__all__)


def test_the_area_shows_both_means():
    heights = {float(line.get_ydata()[0]) for line in plots.mean_as_area([0.5, 2.0], (9, 3)).axes[0].lines}
    assert heights == {0.875, 1.25}


def test_the_nearest_point_is_on_the_axis_of_the_larger_weight():
    labels = [line.get_label() for line in plots.nearest_sparse((0.3, 0.8)).axes[0].lines]
    assert "nearest: distance 0.3" in labels
    assert "the other: distance 0.8" in labels


def test_the_staircase_stays_within_half_a_step_inside():
    grid = affine_grid(-1, 2, bits=3)
    saw = plots.staircase(grid, low=-1.6, high=2.6).axes[1].lines[0]
    x, error = saw.get_data()
    assert np.abs(error[(x > -1) & (x < 2)]).max() <= grid.scale / 2 + 1e-9
    assert np.abs(error).max() > grid.scale / 2


def test_the_fractional_zero_is_called_a_miss():
    texts = [text.get_text() for text in FIGURES["two_zeros"]().axes[0].texts]
    assert texts[0] == "zero is a point"
    assert texts[1].startswith("zero becomes")


def test_curves_differ_by_line_and_marker_not_by_colour_alone():
    lines = FIGURES["training_curves"]().axes[0].lines
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(UPDATES)


def test_spreads_get_a_panel_of_their_own():
    table = {name: [1.0, 0.5] for name in UPDATES}
    assert len(plots.training_curves(table, table).axes) == 2
