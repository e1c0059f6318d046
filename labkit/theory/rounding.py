"""Quantization as rounding to a grid, Q(x) = s * (clip(round(x/s) + z, lo, hi) - z): who shares one grid."""

from dataclasses import dataclass

import numpy as np

from labkit.errors import SettingError

__all__ = ["Grid", "Rounding", "affine_grid", "round_weights", "symmetric_grid"]


@dataclass(frozen=True)
class Grid:
    """An evenly spaced grid of 2**bits points or fewer: the integer q stands for the number s * (q - z).

    Scale and zero point may be arrays that broadcast against x: one grid for each row or group.

    >>> grid = Grid(scale=0.5, zero_point=1, low=0, high=3)
    >>> grid.points().tolist()
    [-0.5, 0.0, 0.5, 1.0]
    >>> grid.quantize([0.2, 0.7, 9.0]).tolist(), grid.round_trip([0.2, 0.7, 9.0]).tolist()
    ([1, 2, 3], [0.0, 0.5, 1.0])
    """

    scale: float
    """s, the distance of two neighbouring points, in the unit of x."""
    zero_point: float
    """z, the integer that stands for zero. (A fraction is allowed here, to show what goes wrong.)"""
    low: int
    """Smallest integer."""
    high: int
    """Largest integer."""

    def quantize(self, x):
        """Integers q of x's shape: the nearest grid point, ties to the even integer, ends clipped."""
        return self._codes(x).astype(int)

    def _codes(self, x):
        # With an integer z this is round(x/s) + z; written this way a fractional z still gives integers.
        return np.clip(np.round(np.asarray(x) / self.scale + self.zero_point), self.low, self.high)

    def dequantize(self, q):
        """Numbers that the integers q stand for, in the unit of x."""
        return self.scale * (np.asarray(q) - self.zero_point)

    def round_trip(self, x):
        """Q(x): what is left of x after storing it as an integer."""
        return self.dequantize(self._codes(x))

    def points(self):
        """All numbers that this grid can hold, in rising order; for a grid with one scale."""
        return self.dequantize(np.arange(self.low, self.high + 1))


def affine_grid(smallest, largest, *, bits, integer_zero=True):
    """Grid of 2**bits points from `smallest` to `largest` (widened to include zero).

    >>> grid = affine_grid(-1.0, 2.0, bits=2)
    >>> grid.scale, grid.zero_point, grid.points().tolist()   # 3 steps over a range of 3
    (1.0, 1.0, [-1.0, 0.0, 1.0, 2.0])

    `integer_zero=False` leaves z a fraction. Raises SettingError for bits outside 2 to 16.
    """
    _check_bits(bits)
    smallest, largest = np.minimum(smallest, 0.0), np.maximum(largest, 0.0)
    steps = 2**bits - 1
    width = largest - smallest
    # A range of zero width (all weights zero) gets a scale of one: any scale is right there, zero is not.
    scale = np.where(width > 0, width, steps) / steps
    zero_point = -smallest / scale
    return Grid(_plain(scale), _plain(np.round(zero_point) if integer_zero else zero_point), 0, steps)


def symmetric_grid(magnitude, *, bits):
    """Grid of 2**bits - 1 points from -magnitude to +magnitude, z = 0.

    >>> grid = symmetric_grid(3.0, bits=3)
    >>> grid.scale, grid.points().tolist()
    (1.0, [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])

    Raises SettingError for bits outside 2 to 16.
    """
    _check_bits(bits)
    high = 2 ** (bits - 1) - 1
    scale = np.where(np.asarray(magnitude) > 0, magnitude, high) / high
    return Grid(_plain(scale), 0, -high, high)


