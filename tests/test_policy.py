"""A policy: JSON in and out, all prepare, one training under all constraints, all finish, and the result is kept."""

import json

import numpy as np
import pytest
import small
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import pack
from labkit.batches import Batches, encode
from labkit.cache import Cache
from labkit.callbacks import Callback
from labkit.errors import Interrupted, SettingError
from labkit.pack.file import read
from labkit.policy import Policy
from labkit.steps import Distill, KeepLayers, PruneMagnitude, Quantize
from labkit.steps.base import encoder_weights
from labkit.steps.distill import distillation_loss
from labkit.training import fit

TRAIN = Distill(epochs=2, batch_size=16, learning_rate=1e-3)


@pytest.fixture
def setup(tmp_path):
    return small.classifier(layers=3, dropout=0.1), small.task(tmp_path), Cache(tmp_path / "cache")


class Count(Callback):
    def __init__(self, stop=None):
        self.steps, self.stop = [], stop

    def after_step(self, state):
        self.steps.append(state.step)
        if state.step == self.stop:
            raise KeyboardInterrupt


SHARES = st.floats(0, 1)
STEPS = st.one_of(
    st.builds(
        KeepLayers, st.one_of(st.integers(1, 6), st.lists(st.integers(0, 5), min_size=1, unique=True).map(tuple))
    ),
    st.builds(
        PruneMagnitude,
        SHARES,
        scope=st.sampled_from(["matrix", "global"]),
        layers=st.sampled_from([None, (0,), (1, 2)]),
    ),
    st.builds(Quantize, st.integers(2, 8), st.integers(1, 256), st.sampled_from(["same", None, 16, 2, 1.5])),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(STEPS, max_size=4))
def test_every_policy_comes_back_from_json(steps):
    policy = Policy(steps)
    assert Policy.from_json(policy.to_json()) == policy
    assert Policy.from_json(json.dumps(json.loads(policy.to_json()), indent=3)) == policy
    assert hash(policy) == hash(Policy(tuple(steps)))


def test_without_training_the_steps_are_what_they_are_alone(setup):
    teacher, task, cache = setup
    before = small.state(teacher.model)
    found = Policy([Quantize(bits=4, group=8), PruneMagnitude(sparsity=0.5), KeepLayers((2, 0))]).apply(
        teacher, task, cache=cache
    )
    assert small.same(small.state(teacher.model), before)
    by_hand = teacher.copy()
    PruneMagnitude(sparsity=0.5).prepare(by_hand)
    KeepLayers((2, 0)).prepare(by_hand)
    Quantize(bits=4, group=8).finish(by_hand)
    assert found.fingerprint == by_hand.fingerprint
    assert np.array_equal(found.logits(small.SENTENCES), by_hand.logits(small.SENTENCES))


def test_the_empty_policy_is_the_teacher(setup):
    teacher, task, cache = setup
    assert Policy([]).apply(teacher, task, cache=cache).fingerprint == teacher.fingerprint


def test_the_training_is_the_loop_with_the_teachers_logits(setup):
    teacher, task, cache = setup
    found = Policy([KeepLayers(1), TRAIN]).apply(teacher, task, seed=2, cache=cache)
    by_hand, texts = teacher.copy(), task.texts("train")
    KeepLayers(1).prepare(by_hand)
    batches = Batches(
        encode(by_hand.tokenizer, texts), batch_size=16, seed=2, labels=task.truth("train"),
        teacher_logits=teacher.logits(texts, batch_size=64),
    )  # fmt: skip
    fit(
        by_hand.model, batches, training=TRAIN.training, seed=2,
        loss=lambda logits, batch: distillation_loss(logits, batch, temperature=2.0, mix=0.9),
    )  # fmt: skip
    for name, tensor in by_hand.model.state_dict().items():
        assert torch.allclose(found.model.state_dict()[name], tensor, atol=1e-6), name


@pytest.mark.parametrize("schedule", ["one-shot", "gradual"])
def test_the_constraints_hold_after_training_and_rounding(setup, schedule):
    teacher, task, cache = setup
    steps = [KeepLayers(2), PruneMagnitude(sparsity=0.75, schedule=schedule), TRAIN, Quantize(bits=5, group=16)]
    path = Policy(steps).packed(teacher, task, cache=cache)
    found = pack.load(path)
    assert found.fingerprint == Policy(steps).apply(teacher, task, cache=cache).fingerprint
    weights = encoder_weights(found.model)
    assert len(weights) == 12
    for weight in weights.values():
        assert (weight == 0).float().mean() >= 0.75
    assert set(weights) < set(found.encodings)
    header, _ = read(path)
    assert Policy.from_json(json.dumps(header["policy"])) == Policy(steps)


