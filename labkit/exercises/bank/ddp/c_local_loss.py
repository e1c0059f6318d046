"""What each worker must compute so that DDP's plain mean over workers is the mean over rows."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def local_loss(losses, global_rows, workers):
    """The loss whose gradient one worker computes, so that the plain mean over workers is the mean over all rows."""
    return workers * float(np.sum(losses)) / global_rows  # an empty shard gives 0, and takes part all the same


def _by_mean_rows(losses, global_rows, workers):
    rows_a_worker = global_rows / workers  # what DDP's mean takes each shard for
    total = 0.0
    for loss in losses:
        total += loss / rows_a_worker
    return total


def _by_weights(losses, global_rows, workers):
    share = len(losses) / global_rows
    return 0.0 if share == 0 else np.mean(losses) * share * workers


def _mean_of_own_rows(losses, global_rows, workers):
    return float(np.mean(losses)) if len(losses) else 0.0


def _mean_of_own_rows_even_of_none(losses, global_rows, workers):
    with np.errstate(all="ignore"):
        return workers * len(losses) / global_rows * (np.float64(np.sum(losses)) / np.float64(len(losses)))


def _forgets_the_workers(losses, global_rows, workers):
    return float(np.sum(losses)) / global_rows


def _plain_sum(losses, global_rows, workers):
    return float(np.sum(losses))


def _divides_twice(losses, global_rows, workers):
    return float(np.sum(losses)) / global_rows / workers


def _mean_where_the_sum_belongs(losses, global_rows, workers):
    with np.errstate(all="ignore"):
        return workers / global_rows * (np.float64(np.sum(losses)) / np.float64(len(losses)))


def _random(rng):
    made = []
    for workers in (2, 3, 4, 7):
        rows = int(rng.integers(workers, 40))
        made.append(Case(args=(rng.uniform(0.1, 3, size=int(rng.integers(1, rows))), rows, workers)))
    return (*made, Case(args=(np.zeros(0), int(rng.integers(1, 5)), 5)))


register(
    Exercise(
        id="ddp.local_loss",
        lesson="08_bert_ddp",
        title="A plain mean that is right",
        difficulty=3,
        minutes=10,
        question="Compute the number that this worker should backpropagate, so that the plain mean over all workers is "
        "the mean over all rows.",
        reference=local_loss,
        public=(
            Case(args=(np.array([1.0, 3.0]), 4, 2), note="2 of 4 rows, two workers: equal shards, the mean"),
            Case(args=(np.array([1.0, 3.0, 2.0]), 4, 2), note="3 of 4 rows; the other worker has one row"),
            Case(args=(np.array([]), 3, 4), note="three rows for four workers: this one has none"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="mean of the worker's own rows",
                answer=_mean_of_own_rows,
                hint="Every worker gives the mean of its own rows, so a row on a small shard counts more than one on a "
                "large shard. It is right on equal shards only (exercise 2.1).",
            ),
            Misconception(
                name="divides by its own rows where there are none",
                answer=_mean_of_own_rows_even_of_none,
                hint="A worker without any rows divides zero by zero in yours, and its NaN is averaged into "
                "everybody's gradient. Try it with an empty list of losses.",
            ),
            Misconception(
                name="a mean where the sum belongs",
                answer=_mean_where_the_sum_belongs,
                hint="You divide by rows twice: once by the worker's own, in its mean, and once by the rows of all.",
            ),
            Misconception(
                name="forgets that DDP divides",
                answer=_forgets_the_workers,
                hint="Added up over the workers yours would be right. But DDP takes the *mean* over workers: it "
                "divides once more, by what?",
            ),
            Misconception(
                name="gives the sum",
                answer=_plain_sum,
                hint="The mean over workers of your sums grows with the batch. Which number of rows must it be divided "
                "by?",
            ),
            Misconception(
                name="divides by the workers twice",
                answer=_divides_twice,
                hint="DDP divides by the number of workers already. You divide by it as well; the step becomes K² "
                "times too short.",
            ),
        ),
        alternatives=(_by_mean_rows, _by_weights),
        hints=(
            "Write down what you want: the sum of all losses over `global_rows`. Then what DDP makes of the numbers "
            "that it gets: their sum over `workers`.",
            "Each worker can only contribute the sum of its own losses. What must it be multiplied with, so that DDP's "
            "division does no harm?",
            "The sum of the worker's losses, times the number of workers, over the rows of all workers together.",
        ),
    )
)
