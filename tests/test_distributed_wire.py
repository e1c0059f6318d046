"""The wire between real workers: what goes in at one end comes out at the other, and every byte is counted."""

import numpy as np
import pytest
import torch
import wire_workers

from labkit.distributed import launch
from labkit.distributed.wire import as_tensor
from labkit.errors import SettingError, WorkerError


@pytest.fixture(scope="module")
def told():
    return launch(wire_workers.talk, 3)


def test_an_array_arrives_as_it_was_sent(told):
    np.testing.assert_array_equal(told[1]["array"], np.arange(6, dtype=np.float32).reshape(2, 3))
    assert told[1]["array"].dtype == np.float32
    assert torch.equal(told[1]["tensor"], torch.arange(4, dtype=torch.float64))
    assert torch.equal(told[1]["half"], torch.full((3,), 0.5, dtype=torch.bfloat16))


def test_bytes_and_messages_are_counted_at_both_ends(told):
    assert told[0]["counts"] == (24 + 32 + 6, 0, 3)  # 6 of 4 bytes, 4 of 8, 3 of 2
    assert told[1]["counts"] == (0, 24 + 32 + 6, 0)
    assert told[2]["counts"] == (0, 0, 0)


def test_a_ring_in_which_all_send_at_once_does_not_wait_for_ever(told):
    assert [one["ring"] for one in told] == [2.0, 0.0, 1.0]
    assert [one["ring counts"] for one in told] == [(8_000_000, 8_000_000, 1)] * 3


def test_arrays_with_gaps_and_empty_ones(told):
    np.testing.assert_array_equal(told[1]["every second"], [0.0, 2.0, 4.0])
    assert told[1]["empty"].shape == (0, 3)
    assert told[0]["gap counts"] == (24, 0, 1)  # the empty one needs no message


def test_what_was_received_is_no_window_into_what_was_sent(told):
    np.testing.assert_array_equal(told[0]["kept"], np.arange(6, dtype=np.float32).reshape(2, 3))


def test_a_rate_makes_a_message_take_its_time(told):
    assert all(0.2 <= one["slow"] < 2.0 for one in told)  # 0.2 MB at 1 MB/s, in both directions at once


def test_partners_that_are_not_there(told):
    assert "another worker from 0 to 2. Received 3 at worker 0" in told[0]["refused"][0]
    assert "another worker from 0 to 2. Received 0 at worker 0" in told[0]["refused"][1]
    assert "a rate above zero bytes a second. Received 0" in told[0]["refused"][2]


def test_collectives_over_the_wire(told):
    for rank, one in enumerate(told):
        assert torch.equal(one["all gathered"], torch.arange(7.0))
        assert "2 numbers from worker" in one["misfit"] or rank == 0
        np.testing.assert_allclose(one["from root 2"], [2.0, 2.0])
        np.testing.assert_array_equal(one["whole numbers"], [3, 3])
        assert one["unchanged"]
    np.testing.assert_allclose(told[1]["at root 1"], [3.0, 3.0])
    assert told[0]["at root 1"] is None


def test_what_cannot_be_sent_is_said_by_the_worker():
    with pytest.raises(WorkerError, match="an array of numbers"):
        launch(wire_workers.send_words, 2, timeout=30.0)


def test_tensors_are_seen_without_their_gradient():
    leaf = torch.ones(2, requires_grad=True)
    assert not as_tensor(leaf).requires_grad
    assert as_tensor(np.float64(3.0)).shape == ()
    assert as_tensor(np.arange(10.0)[::-2]).tolist() == [9, 7, 5, 3, 1]
    with pytest.raises(SettingError, match="an array of numbers. Received one of bool"):
        as_tensor(np.array([True]))
    with pytest.raises(SettingError, match="a tensor on the CPU. Received one on meta"):
        as_tensor(torch.ones(2, device="meta"))
