"""The exported file says what PyTorch says, for every shape of model, and holds all that predicting needs."""

import warnings

import numpy as np
import pytest
import runtime_models as models
import torch

from labkit.errors import ModelFileError, SettingError
from labkit.latency import race
from labkit.runtime import export, session, to_onnx
from labkit.runtime import session as open_file
from labkit.runtime.onnx_session import need

TEXTS = models.TEXTS


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    classifier = models.full()
    return classifier, to_onnx(classifier, tmp_path_factory.mktemp("onnx") / "full.onnx")


@pytest.mark.parametrize("shape", models.SHAPES)
def test_logits_and_labels_are_those_of_pytorch(shape, tmp_path):
    classifier = models.SHAPES[shape]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = to_onnx(classifier, tmp_path / "model.onnx")
    runtime = session(path)
    for batch_size in (1, 3, 32):
        assert models.error(classifier, runtime, batch_size=batch_size) < 1e-4
        assert (runtime.predict(TEXTS, batch_size=batch_size) == classifier.predict(TEXTS)).all()


def test_one_file_holds_everything(exported, tmp_path):
    classifier, path = exported
    moved = tmp_path / "elsewhere.onnx"
    moved.write_bytes(path.read_bytes())
    runtime = session(moved)
    assert runtime.labels == classifier.labels
    assert runtime.bytes == moved.stat().st_size
    assert (runtime.predict(TEXTS) == classifier.predict(TEXTS)).all()
    assert [p.name for p in path.parent.iterdir()] == ["full.onnx"]


def test_it_is_measured_and_raced_like_a_classifier(exported):
    classifier, path = exported
    runtime = session(path, threads=1)
    batch = {"input_ids": torch.tensor([[101, 7, 102]]), "attention_mask": torch.ones(1, 3, dtype=torch.int64)}
    with torch.inference_mode():
        assert torch.allclose(runtime.model(**batch).logits, classifier.model(**batch).logits, atol=1e-4)
        times = race({"torch": lambda: classifier.model(**batch), "file": lambda: runtime.model(**batch)}, rounds=5)
    assert times["file"].p50 > 0
    assert "onnxruntime, full" in repr(runtime)
    progress = []
    runtime.logits(TEXTS, batch_size=4, progress=lambda share, words: progress.append(share))
    assert progress[-1] == 1


def test_fingerprints_tell_files_and_settings_apart(exported, tmp_path):
    _, path = exported
    other = to_onnx(models.shallow(), tmp_path / "other.onnx")
    prints = {session(path, threads=1).fingerprint, session(path, threads=2).fingerprint, session(other).fingerprint}
    assert len(prints) == 3
    assert session(path, threads=1).fingerprint == session(path, threads=1).fingerprint


def test_a_graph_that_computes_something_else_is_refused(monkeypatch, tmp_path):
    classifier, wrong = models.full(), models.full()
    with torch.no_grad():
        wrong.model.classifier.bias += 0.05
    traced = export._traced(wrong.model)
    monkeypatch.setattr(export, "_traced", lambda model: traced)
    with pytest.raises(ModelFileError, match=r"logits of PyTorch, to 0.0001 of the largest. Received an error of"):
        to_onnx(classifier, tmp_path / "model.onnx")


@pytest.mark.parametrize("content", [None, b"", b"not a model", b"\x08\x08" * 50])
def test_what_is_no_model_file_is_refused(content, tmp_path):
    path = tmp_path / "strange.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match="a model file that to_onnx wrote at strange.onnx"):
        session(path)


def test_a_model_without_our_notes_is_refused(exported, tmp_path):
    onnx = need("onnx")
    model = onnx.load(exported[1])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(ModelFileError, match="a model file that to_onnx wrote"):
        session(tmp_path / "bare.onnx")
    with pytest.raises(ModelFileError, match="one without labels"):
        export.notes_of(model)


def test_a_truncated_file_is_refused(exported, tmp_path):
    data = exported[1].read_bytes()
    (tmp_path / "short.onnx").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelFileError, match="Export the classifier again"):
        session(tmp_path / "short.onnx")


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_threads_are_whole(exported, threads):
    with pytest.raises(SettingError, match="at least one thread"):
        session(exported[1], threads=threads)


def test_a_missing_package_is_named():
    with pytest.raises(
        ModelFileError, match="the package nothing_of_this_name.*pip install -c constraints.txt nothing_of_this_name"
    ):
        need("nothing_of_this_name.inside")


def test_the_graph_may_run_as_it_is_written(exported):
    plain = open_file(exported[1], optimize=False)
    assert models.error(exported[0], plain) < 1e-4
    assert np.isfinite(plain.logits(TEXTS)).all()
