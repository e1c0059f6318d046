"""From a classifier to one ONNX file that holds everything predicting needs."""

import json
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from labkit.errors import ModelFileError
from labkit.runtime.onnx_session import LABELS, TOKENIZER, need, session
from labkit.runtime.tokens import to_text

__all__ = ["TOLERANCE", "check_same", "notes_for", "notes_of", "to_onnx", "write"]

TOLERANCE = 1e-4  # of the largest logit
SAMPLES = [
    "Profits rise", "", "Champions beaten at home in the last minute of a game that nobody will forget",
    "New phone", " ".join(["minister resigns over a film about a bank"] * 6),
]  # fmt: skip


def to_onnx(classifier, path):
    """Write a classifier to one ONNX file, as PyTorch exports it: graph, weights, tokenizer, labels. Returns the path.

    Batch and length stay open. The file is opened again by onnxruntime, and its logits and labels on a few texts are
    compared with PyTorch's.

    Raises ModelFileError where they differ.
    """
    onnx = need("onnx")
    write(onnx.load_from_string(_traced(classifier.model)), path, notes=notes_for(classifier))
    check_same(classifier, path)
    return Path(path)


def notes_for(classifier):
    """What a model file says besides the graph: labels and tokenizer, as texts."""
    return {LABELS: json.dumps(list(classifier.labels)), TOKENIZER: to_text(classifier.tokenizer)}


def notes_of(model):
    """Read the notes that `write` put into a graph, as a dictionary.

    Raises ModelFileError where there are none.
    """
    notes = {entry.key: entry.value for entry in model.metadata_props}
    if not {LABELS, TOKENIZER} <= set(notes):
        raise ModelFileError("a model file that to_onnx wrote", received="one without labels", do="Export it again.")
    return {key: notes[key] for key in (LABELS, TOKENIZER)}


def write(model, path, *, notes):
    """Write an ONNX graph with our notes in it, complete or not at all."""
    onnx, path = need("onnx"), Path(path)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, notes)
    part = path.with_name(path.name + ".part")
    part.write_bytes(model.SerializeToString())
    part.replace(path)


def check_same(classifier, path):
    """Compare logits and labels of a file with those of the classifier, alone and in a batch.

    Raises ModelFileError where they differ by more than rounding does.
    """
    runtime = session(path)
    for batch_size in (1, len(SAMPLES)):
        mine, theirs = (one.logits(SAMPLES, batch_size=batch_size) for one in (classifier, runtime))
        error = float(np.abs(mine - theirs).max() / np.abs(mine).max())
        first, second = np.sort(mine, axis=1)[:, -1], np.sort(mine, axis=1)[:, -2]
        sure = first - second > 2 * TOLERANCE * np.abs(mine).max()
        if not error <= TOLERANCE or not (mine.argmax(axis=1) == theirs.argmax(axis=1))[sure].all():
            raise ModelFileError(
                f"the logits of PyTorch, to {TOLERANCE:g} of the largest", received=f"an error of {error:.2g}",
                do="This model has a part that the exporter does not know.",
            )  # fmt: skip


class _Logits(torch.nn.Module):
    """The model with two inputs and one output, which is all that a file has to know."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def _traced(model):
    example = torch.ones(2, 7, dtype=torch.int64)
    axes = {name: {0: "texts", 1: "tokens"} for name in ("input_ids", "attention_mask")}
    buffer = BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # This exporter is the older of PyTorch's two and says so; the newer one needs two more packages.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Logits(model).eval(), (example, example), buffer, dynamo=False, opset_version=17,
            input_names=list(axes), output_names=["logits"], dynamic_axes=axes | {"logits": {0: "texts"}},
        )  # fmt: skip
    return buffer.getvalue()
