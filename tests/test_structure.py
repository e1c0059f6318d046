"""Narrowed models: they compute what the whole model computes with the same parts at zero, and come back from a file."""

import copy
import json

import numpy as np
import pytest
import small
import torch
from transformers import BertConfig

from labkit import pack, structure
from labkit.classifier import Classifier
from labkit.counting import macs, parameters
from labkit.errors import SettingError
from labkit.steps import KeepLayers
from labkit.steps.base import encoder_weights

HEADS = [[1, 3], [0], [0, 1, 2, 3]]
COLUMNS = [list(range(0, 64, 3)), [5], list(range(64))]
IDS = torch.tensor([[101, 2751, 1998, 3165, 102], [101, 2751, 102, 0, 0]])
MASK = (IDS != 0).long()


def whole():
    """Three layers of four heads of eight numbers, and 64 columns; biases are not zero."""
    classifier = small.classifier(layers=3, hidden=32)
    config = BertConfig(**{**classifier.model.config.to_dict(), "num_attention_heads": 4})
    torch.manual_seed(0)
    model = structure.build(config)
    with torch.no_grad():
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return Classifier(model, classifier.tokenizer, classifier.labels)


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS, attention_mask=MASK).logits


def narrowed():
    classifier = whole()
    structure.keep_heads(classifier.model, HEADS)
    structure.keep_columns(classifier.model, COLUMNS)
    return classifier


def zeroed():
    """The whole model with the other heads and columns at zero: no other code than indexing."""
    model = whole().model
    with torch.no_grad():
        for layer, heads, columns in zip(model.bert.encoder.layer, HEADS, COLUMNS, strict=True):
            for head in set(range(4)) - set(heads):
                layer.attention.output.dense.weight[:, 8 * head : 8 * head + 8] = 0
            gone = sorted(set(range(64)) - set(columns))
            layer.output.dense.weight[:, gone] = 0
    return model


def test_the_narrow_model_computes_what_the_whole_one_does_with_the_same_parts_at_zero():
    model = narrowed().model
    assert torch.allclose(logits(model), logits(zeroed()), atol=1e-6, rtol=0)
    assert not torch.allclose(logits(model), logits(whole().model), atol=1e-2, rtol=0)


def test_matrices_are_smaller_and_ordinary():
    classifier = narrowed()
    first, second, third = classifier.model.bert.encoder.layer
    assert [type(m) for m in (first.attention.self.query, first.output.dense)] == [torch.nn.Linear] * 2
    assert first.attention.self.query.weight.shape == (16, 32)
    assert first.attention.self.value.bias.shape == (16,)
    assert first.attention.output.dense.weight.shape == (32, 16)
    assert first.attention.output.dense.bias.shape == (32,)
    assert second.intermediate.dense.weight.shape == (1, 32)
    assert second.intermediate.dense.bias.shape == (1,)
    assert third.output.dense.weight.shape == (32, 64)
    assert structure.heads(classifier.model) == [2, 1, 4]
    assert structure.widths(classifier.model) == [22, 1, 64]
    before, after = whole().model, classifier.model
    gone = [(2, 42), (3, 63), (0, 0)]  # heads and columns less in each layer
    assert parameters(before) - parameters(after) == sum(h * 8 * (4 * 32 + 3) + c * (2 * 32 + 1) for h, c in gone)
    tokens = 12
    assert macs(before, length=tokens) - macs(after, length=tokens) == sum(
        h * 8 * (4 * 32 * tokens + 2 * tokens**2) + c * 2 * 32 * tokens for h, c in gone
    )
    assert len(encoder_weights(after)) == 18


def test_the_kept_parts_keep_their_bits_and_their_order():
    before, after = whole().model.bert.encoder.layer[0], narrowed().model.bert.encoder.layer[0]
    rows = [*range(8, 16), *range(24, 32)]
    assert torch.equal(after.attention.self.key.weight, before.attention.self.key.weight[rows])
    assert torch.equal(after.attention.self.key.bias, before.attention.self.key.bias[rows])
    assert torch.equal(after.output.dense.weight, before.output.dense.weight[:, ::3])
    assert torch.equal(after.output.dense.bias, before.output.dense.bias)


def test_the_configuration_alone_gives_the_shapes():
    model = narrowed().model
    config = BertConfig.from_dict(json.loads(json.dumps(model.config.to_dict())))
    again = structure.build(config)
    assert {n: t.shape for n, t in again.state_dict().items()} == {n: t.shape for n, t in model.state_dict().items()}
    again.load_state_dict(model.state_dict())
    assert torch.equal(logits(again), logits(model))
    with torch.device("meta"):
        empty = structure.build(config)
    assert all(tensor.is_meta for tensor in empty.parameters())
    assert config.narrowed == model.config.narrowed == {
        "heads": [2, 1, 4], "widths": [22, 1, 64], "ranks": {}, "embedding_rank": 0,
    }  # fmt: skip


