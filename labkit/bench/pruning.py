"""Pruning over all five folds: what each way of it costs, paired against the teacher of the same fold."""

import argparse
import time

from rich.console import Console

from labkit import readme
from labkit.baselines import tfidf_baseline
from labkit.fine_tuning import fine_tune
from labkit.folds import pool
from labkit.outputs import predict_once
from labkit.policy import Policy
from labkit.recipes import LONG
from labkit.reference import write_reference
from labkit.steps import PruneMagnitude

__all__ = ["POLICIES", "main"]

POLICIES = {
    "one-shot 30 %": Policy([PruneMagnitude(0.3)]),
    "one-shot 60 %": Policy([PruneMagnitude(0.6)]),
    "one-shot 70 %": Policy([PruneMagnitude(0.7)]),
    "one-shot 80 %": Policy([PruneMagnitude(0.8)]),
    "one-shot 80 %, global": Policy([PruneMagnitude(0.8, scope="global")]),
    "gradual 80 %": Policy([PruneMagnitude(0.8, schedule="gradual"), LONG]),
}


def main(words=()):
    """Run `labkit bench pruning [--folds 5]`; finished folds come from the cache; writes pruning.json."""
    parser = argparse.ArgumentParser(prog="labkit bench pruning", description=__doc__)
    parser.add_argument("--folds", type=int, default=5, choices=range(1, 6))
    folds = tuple(range(parser.parse_args(list(words)).folds))
    console = Console()
    experiments = {
        "teacher": lambda task: predict_once(fine_tune(task), task.texts("test")), "TF-IDF": tfidf_baseline,
        **{name: _experiment(policy) for name, policy in POLICIES.items()},
    }  # fmt: skip
    rows, teacher = [], None
    for name, experiment in experiments.items():
        start = time.perf_counter()
        result = pool(experiment, folds=folds)
        teacher = teacher or result
        rows.append(_row(name, result, teacher, seconds=time.perf_counter() - start))
        console.print(f"{name:26} {result.f1()}  lost {result.loss_against(teacher).points()}")
    command = " ".join(["labkit bench pruning", *words])
    path = write_reference("pruning", {"command": command, "rows": rows})
    readme.update()
    console.print(f"written to {path.name} and {readme.README.name}")


def _experiment(policy):
    return lambda task: predict_once(policy.apply(fine_tune(task), task), task.texts("test"))


def _row(name, result, teacher, *, seconds):
    row = {"name": name} | result.scores(None if result is teacher else teacher)
    policy = POLICIES.get(name)
    return row | {"policy": None if policy is None else policy.to_json(), "seconds": round(seconds, 1)}
