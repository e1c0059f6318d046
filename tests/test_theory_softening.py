"""Softened probabilities and what follows from them, against torch, scipy and plain differences."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from labkit.errors import SettingError
from labkit.steps.distill import distillation_loss
from labkit.theory.softening import (
    divergence,
    entropy,
    imitation_gradient,
    label_gradient,
    matching,
    soften,
    undecided,
)

RNG = np.random.default_rng(0)
STUDENT, TEACHER = RNG.normal(size=(2, 30, 5)) * 4
warm = pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.0])


@warm
def test_softened_probabilities_are_scipys(temperature):
    np.testing.assert_allclose(soften(TEACHER, temperature), softmax(TEACHER / temperature, axis=1), rtol=1e-12)


def test_logits_of_any_size_give_probabilities():
    found = soften([[1000.0, 998.0], [-1000.0, -998.0], [0.0, 2000.0]], 1.0)
    np.testing.assert_allclose(found, [[0.880797, 0.119203], [0.119203, 0.880797], [0.0, 1.0]], atol=1e-6)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6, unique=True), st.floats(0.3, 50))
def test_warmth_keeps_the_order_and_brings_classes_together(logits, temperature):
    cold, warmer = soften([logits], temperature)[0], soften([logits], 2 * temperature)[0]
    assert np.all(np.diff(warmer[np.argsort(logits)]) >= -1e-12)
    assert warmer.max() <= cold.max() + 1e-12
    assert entropy([warmer])[0] >= entropy([cold])[0] - 1e-9


def test_entropy_is_scipys_and_zero_for_the_sure():
    p = softmax(TEACHER, axis=1)
    np.testing.assert_allclose(entropy(p), scipy_entropy(p, axis=1), rtol=1e-12)
    assert entropy([[0.0, 1.0, 0.0]]).tolist() == [0.0]


@warm
def test_the_divergence_is_scipys_and_cross_entropy_minus_entropy(temperature):
    p, q = softmax(TEACHER / temperature, axis=1), softmax(STUDENT / temperature, axis=1)
    found = divergence(STUDENT, TEACHER, temperature=temperature)
    np.testing.assert_allclose(found, scipy_entropy(p, q, axis=1), rtol=1e-9)
    np.testing.assert_allclose(found, -(p * np.log(q)).sum(axis=1) - entropy(p), rtol=1e-7, atol=1e-12)


@warm
def test_times_t_squared_it_is_the_loss_that_students_are_trained_with(temperature):
    batch = {"teacher_logits": torch.tensor(TEACHER), "labels": torch.full((30,), -1)}
    loss = distillation_loss(torch.tensor(STUDENT), batch, temperature=temperature, mix=1.0)
    found = temperature**2 * divergence(STUDENT, TEACHER, temperature=temperature).mean()
    assert found == pytest.approx(loss.item(), rel=1e-9)


@warm
@pytest.mark.parametrize("scaled", [True, False])
def test_the_gradient_is_autograds(temperature, scaled):
    student = torch.tensor(STUDENT, requires_grad=True)
    target = torch.softmax(torch.tensor(TEACHER) / temperature, dim=1)
    loss = torch.nn.functional.kl_div(torch.log_softmax(student / temperature, dim=1), target, reduction="sum")
    (loss * (temperature**2 if scaled else 1)).backward()
    found = imitation_gradient(STUDENT, TEACHER, temperature=temperature, scaled=scaled)
    np.testing.assert_allclose(found, student.grad.numpy(), rtol=1e-8, atol=1e-12)


def test_the_gradient_of_a_label_is_autograds_and_there_is_none_without_one():
    labels = RNG.integers(0, 5, size=30)
    student = torch.tensor(STUDENT, requires_grad=True)
    torch.nn.functional.cross_entropy(student, torch.tensor(labels), reduction="sum").backward()
    np.testing.assert_allclose(label_gradient(STUDENT, labels), student.grad.numpy(), rtol=1e-8, atol=1e-12)
    labels[::2] = -1
    found = label_gradient(STUDENT, labels)
    assert not found[::2].any()
    np.testing.assert_allclose(found[1::2], student.grad.numpy()[1::2], rtol=1e-8, atol=1e-12)


def test_at_a_high_temperature_the_loss_matches_centred_logits_whatever_is_added_to_them():
    limit = matching(STUDENT, TEACHER)
    warm = [
        1e4**2 * divergence(STUDENT, TEACHER, temperature=1e4),
        1e3**2 * divergence(STUDENT, TEACHER, temperature=1e3),
    ]
    np.testing.assert_allclose(warm[0], limit, rtol=1e-2)
    assert np.abs(warm[0] - limit).sum() < 0.2 * np.abs(warm[1] - limit).sum(), "the gap falls as 1/T"
    moved = STUDENT + RNG.normal(size=(30, 1))
    np.testing.assert_allclose(matching(moved, TEACHER), limit, rtol=1e-9)
    centred = [one - one.mean(axis=1, keepdims=True) for one in (STUDENT, TEACHER)]
    np.testing.assert_allclose(limit, ((centred[0] - centred[1]) ** 2).sum(axis=1) / 10, rtol=1e-12)


def test_the_undecided_come_first():
    gaps = np.diff(np.sort(TEACHER, axis=1)[:, -2:], axis=1)[:, 0]
    found = undecided(TEACHER, 7)
    assert found.tolist() == sorted(range(30), key=lambda row: gaps[row])[:7]
    assert len(undecided(TEACHER, 100)) == 30


def test_errors_say_what_was_expected():
    with pytest.raises(SettingError, match="a temperature above 0. Received 0"):
        soften(TEACHER, 0)
    with pytest.raises(SettingError, match="a temperature above 0. Received nan"):
        divergence(STUDENT, TEACHER, temperature=float("nan"))
    with pytest.raises(
        SettingError, match=r"logits of shape \(rows, classes\), two classes at least. Received shape \(2,\)"
    ):
        soften([1.0, 2.0], 1)
    for function in (divergence, matching, imitation_gradient):
        with pytest.raises(SettingError, match=r"as many logits of the student.*\(30, 5\) and \(29, 5\)"):
            function(STUDENT, TEACHER[1:])
