"""The loop: the same weights as a plain loop, the same for the same seed, and nothing else is touched."""

import threading

import numpy as np
import pytest
import small
import torch

from labkit.batches import Batches, encode
from labkit.callbacks import Callback
from labkit.errors import SettingError
from labkit.training import Training, fit


@pytest.fixture
def batches():
    return Batches(encode(small.tokenizer(), small.TEXTS), batch_size=4, seed=3, labels=small.LABELS)


def train(model, batches, **options):
    return fit(model, batches, training=small.TRAINING, **options)


def test_the_weights_are_those_of_a_plain_loop(batches):
    ours, plain = (small.classifier(dropout=0.0).model for _ in range(2))
    state = train(ours, batches)

    optimizer = torch.optim.AdamW(plain.parameters(), lr=3e-3, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-3, total_steps=small.STEPS + 1, pct_start=2 / (small.STEPS + 1), cycle_momentum=False
    )
    losses = []
    plain.train()
    for epoch in range(3):
        for batch in batches.epoch(epoch):
            labels = batch.pop("labels")
            loss = torch.nn.functional.cross_entropy(plain(**batch).logits, labels)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())

    assert (state.step, state.steps) == (small.STEPS, small.STEPS)
    assert state.losses == pytest.approx(losses, abs=1e-6)
    for name, tensor in plain.state_dict().items():
        assert torch.allclose(tensor, ours.state_dict()[name], atol=1e-6), name
    assert max((ours.state_dict()[n] - t).abs().max() for n, t in small.classifier().model.state_dict().items()) > 1e-2


@pytest.mark.parametrize("epochs", [1, 2, 9, 10, 19])
def test_the_rate_rises_and_falls_however_few_steps_there_are(epochs):
    class Rates(Callback):
        def on_start(self, state):
            self.seen = [state.optimizer.param_groups[0]["lr"]]

        def after_step(self, state):
            self.seen.append(state.optimizer.param_groups[0]["lr"])

    rows = Batches([[1, 2]] * 4, batch_size=4, labels=small.LABELS[:4])
    rates, training = Rates(), Training(epochs=epochs, batch_size=4, learning_rate=1e-3)
    fit(small.classifier().model, rows, training=training, callbacks=[rates])
    assert len(rates.seen) == epochs + 1
    assert max(rates.seen) == pytest.approx(1e-3)
    top = rates.seen.index(max(rates.seen))
    assert 1 <= top <= max(1, 0.1 * (epochs + 1))
    assert rates.seen[:top] == sorted(rates.seen[:top])
    assert rates.seen[top:] == sorted(rates.seen[top:], reverse=True)


def test_it_learns_and_ends_in_eval_mode(batches):
    classifier = small.classifier(dropout=0.0)
    state = fit(classifier.model, batches, training=Training(epochs=12, batch_size=4, learning_rate=1e-2))
    assert np.mean(state.losses[-6:]) < 0.1 < np.mean(state.losses[:6])
    assert classifier.predict(small.TEXTS).tolist() == small.LABELS.tolist()
    assert not classifier.model.training


