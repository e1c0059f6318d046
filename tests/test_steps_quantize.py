"""Rounding to nearest against numpy and torch, and what it promises of its error."""

import numpy as np
import pytest
import small
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labkit.errors import SettingError
from labkit.steps import Quantize
from labkit.steps.base import encoder_weights
from labkit.steps.quantize import dequantize, round_to_nearest

QUICK = settings(max_examples=50, deadline=None, derandomize=True)
WEIGHTS = st.one_of(st.just(0.0), st.floats(2**-10, 10, width=32), st.floats(-10, -(2**-10), width=32))
MATRICES = st.tuples(st.integers(1, 4), st.integers(1, 13)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=WEIGHTS)
)


def by_hand(matrix, bits, group):
    """The same in plain Python, group by group."""
    top, integers, scales = 2 ** (bits - 1) - 1, [], []
    for row in matrix:
        integers.append([])
        scales.append([])
        for start in range(0, len(row), group):
            part = row[start : start + group]
            scale = np.float16(np.float32(max(abs(x) for x in part)) / np.float32(top)) or np.float16(1)
            scales[-1].append(scale)
            integers[-1] += [int(np.clip(np.round(x / np.float32(scale)), -top, top)) for x in part]
    return np.array(integers), np.array(scales)


@QUICK
@given(MATRICES, st.integers(2, 8), st.integers(1, 9))
def test_integers_and_scales_are_those_computed_by_hand(matrix, bits, group):
    code = round_to_nearest(torch.from_numpy(matrix), bits=bits, group=group)
    integers, scales = by_hand(matrix, bits, group)
    assert code.integers.dtype == torch.int8
    assert code.scales.dtype == torch.float16
    assert np.array_equal(code.integers.numpy(), integers)
    assert np.array_equal(code.scales.numpy(), scales)


@QUICK
@given(MATRICES, st.integers(2, 8), st.integers(1, 9))
def test_no_weight_moves_more_than_half_a_step_and_zeros_stay(matrix, bits, group):
    weight = torch.from_numpy(matrix)
    code = round_to_nearest(weight, bits=bits, group=group)
    back = dequantize(code)
    step = code.scales.float().repeat_interleave(group, dim=1)[:, : weight.shape[1]]
    # The scale is rounded to float16, so the largest weight of a group may be a thousandth of itself off.
    assert ((back - weight).abs() <= step / 2 + weight.abs() * 2**-10).all()
    assert (back[weight == 0] == 0).all()
    assert back.shape == weight.shape


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_rounded_weights_are_those_of_torchs_fake_quantization(bits):
    weight = torch.randn(12, 64, generator=torch.Generator().manual_seed(0))
    code, top = round_to_nearest(weight, bits=bits, group=64), 2 ** (bits - 1) - 1
    theirs = torch.fake_quantize_per_channel_affine(
        weight, code.scales[:, 0].float(), torch.zeros(12, dtype=torch.int32), 0, -top, top
    )
    assert torch.allclose(dequantize(code), theirs, atol=1e-6)
    assert len(code.integers.unique()) <= 2**bits - 1


def test_rounding_again_changes_nothing():
    weight = torch.randn(8, 50, generator=torch.Generator().manual_seed(1))
    once = dequantize(round_to_nearest(weight, bits=4, group=16))
    assert torch.allclose(dequantize(round_to_nearest(once, bits=4, group=16)), once, atol=1e-3)


def test_the_error_halves_with_every_bit_and_shrinks_with_the_group():
    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(2))

    def error(bits, group):
        return (dequantize(round_to_nearest(weight, bits=bits, group=group)) - weight).pow(2).mean().sqrt().item()

    for bits in (4, 5, 6, 7):
        assert error(bits, 64) / error(bits + 1, 64) == pytest.approx(2, abs=0.25)
    assert error(4, 16) < error(4, 64) < error(4, 256)


def test_all_equal_rows_and_all_zero_rows():
    code = round_to_nearest(torch.tensor([[0.25] * 5, [0.0] * 5, [-0.25] * 5]), bits=3, group=2)
    assert code.integers.tolist() == [[3] * 5, [0] * 5, [-3] * 5]
    assert dequantize(code)[1].tolist() == [0.0] * 5
    assert dequantize(code)[0].tolist() == pytest.approx([0.25] * 5, rel=1e-3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e6])
def test_weights_that_cannot_be_rounded(bad):
    weight = torch.zeros(3, 10)
    weight[1, 7] = bad
    with pytest.raises(SettingError, match="finite weights, none above 458,528.*Train again with a lower rate"):
        round_to_nearest(weight, bits=4, group=4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bits": 0}, "from 2 to 8 bits. Received 0"),
        ({"bits": 1}, "from 2 to 8 bits. Received 1"),
        ({"bits": 9}, "from 2 to 8 bits. Received 9"),
        ({"bits": 4.0}, "from 2 to 8 bits. Received 4.0"),
        ({"bits": True}, "from 2 to 8 bits. Received True"),
        ({"group": 0}, "a group of at least one weight. Received 0"),
        ({"group": "row"}, "a group of at least one weight. Received 'row'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_any_training(options, words):
    with pytest.raises(SettingError, match=words):
        Quantize(**options)


@pytest.mark.parametrize("embeddings", [True, False])
def test_the_step_rounds_the_encoder_and_the_word_embedding_and_keeps_the_integers(embeddings):
    classifier = small.classifier()
    before = small.state(classifier.model)
    Quantize(bits=4, group=8, embeddings=embeddings).finish(classifier)
    word = "bert.embeddings.word_embeddings.weight"
    expected = {*encoder_weights(classifier.model), word} if embeddings else set(encoder_weights(classifier.model))
    assert set(classifier.encodings) == expected
    for name, tensor in classifier.model.state_dict().items():
        if name in expected:
            assert torch.equal(tensor, dequantize(round_to_nearest(before[name], bits=4, group=8)))
            assert torch.equal(tensor, dequantize(classifier.encodings[name]))
            assert not torch.equal(tensor, before[name])
        else:
            assert torch.equal(tensor, before[name])
