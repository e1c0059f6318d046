"""What workers are asked to do: train one classifier together on a task's rows, and score it."""

import hashlib
import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch.distributed as dist

from labkit import pack
from labkit.batches import Batches, Shard, encode
from labkit.cache import code_version, default_cache
from labkit.callbacks import Progress, Timer
from labkit.classifier import CHECKPOINT_SHA256, Classifier, pretrained
from labkit.distributed import TRAINING
from labkit.distributed.data_parallel import OwnDropout, Parallel, bytes_per_step, mean_of_workers, rank_and_size, wrap
from labkit.distributed.evaluation import logits_together
from labkit.distributed.launch import launch
from labkit.distributed.memory import held_bytes, peak_bytes
from labkit.distributed.news import report
from labkit.distributed.traffic import sent_by_ring
from labkit.errors import SettingError
from labkit.statistics import macro_f1
from labkit.steps import Distill
from labkit.training import Training, cross_entropy, fit

__all__ = ["Job", "distributed_fine_tune", "job_for", "train"]

CODE = (*TRAINING, "labkit.distributed.jobs", "labkit.distributed.evaluation")
SETTLING = 3  # steps that do not count for the time of a step: memory is allocated, buckets are arranged


@dataclass(frozen=True, eq=False)
class Job:
    """Rows to train on, rows to be scored on, and how.

    start           where the classifier comes from: a folder that `save` wrote, a packed file, or "" for MiniLM
    labels          the names of the classes
    texts, truth    what to train on; truth is an array of label numbers, shape (rows,)
    test_texts, test_truth   what to be scored on
    training        settings of the loop
    parallel        how gradients are exchanged
    distill         the distillation whose loss is used, with `teacher_logits` of shape (rows, classes)
    seed            of the order of rows, the new head and dropout
    sampler         whether each worker gets its share of the rows; without, every worker trains on all of them
    out             folder that worker 0 saves the trained classifier to; "" saves nothing
    """

    labels: tuple
    texts: list
    truth: np.ndarray
    test_texts: list
    test_truth: np.ndarray
    start: str = ""
    training: Training = field(default_factory=Training)
    parallel: Parallel = field(default_factory=Parallel)
    distill: Distill | None = None
    teacher_logits: np.ndarray | None = None
    seed: int = 0
    out: str = ""
    sampler: bool = True

    def classifier(self):
        """Load the classifier that training starts from."""
        if not self.start:
            return pretrained(self.labels, seed=self.seed)
        return Classifier.load(self.start) if Path(self.start).is_dir() else pack.load(self.start)

    def batches(self, tokenizer):
        """Make the batches, of all workers together."""
        columns = {"labels": self.truth}
        if self.distill is not None:
            columns["teacher_logits"] = self.teacher_logits
        return Batches(
            encode(tokenizer, self.texts), batch_size=self.training.batch_size, seed=self.seed,
            padding=tokenizer.pad_token_id, **columns,
        )  # fmt: skip

    @property
    def loss(self):
        """The loss of a batch."""
        return cross_entropy if self.distill is None else self.distill.loss


def job_for(task, *, distill=None, teacher_logits=None, **settings):
    """Make the job of training on a task; `settings` are fields of `Job`.

    With `distill`, a Distill, its own training settings and rows count; `teacher_logits` belong to
    `distill.rows(task, seed=seed)`.

    Raises SettingError for a Distill of hidden states: workers have the teacher's scores only.
    """
    texts, truth = task.texts("train"), task.truth("train")
    if distill is not None:
        if distill.hidden:
            raise SettingError(
                "a Distill of the scores alone", received=f"hidden={distill.hidden:g}", do="Write hidden=0.0."
            )
        texts, truth = distill.rows(task, seed=settings.get("seed", 0))
        settings = {"training": distill.training} | settings
    return Job(
        labels=tuple(task.labels), texts=texts, truth=truth, test_texts=task.texts("test"),
        test_truth=task.truth("test"), distill=distill, teacher_logits=teacher_logits, **settings,
    )  # fmt: skip


