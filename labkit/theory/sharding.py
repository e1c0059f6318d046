"""One training step by K workers: the right update, the article's, and what becomes of each over many steps.

The workers are simulated in one process: only the arithmetic is at stake. Real processes come in lesson 07.
"""

import numpy as np

from labkit.errors import SettingError
from labkit.theory.loss import combine_means, cross_entropy

__all__ = [
    "UPDATES",
    "article_scale",
    "article_step",
    "averaged_step",
    "mean_node_loss",
    "softmax_gradient",
    "softmax_loss",
    "spread",
    "train_nodes",
]


def softmax_loss(theta, features, labels):
    """Mean cross-entropy, in nats, of a softmax layer; `theta` (inputs, classes), `features` (rows, inputs).

    >>> softmax_loss(np.zeros((1, 2)), [[1.0], [2.0]], [0, 1])   # ln 2: both classes equally likely
    0.6931471805599453
    """
    return float(cross_entropy(np.asarray(features, dtype=float) @ theta, labels).mean())


def softmax_gradient(theta, features, labels):
    """Gradient of `softmax_loss` with respect to `theta`, of its shape: the mean over rows of x (p - y).

    >>> softmax_gradient(np.zeros((1, 2)), [[1.0], [2.0]], [0, 1]).tolist()   # (1·(-½) + 2·½)/2 = ¼
    [[0.25, -0.25]]
    """
    features, labels = np.asarray(features, dtype=float), np.asarray(labels)
    logits = features @ theta
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return features.T @ p / len(labels)


def averaged_step(theta, gradients, *, learning_rate):
    """The right step on equal shards: theta - learning_rate * (mean of the K shards' mean gradients).

    `gradients` has one gradient of `theta`'s shape for each worker: shape (K, ...).

    >>> averaged_step(np.array([1.0]), np.array([[2.0], [4.0]]), learning_rate=0.1).tolist()
    [0.7]
    """
    return theta - learning_rate * np.mean(gradients, axis=0)


def article_step(theta, gradients, *, learning_rate, rows):
    """The article's step (4.2), read literally: theta - learning_rate / (rows/K) * (sum of the K gradients).

    >>> article_step(np.array([1.0]), np.array([[2.0], [4.0]]), learning_rate=0.1, rows=8).tolist()
    [0.85]
    """
    return theta - learning_rate / (rows / len(gradients)) * np.sum(gradients, axis=0)


def article_scale(workers, *, rows, gradient="mean"):
    """How many times too long the article's step is, with shard gradients that are a "mean" or a "sum".

    >>> article_scale(2, rows=8), article_scale(2, rows=8, gradient="sum")   # K²/N and K
    (0.5, 2.0)

    Raises SettingError if there are more workers than rows, or for another word than "mean" or "sum".
    """
    if not 1 <= workers <= rows:
        raise SettingError(
            "at least one worker and at least one row for each worker",
            received=f"{workers} workers for {rows} rows",
            do="Take fewer workers, or more rows.",
        )
    if gradient not in ("mean", "sum"):
        raise SettingError('"mean" or "sum"', received=repr(gradient), do="Say what a worker adds up.")
    return workers**2 / rows if gradient == "mean" else float(workers)


# Each update takes the nodes' parameters (K, ...), the shard means of the gradient (K, ...), the shard sizes
# and the learning rate, and gives the nodes' parameters after the step.
def _averaged(nodes, gradients, sizes, rate):
    return nodes - rate * combine_means(gradients, sizes=sizes)


def _article_means(nodes, gradients, sizes, rate):
    return nodes - rate / (sum(sizes) / len(sizes)) * gradients.sum(axis=0)


def _article_sums(nodes, gradients, sizes, rate):
    sums = np.einsum("k,k...->k...", np.asarray(sizes, dtype=float), gradients)
    return _article_means(nodes, sums, sizes, rate)


def _alone(nodes, gradients, sizes, rate):
    return nodes - rate * gradients


UPDATES = {
    "averaged": _averaged,
    "article, shard means": _article_means,
    "article, shard sums": _article_sums,
    "each node alone": _alone,
}
"""Ways to update K nodes: the right one, then the article's formula in three readings."""


def train_nodes(start, shards, *, update, learning_rate, steps):
    """Train K nodes of a softmax layer, each with its own copy of the parameters, full shards at each step.

    `start` is (inputs, classes) for all nodes, or (K, inputs, classes); `shards` is a list of K pairs
    (features, labels); `update` is a key of UPDATES. The result is (steps + 1, K, inputs, classes): every
    node's parameters before the first step and after each. Each node computes its gradient at its *own*
    parameters.

    >>> shards = [([[1.0]], [0]), ([[2.0]], [1])]
    >>> path = train_nodes(np.zeros((1, 2)), shards, update="averaged", learning_rate=1.0, steps=1)
    >>> path.shape, path[1].tolist()
    ((2, 2, 1, 2), [[[-0.25, 0.25]], [[-0.25, 0.25]]])

    Raises SettingError for an unknown update.
    """
    if update not in UPDATES:
        raise SettingError(f"one of {list(UPDATES)}", received=repr(update), do="Choose one of these.")
    sizes = tuple(len(labels) for _, labels in shards)
    nodes = np.array(np.broadcast_to(start, (len(shards), *np.shape(start)[-2:])), dtype=float)
    path = [nodes]
    for _ in range(steps):
        gradients = np.stack([softmax_gradient(n, *shard) for n, shard in zip(nodes, shards, strict=True)])
        nodes = UPDATES[update](nodes, gradients, sizes, learning_rate)
        path.append(nodes)
    return np.stack(path)


def mean_node_loss(nodes, features, labels):
    """Loss on all the rows given, in nats, averaged over the K nodes: axis 0 is nodes.

    >>> mean_node_loss(np.zeros((3, 1, 2)), [[1.0], [2.0]], [0, 1])   # ln 2 for each of three nodes
    0.6931471805599453
    """
    return float(np.mean([softmax_loss(node, features, labels) for node in nodes]))


def spread(nodes):
    """Largest difference, in any parameter, between any two of the K nodes: axis 0 is nodes.

    >>> spread(np.array([[1.0, 5.0], [1.0, 5.5]]))
    0.5
    """
    return float((nodes.max(axis=0) - nodes.min(axis=0)).max())
