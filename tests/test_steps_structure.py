"""PruneHeads, PruneFFN and Factorize as steps: alone, with each other and with all other steps, through a file."""

import numpy as np
import pytest
import small
import torch

from labkit import pack, structure
from labkit.cache import Cache
from labkit.classifier import Classifier
from labkit.errors import SettingError
from labkit.importance import column_scores, head_scores
from labkit.policy import Policy
from labkit.steps import (
    Distill,
    Factorize,
    KeepLayers,
    MergeVocabulary,
    PruneFFN,
    PruneHeads,
    PruneMagnitude,
    Quantize,
    step_from_dict,
)
from labkit.steps.base import encoder_weights
from labkit.steps.factorize import factors, pays

TRAIN = Distill(epochs=1, transfer=0)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small.task(tmp_path_factory.mktemp("task"))


@pytest.mark.parametrize("criterion", ["magnitude", "first-order"])
def test_the_heads_and_columns_with_the_best_scores_stay(task, criterion):
    teacher = small.classifier(layers=3)
    student = teacher.copy()
    for step in (PruneHeads(1, criterion=criterion), PruneFFN(10, criterion=criterion)):
        step.prepare(student, task)
    best = [int(scores.argmax()) for scores in head_scores(teacher, task, criterion=criterion)]
    for layer, head in enumerate(best):
        old, new = (one.model.bert.encoder.layer[layer] for one in (teacher, student))
        assert torch.equal(new.attention.self.query.weight, old.attention.self.query.weight[8 * head : 8 * head + 8])
    assert structure.heads(student.model) == [1, 1, 1]
    assert structure.widths(student.model) == [10, 10, 10]


def test_columns_are_those_with_the_best_scores(task):
    teacher = small.classifier()
    student = teacher.copy()
    PruneFFN(7, criterion="magnitude").prepare(student, task)
    for layer, scores in enumerate(column_scores(teacher, criterion="magnitude")):
        kept = np.sort(np.argsort(-scores.numpy(), kind="stable")[:7])
        old, new = (one.model.bert.encoder.layer[layer].output.dense.weight for one in (teacher, student))
        assert torch.equal(new, old[:, kept])


def test_global_keeps_as_many_in_all(task):
    student = small.classifier(layers=3)
    with torch.no_grad():
        student.model.bert.encoder.layer[0].intermediate.dense.weight[5:] *= 0.01
        student.model.bert.encoder.layer[0].output.dense.weight[:, 5:] *= 0.01
    PruneFFN(16, criterion="magnitude", scope="global").prepare(student, task)
    found = structure.widths(student.model)
    assert sum(found) == 48
    assert found[0] < min(found[1:])


def test_all_of_them_changes_nothing(task):
    teacher, student = small.classifier(), small.classifier()
    for step in (PruneHeads(2), PruneFFN(32)):
        step.prepare(student, task)
    assert np.array_equal(teacher.logits(small.SENTENCES), student.logits(small.SENTENCES))
    assert teacher.fingerprint == student.fingerprint


@pytest.mark.parametrize("shape", [(20, 8), (8, 20), (12, 12)])
@pytest.mark.parametrize("rank", [1, 3, 8])
def test_the_factors_are_the_nearest_of_their_rank(shape, rank):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(rank))
    left, right = factors(matrix, rank)
    u, s, v = np.linalg.svd(matrix.numpy().astype(np.float64), full_matrices=False)
    np.testing.assert_allclose(left @ right, (u[:, :rank] * s[:rank]) @ v[:rank], atol=1e-5)
    lost = np.linalg.norm(matrix - left @ right)
    assert lost == pytest.approx(np.sqrt((s[rank:] ** 2).sum()), rel=1e-4, abs=1e-5)  # Eckart and Young
    np.testing.assert_allclose(right @ right.T, np.eye(rank), atol=1e-5)


def test_a_factorized_encoder_is_the_encoder_with_the_nearest_matrices():
    student, oracle = small.classifier(hidden=32), small.classifier(hidden=32)
    Factorize(rank=6, what="encoder").prepare(student)
    with torch.no_grad():
        for weight in encoder_weights(oracle.model).values():
            assert pays(weight.shape, 6)
            u, s, v = np.linalg.svd(weight.numpy(), full_matrices=False)
            weight.copy_(torch.from_numpy((u[:, :6] * s[:6]) @ v[:6]))
    np.testing.assert_allclose(student.logits(small.SENTENCES), oracle.logits(small.SENTENCES), atol=1e-4)
    assert len(encoder_weights(student.model)) == 24
    up, down = (getattr(student.model.bert.encoder.layer[0].output.dense, name).weight for name in ("up", "down"))
    assert up.norm().item() == pytest.approx(down.norm().item(), rel=1e-4)


def test_a_factorized_table_is_the_nearest_table(task):
    student, oracle = small.classifier(), small.classifier()
    Factorize(rank=5).prepare(student)
    with torch.no_grad():
        table = oracle.model.bert.embeddings.word_embeddings.weight
        u, s, v = np.linalg.svd(table.numpy().astype(np.float64), full_matrices=False)
        table.copy_(torch.from_numpy((u[:, :5] * s[:5]) @ v[:5]))
    np.testing.assert_allclose(student.logits(small.SENTENCES), oracle.logits(small.SENTENCES), atol=1e-4)
    assert student.model.get_input_embeddings().weight.shape == (30522, 5)
    rows = student.model.get_input_embeddings()(torch.tensor([[101, 2751, 102]]))
    with torch.no_grad():
        same = student.model(inputs_embeds=rows).logits
        assert torch.equal(same, student.model(input_ids=torch.tensor([[101, 2751, 102]])).logits)