@dataclass(frozen=True)
class Rounding:
    """Settings for rounding a weight matrix.

    >>> Rounding(bits=4, share="group", group=64).bits_per_weight((384, 1536))   # 4 + 32/64
    4.5
    """

    bits: int = 4
    """Bits of one stored integer, 2 to 16."""
    share: str = "tensor"
    """Who shares a scale: the whole "tensor", a "channel" (one row, one output), or a "group" of a row."""
    group: int = 64
    """Neighbouring weights in a group; must divide the row's length. Used only with share="group"."""
    scheme: str = "symmetric"
    """"symmetric" (zero in the middle, z = 0) or "affine" (from the smallest to the largest weight)."""
    percentile: float = 100.0
    """Share of the weights, in percent, that the grid must reach; the rest is clipped. 100 clips nothing."""

    def __post_init__(self):
        _check_bits(self.bits)
        if self.share not in ("tensor", "channel", "group") or self.scheme not in ("symmetric", "affine"):
            raise SettingError(
                "share tensor, channel or group, and scheme symmetric or affine",
                received=f"{self.share!r} and {self.scheme!r}",
                do="Choose one word of each list.",
            )
        if not 50 < self.percentile <= 100:
            raise SettingError(
                "a percentile above 50 and up to 100",
                received=str(self.percentile),
                do="Write 99.9 to clip one weight in a thousand.",
            )

    def rows(self, weight):
        """Arrange a matrix so that each row shares one scale: shape (scales, weights of each)."""
        width = {"tensor": weight.size, "channel": weight.shape[-1], "group": self.group}[self.share]
        if weight.shape[-1] % width and self.share == "group":
            raise SettingError(
                f"a group that divides the row's {weight.shape[-1]} weights",
                received=str(self.group),
                do="Take a power of two, such as 64.",
            )
        return weight.reshape(-1, width)

    def grid(self, weight):
        """Grid of a matrix, one scale (and zero point) for each row of `rows(weight)`: shape (scales, 1)."""
        return self.grid_of(*self.ends(weight))

    def ends(self, weight):
        """Smallest and largest number that each row of `rows(weight)` must reach: two arrays (scales, 1)."""
        rows, tail = self.rows(np.asarray(weight)), 100 - self.percentile
        if self.scheme == "symmetric":
            magnitude = np.abs(rows)
            # The percentile sorts, the maximum does not.
            top = np.percentile(magnitude, self.percentile, axis=1) if tail else magnitude.max(axis=1)
            return -top[:, None], top[:, None]
        return tuple(np.percentile(rows, [tail / 2, 100 - tail / 2], axis=1)[..., None].astype(rows.dtype))

    def grid_of(self, smallest, largest):
        """Grid with these `ends`, in this scheme and with this many bits."""
        if self.scheme == "symmetric":
            return symmetric_grid(largest, bits=self.bits)
        return affine_grid(smallest, largest, bits=self.bits)

    def bits_per_weight(self, shape):
        """Bits stored for each weight of such a matrix, with its scales (32 bits) and zero points."""
        scales = self.rows(np.empty(shape)).shape[0]
        per_scale = 32 + (self.bits if self.scheme == "affine" else 0)
        return self.bits + per_scale * scales / float(np.prod(shape))


def round_weights(weight, rounding):
    """Round a matrix to its grid and back: the weights that the model then computes with, same shape.

    >>> weight = np.array([[0.1, -3.0], [0.1, 0.3]])
    >>> round_weights(weight, Rounding(bits=3, share="tensor")).tolist()
    [[0.0, -3.0], [0.0, 0.0]]
    >>> round_weights(weight, Rounding(bits=3, share="channel")).round(3).tolist()
    [[0.0, -3.0], [0.1, 0.3]]
    """
    weight = np.asarray(weight)
    return rounding.grid(weight).round_trip(rounding.rows(weight)).reshape(weight.shape)


def _check_bits(bits):
    if not (isinstance(bits, int | np.integer) and 2 <= bits <= 16):
        raise SettingError("a whole number of bits from 2 to 16", received=repr(bits), do="Write 4 or 8.")


def _plain(value):
    # A single grid prints as numbers, and numbers leave x's type as it is.
    return float(value) if np.ndim(value) == 0 else value
