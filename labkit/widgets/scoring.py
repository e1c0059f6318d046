"""Scoring a model for a Measure button: the bar moves with every batch, and Stop is heard between two."""

import numpy as np

from labkit.statistics import macro_f1

__all__ = ["f1_unless_stopped", "labels_unless_stopped"]

BATCH = 32


def labels_unless_stopped(classifier, task, progress, should_stop, *, begin, end=1.0):
    """Predict the labels of the test rows, shape (rows,), or give None where `should_stop()` said so.

    `progress(fraction, words)` is told the way from `begin`, what was done before, to `end`.
    """
    texts, logits = task.texts("test"), []
    for start in range(0, len(texts), BATCH):
        if should_stop():
            return None
        logits.append(classifier.logits(texts[start : start + BATCH]))
        progress(begin + (end - begin) * start / len(texts), f"predicting text {start} of {len(texts)}")
    return np.concatenate(logits).argmax(axis=1)


def f1_unless_stopped(classifier, task, progress, should_stop, *, begin):
    """Score a classifier on the test rows: macro-F1, or None where `should_stop()` said so; the rest is as above."""
    labels = labels_unless_stopped(classifier, task, progress, should_stop, begin=begin)
    return None if labels is None else macro_f1(task.truth("test"), labels)
