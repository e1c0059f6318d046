"""Training with rounded weights: against a loop by hand, with masks and parts of batches, stopped and resumed."""

import pytest
import small
import torch
from torch.nn import functional

from labkit.callbacks import Callback, State
from labkit.errors import Interrupted, SettingError
from labkit.quantization import Scheme, StraightThrough, dequantize, quantize
from labkit.steps import PruneMagnitude, Quantize
from labkit.steps.base import encoder_weights
from labkit.training import Training

SCHEMES = {
    "symmetric": Scheme(3, 8),
    "affine": Scheme(3, "row", "affine"),
    "clipped": Scheme(3, 10, clip="mse"),
    "ternary": Scheme(1.5, "row"),
    "uniform": Scheme(2.2, "row", "uniform"),
    "tensor": Scheme(4, "tensor"),
}


def constrained(scheme):
    """A classifier with dropout, the matrices of its encoder, and the callback on them."""
    classifier = small.classifier(dropout=0.3)
    weights = encoder_weights(classifier.model)
    return classifier.model, weights, StraightThrough(weights, dict.fromkeys(weights, scheme))


class Watch(Callback):
    """Looks at the weights at each moment of a step."""

    def __init__(self, look):
        self.look = look

    def on_start(self, state):
        self.look("start", state)

    def after_backward(self, state):
        self.look("backward", state)

    def after_step(self, state):
        self.look("step", state)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_the_model_is_rounded_while_it_computes_and_exact_while_it_moves(scheme):
    model, weights, callback = constrained(scheme)
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    seen = []

    def look(moment, state):
        name, weight = next(iter(weights.items()))
        levels = {len(row.unique()) for row in weight.detach()} if scheme.group == "row" else {0}
        seen.append((moment, max(levels)))
        if moment == "start":
            assert torch.equal(weight.detach(), dequantize(quantize(before[name], scheme)))
        if moment == "backward":
            assert weight.grad.abs().sum() > 0
            assert torch.equal(weight.data, callback.exact[name])
        else:
            assert not torch.equal(weight.data, callback.exact[name])

    parameters = {name: id(parameter) for name, parameter in model.named_parameters()}
    small.train(model, callbacks=[callback, Watch(look)])
    if scheme.group == "row":
        assert all(count <= 2 * 127 + 1 and (moment == "backward" or count <= 16) for moment, count in seen)
    # The parameters are the same objects, and hold the exact weights at the end; rounding gives what was trained.
    assert {name: id(parameter) for name, parameter in model.named_parameters()} == parameters
    for name, weight in weights.items():
        assert not torch.equal(weight.data, before[name])
        assert torch.equal(callback._rounded[name], dequantize(quantize(weight.detach(), scheme)))


def test_a_step_is_the_one_computed_by_hand():
    torch.manual_seed(0)
    layer = torch.nn.Linear(6, 3)
    x, target, scheme, rate = torch.randn(5, 6), torch.randn(5, 3), Scheme(3, "row"), 0.1
    exact, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    for _ in range(4):
        rounded = dequantize(quantize(exact, scheme))
        out = x @ rounded.T + bias
        slope = 2 * (out - target) / out.numel()
        exact, bias = exact - rate * slope.T @ x, bias - rate * slope.sum(dim=0)

    callback = StraightThrough({"weight": layer.weight}, {"weight": scheme})
    optimizer = torch.optim.SGD(layer.parameters(), lr=rate)
    state = State(model=layer, optimizer=optimizer, steps=4)
    callback.on_start(state)
    for _ in range(4):
        # Scales are fitted every few steps; by hand they are fitted at each.
        state.step = 7
        optimizer.zero_grad()
        functional.mse_loss(layer(x), target).backward()
        callback.after_backward(state)
        optimizer.step()
        state.step = 8
        callback.after_step(state)
    callback.on_end(state)
    assert torch.allclose(layer.weight, exact, atol=1e-6)
    assert torch.allclose(layer.bias, bias, atol=1e-6)


def test_the_gradient_is_torchs_straight_through_estimator():
    weight = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    scales = quantize(weight.detach(), Scheme(4, "row")).scales[:, 0].float()
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    fake = torch.fake_quantize_per_channel_affine(weight, scales, torch.zeros(4, dtype=torch.int32), 0, -7, 7)
    functional.linear(x, fake).square().sum().backward()
    ours = torch.nn.Parameter(weight.detach().clone())
    callback = StraightThrough({"w": ours}, {"w": Scheme(4, "row")})
    callback.on_start(None)
    functional.linear(x, ours).square().sum().backward()
    assert torch.allclose(ours.grad, weight.grad, atol=1e-4)


