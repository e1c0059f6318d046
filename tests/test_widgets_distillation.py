"""The widget of lesson 10: what it says of a setting is what the loss and its gradient are, and Measure trains."""

import numpy as np
import pytest
import small
import torch

from labkit.errors import Interrupted, SettingError
from labkit.policy import Policy
from labkit.statistics import Interval, compare, macro_f1
from labkit.steps import Distill, KeepLayers
from labkit.steps.distill import distillation_loss
from labkit.widgets.distillation import BRIEF, Answers, Measured, measure_point, panel, view

RNG = np.random.default_rng(0)
TEXTS = [f"headline {number}" for number in range(20)]
LABELS = ("business", "politics", "tech")
TRAINING = Distill(epochs=1, learning_rate=1e-3)


@pytest.fixture(scope="module")
def answers():
    teacher = 3 * RNG.normal(size=(20, 3))
    teacher[4] = [1.0, 1.01, -2.0]  # the least decided
    teacher[9] = [30.0, 0.0, 0.0]  # the clearest
    students = {"just cut": RNG.normal(size=(20, 3)), "distilled": teacher + 0.1 * RNG.normal(size=(20, 3))}
    return Answers(TEXTS, RNG.integers(0, 3, size=20), LABELS, teacher, students)


def show(answers, **setting):
    return view(answers, **{"row": 4, "student": "just cut", "temperature": 2.0, "mix": 0.9} | setting)


def by_autograd(answers, row, student, temperature, mix):
    """The loss of the real step for one text, and minus its gradient by the logits."""
    logits = torch.tensor(answers.students[student][[row]], requires_grad=True)
    batch = {"teacher_logits": torch.tensor(answers.teacher[[row]]), "labels": torch.tensor(answers.truth[[row]])}
    loss = distillation_loss(logits, batch, temperature=temperature, mix=mix)
    loss.backward()
    return loss.item(), -logits.grad[0].numpy()


@pytest.mark.parametrize(("temperature", "mix"), [(1.0, 0.5), (2.0, 0.9), (8.0, 1.0), (3.0, 0.0)])
@pytest.mark.parametrize("student", ["just cut", "distilled"])
def test_the_words_and_the_picture_are_the_loss_of_the_real_step(answers, student, temperature, mix):
    shown = show(answers, student=student, temperature=temperature, mix=mix)
    loss, push = by_autograd(answers, 4, student, temperature, mix)
    assert f"With a mix of {mix:g} the loss is {loss:.3f} nats" in shown.readout
    assert f"The score of {LABELS[push.argmax()]} is pushed up most ({push.max():+.2f})" in shown.readout
    assert f"that of {LABELS[push.argmin()]} down most ({push.min():+.2f})" in shown.readout
    together = next(line for line in shown.figure.axes[1].lines if line.get_label() == "together")
    np.testing.assert_allclose(together.get_xdata(), push, atol=1e-6)
    terms = [bar.get_width() for bar in shown.figure.axes[2].containers[0]]
    assert sum(terms) == pytest.approx(loss, rel=1e-6)
    assert f"{terms[0] / loss:.0%} of it from the teacher" in shown.readout


def test_probabilities_are_those_at_the_temperature(answers):
    for temperature in (0.5, 4.0):
        shown = show(answers, temperature=temperature)
        teacher, student = (
            torch.softmax(torch.tensor(logits[4]) / temperature, 0).numpy()
            for logits in (answers.teacher, answers.students["just cut"])
        )
        for name, share in zip(LABELS, teacher, strict=True):
            assert f"{name} {share:.0%}" in shown.readout.partition(";")[0]
        bars = [[bar.get_width() for bar in box] for box in shown.figure.axes[0].containers]
        np.testing.assert_allclose(bars, [100 * teacher, 100 * student], rtol=1e-6)


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(answers):
    same = Answers(TEXTS, answers.truth, LABELS, answers.teacher, {"copy": answers.teacher})
    shown = view(same, row=4, student="copy", temperature=3.0, mix=1.0)
    assert "the loss is 0.000 nats, nothing left to learn" in shown.readout
    assert "0% of it from the teacher" in view(same, row=4, student="copy", temperature=3.0, mix=0.5).readout


