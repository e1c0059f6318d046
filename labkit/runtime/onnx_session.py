"""A model file made ready to run by onnxruntime: texts in, labels out, like a classifier."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import torch

from labkit.classifier import Classifier
from labkit.errors import ModelFileError, SettingError
from labkit.runtime.tokens import from_text

__all__ = ["Runtime", "need", "session"]

LABELS, TOKENIZER = "labkit.labels", "labkit.tokenizer"


class Runtime(Classifier):
    """A classifier whose model is run by something else than plain PyTorch; it predicts in the same batches.

    `name` says what runs it, `bytes` are those of everything that predicting needs, `facts` what else its answers
    depend on. `model(**batch).logits` is the model alone, as in a `Classifier`, so the two can be raced.
    """

    def __init__(self, model, tokenizer, labels, *, name, bytes, fingerprint):
        super().__init__(model, tokenizer, labels)
        self.name, self.bytes, self._fingerprint = name, bytes, fingerprint

    @property
    def fingerprint(self):
        """A short hash of the file and of what runs it."""
        return self._fingerprint

    def __repr__(self):
        return f"Runtime({self.name!r}, {self.bytes / 1e6:.2f} MB)"


class _Session:
    """What onnxruntime runs, called like a model of PyTorch."""

    def __init__(self, inference):
        self.run = inference.run

    def eval(self):
        return self

    def __call__(self, *, input_ids, attention_mask):
        feed = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        return SimpleNamespace(logits=torch.from_numpy(self.run(["logits"], feed)[0]))


def need(package):
    """Import a package that only this part of the workbook needs.

    Raises ModelFileError where it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise ModelFileError(
            f"the package {name}", received=str(error),
            do=f"Install it into the workbook's environment: pip install -c constraints.txt {name}",
        ) from None  # fmt: skip


def session(path, *, threads=None, optimize=True):
    """Open a file that `to_onnx` or one of the quantized variants wrote, with everything in it: a Runtime.

    `threads` are those of one product, as many as PyTorch uses unless given. With `optimize` off the graph runs node
    by node as it is in the file.

    Raises ModelFileError for a file that is missing, damaged, or was not written by `to_onnx`.
    """
    ort = need("onnxruntime")
    path, threads = Path(path), torch.get_num_threads() if threads is None else threads
    if type(threads) is not int or threads < 1:
        raise SettingError("at least one thread", received=repr(threads), do="Write threads=1.")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        data = path.read_bytes()
        inference = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        notes = inference.get_modelmeta().custom_metadata_map
        labels, tokenizer = json.loads(notes[LABELS]), from_text(notes[TOKENIZER])
    except ModelFileError:
        raise
    except Exception as error:  # onnxruntime has some twenty kinds of its own
        raise ModelFileError(
            f"a model file that to_onnx wrote at {path.name}", received=f"{type(error).__name__}: {str(error)[:200]}",
            do="Export the classifier again.",
        ) from error  # fmt: skip
    digest = hashlib.sha256(data + f"{ort.__version__} {threads} {optimize}".encode()).hexdigest()[:16]
    return Runtime(_Session(inference), tokenizer, labels, name=f"onnxruntime, {path.stem}", bytes=len(data),
                   fingerprint=digest)  # fmt: skip
