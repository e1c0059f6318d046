"""The entropy coder: what goes in comes out, in hardly more bits than the entropy."""

from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy

from labkit.coding import SPAN, Coded, decode, encode, entropy, sparse_bits
from labkit.errors import PackError, SettingError

QUICK = settings(max_examples=80, deadline=None, derandomize=True)
NUMBERS = st.one_of(
    st.lists(st.integers(-8, 7), max_size=200),
    st.lists(st.integers(0, 1), max_size=200),
    st.lists(st.just(-3), max_size=50),
    st.lists(st.integers(-30_000, 30_000), max_size=50),
    st.integers(-(2**31), 2**31 - SPAN).flatmap(lambda low: st.lists(st.integers(low, low + SPAN - 1), max_size=20)),
)


@QUICK
@given(NUMBERS)
def test_every_array_comes_back(numbers):
    code = encode(np.array(numbers, dtype=np.int64))
    assert decode(code).tolist() == numbers
    assert code.size == len(numbers)


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.int32])
def test_every_integer_type_and_shape_comes_back_flat(kind):
    array = np.array([[1, 0, 1], [0, 0, 1]], dtype=kind)
    assert decode(encode(array)).tolist() == [1, 0, 1, 0, 0, 1]
    assert decode(encode(array.T)).tolist() == [1, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    "shares",
    [[0.5, 0.5], [0.9, 0.1], [0.999, 0.001], [0.02, 0.08, 0.8, 0.08, 0.02], [1 / 256] * 256],
    ids=["half", "tenth", "thousandth", "peak", "bytes"],
)
def test_a_hundred_thousand_symbols_take_their_entropy(shares):
    symbols = np.random.default_rng(0).choice(len(shares), p=shares, size=100_000)
    code = encode(symbols)
    floor = 100_000 * entropy(symbols) / 8
    assert floor - 8 <= code.stream.nbytes <= 1.005 * floor + 16
    assert np.array_equal(decode(code), symbols)


def test_values_that_are_all_alike_take_no_bytes():
    code = encode(np.full(1000, -7))
    assert code.stream.nbytes == 0
    assert decode(code).tolist() == [-7] * 1000


@QUICK
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=100))
def test_the_entropy_is_scipys(numbers):
    _, counts = np.unique(numbers, return_counts=True)
    assert entropy(np.array(numbers)) == pytest.approx(scipy_entropy(counts, base=2), abs=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.6, 0.9, 0.99])
def test_the_bits_of_a_sparse_array_are_what_the_coder_needs(share):
    zeros = np.random.default_rng(1).random(100_000) < share
    exact = zeros.mean()
    by_hand = 100_000 * (-exact * log2(exact) - (1 - exact) * log2(1 - exact)) + 32 * (~zeros).sum()
    assert sparse_bits(100_000, exact) == pytest.approx(by_hand)
    assert 8 * encode(zeros).stream.nbytes + 32 * (~zeros).sum() == pytest.approx(by_hand, rel=0.005)


def test_both_ends_of_the_scale_of_sparsity():
    assert sparse_bits(10, 0.0) == 320
    assert sparse_bits(10, 1.0) == 0
    assert sparse_bits(10, 0.0, value_bits=4) == 40


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (np.array([0, SPAN]), "lie less than 65,536 apart. Received int64, 0 to 65536"),
        (np.array([-(2**40), -(2**40) + 1]), "integers of 32 bits"),
        (np.array([0.5, 1.0]), "integers of 32 bits.*float64"),
    ],
)
def test_what_cannot_be_coded(numbers, words):
    with pytest.raises(SettingError, match=words):
        encode(numbers)


@pytest.mark.parametrize("counts", [(), (3, 3), (6, -1), (7,)])
def test_counts_that_do_not_fit_the_size_are_refused(counts):
    code = encode(np.array([0, 1, 1, 0, 1]))
    with pytest.raises(PackError, match="counts that add up to the size"):
        decode(Coded(code.stream, counts, code.low, code.size))
