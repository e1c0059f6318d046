"""Scoring a model for a Measure button: the bar moves with every batch, and Stop is heard between two."""

import numpy as np

from labkit.statistics import macro_f1

__all__ = ["f1_unless_stopped"]

BATCH = 32


def f1_unless_stopped(classifier, task, progress, should_stop, *, begin):
    """Score a classifier on the test rows: macro-F1, or None where `should_stop()` said so.

    `progress(fraction, words)` is told the way from `begin`, what was done before, to 1.
    """
    texts, logits = task.texts("test"), []
    for start in range(0, len(texts), BATCH):
        if should_stop():
            return None
        logits.append(classifier.logits(texts[start : start + BATCH]))
        progress(begin + (1 - begin) * start / len(texts), f"predicting text {start} of {len(texts)}")
    return macro_f1(task.truth("test"), np.concatenate(logits).argmax(axis=1))
