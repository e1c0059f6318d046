"""One loop for fine-tuning, recovery after compression, and distillation."""

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from labkit.callbacks import Callback, State
from labkit.errors import CacheError, Interrupted, SettingError

__all__ = ["Checkpoint", "Training", "cross_entropy", "fit"]


@dataclass(frozen=True)
class Training:
    """How to train.

    epochs          passes over the rows
    batch_size      rows a step
    learning_rate   its peak: it rises over the first share `warmup` of the steps, then falls to zero (one cycle)
    weight_decay    of AdamW, per step and unit of learning rate
    clip            largest norm of the gradient
    """

    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0

    def __post_init__(self):
        whole = all(type(value) is int and value >= 1 for value in (self.epochs, self.batch_size))
        if not whole:
            raise SettingError(
                "at least one epoch and one row a batch",
                received=f"epochs={self.epochs}, batch_size={self.batch_size}",
                do="Write epochs=5, batch_size=32.",
            )
        if not 0 < self.learning_rate < 1:
            raise SettingError(
                "a learning rate between 0 and 1", received=str(self.learning_rate), do="1e-4 is a good start."
            )


def cross_entropy(logits, batch):
    """The loss of fine-tuning: mean over the batch of -log p(label)."""
    return functional.cross_entropy(logits, batch["labels"])


def fit(model, batches, *, training, loss=cross_entropy, callbacks=(), checkpoint=None, seed=0):
    """Train a model in place and return the final State.

    `batches` is a Batches; `loss(logits, batch)` gives a scalar. The order of the rows comes from `batches.seed`,
    dropout from `seed`: the same seeds give the same weights on the same machine, also when training was stopped
    in the middle and resumed from `checkpoint`, the path of a file.

    Raises Interrupted on Ctrl-C, when the step is whole and its checkpoint saved; a second Ctrl-C does not wait.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    steps = training.epochs * len(batches)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=training.learning_rate, total_steps=steps + 1, pct_start=training.warmup, cycle_momentum=False
    )
    state = State(model=model, optimizer=optimizer, steps=steps)
    callbacks = list(callbacks)
    saver = None if checkpoint is None else Checkpoint(checkpoint, schedule, list(callbacks))
    # Nothing else on the reader's page should draw other numbers because a model was trained in between.
    with torch.random.fork_rng(), _whole_steps() as stopped:
        torch.manual_seed(seed)
        model.train()
        if saver is not None:
            saver.restore(state)
            callbacks.append(saver)  # last, so that it saves what the others made of the weights
        try:
            _tell(callbacks, "on_start", state, stopped)
            _loop(state, batches, schedule, loss, training.clip, callbacks, stopped)
            if stopped.is_set():
                raise _interrupted(state, saver)
        finally:
            model.eval()
            for callback in callbacks:
                callback.on_end(state)
    return state


@contextmanager
def _whole_steps():
    """Hold the first Ctrl-C back until the step is whole: weights that moved half a step cannot be resumed from."""
    stopped = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield stopped  # no Ctrl-C arrives here
        return

    def hold(*_):
        signal.signal(signal.SIGINT, before)
        stopped.set()

    signal.signal(signal.SIGINT, hold)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(callbacks, moment, state, stopped):
    # A callback that stops training does so between steps too, when all others have had their turn.
    for callback in callbacks:
        try:
            getattr(callback, moment)(state)
        except KeyboardInterrupt:
            stopped.set()


def _loop(state, batches, schedule, loss, clip, callbacks, stopped):
    for epoch in range(state.step // len(batches), state.steps // len(batches)):
        state.epoch = epoch
        done = state.step - epoch * len(batches)
        for number, batch in enumerate(batches.epoch(epoch)):
            if number < done:  # already trained on before the interruption
                continue
            if stopped.is_set():
                return
            logits = state.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
            value = loss(logits, batch)
            state.optimizer.zero_grad(set_to_none=True)
            value.backward()
            _tell(callbacks, "after_backward", state, stopped)
            torch.nn.utils.clip_grad_norm_(state.model.parameters(), clip)
            state.optimizer.step()
            schedule.step()
            state.step += 1
            state.losses.append(value.item())
            _tell(callbacks, "after_step", state, stopped)


def _interrupted(state, saver):
    if saver is not None:
        saver.save(state)
    kept = f"Run it again: it goes on from step {state.step}." if saver else "Run it again from the start."
    return Interrupted(
        f"{state.steps} steps of training", received=f"a stop after step {state.step}", do=f"Nothing is broken. {kept}"
    )


class Checkpoint(Callback):
    """Saves where training stands, every `seconds` and on Ctrl-C, and takes it up again at the next start."""

    def __init__(self, path, schedule, others, *, seconds=20.0):
        self.path, self.schedule, self.others, self.seconds = Path(path), schedule, others, seconds
        self._saved = time.monotonic()

    def restore(self, state):
        """Take up what was saved, where there is something; a damaged checkpoint is as good as none."""
        if not self.path.exists():
            return
        try:
            saved = torch.load(self.path, weights_only=True)
        except Exception:  # zip, pickle and torch each raise their own
            return
        state.model.load_state_dict(saved["model"])
        state.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        torch.set_rng_state(saved["random"])
        state.step, state.losses = saved["step"], saved["losses"]
        for callback, memory in zip(self._with_memory(), saved["callbacks"], strict=True):
            callback.load_state_dict(memory)

    def _with_memory(self):
        # A bar or a stop button has nothing to keep, and need not be there again at the next start.
        return [callback for callback in self.others if callback.state_dict()]

    def after_step(self, state):
        if time.monotonic() - self._saved > self.seconds and state.step < state.steps:
            self.save(state)

    def save(self, state):
        """Write the checkpoint; an interruption while writing leaves the one before intact.

        Raises CacheError when there is no room for it.
        """
        whole = {
            "model": state.model.state_dict(), "optimizer": state.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(), "random": torch.get_rng_state(), "step": state.step,
            "losses": state.losses, "callbacks": [callback.state_dict() for callback in self._with_memory()],
        }  # fmt: skip
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(whole, part)
            part.replace(self.path)
        except (OSError, RuntimeError) as error:  # torch says RuntimeError when the disk is full
            part.unlink(missing_ok=True)
            raise CacheError(
                f"room for the checkpoint of step {state.step}", received=str(error).splitlines()[0],
                do="Make room, or set the environment variable LABKIT_CACHE to another folder, and run it again.",
            ) from error  # fmt: skip
        self._saved = time.monotonic()
