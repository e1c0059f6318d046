"""What a classifier says of texts, computed once and then kept."""

import hashlib
import json

import numpy as np

from labkit.cache import code_version, default_cache

__all__ = ["logits_once", "predict_once"]

CODE = ("labkit.classifier", "labkit.batches")


def logits_once(classifier, texts, *, batch_size=32, cache=None, progress=None):
    """As `classifier.logits(texts)`, shape (texts, labels); the second time the same numbers come from the cache.

    Raises CacheError when they cannot be kept.
    """
    texts = list(texts)
    key = {
        "what": "logits", "classifier": classifier.fingerprint, "batch_size": batch_size, "code": code_version(*CODE),
        "texts": hashlib.sha256(json.dumps(texts).encode()).hexdigest(),
    }  # fmt: skip

    def make(folder):
        np.save(folder / "logits.npy", classifier.logits(texts, batch_size=batch_size, progress=progress))

    return np.load((cache or default_cache()).get(key, make) / "logits.npy", allow_pickle=False)


def predict_once(classifier, texts, *, cache=None):
    """As `classifier.predict(texts)`, shape (texts,); the second time the same answers come from the cache."""
    return logits_once(classifier, texts, cache=cache).argmax(axis=1)
