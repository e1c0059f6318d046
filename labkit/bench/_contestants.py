"""What the results table compares: each contestant, how it is made for a fold, and what it takes on disk."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from safetensors.torch import save as serialize

from labkit import pack, runtime
from labkit.baselines import StaticEmbeddings, Tfidf
from labkit.classifier import pretrained
from labkit.fine_tuning import fine_tune
from labkit.measure import file_size
from labkit.policy import Policy
from labkit.recipes import well_read
from labkit.steps import (
    CutVocabulary,
    Distill,
    KeepLayers,
    MergeVocabulary,
    PruneFFN,
    PruneMagnitude,
    Quantize,
    SortVocabulary,
)

__all__ = ["CODE", "CONTESTANTS", "Contestant", "Made"]

CODE = ("labkit.augment", "labkit.baselines", "labkit.recipes", "labkit.runtime.deploy", "labkit.runtime.export",
        "labkit.runtime.graph", "labkit.runtime.integers", "labkit.runtime.products",
        "labkit.runtime.torch_variants", "labkit.steps.quantize")  # fmt: skip
"""What the rows depend on besides the trained models, which have keys of their own."""

CALIBRATION = 320  # training headlines that static quantization looks at


@dataclass(frozen=True)
class Made:
    """A contestant for one fold: `predictor.predict(texts, batch_size=...)`, and the bytes of all that it needs."""

    predictor: object
    bytes: int


@dataclass(frozen=True)
class Contestant:
    """A row of the table: `make(task, folder, progress)` gives a Made; `policy` where it is one.

    `bodies`: whether it starts from the better teacher, which has read bodies of the training articles.
    """

    name: str
    make: Callable
    policy: Policy | None = None
    bodies: bool = False


def _start(task, bodies, progress=None):
    """Give the teacher to start from, and to learn from."""
    return (well_read if bodies else fine_tune)(task, progress=progress)


def _teacher(bodies, task, folder, progress):
    teacher = _start(task, bodies, progress)
    return Made(teacher, file_size(teacher.model))


def _gzipped(task, folder, progress):
    teacher = fine_tune(task, progress=progress)
    weights = {name: tensor.contiguous() for name, tensor in teacher.model.state_dict().items()}
    return Made(teacher, len(gzip.compress(serialize(weights), compresslevel=9)))


def _packed(policy, bodies, task, folder, progress):
    path = policy.packed(_start(task, bodies), task, progress=progress)
    return Made(pack.load(path), path.stat().st_size)


def _policy(name, *steps, bodies=False):
    policy = Policy(steps)
    return Contestant(name, partial(_packed, policy, bodies), policy, bodies)


def _torch(variant, task, folder, progress):
    made = variant(fine_tune(task, progress=progress))
    return Made(made, made.bytes)


def _onnx(way, task, folder, progress):
    path, target = Path(folder) / "teacher.onnx", Path(folder) / f"{way}.onnx"
    runtime.to_onnx(fine_tune(task, progress=progress), path)
    if way == "static":
        path = runtime.static(path, target, texts=task.texts("train")[:CALIBRATION])
    elif way == "dynamic":
        path = runtime.dynamic(path, target)
    made = runtime.session(path)
    return Made(made, made.bytes)


def _fused(policy, kind, task, folder, progress):
    """The smallest graph that computes a policy's result, in int8 with scales found on training texts."""
    student = policy.apply(_start(task, bodies=True), task, progress=progress)
    path = runtime.fused(student, Path(folder) / "fused.onnx", kind=kind, texts=task.texts("train")[:CALIBRATION])
    made = runtime.session(path)
    return Made(made, made.bytes)


def _deployed(shape, policy, kind="careful"):
    name = f"deployed, {shape}, onnxruntime int8, fused{'' if kind == 'careful' else f', {kind}'}"
    return Contestant(name, partial(_fused, policy, kind), policy, bodies=True)


def _words(kind, task, folder, progress):
    made = kind(task)
    return Made(made, made.bytes)


def _static_embeddings(task):
    return StaticEmbeddings(task, pretrained(task.labels))


TAUGHT = Distill(epochs=1, transfer=6_000, words=7, crop="pieces", repeat=2)
"""About 280 steps on texts as short as headlines."""

ON_LABELS = Distill(epochs=6, mix=0.0)
"""As many steps, on the headlines and their labels alone."""

LONGER = Distill(epochs=1, transfer=30_000, words=7, crop="pieces", repeat=8, hidden=1.0, learning_rate=3e-4)
"""Five times as many, for students that lose much of what they were; no piece comes twice."""


LONGEST = replace(LONGER, transfer=75_000)
"""Nearly all pieces of the training articles, once each."""


