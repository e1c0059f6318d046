"""From symbols to as few bytes as their frequencies allow: an entropy coder for integers and for masks."""

from dataclasses import dataclass
from math import isqrt

import constriction
import numpy as np

from labkit.errors import PackError, SettingError

__all__ = ["SPAN", "Coded", "decode", "encode", "entropy", "sparse_bits", "table_of"]

SPAN = 2**16  # values that a coded array may take
NEVER = 255  # in a table: this value does not occur
ENTRY_BITS = 5  # what an entry of a table costs about, once the tables are coded themselves
# 2^(24 − level/8) as a whole number, the same on every machine: taking a square root three times gives an eighth.
WEIGHTS = np.array([max(isqrt(isqrt(isqrt(1 << max(192 - level, 0)))), 1) for level in range(NEVER)] + [0])


@dataclass(frozen=True)
class Coded:
    """An array as words, with what it takes to read them; the array may have parts, each with frequencies of its own.

    words    uint32, what the coder wrote
    low      the smallest value
    tables   uint8, shape (parts, span): how rare each value from `low` upwards is in a part, −log2 of its share in
             eighths of a bit; shape (0, span) where all values are taken for equally frequent
    sizes    how many values each part has
    """

    words: np.ndarray
    low: int
    tables: np.ndarray
    sizes: tuple


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


def table_of(counts):
    """Say how rare each value is, −log2 of its share in eighths of a bit, uint8: coarse, and yet 0.001 bit from exact.

    >>> table_of(np.array([4, 2, 1, 1, 0])).tolist()   # 1, 2, 3 and 3 bits, and a value that never occurs
    [8, 16, 24, 24, 255]
    """
    counts = np.asarray(counts)
    shares = np.where(counts > 0, counts, 1) / max(counts.sum(), 1)
    return np.where(counts > 0, np.clip(np.round(-8 * np.log2(shares)), 0, NEVER - 1), NEVER).astype(np.uint8)


def encode(*parts):
    """Code small integers; several arrays, the parts, get a table of frequencies each and are written one after other.

    >>> code = encode(np.array([0, 0, 0, 1, -1, 0, 0, 0]))
    >>> decode(code).tolist()
    [0, 0, 0, 1, -1, 0, 0, 0]

    Raises SettingError for values that are no integers or too far apart.

    Source: asymmetric numeral systems, Duda, arXiv 1311.2540; the coder is constriction's.
    """
    parts = [np.ascontiguousarray(part).ravel() for part in parts]
    sizes = tuple(map(len, parts))
    filled = [part for part in parts if len(part)]
    low = min((int(part.min()) for part in filled), default=0)
    high = max((int(part.max()) for part in filled), default=-1)
    whole = all(part.dtype.kind in "biu" for part in filled)
    if not whole or high - low >= SPAN or low < -(2**31) or high >= 2**31:
        raise SettingError(
            f"integers of 32 bits that lie less than {SPAN:,} apart", received=f"{parts[0].dtype}, {low} to {high}",
            do="There is a count for each value in between: round to fewer levels.",
        )  # fmt: skip
    span = high - low + 1
    if span <= 1:  # all alike: there is nothing to tell apart, so nothing to store
        return Coded(np.zeros(0, np.uint32), low, np.zeros((0, span), np.uint8), sizes)
    parts = [part.astype(np.int32) - np.int32(low) for part in parts]
    tables = _tables(parts, span)
    coder = constriction.stream.stack.AnsCoder()
    for i in reversed(range(len(parts))):  # a stack: what goes in last comes out first
        if sizes[i]:
            coder.encode_reverse(parts[i], _model(tables, i))
    return Coded(coder.get_compressed(), low, tables, sizes)


def decode(code):
    """Get the integers back, int32, the parts one after the other, shape (all sizes together,).

    Raises PackError when words, tables and sizes do not fit together.
    """
    parts, span = code.tables.shape
    total = sum(code.sizes)
    if (total > 0) > (span > 0) or parts not in (0, len(code.sizes)) or span > SPAN or (span <= 1 and len(code.words)):
        raise _misfit(f"{parts} tables of {span} values for {len(code.sizes)} parts")
    if span <= 1 or not total:
        return np.full(total, code.low, dtype=np.int32)
    coder = constriction.stream.stack.AnsCoder(np.ascontiguousarray(code.words, dtype=np.uint32))
    found = [coder.decode(_model(code.tables, i), size) for i, size in enumerate(code.sizes) if size]
    if not coder.is_empty():
        raise _misfit(f"{coder.num_words()} words too many")
    whole = found[0] if len(found) == 1 else np.concatenate(found)
    whole += np.int32(code.low)
    return whole


def _tables(parts, span):
    counts = np.stack([np.bincount(part, minlength=span) for part in parts])
    totals = counts.sum(axis=1, keepdims=True)
    bits = -(counts * np.log2(np.where(counts > 0, counts, 1) / np.maximum(totals, 1))).sum()
    if bits + ENTRY_BITS * counts.size >= totals.sum() * np.log2(span):
        return np.zeros((0, span), np.uint8)  # too few values, or too even, to be worth a table
    return np.stack([table_of(row) for row in counts])


def _model(tables, part):
    if not len(tables):
        return constriction.stream.model.Uniform(tables.shape[1])
    weights = WEIGHTS[tables[part]]
    if not weights.any():
        raise _misfit("a table in which no value occurs")
    return constriction.stream.model.Categorical(weights / weights.sum(), perfect=False, lazy=False)


def _misfit(received):
    return PackError(
        "words, tables and sizes that fit together", received=received, do="The file is damaged: get it again."
    )
