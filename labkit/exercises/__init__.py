"""Exercises that check themselves: they never block a notebook, and they name the mistake."""

from importlib import import_module

from labkit.exercises.definition import Case, Exercise, Misconception, all_exercises, get, register

# These bring the checks and the reader's file along, which a bank module does not need.
_HOME_OF = {
    "exercise": "attempt",
    "exercise_rows": "progress",
    "progress_rows": "progress",
    "solution_source": "attempt",
}

__all__ = ["Case", "Exercise", "Misconception", "all_exercises", "get", "register", *_HOME_OF]


def __getattr__(name):
    if name in _HOME_OF:
        return getattr(import_module(f"labkit.exercises.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
