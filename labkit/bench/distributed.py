"""Distributed training over real workers: parity, speed on this machine and over slow links, F1 of each way."""

import argparse
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
from datasets import DatasetDict
from rich.console import Console

from labkit import readme
from labkit.asked import asked_once
from labkit.batches import encode
from labkit.cache import code_version, default_cache
from labkit.distributed import jobs, launch, scaling_demos
from labkit.distributed.jobs import job_for, train
from labkit.distributed.link import link
from labkit.distributed.parity import Run, compare_runs
from labkit.distributed.scaling import StepTime, fit_scaling, mbit
from labkit.distributed.scaling_demos import Variant, step_times
from labkit.fine_tuning import fine_tune
from labkit.machine import probe
from labkit.outputs import logits_once
from labkit.policy import Policy
from labkit.reference import write_reference
from labkit.steps import Distill, KeepLayers, MergeVocabulary
from labkit.task import load_task
from labkit.training import Training

__all__ = ["MODELS", "WAYS", "main"]

MODELS = {
    "teacher": Policy([]),
    "student, 3 layers": Policy([KeepLayers(3)]),
    "student, 3 layers, 8,000 rows": Policy([KeepLayers(3), MergeVocabulary(8000)]),
}
SMALL = "student, 3 layers, 8,000 rows"
DISTILL = {
    32: Distill(epochs=1, transfer=8800, repeat=3),
    128: Distill(epochs=2, transfer=8800, repeat=3, batch_size=128, learning_rate=4e-4),
}
"""By batch; four times the rows a step, and about half as many steps with twice the learning rate."""
ROUNDS = 3  # every way is timed so often, in turn; the median counts
STEPS = 8
LINKS = (1000, 100)  # Mbit/s


@dataclass(frozen=True)
class Way:
    """One row of the table: which model trains, and how.

    `f1` says that this way is trained to its end, so that its F1 is known.
    """

    model: str
    variant: Variant
    f1: bool = True

    @property
    def name(self):
        """The row's name."""
        one = self.variant
        if one.way == "alone":
            return f"{self.model}: 1 process, {one.threads} thread{'s' * (one.threads > 1)}"
        rows = ", touched rows only" if one.share_rows else ""
        through = ", through memory" if one.through == "memory" else ""
        return f"{self.model}: 2 workers, hook {one.hook}{rows}{through}"


def _ways():
    for model in MODELS:
        for batch in (32, 128) if model == SMALL else (32,):
            of = partial(Variant, batch=batch)
            yield Way(model, of("alone"), f1=model == SMALL or model == "teacher")
            yield Way(model, of("alone", threads=2), f1=False)
            yield Way(model, of("together"), f1=False)  # the same numbers as with touched rows
            yield Way(model, of("together", share_rows=True), f1=model != "student, 3 layers")
            yield Way(model, of("together", share_rows=True, through="memory"), f1=model == SMALL)
            if batch == 32 and model != "student, 3 layers":
                yield Way(model, of("together", hook="fp16", share_rows=True))
                yield Way(model, of("together", hook="powersgd", share_rows=True))


WAYS = tuple(_ways())


def main(words=()):
    """Run `labkit bench distributed [--no-links]`; what is finished comes from the cache; writes distributed.json."""
    parser = argparse.ArgumentParser(prog="labkit bench distributed", description=__doc__)
    parser.add_argument("--no-links", action="store_true", help="leave out the slow links, which need root")
    options = parser.parse_args(list(words))
    say, machine, task = Console(highlight=False).print, probe(), load_task(fold=0)
    parity = _parity(task, say=say)
    times = _times(task, say=say)
    linked = {mbits: _times(task, say=say, mbits=mbits) for mbits in (() if options.no_links else LINKS)}
    scores = {way: _f1(task, way, say=say) for way in WAYS if way.f1}
    rows = [_row(way, times, scores.get(way)) for way in WAYS]
    links = _links(linked, times, scores, say=say)
    values = {
        "machine": machine.label(), "versions": dict(machine.versions),
        "command": " ".join(["labkit bench distributed", *words]), "parity": parity, "rows": rows, "links": links,
    }  # fmt: skip
    path = write_reference("distributed", values)
    readme.update()
    say(f"written to {path.name} and {readme.README.name}")


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
    return replace(task, splits=DatasetDict({**task.splits, "train": few}))