def train(job, *, checkpoint=None):
    """Be one worker: train together with the others, score the result, and return what was measured, a dictionary.

    steps              of the whole training; `steps_here` without those before the checkpoint that it went on from
    seconds_per_step   median of the steps after the first three
    bytes_per_step     what this worker handed to the network in a step; `sent_per_step` is what left it by a ring
    losses             of each step, over all workers
    logits, predictions, f1   of the test rows, all rows, the same on each worker
    digest             hash of the trained weights; `same_weights` tells whether all workers have the same
    held_bytes         parameters, gradients and optimizer state of this worker; `peak_bytes` is its largest memory

    Raises SettingError when there are more workers than rows.
    """
    rank, world_size = rank_and_size()
    check_workers(world_size, rows=len(job.texts))
    classifier = job.classifier()
    batches = own_batches(job.batches(classifier.tokenizer), sampler=job.sampler)
    module, callbacks = wrap(classifier.model, job.parallel)
    timer = Timer()
    more = [Progress(f"{world_size} workers", report=report), timer]
    if world_size > 1:
        more.insert(0, OwnDropout(seed=job.seed, rank=rank))
    state = fit(
        module, batches, training=job.training, loss=job.loss, callbacks=[*callbacks, *more], checkpoint=checkpoint,
        seed=job.seed,
    )  # fmt: skip
    logits = logits_together(classifier, job.test_texts)
    predictions = logits.argmax(axis=1)
    if job.out and rank == 0:
        classifier.save(job.out)
    count, digest = bytes_per_step(callbacks), _digest(classifier.model)
    return {
        "workers": world_size, "steps": state.step, "steps_here": len(timer.seconds),
        "seconds_per_step": statistics.median(timer.seconds[SETTLING:] or timer.seconds or [0.0]),
        "bytes_per_step": count, "sent_per_step": sent_by_ring(count, world_size),
        "losses": mean_of_workers(state.losses), "logits": logits, "predictions": predictions,
        "f1": macro_f1(job.test_truth, predictions),
        "digest": digest, "same_weights": len(set(_from_all(digest))) == 1,
        "held_bytes": held_bytes(state), "peak_bytes": peak_bytes(),
    }  # fmt: skip


def distributed_fine_tune(
    task, *, workers=2, threads=1, parallel=None, training=None, seed=0, cache=None, progress=None
):  # fmt: skip
    """Fine-tune MiniLM on a task with several workers on this machine: returns (Classifier, facts).

    The facts are those of `train` for worker 0, but for its logits; `peak_bytes` has one number for each worker. The
    same call comes from the cache the next time.

    Raises SettingError for more workers than rows, WorkerError when a worker fails, Interrupted on Ctrl-C.
    """
    parallel, training, cache = parallel or Parallel(), training or Training(), cache or default_cache()
    check_workers(workers, rows=len(task.texts("train")))
    key = {
        "what": "distributed", "task": task.fingerprint, "training": asdict(training), "seed": seed,
        "parallel": asdict(parallel), "workers": workers, "threads": threads, "checkpoint": CHECKPOINT_SHA256[:16],
        "code": code_version(*CODE),
    }  # fmt: skip

    def make(folder):
        job = job_for(task, training=training, parallel=parallel, seed=seed, out=str(folder / "classifier"))
        found = launch(train, workers, job, threads=threads, progress=progress)
        facts = {name: value for name, value in found[0].items() if name != "logits"}
        facts["predictions"] = facts["predictions"].tolist()
        facts["peak_bytes"] = [one["peak_bytes"] for one in found]
        (folder / "facts.json").write_text(json.dumps(facts))

    place = cache.get(key, make)
    return Classifier.load(place / "classifier"), json.loads((place / "facts.json").read_text())


def own_batches(batches, *, sampler=True):
    """Give this worker's part of the batches; all of them where it is alone, or without a sampler."""
    rank, world_size = rank_and_size()
    return Shard(batches, rank=rank, world_size=world_size) if sampler and world_size > 1 else batches


def check_workers(workers, *, rows):
    """Raise SettingError unless there is a row for each worker.

    >>> check_workers(2, rows=2)
    """
    if isinstance(workers, int) and workers > rows:
        raise SettingError(
            f"at most as many workers as rows, {rows}", received=f"{workers} workers", do="Take fewer workers."
        )


def _digest(model):
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().contiguous().numpy())
    return digest.hexdigest()[:16]


def _from_all(value):
    values = [value] * rank_and_size()[1]
    if len(values) > 1:
        dist.all_gather_object(values, value)
    return values
