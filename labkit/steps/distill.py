"""Training a compressed model to imitate its teachers, on labelled rows and on text without labels."""

from dataclasses import dataclass

import numpy as np
from torch.nn import functional

from labkit.errors import SettingError
from labkit.fine_tuning import fine_tune
from labkit.outputs import logits_once, states_once
from labkit.steps.base import Step, check_share
from labkit.training import Training, logits_of

__all__ = ["Distill", "distillation_loss", "pieces", "state_loss"]

CROPS = ("start", "pieces")


def distillation_loss(logits, batch, *, temperature, mix):
    """mix · T² · KL(teacher ‖ student at temperature T) + (1 − mix) · cross-entropy with the labels.

    `logits` and `batch["teacher_logits"]` have shape (rows, classes). Rows with label −1 have no label and count
    in the first term only. T² keeps the size of the gradient the same at every temperature. Where the batch is a part
    of a larger one, `count` and `labelled` say over how many rows each mean is (see `labkit.batches.split`).

    >>> import torch
    >>> same = torch.tensor([[2.0, 0.0]])
    >>> batch = {"teacher_logits": same, "labels": torch.tensor([-1])}
    >>> distillation_loss(same, batch, temperature=2.0, mix=1.0).item()
    0.0

    Source: Hinton, Vinyals, Dean, arXiv 1503.02531, section 2.
    """
    student = functional.log_softmax(logits / temperature, dim=1)
    teacher = functional.log_softmax(batch["teacher_logits"] / temperature, dim=1)
    imitation = functional.kl_div(student, teacher, log_target=True, reduction="sum") * temperature**2
    imitation = imitation / batch.get("count", len(logits))
    labelled = batch["labels"] >= 0
    if mix == 1 or not labelled.any():
        return mix * imitation
    truth = functional.cross_entropy(logits[labelled], batch["labels"][labelled], reduction="sum")
    return mix * imitation + (1 - mix) * truth / batch.get("labelled", labelled.sum())


def state_loss(states, batch):
    """How far the student's states are from the teacher's: mean of |s − t|² / |t|² over the rows.

    `states` and `batch["teacher_states"]` have shape (rows, hidden size): what the last layer makes of [CLS].

    >>> import torch
    >>> state_loss(torch.tensor([[3.0, 0.0]]), {"teacher_states": torch.tensor([[3.0, 4.0]])}).item()   # 16 / 25
    0.6399999856948853

    Source for matching inner states: Jiao et al., TinyBERT, arXiv 1909.10351, section 3.
    """
    target = batch["teacher_states"]
    far = (states - target).square().sum(dim=1) / target.square().sum(dim=1)
    return far.sum() / batch.get("count", len(states))


def pieces(sentences, words):
    """Cut each sentence into pieces of so many words; the last one may be shorter, but no single word is left alone.

    >>> pieces(["shares fall as oil price rises again"], 3)
    ['shares fall as', 'oil price rises again']
    """
    cut = []
    for sentence in sentences:
        row = sentence.split()
        starts = list(range(0, max(len(row) - 1, 1), words))
        cut += [" ".join(row[start:end]) for start, end in zip(starts, [*starts[1:], None], strict=True)]
    return cut


@dataclass(frozen=True)
class Distill(Step):
    """Train under the teacher's eye: the one step of a policy that trains.

    epochs          passes over the rows
    learning_rate   peak of the one-cycle schedule
    temperature     softens the teacher's scores; 1 leaves them as they are
    mix             weight of the teacher; 1 − mix is left for the labels; 0 is plain fine-tuning
    transfer        texts without labels, sentences of the bodies of the training articles, that are added
    words           how many words such a text has; 0 takes sentences whole. Text as short as the task's own teaches
                    more a second than whole sentences do
    crop            "start": the first `words` words of a sentence · "pieces": all of it, cut into pieces of `words`
    repeat          how often a training headline comes for each time that a sentence does
    batch_size      rows a step
    hidden          weight of the distance between the last layers' [CLS] states, beside the loss of the scores
    teachers        how many teachers there are: the one given, and others fine-tuned like it from the seeds 1, 2, …;
                    their scores are averaged
    """

    epochs: int = 4
    learning_rate: float = 2e-4
    temperature: float = 2.0
    mix: float = 0.9
    transfer: int = 0
    words: int = 10
    repeat: int = 1
    batch_size: int = 32
    crop: str = "start"
    hidden: float = 0.0
    teachers: int = 1

    trains = True

    def __post_init__(self):
        check_share("mix", self.mix)
        if not self.temperature > 0:
            raise SettingError("a temperature above 0", received=str(self.temperature), do="2 is usual.")
        if self.transfer < 0 or self.words < 0 or self.repeat < 1:
            raise SettingError(
                "transfer and words of at least 0, repeat of at least 1",
                received=f"transfer={self.transfer}, words={self.words}, repeat={self.repeat}",
                do="transfer=0 trains on the labelled rows alone.",
            )
        if self.crop not in CROPS or (self.crop == "pieces" and self.words < 2):
            raise SettingError(
                f"crop, one of {CROPS}, and at least two words a piece",
                received=f"crop={self.crop!r}, words={self.words}", do='Write crop="pieces", words=7.',
            )  # fmt: skip
        if not self.hidden >= 0 or type(self.teachers) is not int or self.teachers < 1:
            raise SettingError(
                "hidden of at least 0, and at least one teacher",
                received=f"hidden={self.hidden}, teachers={self.teachers}", do="Write hidden=0.0, teachers=1.",
            )  # fmt: skip
        self.training  # noqa: B018 - what Training refuses is refused here, before anything is computed

    @property
    def training(self):
        """The settings of the loop."""
        return Training(epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate)

    def rows(self, task, *, seed):
        """Choose the texts to train on, and their labels, −1 where there is none."""
        texts, labels = task.texts("train") * self.repeat, np.tile(task.truth("train"), self.repeat)
        extra = task.texts("transfer")
        if self.crop == "pieces":
            extra = pieces(extra, self.words)
        chosen = np.random.default_rng(seed).permutation(len(extra))[: self.transfer]
        added = [extra[i] for i in chosen]
        if self.crop == "start":
            added = [" ".join(text.split()[: self.words or None]) for text in added]
        return texts + added, np.concatenate([labels, np.full(len(chosen), -1)])

    def targets(self, teacher, task, texts, *, cache):
        """Compute what the student is to imitate, by the name of its column: one entry for each of the texts."""
        others = [fine_tune(task, seed=seed, cache=cache) for seed in range(1, self.teachers)]
        scores = [logits_once(one, texts, batch_size=64, cache=cache) for one in (teacher, *others)]
        found = {"teacher_logits": np.mean(scores, axis=0)}
        if self.hidden:
            found["teacher_states"] = states_once(teacher, texts, batch_size=64, cache=cache)
        return found

    def forward(self, model, batch):
        """Run the student: its logits, and with `hidden` also its states, shape (rows, hidden size)."""
        if not self.hidden:
            return logits_of(model, batch)
        out = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True
        )  # fmt: skip
        return out.logits, out.hidden_states[-1][:, 0]

    def loss(self, outputs, batch):
        """The loss of a batch, from what `forward` gave; see `distillation_loss` and `state_loss`."""
        logits, states = outputs if self.hidden else (outputs, None)
        scores = distillation_loss(logits, batch, temperature=self.temperature, mix=self.mix)
        return scores + self.hidden * state_loss(states, batch) if self.hidden else scores
