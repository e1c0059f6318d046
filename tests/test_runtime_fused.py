"""The graph of few operations: the same logits in float32, the integers that it says, and scales that stand still."""

import numpy as np
import pytest
import runtime_models as models
import small
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from labkit.errors import ModelFileError, SettingError
from labkit.runtime import activations, calibrate, fused, session
from labkit.runtime.graph import bert_graph
from labkit.runtime.onnx_session import need
from labkit.runtime.products import Float, WeightOnly, _groups, columns_to_int8

TEXTS = models.TEXTS
INTEGERS = ("dynamic", "static", "careful", "weights", "groups")


@pytest.mark.parametrize("shape", models.SHAPES)
def test_in_float32_it_is_pytorch(shape, tmp_path):
    classifier = models.SHAPES[shape]()
    runtime = session(fused(classifier, tmp_path / "model.onnx", kind="float"))
    for batch_size in (1, 3, 32):
        assert models.error(classifier, runtime, batch_size=batch_size) < 1e-4
    assert (runtime.predict(TEXTS) == classifier.predict(TEXTS)).all()


@pytest.mark.parametrize("shape", models.SHAPES)
@pytest.mark.parametrize("kind", INTEGERS)
def test_in_integers_it_is_near(shape, kind, tmp_path):
    classifier = models.SHAPES[shape]()
    runtime = session(fused(classifier, tmp_path / "model.onnx", kind=kind, texts=TEXTS))
    assert 1e-5 < models.error(classifier, runtime) < 0.15


def test_few_layers_few_operations(tmp_path):
    counts = {}
    for layers in (1, 2, 3):
        graph = bert_graph(models.full(layers).model, Float())
        counts[layers] = len(graph.nodes)
        assert len(graph.products) == 4 * layers + 1 + 2  # the last layer asks with one token: one product more
    assert counts[3] - counts[2] == counts[2] - counts[1] <= 13


def test_static_is_what_pytorch_computes_with_rounded_numbers(tmp_path):
    """The oracle: the float model with weights and activations rounded to the same grids, one by one."""
    classifier = models.full()
    ranges = calibrate(classifier, TEXTS)
    runtime = session(fused(classifier, tmp_path / "model.onnx", kind="static", texts=TEXTS))
    by_hand, bert = classifier.copy(), None
    bert = by_hand.model.bert

    def rounded(name):
        low, high = min(0.0, ranges[name][0]), max(0.0, ranges[name][1])
        scale = (high - low) / 255
        zero = round(-low / scale)

        def hook(module, inputs):
            return ((torch.clamp(torch.round(inputs[0] / scale) + zero, 0, 255) - zero) * scale,)

        return hook

    with torch.no_grad():
        words = bert.embeddings.word_embeddings.weight
        scale = words.abs().amax(dim=1, keepdim=True) / 127
        words.copy_(torch.round(words / scale.clamp_min(1e-30)) * scale)
        named = {"pooler": bert.pooler.dense, "classifier": by_hand.model.classifier}
        for number, layer in enumerate(bert.encoder.layer):
            own, name = layer.attention.self, f"layer.{number}"
            last = number == len(bert.encoder.layer) - 1
            for part in ("query", "key", "value"):
                group = (
                    f"{name}.query-key-value"
                    if not last
                    else f"{name}.query"
                    if part == "query"
                    else f"{name}.key-value"
                )
                named[f"{group} {part}"] = getattr(own, part)
            named |= {f"{name}.out": layer.attention.output.dense, f"{name}.up": layer.intermediate.dense}
            named[f"{name}.down"] = layer.output.dense
        for name, linear in named.items():
            scales = linear.weight.abs().amax(dim=1, keepdim=True) / 127
            linear.weight.copy_(torch.round(linear.weight / scales) * scales)
            linear.register_forward_pre_hook(rounded(name.split()[0]))
    assert models.error(by_hand, runtime) < 0.02
    assert models.error(classifier, runtime) > models.error(by_hand, runtime)


def test_calibration_sees_what_goes_into_each_product():
    classifier = models.full()
    ranges = calibrate(classifier, TEXTS)
    seen = {}
    for number, layer in enumerate(classifier.model.bert.encoder.layer):
        for name, linear in {"up": layer.intermediate.dense, "down": layer.output.dense}.items():

            def hook(module, inputs, name=f"layer.{number}.{name}"):
                low, high = seen.get(name, (np.inf, -np.inf))
                seen[name] = min(low, inputs[0].min().item()), max(high, inputs[0].max().item())

            linear.register_forward_pre_hook(hook)
    classifier.logits(TEXTS)
    assert ranges["layer.0.up"] == pytest.approx(seen["layer.0.up"], rel=1e-4)
    assert ranges["layer.0.down"] == pytest.approx(seen["layer.0.down"], rel=1e-4)
    # Of the last layer only the first token is computed here, and PyTorch computes all of them.
    assert seen["layer.1.up"][0] <= ranges["layer.1.up"][0] + 1e-4
    assert seen["layer.1.up"][1] >= ranges["layer.1.up"][1] - 1e-4


