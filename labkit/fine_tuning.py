"""From the pre-trained model to a classifier for a task: the teacher that every compression starts from."""

from dataclasses import asdict
from functools import partial

from labkit.batches import Batches, encode
from labkit.cache import code_version, default_cache
from labkit.callbacks import Progress
from labkit.classifier import CHECKPOINT_SHA256, Classifier, Stored, pretrained
from labkit.training import Training, fit

__all__ = ["fine_tune", "train_classifier"]

CODE = ("labkit.fine_tuning", "labkit.training", "labkit.batches", "labkit.classifier")


def fine_tune(task, *, training=None, seed=0, cache=None, callbacks=(), progress=None):
    """Fine-tune MiniLM on a task, and keep the result: the second call with the same settings is instant.

    About a minute on two cores. Ctrl-C keeps what was done; the next call goes on from there.
    `progress(fraction, text)` replaces the progress bar.

    Raises Interrupted on Ctrl-C, CacheError when the result cannot be kept.
    """
    training = training or Training()
    cache = cache or default_cache()
    key = {
        "what": "teacher", "task": task.fingerprint, "training": asdict(training), "seed": seed,
        "checkpoint": CHECKPOINT_SHA256[:16], "code": code_version(*CODE),
    }  # fmt: skip

    def make(folder):
        classifier = pretrained(task.labels, seed=seed)
        bar = Progress(f"fine-tuning, fold {task.fold}", report=progress)
        train_classifier(classifier, task, training=training, seed=seed, callbacks=[*callbacks, bar],
                         checkpoint=cache.work(key) / "training.pt")  # fmt: skip
        classifier.save(folder)
        (folder / "fingerprint").write_text(classifier.fingerprint)

    place = cache.get(key, make)
    return Stored((place / "fingerprint").read_text(), partial(Classifier.load, place))


def train_classifier(classifier, task, *, training, seed=0, callbacks=(), checkpoint=None):
    """Train a classifier in place on a task's training rows and labels; returns the loop's final State."""
    batches = Batches(
        encode(classifier.tokenizer, task.texts("train")), batch_size=training.batch_size, seed=seed,
        padding=classifier.tokenizer.pad_token_id, labels=task.truth("train"),
    )  # fmt: skip
    return fit(classifier.model, batches, training=training, callbacks=callbacks, checkpoint=checkpoint, seed=seed)
