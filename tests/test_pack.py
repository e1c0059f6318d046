"""The packed file: the same bits after a reload, few bytes, and never a wrong model from a damaged file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small
import torch

from labkit import pack
from labkit.coding import entropy
from labkit.errors import PackError
from labkit.measure import file_size
from labkit.pack import file
from labkit.steps import Factorize, KeepLayers, PruneHeads, PruneMagnitude, Quantize

WORD = "bert.embeddings.word_embeddings.weight"
MODELS = {
    "dense": [],
    "pruned": [PruneMagnitude(sparsity=0.7)],
    "quantized": [Quantize(bits=4, group=10)],
    "both": [PruneMagnitude(sparsity=0.7, scope="global"), Quantize(bits=3, group=16)],
    "one layer": [KeepLayers((1,)), Quantize(bits=8, embedding_bits=None)],
    "affine": [Quantize(bits=4, group="row", kind="affine", head_bits=8, vector_bits=8)],
    "one step": [Quantize(bits=2, group="tensor", kind="uniform", head_bits=16, vector_bits=16)],
    "narrow": [PruneHeads(1, criterion="magnitude"), Factorize(8, what="both"), Quantize(bits=4)],
}


def made(steps):
    """A classifier with the steps applied, without training."""
    classifier = small.classifier(layers=2, hidden=32)
    for step in steps:
        step.prepare(classifier)
    for step in steps:
        step.finish(classifier)
    return classifier


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    found = {}
    for name, steps in MODELS.items():
        classifier, path = made(steps), folder / f"{name}.pack"
        size = pack.save(classifier, path, policy=[step.to_dict() for step in steps])
        found[name] = classifier, path, size
    return found


@pytest.mark.parametrize("name", MODELS)
def test_the_logits_are_the_same_bit_for_bit(packed, name):
    classifier, path, _ = packed[name]
    again = pack.load(path)
    assert small.same(small.state(again.model), small.state(classifier.model))
    assert np.array_equal(again.logits(small.SENTENCES), classifier.logits(small.SENTENCES))
    assert again.labels == classifier.labels
    assert not again.model.training
    assert all(parameter.requires_grad for parameter in again.model.parameters())


def test_a_fresh_process_gets_the_same_logits(packed):
    classifier, path, _ = packed["both"]
    code = (
        "import sys, json; from labkit import pack\n"
        "logits = pack.load(sys.argv[1]).logits(json.loads(sys.argv[2]))\n"
        "print(logits.tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), json.dumps(small.SENTENCES)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == classifier.logits(small.SENTENCES).tobytes().hex()


def test_a_second_generation_is_the_same_file(packed, tmp_path):
    for name in ("pruned", "quantized"):
        _, path, size = packed[name]
        again = pack.load(path)
        policy = [step.to_dict() for step in MODELS[name]]
        assert pack.save(again, tmp_path / "again.pack", policy=policy) == size
        assert (tmp_path / "again.pack").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_the_listed_bytes_add_up_to_the_file(packed, name):
    classifier, path, size = packed[name]
    rows = pack.inspect(path)
    assert sum(row["bytes"] for row in rows) == size == path.stat().st_size
    assert [row["bytes"] for row in rows] == sorted((row["bytes"] for row in rows), reverse=True)
    others = {"words", "header", "tables of frequencies"}
    assert {row["name"] for row in rows} == {*classifier.model.state_dict()} | others
    assert sum(pack.totals(rows).values()) == size
    assert all(0 <= row["scale_bytes"] <= row["bytes"] for row in rows)
    for row in rows:
        if row["values"]:
            assert row["values"] == classifier.model.state_dict()[row["name"]].numel()
            assert row["bits_per_value"] == 8 * row["bytes"] / row["values"]


def test_every_parameter_is_stored_in_its_cheapest_way(packed):
    stored = {name: {row["name"]: row for row in pack.inspect(path)} for name, (_, path, _) in packed.items()}
    up, bias = "bert.encoder.layer.0.intermediate.dense.weight", "bert.encoder.layer.0.intermediate.dense.bias"
    assert {row["stored"] for row in stored["dense"].values()} == {"dense", "half", "text", "tables"}
    assert stored["dense"][up]["bits_per_value"] == 32
    assert stored["dense"][bias]["stored"] == "half"  # zeros, in a model that was never trained
    assert stored["pruned"][up]["stored"] == "sparse"
    # 0.881 bits for the pattern, 0.3 × 32 for the values.
    assert stored["pruned"][up]["bits_per_value"] == pytest.approx(0.881 + 9.6, abs=0.05)
    assert stored["one layer"][WORD]["stored"] == "dense"
    assert stored["one step"]["classifier.weight"]["stored"] == "half"
    assert stored["affine"][bias]["stored"] == "integers"
    assert stored["affine"][up]["scale_bytes"] > stored["quantized"][up]["scale_bytes"] / 4


def test_integers_take_their_entropy_and_scales_less_than_sixteen_bits(packed):
    for name in ("quantized", "one step"):
        classifier, path, _ = packed[name]
        (row,) = (row for row in pack.inspect(path) if row["name"] == WORD)
        code = classifier.encodings[WORD]
        floor = entropy(code.integers.numpy()) * code.integers.numel() / 8
        assert 0.97 * floor < row["bytes"] - row["scale_bytes"] <= 1.005 * floor
        assert row["scale_bytes"] < 2 * code.scales.numel() + 20


def test_encodings_come_back_as_they_were(packed):
    for name in ("quantized", "affine", "one step", "narrow"):
        classifier, path, _ = packed[name]
        again = pack.load(path).encodings
        assert again.keys() == classifier.encodings.keys()
        for key, code in classifier.encodings.items():
            assert again[key].group == code.group
            for field in ("integers", "scales", "zeros"):
                one, other = getattr(code, field), getattr(again[key], field)
                assert (one is None and other is None) or (one.dtype == other.dtype and torch.equal(one, other))


def test_it_is_hardly_larger_than_its_contents(packed):
    classifier, _, size = packed["dense"]
    assert 0.98 * file_size(classifier.model) < size < file_size(classifier.model) + 100_000  # words, header
    assert packed["pruned"][2] < size
    assert packed["both"][2] < packed["quantized"][2] < 0.3 * size
    header = {row["name"]: row["bytes"] for row in pack.inspect(packed["quantized"][1])}
    assert header["words"] < 95_000
    assert header["header"] < 3_500


def test_weights_that_changed_after_rounding_are_packed_as_they_are(tmp_path):
    # Pruning what was rounded before makes its integers stale.
    classifier = made([Quantize(bits=4)])
    PruneMagnitude(sparsity=0.5).prepare(classifier)
    pack.save(classifier, tmp_path / "a.pack")
    again = pack.load(tmp_path / "a.pack")
    assert small.same(small.state(again.model), small.state(classifier.model))
    classifier = made([Quantize(bits=4)])
    KeepLayers((1,)).prepare(classifier)  # the layer that is now called 0 is not the one that its integers came from
    pack.save(classifier, tmp_path / "b.pack")
    assert small.same(small.state(pack.load(tmp_path / "b.pack").model), small.state(classifier.model))


def test_the_file_does_not_depend_on_what_the_classifier_was_asked_before(tmp_path):
    files = []
    for texts in ([], ["gold"], ["gold " * 200]):
        classifier = small.classifier()
        classifier.predict(texts)
        classifier.tokenizer(["a", "b c"], padding="max_length")
        classifier.predict(texts)
        pack.save(classifier, tmp_path / "a.pack")
        files.append((tmp_path / "a.pack").read_bytes())
    assert len(set(files)) == 1


def test_negative_zeros_survive(tmp_path):
    classifier = made([PruneMagnitude(sparsity=0.9)])
    with torch.no_grad():
        weight = classifier.model.bert.encoder.layer[0].intermediate.dense.weight
        weight[weight == 0] = -0.0
    pack.save(classifier, tmp_path / "a.pack")
    again = pack.load(tmp_path / "a.pack").model.bert.encoder.layer[0].intermediate.dense.weight
    assert torch.equal(torch.signbit(again), torch.signbit(weight))


def test_a_place_that_cannot_be_written_to(tmp_path):
    with pytest.raises(PackError, match="a place to write model.pack.*Choose another folder"):
        pack.save(small.classifier(), tmp_path / "no such folder" / "model.pack")


def test_a_failed_save_leaves_the_old_file_and_no_half_one(packed, tmp_path, monkeypatch):
    path = tmp_path / "model.pack"
    path.write_bytes(b"old")

    def full(streams, part, metadata):
        Path(part).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file, "save_file", full)
    with pytest.raises(PackError, match="No space left on device"):
        pack.save(small.classifier(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.pack"]
    assert path.read_bytes() == b"old"


def test_what_is_float16_already_is_stored_so(tmp_path):
    classifier = small.classifier(hidden=32)
    with torch.no_grad():
        for parameter in classifier.model.parameters():
            parameter.copy_(parameter.half().float())
    size = pack.save(classifier, tmp_path / "a.pack")
    assert size < 0.5 * file_size(classifier.model) + 100_000
    assert {row["stored"] for row in pack.inspect(tmp_path / "a.pack") if row["values"]} == {"half"}
    assert small.same(small.state(pack.load(tmp_path / "a.pack").model), small.state(classifier.model))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -0.0, 1e-45, 70_000.0])
def test_strange_numbers_come_back(tmp_path, value):
    classifier = made([Quantize(bits=4)])
    with torch.no_grad():
        for parameter in classifier.model.parameters():
            parameter.view(-1)[::3] = value
    pack.save(classifier, tmp_path / "a.pack")
    again = pack.load(tmp_path / "a.pack").model.state_dict()
    for name, tensor in classifier.model.state_dict().items():
        assert torch.equal(again[name].view(torch.int32), tensor.view(torch.int32))
