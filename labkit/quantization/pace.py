"""How long one step of training takes, plain and with rounded weights: functions to be timed against each other."""

import torch

from labkit.callbacks import State
from labkit.quantization.straight_through import StraightThrough
from labkit.training import Training, cross_entropy

__all__ = ["stepper"]


def stepper(model, batch, *, scheme=None):
    """Make a function without arguments that trains a model, in place, for one step on a batch each time.

    `batch` has `input_ids`, `attention_mask` and `labels`. With a Scheme all matrices are rounded in the loop, and
    their scales fitted again as often as in a real training.
    """
    rate = Training().learning_rate
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
    weights = {name: weight for name, weight in model.named_parameters() if weight.ndim == 2 and scheme is not None}
    callback = StraightThrough(weights, dict.fromkeys(weights, scheme))
    state = State(model=model, optimizer=optimizer, steps=10**9)
    callback.on_start(state)

    def step():
        optimizer.zero_grad(set_to_none=True)
        logits = model.train()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        cross_entropy(logits, batch).backward()
        callback.after_backward(state)
        optimizer.step()
        state.step += 1
        callback.after_step(state)

    return step