def test_where_nothing_becomes_smaller_that_is_said():
    with pytest.raises(SettingError, match="at which two factors are smaller than a matrix. Received rank=16"):
        Factorize(rank=16, what="both").prepare(small.classifier())
    mixed = small.classifier(hidden=32)  # of 32×32 rank 18 saves nothing, of 32×64 it does
    Factorize(rank=18, what="encoder").prepare(mixed)
    assert set(mixed.model.config.narrowed["ranks"].values()) == {18}
    assert len(mixed.model.config.narrowed["ranks"]) == 4
    once = small.classifier()
    Factorize(rank=4).prepare(once)
    with pytest.raises(SettingError, match="a whole table of words"):
        Factorize(rank=2).prepare(once)


STEPS = {
    "heads": [PruneHeads(1)],
    "columns": [PruneFFN(9, criterion="magnitude")],
    "global": [PruneHeads(1, scope="global"), PruneFFN(12, scope="global")],
    "tables": [Factorize(rank=6)],
    "both": [Factorize(rank=6, what="both")],
    "heads, then layers": [PruneHeads(1), PruneFFN(9), KeepLayers((0, 2))],
    "layers, then heads": [KeepLayers((2, 0)), PruneHeads(1), PruneFFN(9)],
    "factors, then layers": [Factorize(rank=6, what="both"), KeepLayers((0, 2))],
    "factors, then heads": [Factorize(rank=6, what="both"), PruneHeads(1), PruneFFN(9)],
    "heads, then factors": [PruneHeads(1), PruneFFN(20), Factorize(rank=4, what="both")],
    "vocabulary, then factors": [MergeVocabulary(150), Factorize(rank=4)],
    "factors, then vocabulary": [Factorize(rank=4), MergeVocabulary(150)],
    "zeros": [PruneHeads(1), PruneMagnitude(0.5)],
    "gradual": [PruneHeads(1), PruneFFN(9), Factorize(rank=3, what="both"), PruneMagnitude(0.5, schedule="gradual")],
    "integers": [PruneHeads(1), PruneFFN(9), Quantize(bits=4, group=16)],
    "all": [MergeVocabulary(150), PruneHeads(1), PruneFFN(9), KeepLayers(2), Quantize(bits=8, group=16)],
}


@pytest.mark.parametrize("name", STEPS)
def test_together_with_every_other_step_and_back_from_the_file(name, task, tmp_path):
    policy = Policy([*STEPS[name], TRAIN])
    assert Policy.from_json(policy.to_json()) == policy
    student = policy.apply(small.classifier(layers=3), task, cache=Cache(tmp_path / "cache"))
    again = pack.load(policy.packed(small.classifier(layers=3), task, cache=Cache(tmp_path / "cache")))
    assert np.array_equal(student.logits(small.SENTENCES), again.logits(small.SENTENCES))
    student.save(tmp_path / "folder")
    folder = Classifier.load(tmp_path / "folder")
    assert np.array_equal(student.logits(small.SENTENCES), folder.logits(small.SENTENCES))
    assert student.fingerprint == again.fingerprint == folder.fingerprint
    layers = 2 if "layers" in name or name == "all" else 3
    assert len(structure.heads(again.model)) == layers == again.model.config.num_hidden_layers


def test_a_narrowed_student_is_a_teacher_for_the_next_policy(task, tmp_path):
    first = Policy([PruneHeads(1), PruneFFN(9)]).apply(small.classifier(layers=3), task, cache=Cache(tmp_path))
    second = Policy([PruneFFN(5), KeepLayers(2)]).apply(first, task, cache=Cache(tmp_path))
    assert (structure.heads(second.model), structure.widths(second.model)) == ([1, 1], [5, 5])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PruneHeads(criterion="size"), r"criterion to be one of .*first-order.* Received 'size'"),
        (lambda: PruneFFN(scope="matrix"), r"scope to be one of \('layer', 'global'\). Received 'matrix'"),
        (lambda: Factorize(rank=0), "a rank of at least 1. Received 0"),
        (lambda: Factorize(what="all"), r"what to be one of .*both"),
        (lambda: PruneHeads(3, criterion="magnitude").prepare(small.classifier()), "from 1 to 2 a layer. Received 3"),
        (lambda: PruneFFN(0, criterion="magnitude").prepare(small.classifier()), "from 1 to 32 a layer. Received 0"),
        (lambda: PruneHeads(1).prepare(small.classifier()), "Use the step in a policy"),
    ],
)
def test_what_is_refused(make, words):
    with pytest.raises(SettingError, match=words):
        make()


def test_steps_are_plain_values():
    step = PruneHeads(4, scope="global")
    assert step.to_dict() == {"step": "PruneHeads", "heads": 4, "criterion": "first-order", "scope": "global"}
    assert step_from_dict(step.to_dict()) == step
