"""Which known mistake an answer makes: it is compared with each misconception where that one goes wrong."""

from labkit.exercises.compare import difference
from labkit.exercises.sandbox import run

__all__ = ["agree", "diagnose"]


def diagnose(exercise, runs, expected, cases):
    """Find the misconception that an answer follows; None where no known one fits.

    `runs` are the answer's runs and `expected` the reference's, one for each of `cases`. A misconception fits
    when the answer does as it does on every case where it differs from the reference. Where several fit, the
    one that agrees on all cases comes first, then the one with the most cases to show for it.

    >>> from labkit.exercises import Case, get
    >>> exercise, case = get("start.macro_f1"), Case(args=([0, 0, 1], [0, 1, 1], 2))
    >>> def accuracy(truth, predicted, classes):
    ...     return sum(t == p for t, p in zip(truth, predicted)) / len(truth)
    >>> cases = exercise.public_cases() + exercise.hidden_cases()
    >>> runs, expected = ([run(f, case) for case in cases] for f in (accuracy, exercise.reference))
    >>> diagnose(exercise, runs, expected, cases).name
    'accuracy (micro-F1)'
    """
    best, best_rank = None, (False, 0)
    for misconception in exercise.misconceptions:
        wrong = [run(misconception.answer, case, seconds=exercise.seconds) for case in cases]
        tolerance = exercise.tolerance
        telling = [i for i, one in enumerate(wrong) if not agree(one, expected[i], tolerance)]
        # A misconception that gives the right values goes wrong by what it does to its inputs.
        by_change = not telling
        if by_change:
            telling = [i for i, one in enumerate(wrong) if one.changed and not expected[i].changed]
        same = [
            agree(runs[i], one, tolerance) and (not by_change or runs[i].changed == one.changed)
            for i, one in enumerate(wrong)
        ]
        if telling and all(same[i] for i in telling):
            best_rank, best = max((best_rank, best), ((all(same), len(telling)), misconception), key=_rank)
    return best


def agree(one, other, tolerance):
    """Whether two runs ended alike: the same value, or an error of the same type."""
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    return difference(one.value, other.value, tolerance=tolerance) is None


def _rank(pair):
    return pair[0]
