"""From a damaged, forged or foreign file there never comes a wrong model, and never another error than PackError."""

import json

import numpy as np
import pytest
import small
from safetensors import safe_open
from safetensors.numpy import save_file

from labkit import pack
from labkit.errors import PackError
from labkit.steps import PruneMagnitude, Quantize

WORD = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A classifier with all ways to store a parameter, its file, and the file's size."""
    classifier, path = small.classifier(hidden=32), tmp_path_factory.mktemp("packed") / "model.pack"
    PruneMagnitude(sparsity=0.7).prepare(classifier)
    Quantize(bits=3, group=16).finish(classifier)
    classifier.encodings.popitem()
    del classifier.encodings["bert.encoder.layer.0.intermediate.dense.weight"]
    size = pack.save(classifier, path)
    assert {row["stored"] for row in pack.inspect(path)} == {"integers", "sparse", "dense", "lzma", "json"}
    return classifier, path, size


def harmless_or_refused(path, classifier):
    """Load; either a PackError, or the right model."""
    try:
        again = pack.load(path)
    except PackError:
        return "refused"
    assert small.same(small.state(again.model), small.state(classifier.model))
    assert again.labels == classifier.labels
    assert again.tokenizer.get_vocab() == classifier.tokenizer.get_vocab()
    return "harmless"


def test_every_truncation_is_refused(packed, tmp_path):
    classifier, path, size = packed
    raw, cut = path.read_bytes(), tmp_path / "cut.pack"
    header = 8 + int.from_bytes(raw[:8], "little")
    lengths = {*range(0, header, 97), *range(header, size, 4999), header, header + 1, size - 1, size - 8, 0, 1, 7, 8, 9}
    for length in sorted(lengths):
        cut.write_bytes(raw[:length])
        assert harmless_or_refused(cut, classifier) == "refused", length
    cut.write_bytes(raw + b"\0")
    assert harmless_or_refused(cut, classifier) == "refused"


@pytest.mark.parametrize("where", ["anywhere", "header"])
def test_a_changed_byte_is_refused_or_does_no_harm(packed, tmp_path, where):
    classifier, path, size = packed
    raw, changed = path.read_bytes(), tmp_path / "changed.pack"
    end = size if where == "anywhere" else 8 + int.from_bytes(raw[:8], "little")
    random, outcomes = np.random.default_rng(0), []
    for _ in range(200):
        copy = bytearray(raw)
        place = random.integers(0, end)
        copy[place] = random.choice([value for value in range(256) if value != raw[place]])
        changed.write_bytes(copy)
        outcomes.append(harmless_or_refused(changed, classifier))
    assert outcomes.count("refused") >= 195


def test_a_changed_type_of_a_stream_is_refused(packed, tmp_path):
    # One letter makes integers of floats, and the bytes are still the same.
    classifier, path, _ = packed
    for before, after in (
        (b'"dtype":"F32"', b'"dtype":"I32"'),
        (b'"dtype":"F16"', b'"dtype":"I16"'),
        (b'"U32"', b'"I32"'),
    ):
        raw = path.read_bytes()
        assert before in raw
        (tmp_path / "changed.pack").write_bytes(raw.replace(before, after))
        assert harmless_or_refused(tmp_path / "changed.pack", classifier) == "refused"


def rewritten(path, folder, change):
    """Write a packed file again with a changed header and right checksums: another program's, or a forger's."""
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["labkit"].partition(" ")[2])
        streams = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header)
    text = json.dumps(header)
    save_file(streams, folder / "new.pack", metadata={"labkit": f"{pack._sha256(text.encode())} {text}"})
    return folder / "new.pack"


def test_a_file_from_the_future_says_what_to_do(packed, tmp_path):
    new = rewritten(packed[1], tmp_path, lambda header: header.update(version=2))
    for call in (pack.load, pack.inspect):
        with pytest.raises(PackError, match="Expected version 1. Received version 2. Update labkit"):
            call(new)


FORGERIES = {
    "no version": lambda header: header.pop("version"),
    "no config": lambda header: header.pop("config"),
    "no tensors": lambda header: header.pop("tensors"),
    "no checksums": lambda header: header.pop("sha256"),
    "no labels": lambda header: header.pop("labels"),
    "a tensor less": lambda header: header["tensors"].popitem(),
    "a wrong shape": lambda header: header["tensors"][WORD].update(shape=[3, 5]),
    "a wrong way": lambda header: header["tensors"][WORD].update(stored="dense"),
    "a wrong count": lambda header: header["tensors"][WORD].update(counts=[1, "2"]),
    "a wrong size": lambda header: header["config"].update(hidden_size=33),
    "a list": lambda header: header.update(tensors=[1]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_header_that_makes_no_sense_is_refused(packed, tmp_path, name):
    new = rewritten(packed[1], tmp_path, FORGERIES[name])
    with pytest.raises(PackError):
        pack.load(new)


def test_files_that_are_no_packed_models(packed, tmp_path):
    with pytest.raises(PackError, match="a packed file at nowhere.pack. Received no such file. Check the path"):
        pack.load(tmp_path / "nowhere.pack")
    with pytest.raises(PackError, match="a packed file"):
        pack.load(tmp_path)
    (tmp_path / "text.pack").write_text("Not a model, but long enough to be taken for one.")
    with pytest.raises(PackError, match="The file is damaged or was changed"):
        pack.load(tmp_path / "text.pack")
    save_file({"a": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(PackError, match="a packed file with an intact header. Received other.safetensors"):
        pack.inspect(tmp_path / "other.safetensors")
