"""The same experiment on every fold, its predictions put together: one label for each row of the data set."""

from dataclasses import dataclass

import numpy as np

from labkit.statistics import compare, f1_interval
from labkit.task import load_task

__all__ = ["Pooled", "pool", "together"]


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

    def scores(self, other=None):
        """Give the cells of a results table: F1 with its interval, and against `other` the loss in points, paired.

        >>> one = Pooled(np.array([0, 1]), np.array([0, 1]), np.array([0, 1]))
        >>> one.scores()["f1"], one.scores(one)["f1_loss"]
        (1.0, 0.0)
        """
        f1 = self.f1()
        cells = {"f1": f1.value, "f1_low": f1.low, "f1_high": f1.high}
        if other is None:
            return cells
        lost = self.loss_against(other)
        return cells | {"f1_loss": 100 * lost.value, "f1_loss_low": 100 * lost.low, "f1_loss_high": 100 * lost.high}


def pool(experiment, *, folds=(0, 1, 2, 3, 4), part="test", task="bbc-headlines"):
    """Run `experiment(task) -> label numbers of the part's rows` on folds, and pool what it predicts.

    With all five folds every row is predicted once, by a model that never saw it.
    """
    tasks = (load_task(task, fold=fold) for fold in folds)
    return together([Pooled(one.rows(part), one.truth(part), np.asarray(experiment(one))) for one in tasks])


def together(results):
    """Put several pooled results together, one after the other; `results` is a list of Pooled.

    >>> one = Pooled(np.array([7]), np.array([0]), np.array([1]))
    >>> together([one, one]).rows.tolist()
    [7, 7]
    """
    columns = ([getattr(result, name) for result in results] for name in ("rows", "truth", "predicted"))
    return Pooled(*map(np.concatenate, columns))
