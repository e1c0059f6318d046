"""What zeros cost: the bits of a sparse matrix."""

import math

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def sparse_bits(n, s, value_bits=32):
    """The bits of n weights of which the share s is zero."""
    pattern = 0.0
    for share in (s, 1 - s):
        if share > 0:  # at both ends one of the two never occurs and costs nothing
            pattern -= n * share * math.log2(share)
    return pattern + value_bits * n * (1 - s)


def _by_numpy(n, s, value_bits=32):
    shares = np.array([s, 1 - s])
    logs = np.log2(np.where(shares > 0, shares, 1.0))
    return n * (-(shares * logs).sum() + value_bits * (1 - s))


def _by_special_case(n, s, value_bits=32):
    if s in (0, 1):
        return float(value_bits * n * (1 - s))
    return n * (s * math.log(1 / s, 2) + (1 - s) * math.log(1 / (1 - s), 2)) + value_bits * n * (1 - s)


def _pattern_is_free(n, s, value_bits=32):
    return value_bits * n * (1 - s)


def _one_bit_a_weight(n, s, value_bits=32):
    return n + value_bits * n * (1 - s)


def _natural_logarithm(n, s, value_bits=32):
    pattern = -sum(n * share * math.log(share) for share in (s, 1 - s) if share > 0)
    return pattern + value_bits * n * (1 - s)


def _nan_at_the_ends(n, s, value_bits=32):
    with np.errstate(all="ignore"):
        s = np.float64(s)
        return float(n * (-s * np.log2(s) - (1 - s) * np.log2(1 - s)) + value_bits * n * (1 - s))


def _error_at_the_ends(n, s, value_bits=32):
    return n * (-s * math.log2(s) - (1 - s) * math.log2(1 - s)) + value_bits * n * (1 - s)


def _stores_all_values(n, s, value_bits=32):
    return sparse_bits(n, s, 0) + value_bits * n


def _index_for_each_value(n, s, value_bits=32):
    return n * (1 - s) * (value_bits + 32)


def _random(rng):
    shares = (0.0, 1.0, 0.5, *rng.uniform(0.05, 0.95, size=5))
    return tuple(Case(args=(int(rng.integers(10, 10_000)), float(s), int(rng.integers(2, 33)))) for s in shares)


register(
    Exercise(
        id="pruning.sparse_bits",
        lesson="03_pruning",
        title="What zeros cost in a file",
        difficulty=2,
        minutes=8,
        question="Count the bits of n weights of which the share s is zero: the coded pattern, and the other values.",
        reference=sparse_bits,
        public=(
            Case(args=(4, 0.5), note="the four weights of the table: 4 bits and 2 values"),
            Case(args=(1000, 0.9), note="nine of ten are zero"),
            Case(args=(1000, 1.0), note="all are zero"),
            Case(args=(1000, 0.0), note="none is zero"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="the pattern costs nothing",
                answer=_pattern_is_free,
                hint="You count the values only. Whoever reads them has to know where they belong.",
            ),
            Misconception(
                name="one bit a weight at any sparsity",
                answer=_one_bit_a_weight,
                hint="One bit a weight is right at one half only. What happens to a file that is all zeros?",
            ),
            Misconception(
                name="natural logarithm",
                answer=_natural_logarithm,
                hint="Your pattern is 0.69 times too small: that is the natural logarithm. Bits need base 2.",
            ),
            Misconception(
                name="NaN at both ends",
                answer=_nan_at_the_ends,
                hint="At sparsity 0 or 1 you compute 0 · log 0. What does something cost that never happens?",
            ),
            Misconception(
                name="an error at both ends",
                answer=_error_at_the_ends,
                hint="At sparsity 0 or 1 you ask for the logarithm of 0, which Python refuses. What does something "
                "cost that never happens?",
            ),
            Misconception(
                name="stores the zeros as values too",
                answer=_stores_all_values,
                hint="You store a value for every weight. Which of them does the pattern already tell?",
            ),
            Misconception(
                name="one 32-bit index a value",
                answer=_index_for_each_value,
                hint="You store the position of each value as a 32-bit number. A pattern of zeros and ones is known "
                "with less: at most one bit a weight.",
            ),
        ),
        alternatives=(_by_numpy, _by_special_case),
        hints=(
            "Two parts: the pattern, for all n weights, and the values, for those that are not zero.",
            "The pattern costs n · H(s) bits, with logarithms to base 2.",
            "Add up −share · log2(share) for the two shares s and 1 − s, and leave out a share that is zero.",
        ),
    )
)
