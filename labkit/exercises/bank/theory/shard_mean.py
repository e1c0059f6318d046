"""Exercise 2.1: the mean over all rows from the means of shards."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def shard_mean(means, sizes):
    """Mean over all rows from the shards' means: each counts by its share of the rows."""
    return np.average(np.asarray(means, dtype=float), axis=0, weights=np.asarray(sizes))


def _shard_mean_loop(means, sizes):
    total = 0.0
    for mean, size in zip(means, sizes, strict=True):
        total = total + size * np.asarray(mean, dtype=float)
    return total / sum(sizes)


def _shard_mean_running(means, sizes):
    """A running mean: each shard moves it by its share of the rows seen so far."""
    seen, mean = 0, 0.0
    for more, size in zip(means, sizes, strict=True):
        seen += size
        mean = mean + (np.asarray(more, dtype=float) - mean) * size / seen
    return mean


def _weighted_sum(means, weights):
    return np.tensordot(np.asarray(weights, dtype=float), np.asarray(means, dtype=float), axes=1)


def _sizes_on_the_last_axis(means, sizes):
    return np.sum(np.asarray(means) * np.asarray(sizes), axis=0) / np.sum(sizes)


def _shard_mean_cases(rng):
    """Numbers and gradients, equal shards, one shard, very unequal ones."""
    sizes = rng.integers(1, 50, size=6)
    return (
        Case(args=(rng.normal(size=6), sizes)),
        Case(args=(rng.normal(size=(6, 4)), sizes)),
        Case(args=(rng.normal(size=(3, 3)), np.array([8, 8, 8]))),
        Case(args=(rng.normal(size=(3, 4, 2)), np.array([5, 1, 2]))),
        Case(args=([float(rng.normal())], [7])),
        Case(args=(rng.normal(size=4).tolist(), [1, 1, 1, 997])),
    )


register(
    Exercise(
        id="theory.shard_mean",
        lesson="02_the_math",
        title="One mean from many",
        difficulty=1,
        minutes=5,
        question="From the mean of each shard (a number, or a gradient: axis 0 is shards) and the rows of "
        "each shard, give the mean over all rows.",
        reference=shard_mean,
        public=(
            Case(args=([2.0, 10.0], [3, 1]), note="losses 1, 2, 3 and 10"),
            Case(args=(np.array([[1.0, 0.0], [4.0, 8.0]]), [2, 1]), note="two gradients with two numbers each"),
        ),
        hidden=_shard_mean_cases,
        misconceptions=(
            Misconception(
                name="every shard counts the same",
                answer=lambda means, sizes: np.mean(means, axis=0),
                hint="This is the mean of the means, right only when all shards have the same number of "
                "rows, as the article assumes. How much should a shard with one row count?",
            ),
            Misconception(
                name="adds the means up",
                answer=lambda means, sizes: np.sum(means, axis=0),
                hint="You add the means up. With K equal shards that is K times too much: a mean must stay "
                "between the smallest and the largest of its parts.",
            ),
            Misconception(
                name="the sum over rows, not divided",
                answer=lambda means, sizes: _weighted_sum(means, sizes),
                hint="Size times mean gives a shard's sum, and you add these up: a sum over all rows. "
                "One step is missing to make it a mean.",
            ),
            Misconception(
                name="divides by the number of shards",
                answer=lambda means, sizes: _weighted_sum(means, sizes) / len(sizes),
                hint="The sum over all rows is right, but you divide it by the number of shards. "
                "What did you add up: shards or rows?",
            ),
            Misconception(
                name="small shards count most",
                answer=lambda means, sizes: _weighted_sum(means, 1 / np.asarray(sizes)) / np.sum(1 / np.asarray(sizes)),
                hint="You weight by one over the size, so a shard with one row counts most. "
                "It should be the other way round.",
            ),
            Misconception(
                name="one number for a gradient",
                answer=lambda means, sizes: np.sum(_weighted_sum(means, sizes)) / np.sum(sizes),
                hint="Numbers come out right, but a gradient has lost its shape: you sum over its entries "
                "too. Sum over shards only, axis 0.",
            ),
            Misconception(
                name="sizes meet the wrong axis",
                answer=_sizes_on_the_last_axis,
                hint="Numbers come out right, but with gradients numpy matches your sizes with the last axis, "
                "the parameters. They belong to axis 0, the shards: what shape would make them meet it?",
            ),
        ),
        alternatives=(_shard_mean_loop, _shard_mean_running),
        hints=(
            "Write down the losses 1, 2, 3 in one shard and 10 in another. What is the mean of all four?",
            "From a shard's mean and its size you can get back the sum over its rows.",
            "Add up the shards' sums, then divide once, by the number of all rows.",
        ),
    )
)
