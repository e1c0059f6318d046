"""Collectives on real processes: the right sums on every worker, the bytes of the formula, PyTorch's as the oracle."""

import numpy as np
import pytest
import torch

from labkit import theory
from labkit.cache import Cache
from labkit.distributed import demos, launch, schedules, together
from labkit.distributed.clock import all_reduce_times
from labkit.distributed.gil import KINDS, race
from labkit.distributed.schedules import Move, all_reduce, bytes_on_the_wire, bytes_sent, chunk_sizes, held
from labkit.distributed.together import Run, adam, sgd, squared_gradient, squared_loss
from labkit.errors import SettingError

COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 16, 33]


@pytest.mark.parametrize("workers", COUNTS)
@pytest.mark.parametrize("how", schedules.WAYS)
def test_after_every_all_reduce_everyone_holds_everything(workers, how):
    table = held(all_reduce(workers, how=how), workers)
    assert all(cell == set(range(workers)) for row in table for cell in row)


@pytest.mark.parametrize("workers", COUNTS)
@pytest.mark.parametrize("how", schedules.WAYS)
def test_nobody_is_added_twice(workers, how):
    """Sets cannot tell; numbers can: everyone starts with a power of its own."""
    start = [2**rank for rank in range(workers)]
    table = [[one] * workers for one in start]
    for moves in all_reduce(workers, how=how):
        before = [list(row) for row in table]
        for move in moves:
            for chunk in range(workers) if move.chunk is None else [move.chunk]:
                keep = table[move.target][chunk] if move.adds else 0
                table[move.target][chunk] = keep + before[move.source][chunk]
    assert {number for row in table for number in row} == {sum(start)}


@pytest.mark.parametrize("workers", COUNTS)
@pytest.mark.parametrize("how", schedules.WAYS)
@pytest.mark.parametrize("count", [0, 1, 5, 64, 1001])
def test_the_formula_is_what_the_schedule_makes(workers, how, count):
    made = bytes_sent(all_reduce(workers, how=how), count, workers=workers)
    assert bytes_on_the_wire(4 * count, workers, how) == made


