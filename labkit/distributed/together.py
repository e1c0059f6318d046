"""Training together: what is done with the gradients of several workers, and by which optimizer the step is made."""

from dataclasses import dataclass

import numpy as np
import torch.distributed as dist

from labkit.distributed.collectives import all_reduce
from labkit.distributed.news import report
from labkit.distributed.schedules import WAYS
from labkit.distributed.wire import Wire
from labkit.errors import SettingError
from labkit.theory.sharding import softmax_gradient

__all__ = ["AGGREGATIONS", "Run", "adam", "sgd", "squared_gradient", "squared_loss", "train"]


@dataclass(frozen=True)
class Run:
    """One way to train together.

    >>> Run("summed", optimizer="adam", learning_rate=0.1).aggregation
    'summed'
    """

    aggregation: str = "averaged"
    """What happens to the gradients before the step: a key of AGGREGATIONS."""
    optimizer: str = "sgd"
    """What makes a step of the gradient: "sgd" or "adam"."""
    learning_rate: float = 4.0
    loss: str = "softmax"
    """What is made small: "softmax" (cross-entropy) or "squared" (half the squared error of the five outputs)."""
    how: str = "ring"
    """Which all-reduce: "server", "tree" or "ring"."""

    def __post_init__(self):
        lists = {"aggregation": AGGREGATIONS, "optimizer": STEPS, "loss": GRADIENTS, "how": WAYS}
        for name, known in lists.items():
            if (value := getattr(self, name)) not in known:
                raise SettingError(f"one of {list(known)}", received=f"{name}={value!r}", do="Choose one of these.")


# Each takes the mean gradient of this worker's rows, their number, the number of all rows, and a function that adds up.
AGGREGATIONS = {
    "averaged": lambda g, mine, rows, workers, add_up: add_up(g * mine) / rows,
    "summed": lambda g, mine, rows, workers, add_up: add_up(g),
    "article, shard means": lambda g, mine, rows, workers, add_up: add_up(g) * workers / rows,
    "article, shard sums": lambda g, mine, rows, workers, add_up: add_up(g * mine) * workers / rows,
    "each node alone": lambda g, mine, rows, workers, add_up: g,
}


def squared_loss(theta, features, labels):
    """Mean over the rows of half the squared distance between outputs and labels, a label being one 1 among zeros.

    >>> squared_loss(np.zeros((1, 2)), [[1.0], [2.0]], [0, 1])
    0.5
    """
    return float(np.square(_misses(theta, features, labels)).sum(axis=1).mean() / 2)


def squared_gradient(theta, features, labels):
    """Gradient of `squared_loss` with respect to `theta`, of its shape: the mean over rows of x (output - label).

    >>> squared_gradient(np.zeros((1, 2)), [[1.0], [2.0]], [0, 1]).tolist()
    [[-0.5, -1.0]]
    """
    return np.asarray(features, dtype=float).T @ _misses(theta, features, labels) / len(labels)


def _misses(theta, features, labels):
    outputs = np.asarray(features, dtype=float) @ theta
    outputs[np.arange(len(labels)), labels] -= 1
    return outputs


GRADIENTS = {"softmax": softmax_gradient, "squared": squared_gradient}


def sgd(theta, gradients, rate):
    """Step down the last gradient (gradient descent).

    >>> sgd(1.0, [3.0], 0.1)
    0.7
    """
    return theta - rate * gradients[-1]


def adam(theta, gradients, rate, *, first=0.9, second=0.999, tiny=1e-8):
    """Step by Adam, from all gradients so far: a mean gradient over the root of a mean square (Kingma and Ba 2015).

    Where all gradients are the same, the step is the rate itself, however large they are.

    >>> float(adam(1.0, np.array([3.0, 3.0]), 0.1).round(6)), float(adam(1.0, np.array([30.0, 30.0]), 0.1).round(6))
    (0.9, 0.9)
    """
    back = np.arange(len(gradients))[::-1]
    # A mean over the past in which each step back counts a little less; the weights add up to 1.
    mean, square = (
        np.tensordot(decay**back * (1 - decay) / (1 - decay ** len(back)), power, axes=1)
        for decay, power in ((first, np.asarray(gradients)), (second, np.square(gradients)))
    )
    return theta - rate * mean / (np.sqrt(square) + tiny)


# Written out, because what PyTorch's optimizers load first takes longer than this whole training; tests compare them.
STEPS = {"sgd": sgd, "adam": adam}


def train(start, shards, runs, *, steps):
    """Be one worker: train one layer on its own of `shards` (features, labels), once for each of `runs`.

    `start` has shape (inputs, classes). Returns, for each run, the parameters before the first step and after each,
    shape (steps + 1, inputs, classes), and the bytes sent.
    """
    features, labels = shards[dist.get_rank()]
    rows, found = sum(len(labels) for _, labels in shards), []
    for number, run in enumerate(runs):
        report(number / len(runs), f"{run.optimizer}, {run.aggregation}")
        wire, path, gradients = Wire(), [np.array(start, dtype=float)], []
        for _ in range(steps):
            mine = GRADIENTS[run.loss](path[-1], features, labels)
            gradients.append(_aggregated(run, mine, len(labels), rows, wire))
            path.append(STEPS[run.optimizer](path[-1], gradients, run.learning_rate))
        found.append((np.stack(path), wire.sent))
    return found


def _aggregated(run, gradient, mine, rows, wire):
    def add_up(x):
        return all_reduce(x, wire=wire, how=run.how)

    return AGGREGATIONS[run.aggregation](gradient, mine, rows, wire.world_size, add_up)
