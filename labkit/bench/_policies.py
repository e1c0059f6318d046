"""What benchmarks of policies share: each policy on each fold, and its predictions pooled."""

import argparse

from labkit.fine_tuning import fine_tune
from labkit.folds import pool
from labkit.outputs import predict_once

__all__ = ["applied", "folds_of", "measured", "row", "teacher"]


def folds_of(name, words, *, says):
    """Read `[--folds 5]` from the words of `labkit bench NAME`: the numbers of the folds."""
    parser = argparse.ArgumentParser(prog=f"labkit bench {name}", description=says)
    parser.add_argument("--folds", type=int, default=5, choices=range(1, 6))
    return tuple(range(parser.parse_args(list(words)).folds))


def teacher(task):
    """What the teacher of a fold predicts."""
    return predict_once(fine_tune(task), task.texts("test"))


def applied(policy):
    """Make the experiment that applies a policy to the teacher of a fold: task → predictions."""
    return lambda task: predict_once(policy.apply(fine_tune(task), task), task.texts("test"))


def measured(experiments, *, folds, console):
    """Run experiments one after the other, the first of them the teacher; a dictionary of Pooled by name."""
    found = {}
    for name, experiment in experiments.items():
        found[name] = pool(experiment, folds=folds)
        lost = found[name].loss_against(_first(found))
        console.print(f"{name:34} {found[name].f1()}  lost {lost.points()}")
    return found


def row(name, found, *, policy=None):
    """Give a row of the results: F1, what is lost against the first of those found, the policy as JSON."""
    scores = found[name].scores(None if found[name] is _first(found) else _first(found))
    return {"name": name} | scores | {"policy": None if policy is None else policy.to_json()}


def _first(found):
    return next(iter(found.values()))
