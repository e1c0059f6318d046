"""Dropping layers: the model left is the one that BERT would be with those layers only."""

import pytest
import small
import torch
from transformers import BertConfig, BertForSequenceClassification

from labkit.errors import SettingError
from labkit.steps import KeepLayers


@pytest.mark.parametrize("layers", [1, 2, 3, (2,), (0, 2), (2, 0)])
def test_the_model_is_an_ordinary_bert_with_the_kept_layers(layers):
    classifier = small.classifier(layers=3)
    before = small.state(classifier.model)
    KeepLayers(layers).prepare(classifier)
    kept = list(range(layers)) if isinstance(layers, int) else list(layers)
    config = BertConfig(**{**classifier.model.config.to_dict(), "num_hidden_layers": len(kept)})
    plain = BertForSequenceClassification(config).eval()
    renamed = {}
    for name, tensor in before.items():
        head, mark, rest = name.partition("encoder.layer.")
        layer, _, tail = rest.partition(".")
        if not mark:
            renamed[name] = tensor
        elif int(layer) in kept:
            renamed[f"{head}{mark}{kept.index(int(layer))}.{tail}"] = tensor
    plain.load_state_dict(renamed)
    ids = torch.tensor([[101, 2751, 1998, 102]])
    with torch.no_grad():
        assert torch.equal(classifier.model(input_ids=ids).logits, plain(input_ids=ids).logits)
    assert classifier.model.config.num_hidden_layers == len(kept)


@pytest.mark.parametrize("layers", [0, -1, 4, (), (0, 3), (1, 1), "two", 1.5, True, None])
def test_layers_that_are_not_there(layers):
    classifier = small.classifier(layers=3)
    with pytest.raises(SettingError, match="at least one of the layers 0 to 2, each once"):
        KeepLayers(layers).prepare(classifier)
    assert len(classifier.model.bert.encoder.layer) == 3
