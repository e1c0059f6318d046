"""The widget of lesson 10: temperature and mix on what the real teacher says of a real headline."""

from dataclasses import dataclass, replace
from functools import partial
from textwrap import shorten

import numpy as np

from labkit.callbacks import Stop
from labkit.errors import SettingError
from labkit.plots.distillation import pull
from labkit.policy import Policy
from labkit.statistics import Interval, compare, macro_f1
from labkit.steps import Distill, KeepLayers
from labkit.theory import cross_entropy
from labkit.theory.softening import divergence, imitation_gradient, label_gradient, soften, undecided
from labkit.widgets.controls import choice, slider
from labkit.widgets.panel import Panel, View
from labkit.widgets.scoring import labels_unless_stopped

__all__ = ["BRIEF", "Answers", "Measured", "measure_point", "panel", "view"]

BRIEF = Distill(epochs=2)
"""Two passes over the headlines: seconds of training for a small student."""

SHOWN = 11  # undecided headlines in the list, and one clear one
LONGEST = 62  # characters of a headline in the list


@dataclass(frozen=True, eq=False)
class Answers:
    """What a teacher and some students say of the same texts.

    texts, truth   the texts, and the label of each, shape (texts,)
    labels         the names of the classes
    teacher        logits, shape (texts, classes)
    students       logits of the same shape, by the student's name
    """

    texts: list
    truth: np.ndarray
    labels: tuple
    teacher: np.ndarray
    students: dict

    def listed(self):
        """Choose texts that the teacher is undecided about, and the clearest one: pairs of words and row number."""
        rows = undecided(self.teacher, len(self.texts)).tolist()
        chosen = dict.fromkeys([*rows[:SHOWN], rows[-1]])
        words = {row: shorten(self.texts[row], LONGEST, placeholder="…") for row in chosen}
        return [(f"{words[row]} ({self.labels[self.truth[row]]})", row) for row in chosen]


@dataclass(frozen=True)
class Measured:
    """A student that was trained at a temperature and a mix, against the same steps on labels alone."""

    temperature: float
    mix: float
    f1: float
    labels_f1: float
    gain: Interval


def view(answers, points=(), *, row, student, temperature, mix, measured=()):
    """What the teacher and the label tell a student about one text, in probabilities, loss and gradient.

    `answers` is an Answers, `row` one of its texts, `student` the name of one of its students; `points` and `measured`
    are Measured students. Raises SettingError for a row or a student that is not there.
    """
    if student not in answers.students or not 0 <= row < len(answers.texts):
        raise SettingError(
            f"one of the students {list(answers.students)} and of {len(answers.texts)} texts",
            received=f"{student!r} and {row!r}", do="Pick them from the lists.",
        )  # fmt: skip
    own, wanted, label = answers.students[student][[row]], answers.teacher[[row]], int(answers.truth[row])
    soft = mix * temperature**2 * float(divergence(own, wanted, temperature=temperature)[0])
    hard = (1 - mix) * float(cross_entropy(own, [label])[0])
    pushes = -np.concatenate([
        mix * imitation_gradient(own, wanted, temperature=temperature), (1 - mix) * label_gradient(own, [label])
    ])  # fmt: skip
    p, q = soften(wanted, temperature)[0], soften(own, temperature)[0]
    everybody = [(one.temperature, one.mix, one.gain, mine)
                 for some, mine in ((points, False), (measured, True)) for one in some]  # fmt: skip
    figure = pull(
        p, q, label, pushes=pushes, terms=(soft, hard), labels=answers.labels, temperature=temperature, points=everybody
    )  # fmt: skip
    words = [
        f"At temperature {temperature:g} the teacher says {_shares(answers.labels, p)}; the student "
        f"{_shares(answers.labels, q)}. The label is {answers.labels[label]}.",
        _loss(answers.labels, pushes.sum(axis=0), soft, hard, mix),
        *map(_known, points),
        *map(_found, measured),
    ]
    return View(figure, " ".join(words))


def _shares(labels, probabilities):
    return ", ".join(f"{name} {share:.0%}" for name, share in zip(labels, probabilities, strict=True))


def _loss(labels, push, soft, hard, mix):
    whole = soft + hard
    share = f"{soft / whole:.0%} of it from the teacher" if whole > 0 else "nothing left to learn"
    up, down = labels[int(push.argmax())], labels[int(push.argmin())]
    return (
        f"With a mix of {mix:g} the loss is {whole:.3f} nats, {share}. The score of {up} is pushed up most "
        f"({push.max():+.2f}), that of {down} down most ({push.min():+.2f})."
    )


def _known(one):
    return (
        f"The lesson's own student at temperature {one.temperature:g}, mix {one.mix:g}, gained {one.gain.points()} "
        "over labels alone."
    )


def _found(one):
    return (
        f"Measured at temperature {one.temperature:g}, mix {one.mix:g}: macro-F1 {one.f1:.3f}, with the same steps on "
        f"labels alone {one.labels_f1:.3f}; gained {one.gain.points()}."
    )


def measure_point(teacher, task, params, progress, should_stop, *, layers, training=BRIEF):
    """Train a small student at the setting, and one on the labels alone for as many steps; gives Measured or None."""
    alone = replace(training, mix=0.0)
    mix = round(params["mix"], 3)  # a slider's 0.15000000000000002 would be another training to the cache
    chosen = replace(training, temperature=params["temperature"], mix=mix) if mix else alone
    found = []
    for begin, distill in ((0.0, alone), (0.5, chosen)):
        student = Policy([KeepLayers(layers), distill]).apply(
            teacher, task, callbacks=[Stop(should_stop)],
            progress=lambda done, words, begin=begin: progress(begin + 0.4 * done, words),
        )  # fmt: skip
        found.append(labels_unless_stopped(student, task, progress, should_stop, begin=begin + 0.4, end=begin + 0.5))
        if found[-1] is None:
            return None
    truth, (labels_alone, taught) = task.truth("test"), found
    return Measured(
        params["temperature"], mix, macro_f1(truth, taught), macro_f1(truth, labels_alone),
        compare(truth, labels_alone, taught),
    )  # fmt: skip


def panel(teacher, task, answers, points=(), *, layers, temperature=2.0, mix=0.9, training=BRIEF):
    """Make the widget: choose a headline and a student, move temperature and mix, train a real student.

    `answers` is an Answers of the test texts, `points` are Measured students of the lesson, `layers` those that a
    student keeps.
    """
    controls = {
        "row": choice("Headline (and its label)", answers.listed()),
        "student": choice("Student", list(answers.students)),
        "temperature": slider("Temperature", low=0.5, high=20.0, value=float(temperature), step=0.5),
        "mix": slider("Mix (weight of the teacher)", low=0.0, high=1.0, value=float(mix), step=0.05),
    }
    return Panel(
        partial(view, answers, tuple(points)), controls,
        measure=partial(measure_point, teacher, task, layers=layers, training=training),
    )  # fmt: skip
