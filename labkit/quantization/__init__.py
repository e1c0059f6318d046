"""Rounding weights to few levels, by hand: which grid, who shares it, how it is fitted, what is stored."""

from labkit.quantization.encoding import Encoding, dequantize
from labkit.quantization.fitting import fit, quantize
from labkit.quantization.gaussian import bits_of, step_of
from labkit.quantization.grid import Grid, encode, round_into
from labkit.quantization.scheme import Scheme
from labkit.quantization.straight_through import StraightThrough

__all__ = [
    "Encoding",
    "Grid",
    "Scheme",
    "StraightThrough",
    "bits_of",
    "dequantize",
    "encode",
    "fit",
    "quantize",
    "round_into",
    "step_of",
]
