"""Do several workers compute what one process does? The same start and batches, then every weight compared."""

import json
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from labkit.asked import asked_once
from labkit.classifier import CHECKPOINT_SHA256, Classifier, pretrained
from labkit.distributed import jobs
from labkit.distributed.data_parallel import Parallel
from labkit.distributed.jobs import job_for, train
from labkit.distributed.launch import launch
from labkit.distributed.pipeline import train_pipeline
from labkit.errors import SettingError
from labkit.training import Training

__all__ = ["Run", "compare_runs", "largest_difference", "without_dropout"]

CODE = (*jobs.CODE, "labkit.distributed.parity", "labkit.distributed.pipeline")


@dataclass(frozen=True)
class Run:
    """One way to train: how many workers, what they share out, and how gradients travel.

    `way` is "rows" (data parallel), "nothing" (every worker trains on all rows, as without a sampler) or "layers" (a
    pipeline of two stages).
    """

    workers: int = 1
    way: str = "rows"
    training: Training = field(default_factory=Training)
    parallel: Parallel = field(default_factory=Parallel)


def compare_runs(task, runs, *, start="", seed=0, cache=None, progress=None):
    """Train MiniLM without dropout in several ways, and compare the weights of each with those of the first.

    `runs` maps names to Runs. Returns a dictionary of dictionaries: `difference` is the largest of any weight against
    the first run's, `changed` the number of test rows with another prediction, `held` and `peak` the bytes that each
    worker holds for the model and uses in all, `sent` the bytes that leave worker 0 in a step. With a `cache`, this
    machine is asked once. `start` is the folder of another classifier, one without dropout.

    Raises SettingError for another way, WorkerError when a worker fails, Interrupted on Ctrl-C.
    """
    return asked_once(
        "compared runs", lambda: _compare(task, runs, str(start), seed, progress), cache=cache, code=CODE,
        task=task.fingerprint, seed=seed, start=str(start), checkpoint=CHECKPOINT_SHA256[:16],
        runs={name: asdict(run) for name, run in runs.items()},
    )  # fmt: skip


def _compare(task, runs, start, seed, progress):
    found, first = {}, None
    with tempfile.TemporaryDirectory(prefix="labkit-runs-") as folder:
        if not start:
            start = str(Path(folder) / "start")
            without_dropout(pretrained(task.labels, seed=seed)).save(start)
        for name, run in runs.items():
            job = job_for(task, start=start, training=run.training, parallel=run.parallel, seed=seed)
            results = _launch(run, replace(job, out=str(Path(folder) / name)), progress)
            model, predictions = results[0].pop("model"), results[0]["predictions"]
            first = (model, predictions) if first is None else first
            found[name] = {
                "workers": run.workers, "difference": largest_difference(model, first[0]),
                "changed": int((predictions != first[1]).sum()), "f1": results[0]["f1"], "steps": results[0]["steps"],
                "seconds_per_step": results[0]["seconds_per_step"], "sent": results[0]["sent_per_step"],
                "held": [one["held_bytes"]["all"] for one in results], "peak": [one["peak_bytes"] for one in results],
            }  # fmt: skip
    return found


def _launch(run, job, progress):
    """The workers' results; the trained model is in the first."""
    if run.way == "layers":
        layers = json.loads((Path(job.start) / "config.json").read_text())["num_hidden_layers"]
        results = launch(train_pipeline, run.workers, job, at=layers // 2, progress=progress)
        model = Classifier.load(job.start).model
        model.load_state_dict(results[0].pop("state"))
    elif run.way in ("rows", "nothing"):
        job = replace(job, sampler=run.way == "rows")
        results = launch(train, run.workers, job, progress=progress)
        model = Classifier.load(job.out).model
    else:
        raise SettingError('"rows", "nothing" or "layers"', received=repr(run.way), do="Say what is shared out.")
    results[0]["model"] = model
    return results


def largest_difference(model, other):
    """Give the largest difference of any weight of two models of one architecture.

    >>> import torch
    >>> one, other = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    >>> other.load_state_dict({"weight": one.weight + 0.5, "bias": one.bias})
    <All keys matched successfully>
    >>> round(largest_difference(one, other), 6)
    0.5
    """
    theirs = dict(other.named_parameters())
    return max(float((weight - theirs[name]).detach().abs().max()) for name, weight in model.named_parameters())


def without_dropout(classifier):
    """Switch dropout off for good, in place: its random numbers would differ from worker to worker."""
    config = classifier.model.config
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    return classifier
