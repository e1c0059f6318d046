import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import SettingError
from labkit.theory import distance, largest, masks, project_sparse

small_vectors = st.lists(st.integers(-4, 4), min_size=1, max_size=8).map(lambda xs: np.array(xs, dtype=float))


@given(small_vectors, st.data())
def test_no_mask_of_the_same_size_is_closer(theta, data):
    """Small integers, so that ties are frequent."""
    keep = data.draw(st.integers(0, len(theta)))
    by_search = min(distance(theta, mask * theta) for mask in masks(len(theta), keep=keep))
    assert distance(theta, project_sparse(theta, keep=keep)) == pytest.approx(by_search, abs=1e-12)
    assert largest(theta, keep=keep).sum() == keep


def test_no_other_values_on_the_support_are_closer():
    rng = np.random.default_rng(0)
    theta = rng.normal(size=50)
    best = project_sparse(theta, keep=10)
    for _ in range(200):
        other = np.where(largest(theta, keep=10), theta + rng.normal(0, 0.1, 50), 0)
        assert distance(theta, other) > distance(theta, best)


def test_agrees_with_torch_topk():
    theta = torch.randn(30, 20, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(600)
    index = theta.abs().flatten().topk(150).indices
    expected[index] = theta.flatten()[index]
    np.testing.assert_array_equal(project_sparse(theta.numpy(), keep=150), expected.view(30, 20).numpy())


def test_ties_keep_the_earlier_entry_and_never_more_than_asked():
    assert largest([1.0, -1.0, 1.0, 0.5], keep=2).tolist() == [True, True, False, False]


def test_keeping_nothing_keeps_nothing():
    assert not largest([1.0, 2.0], keep=0).any()
    assert largest([1.0, 2.0], keep=2).all()


def test_masks_are_all_different():
    table = masks(6, keep=3)
    assert table.shape == (20, 6)
    assert len({tuple(row) for row in table}) == 20
    assert (table.sum(axis=1) == 3).all()


def test_errors_say_what_to_do():
    with pytest.raises(SettingError, match="from 0 to 2"):
        largest([1.0, 2.0], keep=3)
    with pytest.raises(SettingError, match="at most 20 entries"):
        masks(21, keep=3)
