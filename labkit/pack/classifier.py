"""A classifier into a packed file and back, with the same bits."""

from math import prod

import numpy as np
import torch
from transformers import BertConfig

from labkit import structure
from labkit.classifier import Classifier
from labkit.pack.file import making_sense, read, write
from labkit.pack.rows import pack_rows, unpack_rows
from labkit.pack.streams import Reader, Writer, misfit
from labkit.pack.tensors import SHARED, restore, restore_shared, store
from labkit.pack.words import pack_tokenizer, unpack_tokenizer
from labkit.vocabulary import MergedTokenizer

__all__ = ["load", "save"]

FREE = 2**26  # values that any file may unpack to, a quarter of a gigabyte …
DENSE = 16  # … and so many more for each of its bytes: a header alone cannot ask for memory without end


def save(classifier, path, *, policy=()):
    """Write a classifier to one file and return the file's size in bytes.

    Each parameter is stored in the cheapest of four ways: `integers` where it was quantized (entropy-coded, with
    their scales), `half` where all its values are float16 numbers, `sparse` where enough of it is zero (a coded
    pattern and the values that are left), else `dense`. The tokenizer, the labels and the policy are in the file too,
    and a checksum for each stream.

    Raises PackError when the file cannot be written.
    """
    writer, halves, tokenizer = Writer(), [], classifier.tokenizer
    notes = [
        store(name, parameter, classifier.encodings.get(name), writer, halves)
        for name, parameter in classifier.model.state_dict().items()
    ]
    header = {
        "labels": classifier.labels, "config": classifier.model.config.to_dict(), "policy": list(policy),
        "tensors": notes, "halves": writer.planes(np.concatenate(halves)) if halves else [],
    }  # fmt: skip
    if isinstance(tokenizer, MergedTokenizer):
        header["rows"] = pack_rows(tokenizer.rows, writer) | {"tokens": len(tokenizer.rows)}
        tokenizer = tokenizer.tokenizer
    header["tokenizer"], vocabulary = pack_tokenizer(tokenizer)
    first, words, plain = writer.finish()
    streams = {"words": words, "plain": plain, "vocabulary": np.frombuffer(vocabulary, np.uint8)}
    return write(path, header | first, streams)


def load(path):
    """Read a packed file; the classifier computes bit for bit the logits of the one that was saved.

    Raises PackError for a file that is missing, truncated, changed, or from another version.
    """
    with making_sense(path):
        header, streams = read(path)
        model = _empty_model(header, sum(stream.nbytes for stream in streams.values()))
        reader = Reader(header, streams["words"], streams["plain"])
        state, encodings = {}, {}
        shared = [note for note in header["tensors"] if note["stored"] == SHARED]
        for note in header["tensors"]:
            if note["stored"] != SHARED:
                state[note["name"]], code = restore(note, reader)
                if code is not None:
                    encodings[note["name"]] = code
        state |= restore_shared(shared, header["halves"], reader)
        model.load_state_dict(state, assign=True)
        tokenizer = unpack_tokenizer(header["tokenizer"], streams["vocabulary"].tobytes())
        if "rows" in header:
            rows = unpack_rows(header["rows"], reader, tokens=header["rows"]["tokens"], count=model.config.vocab_size)
            tokenizer = MergedTokenizer(tokenizer, rows)
        reader.finish()
        return _tried(Classifier(model, tokenizer, header["labels"], encodings=encodings))


def _tried(classifier):
    # What loads also predicts: a senseless setting shows here, and not in the middle of the reader's work.
    labels = classifier.labels
    if len(labels) != classifier.model.config.num_labels or not all(isinstance(label, str) for label in labels):
        raise misfit(f"{classifier.model.config.num_labels} labels", str(labels)[:60])
    classifier.logits([""])
    return classifier


def _empty_model(header, size):
    """Build the model without memory, since its weights come from the file, once its size makes sense."""
    tensors = {note["name"]: tuple(note["shape"]) for note in header["tensors"]}
    _check_config(header["config"], layers=len(tensors))
    with torch.device("meta"):
        model = structure.build(BertConfig.from_dict(header["config"]))
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if tensors != wanted:
        raise misfit("the parameters of the model that the file describes", "others, or of other shapes")
    values = sum(map(prod, wanted.values()))
    if values > FREE + DENSE * size:
        raise misfit(f"at most {FREE + DENSE * size:,} values in a file of {size:,} bytes", f"{values:,}")
    for name, buffer in list(model.named_buffers()):
        # Buffers are not saved, since they follow from the configuration: the numbers of the positions, and zeros.
        owner, _, last = name.rpartition(".")
        fresh = torch.zeros(buffer.shape, dtype=buffer.dtype)
        if last == "position_ids":
            fresh = torch.arange(buffer.shape[-1]).expand(1, -1)
        model.get_submodule(owner).register_buffer(last, fresh, persistent=False)
    return model


def _check_config(config, *, layers):
    # Numbers that would take memory before any weight is read.
    def walk(name, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(key, inner)
        elif isinstance(value, list):
            for inner in value:
                walk(name, inner)
        elif isinstance(value, int) and abs(value) > (2**24 if name == "vocab_size" or name.endswith("_id") else 2**16):
            raise misfit(f"a plausible {name}", str(value)[:40])

    walk("config", config)
    if config["num_hidden_layers"] > layers:
        raise misfit(f"at most {layers} layers", str(config["num_hidden_layers"]))
