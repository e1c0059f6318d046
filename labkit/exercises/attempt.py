"""The `@exercise` decorator: checks an answer, shows what came of it, and never stops the notebook."""

import functools
import inspect
import textwrap

from labkit.exercises import progress
from labkit.exercises.definition import get
from labkit.exercises.judge import NOT_ATTEMPTED, RAISED, RIGHT, WRONG, judge
from labkit.exercises.output import box, show

__all__ = ["MIME", "Attempt", "exercise", "solution_source"]

MIME = "application/vnd.labkit.exercise+json"
"""Under this type the outcome stands in the cell's output, for whoever grades the notebook."""

_ICONS = {NOT_ATTEMPTED: "○", RIGHT: "✔", WRONG: "✘", RAISED: "⚠"}
_TONES = {NOT_ATTEMPTED: "neutral", RIGHT: "good", WRONG: "bad", RAISED: "bad"}


def exercise(id):
    """Mark a function as the answer to an exercise; it is checked at once.

    >>> @exercise("start.slowdown")
    ... def slowdown(before, after):
    ...     ...
    ○ not attempted · How much slower, on a busy machine?
    Not attempted yet; the notebook goes on with the reference. slowdown.hint() helps.
    >>> slowdown([2.0], [3.0])
    slowdown: using the reference, as there is no answer yet.
    1.5

    Raises ExerciseError where there is no exercise of that id.
    """
    definition = get(id)
    return lambda answer: Attempt(definition, answer)


class Attempt:
    """The reader's answer, checked; called like the function, with the reference where it is not right."""

    def __init__(self, definition, answer):
        functools.update_wrapper(self, answer)
        self.exercise = definition
        self._answer = answer
        self._told = False
        self.verdict = self._check()
        progress.note_try(definition.id, self.outcome, self.verdict.misconception, answer=_source_of(answer))
        show(self._text(), self._repr_html_(), data={MIME: self.as_dict()})

    @property
    def outcome(self):
        """not attempted | right | wrong | raised an error."""
        return self.verdict.outcome

    def __call__(self, *args, **kwargs):
        """Call the answer where it is right, else the reference; the first time it says so."""
        if self.outcome == RIGHT:
            return self._answer(*args, **kwargs)
        if not self._told:
            self._told = True
            why = "there is no answer yet" if self.outcome == NOT_ATTEMPTED else "your answer is not right yet"
            show(f"{self.exercise.name}: using the reference, as {why}.")
        return self.exercise.reference(*args, **kwargs)

    def hint(self, tier=1):
        """Show a hint: tier 1 says least."""
        hints = self.exercise.hints
        if not isinstance(tier, int) or not 1 <= tier <= len(hints):
            show(f"There are hints 1 to {len(hints)}: {self.exercise.name}.hint(1)")
            return
        progress.note_hint(self.exercise.id, tier)
        more = f"{self.exercise.name}.hint({tier + 1})" if tier < len(hints) else f"{self.exercise.name}.solution()"
        lines = [("", hints[tier - 1]), ("more", more)]
        headline = f"Hint {tier} of {len(hints)}"
        show(f"{headline}: {hints[tier - 1]}\nMore: {more}", box(headline, lines))

    def solution(self, *, now=False):
        """Show the reference answer, after a try, or at once with `now=True`; this is recorded."""
        tried = self.outcome != NOT_ATTEMPTED or progress.record_of(self.exercise.id)["tries"] > 0
        name = self.exercise.name
        if not (tried or now):
            show(f"Try first, or take a hint: {name}.hint(). To see it all the same: {name}.solution(now=True)")
            return
        progress.note_solution(self.exercise.id)
        source = solution_source(self.exercise)
        headline = "One right answer; others are right too"
        show(f"{headline}:\n{source}", box(headline, code=source))

    def as_dict(self):
        """The outcome as plain data."""
        return {
            "id": self.exercise.id,
            "lesson": self.exercise.lesson,
            "outcome": self.outcome,
            "misconception": self.verdict.misconception,
        }

    def __repr__(self):
        return self._text()

    def _repr_html_(self):
        return box(self._headline(), self._lines(), tone=_TONES[self.outcome])

    def _check(self):
        # An answer that calls itself finds itself under its own name while it is checked.
        namespace, name = getattr(self._answer, "__globals__", {}), getattr(self._answer, "__name__", "")
        before = namespace.get(name, self)
        namespace[name] = self._answer
        try:
            return judge(self.exercise, self._answer)
        finally:
            if before is self:
                del namespace[name]
            else:
                namespace[name] = before

    def _headline(self):
        return f"{_ICONS[self.outcome]} {self.outcome} · {self.exercise.title}"

    def _lines(self):
        verdict = self.verdict
        lines = [("", verdict.summary)]
        lines += [(f"Hint ({verdict.misconception})", verdict.hint)] if verdict.hint else []
        lines += verdict.details
        lines += [("Your answer printed", verdict.printed.rstrip())] if verdict.printed.strip() else []
        if self.outcome in (WRONG, RAISED):
            lines.append(("", f"The notebook goes on with the reference. More help: {self.exercise.name}.hint()"))
        return lines

    def _text(self):
        return "\n".join([self._headline(), *(f"{a}: {b}" if a else b for a, b in self._lines())])


def _source_of(function):
    """The source of a function, None where there is none (typed into a console, built in)."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return None


def _names(code):
    """The names that a function's code uses, those of its comprehensions and inner functions too."""
    inner = (_names(constant) for constant in code.co_consts if inspect.iscode(constant))
    return set(code.co_names).union(*inner)


def solution_source(definition):
    """The source of an exercise's reference with the imports it needs, ready to be pasted into a cell.

    >>> print(solution_source(get("start.slowdown")).splitlines()[0])
    import numpy as np
    """
    function = definition.reference
    known = {name: function.__globals__.get(name) for name in sorted(_names(function.__code__))}
    imports = [
        f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
        for name, value in known.items()
        if inspect.ismodule(value)
    ]
    source = textwrap.dedent(inspect.getsource(function)).rstrip()
    return "\n".join([*imports, *([""] if imports else []), source]) + "\n"