@pytest.mark.parametrize("workers", [2, 3, 4, 8, 64])
def test_a_ring_sends_two_k_minus_one_over_k(workers):
    size = 8 * workers * 1000
    assert bytes_on_the_wire(size, workers, "ring", itemsize=8) == [2 * (workers - 1) * size // workers] * workers
    assert max(bytes_on_the_wire(size, workers, "server", itemsize=8)) == (workers - 1) * size


def test_all_ways_send_the_same_bytes_together():
    assert {sum(bytes_on_the_wire(4000, 8, how)) for how in schedules.WAYS} == {2 * 7 * 4000}


@pytest.mark.parametrize(("workers", "rounds"), [(1, 0), (2, 2), (3, 4), (4, 4), (5, 6), (8, 6), (9, 8)])
def test_rounds_of_a_tree_grow_with_the_logarithm(workers, rounds):
    assert len(all_reduce(workers, how="tree")) == rounds
    assert len(all_reduce(workers, how="ring")) == 2 * (workers - 1)


@pytest.mark.parametrize("root", [0, 1, 4])
def test_trees_end_and_begin_at_any_root(root):
    up = held(schedules.reduce(5, root=root), 5)
    assert all(cell == set(range(5)) for cell in up[root])
    down = held(schedules.broadcast(5, root=root), 5)
    assert all(cell == {root} for row in down for cell in row)


def test_after_a_reduce_scatter_worker_r_owns_chunk_r():
    table = held(schedules.reduce_scatter(5), 5)
    complete = [(row, column) for row in range(5) for column in range(5) if len(table[row][column]) == 5]
    assert complete == [(r, r) for r in range(5)]
    moves = schedules.all_gather(5)[0]
    assert all(move == Move(r, (r + 1) % 5, chunk=r) for r, move in enumerate(moves))


def test_in_a_round_of_the_ring_everyone_sends_one_chunk_and_receives_another():
    for moves in all_reduce(6, how="ring"):
        assert sorted(move.source for move in moves) == sorted(move.target for move in moves) == list(range(6))
        assert len({move.chunk for move in moves}) == 6


@pytest.mark.parametrize("count", [0, 1, 7, 12])
def test_chunks_are_cut_as_torch_cuts_them(count):
    assert chunk_sizes(count, 5) == [len(part) for part in torch.arange(count).tensor_split(5)]


def test_settings_that_make_no_sense():
    with pytest.raises(SettingError, match=r"one of the ways \['server', 'tree', 'ring'\]. Received 'star'"):
        all_reduce(4, how="star")
    with pytest.raises(SettingError, match="a rank from 0 to 3 of at least one worker. Received 4 of 4"):
        schedules.broadcast(4, root=4)
    with pytest.raises(SettingError, match="at least one worker. Received 0 of 0"):
        all_reduce(0, how="ring")
    with pytest.raises(SettingError, match="whole numbers of 4 bytes. Received 'ring', 2 workers, 5 bytes"):
        bytes_on_the_wire(5, 2, "ring")
    with pytest.raises(SettingError, match=r"Received optimizer='ftrl'"):
        Run(optimizer="ftrl")


# From here on with real processes; a launch takes seconds, so each does many things.


CASES = {4: [(10,), (3,), (1, 2)], 3: [(2,), (2, 3, 5)]}  # more numbers than workers, and fewer; several shapes


@pytest.fixture(scope="module", params=CASES, ids="{} workers".format)
def done(request):
    """Every collective on real workers: for each case what they had, and what each worker did."""
    random = np.random.default_rng(0)
    cases = [random.normal(size=(request.param, *shape)).astype(np.float32) for shape in CASES[request.param]]
    workers = launch(demos.every_collective, request.param, cases)
    return [(vectors, [did[number] for did in workers]) for number, vectors in enumerate(cases)]


def test_every_all_reduce_gives_the_sum_that_pytorch_gives(done):
    for vectors, workers in done:
        for result in workers:
            for how in schedules.WAYS:
                total = result[f"all-reduce, {how}"][0]
                assert total.dtype == np.float32
                np.testing.assert_allclose(total, result["PyTorch"][0], rtol=1e-5, atol=1e-6)
                np.testing.assert_allclose(total, vectors.sum(axis=0), rtol=1e-5, atol=1e-6)


def test_everyone_gets_the_same_to_the_last_bit(done):
    for _, workers in done:
        for how in schedules.WAYS:
            totals = [result[f"all-reduce, {how}"][0] for result in workers]
            assert all(np.array_equal(total, totals[0]) for total in totals)


def test_the_counted_bytes_are_those_of_the_formula(done):
    for vectors, workers in done:
        for how in schedules.WAYS:
            counted = [result[f"all-reduce, {how}"][1] for result in workers]
            assert counted == bytes_on_the_wire(vectors[0].nbytes, len(vectors), how)


def test_the_other_collectives(done):
    for vectors, workers in done:
        total, flat = vectors.sum(axis=0), vectors.reshape(len(vectors), -1)
        parts = np.array_split(total.ravel(), len(vectors))
        for rank, result in enumerate(workers):
            np.testing.assert_array_equal(result["broadcast"][0], vectors[0])
            np.testing.assert_allclose(result["reduce-scatter"][0], parts[rank], rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(result["all-gather"][0], flat.ravel())
        np.testing.assert_allclose(workers[0]["reduce"][0], total, rtol=1e-5, atol=1e-6)
        assert all(result["reduce"][0] is None for result in workers[1:])


def test_a_ring_by_table_does_what_the_table_says():
    vectors = np.arange(9.0).reshape(3, 3)
    right = [[(rank - 1 - step) % 3 for rank in range(3)] for step in range(4)]
    for total, sent in launch(demos.ring_by_table, 3, vectors, right):
        np.testing.assert_allclose(total, vectors.sum(axis=0))
        assert sent == 4 * 8
    wrong = [[0, 0, 0]] * 4  # everyone sends chunk 0 in every step
    totals = [total for total, _ in launch(demos.ring_by_table, 3, vectors, wrong)]
    assert any(not np.allclose(total, vectors.sum(axis=0)) for total in totals)


@pytest.fixture(scope="module")
def shards():
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(30, 4)), rng.integers(0, 5, size=30)
    cuts = [17, 26]  # shards of 17, 9 and 4 rows
    return features, labels, list(zip(np.split(features, cuts), np.split(labels, cuts), strict=True))


def test_real_workers_train_as_one_process_and_as_the_theory_says(shards):
    features, labels, parts = shards
    start, steps = np.zeros((4, 5)), 8
    runs = [Run(update) for update in theory.UPDATES] + [Run("averaged", how="tree"), Run("summed")]
    workers = launch(together.train, 3, start, parts, runs, steps=steps)
    for number, run in enumerate(runs[:4]):
        oracle = theory.train_nodes(start, parts, update=run.aggregation, learning_rate=4.0, steps=steps)
        real = np.stack([result[number][0] for result in workers], axis=1)
        np.testing.assert_allclose(real, oracle, atol=1e-10)
    theta = start
    for _ in range(steps):
        theta = theta - 4.0 * theory.softmax_gradient(theta, features, labels)
    averaged = np.stack([result[0][0][-1] for result in workers])
    assert np.abs(averaged - theta).max() < 1e-12
    assert theory.spread(averaged) == 0
    assert np.abs(workers[0][1][0][-1] - theta).max() > 0.1  # the article's step goes somewhere else
    alone = np.stack([result[3][0][-1] for result in workers])
    assert theory.spread(alone) > 0.1
    assert workers[0][3][1] == 0  # who is alone sends nothing
    assert workers[0][0][1] == steps * bytes_on_the_wire(8 * 20, 3, "ring", itemsize=8)[0]
    np.testing.assert_allclose(workers[0][4][0], workers[0][0][0], atol=1e-12)
    first = sum(theory.softmax_gradient(start, *part) for part in parts)
    np.testing.assert_allclose(workers[1][5][0][1], start - 4.0 * first)


def test_a_sum_makes_sgd_diverge_and_adam_does_not_notice(shards):
    features, labels, _ = shards
    equal = list(zip(np.split(features, 3), np.split(labels, 3), strict=True))
    runs = [
        Run(aggregation, optimizer=optimizer, learning_rate=rate, loss="squared")
        for optimizer, rate in (("sgd", 0.8), ("adam", 0.05))
        for aggregation in ("averaged", "summed")
    ]
    found = launch(together.train, 3, np.zeros((4, 5)), equal, runs, steps=15)[0]
    sgd_mean, sgd_sum, adam_mean, adam_sum = (path[-1] for path, _ in found)
    assert squared_loss(sgd_mean, features, labels) < squared_loss(np.zeros((4, 5)), features, labels) < 1
    assert squared_loss(sgd_sum, features, labels) > 100
    np.testing.assert_allclose(adam_sum, adam_mean, atol=1e-4)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_the_optimizers_are_pytorchs(name):
    rng = np.random.default_rng(2)
    gradients = list(rng.normal(size=(12, 3, 2)))
    theirs = torch.zeros(3, 2, dtype=torch.float64)
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name]([theirs], lr=0.1)
    ours = np.zeros((3, 2))
    for step in range(len(gradients)):
        theirs.grad = torch.from_numpy(gradients[step])
        optimizer.step()
        ours = {"sgd": sgd, "adam": adam}[name](ours, gradients[: step + 1], 0.1)
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-12)


