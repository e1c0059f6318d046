import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import SettingError
from labkit.theory import Grid, Rounding, affine_grid, round_weights, symmetric_grid

ends = st.floats(-100, 100, allow_nan=False, width=32)


@given(ends, ends, st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_error_inside_the_range_is_at_most_half_a_step(a, b, bits, seed):
    low, high = min(a, b), max(a, b)
    grid = affine_grid(low, high, bits=bits)
    x = np.random.default_rng(seed).uniform(low, high, 200)
    x = np.append(x, [low, high])
    assert np.abs(grid.round_trip(x) - x).max() <= grid.scale / 2 * (1 + 1e-9)


@given(ends, ends, st.integers(2, 8))
def test_zero_is_always_a_grid_point(a, b, bits):
    grid = affine_grid(min(a, b), max(a, b), bits=bits)
    assert grid.round_trip(0.0) == 0.0
    assert grid.zero_point == int(grid.zero_point)
    assert grid.low <= grid.zero_point <= grid.high


def test_agrees_with_torch_fake_quantize():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, 5000).astype(np.float32)
    grid = affine_grid(-1.5, 2.5, bits=4)
    expected = torch.fake_quantize_per_tensor_affine(
        torch.tensor(x), grid.scale, int(grid.zero_point), grid.low, grid.high
    ).numpy()
    # torch multiplies by 1/s in 32 bits: a value within 1e-5 of a tie may fall to the other side.
    clear = np.abs((x / grid.scale) % 1 - 0.5) > 1e-5
    assert clear.mean() > 0.99
    np.testing.assert_allclose(grid.round_trip(x)[clear], expected[clear], atol=1e-6)


def test_agrees_with_torch_per_channel():
    w = np.random.default_rng(1).normal(0, 0.05, (16, 64)).astype(np.float32)
    scale = torch.tensor(np.abs(w).max(axis=1) / 7)
    expected = torch.fake_quantize_per_channel_affine(
        torch.tensor(w), scale, torch.zeros(16, dtype=torch.int32), 0, -7, 7
    )
    np.testing.assert_allclose(round_weights(w, Rounding(bits=4, share="channel")), expected.numpy(), atol=1e-6)


def test_ties_go_to_the_even_integer_like_torch():
    grid = Grid(1.0, 0, -8, 7)
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5])
    assert grid.quantize(x).tolist() == torch.round(torch.tensor(x)).int().tolist() == [0, 2, 2, 0, -2]


def test_mean_square_error_of_even_values_is_a_twelfth_of_the_step_squared():
    grid = symmetric_grid(1.0, bits=6)
    x = np.random.default_rng(0).uniform(-1, 1, 200_000)
    assert np.square(grid.round_trip(x) - x).mean() == pytest.approx(grid.scale**2 / 12, rel=0.01)


def test_a_fractional_zero_point_moves_zero():
    grid = affine_grid(-0.35, 1.15, bits=4, integer_zero=False)
    assert grid.zero_point == pytest.approx(3.5)
    assert abs(grid.round_trip(0.0)) == pytest.approx(grid.scale / 2)


def test_outside_the_range_is_clipped():
    grid = symmetric_grid(1.0, bits=3)
    assert grid.round_trip([5.0, -5.0]).tolist() == [1.0, -1.0]


@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
def test_a_matrix_of_zeros_stays_zero(scheme):
    w = np.zeros((2, 64))
    assert not round_weights(w, Rounding(share="channel", scheme=scheme)).any()


@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
def test_finer_sharing_never_costs_much_and_an_outlier_spoils_only_its_neighbours(scheme):
    w = np.random.default_rng(0).normal(0, 0.05, (8, 256))
    w[3, 7] = 5.0
    error = {}
    for share in ("tensor", "channel", "group"):
        left = round_weights(w, Rounding(bits=4, share=share, scheme=scheme))
        error[share] = np.square(np.delete(left - w, 3, axis=0)).mean()
    assert error["group"] < error["channel"] < error["tensor"] / 10


def test_groups_are_neighbours_in_a_row():
    w = np.array([[1.0, 1.0, 100.0, 100.0]])
    rows = Rounding(share="group", group=2).rows(w)
    assert rows.tolist() == [[1.0, 1.0], [100.0, 100.0]]


def test_percentile_clips_about_that_share():
    w = np.random.default_rng(0).normal(size=(100, 100))
    for scheme in ("symmetric", "affine"):
        grid = Rounding(bits=8, scheme=scheme, percentile=99).grid(w)
        top = grid.dequantize(grid.high).item() + grid.scale.item() / 2
        bottom = grid.dequantize(grid.low).item() - grid.scale.item() / 2
        assert ((w > top) | (w < bottom)).mean() == pytest.approx(0.01, abs=0.003)


def test_bits_per_weight_counts_the_scales():
    assert Rounding(bits=4, share="group", group=32).bits_per_weight((64, 64)) == 5.0
    assert Rounding(bits=4, share="channel", scheme="affine").bits_per_weight((64, 36)) == 5.0
    assert Rounding(bits=8).bits_per_weight((4, 8)) == 9.0


def test_errors_say_what_to_do():
    with pytest.raises(SettingError, match="from 2 to 16"):
        symmetric_grid(1.0, bits=0)
    with pytest.raises(SettingError, match="from 2 to 16"):
        Rounding(bits=2.5)
    with pytest.raises(SettingError, match="share tensor, channel or group"):
        Rounding(share="row")
    with pytest.raises(SettingError, match="percentile above 50"):
        Rounding(percentile=0.999)
    with pytest.raises(SettingError, match="group that divides the row's 100 weights"):
        round_weights(np.ones((2, 100)), Rounding(share="group", group=64))
