"""Choosing by cross-validation, and reporting what the choice is worth."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def choose_criterion(validation, test):
    """The number of the best candidate, and its mean test F1."""
    best = int(np.argmax(validation.mean(axis=1)))  # choose on one set of rows
    return best, float(test[best].mean())  # report on another


def _by_loop(validation, test):
    best, best_score = 0, -1.0
    for candidate in range(len(validation)):
        score = sum(validation[candidate]) / len(validation[candidate])
        if score > best_score:
            best, best_score = candidate, score
    return best, sum(test[best]) / len(test[best])


def _by_sorting(validation, test):
    order = sorted(range(len(validation)), key=lambda row: np.mean(validation[row]), reverse=True)
    return order[0], np.mean(test, axis=1)[order[0]]


def _chooses_on_the_test_rows(validation, test):
    best = int(np.argmax(test.mean(axis=1)))
    return best, float(test[best].mean())


def _reports_the_validation_score(validation, test):
    best = int(np.argmax(validation.mean(axis=1)))
    return best, float(validation[best].mean())


def _best_single_fold(validation, test):
    best = int(np.argmax(validation.max(axis=1)))
    return best, float(test[best].mean())


def _reports_the_best_fold(validation, test):
    best = int(np.argmax(validation.mean(axis=1)))
    return best, float(test[best].max())


def _counts_from_one(validation, test):
    best, score = choose_criterion(validation, test)
    return best + 1, score


def _random(rng):
    return tuple(Case(args=(rng.uniform(0.7, 0.95, size=shape), rng.uniform(0.7, 0.95, size=shape)))
                 for shape in ((3, 5), (4, 5), (2, 3), (5, 10), (6, 4), (3, 3)))  # fmt: skip


register(
    Exercise(
        id="pruning.choose_criterion",
        lesson="03_pruning",
        title="Choose on some rows, report on others",
        difficulty=2,
        minutes=8,
        question="Choose the candidate by cross-validation; give its number, from 0, and the F1 to report for it.",
        reference=choose_criterion,
        public=(
            Case(
                args=(np.array([[0.80, 0.90], [0.86, 0.88]]), np.array([[0.91, 0.89], [0.84, 0.86]])),
                note="two candidates, two folds: validation F1, then test F1",
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="chooses on the test rows",
                answer=_chooses_on_the_test_rows,
                hint="You looked at the test rows to choose. Of several equal candidates the luckiest wins, and its "
                "score is then too good: those rows can no longer tell you what the choice is worth.",
            ),
            Misconception(
                name="reports the validation score",
                answer=_reports_the_validation_score,
                hint="The choice is right, but you report the score that made it win. Which rows had no part in it?",
            ),
            Misconception(
                name="trusts the best single fold",
                answer=_best_single_fold,
                hint="You chose by the best of the folds. One fold has a lucky split; what do all folds say together?",
            ),
            Misconception(
                name="reports the best fold",
                answer=_reports_the_best_fold,
                hint="The choice is right, but you report its best fold only.",
            ),
            Misconception(
                name="counts the candidates from 1",
                answer=_counts_from_one,
                hint="Choice and score are right. The number is that of the row, and Python counts rows from 0.",
            ),
        ),
        alternatives=(_by_loop, _by_sorting),
        hints=(
            "One row a candidate, one column a fold. Which of the two arrays may you choose with?",
            "The mean over the folds judges a candidate.",
            "The position of the largest mean of `validation`; then the mean of that row of `test`.",
        ),
    )
)
