import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import SettingError
from labkit.theory import (
    article_scale,
    article_step,
    averaged_step,
    shard_sizes,
    softmax_gradient,
    softmax_loss,
    spread,
    train_nodes,
)


def problem(rows=24, workers=3, seed=0):
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(rows, 5)), rng.integers(4, size=rows)
    cuts = np.cumsum(shard_sizes(rows, workers=workers))[:-1]
    shards = list(zip(np.split(features, cuts), np.split(labels, cuts), strict=True))
    return features, labels, shards, rng.normal(size=(5, 4))


def test_gradient_agrees_with_autograd():
    features, labels, _, theta = problem()
    leaf = torch.tensor(theta, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(torch.tensor(features) @ leaf, torch.tensor(labels))
    loss.backward()
    assert softmax_loss(theta, features, labels) == pytest.approx(loss.item(), abs=1e-12)
    np.testing.assert_allclose(softmax_gradient(theta, features, labels), leaf.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize(("rows", "workers"), [(24, 1), (24, 3), (24, 8), (25, 4), (7, 7)])
def test_averaged_nodes_stay_with_one_process(rows, workers):
    """Equal and unequal shards, ten steps, against plain gradient descent on all rows."""
    features, labels, shards, theta = problem(rows, workers)
    path = train_nodes(theta, shards, update="averaged", learning_rate=0.5, steps=10)
    for _ in range(10):
        theta = theta - 0.5 * softmax_gradient(theta, features, labels)
    assert np.abs(path[-1] - theta).max() < 1e-12
    assert spread(path[-1]) == 0.0


def test_the_step_agrees_with_torch_sgd():
    features, labels, shards, theta = problem()
    leaf = torch.nn.Parameter(torch.tensor(theta))
    optimizer = torch.optim.SGD([leaf], lr=0.5)
    torch.nn.functional.cross_entropy(torch.tensor(features) @ leaf, torch.tensor(labels)).backward()
    optimizer.step()
    gradients = np.stack([softmax_gradient(theta, *shard) for shard in shards])
    np.testing.assert_allclose(averaged_step(theta, gradients, learning_rate=0.5), leaf.detach().numpy(), atol=1e-12)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_article_step_is_as_long_as_counted(workers, each, seed):
    """One step from the same point: K²/N times the right displacement with shard means, K times with sums."""
    rows = workers * each
    rng = np.random.default_rng(seed)
    theta, means = rng.normal(size=6), rng.normal(size=(workers, 6))
    right = averaged_step(theta, means, learning_rate=0.1) - theta
    with_means = article_step(theta, means, learning_rate=0.1, rows=rows) - theta
    with_sums = article_step(theta, means * each, learning_rate=0.1, rows=rows) - theta
    np.testing.assert_allclose(with_means, right * article_scale(workers, rows=rows), atol=1e-12)
    np.testing.assert_allclose(with_sums, right * article_scale(workers, rows=rows, gradient="sum"), atol=1e-12)


@pytest.mark.parametrize("reading", ["mean", "sum"])
def test_the_article_update_does_not_follow_one_process(reading):
    features, labels, shards, theta = problem()
    path = train_nodes(theta, shards, update=f"article, shard {reading}s", learning_rate=0.5, steps=1)
    moved = path[1, 0] - theta
    right = -0.5 * softmax_gradient(theta, features, labels)
    assert np.abs(moved - right).max() > 0.01
    np.testing.assert_allclose(moved, right * article_scale(3, rows=24, gradient=reading), atol=1e-12)


def test_nodes_alone_drift_apart_but_their_mean_is_right_for_one_step():
    features, labels, shards, theta = problem()
    path = train_nodes(theta, shards, update="each node alone", learning_rate=0.5, steps=5)
    apart = [spread(nodes) for nodes in path]
    assert apart[0] == 0.0
    assert apart == sorted(apart)
    assert apart[-1] > 0.1
    one = theta - 0.5 * softmax_gradient(theta, features, labels)
    np.testing.assert_allclose(path[1].mean(axis=0), one, atol=1e-12)
    for _ in range(4):
        one = one - 0.5 * softmax_gradient(one, features, labels)
    assert np.abs(path[5].mean(axis=0) - one).max() > 1e-3


def test_each_node_alone_is_gradient_descent_on_its_own_shard():
    _, _, shards, start = problem()
    path = train_nodes(start, shards, update="each node alone", learning_rate=0.5, steps=4)
    for node, shard in zip(path[-1], shards, strict=True):
        theta = start
        for _ in range(4):
            theta = theta - 0.5 * softmax_gradient(theta, *shard)
        np.testing.assert_allclose(node, theta, atol=1e-12)


def test_averaged_gradients_do_not_mend_a_different_start():
    _, _, shards, theta = problem()
    start = np.stack([theta, theta + 0.25, theta])
    path = train_nodes(start, shards, update="averaged", learning_rate=0.5, steps=8)
    assert spread(path[-1]) == pytest.approx(0.25, abs=1e-12)


def test_errors_say_what_to_do():
    _, _, shards, theta = problem()
    with pytest.raises(SettingError, match=r"averaged.*Received 'adam'"):
        train_nodes(theta, shards, update="adam", learning_rate=0.5, steps=1)
    with pytest.raises(SettingError, match="one row for each worker"):
        article_scale(5, rows=4)
    with pytest.raises(SettingError, match='"mean" or "sum"'):
        article_scale(2, rows=4, gradient="median")