def _classifier(task, model):
    return MODELS[model].apply(fine_tune(task), task)


def _times(task, *, say, mbits=None):
    """Seconds and bytes of a step for each way, by way; over a link of so many Mbit/s where given."""
    found = {}
    for model in MODELS:
        ways = [way for way in WAYS if way.model == model]
        if mbits is not None:
            ways = [way for way in ways if way.variant.way == "together" and way.variant.batch == 32]
            ways = [way for way in ways if way.variant.through == "network"]
        variants = [way.variant for way in ways]
        taken = asked_once(
            "bench step times", partial(_take, task, model, variants, mbits), cache=default_cache(),
            code=(*scaling_demos.CODE, "labkit.bench.distributed"), variants=[asdict(one) for one in variants],
            model=MODELS[model].to_json(), mbits=mbits, task=task.fingerprint,
        )  # fmt: skip
        for way, (seconds, size) in zip(ways, taken, strict=True):
            found[way] = (seconds, size)
            where = f" at {mbits} Mbit/s" if mbits else ""
            say(f"{way.name}, batch {way.variant.batch}{where}: {seconds:.3f} s a step, {size / 1e6:.1f} MB")
    return found


def _take(task, model, variants, mbits):
    classifier = _classifier(task, model)
    texts, labels = task.texts("train")[:512], task.truth("train")[:512].tolist()
    ids = encode(classifier.tokenizer, texts)
    rounds = ROUNDS if mbits is None else 1
    run = partial(launch, step_times, 2, classifier.model, ids, labels, variants * rounds, timeout=600.0)
    if mbits is None:
        taken = run(steps=STEPS)[0]
    else:
        with link(mbit=mbits) as ends:
            taken = run(steps=3, link=ends)[0]
    by_variant = np.array(taken).reshape(rounds, len(variants), 2)
    return np.median(by_variant, axis=0).tolist()


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
    """The same ways over slow links, and what the scaling model says of each; it has seen one of them a model."""
    rows = []
    seen = {model: _seen(model, linked) for model in MODELS}
    model_of = {model: _scaling(model, times, seen[model]) for model in MODELS}
    for mbits, taken in linked.items():
        for way, (seconds, size) in taken.items():
            told = model_of[way.model].of(_point(way, seconds, size, bandwidth=mbit(mbits)))
            rows.append({
                "name": way.name, "mbit_per_second": mbits, "hook": way.variant.hook, "global_batch": way.variant.batch,
                "seconds_per_step": seconds, "bytes_per_step": size, "predicted_seconds": told,
                "prediction_error": told / seconds - 1, "fitted": (way, mbits) in seen[way.model],
                "f1": scores.get(way),
            })  # fmt: skip
            say(f"{way.name} at {mbits} Mbit/s: {seconds:.2f} s, predicted {told:.2f}")
    return rows


def _seen(model, linked):
    """The one measurement over a link that a model is fitted to: plain DDP over the fastest, for the overlap."""
    plain = Variant("together", batch=32)
    return {(way, mbits): taken[way] for mbits, taken in linked.items() if mbits == max(linked)
            for way in taken if way.model == model and way.variant == plain}  # fmt: skip


def _scaling(model, times, seen):
    here = [_point(way, *taken) for way, taken in times.items()
            if way.model == model and way.variant.threads == 1 and way.variant.through == "network"]  # fmt: skip
    return fit_scaling(here + [_point(way, *taken, bandwidth=mbit(mbits)) for (way, mbits), taken in seen.items()])


def _point(way, seconds, size, **where):
    return StepTime(
        workers=1 if way.variant.way == "alone" else 2, batch=way.variant.batch, seconds=seconds, bytes=size,
        hook=way.variant.hook, model=way.model, **where,
    )  # fmt: skip
