"""Rounding to a grid that is given: to integers, or there and back as training does at every step."""

from dataclasses import dataclass

import torch

from labkit.quantization.blocks import blocks_of, matrix
from labkit.quantization.encoding import Encoding

__all__ = ["Grid", "encode", "round_into", "there_and_back"]

CHUNK = 2**16  # weights that are rounded at a time: what fits the processor's cache is not fetched again at each step


@dataclass(frozen=True)
class Grid:
    """The grids of a matrix, one for each block of it.

    scales      float16, shape (rows, groups), or (1, 1) for the whole matrix
    zeros       int8, of the same shape: the integer that stands for zero; None for 0 throughout
    low, high   the smallest and the largest integer
    group       who shares a scale, as in `Scheme`
    """

    scales: torch.Tensor
    zeros: torch.Tensor | None
    low: int
    high: int
    group: int | str


def encode(weight, grid):
    """Round a matrix (rows, columns) to the integers of a grid; ties go to the even integer.

    >>> grid = Grid(torch.tensor([[0.5]]).half(), None, -3, 3, "row")
    >>> encode(torch.tensor([[0.6, -0.2, 0.75, 9.0]]), grid).integers.tolist()
    [[1, 0, 2, 3]]
    """
    scales, zeros = _factors(grid)
    found = _integers(blocks_of(weight, grid.group), scales, zeros, grid.low, grid.high).to(torch.int8)
    columns = weight.shape[1]
    # Blocks that span the whole matrix are stored as rows all the same, each with the one scale.
    return Encoding(
        matrix(found, weight.shape), grid.scales, columns if isinstance(grid.group, str) else grid.group, grid.zeros
    )


def round_into(weight, grid, out):
    """Write into `out` what is left of a matrix after rounding: the same numbers as `dequantize(encode(weight, grid))`.

    >>> grid, weight = Grid(torch.tensor([[0.5]]).half(), None, -3, 3, "row"), torch.tensor([[0.6, 0.2, 9.0]])
    >>> round_into(weight, grid, torch.empty(1, 3)).tolist()
    [[0.5, 0.0, 1.5]]
    """
    blocks = blocks_of(weight, grid.group)
    scales, zeros = _factors(grid)
    one, together = len(scales) == 1, max(1, CHUNK // blocks[0].numel())
    target = out.view(blocks.shape) if out.numel() == blocks.numel() else torch.empty_like(blocks)
    for start in range(0, len(blocks), together):
        part = slice(start, start + together)
        there_and_back(
            blocks[part], scales if one else scales[part], zeros if one or zeros is None else zeros[part],
            grid.low, grid.high, out=target[part],
        )  # fmt: skip
    if target.numel() != out.numel():
        out.copy_(matrix(target, out.shape))
    return out


def there_and_back(blocks, scales, zeros, low, high, *, out=None):
    """Round blocks to integers and back; `scales` and `zeros` are float32 and broadcast against the blocks."""
    found = _integers(blocks, scales, zeros, low, high, out=out)
    return (found if zeros is None else found.sub_(zeros)).mul_(scales)


def _integers(blocks, scales, zeros, low, high, *, out=None):
    found = torch.div(blocks, scales, out=out).round_()
    return (found if zeros is None else found.add_(zeros)).clamp_(low, high)


def _factors(grid):
    zeros = None if grid.zeros is None else grid.zeros.float()[..., None]
    return grid.scales.float()[..., None], zeros
