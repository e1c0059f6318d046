"""Rounding against numpy and torch, and what it promises: error, zeros, shapes, what is refused."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labkit.coding import entropy
from labkit.errors import LabError, SettingError
from labkit.quantization import Encoding, Grid, Scheme, bits_of, dequantize, encode, fit, quantize, round_into, step_of

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
WEIGHTS = st.one_of(st.just(0.0), st.floats(2**-10, 10, width=32), st.floats(-10, -(2**-10), width=32))
MATRICES = st.tuples(st.integers(1, 4), st.integers(1, 13)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=WEIGHTS)
)
GROUPS = st.one_of(st.integers(1, 15), st.sampled_from(["row", "tensor"]))
SCHEMES = st.one_of(
    st.builds(Scheme, st.integers(2, 8), GROUPS, st.sampled_from(["symmetric", "affine"]), st.sampled_from(["max", "mse"])),
    st.builds(Scheme, st.just(1.5), GROUPS),
    st.builds(Scheme, st.floats(0.3, 6), GROUPS, st.just("uniform")),
)  # fmt: skip


def parts(matrix, group):
    """The blocks of a matrix, as index expressions."""
    rows, columns = matrix.shape
    if group == "tensor":
        return [[(slice(None), slice(None))]]
    width = columns if group == "row" else group
    return [[(row, slice(start, start + width)) for start in range(0, columns, width)] for row in range(rows)]


def by_hand(matrix, bits, group, kind):
    """Largest weight, scale and integers in plain numpy, block by block."""
    top = 2 ** (bits - 1) - 1
    low, high = (-top, top) if kind == "symmetric" else (-top - 1, top)
    integers, scales, zeros = np.zeros(matrix.shape, int), [], []
    for row in parts(matrix, group):
        scales.append([])
        zeros.append([])
        for place in row:
            part = matrix[place]
            if kind == "symmetric":
                scale, zero = np.float16(np.abs(part).max() / np.float32(top)) or np.float16(1), 0
            else:
                bottom, end = min(part.min(), np.float32(0)), max(part.max(), np.float32(0))
                scale = np.float16((end - bottom) / np.float32(high - low)) or np.float16(1)
                zero = int(np.clip(np.round(np.float32(low) - bottom / np.float32(scale)), low, high))
            scales[-1].append(scale)
            zeros[-1].append(zero)
            integers[place] = np.clip(np.round(part / np.float32(scale)) + zero, low, high)
    return integers, np.array(scales), np.array(zeros)


@QUICK
@given(MATRICES, st.integers(2, 8), GROUPS, st.sampled_from(["symmetric", "affine"]))
def test_integers_scales_and_zeros_are_those_computed_by_hand(matrix, bits, group, kind):
    code = quantize(torch.from_numpy(matrix), Scheme(bits, group, kind))
    integers, scales, zeros = by_hand(matrix, bits, group, kind)
    assert (code.integers.dtype, code.scales.dtype) == (torch.int8, torch.float16)
    assert np.array_equal(code.scales.numpy(), scales)
    assert np.array_equal(code.integers.numpy(), integers)
    if kind == "symmetric":
        assert code.zeros is None
    else:
        assert code.zeros.dtype == torch.int8
        assert np.array_equal(code.zeros.numpy(), zeros)


def steps(code, shape):
    """The step of each weight, and the smallest and the largest value on its grid."""
    wide = code.scales.float().repeat_interleave(code.group, dim=1)[:, : shape[1]]
    return wide.expand(shape)


@QUICK
@given(MATRICES, SCHEMES)
def test_inside_the_range_no_weight_moves_more_than_half_a_step_and_zeros_stay(matrix, scheme):
    weight = torch.from_numpy(matrix)
    code = quantize(weight, scheme)
    back, (low, high) = dequantize(code), scheme.levels
    assert back.shape == weight.shape
    assert torch.isfinite(back).all()
    assert (back[weight == 0] == 0).all()
    step = steps(code, weight.shape)
    zeros = 0 if code.zeros is None else code.zeros.float().repeat_interleave(code.group, dim=1)[:, : weight.shape[1]]
    inside = (weight >= (low - zeros - 0.5) * step) & (weight <= (high - zeros + 0.5) * step)
    # Float32 rounds too: a weight of 10 with a step of a thousandth is known to some millionths.
    assert ((back - weight).abs()[inside] <= step[inside] / 2 + 1e-5 * weight.abs()[inside]).all()
    if scheme.clip == "max" and scheme.kind != "uniform" and not scheme.ternary:
        # The grid reaches the largest weight, up to the rounding of the scale to float16.
        assert ((back - weight).abs() <= step / 2 * 1.002 + 2**-10 * weight.abs().max()).all()


@QUICK
@given(MATRICES, SCHEMES)
def test_there_and_back_is_the_same_bits_as_encoding_and_decoding(matrix, scheme):
    weight = torch.from_numpy(matrix)
    grid = fit(weight, scheme)
    out = torch.full_like(weight, torch.nan)
    assert round_into(weight, grid, out) is out
    assert torch.equal(out, dequantize(encode(weight, grid)))
    assert torch.equal(out, dequantize(quantize(weight, scheme)))


def test_a_matrix_larger_than_the_chunks_is_rounded_as_a_whole():
    weight = torch.randn(500, 390, generator=torch.Generator().manual_seed(0))
    for group in (1, 64, 195, "row", "tensor"):
        for kind in ("symmetric", "affine"):
            for clip in ("max", "mse"):
                grid = fit(weight, Scheme(3, group, kind, clip))
                assert torch.equal(round_into(weight, grid, torch.empty_like(weight)), dequantize(encode(weight, grid)))
                if group != "tensor":
                    alone = fit(weight[490:491], Scheme(3, group, kind, clip))
                    assert torch.equal(alone.scales[0], grid.scales[490])


@QUICK
@given(MATRICES, SCHEMES)
def test_rounding_again_on_the_same_grid_changes_nothing(matrix, scheme):
    weight = torch.from_numpy(matrix)
    grid = fit(weight, scheme)
    once = encode(weight, grid)
    assert torch.equal(encode(dequantize(once), grid).integers, once.integers)


@QUICK
@given(MATRICES, st.integers(2, 8), GROUPS, st.sampled_from(["symmetric", "affine"]))
def test_fitting_and_rounding_again_hardly_moves_anything(matrix, bits, group, kind):
    once = dequantize(quantize(torch.from_numpy(matrix), Scheme(bits, group, kind)))
    twice = dequantize(quantize(once, Scheme(bits, group, kind)))
    assert torch.allclose(once, twice, atol=2e-3 * float(once.abs().max()) + 1e-9)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("group", ["row", "tensor"])
def test_affine_is_torchs_quantize(bits, group):
    weight = torch.randn(12, 64, generator=torch.Generator().manual_seed(bits)) + 0.3
    code = quantize(weight, Scheme(bits, group, "affine"))
    scales, zeros = code.scales.flatten().float(), code.zeros.flatten().int()
    low, high = Scheme(bits, group, "affine").levels
    if group == "row":
        theirs = torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, low, high)
    else:
        theirs = torch.fake_quantize_per_tensor_affine(weight, scales.item(), zeros.item(), low, high)
    # Torch multiplies by 1/scale where we divide: a weight half way between two levels may go either way.
    far = ((dequantize(code) - theirs).abs() > 1e-5).float().mean()
    assert far <= 0.002
    if bits == 8 and group == "row" and hasattr(torch, "quantize_per_channel"):
        with warnings.catch_warnings():  # torch is about to give up tensors of integers
            warnings.simplefilter("ignore")
            stored = torch.quantize_per_channel(weight, scales.double(), zeros, axis=0, dtype=torch.qint8)
        assert (stored.int_repr() != code.integers).float().mean() <= 0.002


def test_groups_are_torchaos():
    primitives = pytest.importorskip("torchao.quantization.quant_primitives")
    weight = torch.randn(12, 64, generator=torch.Generator().manual_seed(0)) + 0.3
    code = quantize(weight, Scheme(4, 16, "affine"))
    theirs = primitives._fake_quantize_affine(
        weight, (1, 16), code.scales.float(), code.zeros.int(), torch.int8, -8, 7, primitives.ZeroPointDomain.INT
    )
    assert ((dequantize(code) - theirs).abs() > 1e-5).float().mean() <= 0.002


def squared_error(weight, scheme):
    return float((dequantize(quantize(weight, scheme)) - weight).square().sum())


@QUICK
@given(MATRICES, st.integers(2, 8), GROUPS, st.sampled_from(["symmetric", "affine"]))
def test_clipping_by_error_is_never_worse(matrix, bits, group, kind):
    weight = torch.from_numpy(matrix)
    best, largest = (squared_error(weight, Scheme(bits, group, kind, clip)) for clip in ("mse", "max"))
    assert best <= largest * (1 + 1e-5) + 1e-12


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_best_step_for_gaussian_weights_is_the_one_that_integration_gives(bits):
    # The problem of Max, Quantizing for minimum distortion, 1960; with three levels the step is 1.224.
    x = np.linspace(-8, 8, 200_001)
    density, top = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * (x[1] - x[0]), 2 ** (bits - 1) - 1

    def distortion(step):
        return float((density * (step * np.clip(np.round(x / step), -top, top) - x) ** 2).sum())

    candidates = np.linspace(0.1, 2, 400)
    best = candidates[np.argmin([distortion(step) for step in candidates])]
    weight = torch.randn(1, 400_000, generator=torch.Generator().manual_seed(0))
    scheme = Scheme(bits, "row", clip="mse")
    assert float(fit(weight, scheme).scales) == pytest.approx(best, rel=0.04)
    assert squared_error(weight, scheme) / weight.numel() == pytest.approx(distortion(best), rel=0.02)
    if bits == 2:
        assert best == pytest.approx(1.224, abs=0.01)


def test_one_far_weight_is_clipped_where_that_pays():
    weight = torch.randn(1, 20_000, generator=torch.Generator().manual_seed(0))
    weight[0, 0] = 40.0
    assert float(fit(weight, Scheme(4, "row")).scales) == pytest.approx(40 / 7, rel=1e-3)
    assert float(fit(weight, Scheme(4, "row", clip="mse")).scales) < 0.5
    assert squared_error(weight, Scheme(4, "row", clip="mse")) < 0.1 * squared_error(weight, Scheme(4, "row"))


@QUICK
@given(arrays(np.float32, st.tuples(st.just(1), st.integers(1, 9)), elements=WEIGHTS))
def test_three_levels_have_the_least_error_of_all_choices(matrix):
    weight = matrix[0].astype(float)
    sizes, best = np.sort(np.abs(weight))[::-1], (weight**2).sum()
    for count in range(1, len(weight) + 1):
        scale = sizes[:count].mean()
        best = min(best, ((sizes[:count] - scale) ** 2).sum() + (sizes[count:] ** 2).sum())
    found = squared_error(torch.from_numpy(matrix), Scheme(1.5, "row"))
    assert found == pytest.approx(best, rel=2e-3, abs=1e-5 * (weight**2).sum())


def test_the_uniform_step_is_a_multiple_of_the_rows_spread_and_costs_the_bits_it_says():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(8, 50_000, generator=generator) * torch.logspace(-3, 1, 8)[:, None]
    for bits in (1.2, 2.0, 3.5):
        code = quantize(weight, Scheme(bits, "row", "uniform"))
        assert torch.allclose(code.scales[:, 0].float(), step_of(bits) * weight.std(dim=1, correction=0), rtol=1e-3)
        assert entropy(code.integers.numpy()) == pytest.approx(bits, abs=0.02)
    assert bits_of(1.4) == pytest.approx(1.67, abs=0.01)


def test_a_shorter_last_group_has_its_own_spread():
    weight = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
    code = quantize(weight, Scheme(3.0, 4, "uniform"))
    for group, part in enumerate(weight.split(4, dim=1)):
        expected = step_of(3.0) * part.std(dim=1, correction=0)
        assert torch.allclose(code.scales[:, group].float(), expected, rtol=2e-3)


def test_uniform_integers_are_clipped_to_a_byte():
    weight = torch.full((1, 100_001), 0.001)
    weight[0, 1::2] *= -1
    weight[0, 0] = 5.0
    code = quantize(weight, Scheme(6.0, "row", "uniform"))
    assert int(code.integers.max()) == 127


@pytest.mark.parametrize("kind", ["symmetric", "affine"])
@pytest.mark.parametrize("clip", ["max", "mse"])
def test_all_equal_rows_and_all_zero_rows(kind, clip):
    weight = torch.tensor([[0.25] * 5, [0.0] * 5, [-0.25] * 5])
    code = quantize(weight, Scheme(3, 2, kind, clip))
    assert torch.allclose(dequantize(code), weight, rtol=1e-3)
    assert dequantize(code)[1].tolist() == [0.0] * 5
    assert code.integers.shape == (3, 5)


@pytest.mark.parametrize("scheme", [Scheme(1.5, 2), Scheme(2.5, "row", "uniform"), Scheme(1.5, "tensor")])
def test_zero_matrices_stay_zero(scheme):
    assert dequantize(quantize(torch.zeros(3, 5), scheme)).tolist() == torch.zeros(3, 5).tolist()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e12])
@pytest.mark.parametrize(
    "scheme", [Scheme(4, 4), Scheme(4, "row", "affine"), Scheme(3, "tensor", "affine", "mse"), Scheme(3, 4, clip="mse"),
               Scheme(1.5, 4), Scheme(2.5, "row", "uniform")], ids=str,
)  # fmt: skip
def test_weights_that_cannot_be_rounded(bad, scheme):
    weight = torch.zeros(3, 10)
    weight[1, 7] = bad
    with pytest.raises(LabError, match=r"finite weights, none above [\d,]+. Received .*Train again with a lower rate"):
        quantize(weight, scheme)


def test_the_message_names_the_largest_weight_a_scale_can_reach():
    with pytest.raises(SettingError, match="none above 458,528. Received 1e"):
        quantize(torch.tensor([[1e6, 1.0]]), Scheme(4, 2))


def test_the_error_halves_with_every_bit_and_shrinks_with_the_group():
    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(2))

    def error(bits, group):
        return squared_error(weight, Scheme(bits, group)) ** 0.5

    for bits in (4, 5, 6, 7):
        assert error(bits, 64) / error(bits + 1, 64) == pytest.approx(2, abs=0.25)
    assert error(4, 16) < error(4, 64) < error(4, "row") < error(4, "tensor")


def test_a_code_without_zeros_is_symmetric_and_one_scale_serves_all_rows():
    integers = torch.tensor([[1, -2], [3, 0]], dtype=torch.int8)
    code = Encoding(integers, torch.tensor([[0.5]]).half(), 2)
    assert dequantize(code).tolist() == [[0.5, -1.0], [1.5, 0.0]]
    weight, grid = torch.tensor([[0.6, -0.9], [1.4, 0.1]]), Grid(code.scales, None, -3, 3, "tensor")
    assert encode(weight, grid).integers.tolist() == integers.tolist()
    assert encode(weight, grid).group == 2