def test_an_ordinary_configuration_gives_an_ordinary_model():
    plain = whole().model
    assert not hasattr(plain.config, "narrowed")
    structure.record(plain)
    assert not hasattr(plain.config, "narrowed")
    structure.keep_heads(plain, [range(4)] * 3)
    assert not hasattr(plain.config, "narrowed")
    assert torch.equal(logits(plain), logits(whole().model))


def test_copies_are_independent_and_equal():
    first = narrowed()
    second = first.copy()
    assert torch.equal(logits(first.model), logits(second.model))
    structure.keep_heads(second.model, [[0], [0], [0]])
    assert structure.heads(first.model) == [2, 1, 4]
    assert first.model.config.narrowed["heads"] == [2, 1, 4]
    assert structure.heads(copy.deepcopy(second.model)) == [1, 1, 1]


def test_narrowing_again_counts_from_what_is_there():
    once, twice = whole().model, narrowed().model
    structure.keep_heads(once, [[3], [0], [2]])
    structure.keep_columns(once, [[6], [5], [0, 63]])
    structure.keep_heads(twice, [[1], [0], [2]])
    structure.keep_columns(twice, [[2], [0], [0, 63]])
    assert torch.equal(logits(once), logits(twice))


def test_gradients_reach_every_weight():
    model = narrowed().model.train()
    model(input_ids=IDS, attention_mask=MASK).logits.square().sum().backward()
    assert all(weight.grad is not None for weight in encoder_weights(model).values())


@pytest.mark.parametrize("drop", [False, True])
def test_folder_and_packed_file_bring_it_back_bit_for_bit(drop, tmp_path):
    classifier = narrowed()
    if drop:  # layers go after heads: the record is renewed
        KeepLayers((0, 2)).prepare(classifier)
        assert classifier.model.config.narrowed["heads"] == [2, 4]
    classifier.save(tmp_path / "folder")
    pack.save(classifier, tmp_path / "model.pack")
    for again in (Classifier.load(tmp_path / "folder"), pack.load(tmp_path / "model.pack")):
        assert np.array_equal(again.logits(small.SENTENCES), classifier.logits(small.SENTENCES))
        assert again.fingerprint == classifier.fingerprint
        assert structure.heads(again.model) == structure.heads(classifier.model)
        assert again.copy().fingerprint == classifier.fingerprint


def test_onnx_computes_the_same(tmp_path):
    ort = pytest.importorskip("onnxruntime")
    model = narrowed().model.eval()
    path = tmp_path / "narrow.onnx"
    import warnings

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (IDS, MASK), path, dynamo=False, input_names=["ids", "mask"], output_names=["logits"],
            dynamic_axes={"ids": {0: "rows", 1: "tokens"}, "mask": {0: "rows", 1: "tokens"}},
        )  # fmt: skip
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"ids": IDS.numpy(), "mask": MASK.numpy()})
    np.testing.assert_allclose(found, logits(model).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ([[0], [], [1]], "at least one head of 0 to 3 for layer 1, each once. Received \\[\\]. .*KeepLayers"),
        ([[0], [1, 1], [1]], "layer 1, each once. Received \\[1, 1\\]"),
        ([[0], [1], [4]], "of 0 to 3 for layer 2"),
        ([[-1], [1], [2]], "of 0 to 3 for layer 0"),
        ([[0], [1]], "a list of heads for each of 3 layers. Received 2 lists"),
    ],
)
def test_heads_that_cannot_be_kept(kept, words):
    model = whole().model
    with pytest.raises(SettingError, match=words):
        structure.keep_heads(model, kept)
    assert structure.heads(model) == [4, 4, 4]


def test_columns_that_cannot_be_kept():
    with pytest.raises(SettingError, match="at least one column of 0 to 63 for layer 0"):
        structure.keep_columns(whole().model, [[64], [0], [0]])


def test_a_record_that_does_not_fit_is_refused():
    config = copy.deepcopy(narrowed().model.config)
    config.num_hidden_layers = 2
    with pytest.raises(SettingError, match=r"each of 2 layers. Received 3 lists. .*structure.record"):
        structure.build(config)
    config.num_hidden_layers, config.narrowed = 3, config.narrowed | {"widths": [65, 1, 64]}
    with pytest.raises(SettingError, match="column of 0 to 63 for layer 0"):
        structure.build(config)


def test_a_low_rank_layer_is_the_product_of_its_parts_plus_the_bias():
    torch.manual_seed(0)
    layer, x = structure.LowRank(6, 2, 5), torch.randn(3, 6)
    by_hand = x @ (layer.up.weight @ layer.down.weight).T + layer.up.bias
    assert torch.allclose(layer(x), by_hand, atol=1e-6)
    assert torch.equal(structure.dense(layer), layer.up.weight @ layer.down.weight)
    assert structure.entry(layer) is layer.down.weight
    plain = torch.nn.Linear(6, 5)
    assert structure.entry(plain) is structure.dense(plain) is plain.weight
