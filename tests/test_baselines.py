"""The yardstick without pre-training."""

import numpy as np
import small

from labkit.baselines import tfidf_baseline
from labkit.statistics import macro_f1
from labkit.task import load_task


def test_it_tells_separable_classes_apart(tmp_path):
    task = small.task(tmp_path, rows=150, classes=3)
    assert tfidf_baseline(task).tolist() == task.truth("test").tolist()


def test_on_headlines_it_is_where_it_was_measured_and_does_not_see_the_test_labels():
    task = load_task()
    predicted = tfidf_baseline(task)
    assert predicted.shape == (420,)
    assert 0.75 < macro_f1(task.truth("test"), predicted) < 0.87
    assert np.array_equal(tfidf_baseline(task), predicted)
