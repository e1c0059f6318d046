"""Exercise 2.4: the step of K workers that is the step of one process."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def distributed_step(theta, gradients, learning_rate, rows):
    """Parameters after one step of K workers on equal shards; the number of rows is not needed."""
    return np.asarray(theta, dtype=float) - learning_rate * np.mean(gradients, axis=0)


def _step_loop(theta, gradients, learning_rate, rows):
    new = np.array(theta, dtype=float)
    for gradient in gradients:
        new -= learning_rate / len(gradients) * np.asarray(gradient, dtype=float)
    return new


def _step_by_rows(theta, gradients, learning_rate, rows):
    """Back to sums over rows, all added up, then one mean."""
    each = rows / len(gradients)
    total = sum(each * np.asarray(gradient, dtype=float) for gradient in gradients)
    return np.asarray(theta, dtype=float) - learning_rate * total / rows


def _step_average_of_nodes(theta, gradients, learning_rate, rows):
    nodes = [np.asarray(theta, dtype=float) - learning_rate * np.asarray(g, dtype=float) for g in gradients]
    return np.mean(nodes, axis=0)


def _step(theta, gradients, rate):
    return np.asarray(theta, dtype=float) - rate * np.sum(gradients, axis=0)


def _step_cases(rng):
    """Several workers and rows, never K² = N, where the article is right by accident; one worker."""
    return tuple(
        Case(args=(rng.normal(size=5), rng.normal(size=(workers, 5)), float(rng.uniform(0.05, 0.5)), rows))
        for workers, rows in ((2, 8), (3, 12), (4, 32), (8, 240), (1, 6))
    )


register(
    Exercise(
        id="theory.distributed_step",
        lesson="02_the_math",
        title="Repair the update",
        difficulty=3,
        minutes=8,
        question="`gradients` holds the mean gradient of each of K equal shards, computed at `theta`: "
        "return the parameters that one process with all `rows` rows would have after its step.",
        reference=distributed_step,
        public=(
            Case(args=([1.0, 0.0], [[2.0, -1.0], [4.0, 3.0]], 0.1, 8), note="two workers, four rows each"),
            Case(args=([0.0], [[3.0], [3.0], [3.0]], 0.5, 6), note="all shards agree"),
        ),
        hidden=_step_cases,
        misconceptions=(
            Misconception(
                name="the article's step",
                answer=lambda theta, gradients, learning_rate, rows: _step(
                    theta, gradients, learning_rate * len(gradients) / rows
                ),
                hint="This is the article's step: it divides a sum of K gradients by the N/K rows of a "
                "shard. The gradients are means already. How many things do you add up?",
            ),
            Misconception(
                name="adds the gradients up",
                answer=lambda theta, gradients, learning_rate, rows: _step(theta, gradients, learning_rate),
                hint="You add the K gradients up, so the step is K times as long as one process would take. "
                "If all shards agree, their common gradient should be the result.",
            ),
            Misconception(
                name="divides by the rows",
                answer=lambda theta, gradients, learning_rate, rows: _step(theta, gradients, learning_rate / rows),
                hint="Your step is the sum of the gradients over N, or their mean over N/K, which is the same. "
                "Each gradient was divided by its shard's rows already: now the rows are counted twice.",
            ),
            Misconception(
                name="one node's gradient only",
                answer=lambda theta, gradients, learning_rate, rows: (
                    np.asarray(theta) - learning_rate * np.asarray(gradients[0])
                ),
                hint="You use the first worker's gradient: the other shards might as well not exist.",
            ),
            Misconception(
                name="climbs",
                answer=lambda theta, gradients, learning_rate, rows: (
                    np.asarray(theta) + learning_rate * np.mean(gradients, axis=0)
                ),
                hint="The length is right, the direction is not: the gradient points uphill.",
            ),
            Misconception(
                name="one number for all parameters",
                answer=lambda theta, gradients, learning_rate, rows: (
                    np.asarray(theta) - learning_rate * np.mean(gradients)
                ),
                hint="All parameters move by the same amount: your mean runs over the parameters too. "
                "Average over workers only.",
            ),
            Misconception(
                name="every node goes its own way",
                answer=lambda theta, gradients, learning_rate, rows: (
                    np.asarray(theta) - learning_rate * np.asarray(gradients)
                ),
                hint="You return K different models, one a worker. After a step all workers must hold the "
                "same parameters: something has to be exchanged first.",
            ),
        ),
        alternatives=(_step_loop, _step_by_rows, _step_average_of_nodes),
        hints=(
            "What would one process compute? The mean over all N rows. What does a worker know of it?",
            "Equal shards: the mean of the shards' means is the mean over all rows.",
            "So average the gradients over workers (axis 0), then take one ordinary step. Is `rows` needed?",
        ),
    )
)
