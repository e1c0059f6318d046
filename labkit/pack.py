"""The packed file: everything needed to predict, in one safetensors file, as small as its contents allow."""

import hashlib
import json
import lzma
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from labkit.batches import MAX_LENGTH
from labkit.classifier import Classifier
from labkit.coding import Coded, decode, encode, sparse_bits
from labkit.errors import PackError
from labkit.steps.quantize import Encoding, dequantize
from labkit.vocabulary import MergedTokenizer

__all__ = ["inspect", "load", "save"]

VERSION = 1
HEADER = "labkit"
ROWS = "rows of tokens"
DAMAGED = "The file is damaged or was changed: make it or copy it again."


def save(classifier, path, *, policy=()):
    """Write a classifier to one file and return the file's size in bytes.

    Each parameter is stored in the cheapest of three ways: `integers` where it was quantized (entropy-coded, with
    its scales), `sparse` where enough of it is zero (a coded pattern and the values that are left), else `dense`.
    The tokenizer, the labels and the policy are in the file too, and a checksum for each stream.

    Raises PackError when the file cannot be written.
    """
    streams, tensors = {}, {}
    for name, parameter in classifier.model.state_dict().items():
        tensors[name] = _store(name, parameter, classifier.encodings.get(name), streams)
    tokenizer = classifier.tokenizer
    if isinstance(tokenizer, MergedTokenizer):
        streams[ROWS] = np.frombuffer(lzma.compress(tokenizer.rows.astype("<u2").tobytes()), dtype=np.uint8)
        tokenizer = tokenizer.tokenizer
    streams["tokenizer"] = np.frombuffer(_tokenizer_bytes(tokenizer), dtype=np.uint8)
    header = {
        "version": VERSION, "labels": classifier.labels, "config": classifier.model.config.to_dict(),
        "policy": list(policy), "tensors": tensors,
        "sha256": {name: _checksum(stream) for name, stream in streams.items()},
    }  # fmt: skip
    text = json.dumps(header, sort_keys=True)
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        # One entry, since safetensors writes several in any order, and the same model should give the same bytes.
        save_file(streams, part, metadata={HEADER: f"{_sha256(text.encode())} {text}"})
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise PackError(f"a place to write {path.name}", received=str(error), do="Choose another folder.") from error
    return path.stat().st_size


def load(path):
    """Read a packed file; the classifier computes bit for bit the logits of the one that was saved.

    Raises PackError for a file that is missing, truncated, changed, or from another version.
    """
    with _making_sense(path):
        header, streams = _read(path)
        # The model is built without memory first: its weights come from the file, not from a random start.
        with torch.device("meta"):
            model = BertForSequenceClassification(BertConfig.from_dict(header["config"]))
        state, encodings = {}, {}
        for name, entry in header["tensors"].items():
            state[name], code = _restore(name, entry, streams)
            if code is not None:
                encodings[name] = code
        model.load_state_dict(state, assign=True)
        _fill_buffers(model)
        tokenizer = _tokenizer(streams["tokenizer"])
        if ROWS in streams:
            tokenizer = MergedTokenizer(tokenizer, _rows(streams[ROWS], model.config.vocab_size))
        return Classifier(model, tokenizer, header["labels"], encodings=encodings)


def inspect(path):
    """List where the bytes go: one dictionary for each parameter, the tokenizer and the header, largest first.

    The keys are `name`, `stored` (dense, sparse, integers, lzma, json), `bytes`, `values` and `bits_per_value`.
    The bytes add up to the size of the file.
    """
    rows = []
    with _making_sense(path):
        header, streams = _read(path)
        for name, entry in header["tensors"].items():
            size = sum(streams[f"{name}/{suffix}"].nbytes for suffix in entry["streams"])
            rows.append(_row(name, entry["stored"], size, int(np.prod(entry["shape"]))))
    rows += [_row(name, "lzma", streams[name].nbytes, 0) for name in ("tokenizer", ROWS) if name in streams]
    rows.append(_row("header", "json", Path(path).stat().st_size - sum(row["bytes"] for row in rows), 0))
    return sorted(rows, key=lambda row: -row["bytes"])


@contextmanager
def _making_sense(path):
    try:
        yield
    except (PackError, MemoryError):
        raise
    except Exception as error:  # a header that makes no sense can fail anywhere
        raise PackError(
            f"a packed file at {Path(path).name}", received=f"{type(error).__name__}: {str(error)[:200]}", do=DAMAGED
        ) from error


