"""Teacher and labels together: which rows count in which term."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def mixed_loss(soft, hard, labels, mix):
    """The loss of a batch: every row imitates the teacher, rows with a label also count in the second term."""
    labelled = np.asarray(labels) >= 0
    truth = np.asarray(hard)[labelled].mean() if labelled.any() else 0.0  # a batch may have no label at all
    return mix * np.mean(soft) + (1 - mix) * truth


def _by_loops(soft, hard, labels, mix):
    imitation, truth, known = 0.0, 0.0, 0
    for own, with_label, label in zip(soft, hard, labels, strict=True):
        imitation += own
        if label != -1:
            truth += with_label
            known += 1
    return mix * imitation / len(labels) + ((1 - mix) * truth / known if known else 0)


def _by_weights(soft, hard, labels, mix):
    known = (np.asarray(labels) > -1).astype(float)
    weights = known / max(known.sum(), 1.0)
    return float(mix * np.average(soft) + (1 - mix) * (weights @ np.asarray(hard)))


def _mean(values):
    return float(np.mean(values)) if len(values) else 0.0


def _counts_every_row(soft, hard, labels, mix):
    return mix * _mean(soft) + (1 - mix) * _mean(hard)


def _divides_by_all_rows(soft, hard, labels, mix):
    known = np.asarray(labels) >= 0
    return mix * _mean(soft) + (1 - mix) * float(np.asarray(hard)[known].sum()) / len(labels)


def _imitates_labelled_rows_only(soft, hard, labels, mix):
    known = np.asarray(labels) >= 0
    return mix * _mean(np.asarray(soft)[known]) + (1 - mix) * _mean(np.asarray(hard)[known])


def _one_or_the_other(soft, hard, labels, mix):
    known = np.asarray(labels) >= 0
    return mix * _mean(np.asarray(soft)[~known]) + (1 - mix) * _mean(np.asarray(hard)[known])


def _nan_without_labels(soft, hard, labels, mix):
    known = np.asarray(labels) >= 0
    with np.errstate(all="ignore"):
        truth = np.float64(np.asarray(hard)[known].sum()) / np.float64(known.sum())
    return mix * _mean(soft) + (1 - mix) * truth


def _swapped(soft, hard, labels, mix):
    return mixed_loss(soft, hard, labels, 1 - mix)


def _all_to_the_teacher(soft, hard, labels, mix):
    known = np.asarray(labels) >= 0
    return mixed_loss(soft, hard, labels, mix) if known.any() else _mean(soft)


def _sums(soft, hard, labels, mix):
    return mix * float(np.sum(soft)) + (1 - mix) * float(np.asarray(hard)[np.asarray(labels) >= 0].sum())


def _nothing_without_labels(soft, hard, labels, mix):
    return mixed_loss(soft, hard, labels, mix) if (np.asarray(labels) >= 0).any() else 0.0


def _drops_class_zero(soft, hard, labels, mix):
    known = np.asarray(labels) > 0
    return mix * _mean(soft) + (1 - mix) * _mean(np.asarray(hard)[known])


def _cases(rng):
    made = []
    for rows, share in ((6, 0.5), (9, 0.3), (5, 1.0), (4, 0.0)):
        labels = np.where(rng.random(rows) < share, rng.integers(0, 4, size=rows), -1)
        labels[: int(share > 0)] = 0  # where there are labels, class 0 is among them
        labels[1 : 1 + int(0 < share < 1)] = -1  # and where some are missing, the second
        args = (rng.uniform(0, 2, size=rows), rng.uniform(0, 3, size=rows), labels, float(rng.uniform(0.55, 0.95)))
        made.append(Case(args=args))
    return tuple(made)


register(
    Exercise(
        id="distillation.mixed_loss",
        lesson="10_distillation",
        title="Which rows count where",
        difficulty=2,
        minutes=8,
        question="Give mix times the mean of the imitation losses, plus 1 − mix times the mean of the label losses "
        "of the rows that have a label; −1 is none.",
        reference=mixed_loss,
        public=(
            Case(
                args=(np.array([0.2, 0.6, 0.1, 0.3]), np.array([1.0, 7.0, 0.5, 9.0]), np.array([2, -1, 0, -1]), 0.75),
                note="two of four rows have a label; what `hard` holds for the others means nothing",
            ),
            Case(args=(np.array([0.4, 0.2]), np.array([1.0, 2.0]), np.array([1, 0]), 0.9), note="all have a label"),
            Case(args=(np.array([0.4, 0.2]), np.array([5.0, 6.0]), np.array([-1, -1]), 0.9), note="none has a label"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="counts every row in the second term",
                answer=_counts_every_row,
                hint="Your second mean has the rows with label −1 in it. Python takes −1 for the last class; nobody "
                "said that these texts belong there.",
            ),
            Misconception(
                name="divides by all rows",
                answer=_divides_by_all_rows,
                hint="You add up the right rows and divide by all of them. The more text without labels you add, the "
                "less each label would count.",
            ),
            Misconception(
                name="imitates labelled rows only",
                answer=_imitates_labelled_rows_only,
                hint="Your first term leaves out the rows without a label. For them the teacher's word is all there "
                "is.",
            ),
            Misconception(
                name="one term or the other",
                answer=_one_or_the_other,
                hint="A row with a label counts in both terms: the teacher has something to say about it, too.",
            ),
            Misconception(
                name="NaN where there is no label",
                answer=_nan_without_labels,
                hint="The mean of nothing is NaN. A batch may well have no label: what is its second term?",
            ),
            Misconception(
                name="mix and 1 − mix swapped",
                answer=_swapped,
                hint="mix is the teacher's weight; the labels get what is left.",
            ),
            Misconception(
                name="all weight to the teacher where labels are missing",
                answer=_all_to_the_teacher,
                hint="Without labels you give the teacher the whole weight. Then batches count more or less by chance. "
                "The second term is zero, and the first keeps its weight.",
            ),
            Misconception(
                name="sums",
                answer=_sums,
                hint="You add up the rows: a larger batch would have a larger loss. Each term is a mean over its rows.",
            ),
            Misconception(
                name="nothing where labels are missing",
                answer=_nothing_without_labels,
                hint="Without labels your loss is zero. The labels have nothing to say then, but the teacher has.",
            ),
            Misconception(
                name="takes class 0 for no label",
                answer=_drops_class_zero,
                hint="Some labelled rows are missing: 0 is a class like the others.",
            ),
        ),
        alternatives=(_by_loops, _by_weights),
        hints=(
            "Two means, over different rows. The first is over all of them.",
            "The second is over the rows whose label is 0 or more, and divided by *their* number.",
            "Where no row has a label the second term is 0.",
        ),
    )
)