def test_a_student_comes_near_its_teacher(setup):
    _, task, cache = setup
    from labkit.fine_tuning import train_classifier
    from labkit.training import Training

    teacher = small.classifier(layers=3, dropout=0.0)
    train_classifier(teacher, task, training=Training(epochs=8, batch_size=8, learning_rate=5e-3))
    steps = [KeepLayers(1), Distill(epochs=8, batch_size=8, learning_rate=5e-3)]
    texts = task.texts("train")

    def distance(classifier):
        return np.abs(classifier.logits(texts) - teacher.logits(texts)).mean()

    far, near = (Policy(chosen).apply(teacher, task, cache=cache) for chosen in (steps[:1], steps))
    assert distance(near) < 0.5 * distance(far)


def test_the_second_time_nothing_is_computed(setup):
    teacher, task, cache = setup
    policy, counts = Policy([PruneMagnitude(sparsity=0.5), TRAIN]), [Count(), Count()]
    paths = [policy.packed(teacher, task, cache=cache, callbacks=[count]) for count in counts]
    assert paths[0] == paths[1]
    assert (len(counts[0].steps), counts[1].steps) == (6, [])


def test_another_seed_teacher_task_or_step_is_another_result(setup, tmp_path):
    teacher, task, _ = setup
    keys = [
        Policy([KeepLayers(1)]).key(teacher, task, seed=0), Policy([KeepLayers(1)]).key(teacher, task, seed=1),
        Policy([KeepLayers(2)]).key(teacher, task, seed=0), Policy([]).key(teacher, task, seed=0),
        Policy([KeepLayers(1)]).key(small.classifier(seed=1), task, seed=0),
        Policy([KeepLayers(1)]).key(teacher, small.task(tmp_path, fold=1), seed=0),
    ]  # fmt: skip
    assert len({json.dumps(key, sort_keys=True) for key in keys}) == len(keys)
    assert Policy([KeepLayers(1)]).key(teacher, task, seed=0) == keys[0]


def test_stopped_it_goes_on_and_ends_with_the_same_file(setup, tmp_path):
    teacher, task, cache = setup
    policy = Policy([PruneMagnitude(sparsity=0.8, schedule="gradual"), TRAIN, Quantize(bits=4)])
    expected = policy.packed(teacher, task, cache=Cache(tmp_path / "other")).read_bytes()
    with pytest.raises(Interrupted, match="it goes on from step 3"):
        policy.packed(teacher, task, cache=cache, callbacks=[Count(stop=3)])
    count = Count()
    assert policy.packed(teacher, task, cache=cache, callbacks=[count]).read_bytes() == expected
    assert count.steps == [4, 5, 6]


def test_a_rounded_teacher_can_be_pruned(setup):
    # Its integers no longer fit the weights then, and must not come back from the file.
    teacher, task, cache = setup
    rounded = Policy([Quantize(bits=4)]).apply(teacher, task, cache=cache)
    pruned = Policy([PruneMagnitude(sparsity=0.9)]).apply(rounded, task, cache=cache)
    for weight in encoder_weights(pruned.model).values():
        assert (weight == 0).float().mean() >= 0.9 - 0.01


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([TRAIN, TRAIN], "one training step at most. Received 2. Keep one Distill"),
        (
            [Quantize(bits=2, aware=True), PruneMagnitude(schedule="gradual"), TRAIN],
            "PruneMagnitude before Quantize, as both act during training. Received it after it. Change places",
        ),
        ([PruneMagnitude(schedule="gradual")], r"beside PruneMagnitude.*Received none. Add Distill\(epochs=4\)"),
        (["KeepLayers"], r"steps such as KeepLayers\(3\). Received 'KeepLayers'"),
        (KeepLayers(3), r"a list of steps. Received KeepLayers\(layers=3\). Write Policy\(\[KeepLayers\(3\)\]\)"),
    ],
)
def test_lists_of_steps_that_make_no_sense(steps, words):
    with pytest.raises(SettingError, match=words):
        Policy(steps)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a policy as JSON"),
        ('[{"step": "KeepLayers", ', "a policy as JSON.*Copy it from `to_json"),
        ('{"step": "KeepLayers"}', "a policy as a JSON list"),
        ("3", "a policy as a JSON list. Received 3"),
        ('["KeepLayers"]', "a step such as"),
        ('[{"step": "Shrink"}]', "one of the steps.*Received 'Shrink'"),
        ('[{"step": "PruneMagnitude", "sparsity": NaN}]', "sparsity as a share"),
    ],
)
def test_text_that_is_no_policy(text, words):
    with pytest.raises(SettingError, match=words):
        Policy.from_json(text)


def test_layers_that_are_not_there_are_told_before_training(setup):
    teacher, task, cache = setup
    count = Count()
    with pytest.raises(SettingError, match="at least one of the layers 0 to 2"):
        Policy([KeepLayers(4), TRAIN]).apply(teacher, task, cache=cache, callbacks=[count])
    assert count.steps == []
