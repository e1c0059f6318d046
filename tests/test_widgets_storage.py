"""The widget of lesson 09: what it says of a setting is what the packed file then takes."""

import numpy as np
import pytest
import small

from labkit import pack
from labkit.coding import entropy
from labkit.errors import SettingError
from labkit.policy import Policy
from labkit.widgets.storage import BITS, SHARES, Part, measure_point, panel, sizes_of, steps_of, view

SETTINGS = [(0.0, 4, 4), (0.7, 3, 4), (0.9, 8, 2), (1.0, 2, 8), (0.35, 6, 5)]


def packed_at(teacher, folder, sparsity, bits, embedding_bits):
    student = teacher.copy()
    steps = steps_of(sparsity=sparsity, bits=bits, embedding_bits=embedding_bits)
    for step in steps:
        step.prepare(student)
    for step in steps:
        step.finish(student)
    pack.save(student, folder / "model.pack", policy=[step.to_dict() for step in steps])
    return folder / "model.pack"


@pytest.fixture(scope="module")
def teacher():
    return small.classifier(hidden=64)


@pytest.fixture(scope="module")
def sizes(teacher, tmp_path_factory):
    return sizes_of(teacher, packed_at(teacher, tmp_path_factory.mktemp("packed"), 0.5, 4, 4))


def test_every_layer_is_there_with_all_its_weights(teacher, sizes):
    assert list(sizes.parts) == ["word embedding", "layer 0", "layer 1"]
    assert sizes.parts["word embedding"].total == 30522 * 64
    assert sizes.parts["layer 1"].total == 4 * 64 * 64 + 2 * 64 * 128
    assert sizes.parts["layer 1"].rows == 4 * 64 + 128 + 64


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_sizes_are_those_of_the_packed_file(teacher, sizes, tmp_path, setting):
    sparsity, bits, embedding_bits = setting
    path = packed_at(teacher, tmp_path, *setting)
    said = sizes.whole(sparsity, bits, embedding_bits)
    assert said == pytest.approx(path.stat().st_size / 1e6, rel=0.03)
    rows = pack.inspect(path)
    for number in (0, 1):
        layer = sum(row["bytes"] for row in rows if f"layer.{number}." in row["name"] and row["stored"] == "integers")
        computed = sizes.parts[f"layer {number}"].coded(sparsity=sparsity, bits=bits)
        assert computed == pytest.approx(layer / 1e6, rel=0.06, abs=0.001)


def test_a_part_has_the_entropy_of_its_rounded_weights():
    matrix = np.random.default_rng(0).normal(size=(50, 300)).astype(np.float32)
    part = Part.of([matrix], pruned=True)
    scaled = np.round(matrix / np.abs(matrix).max(axis=1, keepdims=True) * 7)
    assert part.bits(sparsity=0, bits=4) == pytest.approx(entropy(scaled), abs=0.01)
    cut = np.quantile(np.abs(matrix), 0.6)
    assert part.bits(sparsity=0.6, bits=4) == pytest.approx(
        entropy(np.where(np.abs(matrix) < cut, 0, scaled)), abs=0.01
    )
    assert part.bits(sparsity=1, bits=4) == 0
    assert part.fixed(4) == (4 * 15_000 + 16 * 50) / 8e6
    assert part.coded(sparsity=1, bits=4) == 16 * 50 / 8e6


def test_more_zeros_and_fewer_bits_never_take_more(sizes):
    for bits in BITS:
        assert (np.diff(sizes.encoder[bits]) <= 1e-9).all()
    assert len(sizes.encoder[2]) == len(SHARES)
    assert (np.diff([sizes.embedding[bits] for bits in BITS]) > 0).all()


def test_the_words_say_what_the_picture_shows(sizes):
    shown = view(sizes, sparsity=0.5, bits=4, embedding_bits=3)
    assert shown.readout.startswith("50% of the encoder at zero, 4 bits there and 3 in the word embedding.")
    assert f"the file takes {sizes.whole(0.5, 4, 3):.2f} MB." in shown.readout
    left, right = shown.figure.axes
    assert len(left.patches) == 2 * len(sizes.parts)
    assert {line.get_label() for line in right.lines} == {"2 bits", "4 bits", "8 bits", "your setting"}
    point = {"sparsity": 0.2, "bits": 3, "embedding_bits": 3, "megabytes": 1.234, "f1": 0.5}
    assert "Measured at 20%, 3 and 3 bits: 1.23 MB, macro-F1 0.500." in view(
        sizes, sparsity=0.5, bits=4, embedding_bits=3, measured=(point,)
    ).readout  # fmt: skip


def test_other_bits_are_refused(sizes):
    with pytest.raises(SettingError, match="bits among .*Received 9 and 4"):
        view(sizes, sparsity=0.5, bits=9, embedding_bits=4)


def test_the_panel_redraws(teacher, sizes, tmp_path):
    made = panel(teacher, small.task(tmp_path), sizes, sparsity=0.4, bits=3)
    assert made.params == {"sparsity": 0.4, "bits": 3, "embedding_bits": 3}
    before = made.image.value
    made.controls["embedding_bits"].value = 8
    assert "8 in the word embedding" in made.text
    assert made.image.value != before


def test_measuring_is_the_real_thing(teacher, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    task, told = small.task(tmp_path, rows=200), []
    params = {"sparsity": 0.6, "bits": 3, "embedding_bits": 4}
    point = measure_point(teacher, task, params, lambda *words: told.append(words), lambda: False)
    path = Policy(steps_of(**params)).packed(teacher, task)
    assert point["megabytes"] == path.stat().st_size / 1e6
    assert 0 <= point["f1"] <= 1
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert measure_point(teacher, task, params, lambda *words: None, lambda: True) is None
