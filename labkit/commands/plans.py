"""What the words after `labkit run` mean."""

from pathlib import Path

from labkit.errors import RunError
from labkit.running import Plan, new_folder, newest_unfinished, settings

__all__ = ["pairs", "plan_of"]


def pairs(words):
    """Split `name=value` words; raises RunError for one without an equals sign.

    >>> pairs(["bits=4", "name=a=b"])
    {'bits': '4', 'name': 'a=b'}
    """
    for word in words:
        if "=" not in word:
            raise RunError("a parameter as name=value", received=repr(word), do="Write it like: -p seed=1")
    return dict(word.split("=", 1) for word in words)


def plan_of(lessons, parameters, profile, *, folder, resume):
    """Make the plan and choose its folder: a new run as asked for, or the rest of one that was stopped."""
    if not resume:
        given = pairs(parameters) | ({"profile": profile} if profile else {})
        plan = Plan.make(lessons, given)
        return plan, Path(folder) if folder else new_folder()
    if lessons or parameters or profile:
        raise RunError(
            "--resume alone, since the run knows its lessons and parameters",
            received="lessons, parameters or a profile with it",
            do="Leave them out, or start a new run without --resume.",
        )
    folder = Path(folder) if folder else newest_unfinished()
    about = settings(folder)
    return Plan.make(about["lessons"], about["given"]), folder
