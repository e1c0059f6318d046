"""Tokens without a row in a smaller embedding: three answers, before training and after it, over all five folds."""

import numpy as np
from rich.console import Console

from labkit import pages
from labkit.bench._policies import applied, folds_of, measured, row, teacher
from labkit.fine_tuning import fine_tune
from labkit.policy import Policy
from labkit.recipes import SHORT
from labkit.reference import write_reference
from labkit.steps import CutVocabulary, MergeVocabulary
from labkit.steps.cut_vocabulary import three_answers
from labkit.task import load_task

__all__ = ["main"]

ROWS = (8000, 3000)
ANSWERS = {"nearest": MergeVocabulary, "unknown": lambda rows: CutVocabulary(rows, "unknown"), "pieces": CutVocabulary}
"""The kept rows are the same, and so is everything else."""


def main(words=()):
    """Run `labkit bench vocabulary [--folds 5]`; finished folds come from the cache; writes vocabulary.json.

    Each row is held in pairs against the teacher, and against the nearest row with as many rows and the same training.
    """
    folds, console = folds_of("vocabulary", words, says=__doc__), Console(highlight=False)
    policies = {
        (rows, trained, answer): Policy([step(rows), *([SHORT] if trained else [])])
        for rows in ROWS for trained in (False, True) for answer, step in ANSWERS.items()
    }  # fmt: skip
    names = {_name(*key): key for key in policies}
    experiments = {name: applied(policies[key]) for name, key in names.items()}
    found = measured({"teacher": teacher} | experiments, folds=folds, console=console)
    task = load_task(fold=0)
    whole = fine_tune(task)
    lengths = {rows: _lengths(three_answers(whole, task, rows=rows), task) for rows in ROWS}
    rows = [row("teacher", found)]
    for name, (count, trained, answer) in names.items():
        worse = found[name].loss_against(found[_name(count, trained, "nearest")])
        rows.append(row(name, found, policy=policies[count, trained, answer]) | {
            "rows": count, "trained": trained, "answer": answer, "tokens": lengths[count][answer],
            "worse": 100 * worse.value, "worse_low": 100 * worse.low, "worse_high": 100 * worse.high,
        })  # fmt: skip
    path = write_reference("vocabulary", {"command": " ".join(["labkit bench vocabulary", *words]), "rows": rows})
    console.print(f"written to {path.name}, {pages.update()}")


def _name(rows, trained, answer):
    return f"{rows:,} rows, {answer}, {'trained' if trained else 'untrained'}"


def _lengths(classifiers, task):
    """How many tokens a test headline has for each classifier, in the mean."""
    texts = task.texts("test")
    return {
        name: float(np.mean([len(row) for row in one.tokenizer(texts)["input_ids"]]))
        for name, one in classifiers.items()
    }
