"""Scoring what several workers predicted: gather, take each row once, score once."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register
from labkit.statistics import macro_f1


def pooled_f1(parts, truth, classes):
    """Macro-F1 of all rows, from each worker's (row numbers, predictions)."""
    predicted = np.zeros(len(truth), dtype=int)
    for rows, values in parts:
        predicted[np.asarray(rows, dtype=int)] = values  # a padded row is written twice, and counts once
    scores = []
    for c in range(classes):
        hit = np.sum((predicted == c) & (truth == c))
        named = np.sum(predicted == c) + np.sum(truth == c)
        scores.append(2 * hit / named if named else 0.0)
    return float(np.mean(scores))


def _by_dictionary(parts, truth, classes):
    known = {}
    for rows, values in parts:
        known.update(zip((int(row) for row in rows), (int(value) for value in values), strict=True))
    f1 = 0.0
    for c in range(classes):
        hits = sum(known[row] == c == truth[row] for row in known)
        misses = sum((known[row] == c) != (truth[row] == c) for row in known)
        f1 += 2 * hits / (2 * hits + misses) / classes if hits else 0.0
    return f1


def _by_sklearn(parts, truth, classes):
    from sklearn.metrics import f1_score

    rows, first = np.unique(np.concatenate([rows for rows, _ in parts]).astype(int), return_index=True)
    values = np.concatenate([values for _, values in parts])[first]
    return f1_score(truth[rows], values, labels=range(classes), average="macro", zero_division=0)


def _f1(truth, predicted, classes):
    hits = [2 * np.sum((predicted == c) & (truth == c)) for c in range(classes)]
    named = [np.sum(predicted == c) + np.sum(truth == c) for c in range(classes)]
    return float(np.mean([h / n if n else 0.0 for h, n in zip(hits, named, strict=True)]))


def _mean_of_f1s(parts, truth, classes):
    return float(np.mean([_f1(truth[np.asarray(rows, int)], np.asarray(v), classes) for rows, v in parts]))


def _scores(parts, truth):
    return [macro_f1(truth[np.asarray(rows, int)], values) for rows, values in parts]  # each over the classes it has


def _mean_of_f1s_of_own_classes(parts, truth, classes):
    return float(np.mean(_scores(parts, truth)))


def _mean_weighted_by_rows(parts, truth, classes):
    return float(np.average(_scores(parts, truth), weights=[len(rows) for rows, _ in parts]))


def _gathered(parts, truth):
    predicted = np.zeros(len(truth), dtype=int)
    for rows, values in parts:
        predicted[np.asarray(rows, int)] = values
    return predicted


def _weighs_classes_by_rows(parts, truth, classes):
    predicted = _gathered(parts, truth)
    hits = [2 * np.sum((predicted == c) & (truth == c)) for c in range(classes)]
    named = [max(1, np.sum(predicted == c) + np.sum(truth == c)) for c in range(classes)]
    return float(np.average(np.divide(hits, named), weights=[np.sum(truth == c) for c in range(classes)]))


def _counts_padded_rows_twice(parts, truth, classes):
    rows = np.concatenate([rows for rows, _ in parts]).astype(int)
    return _f1(truth[rows], np.concatenate([values for _, values in parts]), classes)


def _first_worker_only(parts, truth, classes):
    rows, values = parts[0]
    return _f1(truth[np.asarray(rows, int)], np.asarray(values), classes)


def _in_order_of_arrival(parts, truth, classes):
    return _f1(truth, np.concatenate([values for _, values in parts])[: len(truth)], classes)


def _accuracy(parts, truth, classes):
    return float(np.mean(_gathered(parts, truth) == truth))


def _case(rng, rows, workers, classes, *, padded=True):
    truth = rng.integers(0, classes, size=rows)
    predicted = np.where(rng.random(rows) < 0.6, truth, rng.integers(0, classes, size=rows))
    predicted[0] = (truth[0] + 1) % classes  # the rows that are repeated are wrong ones: that shows
    order = np.concatenate([np.arange(rows), np.arange(-rows % workers if padded else 0)])
    parts = [(order[rank::workers], predicted[order[rank::workers]]) for rank in range(workers)]
    return Case(args=(parts, truth, classes))


def _random(rng):
    sizes = ((23, 3, 3), (31, 4, 4), (17, 2, 3), (41, 5, 3))
    return (*(_case(rng, *size) for size in sizes), _case(rng, 19, 4, 3, padded=False))


_TRUTH = np.array([0, 0, 1, 1, 2])
_PARTS = [
    (np.array([0, 2, 4]), np.array([1, 1, 2])),
    (np.array([1, 3, 0]), np.array([0, 1, 1])),
]

register(
    Exercise(
        id="ddp.pooled_f1",
        lesson="08_bert_ddp",
        title="Gather, then score once",
        difficulty=2,
        minutes=10,
        question="Compute the macro-F1 of all rows from what each worker predicted; a sampler may have given some rows "
        "to two workers.",
        reference=pooled_f1,
        public=(Case(args=(_PARTS, _TRUTH, 3), note="five rows on two workers; row 0 was given to both"),),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="mean of the workers' F1s",
                answer=_mean_of_f1s,
                hint="You score every worker and average. F1 is a ratio of counts, and a mean of ratios is not the "
                "ratio of the sums. What has to be gathered instead of scores?",
            ),
            Misconception(
                name="mean of the workers' F1s, each over the classes it has",
                answer=_mean_of_f1s_of_own_classes,
                hint="You score every worker and average the scores. A worker that lacks a class scores another "
                "question, and a mean of ratios is not the ratio of sums. What has to be gathered instead of scores?",
            ),
            Misconception(
                name="mean of the workers' F1s, weighted by their rows",
                answer=_mean_weighted_by_rows,
                hint="Weighting the workers by their rows mends a mean of *losses*. F1 is no mean over rows, so no "
                "weights of workers make it right. What has to be gathered instead?",
            ),
            Misconception(
                name="counts repeated rows twice",
                answer=_counts_padded_rows_twice,
                hint="You pool the predictions, which is right, but a row that was given to two workers counts twice. "
                "The row numbers tell you which.",
            ),
            Misconception(
                name="scores the first worker only",
                answer=_first_worker_only,
                hint="You score what worker 0 saw. That is a sample of the test rows, not the test.",
            ),
            Misconception(
                name="takes the predictions in order of arrival",
                answer=_in_order_of_arrival,
                hint="You compare the gathered predictions with the truth place by place. Worker 0 does not hold the "
                "first rows: the row numbers say where each prediction belongs.",
            ),
            Misconception(
                name="accuracy",
                answer=_accuracy,
                hint="Your rows are right, but you count hits: that is accuracy. Macro-F1 is a mean over classes.",
            ),
            Misconception(
                name="weighs the classes by their rows",
                answer=_weighs_classes_by_rows,
                hint="Your rows are right, but a large class counts more than a small one. In *macro*-F1 all classes "
                "count the same.",
            ),
        ),
        alternatives=(_by_dictionary, _by_sklearn),
        hints=(
            "One array for all rows. Each worker's predictions go to the places that its row numbers name.",
            "A row that comes twice is written twice to the same place: then it counts once.",
            "For each class: F1 = 2 · hits / (times predicted + times true). Then the mean over the classes.",
        ),
    )
)
