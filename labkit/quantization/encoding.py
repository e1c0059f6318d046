"""What is stored of a rounded matrix: integers, a scale for each group of them, and where zero lies."""

from dataclasses import dataclass

import torch

from labkit.quantization.blocks import in_groups, matrix

__all__ = ["Encoding", "dequantize"]


@dataclass(frozen=True)
class Encoding:
    """A rounded matrix; a vector is a matrix of one row.

    integers   int8, shape (rows, columns)
    scales     float16, shape (rows, groups), or (1, 1) where all weights share one
    group      weights of a row that share a scale; the last group of a row may be shorter
    zeros      int8, shape of the scales: the integer that stands for zero; None where it is 0 throughout (symmetric)
    """

    integers: torch.Tensor
    scales: torch.Tensor
    group: int
    zeros: torch.Tensor | None = None


def dequantize(code):
    """Turn integers back into weights: (integer − zero) · scale, float32, shape (rows, columns).

    >>> code = Encoding(torch.tensor([[7, -2, 0]], dtype=torch.int8), torch.tensor([[0.5, 0.25]]).half(), group=2)
    >>> dequantize(code).tolist()
    [[3.5, -1.0, 0.0]]
    >>> one = torch.ones(1, 1, dtype=torch.int8)
    >>> dequantize(Encoding(code.integers, torch.tensor([[0.5]]).half(), group=3, zeros=one)).tolist()
    [[3.0, -1.5, -0.5]]
    """
    blocks = in_groups(code.integers.float(), code.group)
    if code.zeros is not None:
        blocks = blocks - code.zeros.float()[..., None]
    return matrix(blocks * code.scales.float()[..., None], code.integers.shape)
