"""One score of all rows: not of a padded tail, and not a mean of the workers' scores."""

import numpy as np
import pytest
import together
from torch.utils.data import DistributedSampler

from labkit.classifier import Classifier
from labkit.distributed import launch
from labkit.distributed.evaluation import gather_rows, own_rows
from labkit.errors import SettingError
from labkit.statistics import macro_f1


@pytest.mark.parametrize("count", [0, 1, 5, 8])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_row_has_one_worker(count, workers):
    shards = [own_rows(count, rank=rank, world_size=workers) for rank in range(workers)]
    assert sorted(np.concatenate(shards)) == list(range(count))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def padded_rows(count, workers):
    """The rows that torch's sampler gives each worker."""
    data = range(count)
    return [list(DistributedSampler(data, workers, rank, shuffle=False)) for rank in range(workers)]


def test_workers_score_as_one_process_does(tmp_path):
    place, counts = together.start(tmp_path / "start"), [1, 2, 32]
    alone = {count: Classifier.load(place).logits(together.texts(count)[0]) for count in counts}
    for found, refused in launch(together.logits_of, 3, place, counts):
        for count, logits in found.items():
            np.testing.assert_allclose(logits, alone[count], atol=1e-6)
            assert np.array_equal(logits.argmax(axis=1), alone[count].argmax(axis=1))
        assert "Expected each of 7 rows once. Received row 0 2 times" in refused


def test_a_padded_tail_changes_the_score():
    truth, predicted = np.array([0, 0, 1, 1, 1, 0, 1]), np.array([1, 0, 1, 1, 0, 0, 1])
    padded = np.concatenate(padded_rows(7, 2))
    assert sorted(padded) == [0, 0, 1, 2, 3, 4, 5, 6]  # 7 rows do not divide by 2: the first comes again
    assert macro_f1(truth, predicted) == pytest.approx((4 / 6 + 6 / 8) / 2)
    assert macro_f1(truth[padded], predicted[padded]) == pytest.approx((4 / 7 + 6 / 9) / 2)  # wrong twice in row 0


def test_the_mean_of_the_workers_scores_is_another_number():
    truth, predicted = np.array([0, 0, 1, 1, 1, 0, 1, 1]), np.array([1, 0, 1, 1, 0, 0, 1, 1])
    shards = [own_rows(8, rank=rank, world_size=2) for rank in range(2)]
    mean = np.mean([macro_f1(truth[rows], predicted[rows]) for rows in shards])
    assert macro_f1(truth, predicted) == pytest.approx((4 / 6 + 8 / 10) / 2)
    assert mean == pytest.approx((0 + 4 / 6) / 2 / 2 + 1 / 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [([0, 1, 1], "row 1 2 times"), ([0, 1], "row 2 0 times"), ([0, 1, 2, 3], "row 3 1 times")],
)
def test_a_row_that_is_missing_or_there_twice_is_refused(rows, message):
    with pytest.raises(SettingError, match=f"each of 3 rows once. Received {message}"):
        gather_rows(rows, np.zeros((len(rows), 2)), count=3)
