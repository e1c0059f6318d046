"""Counts against formulas and against torch."""

import pytest
import small
import torch

from labkit.counting import macs, nonzeros, parameters, training_bytes
from labkit.steps import KeepLayers, PruneMagnitude

H, I, L = 16, 32, 12  # hidden, intermediate, tokens


def by_hand(*, layers, batch, length, labels=2):
    """Multiply-adds of BERT: per layer four H×H products, two H×I, and the two of attention; pooler and head."""
    layer = length * (4 * H * H + 2 * H * I) + 2 * length * length * H
    return batch * (layers * layer + H * H + H * labels)


@pytest.mark.parametrize(("layers", "batch", "length"), [(2, 1, 12), (3, 1, 12), (2, 4, 7)])
def test_multiply_adds_are_those_of_the_formula(layers, batch, length):
    model = small.classifier(layers=layers).model
    assert macs(model, batch=batch, length=length) == by_hand(layers=layers, batch=batch, length=length)


def test_zeros_cost_as_much_and_dropped_layers_nothing():
    classifier = small.classifier(layers=3)
    dense = macs(classifier.model)
    PruneMagnitude(sparsity=0.9).prepare(classifier)
    assert macs(classifier.model) == dense
    KeepLayers(1).prepare(classifier)
    assert macs(classifier.model) == by_hand(layers=1, batch=1, length=12)


def test_counting_changes_no_setting_of_torch():
    before = torch.backends.mha.get_fastpath_enabled(), torch.is_grad_enabled()
    macs(small.classifier().model)
    assert (torch.backends.mha.get_fastpath_enabled(), torch.is_grad_enabled()) == before


def test_parameters_and_nonzeros():
    classifier = small.classifier()
    embeddings = (30522 + 128 + 2) * H + 2 * H
    layer = 4 * (H * H + H) + (H * I + I) + (I * H + H) + 4 * H
    total = embeddings + 2 * layer + (H * H + H) + (2 * H + 2)
    assert parameters(classifier.model) == total
    before = nonzeros(classifier.model)
    PruneMagnitude(sparsity=0.5).prepare(classifier)
    assert parameters(classifier.model) == total
    assert before - nonzeros(classifier.model) == 2 * (4 * H * H + 2 * H * I) // 2


def test_training_keeps_four_numbers_a_parameter_and_moves_none():
    model = small.classifier().model
    before = small.state(model)
    steps = 4 * len(list(model.parameters()))  # each tensor has its own float32 step count
    assert training_bytes(model) == 4 * 4 * parameters(model) + steps
    assert small.same(small.state(model), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_frozen_parameters_have_weights_only():
    model = small.classifier().model
    for parameter in model.bert.parameters():
        parameter.requires_grad = False
    head = parameters(model.classifier)
    assert training_bytes(model) == 4 * parameters(model) + 3 * 4 * head + 2 * 4
