"""Judge an answer: run it on the public and the hidden cases, and say in words what came of it."""

import inspect
import linecache
from dataclasses import dataclass

from labkit.exercises.compare import Difference, difference
from labkit.exercises.diagnosis import diagnose
from labkit.exercises.limit import TooSlow
from labkit.exercises.sandbox import is_empty, run
from labkit.exercises.words import call_in_words, count, in_words

__all__ = ["NOT_ATTEMPTED", "OUTCOMES", "RAISED", "RIGHT", "WRONG", "Verdict", "judge"]

OUTCOMES = NOT_ATTEMPTED, RIGHT, WRONG, RAISED = "not attempted", "right", "wrong", "raised an error"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of checking an answer."""

    outcome: str
    """One of OUTCOMES."""
    summary: str
    """One sentence."""
    details: tuple[tuple[str, str], ...] = ()
    """Pairs of a label and a text: the call, what was expected, what came."""
    misconception: str = ""
    """The name of the known mistake, where one fits."""
    hint: str = ""
    """That mistake's hint."""
    printed: str = ""
    """What the answer printed on the case that is shown."""


def judge(exercise, answer, *, seed=0):
    """Judge `answer`, a function, against an exercise; the hidden cases are made from `seed`.

    >>> from labkit.exercises import get
    >>> verdict = judge(get("start.macro_f1"), lambda truth, predicted, classes: 0.5)
    >>> verdict.outcome, verdict.details[0]
    ('wrong', ('call', 'macro_f1([0, 0, 1, 1], [0, 1, 1, 1], 2)'))
    """
    if is_empty(answer):
        return _not_attempted(exercise)
    public = exercise.public_cases()
    misfit = _misfit(exercise, answer, public)
    if misfit:
        return Verdict(outcome=RAISED, summary=misfit)
    cases = public + exercise.hidden_cases(seed)
    expected = [run(exercise.reference, case, seconds=10 * exercise.seconds) for case in cases]
    runs = []
    for case in cases:
        runs.append(run(answer, case, seconds=exercise.seconds))
        if isinstance(runs[-1].error, TooSlow):
            break  # the other cases would take as long
    if all(isinstance(one.error, NotImplementedError) for one in runs):
        return _not_attempted(exercise)
    for index, (one, wanted) in enumerate(zip(runs, expected, strict=False)):
        fault = _fault(exercise, one, wanted)
        if fault is not None:
            known = diagnose(exercise, runs, expected, cases) if len(runs) == len(cases) else None
            case = cases[index] if index < len(public) else None
            return _report(exercise, answer, case, one, wanted, fault, known)
    words = f"Public checks pass ({count(len(public), 'case')}, within {exercise.tolerance:g})."
    return Verdict(outcome=RIGHT, summary=words, printed=runs[0].printed)


def _fault(exercise, one, expected):
    """What is wrong with one run, as a Difference, the most telling thing first; None where nothing is."""
    if isinstance(one.error, TooSlow):
        words = f"Stopped after {exercise.seconds:g} seconds: a loop without an end, or too many steps?"
        return Difference("slow", words)
    if one.error is not None:
        as_wanted = expected.error is not None and isinstance(one.error, type(expected.error))
        return None if as_wanted else Difference("error", "")
    if expected.error is not None:
        return Difference("value", "These inputs make no sense: an error should be raised, but a value came.")
    found = difference(one.value, expected.value, tolerance=exercise.tolerance)
    if found:
        return Difference(found.kind, found.words[:1].upper() + found.words[1:])
    if one.changed and not expected.changed:
        words = "The value is right, but the function changed its input. Work on a copy: others still need it."
        return Difference("changed", words)
    return None


def _report(exercise, answer, case, one, expected, fault, known):
    """Put a fault in words; `case` is None for a hidden one, whose inputs stay hidden."""
    public = case is not None
    outcome = RAISED if fault.kind == "error" else WRONG
    details = []
    if public:
        summary = _complain(one, answer, text=True) if fault.kind == "error" else fault.words
        details.append(("call", call_in_words(exercise.name, case)))
        if case.note:
            details.append(("case", case.note))
        if fault.kind not in ("slow", "changed"):
            details.append(("expected", _outcome_in_words(expected)))
        if fault.kind not in ("slow", "changed", "error"):
            details.append(("received", in_words(one.value)))
    else:
        what = (
            _complain(one, answer, text=False) + "."
            if fault.kind == "error"
            else {
                "shape": "A result has another shape.",
                "type": "A result has another type.",
                "slow": fault.words,
                "changed": fault.words,
                "nan": "NaN or infinity came where a number was expected, or the other way round.",
            }.get(fault.kind, "A result is not the expected one.")
        )
        summary = (
            f"Public checks pass, hidden ones do not. {what} "
            "Try other inputs: zeros, negative ones, the smallest and the largest."
        )
    if fault.kind in ("value", "nan"):
        details.append(("tolerance", f"{exercise.tolerance:g} of the expected number"))
    return Verdict(
        outcome=outcome,
        summary=summary,
        details=tuple(details),
        misconception=known.name if known else "",
        hint=known.hint if known else "",
        printed=one.printed if public else "",
    )


def _outcome_in_words(one):
    return in_words(one.value) if one.error is None else f"an error, {type(one.error).__name__}"


def _complain(one, answer, *, text):
    """Say which error was raised, at which line of the reader's own code."""
    words = type(one.error).__name__ + (f": {one.error}" if text and str(one.error) else "")
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    line, trace = None, one.error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    if line is None:
        return words
    source = linecache.getline(file, line).strip()
    return f"{words} (line {line}" + (f": {source})" if source else ")")


def _misfit(exercise, answer, cases):
    """Say where the parameters are not those of the exercise; empty where they fit."""
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # built in: calling it will tell
        return ""
    for case in cases:
        try:
            signature.bind(*case.args, **case.kwargs)
        except TypeError as error:
            wanted = inspect.signature(exercise.reference)
            return f"The parameters do not fit: expected {wanted}, received {signature} ({error})."
    return ""


def _not_attempted(exercise):
    words = f"Not attempted yet; the notebook goes on with the reference. {exercise.name}.hint() helps."
    return Verdict(outcome=NOT_ATTEMPTED, summary=words)
