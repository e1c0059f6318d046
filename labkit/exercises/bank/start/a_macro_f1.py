"""Macro-F1, class by class: the score of every later lesson."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def macro_f1(truth, predicted, classes):
    """Macro-F1: the mean over the classes of 2·tp / (2·tp + fp + fn); 0 for a class without any of them."""
    scores = []
    for label in range(classes):
        hits = sum(t == label and p == label for t, p in zip(truth, predicted, strict=True))
        false_alarms = sum(t != label and p == label for t, p in zip(truth, predicted, strict=True))
        misses = sum(t == label and p != label for t, p in zip(truth, predicted, strict=True))
        mentions = 2 * hits + false_alarms + misses
        scores.append(2 * hits / mentions if mentions else 0.0)
    return sum(scores) / classes


def _counts(truth, predicted, classes):
    """Hits, predictions and members of each class, three arrays of shape (classes,)."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    table = np.zeros((classes, classes))
    np.add.at(table, (truth, predicted), 1)
    return table.diagonal(), table.sum(axis=0), table.sum(axis=1)


def _share(part, whole):
    """part / whole, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole > 0)


def _f1_vectorized(truth, predicted, classes):
    hits, predictions, members = _counts(truth, predicted, classes)
    return _share(2 * hits, predictions + members).mean()


def _f1_from_precision_and_recall(truth, predicted, classes):
    hits, predictions, members = _counts(truth, predicted, classes)
    precision, recall = _share(hits, predictions), _share(hits, members)
    return float(np.mean(_share(2 * precision * recall, precision + recall)))


def _accuracy(truth, predicted, classes):
    return sum(t == p for t, p in zip(truth, predicted, strict=True)) / len(truth)


def _weighted(truth, predicted, classes):
    hits, predictions, members = _counts(truth, predicted, classes)
    return (_share(2 * hits, predictions + members) * members).sum() / members.sum()


def _precision_only(truth, predicted, classes):
    hits, predictions, _ = _counts(truth, predicted, classes)
    return _share(hits, predictions).mean()


def _recall_only(truth, predicted, classes):
    hits, _, members = _counts(truth, predicted, classes)
    return _share(hits, members).mean()


def _zero_by_zero(truth, predicted, classes):
    hits, predictions, members = _counts(truth, predicted, classes)
    precision, recall = hits / predictions, hits / members
    return (2 * precision * recall / (precision + recall)).mean()


def _skips_classes(truth, predicted, classes):
    hits, predictions, members = _counts(truth, predicted, classes)
    return _share(2 * hits, predictions + members)[predictions > 0].mean()


def _f1_of_means(truth, predicted, classes):
    hits, predictions, members = _counts(truth, predicted, classes)
    precision, recall = _share(hits, predictions).mean(), _share(hits, members).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _by_classes_seen(truth, predicted, classes):
    hits, predictions, members = _counts(truth, predicted, classes)
    return _share(2 * hits, predictions + members)[predictions + members > 0].mean()


def _divides_by_predictions(truth, predicted, classes):
    scores = []
    for hits, predictions, members in zip(*(c.tolist() for c in _counts(truth, predicted, classes)), strict=True):
        precision, recall = hits / predictions, hits / members
        scores.append(2 * precision * recall / (precision + recall))
    return sum(scores) / classes


def _divides_by_mentions(truth, predicted, classes):
    columns = (c.tolist() for c in _counts(truth, predicted, classes))
    return sum(2 * h / (p + m) for h, p, m in zip(*columns, strict=True)) / classes


def _macro_f1_cases(rng):
    """Five classes of unequal size, one of them never predicted; many classes; nothing right at all."""
    truth = rng.choice(5, size=40, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    predicted = np.where(rng.random(40) < 0.7, truth, rng.integers(0, 5, size=40))
    rarely = np.where(predicted == 4, 0, predicted)
    return (
        Case(args=(truth, predicted, 5)),
        Case(args=(truth, rarely, 5)),
        Case(args=(truth.tolist(), rarely.tolist(), 6)),
        Case(args=([0, 1, 1], [1, 0, 0], 2)),
    )


register(
    Exercise(
        id="start.macro_f1",
        lesson="00_start_here",
        title="Macro-F1 by hand",
        difficulty=2,
        minutes=8,
        question="Compute the mean over the classes 0 … classes − 1 of each class's F1; "
        "a class that is neither there nor predicted counts 0.",
        reference=macro_f1,
        public=(
            Case(args=([0, 0, 1, 1], [0, 1, 1, 1], 2), note="two classes, one mistake"),
            Case(args=([0, 0, 0, 0, 1, 2], [0, 0, 0, 1, 1, 0], 3), note="class 2 is never predicted"),
        ),
        hidden=_macro_f1_cases,
        misconceptions=(
            Misconception(
                name="accuracy (micro-F1)",
                answer=_accuracy,
                hint="This is the share of right predictions, which is micro-F1. Macro-F1 first scores each "
                "class by itself, so that a small class weighs as much as a large one.",
            ),
            Misconception(
                name="weighted by class size",
                answer=_weighted,
                hint="Each class's F1 is right, but large classes weigh more in your mean. "
                "In the macro mean every class has the same weight.",
            ),
            Misconception(
                name="precision only",
                answer=_precision_only,
                hint="You average precision: of what was predicted as a class, how much is right. "
                "Headlines of the class that were missed must count against it too.",
            ),
            Misconception(
                name="recall only",
                answer=_recall_only,
                hint="You average recall: of the headlines of a class, how many were found. "
                "False alarms must count against the class too.",
            ),
            Misconception(
                name="0/0 gives NaN",
                answer=_zero_by_zero,
                hint="A class that is never predicted has no precision: 0/0, and one NaN makes the mean NaN. "
                "Say what such a class scores before you divide, or use the formula with counts.",
            ),
            Misconception(
                name="skips classes that were never predicted",
                answer=_skips_classes,
                hint="Your mean leaves out classes that the model never predicts. A model could hide "
                "a class it cannot recognize in this way; every class belongs in the mean.",
            ),
            Misconception(
                name="leaves out classes that are not there",
                answer=_by_classes_seen,
                hint="Your mean leaves out a class that is neither there nor predicted. `classes` says how many "
                "belong in the mean; such a class counts 0.",
            ),
            Misconception(
                name="0/0 raises in precision or recall",
                answer=_divides_by_predictions,
                hint="A class that is never predicted, or never there, or never hit makes a division by zero on "
                "this way. Ask for that before you divide, or use the formula with counts.",
            ),
            Misconception(
                name="0/0 raises for a class that is not there",
                answer=_divides_by_mentions,
                hint="A class that is neither there nor predicted has no hits, no false alarms and no misses: "
                "you divide by zero. The exercise says what such a class counts.",
            ),
            Misconception(
                name="F1 of the mean precision and recall",
                answer=_f1_of_means,
                hint="You average precision and recall over the classes and combine them once. "
                "F1 is not linear: combine inside each class, then average.",
            ),
        ),
        alternatives=(_f1_vectorized, _f1_from_precision_and_recall),
        hints=(
            "Take one class at a time, as if the question were only 'this class or not?'.",
            "For one class count three things: hits, false alarms (predicted, but not true), and misses.",
            "F1 of a class is twice its hits over (twice its hits + false alarms + misses). "
            "What is it when all three counts are zero?",
        ),
    )
)
