"""Training a compressed model to imitate its teacher, on labelled rows and on text without labels."""

from dataclasses import dataclass

import numpy as np
from torch.nn import functional

from labkit.errors import SettingError
from labkit.steps.base import Step, check_share
from labkit.training import Training

__all__ = ["Distill", "distillation_loss"]


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


@dataclass(frozen=True)
class Distill(Step):
    """Train under the teacher's eye: the one step of a policy that trains.

    epochs          passes over the rows
    learning_rate   peak of the one-cycle schedule
    temperature     softens the teacher's scores; 1 leaves them as they are
    mix             weight of the teacher; 1 − mix is left for the labels; 0 is plain fine-tuning
    transfer        sentences without labels, from the bodies of the training articles, that are added
    words           how many words of each such sentence are used, from its start; 0 uses all. Text as short as
                    the task's own teaches more a second than whole sentences do
    repeat          how often a training headline comes for each time that a sentence does
    batch_size      rows a step
    """

    epochs: int = 4
    learning_rate: float = 2e-4
    temperature: float = 2.0
    mix: float = 0.9
    transfer: int = 0
    words: int = 10
    repeat: int = 1
    batch_size: int = 32

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
        self.training  # noqa: B018 - what Training refuses is refused here, before anything is computed

    @property
    def training(self):
        """The settings of the loop."""
        return Training(epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate)

    def rows(self, task, *, seed):
        """Choose the texts to train on, and their labels, −1 where there is none."""
        texts, labels = task.texts("train") * self.repeat, np.tile(task.truth("train"), self.repeat)
        extra = task.texts("transfer")
        chosen = np.random.default_rng(seed).permutation(len(extra))[: self.transfer]
        sentences = [" ".join(extra[i].split()[: self.words or None]) for i in chosen]
        return texts + sentences, np.concatenate([labels, np.full(len(chosen), -1)])

    def loss(self, logits, batch):
        """The loss of a batch; see `distillation_loss`."""
        return distillation_loss(logits, batch, temperature=self.temperature, mix=self.mix)
