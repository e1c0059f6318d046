"""Macro-F1 against scikit-learn, intervals against scipy's bootstrap and against truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import f1_score

from labkit.errors import SettingError
from labkit.statistics import Interval, compare, f1_interval, macro_f1

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(PAIRS)
def test_macro_f1_is_scikit_learns_also_where_classes_are_absent(pairs):
    truth, predicted = (list(column) for column in zip(*pairs, strict=True))
    assert macro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="macro"), abs=1e-12)


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [([0, 0, 4], [0, 0, 4]), ([0, 0, 4], [0, 4, 0]), ([3], [3]), ([3], [1]), ([0, 1, 2], [2, 2, 2])],
)
def test_absent_classes_are_left_out(truth, predicted):
    assert macro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="macro"))


def rows(n, *, right, seed, classes=5):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    return truth, np.where(random.random(n) < right, truth, random.integers(0, classes, n))


def test_the_interval_is_that_of_scipy():
    truth, predicted = rows(400, right=0.85, seed=1)
    ours = f1_interval(truth, predicted)
    theirs = bootstrap(
        (truth, predicted), macro_f1, paired=True, vectorized=False, n_resamples=2000, method="percentile",
        rng=np.random.default_rng(7),
    ).confidence_interval  # fmt: skip
    assert ours.value == macro_f1(truth, predicted)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_the_paired_interval_is_that_of_scipy_and_narrower_than_an_unpaired_one():
    truth, first = rows(400, right=0.85, seed=2)
    second = np.where(np.random.default_rng(3).random(400) < 0.06, 0, first)
    ours = compare(truth, first, second)
    theirs = bootstrap(
        (truth, first, second), lambda t, a, b: macro_f1(t, b) - macro_f1(t, a), paired=True, vectorized=False,
        n_resamples=2000, method="percentile", rng=np.random.default_rng(7),
    ).confidence_interval  # fmt: skip
    assert ours.value == pytest.approx(macro_f1(truth, second) - macro_f1(truth, first))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)
    alone = f1_interval(truth, second)
    assert ours.high - ours.low < 0.7 * (alone.high - alone.low)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    # 100 data sets of which the true accuracy is known; with two balanced classes F1 and accuracy agree closely.
    random, inside = np.random.default_rng(0), 0
    for _ in range(100):
        truth = np.tile([0, 1], 100)
        predicted = np.where(random.random(200) < 0.8, truth, 1 - truth)
        interval = f1_interval(truth, predicted)
        inside += interval.low <= 0.8 <= interval.high
    assert 89 <= inside <= 99


def test_a_difference_changes_its_sign_with_the_order_and_is_nothing_for_twins():
    truth, first = rows(300, right=0.8, seed=4)
    _, second = rows(300, right=0.9, seed=5)
    there, back = compare(truth, first, second), compare(truth, second, first)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert compare(truth, first, first) == Interval(0.0, 0.0, 0.0)


def test_the_same_seed_draws_the_same_and_leaves_numpys_own_alone():
    truth, predicted = rows(200, right=0.8, seed=6)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    assert f1_interval(truth, predicted, seed=3) == f1_interval(truth, predicted, seed=3)
    assert f1_interval(truth, predicted, seed=3) != f1_interval(truth, predicted, seed=4)
    assert np.array_equal(np.random.get_state()[1], before)


def test_many_classes_fit_into_memory():
    truth, predicted = rows(2000, right=0.9, seed=7, classes=300)
    assert macro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="macro"))
    interval = f1_interval(truth[:500], predicted[:500])
    assert interval.low < interval.high


def test_an_interval_in_words():
    assert str(Interval(0.9, 0.88, 0.921)) == "0.900 (0.880 to 0.921)"
    assert Interval(-0.012, -0.03, 0.0049).points() == "-1.2 points (-3.0 to +0.5)"


@pytest.mark.parametrize(
    ("truth", "predicted", "words"),
    [
        ([], [], "at least one"),
        ([0, 1], [0], r"as many predictions as labels.*shapes \(1,\) and \(2,\)"),
        ([[0]], [[0]], "as many predictions"),
        ([0, -1], [0, 0], "label numbers, 0 or more. Received int64 such as -1"),
        (["fruit"], [0], "label numbers.*such as fruit"),
        ([0.0, float("nan")], [0, 0], "label numbers.*float64"),
    ],
)
def test_what_cannot_be_scored(truth, predicted, words):
    for call in (macro_f1, f1_interval, lambda t, p: compare(t, p, p)):
        with pytest.raises(SettingError, match=words):
            call(truth, predicted)
