"""What the reader has tried, solved and looked up: a local file of theirs, and tables made from it."""

import hashlib

from labkit.exercises.definition import all_exercises
from labkit.exercises.judge import NOT_ATTEMPTED, RIGHT
from labkit.exercises.store import Store, now

__all__ = ["exercise_rows", "note_hint", "note_solution", "note_try", "progress_rows", "record_of"]

_STORE = Store("progress.json")
_NEW = {
    "state": NOT_ATTEMPTED,  # right once it has been right
    "last": NOT_ATTEMPTED,  # the outcome of the latest try
    "answer": None,  # a digest of the latest answer
    "tries": 0,
    "tries_until_right": None,
    "misconceptions": [],  # names of the known mistakes met, in order
    "hints": 0,  # highest tier read
    "solution_seen": None,  # when
    "first_try": None,
    "last_try": None,
}


def record_of(id):
    """The record of one exercise, a dict; that of a new one where there is none yet."""
    return _complete(_STORE.read().get(id, {}))


def note_try(id, outcome, misconception="", *, answer=None):
    """Record a try and its outcome; an empty body is no try, nor is the same answer run once more.

    `answer` is the source of the answer; only a digest of it is kept.
    """
    if outcome == NOT_ATTEMPTED:
        return
    digest = hashlib.sha256(answer.encode()).hexdigest()[:16] if answer else None
    with _STORE.update() as records:
        record = records[id] = _complete(records.get(id, {}))
        if digest and (digest, outcome) == (record["answer"], record["last"]):
            return
        record["answer"] = digest
        record["tries"] += 1
        record["last"] = outcome
        record["last_try"] = now()
        record["first_try"] = record["first_try"] or record["last_try"]
        if record["state"] != RIGHT:
            record["state"] = outcome
            if outcome == RIGHT:
                record["tries_until_right"] = record["tries"]
        if misconception and misconception not in record["misconceptions"]:
            record["misconceptions"].append(misconception)


def note_hint(id, tier):
    """Record that a hint was read, tier 1 and up."""
    with _STORE.update() as records:
        record = records[id] = _complete(records.get(id, {}))
        record["hints"] = max(record["hints"], tier)


def note_solution(id):
    """Record that the solution was shown."""
    with _STORE.update() as records:
        record = records[id] = _complete(records.get(id, {}))
        record["solution_seen"] = record["solution_seen"] or now()


def exercise_rows():
    """One dict for each exercise: what it is and how far the reader is; for `labkit exercises`.

    >>> row = exercise_rows()[0]
    >>> row["id"], row["lesson"], row["difficulty"]
    ('start.macro_f1', '00_start_here', '●●○○')
    """
    records = _STORE.read()
    return [
        {
            "id": one.id,
            "lesson": one.lesson,
            "title": one.title,
            "difficulty": one.stars,
            "minutes": one.minutes,
            "misconceptions": len(one.misconceptions),
            "alternatives": len(one.alternatives),
            "state": _complete(records.get(one.id, {}))["state"],
        }
        for one in all_exercises()
    ]


def progress_rows():
    """One dict for each lesson: how many exercises, tried, right, hints read and solutions seen.

    >>> progress_rows()[0]["lesson"]
    '00_start_here'
    """
    records = _STORE.read()
    rows = {}
    for one in all_exercises():
        record = _complete(records.get(one.id, {}))
        row = rows.setdefault(one.lesson, {"lesson": one.lesson, **dict.fromkeys(_COUNTS, 0)})
        row["exercises"] += 1
        row["tried"] += record["tries"] > 0
        row["right"] += record["state"] == RIGHT
        row["tries"] += record["tries"]
        row["hints"] += record["hints"]
        row["solutions seen"] += record["solution_seen"] is not None
    return list(rows.values())


_COUNTS = ("exercises", "tried", "right", "tries", "hints", "solutions seen")


def _complete(record):
    """A record with all fields, whatever an older version left out."""
    return {**_NEW, "misconceptions": [], **record}
