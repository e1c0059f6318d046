"""More rows to train on: pieces of the training articles' bodies, each with the topic of its article."""

import numpy as np
from datasets import Dataset

from labkit.errors import SettingError
from labkit.steps.distill import pieces as cut

__all__ = ["with_bodies"]


def with_bodies(task, *, pieces=12_000, words=7, repeat=4, seed=0):
    """Give the task with more rows in `train`: its headlines `repeat` times, and pieces of the articles below them.

    A piece has about `words` words, as a headline has, and the label of its article. So many of them are drawn at
    random, or all there are. The other parts stay as they are; a piece that is also one of their texts is left out.

    >>> from labkit.task import load_task
    >>> task = load_task(fold=0)
    >>> more = with_bodies(task, pieces=100, repeat=2)
    >>> len(task.texts("train")), len(more.texts("train"))
    (1466, 3032)

    Raises SettingError for numbers that make no sense, and for a task whose texts have no bodies.
    """
    if pieces < 1 or words < 2 or repeat < 1:
        raise SettingError(
            "at least one piece of two words, and the headlines once",
            received=f"pieces={pieces}, words={words}, repeat={repeat}", do="Write pieces=12_000, words=7, repeat=4.",
        )  # fmt: skip
    topic = dict(zip(task.rows("train").tolist(), task.truth("train").tolist(), strict=True))
    held_out = {*task.texts("validation"), *task.texts("test")}
    found = [
        (text, int(row))
        for sentence, row in zip(task.texts("transfer"), task.rows("transfer"), strict=True)
        for text in cut([sentence], words)
        if text not in held_out
    ]
    if not found:
        raise SettingError(
            "a task whose texts have bodies", received=f"{task.name}, which has none",
            do='Use "bbc-headlines", or train on the rows as they are.',
        )  # fmt: skip
    chosen = [found[i] for i in np.random.default_rng(seed).permutation(len(found))[:pieces]]
    texts = task.texts("train") * repeat + [text for text, _ in chosen]
    rows = task.rows("train").tolist() * repeat + [row for _, row in chosen]
    train = Dataset.from_dict({"text": texts, "label": [topic[row] for row in rows], "row": rows})
    return task.with_part("train", train)
