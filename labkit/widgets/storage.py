"""The widget of lesson 09: sparsity and bits, and the bytes that every layer then takes in a packed file."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from labkit import pack
from labkit.coding import entropy
from labkit.errors import SettingError
from labkit.plots.storage import layers_and_file
from labkit.policy import Policy
from labkit.steps import PruneMagnitude, Quantize
from labkit.widgets.controls import slider
from labkit.widgets.panel import Panel, View
from labkit.widgets.scoring import f1_unless_stopped

__all__ = ["Part", "Sizes", "panel", "sizes_of", "steps_of", "view"]

BITS = (2, 3, 4, 5, 6, 7, 8)
SHARES = tuple(np.linspace(0, 1, 11).round(2).tolist())
SAMPLE = 20_000  # weights of each part that stand for all of them
EMBEDDING = "word embedding"


@dataclass(frozen=True)
class Part:
    """A part of the model, prepared so that a slider can move at once.

    weights   a sample, each divided by the largest of its row, float32
    ranks     where each stands among the sizes of its own matrix, 0 for the smallest, to 1
    total     how many weights the part has
    rows      how many scales: one a row
    pruned    whether the sparsity applies
    scale     bits that a scale takes when it is coded, of its 16
    """

    weights: np.ndarray
    ranks: np.ndarray
    total: int
    rows: int
    pruned: bool
    scale: float = 16.0

    @classmethod
    def of(cls, matrices, *, pruned, scale=16.0):
        """Prepare one or several matrices."""
        total, kept = sum(map(np.size, matrices)), []
        for matrix in matrices:
            step = max(total // SAMPLE, 1) | 1  # odd, so that no column is passed over
            scaled = matrix / np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-30)
            sizes = np.sort(np.abs(matrix).ravel()[::step])
            kept.append((scaled.ravel()[::step], np.searchsorted(sizes, np.abs(matrix).ravel()[::step]) / len(sizes)))
        weights, ranks = (np.concatenate(column).astype(np.float32) for column in zip(*kept, strict=True))
        return cls(weights, ranks, int(total), sum(map(len, matrices)), pruned, scale)

    def bits(self, *, sparsity, bits):
        """Bits a weight by entropy, when it is pruned and then rounded to `bits` with one scale a row."""
        levels = np.round(self.weights * (2 ** (bits - 1) - 1))
        return entropy(np.where(self.ranks >= sparsity, levels, 0) if self.pruned else levels)

    def fixed(self, bits):
        """Megabytes with the same bits for every weight, and 16 for each scale."""
        return (bits * self.total + 16 * self.rows) / 8e6

    def coded(self, *, sparsity, bits):
        """Megabytes by entropy."""
        return (self.bits(sparsity=sparsity, bits=bits) * self.total + self.scale * self.rows) / 8e6


@dataclass(frozen=True)
class Sizes:
    """A classifier prepared for the widget.

    parts      by name, the word embedding first
    rest       megabytes of everything that is neither pruned nor rounded here
    encoder    by bits, megabytes of all layers at each of the SHARES of zeros
    embedding  by bits, megabytes of the word embedding
    """

    parts: dict
    rest: float
    encoder: dict
    embedding: dict

    def whole(self, sparsity, bits, embedding_bits):
        """Megabytes of the file at a setting, between the shares that were computed."""
        return float(np.interp(sparsity, SHARES, self.encoder[bits])) + self.embedding[embedding_bits] + self.rest


def sizes_of(classifier, packed):
    """Prepare a classifier; `packed` is the path of its packed file, rounded by `steps_of`, for what else is in it."""
    state = {name: tensor.numpy() for name, tensor in classifier.model.state_dict().items() if tensor.ndim == 2}
    listed = [row for row in pack.inspect(packed) if row["scale_bytes"]]
    scale = 8 * sum(row["scale_bytes"] for row in listed) / sum(len(state[row["name"]]) for row in listed)
    word = state["bert.embeddings.word_embeddings.weight"]
    parts = {EMBEDDING: Part.of([word], pruned=False, scale=scale)}
    for layer in range(classifier.model.config.num_hidden_layers):
        matrices = [matrix for name, matrix in state.items() if f"encoder.layer.{layer}." in name]
        parts[f"layer {layer}"] = Part.of(matrices, pruned=True, scale=scale)
    rest = sum(
        row["bytes"] for row in pack.inspect(packed)
        if row["kind"] != "word embedding" and not (row["kind"] == "encoder" and row["stored"] == "integers")
    )  # fmt: skip
    coded = {
        name: {bits: [part.coded(sparsity=share, bits=bits) for share in (SHARES if part.pruned else (0.0,))]
               for bits in BITS} for name, part in parts.items()
    }  # fmt: skip
    embedding = {bits: sizes[0] for bits, sizes in coded.pop(EMBEDDING).items()}
    encoder = {bits: np.sum([sizes[bits] for sizes in coded.values()], axis=0) for bits in BITS}
    return Sizes(parts, rest / 1e6, encoder, embedding)


def steps_of(*, sparsity, bits, embedding_bits):
    """List the steps that a setting of the widget stands for."""
    prune = [PruneMagnitude(sparsity=round(sparsity, 4))] if sparsity else []
    return [*prune, Quantize(bits=bits, embedding_bits=embedding_bits, group="row")]


def view(sizes, *, sparsity, bits, embedding_bits, measured=()):
    """What each part takes at a setting, with a fixed width and by its entropy, and what the whole file comes to.

    `sizes` comes from `sizes_of`; `measured` are what `measure_point` gave. Raises SettingError for other BITS.
    """
    if bits not in BITS or embedding_bits not in BITS:
        raise SettingError(f"bits among {BITS}", received=f"{bits} and {embedding_bits}", do="Move the slider.")
    own = {name: embedding_bits if name == EMBEDDING else bits for name in sizes.parts}
    fixed = [part.fixed(own[name]) for name, part in sizes.parts.items()]
    coded = [part.coded(sparsity=sparsity, bits=own[name]) for name, part in sizes.parts.items()]
    whole = sum(coded) + sizes.rest
    lines = {
        f"{width} bits": (SHARES, [sizes.whole(share, width, embedding_bits) for share in SHARES])
        for width in sorted({2, bits, 8})
    }
    points = [(point["sparsity"], point["megabytes"]) for point in measured]
    fig = layers_and_file(list(sizes.parts), fixed, coded, lines=lines, now=(sparsity, whole), measured=points)
    each = ", ".join(f"{name} {size:.2f}" for name, size in zip(sizes.parts, coded, strict=True))
    readout = (
        f"{sparsity:.0%} of the encoder at zero, {bits} bits there and {embedding_bits} in the word embedding. "
        f"With all bits of every weight {sum(fixed):.2f} MB, coded by their entropy {sum(coded):.2f} MB ({each}). "
        f"With everything else the file takes {whole:.2f} MB."
    )
    for point in measured:
        readout += (
            f" Measured at {point['sparsity']:.0%}, {point['bits']} and {point['embedding_bits']} bits: "
            f"{point['megabytes']:.2f} MB, macro-F1 {point['f1']:.3f}."
        )
    return View(fig, readout)


def measure_point(teacher, task, params, progress, should_stop):
    """Prune, round and pack the real model, load the file, score it; gives the setting, megabytes and F1."""
    progress(0.05, "pruning, rounding, packing")
    policy = Policy(steps_of(**params))
    path = policy.packed(teacher, task)
    if should_stop():
        return None
    f1 = f1_unless_stopped(pack.load(path), task, progress, should_stop, begin=0.3)
    return None if f1 is None else params | {"megabytes": path.stat().st_size / 1e6, "f1": f1}


def panel(teacher, task, sizes, *, sparsity=0.5, bits=4):
    """Make the widget: choose sparsity and bits, see every layer's bytes, and measure the real file."""
    share = {"low": 0.0, "high": 1.0, "value": float(sparsity), "step": 0.01}
    controls = {
        "sparsity": slider("Sparsity of the encoder (share of zeros)", **share),
        "bits": slider("Bits of the encoder's weights", low=BITS[0], high=BITS[-1], value=bits),
        "embedding_bits": slider("Bits of the word embedding", low=BITS[0], high=BITS[-1], value=bits),
    }
    return Panel(partial(view, sizes), controls, measure=partial(measure_point, teacher, task))