def test_the_list_begins_with_the_undecided_and_ends_with_the_clearest(answers):
    listed = answers.listed()
    assert listed[0] == (f"headline 4 ({LABELS[answers.truth[4]]})", 4)
    assert listed[-1][1] == 9
    assert len(listed) == 12
    long = Answers(["word " * 40], np.array([0]), LABELS, answers.teacher[:1], {})
    assert long.listed()[0][0].endswith("word… (business)")
    assert len(long.listed()) == 1


@pytest.mark.parametrize("setting", [{"row": 20}, {"row": -1}, {"student": "nobody"}])
def test_what_is_not_there_is_told(answers, setting):
    with pytest.raises(SettingError, match="one of the students .*just cut.* and of 20 texts"):
        show(answers, **setting)


def test_measured_students_are_in_the_words_and_in_the_picture(answers):
    one = Measured(6.0, 0.5, 0.81, 0.8, Interval(0.01, -0.02, 0.04))
    shown = show(answers, measured=(one,))
    assert shown.readout.endswith(
        "Measured at temperature 6, mix 0.5: macro-F1 0.810, with the same steps on labels alone 0.800; "
        "gained +1.0 points (-2.0 to +4.0)."
    )
    (box,) = [box for box in shown.figure.axes[3].containers if box.get_label() == "measured by you"]
    assert box[0].get_xydata().tolist() == [[6.0, 1.0]]
    lessons_own = view(answers, (one,), row=4, student="just cut", temperature=2.0, mix=0.9)
    assert "Measured" not in lessons_own.readout
    assert lessons_own.readout.endswith(
        "The lesson's own student at temperature 6, mix 0.5, gained +1.0 points (-2.0 to +4.0) over labels alone."
    )
    assert [box.get_label() for box in lessons_own.figure.axes[3].containers] == ["measured"]


def test_the_panel_follows_its_controls(answers, tmp_path):
    made = panel(small.classifier(), small.task(tmp_path), answers, layers=1)
    assert made.params == {"row": 4, "student": "just cut", "temperature": 2.0, "mix": 0.9}
    for name, value, words in (
        ("temperature", 5.0, "At temperature 5 the teacher says"), ("mix", 0.5, "With a mix of 0.5"),
        ("row", 9, "business 100%, politics 0%"), ("student", "distilled", "the loss is"),
    ):  # fmt: skip
        before = made.image.value, made.text
        made.controls[name].value = value
        assert words in made.text
        assert made.image.value != before[0]
        assert made.text != before[1]
    for control in made.controls.values():
        assert len(control.description) > 5


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))


def measure(task, progress=lambda *words: None, should_stop=lambda: False, **params):
    setting = {"temperature": 3.0, "mix": 0.6, "row": 0, "student": "just cut"} | params
    return measure_point(small.classifier(), task, setting, progress, should_stop, layers=1, training=TRAINING)


def test_measuring_trains_two_real_students_for_as_many_steps(tmp_path, cache):
    task, told = small.task(tmp_path, rows=200), []
    point = measure(task, lambda *words: told.append(words))
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert told[-1][0] < 1
    steps = {words.split(": step ")[1] for _, words in told if ": step " in words}
    count = -(-len(task.texts("train")) // 32)
    assert {f"{count} of {count}"} <= steps
    assert sum(f"step {count} of {count}" in words for _, words in told) == 2, "one for each of the two students"
    texts, truth = task.texts("test"), task.truth("test")
    alone, taught = (
        Policy([KeepLayers(1), distill]).apply(small.classifier(), task).predict(texts)
        for distill in (
            Distill(epochs=1, learning_rate=1e-3, mix=0.0),
            Distill(epochs=1, learning_rate=1e-3, mix=0.6, temperature=3.0),
        )
    )
    assert point == Measured(3.0, 0.6, macro_f1(truth, taught), macro_f1(truth, alone), compare(truth, alone, taught))


def test_without_the_teacher_there_is_nothing_to_gain(tmp_path, cache):
    point = measure(small.task(tmp_path, rows=200), mix=0.0, temperature=9.0)
    assert (point.gain.value, point.f1) == (0.0, point.labels_f1)


def test_it_can_be_stopped_while_it_trains_and_while_it_predicts(tmp_path, cache):
    task = small.task(tmp_path, rows=200)
    with pytest.raises(Interrupted):
        measure(task, should_stop=lambda: True)
    assert measure(task) is not None
    assert measure(task, should_stop=lambda: True) is None, "both students are there: it is heard between two batches"


def test_the_training_of_the_button_is_brief():
    assert BRIEF.epochs <= 2
    assert BRIEF.transfer == 0
