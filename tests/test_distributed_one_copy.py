"""One copy of the weights for all workers of a machine: who moves what, what it sends, and when it is refused."""

import numpy as np
import pytest
import together
from hypothesis import given
from hypothesis import strategies as st

from labkit.distributed import launch
from labkit.distributed.data_parallel import Parallel
from labkit.distributed.one_copy import shares


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40), st.integers(1, 5))
def test_nobody_has_more_than_the_mean_and_one_parameter(sizes, workers):
    owner = shares(sizes, workers)
    held = [sum(size for size, own in zip(sizes, owner, strict=True) if own == worker) for worker in range(workers)]
    assert sum(held) == sum(sizes)
    assert max(held) <= sum(sizes) / workers + max(sizes)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """By way, what `together.one_copy` returned of one worker alone and of two."""
    place = together.start(tmp_path_factory.mktemp("one-copy") / "start")
    ways = [Parallel(share_rows=False), Parallel(through="memory")]
    return {way.through: launch(together.one_copy, 2, place, way) for way in ways}


def test_each_worker_keeps_moments_for_its_share(found):
    whole, table = found["network"][0]["moments"], 30522 * 16
    # The table is more than half of this tiny model: whoever has it has nothing else.
    assert sorted(one["moments"] for one in found["memory"]) == [whole - table, table]


def test_nothing_goes_over_the_network_but_waiting(found):
    assert found["memory"][0]["wire"] < 0.05 * found["network"][0]["wire"]


def test_the_weights_are_those_of_the_network(found):
    for one in found["memory"]:
        for name, value in one["weights"].items():
            np.testing.assert_allclose(value, found["network"][0]["weights"][name], atol=1e-6)


def test_what_does_not_train_stays_and_does_not_move(found):
    for one in found["memory"]:
        np.testing.assert_array_equal(one["weights"][together.FROZEN], one["before"][together.FROZEN])


def test_afterwards_each_worker_has_weights_of_its_own(found):
    assert [one["own"] for one in found["memory"]] == [0.0, 1.0]


def test_a_checkpoint_is_refused_before_the_first_step(found):
    for one in found["memory"]:
        assert "Expected training without a checkpoint" in one["refused"]
        assert 'Write through="network"' in one["refused"]
