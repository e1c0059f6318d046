"""Masks against torch's own pruning, the schedule, and zeros that stay zeros while a model trains."""

import itertools

import numpy as np
import pytest
import small
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils import prune

from labkit.batches import Batches, encode
from labkit.callbacks import Callback, State
from labkit.errors import SettingError
from labkit.steps import PruneMagnitude
from labkit.steps.base import encoder_weights
from labkit.steps.prune_magnitude import Masking, gradual_sparsity, keep_largest
from labkit.training import Training, fit

QUICK = settings(max_examples=80, deadline=None, derandomize=True)


@QUICK
@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.floats(0, 1))
def test_exactly_the_asked_number_goes_and_none_that_goes_is_larger_than_one_that_stays(values, sparsity):
    scores = torch.tensor(values, dtype=torch.float32)
    mask = keep_largest(scores, sparsity)
    assert int((~mask).sum()) == round(sparsity * len(values))
    if mask.any() and not mask.all():
        assert scores[~mask].max() <= scores[mask].min()


def test_among_equals_the_first_go_first():
    assert keep_largest(torch.ones(2, 3), 0.5).tolist() == [[False, False, False], [True, True, True]]


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.77, 1.0])
def test_one_matrix_is_masked_as_torch_masks_it(sparsity):
    weight = torch.randn(24, 32, generator=torch.Generator().manual_seed(0))
    layer = torch.nn.Linear(32, 24)
    layer.weight.data.copy_(weight)
    prune.l1_unstructured(layer, "weight", amount=round(sparsity * weight.numel()))
    assert torch.equal(keep_largest(weight.abs(), sparsity), layer.weight_mask.bool())


def test_global_masks_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: scale * torch.randn(16, 8, generator=generator) for name, scale in (("a", 1.0), ("b", 0.3), ("c", 2.0))
    }
    layers = {name: torch.nn.Linear(8, 16) for name in weights}
    for name, layer in layers.items():
        layer.weight.data.copy_(weights[name])
    prune.global_unstructured([(layer, "weight") for layer in layers.values()], prune.L1Unstructured, amount=0.6)
    masks = PruneMagnitude(sparsity=0.6, scope="global").masks(weights)
    for name, layer in layers.items():
        assert torch.equal(masks[name], layer.weight_mask.bool())
    shares = {name: 1 - mask.float().mean().item() for name, mask in masks.items()}
    assert shares["b"] > shares["a"] > shares["c"]


@pytest.mark.parametrize("scope", ["matrix", "global"])
def test_one_shot_zeroes_the_encoder_and_nothing_else(scope):
    classifier = small.classifier(layers=3)
    before = small.state(classifier.model)
    PruneMagnitude(sparsity=0.6, scope=scope).prepare(classifier)
    weights = encoder_weights(classifier.model)
    assert len(weights) == 18
    zeros, total = sum(int((w == 0).sum()) for w in weights.values()), sum(w.numel() for w in weights.values())
    assert zeros / total == pytest.approx(0.6, abs=0.002)
    for name, tensor in classifier.model.state_dict().items():
        if name not in weights:
            assert torch.equal(tensor, before[name]), name
            continue
        stays = tensor != 0
        assert torch.equal(tensor[stays], before[name][stays])
        assert not torch.signbit(tensor[~stays]).any()  # plain zeros, which a packed file need not store
        if scope == "matrix":
            assert int((~stays).sum()) == round(0.6 * tensor.numel())


def test_only_the_chosen_layers_are_pruned():
    classifier = small.classifier(layers=3)
    PruneMagnitude(sparsity=0.5, layers=(0, 2)).prepare(classifier)
    for name, weight in encoder_weights(classifier.model).items():
        assert ((weight == 0).float().mean().item() == pytest.approx(0.5, abs=0.01)) == ("layer.1." not in name)


