"""Different bits for different parts of a model: who suffers from rounding, and where the next bit helps most."""

import hashlib
import json
from itertools import pairwise

import numpy as np
import torch

from labkit.cache import code_version
from labkit.errors import SettingError
from labkit.quantization import Encoding, Scheme, dequantize, quantize
from labkit.theory import softening

__all__ = [
    "BITS",
    "divergence",
    "measured_damage",
    "parts",
    "plain_bytes",
    "sensitivity",
    "smoothed",
    "spend",
    "weights_of",
    "with_bits",
]

BITS = (2, 3, 4, 5, 6, 7, 8)
SCANNED = (2, 3, 4)
BLOCKS = 6  # of the word embedding
GROUP = 64  # weights that share a scale
SCALE_BITS = 16
CODE = ("labkit.theory.softening",
        *(f"labkit.quantization.{name}" for name in ("blocks", "encoding", "fitting", "grid", "scheme")))  # fmt: skip


def parts(model):
    """Name the parts of a BERT classifier that may have bits of their own.

    They are the word embedding in blocks of rows, the positions, attention and feed-forward of each layer, and the
    head. Each maps to a list of (name of the matrix, its rows as a slice). The vocabulary begins with what is
    frequent, so its blocks go from frequent to rare; in one piece it would be half of the model, and any choice of
    bits would be a choice for it.
    """
    found = {}
    for name, parameter in model.named_parameters():
        if "word_embeddings" in name:
            ends = np.linspace(0, len(parameter), BLOCKS + 1).round().astype(int).tolist()
            for number, (start, stop) in enumerate(pairwise(ends)):
                found[f"words {number + 1}/{BLOCKS}"] = [(name, slice(start, stop))]
        elif parameter.ndim == 2:
            found.setdefault(_part(name), []).append((name, slice(0, len(parameter))))
    return found


def _part(name):
    if "embeddings" in name:
        return "positions"
    if "encoder.layer." in name:
        number = name.partition("encoder.layer.")[2].partition(".")[0]
        return f"layer {number} {'attention' if '.attention.' in name else 'feed-forward'}"
    return "head"


def weights_of(model):
    """Count the weights of each part: a dictionary by name."""
    columns = {name: parameter.shape[-1] for name, parameter in model.named_parameters()}
    return {
        part: sum((rows.stop - rows.start) * columns[name] for name, rows in pieces)
        for part, pieces in parts(model).items()
    }


def with_bits(classifier, bits):
    """Round each part to its own number of bits, in groups of 64: a new classifier.

    `bits` maps names of `parts` to 2 to 8; a part that is left out stays as it is.

    Raises SettingError for a part that is not there.
    """
    rounded = classifier.copy()
    known, codes = parts(rounded.model), {}
    if unknown := sorted(set(bits) - set(known)):
        raise SettingError(f"parts among {sorted(known)}", received=str(unknown), do="See `parts(model)`.")
    with torch.no_grad():
        for part, count in bits.items():
            for name, rows in known[part]:
                weight = rounded.model.get_parameter(name)[rows]
                code = quantize(weight.detach(), Scheme(int(count), GROUP))
                weight.copy_(dequantize(code))
                codes.setdefault(name, {})[rows.start] = code
    for name, pieces in codes.items():
        ordered = [pieces[start] for start in sorted(pieces)]
        integers, scales = (torch.cat([getattr(code, part) for code in ordered]) for part in ("integers", "scales"))
        if len(integers) == len(rounded.model.get_parameter(name)):  # else some rows are still floats
            rounded.encodings[name] = Encoding(integers, scales, GROUP)
    return rounded


def divergence(first, second):
    """The mean Kullback-Leibler divergence of answers from those before, in nats; logits of shape (texts, labels).

    0 where nothing changed. It moves long before a label does.

    >>> round(divergence(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0]])), 4)
    0.0671
    """
    return float(softening.divergence(second, first).mean())


def sensitivity(classifier, texts, *, cache=None, progress=None):
    """Say what rounding one part alone costs: {part: {bits: nats}} for 2 to 8 bits; `smoothed` of `measured_damage`."""
    return smoothed(measured_damage(classifier, texts, cache=cache, progress=progress))


def measured_damage(classifier, texts, *, cache=None, progress=None):
    """Measure the divergence when one part alone is rounded, for each part, at 2, 3 and 4 bits; no training.

    Returns {part: {bits: nats}}. About fifteen seconds for 100 short texts on one core; with a `cache`, once.
    """

    def scan():
        names, before = list(parts(classifier.model)), classifier.logits(texts)
        found, jobs = {}, [(part, bits) for part in names for bits in SCANNED]
        for done, (part, bits) in enumerate(jobs):
            after = with_bits(classifier, {part: bits}).logits(texts)
            found.setdefault(part, {})[str(bits)] = divergence(before, after)
            if progress is not None:
                progress((done + 1) / len(jobs), f"{part}, {bits} bits")
        return found

    key = {
        "what": "sensitivity", "classifier": classifier.fingerprint,
        "texts": hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest(),
        "code": code_version(__name__, *CODE),
    }  # fmt: skip
    found = scan() if cache is None else cache.value(key, scan)
    return {part: {int(bits): nats for bits, nats in row.items()} for part, row in found.items()}


def smoothed(measured):
    """Make prices for 2 to 8 bits of what was measured, so that no further bit saves more than the one before.

    Beyond 4 bits each halves the rounding error, and the divergence, which is quadratic in it, is quartered.
    """
    return {part: _extended(row) for part, row in measured.items()}


def _extended(row):
    # A scan of few texts is noisy: a bit may seem to be worth nothing, and the next one much. The lower convex hull
    # keeps what is certain, and gives each further bit less to save than the one before.
    known = np.minimum.accumulate([row[bits] for bits in SCANNED])
    beyond = [known[-1] / 4 ** (bits - SCANNED[-1]) for bits in BITS[len(SCANNED) :]]
    points = list(zip(BITS, [*known, *beyond], strict=True))
    hull = []
    for point in points:
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-2], point):
            hull.pop()
        hull.append(point)
    return {bits: float(np.interp(bits, *zip(*hull, strict=True))) for bits in BITS}


def _slope(first, second):
    return (second[1] - first[1]) / (second[0] - first[0])


def spend(weights, damage, budget):
    """Choose bits for each part, 2 to 8, within a `budget` of bits: the next bit goes where it saves most for its size.

    `weights` maps parts to their number of weights, `damage` to {bits: nats}; the damages are taken to add up.

    >>> damage = {"large": {b: 4.0 ** -b for b in BITS}, "small": {b: 4.0 ** -b for b in BITS}}
    >>> spend({"large": 100, "small": 10}, damage, 250)
    {'large': 2, 'small': 5}
    """
    bits = dict.fromkeys(weights, BITS[0])
    left = budget - BITS[0] * sum(weights.values())
    while True:
        offers = [part for part in weights if bits[part] < BITS[-1] and weights[part] <= left]
        if not offers:
            return bits
        best = max(offers, key=lambda part: (damage[part][bits[part]] - damage[part][bits[part] + 1]) / weights[part])
        bits[best] += 1
        left -= weights[best]


def plain_bytes(weights, bits, *, rest=0):
    """Count the bytes of parts at their bits, packed tightly, with a 16-bit scale for each 64; `rest` is added.

    >>> plain_bytes({"a": 64}, {"a": 4})
    34
    """
    scales = SCALE_BITS / GROUP
    return round(sum((bits[part] + scales) * count for part, count in weights.items()) / 8) + rest
