"""Outputs are those of the classifier, computed once, and anew for another model or other texts."""

import numpy as np
import small
import torch

from labkit.cache import Cache
from labkit.outputs import logits_once, predict_once, states_once


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


def test_states_are_what_the_last_layer_makes_of_the_first_token(tmp_path):
    classifier, cache = small.classifier(), Cache(tmp_path)
    found = states_once(classifier, small.SENTENCES, cache=cache)
    for text, state in zip(small.SENTENCES, found, strict=True):
        with torch.no_grad():
            out = classifier.model(**classifier.tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        np.testing.assert_allclose(state, out.hidden_states[-1][0, 0].numpy(), atol=1e-5)
    assert not np.array_equal(found.shape, logits_once(classifier, small.SENTENCES, cache=cache).shape)
