"""Scoring together: each worker predicts its own rows, each row is predicted once, and the score is computed once."""

import numpy as np
import torch.distributed as dist

from labkit.distributed.data_parallel import rank_and_size
from labkit.errors import SettingError

__all__ = ["gather_rows", "logits_together", "own_rows"]


def own_rows(count, *, rank, world_size):
    """Give the numbers of a worker's rows, as even as can be and each row once.

    torch's DistributedSampler repeats rows from the front until all workers have the same number (pytorch issue
    25162): right for training steps that wait for each other, wrong for a score.

    >>> [own_rows(5, rank=rank, world_size=2).tolist() for rank in (0, 1)]
    [[0, 2, 4], [1, 3]]
    """
    return np.arange(rank, count, world_size)


def gather_rows(rows, values, *, count):
    """Put together what the workers found out for their rows: an array of shape (count, ...), the same on each.

    `rows` are this worker's row numbers, `values` has one entry for each. They may be of any number, also none.

    >>> gather_rows([1, 0], np.array([[0.5], [0.25]]), count=2).tolist()   # one worker
    [[0.25], [0.5]]

    Raises SettingError where a row is missing or was predicted twice.
    """
    rows, values = np.asarray(rows, dtype=np.int64), np.asarray(values)
    parts = [(rows, values)] * rank_and_size()[1]
    if len(parts) > 1:
        dist.all_gather_object(parts, (rows, values))
    rows, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    times = np.bincount(rows, minlength=count)
    wrong = np.flatnonzero((times != 1) | (np.arange(len(times)) >= count))
    if len(wrong):
        raise SettingError(
            f"each of {count} rows once", received=f"row {wrong[0]} {times[wrong[0]]} times",
            do="Give each worker the rows of `own_rows`, not of a sampler that pads.",
        )  # fmt: skip
    whole = np.empty_like(values)
    whole[rows] = values
    return whole


def logits_together(classifier, texts, *, batch_size=32):
    """As `classifier.logits(texts)`, computed by all workers, each its share; every worker gets the whole."""
    rank, world_size = rank_and_size()
    rows = own_rows(len(texts), rank=rank, world_size=world_size)
    return gather_rows(rows, classifier.logits([texts[row] for row in rows], batch_size=batch_size), count=len(texts))
