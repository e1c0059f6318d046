"""From symbols to as few bytes as their frequencies allow: an entropy coder for integers and for masks."""

from dataclasses import dataclass

import constriction
import numpy as np

from labkit.errors import PackError, SettingError

__all__ = ["Coded", "decode", "encode", "entropy", "sparse_bits"]

SPAN = 2**16  # values that a coded array may take


@dataclass(frozen=True)
class Coded:
    """A coded array: `stream` is uint32 words, `counts` how often each value from `low` upwards occurs."""

    stream: np.ndarray
    counts: tuple
    low: int
    size: int


def entropy(symbols):
    """The fewest bits a symbol that any code for independent symbols can reach: −Σ p·log2 p (Shannon 1948).

    >>> entropy(np.array([0, 0, 0, 1, 1, 2, 3, 3]))
    1.9056390622295665
    """
    _, counts = np.unique(symbols, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum() + 0.0)


def sparse_bits(n, sparsity, value_bits=32):
    """The bits of n weights of which a share is zero: n·H(s) for the pattern, the values of the rest beside it.

    >>> sparse_bits(4, 0.5)
    68.0
    """
    share = np.array([sparsity, 1 - sparsity])
    share = share[share > 0]
    return float(-n * (share * np.log2(share)).sum() + value_bits * n * (1 - sparsity))


def encode(symbols):
    """Code a flat array of small integers with a range coder that knows how often each value occurs.

    >>> code = encode(np.array([0, 0, 0, 1, -1, 0, 0, 0]))
    >>> decode(code).tolist()
    [0, 0, 0, 1, -1, 0, 0, 0]

    Raises SettingError for values that are no integers or too far apart.

    Source: range coding, Martin 1979; the coder is constriction's.
    """
    symbols = np.ascontiguousarray(symbols).ravel()
    if not len(symbols):
        return Coded(np.zeros(0, np.uint32), (), 0, 0)
    low, high = int(symbols.min()), int(symbols.max())
    if symbols.dtype.kind not in "biu" or high - low >= SPAN or not -(2**31) <= low <= high < 2**31:
        raise SettingError(
            f"integers of 32 bits that lie less than {SPAN:,} apart", received=f"{symbols.dtype}, {low} to {high}",
            do="There is a count for each value in between: round to fewer levels.",
        )  # fmt: skip
    symbols = (symbols.astype(np.int64) - low).astype(np.int32)
    counts = np.bincount(symbols)
    if len(counts) == 1:  # all alike: there is nothing to tell apart, so nothing to store
        return Coded(np.zeros(0, np.uint32), (len(symbols),), low, len(symbols))
    coder = constriction.stream.queue.RangeEncoder()
    coder.encode(symbols, _model(counts))
    return Coded(coder.get_compressed(), tuple(counts.tolist()), low, len(symbols))


def decode(code):
    """Get the integers back, int32, shape (size,).

    Raises PackError when counts and size do not fit together.
    """
    if sum(code.counts) != code.size or min(code.counts, default=0) < 0:
        raise PackError("counts that add up to the size", received=f"{sum(code.counts)} for {code.size}",
                        do="The file is damaged: get it again.")  # fmt: skip
    if len(code.counts) <= 1:
        return np.full(code.size, code.low, dtype=np.int32)
    coder = constriction.stream.queue.RangeDecoder(np.ascontiguousarray(code.stream, dtype=np.uint32))
    return coder.decode(_model(np.array(code.counts)), code.size) + np.int32(code.low)


def _model(counts):
    return constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)
