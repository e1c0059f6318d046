"""The entropy coder: what goes in comes out, in hardly more bits than the entropy."""

from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy

from labkit.coding import NEVER, SPAN, WEIGHTS, Coded, decode, encode, entropy, sparse_bits, table_of
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
    assert code.sizes == (len(numbers),)


@QUICK
@given(st.lists(st.lists(st.integers(-4, 4), max_size=300), min_size=1, max_size=5))
def test_parts_come_back_one_after_the_other(parts):
    code = encode(*(np.array(part, dtype=np.int8) for part in parts))
    assert decode(code).tolist() == [number for part in parts for number in part]
    assert code.sizes == tuple(map(len, parts))


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
    assert floor - 8 <= code.words.nbytes <= 1.005 * floor + 16
    assert code.tables.nbytes <= len(shares)
    assert np.array_equal(decode(code), symbols)


def test_a_part_of_its_own_pays_where_frequencies_differ():
    random = np.random.default_rng(0)
    narrow, wide = (random.normal(scale=scale, size=50_000).round().astype(np.int8) for scale in (0.5, 3))
    apart, together = encode(narrow, wide), encode(np.concatenate([narrow, wide]))
    floor = 50_000 * (entropy(narrow) + entropy(wide)) / 8
    assert floor - 8 <= apart.words.nbytes <= 1.002 * floor + 8
    assert apart.words.nbytes + apart.tables.nbytes < 0.9 * together.words.nbytes


def test_values_that_are_all_alike_take_no_bytes():
    code = encode(np.full(1000, -7))
    assert code.words.nbytes == code.tables.nbytes == 0
    assert decode(code).tolist() == [-7] * 1000


def test_few_or_even_values_get_no_table():
    for symbols in (np.arange(300), np.array([4, 1, 7]), np.random.default_rng(0).integers(0, 256, 5000)):
        code = encode(symbols)
        assert code.tables.shape[0] == 0
        assert 8 * code.words.nbytes <= len(symbols) * log2(code.tables.shape[1]) + 64


@QUICK
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=300))
def test_a_table_is_a_thousandth_of_a_bit_from_exact(counts):
    counts = np.array(counts)
    table = table_of(counts)
    assert ((table == NEVER) == (counts == 0)).all()
    if counts.any():
        kept, shares = counts > 0, counts / counts.sum()
        coarse = WEIGHTS[table] / WEIGHTS[table].sum()
        lost = (shares[kept] * np.log2(shares[kept] / coarse[kept])).sum()
        assert -1e-12 <= lost <= 0.002


def test_weights_are_whole_numbers_that_halve_every_eight_levels():
    assert WEIGHTS[[0, 8, 16, 192, 254, 255]].tolist() == [2**24, 2**23, 2**22, 1, 1, 0]
    assert WEIGHTS[:160] == pytest.approx(2.0 ** (24 - np.arange(160) / 8), rel=1e-4, abs=1)


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
    assert 8 * encode(zeros).words.nbytes + 32 * (~zeros).sum() == pytest.approx(by_hand, rel=0.005)


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


CODE = encode(np.random.default_rng(0).choice(3, p=[0.1, 0.2, 0.7], size=500))
MISFITS = {
    "a word too many": Coded(np.append(CODE.words, np.uint32(7)), 0, CODE.tables, CODE.sizes),
    "a value too few": Coded(CODE.words, 0, CODE.tables, (400,)),
    "no table value": Coded(CODE.words, 0, np.full_like(CODE.tables, NEVER), CODE.sizes),
    "a table too many": Coded(CODE.words, 0, np.concatenate([CODE.tables] * 2), CODE.sizes),
    "values without a span": Coded(CODE.words, 0, np.zeros((0, 0), np.uint8), CODE.sizes),
    "words for a single value": Coded(CODE.words, 0, np.zeros((0, 1), np.uint8), CODE.sizes),
    "a span beyond all bounds": Coded(CODE.words, 0, np.zeros((0, SPAN + 1), np.uint8), CODE.sizes),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_together_is_refused(name):
    assert len(CODE.tables) == 1
    with pytest.raises(PackError, match="words, tables and sizes that fit together"):
        decode(MISFITS[name])
