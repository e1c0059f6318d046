"""Our training loop against `transformers.Trainer`: the same rows, batch, epochs and model, in pairs, in one run."""

import argparse
import shutil
import tempfile
import time

import numpy as np
from rich.console import Console

from labkit import pages
from labkit.classifier import pretrained
from labkit.fine_tuning import train_classifier
from labkit.reference import write_reference
from labkit.statistics import compare
from labkit.task import load_task
from labkit.training import Training

__all__ = ["main", "train_ours", "train_theirs"]


def main(words=()):
    """Run `labkit bench training [--pairs 5] [--epochs 5] [--limit ROWS]`; one pair a fold; writes training.json."""
    parser = argparse.ArgumentParser(prog="labkit bench training", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, choices=range(1, 6), help="folds, one pair of runs each")
    parser.add_argument("--epochs", type=int, default=Training.epochs)
    parser.add_argument("--limit", type=int, default=None, help="rows of the data set, for a quick look")
    chosen = parser.parse_args(list(words))
    training = Training(epochs=chosen.epochs)
    rows, truth, ours, theirs = [], [], [], []
    console = Console()
    for fold in range(chosen.pairs):
        task = load_task(fold=fold, limit=chosen.limit)
        runs = {"labkit": train_ours, "transformers.Trainer": train_theirs}
        # Whoever comes second finds a warmer machine, so the two take turns in coming first.
        names = list(runs) if fold % 2 == 0 else list(runs)[::-1]
        found = {name: runs[name](task, training) for name in names}
        for name, (seconds, predicted) in sorted(found.items()):
            rows.append({"name": name, "fold": fold, "seconds_per_step": seconds})
            console.print(f"fold {fold}  {name:22} {1000 * seconds:6.1f} ms a step")
            (ours if name == "labkit" else theirs).append(predicted)
        truth.append(task.truth("test"))
    result = _summary(rows, *map(np.concatenate, (truth, theirs, ours)))
    values = {
        "command": " ".join(["labkit bench training", *words]), **result, "rows": rows,
    }  # fmt: skip
    path = write_reference("training", values)
    pages.update()
    ratio = "{ratio:.2f} ({ratio_low:.2f} to {ratio_high:.2f})".format(**result)
    gain = "{f1_difference:+.1f} points ({f1_difference_low:+.1f} to {f1_difference_high:+.1f})".format(**result)
    console.print(f"seconds a step against transformers.Trainer: {ratio}; F1 {gain}; see {path.name}")


def _summary(rows, truth, theirs, ours):
    names = {row["name"] for row in rows}
    seconds = {name: [row["seconds_per_step"] for row in rows if row["name"] == name] for name in names}
    ratios = np.array(seconds["labkit"]) / np.array(seconds["transformers.Trainer"])
    better = compare(truth, theirs, ours)
    return {
        "ratio": float(np.median(ratios)), "ratio_low": float(ratios.min()), "ratio_high": float(ratios.max()),
        "f1_difference": 100 * better.value, "f1_difference_low": 100 * better.low,
        "f1_difference_high": 100 * better.high,
    }  # fmt: skip


def train_ours(task, training):
    """Fine-tune with our loop; returns seconds a step and the predicted test labels."""
    classifier = pretrained(task.labels)
    start = time.perf_counter()
    state = train_classifier(classifier, task, training=training)
    seconds = (time.perf_counter() - start) / state.steps
    return seconds, classifier.predict(task.texts("test"))


def train_theirs(task, training):
    """Fine-tune with transformers.Trainer under the same settings; returns seconds a step and predicted labels."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    classifier = pretrained(task.labels)
    folder = tempfile.mkdtemp()
    arguments = TrainingArguments(
        output_dir=folder, num_train_epochs=training.epochs, per_device_train_batch_size=training.batch_size,
        learning_rate=training.learning_rate, weight_decay=training.weight_decay, max_grad_norm=training.clip,
        lr_scheduler_type="cosine", warmup_steps=training.warmup, optim="adamw_torch_fused", use_cpu=True,
        save_strategy="no", logging_strategy="no", report_to=[], disable_tqdm=True, seed=0,
    )  # fmt: skip
    start = time.perf_counter()
    rows = task.splits["train"].map(
        lambda batch: classifier.tokenizer(batch["text"], truncation=True), batched=True, remove_columns=["text", "row"]
    )
    trainer = Trainer(
        model=classifier.model, args=arguments, train_dataset=rows,
        data_collator=DataCollatorWithPadding(classifier.tokenizer),
    )  # fmt: skip
    try:
        trainer.train()
        seconds = (time.perf_counter() - start) / trainer.state.global_step
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    classifier.model.eval()
    return seconds, classifier.predict(task.texts("test"))
