import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import SettingError
from labkit.theory import combine_means, cross_entropy, shard_means, shard_sizes


def test_cross_entropy_agrees_with_torch():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 5, (40, 7)), rng.integers(7, size=40)
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels), reduction="none")
    np.testing.assert_allclose(cross_entropy(logits, labels), expected.numpy(), rtol=1e-12, atol=1e-12)


def test_cross_entropy_survives_large_logits():
    assert cross_entropy([[1000.0, 0.0]], [1]).tolist() == [1000.0]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_weighted_shard_means_give_the_whole_mean(sizes, seed):
    values = np.random.default_rng(seed).normal(size=(sum(sizes), 3))
    np.testing.assert_allclose(
        combine_means(shard_means(values, sizes=sizes), sizes=sizes),
        values.mean(axis=0),
        rtol=1e-9,
        atol=1e-9,
    )


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_equal_shards_need_no_weights(workers, each, seed):
    values = np.random.default_rng(seed).normal(size=workers * each)
    means = shard_means(values, sizes=[each] * workers)
    assert means.mean() == pytest.approx(values.mean(), abs=1e-12)


def test_unequal_shards_do_need_weights():
    values, sizes = np.array([1.0, 2.0, 3.0, 10.0]), (3, 1)
    assert shard_means(values, sizes=sizes).mean() == 6.0
    assert combine_means(shard_means(values, sizes=sizes), sizes=sizes) == values.mean() == 4.0


@given(st.integers(1, 200), st.integers(1, 200))
def test_shard_sizes_are_those_of_array_split(rows, workers):
    rows = max(rows, workers)
    expected = tuple(len(part) for part in np.array_split(np.arange(rows), workers))
    assert shard_sizes(rows, workers=workers) == expected


def test_errors_say_what_to_do():
    with pytest.raises(SettingError, match="one row for each worker"):
        shard_sizes(2, workers=3)
    with pytest.raises(SettingError, match="add up to 4 rows"):
        shard_means([1, 2, 3, 4], sizes=(3, 2))
    with pytest.raises(SettingError, match="one size for each shard"):
        combine_means([1.0, 2.0], sizes=(3,))
    with pytest.raises(SettingError, match="one label for each row"):
        cross_entropy([[0.0, 1.0]], [0, 1])
