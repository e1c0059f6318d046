"""Folds put together: every row is predicted once, by an experiment that did not see it."""

import numpy as np
import pytest
import small

from labkit.errors import SettingError
from labkit.folds import Pooled, pool, together
from labkit.statistics import compare, f1_interval


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return small.write_table(tmp_path_factory.mktemp("folds") / "table.csv", rows=50)


def test_over_all_folds_every_row_is_predicted_once_by_who_never_saw_it(table):
    seen = []

    def experiment(task):
        seen.append(set(task.rows("train").tolist()) | set(task.rows("validation").tolist()))
        return task.rows("test") % 2  # so that each prediction says which row it belongs to

    pooled = pool(experiment, task=table)
    assert sorted(pooled.rows.tolist()) == list(range(50))
    assert pooled.predicted.tolist() == (pooled.rows % 2).tolist()
    assert [len(rows & tested) for rows, tested in zip(seen, parts_of(pooled), strict=True)] == [0] * 5


def parts_of(pooled):
    return [set(part.tolist()) for part in np.split(pooled.rows, 5)]


def test_truth_belongs_to_its_row(table):
    # Rows of the table alternate between metal, label 1, and fruit, label 0.
    pooled = pool(lambda task: task.truth("test"), task=table)
    assert pooled.truth.tolist() == (1 - pooled.rows % 2).tolist()
    assert pooled.f1().value == 1


def test_some_folds_and_another_part(table):
    pooled = pool(lambda task: np.zeros(len(task.rows("validation"))), folds=(1, 3), part="validation", task=table)
    assert len(pooled.rows) == len(pooled.predicted) == 10
    with pytest.raises(SettingError, match="a fold from 0 to 4"):
        pool(lambda task: task.truth("test"), folds=(5,), task=table)


def test_the_loss_is_paired_and_its_sign_says_who_lost(table):
    truth = np.tile([0, 1], 100)
    better, worse = (
        Pooled(np.arange(200), truth, np.where(np.arange(200) % every == 0, 1 - truth, truth)) for every in (40, 5)
    )
    loss = worse.loss_against(better)
    assert loss == compare(truth, worse.predicted, better.predicted)
    assert loss.value > 0.1
    assert loss.low > 0
    assert worse.f1() == f1_interval(truth, worse.predicted)


def test_results_of_several_seeds_are_put_one_after_the_other():
    parts = [Pooled(np.array([seed]), np.array([0]), np.array([seed % 2])) for seed in range(3)]
    pooled = together(parts)
    assert (pooled.rows.tolist(), pooled.truth.tolist(), pooled.predicted.tolist()) == ([0, 1, 2], [0, 0, 0], [0, 1, 0])
