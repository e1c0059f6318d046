"""Which ways of training on two workers are timed, and how: here, and over links that are slower than this machine."""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from labkit.asked import asked_once
from labkit.batches import encode
from labkit.cache import default_cache
from labkit.distributed import launch, scaling_demos
from labkit.distributed.link import link
from labkit.distributed.scaling_demos import Variant, step_times
from labkit.fine_tuning import fine_tune
from labkit.policy import Policy
from labkit.steps import KeepLayers, MergeVocabulary

__all__ = ["LINKS", "MODELS", "SMALL", "WAYS", "Way", "timed"]

MODELS = {
    "teacher": Policy([]),
    "student, 3 layers": Policy([KeepLayers(3)]),
    "student, 3 layers, 8,000 rows": Policy([KeepLayers(3), MergeVocabulary(8000)]),
}
SMALL = "student, 3 layers, 8,000 rows"
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


def timed(task, *, say, mbits=None):
    """Take seconds and bytes of a step for each way, by way; over a link of so many Mbit/s where given.

    `say(text)` hears each as it is there; what was timed before comes from the cache.

    Raises WorkerError when a worker fails.
    """
    found = {}
    for model in MODELS:
        ways = [way for way in WAYS if way.model == model]
        if mbits is not None:
            ways = [way for way in ways if way.variant.way == "together" and way.variant.batch == 32]
            ways = [way for way in ways if way.variant.through == "network"]
        variants = [way.variant for way in ways]
        taken = asked_once(
            "bench step times", partial(_take, task, model, variants, mbits), cache=default_cache(),
            code=(*scaling_demos.CODE, __name__), variants=[asdict(one) for one in variants],
            model=MODELS[model].to_json(), mbits=mbits, task=task.fingerprint,
        )  # fmt: skip
        for way, (seconds, size) in zip(ways, taken, strict=True):
            found[way] = (seconds, size)
            where = f" at {mbits} Mbit/s" if mbits else ""
            say(f"{way.name}, batch {way.variant.batch}{where}: {seconds:.3f} s a step, {size / 1e6:.1f} MB")
    return found


def _take(task, model, variants, mbits):
    classifier = MODELS[model].apply(fine_tune(task), task)
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
