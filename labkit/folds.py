"""The same experiment on every fold, its predictions put together: one label for each row of the data set."""

from dataclasses import dataclass

import numpy as np

from labkit.statistics import compare, f1_interval
from labkit.task import load_task

__all__ = ["Pooled", "pool"]


@dataclass(frozen=True)
class Pooled:
    """Predictions of one experiment over folds: `rows`, `truth` and `predicted`, each of shape (rows,)."""

    rows: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray

    def f1(self):
        """Macro-F1 over all rows, with its interval."""
        return f1_interval(self.truth, self.predicted)

    def loss_against(self, other):
        """The F1 that `other` has and this one has not, with its paired interval."""
        return compare(self.truth, self.predicted, other.predicted)


def pool(experiment, *, folds=(0, 1, 2, 3, 4), part="test", task="bbc-headlines"):
    """Run `experiment(task) -> label numbers of the part's rows` on folds, and pool what it predicts.

    With all five folds every row is predicted once, by a model that never saw it.
    """
    rows, truth, predicted = [], [], []
    for fold in folds:
        one = load_task(task, fold=fold)
        predicted.append(np.asarray(experiment(one)))
        rows.append(one.rows(part))
        truth.append(one.truth(part))
    return Pooled(*(np.concatenate(column) for column in (rows, truth, predicted)))
