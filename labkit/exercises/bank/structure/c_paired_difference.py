"""Is one model better? Two classifiers on the same rows."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def paired_difference(truth, first, second):
    """The accuracy of `second` minus that of `first`, and the standard error of this difference."""
    change = (second == truth).astype(float) - (first == truth)  # for each row -1, 0 or 1
    return float(change.mean()), float(change.std() / np.sqrt(len(change)))


def _by_counting(truth, first, second):
    n = len(truth)
    gained = int(((second == truth) & (first != truth)).sum())
    lost = int(((second != truth) & (first == truth)).sum())
    difference = (gained - lost) / n
    return difference, ((gained + lost) / n - difference**2) ** 0.5 / n**0.5


def _by_covariance(truth, first, second):
    a, b = (first == truth).astype(float), (second == truth).astype(float)
    table = np.cov(a, b, ddof=0)
    return b.mean() - a.mean(), np.sqrt((table[0, 0] + table[1, 1] - 2 * table[0, 1]) / len(truth))


def _as_if_on_other_rows(truth, first, second):
    a, b = (first == truth).mean(), (second == truth).mean()
    return b - a, np.sqrt((a * (1 - a) + b * (1 - b)) / len(truth))


def _change(truth, first, second):
    return (second == truth).astype(float) - (first == truth)


def _mean_and_error(change):
    return change.mean(), change.std() / np.sqrt(len(change))


def _spread_of_one_row(truth, first, second):
    change = _change(truth, first, second)
    return change.mean(), change.std()


def _divides_by_n(truth, first, second):
    change = _change(truth, first, second)
    return change.mean(), change.std() / len(change)


def _first_minus_second(truth, first, second):
    difference, error = paired_difference(truth, first, second)
    return -difference, error


def _counts_disagreement(truth, first, second):
    return _mean_and_error((second != first).astype(float))


def _only_rows_that_changed(truth, first, second):
    change = _change(truth, first, second)
    change = change[change != 0]
    if len(change) == 0:
        return 0.0, 0.0
    return _mean_and_error(change)


def _divides_by_n_minus_1(truth, first, second):
    change = _change(truth, first, second)
    return change.mean(), change.std(ddof=1) / np.sqrt(len(change))


def _loses_the_sign(truth, first, second):
    return _mean_and_error(((second == truth) ^ (first == truth)).astype(float))


def _loses_the_sign_in_the_error(truth, first, second):
    difference, _ = paired_difference(truth, first, second)
    return difference, _loses_the_sign(truth, first, second)[1]


def _variance_of_the_mean(truth, first, second):
    difference, error = paired_difference(truth, first, second)
    return difference, error**2


def _variance_for_the_spread(truth, first, second):
    change = _change(truth, first, second)
    return change.mean(), change.var() / np.sqrt(len(change))


def _around_zero(truth, first, second):
    change = _change(truth, first, second)
    return change.mean(), np.sqrt((change**2).mean() / len(change))


def _adds_the_errors(truth, first, second):
    a, b = first == truth, second == truth
    return b.mean() - a.mean(), (a.std() + b.std()) / np.sqrt(len(truth))


def _subtracts_labels(truth, first, second):
    return _mean_and_error((second - first).astype(float))


def _in_points(truth, first, second):
    return tuple(100 * number for number in paired_difference(truth, first, second))


def _twice_the_error(truth, first, second):
    difference, error = paired_difference(truth, first, second)
    return difference, 2 * error


def _random(rng):
    cases = []
    for rows in (30, 120, 419):
        truth = rng.integers(0, 5, size=rows)
        guesses = [np.where(rng.random(rows) < share, rng.integers(0, 5, size=rows), truth) for share in (0.2, 0.3)]
        cases.append(Case(args=(truth, *guesses)))
    return (*cases, Case(args=(truth, guesses[0], guesses[0].copy())))


register(
    Exercise(
        id="structure.paired_difference",
        lesson="04_bert_structure",
        title="Two models, the same rows",
        difficulty=2,
        minutes=10,
        question="Give the accuracy of `second` minus that of `first`, and the paired standard error of this.",
        reference=paired_difference,
        public=(
            Case(
                args=(
                    np.array([0, 1, 2, 0, 1, 2, 0, 1]),
                    np.array([0, 1, 2, 0, 1, 2, 1, 0]),
                    np.array([0, 1, 2, 0, 1, 0, 1, 0]),
                ),
                note="eight rows; the second model loses one that the first had",
            ),
            Case(
                args=(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]), np.array([0, 0, 1, 0])),
                note="four rows; the second model gains one",
            ),
            Case(
                args=(np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 2, 0, 0, 0]), np.array([0, 1, 2, 1, 1, 1])),
                note="six rows; the second model loses one, gains one, and on one both are wrong",
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="as if they had seen different rows",
                answer=_as_if_on_other_rows,
                hint="You add the variances of two independent scores. But both models answered the same rows, and "
                "most rows are right or wrong for both: those say nothing about the difference.",
            ),
            Misconception(
                name="the spread of one row",
                answer=_spread_of_one_row,
                hint="That is how much a single row varies. The mean of many rows varies less: by how much?",
            ),
            Misconception(
                name="divides by n",
                answer=_divides_by_n,
                hint="The error of a mean shrinks with the root of the number of rows, not with the number itself.",
            ),
            Misconception(
                name="first minus second",
                answer=_first_minus_second,
                hint="The error is right and the sign of the difference is not: second minus first.",
            ),
            Misconception(
                name="counts where they disagree",
                answer=_counts_disagreement,
                hint="You compare the models with each other. Whether a change is a gain or a loss only the truth "
                "can tell.",
            ),
            Misconception(
                name="looks at the changed rows only",
                answer=_only_rows_that_changed,
                hint="You left out the rows where nothing changed. They count too: as zeros in the mean.",
            ),
            Misconception(
                name="divides by n - 1",
                answer=_divides_by_n_minus_1,
                hint="Your difference is right and your error a little too large: n - 1 stands in it where n should "
                "stand. Both are in use; here it is n.",
            ),
            Misconception(
                name="loses the sign of a change",
                answer=_loses_the_sign,
                hint="You count a row that the second model lost as you count one that it gained. An exclusive or, and "
                "an absolute value, only say that something changed.",
            ),
            Misconception(
                name="loses the sign in the error",
                answer=_loses_the_sign_in_the_error,
                hint="The difference is right. But its error comes from a row without signs: for its spread, too, "
                "a loss and a gain lie on two sides of zero.",
            ),
            Misconception(
                name="leaves out the last root",
                answer=_variance_of_the_mean,
                hint="Your error is the square of the right one: a variance. An error has the unit of the mean.",
            ),
            Misconception(
                name="variance for the spread",
                answer=_variance_for_the_spread,
                hint="You divide by the root, as you should, but what you divide is the row's variance. Which measure "
                "of spread has the unit of the row?",
            ),
            Misconception(
                name="around zero",
                answer=_around_zero,
                hint="Your error is a little too large. You measure how far the changes lie from 0; a standard "
                "deviation measures how far they lie from their mean.",
            ),
            Misconception(
                name="adds the errors",
                answer=_adds_the_errors,
                hint="You add the errors of two scores, which is too large even for models that saw different rows. "
                "Here they saw the same ones: make one row of changes first.",
            ),
            Misconception(
                name="subtracts labels",
                answer=_subtracts_labels,
                hint="You subtract the number of one label from that of another. These numbers are names. What counts "
                "for each row is whether a model was right.",
            ),
            Misconception(
                name="in points",
                answer=_in_points,
                hint="Both numbers are a hundred times the right ones: you give points, and shares are asked for.",
            ),
            Misconception(
                name="twice the error",
                answer=_twice_the_error,
                hint="Your error is twice the right one. That is how far a 95 % interval reaches; asked for is one "
                "standard error.",
            ),
        ),
        alternatives=(_by_counting, _by_covariance),
        hints=(
            "For each row: was the second model right, was the first? Take the difference of the two.",
            "You now have one number a row, -1, 0 or 1. The question asks for its mean, and the error of its mean.",
            "The standard error of a mean is the standard deviation over the root of the number of rows. "
            "Take numpy's `std` as it is.",
        ),
    )
)
