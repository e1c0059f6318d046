"""Distillation: the loss against torch's and scipy's divergence, the rows it trains on, its settings."""

import numpy as np
import pytest
import small
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

from labkit.batches import encode, pad, split
from labkit.cache import Cache
from labkit.errors import SettingError
from labkit.steps import Distill
from labkit.steps import distill as module
from labkit.steps.distill import distillation_loss, pieces, state_loss
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
        ({"crop": "end"}, "crop, one of .*Received crop='end'"),
        ({"crop": "pieces", "words": 0}, "at least two words a piece"),
        ({"hidden": -1.0}, "hidden of at least 0"),
        ({"teachers": 0}, "at least one teacher"),
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


@given(st.lists(st.text("ab ", max_size=40), max_size=5), st.integers(2, 6))
def test_pieces_lose_no_word_and_leave_none_alone(sentences, words):
    cut = pieces(sentences, words)
    assert " ".join(cut).split() == " ".join(sentences).split()
    for sentence in sentences:
        lengths = [len(piece.split()) for piece in pieces([sentence], words)]
        assert max(lengths) <= words + 1
        assert len(sentence.split()) < 2 or min(lengths) >= 2


def test_all_of_a_sentence_is_used_when_it_is_cut_into_pieces():
    task = load_task(limit=200)
    step = Distill(transfer=10**6, words=7, crop="pieces")
    texts, labels = step.rows(task, seed=0)
    n = len(task.texts("train"))
    assert sorted(texts[n:]) == sorted(pieces(task.texts("transfer"), 7))
    assert set(labels[n:].tolist()) == {-1}


def test_the_distance_of_states_is_numpys_and_parts_add_up():
    random = np.random.default_rng(0)
    student, teacher = random.normal(size=(2, 6, 4)).astype(np.float32)
    expected = np.mean(np.linalg.norm(student - teacher, axis=1) ** 2 / np.linalg.norm(teacher, axis=1) ** 2)
    batch = {"input_ids": torch.zeros(6, 1), "teacher_states": torch.from_numpy(teacher)}
    assert state_loss(torch.from_numpy(student), batch).item() == pytest.approx(expected, rel=1e-5)
    parts = zip(torch.from_numpy(student).split(4), split(batch, 4), strict=True)
    assert sum(state_loss(states, part).item() for states, part in parts) == pytest.approx(expected, rel=1e-5)


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_states_and_scores(tmp_path):
    task, teacher = small.task(tmp_path), small.classifier(dropout=0.0)
    step = Distill(hidden=2.0, mix=1.0)
    texts = task.texts("train")[:5]
    targets = step.targets(teacher, task, texts, cache=Cache(tmp_path / "cache"))
    batch = pad(encode(teacher.tokenizer, texts)) | {name: torch.from_numpy(rows) for name, rows in targets.items()}
    batch["labels"] = torch.full((5,), -1)
    assert step.loss(step.forward(teacher.model, batch), batch).item() == pytest.approx(0, abs=1e-5)
    other = small.classifier(dropout=0.0, seed=1).model
    without = Distill(mix=1.0)
    more = step.loss(step.forward(other, batch), batch) - without.loss(without.forward(other, batch), batch)
    states = other.base_model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    assert more.item() == pytest.approx(2 * state_loss(states[:, 0], batch).item(), rel=1e-4)


def test_several_teachers_give_the_mean_of_their_scores(tmp_path, monkeypatch):
    task, teacher = small.task(tmp_path), small.classifier()
    monkeypatch.setattr(module, "fine_tune", lambda task, *, seed, cache: small.classifier(seed=seed))
    texts = task.texts("train")[:6]
    found = Distill(teachers=3).targets(teacher, task, texts, cache=Cache(tmp_path / "cache"))["teacher_logits"]
    expected = np.mean([small.classifier(seed=seed).logits(texts) for seed in (0, 1, 2)], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
