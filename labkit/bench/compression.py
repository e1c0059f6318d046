"""Compression over all five folds: what each way of it leaves on disk, costs in F1, and takes in time."""

import argparse
import json
import shlex
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn

from labkit import pages
from labkit.batches import encode, pad
from labkit.bench._contestants import CODE, CONTESTANTS
from labkit.cache import code_version, cost, default_cache
from labkit.errors import LabError, SettingError
from labkit.folds import Pooled, together
from labkit.latency import race
from labkit.plots.frontier import frontier
from labkit.plots.style import png
from labkit.reference import write_reference
from labkit.runtime import flips
from labkit.task import load_task

__all__ = ["main"]

PICTURE = Path(__file__).parent.parent.parent / "docs" / "pictures" / "frontier.png"
ROUNDS = 40
SETTLE = {1: 4, 32: 1}  # calls before the timed one, by texts in the batch


def main(words=()):
    """Run `labkit bench compression [--folds 5] [--only WORDS] [--skip WORDS]`; what is finished comes from the cache.

    Writes compression.json, the tables of README and docs/results.md, and their picture.
    """
    parser = argparse.ArgumentParser(prog="labkit bench compression", description=__doc__)
    parser.add_argument("--folds", type=int, default=5, choices=range(1, 6))
    parser.add_argument(
        "--only", action="append", help="rows with these words in their name, and the teacher; writes nothing"
    )
    parser.add_argument("--skip", action="append", default=[], help="leave out rows with these words in their name")
    options = parser.parse_args(list(words))
    chosen = [one for one in _chosen(options.only) if not any(word in one.name for word in options.skip)]
    console = Console(highlight=False)
    tasks = [load_task(fold=fold) for fold in range(options.folds)]
    found = _fold_by_fold(chosen, tasks, console)
    teacher = _pooled(found["teacher"], tasks)
    for name in found:
        console.print(f"{name:50} {_words(_pooled(found[name], tasks), teacher, found[name])}")
    if options.only:
        return
    times = _race([one for one in chosen if one.name in found], tasks[0], console)
    rows = [_row(one, found[one.name], times[one.name], tasks, teacher) for one in chosen if one.name in found]
    for row in rows:
        row["ratio"] = rows[0]["bytes"] / row["bytes"]
    command = shlex.join(["labkit", "bench", "compression", *words])
    path = write_reference("compression", {"command": command, "rows": rows})
    PICTURE.write_bytes(png(frontier(rows)))
    console.print(f"written to {path.name}, {PICTURE.name}, {pages.update()}")


def _chosen(only):
    names = [one.name for one in CONTESTANTS]
    if only and not any(word in name for word in only for name in names):
        raise SettingError("words of a row's name", received=str(only), do=f"There are: {', '.join(names)}.")
    return [one for one in CONTESTANTS if not only or one.name == "teacher" or any(word in one.name for word in only)]


def _fold_by_fold(chosen, tasks, console):
    """What each contestant predicted on each fold, its bytes, flips and seconds: a dictionary of lists."""
    found = {}
    columns = [*Progress.get_default_columns()[:3], TimeElapsedColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=console) as bar:
        whole = bar.add_task("", total=len(chosen) * len(tasks))
        for one in chosen:
            try:
                rows = []
                for task in tasks:
                    bar.update(whole, description=f"{one.name}, fold {task.fold}")
                    rows.append(_measured(one, task))
                    bar.advance(whole)
                found[one.name] = rows
            except LabError as error:  # a package that is not installed here must not cost the other rows
                console.print(f"{one.name}: left out. {error}")
    return found


def _measured(one, task):
    key = {
        "what": "bench compression", "row": one.name, "task": task.fingerprint,
        "policy": None if one.policy is None else one.policy.to_json(), "code": code_version(*CODE),
        "bodies": one.bodies,
    }  # fmt: skip

    def measure():
        with tempfile.TemporaryDirectory() as folder:
            with cost() as bill:
                made = one.make(task, folder, _silent)
                seconds = bill.seconds
            texts = task.texts("test")
            flipped = flips(made.predictor, texts) if hasattr(made.predictor, "fingerprint") else 0
            predicted = made.predictor.predict(texts, batch_size=32).tolist()
        return {"predicted": predicted, "bytes": made.bytes, "flips": flipped, "seconds": seconds}

    return default_cache().value(key, measure)


def _silent(fraction, words=""):
    """Takes the progress of one training; the bar of the whole goes on above it."""


def _pooled(rows, tasks):
    return together([
        Pooled(task.rows("test"), task.truth("test"), np.asarray(row["predicted"]))
        for task, row in zip(tasks, rows, strict=True)
    ])  # fmt: skip


def _words(result, teacher, rows):
    size = np.mean([row["bytes"] for row in rows])
    return f"{size / 1e6:7.2f} MB  {result.f1()}  lost {result.loss_against(teacher).points()}"


def _race(chosen, task, console):
    """Milliseconds of one text and of 32, model alone, all contestants in turn: (b1, b32) by name."""
    console.print("Timing all of them in turn…")
    with tempfile.TemporaryDirectory() as folder:
        calls = {1: {}, 32: {}}
        for number, one in enumerate(chosen):
            place = Path(folder) / str(number)
            place.mkdir()
            made = one.make(task, place, _silent)
            for size in calls:
                calls[size][one.name] = _call(made.predictor, task.texts("test"), size)
        taken = {size: race(by_name, rounds=ROUNDS, settle=SETTLE[size]) for size, by_name in calls.items()}
    return {one.name: tuple(taken[size][one.name] for size in (1, 32)) for one in chosen}


def _call(predictor, texts, size):
    if not hasattr(predictor, "model") or not hasattr(predictor, "fingerprint"):
        chosen = texts[:size]
        return lambda: predictor.predict(chosen)
    import torch

    ids = sorted(encode(predictor.tokenizer, texts), key=len)
    chosen = ids[len(ids) // 2 :][:1] if size == 1 else encode(predictor.tokenizer, texts[:size])
    batch = pad(chosen, padding=predictor.tokenizer.pad_token_id)

    def call():
        with torch.inference_mode():
            predictor.model(**batch)

    return call


def _row(one, rows, times, tasks, teacher):
    alone, crowd = times
    size = float(np.mean([row["bytes"] for row in rows]))
    return {
        "name": one.name, "policy": None if one.policy is None else json.loads(one.policy.to_json()),
        "bytes": round(size), "ratio": None, **_pooled(rows, tasks).scores(teacher),
        "latency_b1_p50_ms": alone.p50, "latency_b1_p95_ms": alone.p95, "latency_b32_p50_ms": crowd.p50,
        "batch_flips": sum(row["flips"] for row in rows), "seconds": round(sum(row["seconds"] for row in rows), 1),
    }  # fmt: skip
