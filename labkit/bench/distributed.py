"""Distributed training over real workers: parity, speed on this machine and over slow links, F1 of each way."""

import argparse
from dataclasses import asdict

from rich.console import Console

from labkit import pages
from labkit.bench._step_times import LINKS, MODELS, WAYS, timed
from labkit.cache import code_version, default_cache
from labkit.distributed import jobs, launch
from labkit.distributed.jobs import job_for, train
from labkit.distributed.parity import Run, compare_runs
from labkit.distributed.scaling import StepTime, fit_scaling, mbit
from labkit.distributed.scaling_demos import Variant
from labkit.fine_tuning import fine_tune
from labkit.outputs import logits_once
from labkit.reference import write_reference
from labkit.steps import Distill
from labkit.task import load_task
from labkit.training import Training

__all__ = ["main"]

DISTILL = {
    32: Distill(epochs=1, transfer=8800, repeat=3),
    128: Distill(epochs=2, transfer=8800, repeat=3, batch_size=128, learning_rate=4e-4),
}
"""By batch; four times the rows a step, and about half as many steps with twice the learning rate."""


def main(words=()):
    """Run `labkit bench distributed [--no-links]`; what is finished comes from the cache; writes distributed.json."""
    parser = argparse.ArgumentParser(prog="labkit bench distributed", description=__doc__)
    parser.add_argument("--no-links", action="store_true", help="leave out the slow links, which need root")
    options = parser.parse_args(list(words))
    say, task = Console(highlight=False).print, load_task(fold=0)
    parity = _parity(task, say=say)
    times = timed(task, say=say)
    linked = {mbits: timed(task, say=say, mbits=mbits) for mbits in (() if options.no_links else LINKS)}
    scores = {way: _f1(task, way, say=say) for way in WAYS if way.f1}
    rows = [_row(way, times, scores.get(way)) for way in WAYS]
    links = _links(linked, times, scores, say=say)
    values = {
        "command": " ".join(["labkit bench distributed", *words]), "parity": parity, "rows": rows, "links": links,
    }  # fmt: skip
    path = write_reference("distributed", values)
    say(f"written to {path.name}, {pages.update()}")


def _parity(task, *, say):
    """Largest difference of any weight after 50 steps, of 2 and 4 workers against one process, by optimizer."""
    found = {}
    for optimizer, rate in (("sgd", 1e-2), ("adamw", 5e-5)):
        training = Training(epochs=1, batch_size=29, learning_rate=rate, optimizer=optimizer)
        runs = {f"{workers} workers": Run(workers, training=training) for workers in (1, 2, 4)}
        told = compare_runs(_first_steps(task), runs, cache=default_cache())
        found[optimizer] = max(one["difference"] for one in told.values())
        changed = max(one["changed"] for one in told.values())
        say(f"parity, {optimizer}: largest difference {found[optimizer]:.2g}, other predictions {changed}")
        found[f"{optimizer}_changed"] = changed
    return found


def _first_steps(task):
    few = task.splits["train"].select(range(50 * 29 - 7))  # 50 steps, and the last batch is smaller
    return task.with_part("train", few)


def _f1(task, way, *, say):
    """Train to the end in this way, on as many workers, and score the test rows."""
    one = way.variant
    if way.model == "teacher":
        job = job_for(task, training=Training(batch_size=one.batch), parallel=one.parallel)
    else:
        distill = DISTILL[one.batch]
        teacher, (texts, _) = fine_tune(task), distill.rows(task, seed=0)
        job = job_for(task, start=str(MODELS[way.model].packed(teacher, task)), distill=distill,
                      teacher_logits=logits_once(teacher, texts, batch_size=64), parallel=one.parallel)  # fmt: skip
    workers = 1 if one.way == "alone" else 2
    key = {
        "what": "bench distributed f1", "way": asdict(way), "task": task.fingerprint, "workers": workers,
        "model": MODELS[way.model].to_json(), "distill": None if job.distill is None else job.distill.to_dict(),
        "training": asdict(job.training),
        "code": code_version(*jobs.CODE),
    }  # fmt: skip
    f1 = default_cache().value(key, lambda: float(launch(train, workers, job, timeout=600.0)[0]["f1"]))
    say(f"{way.name}, batch {one.batch}: macro-F1 {f1:.4f}")
    return f1


def _alone(way, times):
    """Seconds a step of one process with one thread, for the same model and batch."""
    return next(
        seconds for other, (seconds, _) in times.items()
        if other.model == way.model and other.variant == Variant("alone", batch=way.variant.batch)
    )  # fmt: skip


def _row(way, times, f1):
    seconds, size = times[way]
    workers = 1 if way.variant.way == "alone" else 2
    own = way.variant.threads == 1
    return {
        "name": way.name, "workers": workers, "threads": way.variant.threads, "hook": way.variant.hook,
        "global_batch": way.variant.batch, "seconds_per_step": seconds, "bytes_per_step": size,
        "efficiency": _alone(way, times) / seconds / workers if own else None, "f1": f1,
    }  # fmt: skip


def _links(linked, times, scores, *, say):
    """The same ways over slow links, and what the scaling model says of each; of links it has seen the fastest."""
    rows = []
    model_of = {model: _scaling(model, times, linked) for model in MODELS}
    for mbits, taken in linked.items():
        for way, (seconds, size) in taken.items():
            told = model_of[way.model].of(_point(way, seconds, size, bandwidth=mbit(mbits)))
            rows.append({
                "name": way.name, "mbit_per_second": mbits, "hook": way.variant.hook, "global_batch": way.variant.batch,
                "seconds_per_step": seconds, "bytes_per_step": size, "predicted_seconds": told,
                "prediction_error": told / seconds - 1, "fitted": mbits == max(linked),
                "f1": scores.get(way),
            })  # fmt: skip
            say(f"{way.name} at {mbits} Mbit/s: {seconds:.2f} s, predicted {told:.2f}")
    return rows


def _scaling(model, times, linked):
    points = [_point(way, *taken) for way, taken in times.items()
              if way.variant.threads == 1 and way.variant.through == "network"]  # fmt: skip
    for mbits in (max(linked),) if linked else ():
        points += [_point(way, *taken, bandwidth=mbit(mbits)) for way, taken in linked[mbits].items()]
    return fit_scaling([point for point in points if point.model == model])


def _point(way, seconds, size, **where):
    return StepTime(
        workers=1 if way.variant.way == "alone" else 2, batch=way.variant.batch, seconds=seconds, bytes=size,
        hook=way.variant.hook, model=way.model, **where,
    )  # fmt: skip