@pytest.mark.parametrize(("prune_first", "schedule"), [(True, "one-shot"), (True, "gradual"), (False, "one-shot")])
@pytest.mark.parametrize("kind", ["symmetric", "affine"])
def test_zeros_of_pruning_stay_zero(prune_first, schedule, kind):
    classifier = small.classifier(dropout=0.1)
    steps = [PruneMagnitude(sparsity=0.6, schedule=schedule), Quantize(bits=4, group=8, kind=kind, aware=True)]
    steps = steps if prune_first else steps[::-1]
    for step in steps:
        step.prepare(classifier)
    small.train(classifier.model, callbacks=[callback for step in steps for callback in step.constrain(classifier)])
    for step in steps:
        step.finish(classifier)
    for name, weight in encoder_weights(classifier.model).items():
        assert (weight == 0).float().mean() >= 0.6 - 0.01
        zeros = classifier.encodings[name].zeros
        assert zeros is not None if kind == "affine" else zeros is None


def test_parts_of_a_batch_add_up_to_the_same_step():
    ends = []
    for micro_batch in (0, 1, 2, 3):
        classifier = small.classifier(dropout=0.0)
        weights = encoder_weights(classifier.model)
        callback = StraightThrough(weights, dict.fromkeys(weights, Scheme(4, 8)))
        training = Training(epochs=1, batch_size=4, learning_rate=1e-3, micro_batch=micro_batch, optimizer="sgd")
        small.train(classifier.model, callbacks=[callback], training=training)
        ends.append(small.state(classifier.model))
    for end in ends[1:]:
        assert all(torch.allclose(end[name], ends[0][name], atol=1e-5) for name in end)


class StopAt(Callback):
    def __init__(self, step, moment="after_step"):
        def stop(state):
            if state.step == step:
                raise KeyboardInterrupt

        setattr(self, moment, stop)


def with_pruning(scheme):
    """A fresh classifier, pruned gradually and rounded in training."""
    classifier = small.classifier(dropout=0.3)
    weights = encoder_weights(classifier.model)
    prune = PruneMagnitude(sparsity=0.5, schedule="gradual").constrain(classifier)
    return classifier.model, [*prune, StraightThrough(weights, dict.fromkeys(weights, scheme))]


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize(
    ("stop", "moment"),
    [(0, "on_start"), (1, "after_step"), (6, "after_step"), (10, "after_backward"), (18, "after_step")],
)
def test_stopped_and_resumed_it_ends_with_the_same_bits(tmp_path, scheme, stop, moment):
    model, callbacks = with_pruning(scheme)
    losses = small.train(model, callbacks=callbacks).losses
    expected = small.state(model)

    path = tmp_path / "work" / "training.pt"
    model, callbacks = with_pruning(scheme)
    with pytest.raises(Interrupted):
        small.train(model, callbacks=[StopAt(stop, moment), *callbacks], checkpoint=path)
    # What is left in memory holds the exact weights, as after training to the end.
    for name, exact in callbacks[-1].exact.items():
        assert torch.equal(dict(model.named_parameters())[name].data, exact)

    model, callbacks = with_pruning(scheme)
    assert small.train(model, callbacks=callbacks, checkpoint=path).losses == losses
    assert small.same(small.state(model), expected)


def test_stopped_twice_it_still_ends_with_the_same_bits(tmp_path):
    model, callbacks = with_pruning(SCHEMES["clipped"])
    small.train(model, callbacks=callbacks)
    expected, path = small.state(model), tmp_path / "training.pt"
    for stop in (4, 11):
        model, callbacks = with_pruning(SCHEMES["clipped"])
        with pytest.raises(Interrupted, match=f"a stop after step {stop}"):
            small.train(model, callbacks=[StopAt(stop), *callbacks], checkpoint=path)
    model, callbacks = with_pruning(SCHEMES["clipped"])
    small.train(model, callbacks=callbacks, checkpoint=path)
    assert small.same(small.state(model), expected)


def test_weights_that_explode_are_told_and_nothing_is_left_rounded():
    model, weights, callback = constrained(SCHEMES["symmetric"])
    first = next(iter(weights))

    class Explode(Callback):
        def after_backward(self, state):
            if state.step == 8:
                weights[first].data.fill_(float("nan"))

    with pytest.raises(SettingError, match="finite weights.*Train again with a lower rate"):
        small.train(model, callbacks=[callback, Explode()])
    # They are the exact ones, whatever they have become.
    assert all(weight.data_ptr() == callback.exact[name].data_ptr() for name, weight in weights.items())
