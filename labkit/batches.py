"""Turning texts into batches: tokens once, rows of like length together, padding only as far as needed."""

import math

import numpy as np
import torch

from labkit.errors import SettingError

__all__ = ["MAX_LENGTH", "Batches", "encode", "pad"]

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
