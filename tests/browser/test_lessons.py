"""Each lesson as a reader uses it: run everything, move the sliders, measure, stop, answer an exercise."""

from dataclasses import dataclass

import pytest

PICTURE_P95_MS = 100


@dataclass(frozen=True)
class Lesson:
    """What to try in one notebook: a wrong answer to an exercise, and words of the hint that names the mistake."""

    name: str
    exercise: str = ""
    wrong: str = ""
    hint: str = ""
    measures: bool = True


LESSONS = [
    Lesson("demo"),
]
lessons = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


@lessons
def test_every_cell_runs_and_the_slider_answers_in_time(lesson, opened, screenshots):
    notebook = opened(lesson.name)
    assert notebook.errors() == []
    notebook.photograph(screenshots / f"{lesson.name}.png")
    for number in range(notebook.sliders()):
        times = notebook.time_slider(number, presses=50)
        p50, p95 = times[len(times) // 2], times[int(len(times) * 0.95)]
        print(f"\n{lesson.name}, slider {number}: key to new picture p50 {p50:.0f} ms, p95 {p95:.0f} ms")
        assert len(times) == 50
        assert p95 <= PICTURE_P95_MS
    assert notebook.complaints == []
    assert notebook.outside == []


@lessons
def test_measure_adds_its_point_and_stop_stops(lesson, opened):
    if not lesson.measures:
        pytest.skip("this widget has nothing slow to measure")
    notebook = opened(lesson.name)
    words, picture = notebook.readout(), notebook.picture()
    notebook.press("Measure")
    assert notebook.wait_for_status("Done", "failed") == "Done. The point is in the picture."
    assert notebook.picture() != picture
    assert notebook.readout() != words
    words = notebook.readout()
    notebook.press("Measure")
    notebook.press("Stop")
    assert notebook.wait_for_status("Stopped", "Done", "failed").startswith("Stopped.")
    assert notebook.enabled("Measure")
    assert not notebook.enabled("Stop")
    assert notebook.complaints == []


@lessons
def test_a_held_down_key_does_not_queue_up(lesson, opened):
    notebook = opened(lesson.name)
    if notebook.sliders():
        assert notebook.hold_key(seconds=2) <= 300


@lessons
def test_a_wrong_answer_gets_the_hint_that_names_the_mistake(lesson, opened, screenshots):
    if not lesson.exercise:
        pytest.skip("no exercise in this notebook")
    notebook = opened(lesson.name)
    output = notebook.answer(lesson.exercise, lesson.wrong)
    assert lesson.hint in output
    notebook.photograph(screenshots / f"{lesson.name}-hint.png")
