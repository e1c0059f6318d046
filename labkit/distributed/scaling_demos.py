"""Seconds of a training step, taken by real workers: alone, side by side, and together, in one start of two."""

import copy
from dataclasses import asdict, dataclass

from labkit.asked import asked_once
from labkit.distributed import TRAINING, report
from labkit.distributed.scaling import StepTime
from labkit.errors import SettingError

__all__ = ["HERE_AT_MOST", "Variant", "measured_steps", "random_shape", "random_step_times", "step_times", "time_here"]

CODE = (*TRAINING, "labkit.distributed.scaling_demos")
WARM = 2  # steps that are not counted: memory is allocated, buckets are arranged
HERE_AT_MOST = {"millions": 25.0, "batch": 64}  # what the widget's button measures in seconds


@dataclass(frozen=True)
class Variant:
    """One way to make a step of `batch` rows.

    `way` is "alone" (one worker has all rows, the others wait), "apart" (each has its shard, nothing is exchanged) or
    "together" (data parallel); the rest are those of `Parallel`.
    """

    way: str = "together"
    batch: int = 32
    threads: int = 1
    hook: str = "none"
    share_rows: bool = False
    through: str = "network"

    def __post_init__(self):
        if self.way not in ("alone", "apart", "together"):
            raise SettingError('"alone", "apart" or "together"', received=repr(self.way), do="Choose one of these.")

    @property
    def parallel(self):
        """How the workers exchange their gradients."""
        from labkit.distributed.data_parallel import Parallel

        return Parallel(hook=self.hook, share_rows=self.share_rows, through=self.through)


def step_times(model, ids, labels, variants, *, steps=8):
    """Be one worker: take each variant's seconds a step (the median) and bytes a step; a list of (seconds, bytes).

    `ids` are token lists, `labels` their classes; each variant trains a copy of `model` on the same first rows.
    """
    import torch.distributed as dist

    found = []
    for number, variant in enumerate(variants):
        report(number / len(variants), f"{variant.way}, {variant.batch} rows a step")
        dist.barrier()
        if variant.way != "alone" or dist.get_rank() == 0:
            found.append(_timed(copy.deepcopy(model), ids, labels, variant, steps))
        dist.barrier()
    return found


def _timed(model, ids, labels, variant, steps):
    import numpy as np
    import torch
    import torch.distributed as dist

    from labkit.batches import Batches, Shard
    from labkit.callbacks import Timer
    from labkit.distributed.data_parallel import wrap
    from labkit.distributed.hooks import POWERSGD_AFTER
    from labkit.distributed.traffic import bytes_per_step
    from labkit.training import Training, fit

    warm = WARM + (POWERSGD_AFTER if variant.hook == "powersgd" else 0)  # PowerSGD begins after some steps
    rows = np.resize(np.arange(len(ids)), (warm + steps) * variant.batch)
    batches = Batches([ids[row] for row in rows], batch_size=variant.batch, labels=np.asarray(labels)[rows])
    callbacks, timer = [], Timer()
    if variant.way != "alone":
        batches = Shard(batches, rank=dist.get_rank(), world_size=dist.get_world_size())
    if variant.way == "together":
        model, callbacks = wrap(model, variant.parallel)
    before = torch.get_num_threads()
    torch.set_num_threads(variant.threads)
    try:
        training = Training(epochs=1, batch_size=variant.batch, learning_rate=1e-5)
        fit(model, batches, training=training, callbacks=[*callbacks, timer])
    finally:
        torch.set_num_threads(before)
    return float(np.median(timer.seconds[warm:])), float(bytes_per_step(callbacks, settling=warm))


def measured_steps(classifier, texts, labels, variants, *, name, steps=5, rounds=2, cache=None, progress=None):
    """Let two real workers take each variant's step on real texts; a dictionary from the Variants to StepTimes.

    `name` is the model's, for the StepTimes. The variants take turns in `rounds`, and the fastest counts: other
    programs can only make a step slower. With a `cache`, this machine is asked once.

    Raises WorkerError when a worker fails, Interrupted on Ctrl-C.
    """
    from labkit.batches import encode
    from labkit.distributed import launch

    variants = list(variants)

    def ask():
        ids = encode(classifier.tokenizer, texts)
        found = launch(
            step_times, 2, classifier.model, ids, [int(label) for label in labels], variants * rounds, steps=steps,
            progress=progress,
        )[0]  # fmt: skip
        return [min(found[number :: len(variants)]) for number in range(len(variants))]

    found = asked_once(
        "step times", ask, cache=cache, code=CODE, classifier=classifier.fingerprint, rows=len(texts), steps=steps,
        rounds=rounds, variants=[asdict(variant) for variant in variants],
    )  # fmt: skip
    return {
        variant: StepTime(
            workers=1 if variant.way == "alone" else 2, batch=variant.batch, seconds=seconds, bytes=sent,
            hook=variant.hook, model=name,
        )
        for variant, (seconds, sent) in zip(variants, found, strict=True)
    }  # fmt: skip


def time_here(*, millions, batch, hook="none", steps=5, progress=None, should_stop=None):
    """Train a BERT of about so many million parameters, random weights, alone and by two workers: seconds a step.

    Returns a dictionary of `alone` and `together`.

    Raises Interrupted where `should_stop()` said so, WorkerError when a worker fails.
    """
    from labkit.distributed import launch

    variants = [Variant("alone", batch=batch), Variant("together", batch=batch, hook=hook)]
    found = launch(
        random_step_times, 2, millions, variants, steps=steps, progress=progress or _silent, should_stop=should_stop
    )
    (alone, _), (together, _) = found[0]
    return {"alone": alone, "together": together}


def random_step_times(millions, variants, *, steps):
    """Be one worker of `time_here`: `step_times` on a random model and on random words of 16 tokens."""
    import numpy as np
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**random_shape(millions), num_labels=5))
    random = np.random.default_rng(0)
    rows = max(variant.batch for variant in variants)
    ids = random.integers(5, model.config.vocab_size, size=(rows, 16)).tolist()
    return step_times(model, ids, random.integers(0, 5, size=rows).tolist(), variants, steps=steps)


def random_shape(millions):
    """Choose a BERT like MiniLM in proportion, with about so many million parameters, the table half of them.

    >>> random_shape(22.7)["hidden_size"], random_shape(22.7)["num_hidden_layers"]
    (384, 6)
    """
    width = max(64, 64 * round((millions / 22.7) ** 0.5 * 384 / 64))
    return {
        "hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": width // 32,
        "num_hidden_layers": 6, "max_position_embeddings": 64, "vocab_size": max(100, int(5e5 * millions / width)),
    }  # fmt: skip


def _silent(fraction, text=""):
    """Takes the workers' reports where nobody wants to see a bar."""
