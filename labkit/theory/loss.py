"""The loss is a mean over rows, so it can be put together from the means of shards."""

import numpy as np

from labkit.errors import SettingError

__all__ = ["combine_means", "cross_entropy", "shard_means", "shard_sizes"]


def cross_entropy(logits, labels):
    """Cross-entropy of each row, in nats: minus the log of the probability given to the right label.

    `logits` has shape (N, classes), `labels` shape (N,); the result has shape (N,). (Article, 4.1.)

    >>> cross_entropy([[0.0, 0.0], [2.0, 0.0]], [0, 0]).round(3).tolist()   # ln 2, then ln(1 + e^-2)
    [0.693, 0.127]
    """
    logits, labels = np.asarray(logits, dtype=float), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise SettingError(
            "logits of shape (rows, classes) and one label for each row",
            received=f"logits {logits.shape}, labels {labels.shape}",
            do="Give as many labels as there are rows.",
        )
    # The largest logit is taken away first: exp of a large number would overflow; the loss stays the same.
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]


def shard_sizes(rows, *, workers):
    """Sizes of the shards when `rows` are dealt to `workers` as evenly as possible.

    >>> shard_sizes(12, workers=3), shard_sizes(10, workers=3)
    ((4, 4, 4), (4, 3, 3))

    Raises SettingError if a shard would be empty.
    """
    if not 1 <= workers <= rows:
        raise SettingError(
            "at least one worker and at least one row for each worker",
            received=f"{workers} workers for {rows} rows",
            do="Take fewer workers, or more rows.",
        )
    return tuple(rows // workers + (k < rows % workers) for k in range(workers))


def shard_means(values, *, sizes):
    """Mean of each shard, if the first `sizes[0]` rows of `values` are shard 0, and so on; axis 0 is rows.

    >>> shard_means([1.0, 2.0, 3.0, 10.0], sizes=(3, 1)).tolist()
    [2.0, 10.0]

    Raises SettingError if the sizes do not add up to the number of rows.
    """
    values = np.asarray(values, dtype=float)
    if sum(sizes) != len(values) or min(sizes) < 1:
        raise SettingError(
            f"shards of one row or more that add up to {len(values)} rows",
            received=f"sizes {tuple(sizes)}, together {sum(sizes)}",
            do="Every row belongs to exactly one shard.",
        )
    return np.stack([part.mean(axis=0) for part in np.split(values, np.cumsum(sizes)[:-1])])


def combine_means(means, *, sizes):
    """Mean over all rows from the means of shards, each weighted by its share of the rows; axis 0 is shards.

    >>> float(combine_means([2.0, 10.0], sizes=(3, 1)))   # 3/4 of 2 and 1/4 of 10; the plain mean would be 6
    4.0

    Works for numbers (losses) and arrays (gradients). Raises SettingError if there is not one size a mean.
    """
    means, sizes = np.asarray(means, dtype=float), np.asarray(sizes, dtype=float)
    if means.shape[:1] != sizes.shape or sizes.sum() <= 0:
        raise SettingError(
            "one mean and one size for each shard",
            received=f"{len(means)} means and {len(sizes)} sizes",
            do="Give the sizes in the order of the means.",
        )
    return np.average(means, axis=0, weights=sizes)
