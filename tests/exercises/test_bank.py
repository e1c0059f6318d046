"""Every exercise in the bank: the right answers pass, and each known mistake gets its own hint."""

import functools
import re
from itertools import combinations

import numpy as np
import pytest

from labkit.exercises import all_exercises
from labkit.exercises.attempt import solution_source
from labkit.exercises.diagnosis import agree
from labkit.exercises.judge import judge
from labkit.exercises.sandbox import run

BANK = all_exercises()
MISCONCEPTIONS = [(exercise, mistake) for exercise in BANK for mistake in exercise.misconceptions]
ALTERNATIVES = [(exercise, other) for exercise in BANK for other in exercise.alternatives]


def each(pairs=None):
    if pairs is None:
        return pytest.mark.parametrize("exercise", BANK, ids=lambda one: one.id)
    ids = [f"{one.id}-{getattr(part, 'name', getattr(part, '__name__', '?'))}" for one, part in pairs]
    return pytest.mark.parametrize(("exercise", "part"), pairs, ids=ids)


def named_like(function, exercise):
    """The same function where calls go through a wrapper, as a reader's would."""

    @functools.wraps(exercise.reference)
    def answer(*args, **kwargs):
        return function(*args, **kwargs)

    return answer


@pytest.mark.parametrize("seed", [0, 1, 2])
@each()
def test_the_reference_passes(exercise, seed):
    assert judge(exercise, exercise.reference, seed=seed).outcome == "right"


@pytest.mark.parametrize("seed", [0, 1, 2])
@each(ALTERNATIVES)
def test_every_alternative_passes(exercise, part, seed):
    verdict = judge(exercise, part, seed=seed)
    assert verdict.outcome == "right", verdict


@pytest.mark.parametrize("seed", [0, 1])
@each(MISCONCEPTIONS)
def test_every_misconception_gets_its_own_hint(exercise, part, seed):
    verdict = judge(exercise, named_like(part.answer, exercise), seed=seed)
    assert verdict.outcome in ("wrong", "raised an error")
    assert (verdict.misconception, verdict.hint) == (part.name, part.hint)


@each()
def test_misconceptions_can_be_told_apart(exercise):
    cases = exercise.public_cases() + exercise.hidden_cases()
    runs = {one.name: [run(one.answer, case) for case in cases] for one in exercise.misconceptions}
    assert len(runs) == len(exercise.misconceptions), "two misconceptions have the same name"
    for one, other in combinations(runs, 2):
        both = list(zip(runs[one], runs[other], strict=True))
        same_values = all(agree(a, b, exercise.tolerance) for a, b in both)
        assert not (same_values and all(a.changed == b.changed for a, b in both)), f"{one} = {other}"


@each()
def test_an_empty_body_is_not_an_attempt(exercise):
    namespace = {}
    exec("def answer(*args, **kwargs):\n    ...", namespace)
    assert judge(exercise, namespace["answer"]).outcome == "not attempted"


@each()
def test_an_answer_that_raises_is_reported(exercise):
    def answer(*args, **kwargs):
        raise LookupError("no such weight")

    verdict = judge(exercise, answer)
    assert verdict.outcome == "raised an error"
    assert re.search(r"LookupError: no such weight \(line \d+: raise LookupError", verdict.summary)


@each()
def test_an_answer_that_changes_its_input_is_reported(exercise):
    def spoil(value):
        if isinstance(value, list) and value:
            value[0] = value[-1] = None
        elif getattr(value, "ndim", 0) and len(value):
            (value.data if hasattr(value, "detach") else value)[...] = 0 if (value != 0).any() else 1
        else:
            return False
        return True

    @functools.wraps(exercise.reference)
    def answer(*args, **kwargs):
        result = exercise.reference(*args, **kwargs)
        result = np.array(result) if isinstance(result, np.ndarray) else result
        for value in (*args, *kwargs.values()):
            spoil(value)
        return result

    inputs = [value for case in exercise.public_cases() for value in (*case.args, *case.kwargs.values())]
    if not any(isinstance(value, list) or getattr(value, "ndim", 0) for value in inputs):
        pytest.skip("no input that could be changed")
    verdict = judge(exercise, answer)
    assert verdict.outcome == "wrong"
    assert "changed its input" in verdict.summary or verdict.misconception


@each()
def test_hints_lead_on_without_the_solution(exercise):
    squeeze = functools.partial(re.sub, r"\s+", "")
    lines = [squeeze(line) for line in solution_source(exercise).splitlines()]
    telling = [line.removeprefix("return") for line in lines if line.startswith("return") and len(line) > 16]
    texts = [*exercise.hints, *(one.hint for one in exercise.misconceptions)]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert len(text) > 15
        assert not any(line in squeeze(text) for line in telling), text


@each()
def test_the_solution_stands_on_its_own(exercise):
    namespace = {}
    exec(compile(solution_source(exercise), "<solution>", "exec"), namespace)
    assert judge(exercise, namespace[exercise.name]).outcome == "right"


@each()
def test_the_reference_says_what_it_does(exercise):
    assert exercise.reference.__doc__
    assert exercise.question.endswith((".", "?"))
    assert re.fullmatch(r"\d\d_\w+", exercise.lesson)


@each()
def test_hidden_cases_are_other_inputs(exercise):
    assert len(exercise.hidden_cases()) >= 2
    shown = {repr((case.args, case.kwargs)) for case in exercise.public_cases()}
    assert not shown & {repr((case.args, case.kwargs)) for case in exercise.hidden_cases()}
