"""One row of numbers: counted, and scored in a fresh process from the packed file."""

import inspect
import json
import subprocess
import sys

import numpy as np
import psutil
import pytest
import small
from safetensors.torch import save_file
from sklearn.metrics import f1_score

from labkit import counting, pack
from labkit import measure as module
from labkit.errors import LabError
from labkit.measure import compare_classifiers, file_size, measure, size_on_disk
from labkit.statistics import compare
from labkit.steps import PruneMagnitude, Quantize


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    task = small.task(tmp_path_factory.mktemp("task"), rows=200)
    classifier = small.classifier()
    Quantize(bits=4).finish(classifier)
    return classifier, task, measure(classifier, task, seconds=12.5)


def test_the_score_is_that_of_the_classifier(setup):
    classifier, task, found = setup
    truth, predicted = task.truth("test"), classifier.predict(task.texts("test"))
    assert found.predicted.tolist() == predicted.tolist()
    assert found.f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert found.f1.low < found.f1.value < found.f1.high
    assert found.accuracy == np.mean(truth == predicted)
    assert found.batch_flips == 0


def test_what_can_be_counted_is_counted(setup, tmp_path):
    classifier, _, found = setup
    assert found.bytes == size_on_disk(classifier) == pack.save(classifier, tmp_path / "m.pack")
    assert found.parameters == counting.parameters(classifier.model)
    assert found.nonzeros == counting.nonzeros(classifier.model) < found.parameters
    assert found.macs == counting.macs(classifier.model)
    assert found.seconds == 12.5
    assert 0 < found.latency_b1_p50_ms <= found.latency_b1_p95_ms
    assert 0 < found.latency_b32_p50_ms <= found.latency_b32_p95_ms
    assert found.machine
    assert "torch" in found.versions


def test_the_memory_is_that_of_the_fresh_process_and_not_of_this_one(setup):
    _, _, found = setup
    assert 1e8 < found.peak_memory < 2e9  # torch and transformers alone take hundreds of megabytes


def test_a_small_process_started_by_a_large_one_has_a_small_peak():
    # Linux hands ru_maxrss down; this process has torch loaded, a bare Python needs a twentieth of that.
    own = psutil.Process().memory_info().rss
    code = f"import sys\nfrom pathlib import Path\n{inspect.getsource(module._peak_resident)}\nprint(_peak_resident())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2e6 < int(done.stdout) < min(own / 4, 1e8)


def test_a_row_is_flat_and_plain(setup):
    row = setup[2].row()
    assert row["f1_low"] < row["f1"] < row["f1_high"]
    assert "predicted" not in row
    assert "versions" not in row
    json.dumps(row)


def test_the_size_of_a_plain_file_is_that_of_safetensors(tmp_path):
    classifier = small.classifier(hidden=32)
    save_file(classifier.model.state_dict(), tmp_path / "plain.safetensors")
    dense = file_size(classifier.model)
    assert dense == (tmp_path / "plain.safetensors").stat().st_size
    PruneMagnitude(sparsity=0.9).prepare(classifier)
    assert file_size(classifier.model) == dense  # zeros are stored like any other number
    assert size_on_disk(classifier) < size_on_disk(small.classifier(hidden=32)) - 50_000


def test_two_classifiers_are_compared_on_the_same_rows(setup):
    _, task, _ = setup
    first, second = small.classifier(), small.classifier(seed=1)
    for part in ("test", "validation"):
        texts = task.texts(part)
        expected = compare(task.truth(part), first.predict(texts), second.predict(texts))
        assert compare_classifiers(first, second, task, part=part) == expected


@pytest.mark.parametrize(
    ("said", "words"), [("Killed: out of memory", "Killed: out of memory"), ("", "no word from it")]
)
def test_a_fresh_process_that_fails_is_quoted(setup, monkeypatch, tmp_path, said, words):
    classifier, task, _ = setup
    (tmp_path / "python").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(
        LabError, match=f"a fresh process that loads the packed file. Received {words}. Free some memory"
    ):
        measure(classifier, task)
