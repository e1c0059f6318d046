"""What all steps have in common."""

import pytest
import small

from labkit.errors import SettingError
from labkit.steps import Distill, KeepLayers, PruneMagnitude, Quantize, Step, step_from_dict
from labkit.steps.base import check_share, encoder_weights

STEPS = [
    KeepLayers(3), KeepLayers((0, 2)), PruneMagnitude(), PruneMagnitude(0.8, schedule="gradual", scope="global", layers=(1,)),
    Distill(transfer=10), Quantize(bits=3, group=32, embedding_bits=None),
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_a_step_comes_back_from_plain_values(step):
    assert step_from_dict(step.to_dict()) == step
    assert hash(step_from_dict(step.to_dict())) == hash(step)


def test_a_step_that_overrides_nothing_does_nothing():
    classifier = small.classifier()
    before = small.state(classifier.model)
    step = Step()
    step.prepare(classifier)
    assert step.constrain(classifier) == []
    step.finish(classifier)
    assert small.same(small.state(classifier.model), before)
    assert not step.needs_training
    assert not step.trains


def test_which_steps_train_or_need_it():
    assert Distill().trains
    assert PruneMagnitude(schedule="gradual").needs_training
    assert not any(step.needs_training for step in (PruneMagnitude(), KeepLayers(1), Quantize(), Distill()))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"step": "Shrink"},
            r"one of the steps \['CutVocabulary', 'Distill', .*'Quantize'.*Received 'Shrink'",
        ),
        ({}, "one of the steps.*Received None"),
        (
            {"step": "Quantize", "bit": 4},
            r"fields of Quantize: \['bits', 'group', 'embedding_bits'.*Received \['bit'\]",
        ),
        ({"step": "Quantize", "bits": 1}, "from 2 to 8 bits"),
        ("KeepLayers", 'a step such as {"step": "KeepLayers"'),
    ],
)
def test_what_is_no_step(values, words):
    with pytest.raises(SettingError, match=words):
        step_from_dict(values)


def test_the_encoders_matrices_are_six_a_layer():
    weights = encoder_weights(small.classifier(layers=3).model)
    assert len(weights) == 18
    assert sum(weight.numel() for weight in weights.values()) == 3 * (4 * 16 * 16 + 2 * 16 * 32)
    assert all(name.endswith("weight") and "LayerNorm" not in name for name in weights)
    only = encoder_weights(small.classifier(layers=3).model, layers=(1,))
    assert len(only) == 6
    assert all(".layer.1." in name for name in only)


def test_layer_one_is_not_layer_eleven():
    assert len(encoder_weights(small.classifier(layers=12).model, layers=(1,))) == 6


@pytest.mark.parametrize("value", [0, 1, 0.0, 0.5, 1.0])
def test_shares(value):
    check_share("mix", value)
