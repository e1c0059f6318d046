"""Pruning over all five folds: what each way of it costs, paired against the teacher of the same fold."""

from rich.console import Console

from labkit import pages
from labkit.baselines import tfidf_baseline
from labkit.bench._policies import applied, folds_of, measured, row, teacher
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
    "gradual 80 %, movement": Policy([PruneMagnitude(0.8, schedule="gradual", criterion="movement"), LONG]),
    "gradual 80 %, first-order": Policy([PruneMagnitude(0.8, schedule="gradual", criterion="first-order"), LONG]),
}


def main(words=()):
    """Run `labkit bench pruning [--folds 5]`; finished folds come from the cache; writes pruning.json."""
    folds, console = folds_of("pruning", words, says=__doc__), Console(highlight=False)
    experiments = {name: applied(policy) for name, policy in POLICIES.items()}
    found = measured({"teacher": teacher, "TF-IDF": tfidf_baseline} | experiments, folds=folds, console=console)
    rows = [row(name, found, policy=POLICIES.get(name)) for name in found]
    path = write_reference("pruning", {"command": " ".join(["labkit bench pruning", *words]), "rows": rows})
    console.print(f"written to {path.name}, {pages.update()}")
