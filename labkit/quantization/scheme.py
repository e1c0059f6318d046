"""How to round: with how many bits, who shares a scale, on which kind of grid, and how far the grid reaches."""

from dataclasses import dataclass

from labkit.errors import SettingError

__all__ = ["TERNARY", "Scheme"]

TERNARY = 1.5  # what three levels are called; exactly it is log2(3) = 1.585 bits
KINDS = ("symmetric", "affine", "uniform")
CLIPS = ("max", "mse")


@dataclass(frozen=True)
class Scheme:
    """The settings of a rounding.

    bits    symmetric and affine: 2 to 8, the levels are numbered with so many bits; symmetric 1.5 is ternary, three
            levels, fitted by least squares. uniform: the entropy of the integers of Gaussian weights, 0.3 to 6
    group   weights that share a scale: a number of neighbours in a row, "row", or "tensor"
    kind    "symmetric": as far to both sides, zero in the middle, 2^bits − 1 levels · "affine": from the smallest to
            the largest weight (zero included), 2^bits levels, with a zero point · "uniform": a step that is a multiple
            of the group's standard deviation, and as many levels as it takes (255 at most), for an entropy coder
    clip    how far the grid reaches: "max", to the largest weight · "mse", as far as gives the least squared error

    >>> Scheme(4, 64).levels, Scheme(4, 64, kind="affine").levels, Scheme(1.5, "row").levels
    ((-7, 7), (-8, 7), (-1, 1))

    Raises SettingError for settings that make no sense.
    """

    bits: float = 8
    group: int | str = 64
    kind: str = "symmetric"
    clip: str = "max"

    def __post_init__(self):
        for field, allowed in (("kind", KINDS), ("clip", CLIPS)):
            if getattr(self, field) not in allowed:
                raise SettingError(f"{field} to be one of {allowed}", received=repr(getattr(self, field)), do="Choose.")
        number = type(self.bits) in (int, float)
        if self.kind == "uniform":
            if not (number and 0.3 <= self.bits <= 6):
                raise SettingError("from 0.3 to 6 bits on a uniform grid", received=repr(self.bits), do="2.5 is usual.")
        elif not (self.bits == TERNARY and self.kind == "symmetric") and not (
            type(self.bits) is int and 2 <= self.bits <= 8
        ):
            raise SettingError(
                "from 2 to 8 bits, whole, or on a symmetric grid 1.5 (three levels)", received=repr(self.bits),
                do="Below three levels no zero is left.",
            )  # fmt: skip
        if self.group not in ("row", "tensor") and not (type(self.group) is int and self.group >= 1):
            raise SettingError(
                'a group of at least one weight, "row" or "tensor"', received=repr(self.group), do="64 is usual."
            )

    @property
    def levels(self):
        """The smallest and the largest integer."""
        if self.kind == "uniform":
            return -127, 127
        if self.kind == "affine":
            return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        top = 1 if self.bits == TERNARY else 2 ** (self.bits - 1) - 1
        return -top, top

    @property
    def ternary(self):
        """Whether there are three levels, fitted by least squares."""
        return self.kind == "symmetric" and self.bits == TERNARY

    def bits_a_weight(self, shape):
        """What a weight of a (rows, columns) matrix costs, with its share of the scales (16 bits) and zeros (8).

        >>> Scheme(4, 64).bits_a_weight((384, 1536)), Scheme(4, 64, kind="affine").bits_a_weight((384, 1536))
        (4.25, 4.375)
        """
        rows, columns = shape
        groups = {"row": rows, "tensor": 1}.get(self.group) or rows * -(-columns // self.group)
        return self.bits + groups * (24 if self.kind == "affine" else 16) / (rows * columns)
