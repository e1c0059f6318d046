"""Gradients in 16 bits and as thin matrices: what comes out, and that the bytes are those on the wire."""

from pathlib import Path

import numpy as np
import pytest
import together
import torch

from labkit.distributed import launch
from labkit.distributed.data_parallel import Parallel
from labkit.distributed.hooks import POWERSGD_AFTER
from labkit.distributed.traffic import Traffic, bytes_per_step, sent_by_ring

WAYS = {
    "none": Parallel(share_rows=False),
    "rows": Parallel(),
    "fp16": Parallel("fp16", share_rows=False),
    "bf16": Parallel("bf16", share_rows=False, bucket_mb=0.01),
    "fp16, rows": Parallel("fp16"),
    "powersgd": Parallel("powersgd", rank=2, share_rows=False),
    "powersgd, rows": Parallel("powersgd", rank=2),
}
TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """By way and worker what `together.exchanges` returns."""
    place = together.start(tmp_path_factory.mktemp("hooks") / "start")
    workers = launch(together.exchanges, 2, place, list(WAYS.values()))
    return dict(zip(WAYS, zip(*workers, strict=True), strict=True))


def mean(workers):
    return {name: np.mean([one["own"][name] for one in workers], axis=0) for name in workers[0]["own"]}


@pytest.mark.parametrize("way", ["none", "rows"])
def test_what_comes_out_is_the_mean(found, way):
    for name, expected in mean(found[way]).items():
        for worker in found[way]:
            np.testing.assert_allclose(worker["averaged"][-1][name], expected, atol=1e-7)


@pytest.mark.parametrize(("way", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_numbers_are_rounded_twice_and_added_in_32_bits(found, way, dtype):
    for name in found[way][0]["own"]:
        sent = [torch.from_numpy(worker["own"][name]).to(dtype).float() for worker in found[way]]
        expected = (torch.stack(sent).sum(0) / 2).to(dtype).float().numpy()
        for worker in found[way]:
            np.testing.assert_array_equal(worker["averaged"][-1][name], expected)


def test_rows_are_swapped_in_pieces_by_any_number_of_workers():
    for rank, came in enumerate(launch(together.swaps, 3)):
        for worker, row in enumerate(came):
            expected = torch.arange(12.0) + 20 * worker + 100 * rank if worker != rank else torch.full((12,), -1.0)
            assert torch.equal(row.float(), expected), (rank, worker)


@pytest.mark.parametrize("way", WAYS)
def test_all_workers_have_the_same(found, way):
    first, second = found[way]
    for one, other in zip(first["averaged"], second["averaged"], strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_the_first_steps_of_powersgd_are_whole(found):
    for name, expected in mean(found["powersgd"]).items():
        np.testing.assert_allclose(found["powersgd"][0]["averaged"][0][name], expected, atol=1e-7)


def test_powersgd_gives_thin_matrices_and_makes_up_for_what_they_leave_out(found):
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    expected = mean(found["powersgd"])[name]
    thin = [step[name] for step in found["powersgd"][0]["averaged"][POWERSGD_AFTER:]]
    assert np.linalg.matrix_rank(expected, tol=1e-3 * np.linalg.norm(expected)) > 2
    assert all(np.linalg.matrix_rank(step, tol=1e-5 * np.linalg.norm(step)) <= 2 for step in thin)

    def error(value):
        return np.linalg.norm(value - expected) / np.linalg.norm(expected)

    # The gradient is the same in each step, so the steps together come closer to it than one of them.
    assert error(np.mean(thin, axis=0)) < 0.7 * error(thin[0])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.skipif(not Path("/proc/net/dev").exists(), reason="no counters of the interface here")
def test_the_bytes_counted_are_the_bytes_on_the_wire(found, way):
    counted = sum(sent_by_ring(count, 2) for worker in found[way] for count in worker["counted"])
    measured = found[way][0]["measured"]
    # Beside the numbers there are the headers of packets and gloo's own.
    assert counted <= measured <= 1.1 * counted + 400_000


def test_bytes_by_hand(found):
    own = found["none"][0]["own"]
    numbers, table = sum(value.size for value in own.values()), own[TABLE].size
    assert found["none"][0]["counted"][0] == 4 * numbers
    assert found["fp16"][0]["counted"][0] == pytest.approx(2 * numbers, abs=8)  # padded to a multiple of workers
    touched = np.count_nonzero(np.abs(sum(worker["own"][TABLE] for worker in found["rows"])).sum(axis=1))
    touched += 1  # the row of the padding, which has no gradient
    assert found["rows"][0]["counted"][0] == 4 * (numbers - table) + 30522 + 4 * 16 * touched
    assert found["powersgd"][0]["counted"][0] == 4 * numbers
    thin = sum(_thin(value.shape) for value in own.values())
    assert found["powersgd"][0]["counted"][-1] == 4 * thin
    rows = thin - _thin(own[TABLE].shape)
    assert found["powersgd, rows"][0]["counted"][-1] == 4 * rows + 30522 + 2 * 16 * touched


def _thin(shape):
    whole = int(np.prod(shape))
    if len(shape) == 1:
        return whole
    return min(whole, 2 * sum(shape)) if 4 * sum(shape) < whole else whole


def test_a_step_counts_what_is_told_in_it():
    traffic = Traffic()
    for count in (10, 30, 20):
        traffic.add(count)
        traffic.after_step(None)
    assert bytes_per_step([traffic]) == 20
    assert bytes_per_step([]) == 0