def test_the_squared_loss_and_its_gradient():
    rng = np.random.default_rng(3)
    theta, features, labels = rng.normal(size=(4, 3)), rng.normal(size=(9, 4)), rng.integers(0, 3, size=9)
    outputs = torch.tensor(features) @ (leaf := torch.tensor(theta, requires_grad=True))
    loss = 0.5 * (outputs - torch.nn.functional.one_hot(torch.tensor(labels), 3)).square().sum(dim=1).mean()
    loss.backward()
    assert squared_loss(theta, features, labels) == pytest.approx(loss.item())
    np.testing.assert_allclose(squared_gradient(theta, features, labels), leaf.grad.numpy())


def test_a_slow_link_makes_the_server_slower_than_the_ring():
    """At 10 MB/s a server of four sends and receives 3 x 0.8 MB, one after the other: 0.48 s; a ring takes 0.12 s."""
    workers = launch(demos.timings, 4, [200_000], ["server", "ring"], rate=1e7, repeats=1)
    seconds = {way: max(rows[number][2] for rows in workers) for number, way in enumerate(("server", "ring"))}
    assert 0.47 < seconds["server"] < 1.5
    assert 0.11 < seconds["ring"] < 0.45
    for number, way in enumerate(("server", "ring")):
        assert [rows[number][3] for rows in workers] == bytes_on_the_wire(800_000, 4, way)


def test_times_are_asked_once_and_kept(tmp_path):
    asked = []

    def watch(fraction, words):
        asked.append(words)

    ways = ("ring", "PyTorch")
    first = all_reduce_times(2, [0.004, 0.04], ways=ways, repeats=1, cache=Cache(tmp_path), progress=watch)
    assert [size for size, _ in first["ring"]] == [size for size, _ in first["PyTorch"]] == [0.004, 0.04]
    assert all(0 < time < 5000 for points in first.values() for _, time in points)
    seen = len(asked)
    again = all_reduce_times(2, [0.004, 0.04], ways=ways, repeats=1, cache=Cache(tmp_path), progress=watch)
    assert {way: [list(point) for point in points] for way, points in again.items()} == {
        way: [list(point) for point in points] for way, points in first.items()
    }
    assert len(asked) == seen


def test_work_is_raced_in_turn_by_threads_and_by_processes():
    threads = torch.get_num_threads()
    found = race(amount=2, rounds=1)
    assert found.pop("starting") > 0
    assert set(found) == set(KINDS)
    for times in found.values():
        assert list(times) == ["in turn", "two threads", "two processes"]
        assert min(times.values()) > 0
    assert torch.get_num_threads() == threads
