"""Pruning as geometry: the mask that keeps the largest weights gives the nearest point with k non-zeros."""

from itertools import combinations

import numpy as np

from labkit.errors import SettingError

__all__ = ["distance", "largest", "masks", "project_sparse"]


def largest(theta, *, keep):
    """Mask of the `keep` entries with the largest magnitude; the same shape as `theta`, of type bool.

    Of equal magnitudes the earlier entry is kept, so the mask never keeps more than `keep`.

    >>> largest([0.3, -1.2, 0.1, 0.8], keep=2).tolist()
    [False, True, False, True]

    Raises SettingError if `keep` is not between 0 and the number of entries.
    """
    theta = np.asarray(theta)
    _check(keep, theta.size)
    mask = np.zeros(theta.size, dtype=bool)
    # A stable sort makes the choice among ties reproducible; slicing from the front works for keep=0, too.
    mask[np.argsort(-np.abs(theta.ravel()), kind="stable")[:keep]] = True
    return mask.reshape(theta.shape)


def project_sparse(theta, *, keep):
    """Nearest point to `theta` (in L2) with at most `keep` non-zeros: F(theta) = m * theta. (Article, 4.2.)

    >>> project_sparse([0.3, -1.2, 0.1, 0.8], keep=2).tolist()
    [0.0, -1.2, 0.0, 0.8]
    """
    theta = np.asarray(theta)
    return np.where(largest(theta, keep=keep), theta, 0)


def distance(a, b):
    """Euclidean distance between two arrays of one shape.

    >>> distance([0.3, 0.4], [0.0, 0.0])
    0.5
    """
    return float(np.sqrt(np.square(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)).sum()))


def masks(n, *, keep):
    """All masks of length `n` that keep exactly `keep` entries, one a row: shape (n choose keep, n), bool.

    >>> masks(3, keep=2).astype(int).tolist()
    [[1, 1, 0], [1, 0, 1], [0, 1, 1]]

    Raises SettingError above 20 entries, where there are too many to list.
    """
    _check(keep, n)
    if n > 20:
        raise SettingError("at most 20 entries", received=str(n), do="Try random masks instead.")
    chosen = list(combinations(range(n), keep))
    table = np.zeros((len(chosen), n), dtype=bool)
    for row, indices in zip(table, chosen, strict=True):
        row[list(indices)] = True
    return table


def _check(keep, size):
    if not 0 <= keep <= size:
        raise SettingError(
            f"a number of kept entries from 0 to {size}", received=str(keep), do="Keep at most what is there."
        )
