"""What benchmarks of policies share: each policy on each fold, its predictions pooled, and the time it took."""

import argparse
import time
from dataclasses import dataclass

from labkit.fine_tuning import fine_tune
from labkit.folds import Pooled, pool
from labkit.outputs import predict_once

__all__ = ["Result", "applied", "folds_of", "measured", "teacher"]


@dataclass(frozen=True)
class Result:
    """Predictions of one experiment, pooled over the folds, and the seconds that they took."""

    pooled: Pooled
    seconds: float

    def row(self, name, *, teacher, policy=None):
        """Give the row of the results: F1, what is lost against the teacher, the policy as JSON, seconds."""
        scores = self.pooled.scores(None if self is teacher else teacher.pooled)
        written = None if policy is None else policy.to_json()
        return {"name": name} | scores | {"policy": written, "seconds": round(self.seconds, 1)}


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
    """Run experiments one after the other, the first of them the teacher; a dictionary of Results by name."""
    found = {}
    for name, experiment in experiments.items():
        start = time.perf_counter()
        pooled = pool(experiment, folds=folds)
        found[name] = Result(pooled, time.perf_counter() - start)
        lost = pooled.loss_against(next(iter(found.values())).pooled)
        console.print(f"{name:34} {pooled.f1()}  lost {lost.points()}")
    return found
