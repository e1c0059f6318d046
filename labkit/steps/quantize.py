"""Rounding weights to few levels, after training or with the training in the loop, part by part of the model."""

import re
from dataclasses import dataclass

import torch

from labkit.errors import SettingError
from labkit.quantization import Encoding, Scheme, StraightThrough, dequantize, quantize
from labkit.steps.base import Step

__all__ = ["Encoding", "Quantize", "dequantize"]

SAME, HALF = "same", 16


@dataclass(frozen=True)
class Quantize(Step):
    """Round the weights: each part of the model with its own bits, all of them in one scheme.

    bits            of the encoder's matrices: 2 to 8, or 1.5 for three levels (see `labkit.quantization.Scheme`). In
                    each of these places 16 stands for float16, None leaves the part as it is
    group           weights that share a scale: a number of neighbours in a row, "row", or "tensor"
    embedding_bits  of the word, position and token type embeddings, half of our model; "same" as `bits`
    head_bits       of the pooler and the classifier
    vector_bits     of biases and LayerNorm: 8 (affine), 16 or None
    layer_bits      a tuple with the bits of each layer of the encoder, in place of `bits`
    kind            "symmetric" · "affine" · "uniform": a step of the standard deviation, for an entropy coder
    clip            "max" · "mse"
    aware           train with rounded matrices; False rounds after training. In a policy it comes after pruning

    Sources: Jacob et al., CVPR 2018, arXiv 1712.05877 (the schemes, training); Li, Zhang, Liu, arXiv 1605.04711 (three
    levels).
    """

    bits: float | None = 8
    group: int | str = 64
    embedding_bits: float | str | None = SAME
    head_bits: float | None = None
    vector_bits: int | None = None
    layer_bits: tuple | None = None
    kind: str = "symmetric"
    clip: str = "max"
    aware: bool = False

    # Pruning after it would see rounded weights only, and what it took out could come back from the exact ones.
    comes_after = ("PruneMagnitude",)
    # What the result depends on besides this file.
    code = tuple(f"labkit.quantization.{name}" for name in
                 ("blocks", "encoding", "fitting", "gaussian", "grid", "scheme", "straight_through"))  # fmt: skip

    def __post_init__(self):
        if self.layer_bits is not None and not (isinstance(self.layer_bits, tuple) and self.layer_bits):
            raise SettingError(
                "layer_bits as a tuple with one number a layer", received=repr(self.layer_bits), do="(4, 4, 3) is one."
            )
        for bits in (self.bits, self._embedding_bits, self.head_bits, *(self.layer_bits or ())):
            self._scheme(bits)
        if self.vector_bits not in (None, 8, HALF):
            raise SettingError("8, 16 or None for vectors", received=repr(self.vector_bits), do="16 is usual.")
        self._scheme(4)  # the group, the kind and the clip make sense even where nothing is rounded

    @property
    def needs_training(self):
        """Rounded weights in the loop need a loop."""
        return self.aware

    @property
    def _embedding_bits(self):
        return self.bits if self.embedding_bits == SAME else self.embedding_bits

    def _scheme(self, bits):
        return None if bits in (None, HALF) else Scheme(bits, self.group, self.kind, self.clip)

    def plan(self, model):
        """Say for each parameter, by name, how it is rounded: a Scheme, 16 for float16, or None for not at all.

        Raises SettingError where `layer_bits` has not one number for each layer.
        """
        layers = model.config.num_hidden_layers
        if self.layer_bits is not None and len(self.layer_bits) != layers:
            raise SettingError(
                f"layer_bits with {layers} numbers, one a layer", received=repr(self.layer_bits),
                do="Count the layers that are left when KeepLayers has been.",
            )  # fmt: skip
        return {name: self._choose(name, parameter) for name, parameter in model.named_parameters()}

    def _choose(self, name, parameter):
        if parameter.ndim != 2:
            vector = Scheme(8, self.group, kind="affine") if self.vector_bits == 8 else self.vector_bits
            return vector if parameter.ndim == 1 else None
        layer = re.search(r"encoder\.layer\.(\d+)\.", name)
        if layer:
            bits = self.bits if self.layer_bits is None else self.layer_bits[int(layer[1])]
        else:
            bits = self._embedding_bits if "embeddings." in name else self.head_bits
        return HALF if bits == HALF else self._scheme(bits)

    def constrain(self, classifier):
        """Train with the matrices rounded; vectors and float16 lose so little that they are rounded at the end."""
        if not self.aware:
            return []
        parameters = dict(classifier.model.named_parameters())
        schemes = {
            name: scheme for name, scheme in self.plan(classifier.model).items()
            if isinstance(scheme, Scheme) and parameters[name].ndim == 2
        }  # fmt: skip
        return [StraightThrough({name: parameters[name] for name in schemes}, schemes)]

    def finish(self, classifier):
        """Replace the weights by their rounded values, and keep the integers for the packed file.

        Raises SettingError for infinities and NaN.
        """
        parameters = dict(classifier.model.named_parameters())
        with torch.no_grad():
            for name, scheme in self.plan(classifier.model).items():
                weight = parameters[name]
                if scheme == HALF:
                    weight.copy_(_half(weight))
                elif scheme is not None:
                    code = quantize(weight.detach().reshape(-1, weight.shape[-1]), scheme)
                    weight.copy_(dequantize(code).view(weight.shape))
                    classifier.encodings[name] = code


def _half(weight):
    half = weight.half().float()
    if not torch.isfinite(half).all():
        raise SettingError(
            "finite weights, none above 65,504", received=f"{weight.abs().max().item():,g}",
            do="Train again with a lower rate.",
        )  # fmt: skip
    return half
