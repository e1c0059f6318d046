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
    return float(_macro_f1(_hits_and_uses(truth, predicted, classes=1 + max(truth.max(), predicted.max()))))


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
    classes = 1 + max(truth.max(), *(p.max() for p in predictions))
    tables = [_hits_and_uses(truth, predicted, classes=classes) for predicted in predictions]
    scores = [np.empty(RESAMPLES) for _ in predictions]
    for start in range(0, RESAMPLES, 200):
        weights = random.multinomial(rows, np.full(rows, 1 / rows), size=200)
        for score, table in zip(scores, tables, strict=True):
            score[start : start + 200] = _macro_f1(table, weights)
    return scores


def _hits_and_uses(truth, predicted, *, classes):
    # For each row and class: was it rightly given, and how often does it occur, as truth or as prediction.
    one_hot = np.eye(classes)
    return one_hot[truth] * (truth == predicted)[:, None], one_hot[truth] + one_hot[predicted]


def _macro_f1(table, weights=None):
    # `weights` of shape (draws, rows) count each row as often as it was drawn, and give one score a draw.
    hits, uses = (part.sum(axis=0) if weights is None else weights @ part for part in table)
    return np.nanmean(np.where(uses > 0, 2 * hits / np.where(uses > 0, uses, 1), np.nan), axis=-1)


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
    for numbers in (truth, predicted):
        wrong = numbers if numbers.dtype.kind not in "biu" else numbers[numbers < 0]
        if len(wrong):
            raise SettingError(
                "label numbers, 0 or more", received=f"{wrong.dtype} such as {wrong[0]}",
                do="Give the positions of the labels, as `Task.truth` does.",
            )  # fmt: skip
    return truth.astype(np.int64), predicted.astype(np.int64)
