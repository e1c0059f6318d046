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
        rank = _rank(exercise, misconception, runs, expected, cases)
        if rank > best_rank:
            best, best_rank = misconception, rank
    return best


def agree(one, other, tolerance):
    """Whether two runs ended alike: the same value, or an error of the same type."""
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    return difference(one.value, other.value, tolerance=tolerance) is None


def _rank(exercise, misconception, runs, expected, cases):
    """How well a misconception fits: (whether on all cases, how many it has to show for it); the number is 0 for no."""
    wrong, right, same = [], [], []
    for case, answered, wanted in zip(cases, runs, expected, strict=True):
        wrong.append(run(misconception.answer, case, seconds=exercise.seconds))
        right.append(agree(wrong[-1], wanted, exercise.tolerance))
        same.append(agree(answered, wrong[-1], exercise.tolerance))
        if not (right[-1] or same[-1]):
            return False, 0  # the other cases would not change that
    telling = [i for i, as_wanted in enumerate(right) if not as_wanted]
    if not telling:  # a misconception that gives the right values goes wrong by what it does to its inputs
        telling = [i for i, one in enumerate(wrong) if one.changed and not expected[i].changed]
        same = [alike and runs[i].changed == wrong[i].changed for i, alike in enumerate(same)]
    fits = telling and all(same[i] for i in telling)
    return (all(same), len(telling)) if fits else (False, 0)
