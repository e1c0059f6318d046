"""From a damaged, forged or foreign file there never comes a wrong model, and never another error than PackError."""

import copy
import json
import sys
import tracemalloc

import numpy as np
import pytest
import small
import torch
from safetensors.numpy import save_file
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from labkit import pack
from labkit.classifier import Classifier
from labkit.errors import PackError
from labkit.pack import file
from labkit.steps import PruneMagnitude, Quantize
from labkit.vocabulary import MergedTokenizer

WORD = "bert.embeddings.word_embeddings.weight"
UP = "bert.encoder.layer.0.intermediate.dense.weight"


@pytest.fixture(autouse=True)
def _memory_stays_small():
    """Nothing that a damaged file asks for is ever there at once."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 500e6


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A tiny classifier with all ways to store a parameter, its file, and the file's size."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", *(f"##{letter}" for letter in "abcdefgh")]
    rows = np.array([*range(5), *([5, 6, 7, 8] * 4)])
    tokenizer = MergedTokenizer(BertTokenizer(vocab={word: i for i, word in enumerate(words)}), rows)
    config = BertConfig(
        vocab_size=9, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        max_position_embeddings=16, num_labels=2,
    )  # fmt: skip
    torch.manual_seed(0)
    classifier = Classifier(BertForSequenceClassification(config), tokenizer, ("good", "bad"))
    with torch.no_grad():
        for parameter in classifier.model.parameters():
            parameter.normal_(std=0.1)
        classifier.model.classifier.bias.copy_(torch.tensor([0.5, 0.25]))
    PruneMagnitude(sparsity=0.7).prepare(classifier)
    Quantize(bits=3, group="row", kind="affine", head_bits=4).finish(classifier)
    del classifier.encodings[UP]
    path = tmp_path_factory.mktemp("packed") / "model.pack"
    with torch.no_grad():
        classifier.model.get_parameter(UP)[::2] = 0.0
    size = pack.save(classifier, path)
    stored = {row["stored"] for row in pack.inspect(path)}
    assert stored == {"integers", "sparse", "half", "dense", "map", "tables", "text"}
    assert '"alike"' in json.dumps(file.read(path)[0])
    return classifier, path, size


def outcome(path, classifier, *, forged=False):
    """Load; either a PackError, or the right model, or, from a file with right checksums, one that works."""
    try:
        again = pack.load(path)
    except PackError:
        return "refused"
    assert again.logits(["a b", ""]).shape == (2, 2)
    if not forged:
        assert small.same(small.state(again.model), small.state(classifier.model))
        assert again.labels == classifier.labels
        assert again.tokenizer.tokenizer.get_vocab() == classifier.tokenizer.tokenizer.get_vocab()
    return "harmless"


def written(folder, data):
    path = folder / "changed.pack"
    path.write_bytes(data)
    return path


def test_every_truncation_is_refused(packed, tmp_path):
    classifier, path, size = packed
    raw = path.read_bytes()
    random = np.random.default_rng(0)
    for length in sorted({0, 1, 7, 8, 9, size - 8, size - 1, *random.integers(0, size, 300).tolist()}):
        assert outcome(written(tmp_path, raw[:length]), classifier) == "refused", length
    assert outcome(written(tmp_path, raw + b"\0"), classifier) == "refused"


@pytest.mark.parametrize("where", ["anywhere", "header"])
def test_changed_bytes_are_refused_or_do_no_harm(packed, tmp_path, where):
    classifier, path, size = packed
    raw = path.read_bytes()
    end = size if where == "anywhere" else 8 + int.from_bytes(raw[:8], "little")
    random, outcomes = np.random.default_rng(1), []
    for turn in range(400):
        changed = bytearray(raw)
        one, other = random.integers(0, end, 2)
        if turn % 2:
            changed[one] ^= 1 << random.integers(0, 8)
        else:
            changed[one], changed[other] = changed[other], changed[one]
        outcomes.append(outcome(written(tmp_path, changed), classifier))
    assert outcomes.count("refused") >= 300  # two bytes that are swapped are the same now and then


def test_a_changed_type_of_a_stream_is_refused(packed, tmp_path):
    # One letter makes integers of others, and the bytes are still the same.
    classifier, path, _ = packed
    raw = path.read_bytes()
    for before, after in ((b'"U32"', b'"I32"'), (b'"U8"', b'"I8"')):
        assert before in raw
        assert outcome(written(tmp_path, raw.replace(before, after)), classifier) == "refused"


def rewritten(path, folder, change):
    """Write a packed file again with a changed header and right checksums: another program's, or a forger's."""
    header, streams = file.read(path)
    change(header)
    header.pop("sha256", None)
    file.write(folder / "new.pack", header, streams)
    return folder / "new.pack"


def test_changed_streams_with_right_checksums_never_crash(packed, tmp_path):
    classifier, path, _ = packed
    header, streams = file.read(path)
    random = np.random.default_rng(2)
    for turn in range(400):
        changed = {name: stream.copy() for name, stream in streams.items()}
        name = ("words", "plain", "vocabulary")[turn % 3]
        if turn % 4:
            bits = changed[name].view(np.uint8)
            bits[random.integers(0, len(bits))] ^= 1 << random.integers(0, 8)
        else:
            changed[name] = changed[name][: random.integers(0, len(changed[name]))]
        file.write(tmp_path / "new.pack", {**header}, changed)
        outcome(tmp_path / "new.pack", classifier, forged=True)


STRANGE = [0, 1, -1, 2, 7, 64, 255, 2**16, 2**31, 2**40, 10**30, 0.5, float("nan"), None, True, "", "x", [], [3], {}]


def leaves(value, path=()):
    """All places in nested dictionaries and lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from leaves(each, (*path, key))


