"""Turning texts into batches: tokens once, rows of like length together, padding only as far as needed."""

import math

import numpy as np
import torch

from labkit.errors import SettingError

__all__ = ["MAX_LENGTH", "Batches", "Shard", "encode", "pad", "split"]

MAX_LENGTH = 128  # tokens; longer texts are cut
LONGEST = 100_000  # characters of a text that are looked at: far more than so many tokens, and soon read
POOL = 32  # batches that are sorted by length together


def encode(tokenizer, texts, *, max_length=MAX_LENGTH):
    """Turn texts into lists of token numbers, each with its [CLS] and [SEP], cut at `max_length`.

    Raises SettingError for one text that is not in a list, or for a list with something else than texts in it.
    """
    if isinstance(texts, str):
        raise SettingError("a list of texts", received=f"one text, {texts[:40]!r}", do="Put it in a list: [text].")
    texts = list(texts)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise SettingError(
                "a text in every place of the list", received=f"{text!r} in place {i}", do="Take it out or fill it."
            )
    if not texts:
        return []
    texts = [text[:LONGEST] for text in texts]
    return tokenizer(texts, truncation=True, max_length=max_length, return_attention_mask=False)["input_ids"]


def pad(rows, *, padding=0):
    """Put token lists of different length into one batch: `input_ids` and `attention_mask`, shape (rows, longest).

    >>> batch = pad([[101, 7, 102], [101, 102]])
    >>> batch["input_ids"].tolist(), batch["attention_mask"].tolist()
    ([[101, 7, 102], [101, 102, 0]], [[1, 1, 1], [1, 1, 0]])
    """
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), padding, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


class Batches:
    """The training rows in batches, in another order each epoch, the same order for the same seed.

    Rows of similar length share a batch, since a batch is as long as its longest row: rows are shuffled, sorted by
    length within pools of 32 batches, and the batches shuffled again. `columns` are arrays with one entry a row,
    such as `labels`, shape (rows,), or `teacher_logits`, shape (rows, classes).

    >>> rows = Batches([[1, 2], [1, 2, 3, 4], [1], [1, 2, 3]], batch_size=2, labels=np.array([0, 1, 0, 1]))
    >>> len(rows), sum(len(batch["labels"]) for batch in rows.epoch(0))
    (2, 4)
    """

    def __init__(self, ids, *, batch_size, seed=0, padding=0, **columns):
        self.ids, self.batch_size, self.seed, self.padding = ids, batch_size, seed, padding
        self.columns = {name: torch.as_tensor(values) for name, values in columns.items()}

    def __len__(self):
        return math.ceil(len(self.ids) / self.batch_size)

    def order(self, epoch):
        """List the row numbers of each batch of an epoch."""
        random = np.random.default_rng([self.seed, epoch])
        rows = random.permutation(len(self.ids))
        pool = POOL * self.batch_size
        batches = []
        for start in range(0, len(rows), pool):
            part = sorted(rows[start : start + pool], key=lambda row: len(self.ids[row]))
            batches += [part[i : i + self.batch_size] for i in range(0, len(part), self.batch_size)]
        return [batches[i] for i in random.permutation(len(batches))]

    def epoch(self, number):
        """Yield the batches of an epoch as dictionaries of tensors."""
        for rows in self.order(number):
            batch = pad([self.ids[row] for row in rows], padding=self.padding)
            yield batch | {name: values[rows] for name, values in self.columns.items()}


def split(batch, rows):
    """Cut a batch into parts of at most `rows` rows, whose losses add up to the loss of the whole; 0 leaves it whole.

    Each part carries `count`, the rows that the mean of the loss is over, and `labelled`, those of them with a label.

    >>> batch = {"input_ids": torch.ones(3, 2), "labels": torch.tensor([0, 1, -1])}
    >>> [(len(part["labels"]), part["count"], part["labelled"]) for part in split(batch, 2)]
    [(2, 3, 2), (1, 3, 2)]
    """
    if not rows or rows >= len(batch["input_ids"]):
        yield batch
        return
    tensors = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
    whole = {"count": len(batch["input_ids"]), "labelled": _labelled(batch)} | batch
    for start in range(0, len(batch["input_ids"]), rows):
        yield whole | {name: value[start : start + rows] for name, value in tensors.items()}


def _labelled(batch):
    return int((batch["labels"] >= 0).sum()) if "labels" in batch else 0


class Shard:
    """One worker's rows of every batch: all workers together see each row once, in the order of one process.

    Row i of a batch goes to worker i modulo `world_size`, so that the workers' rows are of like length. Workers
    average their gradients, so a row counts 1 / (rows of the batch / world_size): the average is then the gradient
    of the whole batch, also where the rows do not divide. A worker without a row in a batch computes one that counts
    nothing, because the others wait for it.

    >>> rows = Batches([[1], [1, 2], [1]], batch_size=3, labels=np.array([0, 1, 0]))
    >>> [len(batch["labels"]) for rank in (0, 1) for batch in Shard(rows, rank=rank, world_size=2).epoch(0)]
    [2, 1]

    Raises SettingError for a rank that is not one of the workers.
    """

    def __init__(self, batches, *, rank, world_size):
        if not 0 <= rank < world_size:
            raise SettingError(f"a rank from 0 to {world_size - 1}", received=str(rank), do="Ranks are counted from 0.")
        self.batches, self.rank, self.world_size = batches, rank, world_size

    def __len__(self):
        return len(self.batches)

    def epoch(self, number):
        """Yield this worker's part of the batches of an epoch."""
        for batch in self.batches.epoch(number):
            rows, labelled = len(batch["input_ids"]), _labelled(batch)
            part = {name: value[self.rank :: self.world_size] for name, value in batch.items()}
            part |= {"count": rows / self.world_size, "labelled": labelled / self.world_size}
            if self.rank >= rows:
                part = {name: value[:1] for name, value in batch.items()} | {"count": math.inf, "labelled": math.inf}
            yield part
