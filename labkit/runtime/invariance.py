"""Does a text get the same label alone and in company?"""

from labkit.outputs import logits_once

__all__ = ["flips"]


def flips(runtime, texts, *, batch_size=32, cache=None):
    """Count the texts whose label changes between a batch of 1 and one of `batch_size`.

    Every `Classifier` and every `Runtime` can be asked. A label that flips was close, but nobody can say any more
    which label a text has.

    >>> import numpy as np
    >>> class Crowd:
    ...     fingerprint = "doctest"
    ...     def logits(self, texts, *, batch_size, progress=None):   # the label says how full the batch is
    ...         return np.eye(2)[[int(batch_size > 1)] * len(texts)]
    >>> import tempfile
    >>> from labkit.cache import Cache
    >>> flips(Crowd(), ["a", "b"], cache=Cache(tempfile.mkdtemp()))
    2
    """
    alone, together = (logits_once(runtime, texts, batch_size=size, cache=cache) for size in (1, batch_size))
    return int((alone.argmax(axis=1) != together.argmax(axis=1)).sum())
