"""Distillation: the loss against torch's and scipy's divergence, the rows it trains on, its settings."""

import numpy as np
import pytest
import small
import torch
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

from labkit.batches import split
from labkit.errors import SettingError
from labkit.steps import Distill
from labkit.steps.distill import distillation_loss
from labkit.task import load_task


def example(rows=7, classes=4, labels=(0, 1, 2, 3, -1, -1, 1)):
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(rows, classes, generator=generator, requires_grad=True)
    batch = {"teacher_logits": 3 * torch.randn(rows, classes, generator=generator), "labels": torch.tensor(labels)}
    return student, batch


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_the_loss_is_torchs_divergence_and_cross_entropy(temperature, mix):
    student, batch = example()
    divergence = nn.KLDivLoss(reduction="batchmean")(
        torch.log_softmax(student / temperature, 1), torch.softmax(batch["teacher_logits"] / temperature, 1)
    )
    labelled = nn.CrossEntropyLoss(ignore_index=-1)(student, batch["labels"])
    expected = mix * temperature**2 * divergence + (1 - mix) * labelled
    assert distillation_loss(student, batch, temperature=temperature, mix=mix).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_the_first_term_is_scipys_divergence_of_teacher_from_student():
    student, batch = example()
    teacher, own = (softmax(logits.detach().numpy() / 2, axis=1) for logits in (batch["teacher_logits"], student))
    expected = 4 * np.mean([entropy(p, q) for p, q in zip(teacher, own, strict=True)])
    assert distillation_loss(student, batch, temperature=2.0, mix=1.0).item() == pytest.approx(expected, rel=1e-5)


def test_a_student_that_equals_its_teacher_loses_nothing_and_does_not_move():
    _, batch = example()
    student = batch["teacher_logits"].clone().requires_grad_()
    loss = distillation_loss(student, batch, temperature=3.0, mix=1.0)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert student.grad.abs().max() < 1e-6


def test_the_gradient_keeps_its_size_at_high_temperature():
    sizes = []
    for temperature in (20.0, 40.0):
        student, batch = example()
        distillation_loss(student, batch, temperature=temperature, mix=1.0).backward()
        sizes.append(student.grad.norm().item())
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


def test_rows_without_a_label_count_in_the_first_term_only():
    student, batch = example(labels=(-1,) * 7)
    loss = distillation_loss(student, batch, temperature=2.0, mix=0.4)
    assert torch.isfinite(loss)
    assert loss.item() == pytest.approx(0.4 * distillation_loss(student, batch, temperature=2.0, mix=1.0).item())


def test_the_rows_are_the_training_rows_and_the_chosen_sentences():
    task = load_task(limit=200)
    step = Distill(transfer=50, repeat=3, words=0)
    texts, labels = step.rows(task, seed=1)
    n = len(task.texts("train"))
    assert texts[: 3 * n] == task.texts("train") * 3
    assert labels[: 3 * n].tolist() == task.truth("train").tolist() * 3
    assert len(texts) == len(labels) == 3 * n + 50
    assert set(labels[3 * n :].tolist()) == {-1}
    chosen = texts[3 * n :]
    assert len(set(chosen)) == 50
    assert set(chosen) <= set(task.texts("transfer"))
    assert step.rows(task, seed=1)[0] == texts
    assert step.rows(task, seed=2)[0] != texts
    short = Distill(transfer=50, repeat=3, words=6).rows(task, seed=1)[0]
    assert short[: 3 * n] == texts[: 3 * n]
    assert short[3 * n :] == [" ".join(text.split()[:6]) for text in chosen]


def test_more_sentences_than_there_are_take_all(tmp_path):
    task = small.task(tmp_path)
    texts, _ = Distill(transfer=1000).rows(task, seed=0)
    assert texts == task.texts("train")


def test_its_training_is_what_it_says():
    training = Distill(epochs=3, learning_rate=5e-4, batch_size=16).training
    assert (training.epochs, training.learning_rate, training.batch_size) == (3, 5e-4, 16)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mix": 1.5}, "mix as a share from 0 to 1. Received 1.5"),
        ({"mix": -0.1}, "mix as a share from 0 to 1"),
        ({"temperature": 0}, "a temperature above 0"),
        ({"temperature": float("nan")}, "a temperature above 0. Received nan"),
        ({"transfer": -1}, "transfer and words of at least 0"),
        ({"words": -1}, "transfer and words of at least 0.*words=-1"),
        ({"repeat": 0}, "repeat of at least 1"),
        ({"epochs": 0}, "at least one epoch"),
        ({"epochs": 1.5}, "at least one epoch"),
        ({"learning_rate": 5}, "a learning rate between 0 and 1"),
        ({"batch_size": 0}, "one row a batch"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(options, words):
    with pytest.raises(SettingError, match=words):
        Distill(**options)


def test_losses_of_parts_add_up_to_the_loss_of_the_whole():
    random = torch.Generator().manual_seed(0)
    logits, teacher = (torch.randn(7, 3, generator=random) for _ in range(2))
    batch = {
        "input_ids": torch.zeros(7, 1),
        "teacher_logits": teacher,
        "labels": torch.tensor([0, -1, 2, -1, -1, 1, 0]),
    }
    settings = {"temperature": 2.0, "mix": 0.7}
    whole = distillation_loss(logits, batch, **settings)
    parts = [
        distillation_loss(rows, part, **settings) for rows, part in zip(logits.split(2), split(batch, 2), strict=True)
    ]
    assert sum(parts).item() == pytest.approx(whole.item(), rel=1e-6)
