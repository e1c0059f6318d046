"""Finding the grid for a matrix: from its largest weights, by least squared error, or from its spread."""

import torch

from labkit.errors import SettingError
from labkit.quantization.blocks import blocks_of
from labkit.quantization.gaussian import step_of
from labkit.quantization.grid import CHUNK, Grid, encode, there_and_back

__all__ = ["fit", "quantize"]

COARSE = tuple(0.75**k for k in range(15))  # shares of the full range: down to 2 % where one weight sticks far out
FINE = (0.87, 0.91, 0.955, 1.05, 1.1, 1.15)  # around the best of them


def quantize(weight, scheme):
    """Round a matrix (rows, columns) on the grid that fits it, and give its Encoding.

    >>> from labkit.quantization import Scheme, dequantize
    >>> code = quantize(torch.tensor([[0.7, -0.2, 0.04, 0.35]]), Scheme(bits=4, group="row"))
    >>> code.integers.tolist(), round(code.scales.item(), 3)
    ([[7, -2, 0, 4]], 0.1)

    Raises SettingError for infinities and NaN.
    """
    return encode(weight, fit(weight, scheme))


def fit(weight, scheme):
    """Find the Grid of a matrix (rows, columns) under a Scheme.

    >>> from labkit.quantization import Scheme
    >>> weight = torch.tensor([[-1.0, 0.2, 0.9, 2.0]])
    >>> grid = fit(weight, Scheme(bits=2, group="row", kind="affine"))   # four points, one apart
    >>> grid.scales.tolist(), grid.zeros.tolist(), (grid.low, grid.high)
    ([[1.0]], [[-1]], (-2, 1))
    >>> fit(weight, Scheme(bits=1.5, group="row")).scales.tolist()   # 1.3 is the mean of 1, 0.9 and 2
    [[1.2998046875]]

    Raises SettingError for infinities and NaN, or weights too large for a float16 scale.
    """
    blocks = blocks_of(weight, scheme.group)
    if scheme.kind == "uniform":
        ends = None, _spread(weight, blocks, scheme) * step_of(scheme.bits) * scheme.levels[1]
    elif scheme.ternary:
        ends = None, _ternary_scale(blocks)
    elif scheme.kind == "affine":
        ends = blocks.amin(dim=2).clamp(max=0.0), blocks.amax(dim=2).clamp(min=0.0)
    else:
        ends = None, _largest(blocks)
    scales, zeros = _scales_and_zeros(*ends, scheme.levels)
    if not torch.isfinite(scales).all():
        steps = scheme.levels[1] - (0 if ends[0] is None else scheme.levels[0])
        raise SettingError(
            f"finite weights, none above {65504 * steps:,}", received=f"{weight.abs().max().item():,g}",
            do="Train again with a lower rate.",
        )  # fmt: skip
    if scheme.clip == "mse" and scheme.kind != "uniform" and not scheme.ternary:
        scales, zeros = _least_error(blocks, ends, scheme.levels)
    return Grid(scales, zeros, *scheme.levels, scheme.group)


def _scales_and_zeros(bottom, top, levels):
    # Scales are rounded to float16 at once, since that is what the file holds; a block of zeros gets scale 1.
    low, high = levels
    scales = (top / high if bottom is None else (top - bottom) / (high - low)).half()
    scales = torch.where(scales == 0, torch.ones_like(scales), scales)
    if bottom is None:
        return scales, None
    return scales, (low - bottom / scales.float()).round().clamp(low, high).nan_to_num().to(torch.int8)


def _largest(blocks):
    # Not of the absolute values: they would be one more matrix.
    return torch.maximum(blocks.amax(dim=2), -blocks.amin(dim=2))


def _spread(weight, blocks, scheme):
    # Where zeros fill up the last group of a row, it is shorter than the others.
    counts = torch.full(blocks.shape[:2], float(blocks.shape[2]))
    if blocks.numel() != weight.numel():
        counts[:, -1] -= blocks.numel() // len(weight) - weight.shape[1]
    sums, squares = blocks.sum(dim=2), blocks.square().sum(dim=2)
    return ((squares - sums.square() / counts) / counts).clamp(min=0.0).sqrt()


def _ternary_scale(blocks):
    """The scale of the ternary grid with the least squared error, shape (rows, groups).

    If the k largest sizes become one scale a, the best a is their mean, and the error falls by their sum² / k: so look
    for the k with the most. Rounding to nearest then finds the same k, because it cuts at a / 2.

    Source of ternary weights: Li, Zhang, Liu, Ternary weight networks, arXiv 1605.04711; there k is estimated.
    """
    sums = blocks.abs().sort(dim=2, descending=True).values.cumsum(dim=2)
    counts = torch.arange(1, blocks.shape[2] + 1)
    best = (sums.square() / counts).argmax(dim=2, keepdim=True)
    return (sums.gather(2, best) / (best + 1)).squeeze(2)


def _least_error(blocks, ends, levels):
    """Try grids that reach a share of the full range, first coarsely, then around the best: scales and zeros."""
    ratios = torch.ones_like(ends[1])
    errors = torch.full_like(ratios, torch.inf)
    for shares in (COARSE, FINE):
        start = ratios.clone()
        for share in shares:
            ratio = (start * share).clamp(max=1.0)
            found = _error(blocks, *_at(ratio, ends, levels), levels)
            better = found < errors
            ratios, errors = torch.where(better, ratio, ratios), torch.where(better, found, errors)
    return _at(ratios, ends, levels)


def _at(ratio, ends, levels):
    return _scales_and_zeros(*(None if end is None else end * ratio for end in ends), levels)


def _error(blocks, scales, zeros, levels):
    errors, together = torch.empty(scales.shape), max(1, CHUNK // blocks[0].numel())
    for start in range(0, len(blocks), together):
        part = slice(start, start + together)
        shift = None if zeros is None else zeros[part].float()[..., None]
        back = there_and_back(blocks[part], scales[part].float()[..., None], shift, *levels)
        errors[part] = back.sub_(blocks[part]).square_().sum(dim=2)
    return errors
