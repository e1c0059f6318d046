"""What a worker puts into the sum, so that the sum is the mean over all rows."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def contribution(gradient, mine, rows):
    """The part of one worker, so that the parts of all workers add up to the mean gradient over all rows."""
    share = mine / rows  # of the rows; the shares of all workers add up to 1
    return share * np.asarray(gradient, dtype=float)


def _sum_over_own_rows_first(gradient, mine, rows):
    total = np.multiply(gradient, mine)
    return total / rows


def _number_by_number(gradient, mine, rows):
    values = np.asarray(gradient, dtype=float)
    result = np.empty_like(values)
    for place in np.ndindex(values.shape):
        result[place] = values[place] * mine / rows
    return result


def _as_it_is_written(gradient, mine, rows):
    return gradient * mine / rows


def _as_it_is(gradient, mine, rows):
    return np.asarray(gradient, dtype=float)


def _sum_over_own_rows(gradient, mine, rows):
    return mine * np.asarray(gradient, dtype=float)


def _divides_only(gradient, mine, rows):
    return np.asarray(gradient, dtype=float) / rows


def _upside_down(gradient, mine, rows):
    return np.asarray(gradient, dtype=float) * rows / mine


def _divided_by_own_rows(gradient, mine, rows):
    return np.asarray(gradient, dtype=float) / mine


def _plain_mean_of_four(gradient, mine, rows):
    return np.asarray(gradient, dtype=float) / 4


def _random(rng):
    return tuple(
        Case(args=(rng.normal(size=shape), int(mine), int(mine + rng.integers(1, 60))))
        for shape, mine in (((4,), 3), ((2, 3), 10), ((5,), 1), ((1,), 40), ((3, 2), 7))
    )


register(
    Exercise(
        id="collectives.contribution",
        lesson="07_collectives",
        title="A worker's share of the mean",
        difficulty=1,
        minutes=5,
        question="A worker has the mean gradient of its `mine` rows, of `rows` in all. What must it put into an "
        "all-reduce that adds up, so that everyone gets the mean over all rows?",
        reference=contribution,
        public=(
            Case(args=(np.array([2.0, -4.0]), 3, 12), note="a quarter of the rows"),
            Case(args=(np.array([1.0]), 5, 5), note="one worker has them all"),
            Case(args=(np.array([[6.0, 0.0], [3.0, 9.0]]), 1, 3), note="a matrix, one row of three"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="the gradient as it is",
                answer=_as_it_is,
                hint="You hand in the mean gradient itself. Four workers would then get about four times the mean: an "
                "all-reduce adds up, and nothing divides by itself.",
            ),
            Misconception(
                name="the sum over its rows",
                answer=_sum_over_own_rows,
                hint="You hand in the sum over your rows, so everyone gets the sum over all rows. By what should it be "
                "divided to become their mean?",
            ),
            Misconception(
                name="divided by all rows, its own not counted",
                answer=_divides_only,
                hint="You divide by the number of all rows, but the gradient is a mean already: your own rows are "
                "divided out twice. A worker with more rows should weigh more.",
            ),
            Misconception(
                name="divided by its own rows",
                answer=_divided_by_own_rows,
                hint="You divide by your own rows. They are divided out already: a mean came in.",
            ),
            Misconception(
                name="few rows weigh most",
                answer=_upside_down,
                hint="Your factor is 1 or more, and the fewer rows a worker has, the more it counts. The factors of "
                "all workers have to add up to 1.",
            ),
            Misconception(
                name="the plain mean of four workers",
                answer=_plain_mean_of_four,
                hint="You divide by the number of workers, whatever `mine` is. Everyone then gets the plain mean of "
                "the workers' means, which is the mean over all rows only where shards are equal.",
            ),
        ),
        alternatives=(_sum_over_own_rows_first, _number_by_number, _as_it_is_written),
        hints=(
            "The mean over all rows is their sum, divided by their number. Who knows which part of that sum?",
            "From the mean over your rows you get the sum over your rows.",
            "What you hand in is your gradient times your share of the rows.",
        ),
    )
)