def test_changed_headers_with_right_checksums_never_crash(packed, tmp_path):
    classifier, path, _ = packed
    header, streams = file.read(path)
    places = [place for place in leaves(header) if place[0] not in ("sha256", "policy")]
    random, outcomes = np.random.default_rng(3), []
    for _ in range(500):
        changed = copy.deepcopy(header)
        place = places[random.integers(0, len(places))]
        owner = changed
        for key in place[:-1]:
            owner = owner[key]
        if random.random() < 0.15:
            del owner[place[-1]]
        else:
            owner[place[-1]] = STRANGE[random.integers(0, len(STRANGE))]
        file.write(tmp_path / "new.pack", changed, streams)
        outcomes.append(outcome(tmp_path / "new.pack", classifier, forged=True))
    assert outcomes.count("refused") > 200


def test_a_file_from_the_future_says_what_to_do(packed, tmp_path, monkeypatch):
    header, streams = file.read(packed[1])
    with monkeypatch.context() as patch:
        patch.setattr(file, "VERSION", 3)
        file.write(tmp_path / "new.pack", header, streams)
    for call in (pack.load, pack.inspect):
        with pytest.raises(PackError, match="Expected version 2. Received version 3. Update labkit"):
            call(tmp_path / "new.pack")


def tensor(header, name):
    return next(note for note in header["tensors"] if note["name"] == name)


FORGERIES = {
    "no config": lambda header: header.pop("config"),
    "no tensors": lambda header: header.pop("tensors"),
    "no labels": lambda header: header.pop("labels"),
    "a label more": lambda header: header["labels"].append("so-so"),
    "a tensor less": lambda header: header["tensors"].pop(),
    "a wrong shape": lambda header: tensor(header, WORD).update(shape=[3, 5]),
    "a wrong way": lambda header: tensor(header, WORD).update(stored="dense"),
    "a wrong kind": lambda header: tensor(header, WORD).update(stored="dense", kind="object"),
    "a wrong size": lambda header: header["config"].update(hidden_size=33),
    "a huge size": lambda header: header["config"].update(hidden_size=2**40),
    "endless layers": lambda header: header["config"].update(num_hidden_layers=60_000),
    "endless heads": lambda header: header["config"].update(narrowed={"heads": [10**9, 2], "widths": [128, 128]}),
    "a huge group": lambda header: tensor(header, WORD).update(group=2**34),
    "a fractional group": lambda header: tensor(header, WORD).update(group=1.5),
    "more values than there are": lambda header: tensor(header, UP).update(used=2**36),
    "more words than there are": lambda header: tensor(header, UP)["code"].__setitem__(0, 2**36),
    "a negative number of words": lambda header: tensor(header, UP)["code"].__setitem__(0, -1),
    "a list": lambda header: header.update(tensors=[1]),
    "settings of no tokenizer": lambda header: header["tokenizer"].pop("pad_token"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_header_that_makes_no_sense_is_refused_and_takes_no_memory(packed, tmp_path, name):
    new = rewritten(packed[1], tmp_path, FORGERIES[name])
    tracemalloc.start()
    with pytest.raises(PackError):
        pack.load(new)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


def test_a_small_file_cannot_ask_for_a_large_model(packed, tmp_path):
    def grow(header):
        # A table of a single value takes no bytes, however many rows it has.
        header["config"]["vocab_size"] = 2**24
        note = tensor(header, WORD)
        note.update(shape=[2**24, 32], stored="sparse", code=[0, 0, 0, 1], used=0)

    with pytest.raises(PackError, match=r"at most 67,\d+,\d+ values in a file of [\d,]+ bytes. Received 536,"):
        pack.load(rewritten(packed[1], tmp_path, grow))


def test_a_small_text_cannot_unpack_to_a_large_one(packed, tmp_path):
    import bz2

    header, streams = file.read(packed[1])
    bomb = np.frombuffer(bz2.compress(bytes(2**25)), np.uint8)
    assert len(bomb) < 100
    file.write(tmp_path / "new.pack", header, streams | {"vocabulary": bomb})
    with pytest.raises(PackError, match="at most 16,777,216 bytes when unpacked"):
        pack.load(tmp_path / "new.pack")


def test_a_panic_of_the_coder_is_an_error_like_others(packed):
    class PanicException(BaseException):
        pass

    with pytest.raises(PackError, match="PanicException: not one word"), file.making_sense("a.pack"):
        raise PanicException("not one word")
    with pytest.raises(KeyboardInterrupt), file.making_sense("a.pack"):
        raise KeyboardInterrupt


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
