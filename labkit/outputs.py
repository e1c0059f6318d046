"""What a classifier says of texts, computed once and then kept."""

import hashlib
import json

import numpy as np

from labkit.cache import code_version, default_cache

__all__ = ["logits_once", "predict_once", "states_once"]

CODE = ("labkit.classifier", "labkit.batches")


def logits_once(classifier, texts, *, batch_size=32, cache=None, progress=None):
    """As `classifier.logits(texts)`, shape (texts, labels); the second time the same numbers come from the cache.

    A text that occurs several times is computed once.

    Raises CacheError when they cannot be kept.
    """
    return _once("logits", classifier, texts, batch_size=batch_size, cache=cache, progress=progress)


def states_once(classifier, texts, *, batch_size=32, cache=None, progress=None):
    """As `classifier.states(texts)`, shape (texts, hidden size); the second time the same numbers come from the cache.

    Raises CacheError when they cannot be kept.
    """
    return _once("states", classifier, texts, batch_size=batch_size, cache=cache, progress=progress)


def _once(what, classifier, texts, *, batch_size, cache, progress):
    texts = list(texts)
    distinct = list(dict.fromkeys(texts))
    key = {
        "what": what, "classifier": classifier.fingerprint, "batch_size": batch_size, "code": code_version(*CODE),
        "texts": hashlib.sha256(json.dumps(distinct).encode()).hexdigest(),
    }  # fmt: skip

    def make(folder):
        compute = getattr(classifier, what)
        np.save(folder / "values.npy", compute(distinct, batch_size=batch_size, progress=progress))

    values = np.load((cache or default_cache()).get(key, make) / "values.npy", allow_pickle=False)
    place = {text: row for row, text in enumerate(distinct)}
    return values[[place[text] for text in texts]]


def predict_once(classifier, texts, *, cache=None):
    """As `classifier.predict(texts)`, shape (texts,); the second time the same answers come from the cache."""
    return logits_once(classifier, texts, cache=cache).argmax(axis=1)