def test_the_same_seed_gives_the_same_weights_and_another_seed_other_dropout(batches):
    models = [small.classifier(dropout=0.3).model for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        train(model, batches, seed=seed)
    first, again, other = map(small.state, models)
    assert small.same(first, again)
    assert not small.same(first, other)


def test_nobody_elses_random_numbers_are_touched(batches):
    torch.manual_seed(5)
    np.random.seed(5)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    train(small.classifier(dropout=0.3).model, batches)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_callbacks_are_called_in_order_and_see_moving_weights(batches):
    calls = []

    class Record(Callback):
        def on_start(self, state):
            calls.append(("start", state.step, None))

        def after_backward(self, state):
            calls.append(("backward", state.step, state.model.classifier.bias.grad is not None))

        def after_step(self, state):
            calls.append(("step", state.step, len(state.losses)))

        def on_end(self, state):
            calls.append(("end", state.step, state.epoch))

    train(small.classifier().model, batches, callbacks=[Record()])
    steps = [
        (kind, n, n if kind == "step" else True)
        for i in range(small.STEPS)
        for kind, n in (("backward", i), ("step", i + 1))
    ]
    assert calls == [("start", 0, None), *steps, ("end", small.STEPS, 2)]


def test_it_trains_in_a_thread_too(batches):
    expected, model = small.classifier().model, small.classifier().model
    train(expected, batches)
    thread = threading.Thread(target=train, args=(model, batches))
    thread.start()
    thread.join()
    assert small.same(small.state(model), small.state(expected))


def test_the_learning_rate_is_one_cycle(batches):
    rates = []

    class Rate(Callback):
        def after_backward(self, state):
            rates.append(state.optimizer.param_groups[0]["lr"])

    fit(
        small.classifier().model,
        batches,
        training=Training(epochs=5, learning_rate=2e-3, batch_size=4),
        callbacks=[Rate()],
    )
    peak = int(np.argmax(rates))
    assert len(rates) == 30
    assert rates[0] == pytest.approx(2e-3 / 25)
    assert peak in (2, 3)  # a tenth of the steps
    assert rates[peak] == pytest.approx(2e-3, rel=0.01)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[-1] < 2e-5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "at least one epoch.*epochs=0"),
        ({"epochs": 2.5}, "at least one epoch.*epochs=2.5"),
        ({"batch_size": 0}, "one row a batch.*batch_size=0"),
        ({"learning_rate": 0}, "a learning rate between 0 and 1"),
        ({"learning_rate": 2}, "a learning rate between 0 and 1. Received 2"),
        ({"learning_rate": float("nan")}, "a learning rate between 0 and 1. Received nan"),
    ],
)
def test_settings_that_make_no_sense(options, words):
    with pytest.raises(SettingError, match=words):
        Training(**options)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_step_in_parts_is_the_step_at_once(batches, optimizer, rows):
    # In double precision, because AdamW makes a whole step of a gradient that is only rounding error.
    whole, parts = (small.classifier(dropout=0.0).model.double() for _ in range(2))
    settings = {"epochs": 2, "batch_size": 4, "learning_rate": 3e-3, "optimizer": optimizer}
    first = fit(whole, batches, training=Training(**settings))
    second = fit(parts, batches, training=Training(**settings, micro_batch=rows))
    assert second.losses == pytest.approx(first.losses, abs=1e-9)
    for name, tensor in whole.state_dict().items():
        assert torch.allclose(tensor, parts.state_dict()[name], atol=1e-9), name


def test_gradient_descent_takes_the_step_of_the_formula(batches):
    model, before = (small.classifier(dropout=0.0).model.double() for _ in range(2))
    settings = Training(epochs=1, batch_size=4, learning_rate=0.01, optimizer="sgd", weight_decay=0.0, clip=1e9)
    once = Once()
    fit(model, batches, training=settings, callbacks=[once])
    batch = next(iter(batches.epoch(0)))
    labels = batch.pop("labels")
    torch.nn.functional.cross_entropy(before(**batch).logits, labels).backward()
    for name, parameter in before.named_parameters():
        moved = parameter.detach() - (0 if parameter.grad is None else once.rate * parameter.grad)
        assert torch.allclose(moved, once.seen[name], rtol=0, atol=1e-12), name
    assert 0 < once.rate <= 0.01


class Once(Callback):
    """Keeps the learning rate of the first step and the weights after it."""

    def after_backward(self, state):
        if state.step == 0:
            self.rate = state.optimizer.param_groups[0]["lr"]

    def after_step(self, state):
        if state.step == 1:
            self.seen = {name: parameter.detach().clone() for name, parameter in state.model.named_parameters()}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"micro_batch": -1}, "a whole number of rows"), ({"micro_batch": 2.5}, "Received 2.5"),
     ({"optimizer": "adam"}, r"one of \('adamw', 'sgd'\). Received 'adam'")],
)  # fmt: skip
def test_settings_of_a_step_that_make_no_sense(wrong, words):
    with pytest.raises(SettingError, match=words):
        Training(**wrong)
