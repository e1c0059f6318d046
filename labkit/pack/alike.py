"""Which cells of a matrix are alike: rows and columns of large weights and of small ones need tables of their own."""

from dataclasses import dataclass

import numpy as np

from labkit.coding import ENTRY_BITS, entropy

__all__ = ["Alike", "find"]

STEPS = 2  # classes for a doubling of the mean size
SMALL = 4096  # cells, below which nothing is gained
LEVELS = 64  # different values, above which the gain is small and decoding slow
CHUNK = 2**20  # cells that are counted at a time


@dataclass(frozen=True)
class Alike:
    """The class of each cell: that of its row plus that of its column, clipped to `low` and `high`.

    rows      int8, shape (rows,): how large the numbers of a row are, in half octaves around the mean
    columns   int8, shape (columns,)

    >>> Alike(np.array([0, 1]), np.array([0, -1, 1]), low=0, high=2).cells().tolist()
    [[0, 0, 1], [1, 0, 2]]
    """

    rows: np.ndarray
    columns: np.ndarray
    low: int
    high: int

    @property
    def count(self):
        """How many classes there are."""
        return self.high - self.low + 1

    def cells(self, start=0, end=None):
        """Number the class of each cell from 0, uint8, shape (rows, columns), or for the rows from `start` to `end`."""
        rows = self.rows[start:end].astype(np.int16)
        return (np.clip(rows[:, None] + self.columns[None, :], self.low, self.high) - self.low).astype(np.uint8)


def find(matrix):
    """Sort the rows, the columns or both into classes, whatever saves most bits, or give None where nothing saves any.

    `matrix` holds integers, shape (rows, columns). Two Gaussians of different width need 0.2 bit a value less with a
    table each than with one for both:

    >>> narrow, wide = np.random.default_rng(0).normal(size=(2, 64, 256))
    >>> rows = np.concatenate([narrow, 4 * wide]).round().astype(np.int8)
    >>> found = find(rows)
    >>> found.count > 1, set(found.columns.tolist())
    (True, {0})
    """
    span = int(matrix.max()) - int(matrix.min()) + 1 if matrix.size else 0
    if matrix.size < SMALL or min(matrix.shape) < 2 or not 1 < span <= LEVELS:
        return None
    size = np.abs(matrix - np.median(matrix[:: max(len(matrix) // 512, 1)]).astype(matrix.dtype), dtype=np.float32)
    by_row, by_column = (_octaves(size.mean(axis=axis)) for axis in (1, 0))
    none = [np.zeros(n, np.int8) for n in matrix.shape]
    options = [none, (by_row, none[1]), (none[0], by_column), (by_row, by_column)]
    options = [_clipped(*option) for option in options]
    costs = [_bits(matrix, option, span) for option in options]
    best = int(np.argmin(costs))
    return options[best] if best else None


def _octaves(sizes):
    mean = sizes.mean()
    return np.clip(np.round(STEPS * np.log2(np.maximum(sizes / mean, 1e-3))), -20, 20).astype(np.int8)


def _clipped(rows, columns):
    # Few cells are no reason for a table: the outer hundredth joins its neighbours.
    row_counts, column_counts = np.bincount(rows + 20), np.bincount(columns + 20)
    share = np.cumsum(np.convolve(row_counts, column_counts)) / (len(rows) * len(columns))
    low, high = (int(np.searchsorted(share, end)) - 40 for end in (0.01, 0.99))
    return Alike(rows, columns, low, high)


def _bits(matrix, alike, span):
    joint = np.zeros(alike.count * span, np.int64)
    step, least = max(CHUNK // matrix.shape[1], 1), int(matrix.min())
    for start in range(0, len(matrix), step):
        cells = alike.cells(start, start + step).astype(np.int32) * span
        joint += np.bincount((cells + (matrix[start : start + step] - np.int32(least))).ravel(), minlength=len(joint))
    joint = joint.reshape(alike.count, span)
    shares = np.where(joint > 0, joint, 1) / np.maximum(joint.sum(axis=1, keepdims=True), 1)
    sides = sum(len(side) * entropy(side) for side in (alike.rows, alike.columns))
    return -(joint * np.log2(shares)).sum() + sides + ENTRY_BITS * joint.size
