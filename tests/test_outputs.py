"""Outputs are those of the classifier, computed once, and anew for another model or other texts."""

import numpy as np
import small

from labkit.cache import Cache
from labkit.outputs import logits_once, predict_once


def test_the_second_time_nothing_is_computed(tmp_path, monkeypatch):
    classifier, cache = small.classifier(), Cache(tmp_path)
    expected = classifier.logits(small.SENTENCES)
    assert np.array_equal(logits_once(classifier, small.SENTENCES, cache=cache), expected)
    monkeypatch.setattr(type(classifier), "logits", None)
    assert np.array_equal(logits_once(classifier, small.SENTENCES, cache=cache), expected)
    assert np.array_equal(predict_once(classifier, small.SENTENCES, cache=cache), expected.argmax(axis=1))


def test_another_model_other_texts_or_another_batch_size_are_computed_anew(tmp_path):
    cache, texts = Cache(tmp_path), small.SENTENCES
    first, other = small.classifier(), small.classifier(seed=1)
    assert not np.array_equal(logits_once(first, texts, cache=cache), logits_once(other, texts, cache=cache))
    assert len(logits_once(first, texts[:2], cache=cache)) == 2
    logits_once(first, texts, batch_size=2, cache=cache)
    assert len(list((tmp_path / "logits").glob("*.lock"))) == 4
