"""Training that is stopped, by a callback, Ctrl-C or a power cut, ends with the same bits when it goes on."""

import os
import signal
from functools import cache

import pytest
import small
import torch

from labkit.callbacks import Callback, Stop
from labkit.checkpoint import Checkpoint
from labkit.errors import CacheError, Interrupted
from labkit.steps import PruneMagnitude
from labkit.training import cross_entropy


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
    losses = small.train(model, callbacks=constraints).losses
    return small.state(model), losses


SETTINGS = {
    "plain": None,
    "one-shot": {"sparsity": 0.6},
    "gradual": {"sparsity": 0.8, "schedule": "gradual"},
    "first-order": {"sparsity": 0.8, "schedule": "gradual", "criterion": "first-order", "scope": "global"},
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    ("stop", "moment"), [(1, "after_step"), (6, "after_step"), (10, "after_backward"), (18, "after_step")]
)
def test_stopped_and_resumed_it_ends_with_the_same_bits(tmp_path, setting, stop, moment):
    path = tmp_path / "work" / "training.pt"
    stopped_after = stop + (moment == "after_backward")
    model, constraints = pruned(SETTINGS[setting])
    with pytest.raises(
        Interrupted, match=f"Expected 18 steps.*a stop after step {stopped_after}.*from step {stopped_after}"
    ):
        small.train(model, callbacks=[StopAt(stop, moment), *constraints], checkpoint=path)

    model, constraints = pruned(SETTINGS[setting])
    losses = small.train(model, callbacks=constraints, checkpoint=path).losses
    expected, all_losses = uninterrupted(setting)
    assert losses == all_losses
    assert small.same(small.state(model), expected)


def test_a_checkpoint_in_the_middle_is_as_good_as_one_at_the_end(tmp_path, monkeypatch):
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
        small.train(model, callbacks=[*constraints, Cut()], checkpoint=tmp_path / "training.pt")
    saved = torch.load(tmp_path / "training.pt", weights_only=True)
    assert saved["step"] == 7
    assert all((saved["model"][name][~mask] == 0).all() for name, mask in saved["callbacks"][0]["masks"].items())

    model, constraints = pruned(SETTINGS["one-shot"])
    small.train(model, callbacks=constraints, checkpoint=tmp_path / "training.pt")
    assert small.same(small.state(model), expected)


def test_a_stop_button_need_not_be_there_again(tmp_path):
    model, constraints = pruned(SETTINGS["one-shot"])
    with pytest.raises(Interrupted):
        small.train(model, callbacks=[Stop(lambda: True), *constraints], checkpoint=tmp_path / "training.pt")
    model, constraints = pruned(SETTINGS["one-shot"])
    assert small.train(model, callbacks=constraints, checkpoint=tmp_path / "training.pt").step == small.STEPS


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: b"no checkpoint"])
def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path, damage):
    expected, path = uninterrupted("plain")[0], tmp_path / "training.pt"
    with pytest.raises(Interrupted):
        small.train(small.classifier(dropout=0.3).model, callbacks=[StopAt(5)], checkpoint=path)
    path.write_bytes(damage(path.read_bytes()))
    model = small.classifier(dropout=0.3).model
    assert len(small.train(model, checkpoint=path).losses) == small.STEPS
    assert small.same(small.state(model), expected)


def test_without_a_checkpoint_the_words_say_so():
    with pytest.raises(Interrupted, match="after step 2. Nothing is broken. Run it again from the start."):
        small.train(small.classifier().model, callbacks=[StopAt(2)])


def ctrl_c(at, *, times=1):
    """A loss that sends this process what Ctrl-C sends, in the middle of step number `at`."""
    calls = iter(range(1, small.STEPS + 1))

    def loss(logits, batch):
        if next(calls) == at:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        return cross_entropy(logits, batch)

    return loss


def test_ctrl_c_waits_for_the_end_of_the_step(tmp_path):
    expected, before = uninterrupted("plain")[0], signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="a stop after step 8"):
        small.train(small.classifier(dropout=0.3).model, loss=ctrl_c(8), checkpoint=tmp_path / "training.pt")
    assert signal.getsignal(signal.SIGINT) is before
    model = small.classifier(dropout=0.3).model
    small.train(model, checkpoint=tmp_path / "training.pt")
    assert small.same(small.state(model), expected)


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stopped:
        small.train(small.classifier().model, loss=ctrl_c(8, times=2), checkpoint=tmp_path / "training.pt")
    assert not isinstance(stopped.value, Interrupted)
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "training.pt").exists()  # half a step is not saved


def test_no_room_for_the_checkpoint_is_told_and_leaves_no_half_file(tmp_path, monkeypatch):
    def full(whole, part):
        part.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file\nmore")

    monkeypatch.setattr("torch.save", full)
    with pytest.raises(CacheError, match="room for the checkpoint of step 4.*failed writing file. Make room, or set"):
        small.train(small.classifier().model, callbacks=[StopAt(4)], checkpoint=tmp_path / "training.pt")
    assert list(tmp_path.iterdir()) == []
