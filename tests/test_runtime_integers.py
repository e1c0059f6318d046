"""onnxruntime's own tools: every matrix an integer, or an error; and what is in the files."""

import logging

import pytest
import runtime_models as models

from labkit.errors import ModelFileError, SettingError
from labkit.runtime import contents, dynamic, fused, integers, session, static, to_onnx
from labkit.runtime.onnx_session import need

TEXTS = models.TEXTS
MATRICES = 2 * 6 + 3 + 2  # of two layers, three tables, pooler and head


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, classifier = tmp_path_factory.mktemp("onnx"), models.full()
    source = to_onnx(classifier, folder / "float.onnx")
    found = {"float": source, "dynamic": dynamic(source, folder / "dynamic.onnx")}
    found["static"] = static(source, folder / "static.onnx", texts=TEXTS)
    return classifier, found


@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_every_matrix_becomes_an_integer_and_the_answers_stay_near(files, kind):
    classifier, found = files
    assert integers.matrices(found["float"])[1] == 0
    left, narrow = integers.matrices(found[kind])
    assert left == 0
    assert narrow >= integers.matrices(found["float"])[0] >= MATRICES - 1
    runtime = session(found[kind])
    assert 1e-5 < models.error(classifier, runtime) < 0.2
    assert runtime.labels == classifier.labels
    assert (
        3.5 < session(found["float"]).bytes / runtime.bytes < 4.0 or runtime.bytes < session(found["float"]).bytes / 3
    )


@pytest.mark.parametrize("shape", ["shallow", "merged", "narrow", "factorized"])
def test_other_shapes_too(shape, tmp_path):
    classifier = models.SHAPES[shape]()
    source = to_onnx(classifier, tmp_path / "float.onnx")
    for path in (dynamic(source, tmp_path / "d.onnx"), static(source, tmp_path / "s.onnx", texts=TEXTS)):
        assert models.error(classifier, session(path)) < 0.2


def test_a_layer_that_is_left_out_is_an_error(files, tmp_path, monkeypatch):
    """A version of the tool that quietly knows fewer operations."""
    tools = need("onnxruntime.quantization")
    honest = tools.quantize_dynamic

    def forgetful(*args, op_types_to_quantize, **settings):
        return honest(*args, op_types_to_quantize=["Gather"], **settings)

    monkeypatch.setattr(tools, "quantize_dynamic", forgetful)
    with pytest.raises(ModelFileError, match=r"\d+ matrices of integers. Received \d+, and \d+ that are still floats"):
        dynamic(files[1]["float"], tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_calibration_needs_texts(files, tmp_path):
    with pytest.raises(SettingError, match="training texts to calibrate on"):
        static(files[1]["float"], tmp_path / "x.onnx", texts=[])


def test_the_tools_say_nothing_and_logging_is_as_it_was(files, tmp_path, capfd, caplog):
    before = logging.root.manager.disable
    dynamic(files[1]["float"], tmp_path / "x.onnx")
    assert logging.root.manager.disable == before
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_bytes_by_type_add_up_to_nearly_the_file(files):
    for path in files[1].values():
        found = contents.bytes_by_type(path)
        assert sum(found.values()) < path.stat().st_size
    assert next(iter(contents.bytes_by_type(files[1]["float"]))) == "float32"
    assert next(iter(contents.bytes_by_type(files[1]["dynamic"]))) in ("int8", "uint8")


def test_what_runs_is_counted(files, tmp_path):
    classifier, found = files
    linear = 2 * 6 + 2
    assert contents.products(found["float"])[0] == 0
    assert contents.products(found["dynamic"])[0] == linear
    assert contents.products(found["static"])[0] >= linear
    quick = fused(classifier, tmp_path / "fused.onnx", kind="static", texts=TEXTS)
    assert contents.products(quick) == (4 + 5 + 2, 0)
    assert contents.operations(quick)["MultiHeadAttention"] == 2
    weights = fused(classifier, tmp_path / "weights.onnx", kind="weights")
    assert contents.products(weights) == (0, 4 + 5 + 2)
    groups = fused(classifier, tmp_path / "groups.onnx", kind="groups")
    assert contents.products(groups) == (4 + 5 + 2, 0)
