"""The work of a model: floating-point operations, and bytes that travel between memory and processor."""

from dataclasses import dataclass

from labkit.hardware.shape import parameters

__all__ = ["Work", "forward", "layer_products", "training_step"]


@dataclass(frozen=True)
class Work:
    """Operations and bytes of one computation.

    >>> Work(flops=200.0, bytes=100.0).intensity
    2.0
    """

    flops: float  # floating-point operations: a multiplication and an addition are two
    bytes: float  # bytes read from and written to memory

    @property
    def intensity(self):
        """Operations for each byte moved (FLOP/byte)."""
        return self.flops / self.bytes


def layer_products(shape, *, tokens, weight_bytes=4):
    """Count the work of one layer's six products with a weight matrix, attention maps left out.

    `tokens` rows go through four matrices h × h and two of h × i. Each product reads its weights and its
    input once and writes its output once.

    >>> from labkit.hardware.shape import Shape
    >>> tiny = Shape(name="tiny", layers=1, hidden=2, heads=1, intermediate=4, vocabulary=9, positions=9)
    >>> layer_products(tiny, tokens=1)
    Work(flops=64, bytes=240)
    """
    h, i = shape.hidden, shape.intermediate
    weights = 4 * h * h + 2 * h * i
    number = _number_bytes(weight_bytes)
    moved = tokens * (4 * 2 * h + 2 * (h + i))
    return Work(2 * tokens * weights, round(weight_bytes * weights + number * moved))


def forward(shape, *, batch, length, weight_bytes=4):
    """Count the work of one forward pass over `batch` texts of `length` tokens.

    Operations: every product of matrices, 2 for each multiplication (weights: 2 × tokens × weights;
    attention: 4 × tokens × length × hidden a layer); norms, softmax and activation functions are left out,
    as in all such counts. Bytes: every weight once, of the word embedding only the rows used, and every
    product's inputs and output once.

    >>> from labkit.hardware.shape import SHAPES
    >>> round(forward(SHAPES["BERT-base"], batch=1, length=128).flops / 1e9, 1)
    22.3
    """
    tokens, h = batch * length, shape.hidden
    number = _number_bytes(weight_bytes)
    layer = layer_products(shape, tokens=tokens, weight_bytes=weight_bytes)
    attention = 4 * tokens * length * h
    maps = number * tokens * (4 * h + 2 * shape.heads * length)
    top = batch * (shape.pooler * h * h + shape.labels * h) + shape.lm_head * tokens * h * shape.vocabulary
    flops = shape.layers * (layer.flops + attention) + 2 * top
    read = parameters(shape) - (not shape.lm_head) * shape.vocabulary * h
    outside = weight_bytes * (read - shape.layers * _product_weights(shape))
    scores = number * shape.lm_head * tokens * shape.vocabulary
    return Work(flops, round(shape.layers * (layer.bytes + maps) + outside + scores + 2 * number * tokens * h))


def training_step(shape, *, batch, length, weight_bytes=4):
    """Count the work of one training step: forward, backward, and Adam's update.

    The backward pass computes two gradients for each product, one for the input and one for the weights, so
    a step is three forward passes (Kaplan et al. 2020, arXiv 2001.08361, section 2.1). Adam reads weight,
    gradient and both moments and writes all but the gradient: 28 bytes a parameter.

    >>> from labkit.hardware.shape import SHAPES
    >>> step = training_step(SHAPES["MiniLM"], batch=32, length=32)
    >>> step.flops == 3 * forward(SHAPES["MiniLM"], batch=32, length=32).flops
    True
    """
    once = forward(shape, batch=batch, length=length, weight_bytes=max(2, weight_bytes))
    return Work(3 * once.flops, 3 * once.bytes + 28 * parameters(shape))


def _product_weights(shape):
    return 4 * shape.hidden**2 + 2 * shape.hidden * shape.intermediate


def _number_bytes(weight_bytes):
    """Bytes of one activation: as wide as the weights, but never under 16 bits."""
    return min(4, max(2, weight_bytes))
