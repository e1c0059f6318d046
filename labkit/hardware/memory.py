"""Bytes of memory that a model needs, to predict and to be trained."""

from labkit.errors import SettingError
from labkit.hardware.shape import parameters

__all__ = [
    "activation_bytes",
    "inference_bytes",
    "largest_tensor",
    "training_moments",
    "training_peak_bytes",
    "training_state_bytes",
]

MOMENTS = {"sgd": 0, "momentum": 4, "adam": 8}
"""Bytes that an optimizer remembers for each parameter, in fp32."""


def training_state_bytes(shape, *, optimizer="adam", mixed=False):
    """Count what training keeps from step to step, by kind (dict of name: bytes), before any activation.

    In fp32 a parameter costs 4 bytes, its gradient 4, and Adam's two moments 8: 16 together. `mixed`
    precision keeps a 16-bit weight and gradient (2 + 2), and an fp32 copy of the weight beside the moments
    (4 + 8): 16 again (Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1). Raises SettingError for an
    unknown optimizer.

    >>> from labkit.hardware.shape import SHAPES
    >>> state = training_state_bytes(SHAPES["BERT-base"])
    >>> sum(state.values()) // 109_482_240
    16
    >>> sum(training_state_bytes(SHAPES["BERT-base"], optimizer="sgd").values()) // 109_482_240
    8
    """
    if optimizer not in MOMENTS:
        raise SettingError(f"an optimizer of {sorted(MOMENTS)}", received=optimizer, do="Choose one of them.")
    count = parameters(shape)
    number = 2 if mixed else 4
    kept = {"weights": number * count, "gradients": number * count, "moments": MOMENTS[optimizer] * count}
    return {**kept, "fp32 copy": 4 * count} if mixed else kept


def activation_bytes(shape, *, batch, length, dropout=True, number_bytes=4):
    """Estimate the bytes that the forward pass of BERT keeps for the backward pass.

    With h, i, a = hidden, intermediate, heads and L = length, one layer keeps for each token, counted in
    numbers:

    - 10h: the layer's input, query, key, value, the attention's result, the input of the feed-forward part,
      two sums before the layer norms, two dropout masks (PyTorch keeps masks as numbers on a CPU);
    - 2i: the feed-forward part before and after its activation function;
    - 3aL: the attention map after softmax, its dropout mask, and their product; without dropout the fused
      kernel keeps no map, and a numbers for each token instead;
    - 4: means and deviations of the two layer norms.

    The same count in 16 bits with one-byte masks is the 34h + 5aL bytes of Korthikanti et al. 2022
    (arXiv 2205.05198, equation 1). Other models keep a little more or less.

    >>> from labkit.hardware.shape import SHAPES
    >>> f"{activation_bytes(SHAPES['BERT-base'], batch=8, length=64) / 1e6:.0f} MB"
    '401 MB'
    """
    _check(batch=batch, length=length)
    h, i, a = shape.hidden, shape.intermediate, shape.heads
    masks = 2 if dropout else 0
    maps = 3 * a * length if dropout else a
    layer = (8 + masks) * h + 2 * i + maps + 4
    embeddings = (2 + masks // 2) * h + 6  # sum before the norm, the last layer's output, a mask, word numbers
    return round(number_bytes * batch * length * (shape.layers * layer + embeddings))


def training_moments(shape, *, batch, length, optimizer="adam", dropout=True, mixed=False):
    """Estimate what is in memory at the two fullest moments of a training step ({moment: {part: bytes}}).

    Not everything is there at all times: PyTorch drops the gradients before the forward pass, and each
    activation when the backward pass has used it. The fullest moments are the start of the backward pass
    (weights, moments, all activations, the gradients that flow through one layer) and the update (weights,
    gradients, moments, and for Adam two temporary tensors as large as the largest weight).

    >>> from labkit.hardware.shape import SHAPES
    >>> few = training_moments(SHAPES["MiniLM"], batch=1, length=32)
    >>> sorted(few["update"])
    ['gradients', 'moments', 'temporary', 'weights']
    """
    number = 2 if mixed else 4
    state = training_state_bytes(shape, optimizer=optimizer, mixed=mixed)
    size = {"batch": batch, "length": length}
    kept = activation_bytes(shape, **size, dropout=dropout, number_bytes=number)
    if shape.lm_head:
        kept += 3 * number * batch * length * shape.vocabulary  # scores, their log-softmax, its gradient
    widest = max(shape.intermediate, shape.heads * length if dropout else 0)
    temporary = 2 * 4 * largest_tensor(shape) if optimizer == "adam" else 0
    without = {part: size for part, size in state.items() if part != "gradients"}
    return {
        "start of backward": {
            **without,
            "activations": kept,
            "temporary": 2 * number * batch * length * widest,
        },
        "update": {**state, "temporary": temporary},
    }


def training_peak_bytes(shape, *, batch, length, optimizer="adam", dropout=True, mixed=False):
    """Estimate the highest memory of a training step, in bytes: the fuller of its two `training_moments`.

    >>> from labkit.hardware.shape import SHAPES
    >>> few, many = (training_peak_bytes(SHAPES["MiniLM"], batch=b, length=32) for b in (1, 64))
    >>> few < many
    True
    """
    moments = training_moments(shape, batch=batch, length=length, optimizer=optimizer, dropout=dropout, mixed=mixed)
    return max(sum(parts.values()) for parts in moments.values())


def inference_bytes(shape, *, batch, length, weight_bytes=4):
    """Estimate the memory of predicting, in bytes: the weights, and the widest moment of one layer.

    A prediction keeps nothing for later, except a decoder's keys and values (2 × hidden numbers for each
    token and layer), which the next token will need.

    >>> from labkit.hardware.shape import SHAPES
    >>> inference_bytes(SHAPES["GPT-3"], batch=1, length=1) // 10**9
    698
    """
    _check(batch=batch, length=length)
    tokens, number = batch * length, min(4, max(2, weight_bytes))
    h, i = shape.hidden, shape.intermediate
    working = tokens * (2 * h + max(2 * i, 4 * h))
    scores = shape.lm_head * tokens * shape.vocabulary
    cached = shape.lm_head * shape.layers * 2 * h * tokens
    return round(weight_bytes * parameters(shape) + number * (working + scores + cached))


def largest_tensor(shape):
    """Count the numbers in the largest weight of a model: the word embedding, or a feed-forward matrix.

    >>> from labkit.hardware.shape import SHAPES
    >>> largest_tensor(SHAPES["BERT-base"])
    23440896
    """
    return max(shape.vocabulary, shape.intermediate) * shape.hidden


def _check(**sizes):
    for name, value in sizes.items():
        if value < 1:
            raise SettingError(f"a {name} of 1 or more", received=value, do=f"Choose a larger {name}.")
