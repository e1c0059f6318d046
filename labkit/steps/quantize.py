"""Rounding weights to few levels: integers and a scale for each group of weights."""

from dataclasses import dataclass

import torch

from labkit.errors import SettingError
from labkit.steps.base import Step, encoder_weights

__all__ = ["Encoding", "Quantize", "dequantize", "round_to_nearest"]


@dataclass(frozen=True)
class Encoding:
    """A weight matrix as integers: `integers`, int8, shape (rows, columns); `scales`, float16, shape (rows, groups)."""

    integers: torch.Tensor
    scales: torch.Tensor
    group: int


def round_to_nearest(weight, *, bits, group):
    """Quantize a matrix symmetrically: each `group` of a row is divided by its own scale and rounded.

    The scale is the largest size in the group over 2^(bits−1) − 1, so zero stays zero and the largest weight keeps
    its value. `weight` has shape (rows, columns); the last group of a row may be shorter.

    >>> code = round_to_nearest(torch.tensor([[0.7, -0.2, 0.04, 0.35]]), bits=4, group=4)
    >>> code.integers.tolist(), round(code.scales.item(), 3)
    ([[7, -2, 0, 4]], 0.1)

    Raises SettingError for bits outside 2 to 8, or for infinities and NaN.
    """
    _check(bits, group)
    blocks = _blocks(weight, group)
    top = 2 ** (bits - 1) - 1
    # Scales are rounded to float16 first, since that is what the file holds; a group of zeros gets scale 1.
    scales = (blocks.abs().amax(dim=2) / top).half()
    if not torch.isfinite(scales).all():
        raise SettingError(
            f"finite weights, none above {65504 * top:,}", received=f"{weight.abs().max().item():,g}",
            do="Train again with a lower rate.",
        )  # fmt: skip
    scales = torch.where(scales > 0, scales, torch.ones_like(scales))
    integers = (blocks / scales.float()[..., None]).round().clamp(-top, top).to(torch.int8)
    return Encoding(integers.flatten(1)[:, : weight.shape[1]].contiguous(), scales, group)


def dequantize(code):
    """Turn integers back into weights: integer times scale, float32, shape (rows, columns)."""
    blocks = _blocks(code.integers.float(), code.group) * code.scales.float()[..., None]
    return blocks.flatten(1)[:, : code.integers.shape[1]].contiguous()


def _check(bits, group):
    if type(bits) is not int or not 2 <= bits <= 8:
        raise SettingError("from 2 to 8 bits", received=repr(bits), do="Below 2 bits no sign is left.")
    if type(group) is not int or group < 1:
        raise SettingError("a group of at least one weight", received=repr(group), do="64 is usual.")


def _blocks(matrix, group):
    rows, columns = matrix.shape
    missing = -columns % group
    return torch.nn.functional.pad(matrix, (0, missing)).view(rows, (columns + missing) // group, group)


@dataclass(frozen=True)
class Quantize(Step):
    """Round the weights to nearest, in groups, after training.

    bits         bits a weight, 2 to 8
    group        weights that share a scale
    embeddings   whether the word embedding is rounded too; it is half of our model

    Source: the symmetric scheme of Jacob et al., CVPR 2018, arXiv 1712.05877, section 2.
    """

    bits: int = 8
    group: int = 64
    embeddings: bool = True

    def __post_init__(self):
        _check(self.bits, self.group)

    def finish(self, classifier):
        """Replace the weights by their rounded values, and keep the integers for the packed file."""
        weights = encoder_weights(classifier.model)
        if self.embeddings:
            for name, parameter in classifier.model.named_parameters():
                if name.endswith("word_embeddings.weight"):
                    weights[name] = parameter
        for name, weight in weights.items():
            code = round_to_nearest(weight.detach(), bits=self.bits, group=self.group)
            classifier.encodings[name] = code
            with torch.no_grad():
                weight.copy_(dequantize(code))
