"""What a classifier says of texts, computed once and then kept."""

import hashlib
import json

import numpy as np

from labkit.cache import code_version, default_cache

__all__ = ["logits_once", "predict_once"]

CODE = ("labkit.classifier", "labkit.batches")


def logits_once(classifier, texts, *, batch_size=32, cache=None, progress=None):
    """As `classifier.logits(texts)`, shape (texts, labels); the second time the same numbers come from the cache.

    A text that occurs several times is computed once.

    Raises CacheError when they cannot be kept.
    """
    texts = list(texts)
    distinct = list(dict.fromkeys(texts))
    key = {
        "what": "logits", "classifier": classifier.fingerprint, "batch_size": batch_size, "code": code_version(*CODE),
        "texts": hashlib.sha256(json.dumps(distinct).encode()).hexdigest(),
    }  # fmt: skip

    def make(folder):
        np.save(folder / "logits.npy", classifier.logits(distinct, batch_size=batch_size, progress=progress))

    logits = np.load((cache or default_cache()).get(key, make) / "logits.npy", allow_pickle=False)
    place = {text: row for row, text in enumerate(distinct)}
    return logits[[place[text] for text in texts]]


def predict_once(classifier, texts, *, cache=None):
    """As `classifier.predict(texts)`, shape (texts,); the second time the same answers come from the cache."""
    return logits_once(classifier, texts, cache=cache).argmax(axis=1)