def _small(layers, rows, bits, *more, row_bits="same", head_bits=4, vocabulary=MergeVocabulary, by=LONGER):
    """Fewer layers, fewer rows, few bits: all in one training, with the rounding in the loop."""
    rounded = Quantize(bits=bits, group="row", kind="uniform", embedding_bits=row_bits, head_bits=head_bits,
                       vector_bits=16, aware=True)  # fmt: skip
    return Policy((*more, KeepLayers(layers), vocabulary(rows), SortVocabulary(), rounded, by))


PIPELINES = {
    "2 layers, 17,600 rows, 2 bits": _small(2, 17_600, 2.0),
    "3 layers, 13,000 rows, 2 bits": _small(3, 13_000, 2.0),
    "1 layer, half of the FFN, 11,700 rows, 1.7 bits": _small(1, 11_700, 1.7, PruneFFN(768)),
    "2 layers, quarter of the FFN, 10,200 rows, 1.7 bits": _small(2, 10_200, 1.7, PruneFFN(384)),
    "2 layers, quarter of the FFN, 14,600 rows, 1.7 and 1.2 bits, trained longer": _small(
        2, 14_600, 1.7, PruneFFN(384), row_bits=1.2, by=LONGEST
    ),
    "1 layer, half of the FFN, 6,900 rows, 1.5 bits": _small(1, 6_900, 1.5, PruneFFN(768)),
    "2 layers, half of the FFN, 3,400 rows, 1.5 bits": _small(2, 3_400, 1.5, PruneFFN(768)),
    "1 layer, half of the FFN, 8,500 rows, 1.5 and 1.2 bits, trained longer": _small(
        1, 8_500, 1.5, PruneFFN(768), row_bits=1.2, by=LONGEST
    ),
    "1 layer, quarter of the FFN, 3,000 rows, 1.2 bits, trained longer": _small(
        1, 3_000, 1.2, PruneFFN(384), row_bits=1.2, by=LONGEST
    ),
    "1 layer, quarter of the FFN, 3,600 rows, 1.2 bits, head of 2, trained longer": _small(
        1, 3_600, 1.2, PruneFFN(384), row_bits=1.2, head_bits=2, by=LONGEST
    ),
    "1 layer, quarter of the FFN, 4,800 rows and pieces, 1.2 bits, head of 2, trained longer": _small(
        1, 4_800, 1.2, PruneFFN(384), row_bits=1.2, head_bits=2, vocabulary=CutVocabulary, by=LONGEST
    ),
}
"""Three sizes, and at each two ways to spend the bytes: on more words, or on more layers.
At the two smaller ones also a third: on more words of fewer bits, with more to read. The last three are half as large,
and spend their bytes on the head, on more rows, or on still more rows and no map of the words without one."""

FLAT = PIPELINES["1 layer, half of the FFN, 11,700 rows, 1.7 bits"]

FAST = Policy((KeepLayers(2), LONGER))
"""For the clock alone: all rows of the vocabulary, which cost bytes and no time, and no bits but those of int8."""

CONTESTANTS = (
    Contestant("teacher", partial(_teacher, False)),
    Contestant("teacher, gzip -9", _gzipped),
    Contestant("teacher, headlines and bodies", partial(_teacher, True), bodies=True),
    _policy("pruning only, 63 %", PruneMagnitude(0.63, schedule="gradual", embeddings=True), TAUGHT, bodies=True),
    _policy("quantization only, 8 bits", Quantize(bits=8)),
    _policy("quantization only, 4 bits", Quantize(bits=4)),
    _policy("quantization only, 3.7 bits, uniform steps", Quantize(bits=3.7, group="row", kind="uniform")),
    _policy("quantization only, 3 bits", Quantize(bits=3)),
    _policy("quantization only, 2 bits", Quantize(bits=2)),
    _policy("quantization only, 3 bits, in training", Quantize(bits=3, aware=True), TAUGHT),
    _policy("quantization only, 2 bits, in training", Quantize(bits=2, aware=True), TAUGHT),
    _policy("structure only, 3 layers, trained on labels", KeepLayers(3), ON_LABELS),
    _policy("distillation only, 3 layers", KeepLayers(3), TAUGHT),
    *(_policy(f"pipeline, {name}", *policy.steps, bodies=True) for name, policy in PIPELINES.items()),
    Contestant("torch quantize_dynamic", partial(_torch, runtime.torch_dynamic)),
    Contestant("torchao int8, dynamic per token", partial(_torch, runtime.torchao_dynamic)),
    Contestant("onnxruntime float32", partial(_onnx, "float")),
    Contestant("onnxruntime int8, dynamic", partial(_onnx, "dynamic")),
    Contestant("onnxruntime int8, static", partial(_onnx, "static")),
    _deployed("2 layers", FAST),
    _deployed("1 layer, half of the FFN", FLAT),
    _deployed("1 layer, half of the FFN", FLAT, kind="static"),
    Contestant("TF-IDF with logistic regression", partial(_words, Tfidf)),
    Contestant("static embeddings with a linear head", partial(_words, _static_embeddings)),
)