def test_activations_are_those_that_pytorch_sees():
    classifier, seen = models.full(), []
    layer = classifier.model.bert.encoder.layer[0]
    layer.output.dense.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].numpy()))
    classifier.logits(TEXTS[:1])
    found = activations(classifier, TEXTS[:1], "layer.0.down")
    assert found.shape == seen[0].shape
    assert np.allclose(found, seen[0], atol=1e-4)
    with pytest.raises(SettingError, match="one of the products .*'layer.0.up'"):
        activations(classifier, TEXTS, "layer.7.up")
    with pytest.raises(SettingError, match="texts to compute. Received none"):
        activations(classifier, [], "layer.0.up")


def test_a_static_scale_does_not_look_at_the_neighbours(tmp_path):
    classifier = models.full()
    logits = {}
    for kind in ("static", "careful", "dynamic", "groups"):
        runtime = session(fused(classifier, tmp_path / f"{kind}.onnx", kind=kind, texts=TEXTS))
        logits[kind] = [runtime.logits(TEXTS, batch_size=size) for size in (1, 32)]
    largest = np.abs(logits["static"][0]).max()
    moved = {kind: np.abs(alone - together).max() / largest for kind, (alone, together) in logits.items()}
    assert moved["static"] < 1e-5
    assert moved["groups"] < 1e-5
    assert moved["careful"] < 1e-5
    assert moved["dynamic"] > 1e-4


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(-100, 100, width=32))
)
@example(np.array([[1e-45, 2.7e-43, 1e-36]], np.float32))  # where float32 itself has only a few digits
@settings(max_examples=60, deadline=None)
def test_columns_are_rounded_to_half_a_step(matrix):
    integers, scales = columns_to_int8(matrix)
    assert integers.dtype == np.int8
    assert np.abs(integers.astype(int)).max() <= 127
    assert (np.abs(integers * scales - matrix) <= scales * 0.5 + 1e-5 * np.abs(matrix)).all()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("inner", [32, 40, 64, 7])
def test_groups_come_back(bits, inner):
    matrix = np.random.default_rng(0).normal(size=(inner, 5)).astype(np.float32)
    codes, scales = _groups(matrix, bits=bits, group=32)
    if bits == 4:
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:2], 32)
    middle = 2 ** (bits - 1)
    back = ((codes.astype(np.float32) - middle) * scales[..., None]).reshape(5, -1)[:, :inner].T
    assert np.abs(back - matrix).max() <= scales.max() / 2 + 1e-6
    assert np.abs(back).max() == pytest.approx(np.abs(matrix).max(), rel=1e-5)


@pytest.mark.parametrize("bits", [4, 8])
def test_fewer_bits_smaller_files_larger_errors(bits, tmp_path):
    classifier = models.full()
    sizes = {
        kind: fused(classifier, tmp_path / f"{kind}.onnx", kind=kind).stat().st_size
        for kind in ("float", "weights", "weights 4")
    }
    assert sizes["weights 4"] < sizes["weights"] < sizes["float"] / 2
    with pytest.raises(SettingError, match="4 or 8 bits"):
        WeightOnly(bits=3)


def test_a_factorized_matrix_is_two_products(tmp_path):
    classifier = models.full()
    layer = classifier.model.bert.encoder.layer[0]
    layer.intermediate.dense = torch.nn.Sequential(torch.nn.Linear(32, 6, bias=False), torch.nn.Linear(6, 64))
    own = layer.attention.self
    own.query = torch.nn.Sequential(torch.nn.Linear(32, 5, bias=False), torch.nn.Linear(5, 32))
    runtime = session(fused(classifier, tmp_path / "model.onnx", kind="float"))
    assert models.error(classifier, runtime) < 1e-4


def test_wrong_kinds_no_texts_and_strange_models_are_told(tmp_path):
    classifier = models.full()
    with pytest.raises(SettingError, match="one of .*'static'"):
        fused(classifier, tmp_path / "x.onnx", kind="int7")
    with pytest.raises(SettingError, match="training texts to calibrate on"):
        fused(classifier, tmp_path / "x.onnx", kind="static")
    classifier.model.config.hidden_act = "relu"
    with pytest.raises(ModelFileError, match="a BERT classifier with GELU"):
        fused(classifier, tmp_path / "x.onnx", kind="float")
    with pytest.raises(ModelFileError, match="a BERT classifier with GELU"):
        bert_graph(torch.nn.Linear(2, 2), Float())
    classifier = models.full()
    classifier.model.bert.encoder.layer[0].output.dense = torch.nn.Bilinear(2, 2, 2)
    with pytest.raises(ModelFileError, match="Linear layers. Received Bilinear"):
        bert_graph(classifier.model, Float())


def test_no_new_name_twice():
    graph = bert_graph(models.full().model, Float())
    model = graph.model(["logits"])
    names = [name for node in model.graph.node for name in node.output]
    assert len(names) == len(set(names))
    need("onnx").checker.check_graph  # noqa: B018 - the contrib operations are unknown to the checker itself
    assert small.tokenizer()
