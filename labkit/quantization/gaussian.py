"""How many bits the integers of Gaussian weights need at a given step, and which step needs a given number of bits."""

from functools import cache
from math import erf, log2, sqrt

__all__ = ["bits_of", "step_of"]


@cache
def bits_of(step):
    """The entropy of round(x / step) in bits, where x is Gaussian with standard deviation 1.

    >>> round(bits_of(1.0), 3), round(bits_of(0.1) - bits_of(0.2), 2)   # half the step, one bit more
    (2.105, 1.0)
    """

    def below(edge):
        return 0.5 * (1 + erf(edge / sqrt(2)))

    reach = int(9 / step) + 2  # beyond nine standard deviations there is nothing
    shares = (below((k + 0.5) * step) - below((k - 0.5) * step) for k in range(-reach, reach + 1))
    return -sum(share * log2(share) for share in shares if share > 0)


@cache
def step_of(bits):
    """The step, in standard deviations, at which the integers of Gaussian weights have an entropy of so many bits.

    >>> round(step_of(4), 4), round(bits_of(step_of(1.7)), 6)
    (0.259, 1.7)
    """
    low, high = 2.0**-8, 2.0**4  # fewer bits with every larger step
    for _ in range(60):
        middle = sqrt(low * high)
        low, high = (middle, high) if bits_of(middle) > bits else (low, middle)
    return low
