"""Every lesson runs from top to bottom: as handed out, and with all exercises solved."""

import os

import nbformat
import pytest

from labkit.execution import execute
from labkit.exercises import all_exercises
from labkit.exercises.progress import record_of
from labkit.lessons import lessons
from labkit.notebooks import insert_solutions
from labkit.running import Plan, run

LESSONS = lessons()

pytestmark = [pytest.mark.notebooks, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_as_handed_out(lesson, folder, capsys):
    plan = Plan.make([lesson.name], {"profile": "quick"})
    (outcome,) = run(plan, folder=folder / lesson.name)
    with capsys.disabled():
        print(f" {lesson.name} quick: {outcome.seconds:.0f} s", end=" ")
    assert outcome.passed, f"{outcome.failure['source']}\n{outcome.failure['traceback']}"
    assert outcome.results, "a lesson records its main numbers"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_with_every_exercise_solved(lesson, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    notebook = insert_solutions(nbformat.read(lesson.path, as_version=4))
    solved = tmp_path / lesson.path.name
    nbformat.write(notebook, solved)
    failure = execute(
        solved,
        target=tmp_path / "executed.ipynb",
        folder=os.fspath(lesson.path.parent),
        parameters={"profile": "quick"},
    )
    assert failure is None, f"{failure.source}\n{failure.traceback}"
    states = {one.id: record_of(one.id)["state"] for one in all_exercises() if one.lesson == lesson.name}
    assert states == dict.fromkeys(states, "right")
