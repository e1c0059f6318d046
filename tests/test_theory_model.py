import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from labkit.theory.model import cut, largest_gap, mean_gradient


@pytest.fixture(scope="module")
def model():
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=3,
    )
    torch.manual_seed(0)
    return BertForSequenceClassification(config).double()


@pytest.fixture
def batch():
    ids = torch.randint(1, 50, (12, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[::2, 4:] = 0
    return {"input_ids": ids, "attention_mask": mask}, torch.arange(12) % 3


def test_the_gradient_is_the_loss_of_transformers_differentiated(model, batch):
    inputs, labels = batch
    model.eval()
    loss = model(**inputs, labels=labels).loss
    expected = torch.autograd.grad(loss, list(model.parameters()))
    assert largest_gap(mean_gradient(model, [(inputs, labels)]), expected) < 1e-12
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("workers", [1, 3, 4])
def test_the_mean_over_equal_shards_is_the_gradient_of_all_rows(model, batch, workers):
    whole = mean_gradient(model, [batch])
    mean = mean_gradient(model, cut(*batch, workers=workers))
    assert largest_gap(mean, whole) < 1e-12
    assert largest_gap(mean, [0 * g for g in whole]) > 1e-3


def test_dropout_is_off(model, batch):
    model.train()
    assert largest_gap(mean_gradient(model, [batch]), mean_gradient(model, [batch])) == 0.0
