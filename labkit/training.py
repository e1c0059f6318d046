"""One loop for fine-tuning, recovery after compression, and distillation."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from labkit.callbacks import Callback, State
from labkit.errors import Interrupted, SettingError

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
        if self.epochs < 1 or self.batch_size < 1:
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

    Raises Interrupted on Ctrl-C, after saving where it stands.
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
    if checkpoint is not None:
        # First, so that the others start from what it restores.
        callbacks.insert(0, Checkpoint(checkpoint, schedule, list(callbacks)))
    # Nothing else on the reader's page should draw other numbers because a model was trained in between.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model.train()
        try:
            for callback in callbacks:
                callback.on_start(state)
            _loop(state, batches, schedule, loss, training.clip, callbacks)
        except KeyboardInterrupt:
            raise _interrupted(state, callbacks, checkpoint) from None
        finally:
            model.eval()
            for callback in callbacks:
                callback.on_end(state)
    return state


def _loop(state, batches, schedule, loss, clip, callbacks):
    for epoch in range(state.step // len(batches), state.steps // len(batches)):
        state.epoch = epoch
        done = state.step - epoch * len(batches)
        for number, batch in enumerate(batches.epoch(epoch)):
            if number < done:  # already trained on before the interruption
                continue
            logits = state.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
            value = loss(logits, batch)
            state.optimizer.zero_grad(set_to_none=True)
            value.backward()
            for callback in callbacks:
                callback.after_backward(state)
            torch.nn.utils.clip_grad_norm_(state.model.parameters(), clip)
            state.optimizer.step()
            schedule.step()
            state.step += 1
            state.losses.append(value.item())
            for callback in callbacks:
                callback.after_step(state)


def _interrupted(state, callbacks, checkpoint):
    for callback in callbacks:
        if isinstance(callback, Checkpoint):
            callback.save(state)
    kept = f"Run it again: it goes on from step {state.step}." if checkpoint else "Run it again from the start."
    return Interrupted(
        f"{state.steps} steps of training", received=f"a stop after step {state.step}", do=f"Nothing is broken. {kept}"
    )


class Checkpoint(Callback):
    """Saves where training stands, every `seconds` and on Ctrl-C, and takes it up again at the next start."""

    def __init__(self, path, schedule, others, *, seconds=20.0):
        self.path, self.schedule, self.others, self.seconds = Path(path), schedule, others, seconds
        self._saved = time.monotonic()

    def on_start(self, state):
        if not self.path.exists():
            return
        saved = torch.load(self.path, weights_only=True)
        state.model.load_state_dict(saved["model"])
        state.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        torch.set_rng_state(saved["random"])
        state.step, state.losses = saved["step"], saved["losses"]
        for callback, memory in zip(self.others, saved["callbacks"], strict=True):
            callback.load_state_dict(memory)

    def after_step(self, state):
        if time.monotonic() - self._saved > self.seconds and state.step < state.steps:
            self.save(state)

    def save(self, state):
        """Write the checkpoint; an interruption while writing leaves the one before intact."""
        whole = {
            "model": state.model.state_dict(), "optimizer": state.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(), "random": torch.get_rng_state(), "step": state.step,
            "losses": state.losses, "callbacks": [callback.state_dict() for callback in self.others],
        }  # fmt: skip
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        torch.save(whole, part)
        part.replace(self.path)
        self._saved = time.monotonic()
