"""Exercises that check themselves: they never block a notebook, and they name the mistake."""

from labkit.exercises.definition import Case, Exercise, Misconception, all_exercises, get, register

__all__ = ["Case", "Exercise", "Misconception", "all_exercises", "exercise", "get", "register"]


def __getattr__(name):
    # The decorator brings IPython's display along, which a bank module and the command line do not need.
    if name == "exercise":
        from labkit.exercises.attempt import exercise

        return exercise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
