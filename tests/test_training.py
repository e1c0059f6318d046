"""The loop: the same weights as a plain loop, the same after an interruption, and words when it cannot go on."""

import os
import signal
import threading
from functools import cache

import numpy as np
import pytest
import small
import torch

from labkit.batches import Batches, encode
from labkit.callbacks import Callback, Stop
from labkit.errors import CacheError, Interrupted, SettingError
from labkit.steps import PruneMagnitude
from labkit.training import Checkpoint, Training, cross_entropy, fit

TEXTS = [f"{a} {b}" for a in ["gold", "iron", "zinc", "lead"] for b in ["tin", "copper", "silver"]]
TEXTS += [f"{a} {b} {a}" for a in ["apple", "pear", "plum"] for b in ["peach", "lemon", "melon"]]
LABELS = np.array([1] * 12 + [0] * 9)
TRAINING = Training(epochs=3, batch_size=4, learning_rate=3e-3)
STEPS = 18


def make_batches():
    return Batches(encode(small.tokenizer(), TEXTS), batch_size=4, seed=3, labels=LABELS)


@pytest.fixture
def batches():
    return make_batches()


def train(model, batches, **options):
    return fit(model, batches, training=TRAINING, **options)


def test_the_weights_are_those_of_a_plain_loop(batches):
    ours, plain = (small.classifier(dropout=0.0).model for _ in range(2))
    state = train(ours, batches)

    optimizer = torch.optim.AdamW(plain.parameters(), lr=3e-3, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-3, total_steps=STEPS + 1, pct_start=0.1, cycle_momentum=False
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

    assert (state.step, state.steps) == (STEPS, STEPS)
    assert state.losses == pytest.approx(losses, abs=1e-6)
    for name, tensor in plain.state_dict().items():
        assert torch.allclose(tensor, ours.state_dict()[name], atol=1e-6), name
    assert max((ours.state_dict()[n] - t).abs().max() for n, t in small.classifier().model.state_dict().items()) > 1e-2


def test_it_learns_and_ends_in_eval_mode(batches):
    classifier = small.classifier(dropout=0.0)
    state = fit(classifier.model, batches, training=Training(epochs=12, batch_size=4, learning_rate=1e-2))
    assert np.mean(state.losses[-6:]) < 0.1 < np.mean(state.losses[:6])
    assert classifier.predict(TEXTS).tolist() == LABELS.tolist()
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
        (kind, n, n if kind == "step" else True) for i in range(STEPS) for kind, n in (("backward", i), ("step", i + 1))
    ]
    assert calls == [("start", 0, None), *steps, ("end", STEPS, 2)]


class StopAt(Callback):
    """Stops once, at a moment of a step."""

    def __init__(self, step, moment="after_step"):
        def stop(state):
            if state.step == step:
                raise KeyboardInterrupt

        setattr(self, moment, stop)


def pruned(options):
    """A classifier with dropout, and the callbacks of a step that prunes it, if any."""
    classifier = small.classifier(dropout=0.3)
    if options is None:
        return classifier.model, []
    step = PruneMagnitude(**options)
    step.prepare(classifier)
    return classifier.model, step.constrain(classifier)


@cache
def uninterrupted(setting):
    """The weights and losses of a run that nobody stops."""
    model, constraints = pruned(SETTINGS[setting])
    losses = train(model, make_batches(), callbacks=constraints).losses
    return small.state(model), losses


SETTINGS = {
    "plain": None,
    "one-shot": {"sparsity": 0.6},
    "gradual": {"sparsity": 0.8, "schedule": "gradual"},
    "movement": {"sparsity": 0.8, "schedule": "gradual", "criterion": "movement", "scope": "global"},
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    ("stop", "moment"), [(1, "after_step"), (6, "after_step"), (10, "after_backward"), (18, "after_step")]
)
def test_stopped_and_resumed_it_ends_with_the_same_bits(tmp_path, batches, setting, stop, moment):
    path = tmp_path / "work" / "training.pt"
    stopped_after = stop + (moment == "after_backward")
    model, constraints = pruned(SETTINGS[setting])
    with pytest.raises(
        Interrupted, match=f"Expected 18 steps.*a stop after step {stopped_after}.*from step {stopped_after}"
    ):
        train(model, batches, callbacks=[StopAt(stop, moment), *constraints], checkpoint=path)

    model, constraints = pruned(SETTINGS[setting])
    losses = train(model, batches, callbacks=constraints, checkpoint=path).losses
    expected, all_losses = uninterrupted(setting)
    assert losses == all_losses
    assert small.same(small.state(model), expected)