def test_the_gradual_schedule_is_zhu_and_guptas():
    for progress in np.linspace(0, 1, 21):
        t = min(max((progress - 0.1) / 0.5, 0), 1)
        expected = 0.9 + (0 - 0.9) * (1 - t) ** 3  # their equation 1 with an initial sparsity of 0
        assert gradual_sparsity(progress, target=0.9, begin=0.1, end=0.6) == pytest.approx(expected)
    shares = [gradual_sparsity(p, target=0.8) for p in np.linspace(0, 1, 50)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert gradual_sparsity(0.5, target=0.8) == shares[-1] == 0.8


class Watch(Callback):
    """Writes down which weights are zero after every step."""

    def __init__(self, weights):
        self.weights, self.zeros = weights, []

    def after_step(self, state):
        self.zeros.append({name: (weight == 0).clone() for name, weight in self.weights.items()})


def trained(step, *, classifier=None, epochs=4):
    classifier = classifier or small.classifier()
    texts = [
        f"{a} {b}"
        for a in ["gold", "iron", "apple", "pear"]
        for b in ["tin", "lemon", "copper", "plum", "silver", "peach"]
    ]
    batches = Batches(encode(classifier.tokenizer, texts), batch_size=4, labels=np.arange(24) % 2)
    step.prepare(classifier)
    watch = Watch(encoder_weights(classifier.model, layers=step.layers))
    fit(
        classifier.model,
        batches,
        training=Training(epochs=epochs, learning_rate=1e-3),
        callbacks=[*step.constrain(classifier), watch],
    )
    return classifier, watch.zeros


def share(zeros):
    return sum(int(z.sum()) for z in zeros.values()) / sum(z.numel() for z in zeros.values())


def test_one_shot_zeros_stay_zeros_while_the_rest_trains():
    classifier, zeros = trained(PruneMagnitude(sparsity=0.6))
    assert {round(share(step), 2) for step in zeros} == {0.6}
    assert all(torch.equal(zeros[0][name], zeros[-1][name]) for name in zeros[0])
    untrained = small.classifier()
    PruneMagnitude(sparsity=0.6).prepare(untrained)
    assert not small.same(small.state(classifier.model), small.state(untrained.model))


@pytest.mark.parametrize("criterion", ["magnitude", "movement", "first-order"])
@pytest.mark.parametrize("scope", ["matrix", "global"])
def test_gradual_zeros_only_grow_along_the_schedule_and_end_at_the_target(scope, criterion):
    step = PruneMagnitude(sparsity=0.8, schedule="gradual", scope=scope, criterion=criterion)
    _, zeros = trained(step, epochs=7)
    assert len(zeros) == 42
    for number, (before, after) in enumerate(itertools.pairwise(zeros), start=2):
        assert all((after[name] | ~before[name]).all() for name in before)
        if number % 8 == 0:
            assert share(after) == pytest.approx(gradual_sparsity(number / 42, target=0.8), abs=0.002)
    assert share(zeros[6]) == 0
    assert share(zeros[-1]) == pytest.approx(0.8, abs=0.001)


def test_a_schedule_that_starts_below_what_is_gone_brings_nothing_back():
    classifier = small.classifier()
    PruneMagnitude(sparsity=0.5).prepare(classifier)
    _, zeros = trained(PruneMagnitude(sparsity=0.8, schedule="gradual"), classifier=classifier, epochs=12)
    assert min(map(share, zeros)) == pytest.approx(0.5, abs=0.002)
    assert share(zeros[-1]) == pytest.approx(0.8, abs=0.002)


@pytest.mark.parametrize(
    ("criterion", "scores", "left"),
    [
        # The largest weight goes: it was pushed towards zero.
        ("movement", [-1.0, 0.0, 6.0, -4.0], [0.0, -2.0, 3.0, 0.0]),
        # The largest weight stays: the loss reacts to it. The second was pushed to and fro, which counts as well.
        ("first-order", [1.0, 8.0, 18.0, 40.0], [0.0, 0.0, 3.0, -4.0]),
    ],
)
def test_scores_are_added_up_from_weight_times_gradient(criterion, scores, left):
    weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0, 3.0, -4.0]]))
    step = PruneMagnitude(sparsity=0.5, schedule="gradual", criterion=criterion)
    masking, state = Masking(step, {"w": weight}, every=1), State(model=None, optimizer=None, steps=2)
    for gradient in ([1.0, 1.0, -1.0, 0.5], [0.0, -1.0, -1.0, -1.5]):
        weight.grad = torch.tensor([gradient])
        masking.after_backward(state)
    assert masking.added["w"].tolist() == [scores]
    state.step = 2
    masking.after_step(state)
    assert weight.tolist() == [left]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sparsity": 1.2}, "sparsity as a share from 0 to 1. Received 1.2. 0.6 stands for sixty percent"),
        ({"sparsity": 60}, "sparsity as a share from 0 to 1. Received 60. Did you mean 0.6?"),
        ({"sparsity": -0.1}, "sparsity as a share from 0 to 1. Received -0.1"),
        ({"sparsity": "half"}, "sparsity as a share from 0 to 1. Received 'half'"),
        ({"sparsity": True}, "sparsity as a share from 0 to 1. Received True"),
        ({"sparsity": float("nan")}, "sparsity as a share from 0 to 1. Received nan"),
        ({"schedule": "slow"}, r"schedule to be one of \('one-shot', 'gradual'\). Received 'slow'"),
        ({"scope": "layer"}, "scope to be one of"),
        ({"criterion": "taylor"}, "criterion to be one of"),
        ({"criterion": "movement"}, 'with criterion="movement".*nothing has been added up'),
        ({"criterion": "first-order"}, 'with criterion="first-order".*nothing has been added up'),
    ],
)
def test_settings_that_make_no_sense(options, words):
    with pytest.raises(SettingError, match=words):
        PruneMagnitude(**options)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((0, 7), "layers from 0 to 1. Received 7. This model has 2 layers"),
        (("0",), "Received '0'"),
        (1, r"One layer is \(0,\)"),
    ],
)
def test_layers_that_are_not_there(layers, words):
    with pytest.raises(SettingError, match=words):
        PruneMagnitude(layers=layers).prepare(small.classifier())
    with pytest.raises(SettingError, match=words):
        PruneMagnitude(layers=layers, schedule="gradual").prepare(small.classifier())


def test_the_word_embedding_is_pruned_where_asked_to():
    classifier = small.classifier()
    table = classifier.model.bert.embeddings.word_embeddings.weight
    expected = keep_largest(table.detach().abs(), 0.7)
    PruneMagnitude(0.7, embeddings=True).prepare(classifier)
    assert torch.equal(table != 0, expected)
    assert all((weight == 0).float().mean() > 0.69 for weight in encoder_weights(classifier.model).values())
