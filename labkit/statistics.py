"""Macro-F1, its interval, and the difference of two classifiers on the same rows."""

from dataclasses import dataclass

import numpy as np

from labkit.errors import SettingError

__all__ = ["Interval", "compare", "f1_interval", "macro_f1"]

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A measured value and the 95 % interval around it.

    >>> print(Interval(0.9, 0.88, 0.92))
    0.900 (0.880 to 0.920)
    """

    value: float
    low: float
    high: float

    def __str__(self):
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def points(self):
        """The same in percentage points, with a sign: for differences of F1."""
        return f"{100 * self.value:+.1f} points ({100 * self.low:+.1f} to {100 * self.high:+.1f})"


def macro_f1(truth, predicted):
    """The mean over the classes of F1 = 2·TP / (2·TP + FP + FN); a class that nobody has or predicts is left out.

    `truth` and `predicted` are label numbers, shape (rows,).

    >>> macro_f1([0, 0, 1, 1], [0, 1, 1, 1])  # F1 is 2/3 for class 0 and 4/5 for class 1
    0.7333333333333334
    """
    truth, predicted = _checked(truth, predicted)
    classes = max(truth.max(), predicted.max()) + 1
    return float(_macro_f1(_confusion(truth, predicted, classes=classes, weights=None)[None])[0])


def f1_interval(truth, predicted, *, seed=0):
    """Macro-F1 with its 95 % bootstrap interval: rows are drawn again with replacement, 2,000 times.

    >>> interval = f1_interval([0, 1] * 50, [0, 1] * 45 + [1, 0] * 5)
    >>> interval.low < interval.value < interval.high
    True

    Source: Efron, Bootstrap methods, Annals of Statistics 1979.
    """
    truth, predicted = _checked(truth, predicted)
    scores = _resampled(truth, [predicted], seed=seed)[0]
    return Interval(macro_f1(truth, predicted), *_percentiles(scores))


def compare(truth, first, second, *, seed=0):
    """The difference of macro-F1, second minus first, with its 95 % interval, paired: both on the same rows.

    Paired matters: two classifiers mostly fail on the same rows, so their difference is far better known than
    either score.

    >>> truth = [0, 1] * 50
    >>> compare(truth, truth, truth).value
    0.0
    """
    truth, first = _checked(truth, first)
    _, second = _checked(truth, second)
    a, b = _resampled(truth, [first, second], seed=seed)
    return Interval(macro_f1(truth, second) - macro_f1(truth, first), *_percentiles(b - a))


def _resampled(truth, predictions, *, seed):
    # Drawing rows with replacement is drawing how often each row counts; every classifier gets the same draws.
    random = np.random.default_rng(seed)
    rows = len(truth)
    classes = max(truth.max(), *(p.max() for p in predictions)) + 1
    scores = [np.empty(RESAMPLES) for _ in predictions]
    for start in range(0, RESAMPLES, 200):
        weights = random.multinomial(rows, np.full(rows, 1 / rows), size=200)
        for score, predicted in zip(scores, predictions, strict=True):
            tables = _confusion(truth, predicted, classes=classes, weights=weights)
            score[start : start + 200] = _macro_f1(tables)
    return scores


def _confusion(truth, predicted, *, classes, weights):
    # One table is (truth, predicted) -> count; with weights of shape (draws, rows) there is one table a draw.
    cell = np.eye(classes * classes)[truth * classes + predicted]
    counts = cell.sum(axis=0) if weights is None else weights @ cell
    return counts.reshape(*counts.shape[:-1], classes, classes)


def _macro_f1(tables):
    right = np.diagonal(tables, axis1=-2, axis2=-1)
    either = tables.sum(axis=-1) + tables.sum(axis=-2)
    with np.errstate(invalid="ignore"):
        return np.nanmean(np.where(either > 0, 2 * right / np.where(either > 0, either, 1), np.nan), axis=-1)


def _percentiles(scores):
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


def _checked(truth, predicted):
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.ndim != 1 or truth.shape != predicted.shape or not len(truth):
        raise SettingError(
            "as many predictions as labels, at least one", received=f"shapes {predicted.shape} and {truth.shape}",
            do="Predict the same rows in the same order.",
        )  # fmt: skip
    return truth.astype(np.int64), predicted.astype(np.int64)