def test_a_checkpoint_in_the_middle_is_as_good_as_one_at_the_end(tmp_path, batches, monkeypatch):
    # As after a power cut: there is only what was saved every few seconds, before the process was gone.
    expected, _ = uninterrupted("one-shot")

    class PowerCut(Exception):
        pass

    class Cut(Callback):
        def after_step(self, state):
            if state.step == 8:
                raise PowerCut

    monkeypatch.setattr(Checkpoint.__init__, "__kwdefaults__", {"seconds": 0.0})
    model, constraints = pruned(SETTINGS["one-shot"])
    with pytest.raises(PowerCut):
        train(model, batches, callbacks=[*constraints, Cut()], checkpoint=tmp_path / "training.pt")
    saved = torch.load(tmp_path / "training.pt", weights_only=True)
    assert saved["step"] == 7
    assert all((saved["model"][name][~mask] == 0).all() for name, mask in saved["callbacks"][0]["masks"].items())

    model, constraints = pruned(SETTINGS["one-shot"])
    train(model, batches, callbacks=constraints, checkpoint=tmp_path / "training.pt")
    assert small.same(small.state(model), expected)


def test_a_stop_button_need_not_be_there_again(tmp_path, batches):
    model, constraints = pruned(SETTINGS["one-shot"])
    with pytest.raises(Interrupted):
        train(model, batches, callbacks=[Stop(lambda: True), *constraints], checkpoint=tmp_path / "training.pt")
    model, constraints = pruned(SETTINGS["one-shot"])
    assert train(model, batches, callbacks=constraints, checkpoint=tmp_path / "training.pt").step == STEPS


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: b"no checkpoint"])
def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path, batches, damage):
    expected, path = uninterrupted("plain")[0], tmp_path / "training.pt"
    with pytest.raises(Interrupted):
        train(small.classifier(dropout=0.3).model, batches, callbacks=[StopAt(5)], checkpoint=path)
    path.write_bytes(damage(path.read_bytes()))
    model = small.classifier(dropout=0.3).model
    assert len(train(model, batches, checkpoint=path).losses) == STEPS
    assert small.same(small.state(model), expected)


def test_without_a_checkpoint_the_words_say_so(batches):
    with pytest.raises(Interrupted, match="after step 2. Nothing is broken. Run it again from the start."):
        train(small.classifier().model, batches, callbacks=[StopAt(2)])


def ctrl_c(at, *, times=1):
    """A loss that sends this process what Ctrl-C sends, in the middle of step number `at`."""
    calls = iter(range(1, STEPS + 1))

    def loss(logits, batch):
        if next(calls) == at:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        return cross_entropy(logits, batch)

    return loss


def test_ctrl_c_waits_for_the_end_of_the_step(tmp_path, batches):
    expected, before = uninterrupted("plain")[0], signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="a stop after step 8"):
        train(small.classifier(dropout=0.3).model, batches, loss=ctrl_c(8), checkpoint=tmp_path / "training.pt")
    assert signal.getsignal(signal.SIGINT) is before
    model = small.classifier(dropout=0.3).model
    train(model, batches, checkpoint=tmp_path / "training.pt")
    assert small.same(small.state(model), expected)


def test_a_second_ctrl_c_does_not_wait(tmp_path, batches):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stopped:
        train(small.classifier().model, batches, loss=ctrl_c(8, times=2), checkpoint=tmp_path / "training.pt")
    assert not isinstance(stopped.value, Interrupted)
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "training.pt").exists()  # half a step is not saved


def test_it_trains_in_a_thread_too(batches):
    expected, model = small.classifier().model, small.classifier().model
    train(expected, batches)
    thread = threading.Thread(target=train, args=(model, batches))
    thread.start()
    thread.join()
    assert small.same(small.state(model), small.state(expected))


def test_no_room_for_the_checkpoint_is_told_and_leaves_no_half_file(tmp_path, batches, monkeypatch):
    def full(whole, part):
        part.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file\nmore")

    monkeypatch.setattr("torch.save", full)
    with pytest.raises(CacheError, match="room for the checkpoint of step 4.*failed writing file. Make room, or set"):
        train(small.classifier().model, batches, callbacks=[StopAt(4)], checkpoint=tmp_path / "training.pt")
    assert list(tmp_path.iterdir()) == []


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