def _row(name, stored, size, values):
    bits = 8 * size / values if values else float("nan")
    return {"name": name, "stored": stored, "bytes": size, "values": values, "bits_per_value": bits}


def _store(name, parameter, code, streams):
    array = parameter.detach().contiguous().numpy()
    entry = {"shape": list(array.shape), "dtype": str(array.dtype)}
    # Integers that a later step has made stale, by pruning or training on, must not replace the weights.
    if code is not None and np.array_equal(dequantize(code).numpy(), array):
        coded = encode(code.integers.numpy())
        parts = {"stream": coded.stream, "scales": code.scales.numpy()}
        entry |= {"stored": "integers", "group": code.group}
    elif array.dtype == np.float32 and _pays(array):
        coded = encode(array != 0)
        parts = {"stream": coded.stream, "values": array[array != 0]}
        entry |= {"stored": "sparse"}
    else:
        coded, parts = None, {"values": array}
        entry |= {"stored": "dense"}
    if coded is not None:
        entry |= {"counts": coded.counts, "low": coded.low, "size": coded.size}
    streams |= {f"{name}/{suffix}": np.ascontiguousarray(part) for suffix, part in parts.items()}
    return entry | {"streams": list(parts)}


def _pays(array):
    # A negative zero is not nothing: as a plain zero it would no longer be the same bits.
    if array.size < 1024 or np.signbit(array[array == 0]).any():
        return False
    return sparse_bits(array.size, float((array == 0).mean())) < 32 * array.size


def _restore(name, entry, streams):
    parts = {suffix: streams[f"{name}/{suffix}"] for suffix in entry["streams"]}
    if entry["stored"] == "dense":
        return torch.from_numpy(parts["values"].reshape(entry["shape"])), None
    symbols = decode(Coded(parts["stream"], tuple(entry["counts"]), entry["low"], entry["size"]))
    symbols = symbols.reshape(entry["shape"])
    if entry["stored"] == "sparse":
        array = np.zeros(entry["shape"], dtype=np.float32)
        array[symbols != 0] = parts["values"]
        return torch.from_numpy(array), None
    code = Encoding(torch.from_numpy(symbols.astype(np.int8)), torch.from_numpy(parts["scales"]), entry["group"])
    return dequantize(code), code


def _read(path):
    path = Path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            digest, _, text = (file.metadata() or {}).get(HEADER, "").partition(" ")
            if _sha256(text.encode()) != digest:
                raise PackError("a packed file with an intact header", received=path.name, do=DAMAGED)
            header = json.loads(text)
            if header["version"] != VERSION:
                raise PackError(f"version {VERSION}", received=f"version {header['version']}", do="Update labkit.")
            streams = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
    except FileNotFoundError:
        raise PackError(f"a packed file at {path.name}", received="no such file", do="Check the path.") from None
    wrong = sorted(
        name for name in {*streams, *header["sha256"]}
        if name not in streams or _checksum(streams[name]) != header["sha256"].get(name)
    )  # fmt: skip
    if wrong:
        raise PackError("streams with the checksums of the header", received=f"others in {wrong[:3]}", do=DAMAGED)
    return header, streams


def _checksum(array):
    # Of the type and the shape too: the same bytes read as integers are other numbers.
    return _sha256(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes())


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _fill_buffers(model):
    # Buffers such as position numbers are not saved, since they follow from the configuration.
    fresh = BertForSequenceClassification(BertConfig(**{**model.config.to_dict(), "num_hidden_layers": 0}))
    found = dict(fresh.named_buffers())
    for name, buffer in list(model.named_buffers()):
        if buffer.is_meta:
            owner = model.get_submodule(name.rpartition(".")[0])
            owner.register_buffer(name.rpartition(".")[2], found[name], persistent=False)


def _tokenizer_bytes(tokenizer):
    # Padding and cutting are set anew by every call; what the last one asked for is no part of the tokenizer.
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        files = {path.name: path.read_text("utf-8") for path in sorted(Path(folder).iterdir())}
    return lzma.compress(json.dumps(files).encode(), preset=9)


def _tokenizer(stream):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in json.loads(lzma.decompress(stream.tobytes())).items():
            (Path(folder) / Path(name).name).write_text(text, "utf-8")
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=MAX_LENGTH)


def _rows(stream, count):
    rows = np.frombuffer(lzma.decompress(stream.tobytes()), dtype="<u2").astype(np.int64)
    if rows.max(initial=0) >= count:
        raise PackError(f"rows below {count}", received=str(rows.max()), do=DAMAGED)
    return rows
