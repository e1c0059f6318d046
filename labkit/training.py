"""One loop for fine-tuning, recovery after compression, and distillation."""

import signal
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from os import PathLike

import torch
from torch.nn import functional

from labkit.batches import split
from labkit.callbacks import State
from labkit.checkpoint import Checkpoint
from labkit.errors import Interrupted, SettingError

__all__ = ["Training", "cross_entropy", "fit", "logits_of"]

OPTIMIZERS = ("adamw", "sgd")


@dataclass(frozen=True)
class Training:
    """How to train.

    epochs          passes over the rows
    batch_size      rows a step
    learning_rate   its peak: it rises over the first share `warmup` of the steps, then falls to zero (one cycle)
    weight_decay    of AdamW, per step and unit of learning rate
    clip            largest norm of the gradient
    micro_batch     rows at a time: the gradients of a step are added up over parts of this size, which needs less
                    memory and gives the same step; 0 takes the whole batch at once
    optimizer       "adamw", or "sgd": plain gradient descent without momentum
    """

    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0
    micro_batch: int = 0
    optimizer: str = "adamw"

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
        if type(self.micro_batch) is not int or self.micro_batch < 0:
            raise SettingError(
                "a whole number of rows at a time", received=str(self.micro_batch), do="0 takes the whole batch."
            )
        if self.optimizer not in OPTIMIZERS:
            raise SettingError(f"an optimizer, one of {OPTIMIZERS}", received=repr(self.optimizer), do='Write "adamw".')


def cross_entropy(logits, batch):
    """The loss of fine-tuning: mean over the batch of -log p(label).

    Where the batch is a part of a larger one, `batch["count"]` is the number of rows that the mean is over: the sum
    over the parts is then the mean over the whole.

    >>> half = {"labels": torch.tensor([0]), "count": 2}
    >>> round(cross_entropy(torch.zeros(1, 2), half).item(), 4)   # ln 2 for one row of two
    0.3466
    """
    return functional.cross_entropy(logits, batch["labels"], reduction="sum") / batch.get("count", len(logits))


def logits_of(model, batch):
    """Run the model on a batch and give its logits, shape (rows, classes)."""
    return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits


def fit(model, batches, *, training, loss=cross_entropy, forward=logits_of, callbacks=(), checkpoint=None, seed=0):
    """Train a model in place and return the final State.

    `batches` is a Batches; `loss(forward(model, batch), batch)` gives a scalar. The order of the rows comes from
    `batches.seed`, dropout from `seed`: the same seeds give the same weights on the same machine, also when training
    was stopped in the middle and resumed from `checkpoint`: a file, or a function of (schedule, callbacks) that gives
    a Checkpoint.

    Raises Interrupted on Ctrl-C, when the step is whole and its checkpoint saved; a second Ctrl-C does not wait.
    """
    optimizer = _optimizer(model, training)
    steps = training.epochs * len(batches)
    schedule = _one_cycle(optimizer, training, steps=steps)
    state = State(model=model, optimizer=optimizer, steps=steps, clip=training.clip)
    callbacks = list(callbacks)
    make = partial(Checkpoint, checkpoint) if isinstance(checkpoint, (str, PathLike)) else checkpoint
    saver = make and make(schedule, list(callbacks))
    # Nothing else on the reader's page should draw other numbers because a model was trained in between.
    with torch.random.fork_rng(), _whole_steps() as stopped:
        torch.manual_seed(seed)
        model.train()
        if saver is not None:
            saver.restore(state)
            callbacks.append(saver)  # last, so that it saves what the others made of the weights
        try:
            _tell(callbacks, "on_start", state, stopped)
            value_of = partial(_backward, model, loss=loss, forward=forward, rows=training.micro_batch)
            _loop(state, batches, schedule, value_of, callbacks, stopped)
            if stopped.is_set():
                raise _interrupted(state, saver)
        finally:
            model.eval()
            for callback in callbacks:
                callback.on_end(state)
    return state


def _optimizer(model, training):
    settings = {"lr": training.learning_rate, "weight_decay": training.weight_decay, "fused": True}
    return {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[training.optimizer](model.parameters(), **settings)


def _one_cycle(optimizer, training, *, steps):
    # The rate rises for one step at least: torch divides by the length of the rise.
    rise = max(training.warmup, 2 / (steps + 1))
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=training.learning_rate, total_steps=steps + 1, pct_start=rise, cycle_momentum=False
    )


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


def _loop(state, batches, schedule, value_of, callbacks, stopped):
    for epoch in range(state.step // len(batches), state.steps // len(batches)):
        state.epoch = epoch
        done = state.step - epoch * len(batches)
        for number, batch in enumerate(batches.epoch(epoch)):
            if number < done:  # already trained on before the interruption
                continue
            if stopped.is_set():
                return
            state.optimizer.zero_grad(set_to_none=True)
            value = value_of(batch)
            _tell(callbacks, "after_backward", state, stopped)
            if not any(callback.clips for callback in callbacks):
                torch.nn.utils.clip_grad_norm_(state.model.parameters(), state.clip)
            state.optimizer.step()
            schedule.step()
            state.step += 1
            state.losses.append(value)
            _tell(callbacks, "after_step", state, stopped)


def _backward(model, batch, *, loss, forward, rows):
    """Compute the gradients of a batch, `rows` at a time, and return its loss."""
    total, parts = 0.0, list(split(batch, rows))
    for part in parts:
        last = part is parts[-1]
        # Workers that train together exchange gradients once a step, with the last part.
        with nullcontext() if last or not hasattr(model, "no_sync") else model.no_sync():
            value = loss(forward(model, part), part)
            value.backward()
        total += value.item()
    return total


def _interrupted(state, saver):
    if saver is not None:
        saver.save(state)
    kept = f"Run it again: it goes on from step {state.step}." if saver else "Run it again from the start."
    return Interrupted(
        f"{state.steps} steps of training", received=f"a stop after step {state.step}", do=f"Nothing is broken. {kept}"
    )
