"""The first half of the ring, on numbers."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def after_steps(vectors, steps):
    """What K workers hold after so many steps of a reduce-scatter; one row a worker, one number a chunk."""
    held = np.array(vectors, dtype=float)
    workers = len(held)
    for step in range(steps):
        before = held.copy()  # all messages of a step leave at the same time
        for sender in range(workers):
            chunk = (sender - 1 - step) % workers
            held[(sender + 1) % workers, chunk] += before[sender, chunk]
    return held


def _by_rolling(vectors, steps):
    held = np.array(vectors, dtype=float)
    ranks = np.arange(len(held))
    for step in range(steps):
        sent = np.zeros_like(held)
        chunks = (ranks - 1 - step) % len(held)
        sent[ranks, chunks] = held[ranks, chunks]
        held = held + np.roll(sent, 1, axis=0)
    return held


def _by_who_has_been_there(vectors, steps):
    """Chunk c has been at workers c + 1, c + 2, ...: each stop of its way holds the sum of all stops before."""
    vectors = np.asarray(vectors, dtype=float)
    workers = len(vectors)
    held = vectors.copy()
    for chunk in range(workers):
        way = [(chunk + 1 + stop) % workers for stop in range(workers)]
        for stop in range(1, steps + 1):
            held[way[stop], chunk] = vectors[way[: stop + 1], chunk].sum()
    return held


def _ring(vectors, steps, *, first=-1, towards=1, adds=True, turns=-1, own=False, keeps=True):
    held = np.array(vectors, dtype=float)
    workers, start = len(held), held.copy()
    for step in range(steps):
        before = start if own else held.copy()
        for sender in range(workers):
            chunk, receiver = (sender + first + turns * step) % workers, (sender + towards) % workers
            held[receiver, chunk] = before[sender, chunk] + (held[receiver, chunk] if adds else 0)
            if not keeps:
                held[sender, chunk] -= before[sender, chunk]
    return held


def _replaces(vectors, steps):
    return _ring(vectors, steps, adds=False)


def _to_the_left(vectors, steps):
    return _ring(vectors, steps, towards=-1)


def _same_chunk(vectors, steps):
    return _ring(vectors, steps, turns=0)


def _own_chunk_first(vectors, steps):
    return _ring(vectors, steps, first=0)


def _everything(vectors, steps):
    held = np.array(vectors, dtype=float)
    for _ in range(steps):
        held = held + np.roll(held, 1, axis=0)
    return held


def _own_numbers_only(vectors, steps):
    return _ring(vectors, steps, own=True)


def _gives_away(vectors, steps):
    return _ring(vectors, steps, keeps=False)


def _chunks_run_up(vectors, steps):
    return _ring(vectors, steps, first=1, turns=1)


def _the_end_of_it_all(vectors, steps):
    vectors = np.asarray(vectors, dtype=float)
    return np.tile(vectors.sum(axis=0), (len(vectors), 1))


def _random(rng):
    return tuple(
        Case(args=(rng.integers(1, 100, size=(workers, workers)).astype(float), steps))
        for workers, steps in ((4, 3), (4, 2), (3, 2), (5, 4), (5, 3), (2, 1), (6, 0))
    )


register(
    Exercise(
        id="collectives.after_steps",
        lesson="07_collectives",
        title="Half a ring, on numbers",
        difficulty=3,
        minutes=15,
        question="`vectors` has one row a worker and one number a chunk. What does everyone hold after `steps` steps "
        "of a reduce-scatter, in which worker r ends with the sum of chunk r?",
        reference=after_steps,
        public=(
            Case(args=(np.array([[1.0, 2.0], [10.0, 20.0]]), 1), note="two workers, one step: done"),
            Case(
                args=(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [100.0, 200.0, 300.0]]), 1),
                note="three workers, the first of two steps",
            ),
            Case(
                args=(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [100.0, 200.0, 300.0]]), 2),
                note="and the second: the diagonal is complete",
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="replaces instead of adding",
                answer=_replaces,
                hint="What comes in takes the place of what was there, so the receiver's own numbers are lost. That is "
                "right in the second half of an all-reduce, not in the first.",
            ),
            Misconception(
                name="sends to the left",
                answer=_to_the_left,
                hint="You send to the left neighbour, and the chunks are numbered for a ring that runs to the right.",
            ),
            Misconception(
                name="the same chunk in every step",
                answer=_same_chunk,
                hint="Your workers send the same chunk again and again. In the second step the chunk that has just "
                "arrived, with what was added to it, must go on.",
            ),
            Misconception(
                name="begins with its own chunk",
                answer=_own_chunk_first,
                hint="You let worker r begin with chunk r. Then the complete chunks end one place from home: the "
                "diagonal should be complete.",
            ),
            Misconception(
                name="sends everything",
                answer=_everything,
                hint="You send whole vectors, and the same numbers are added more than once. In a step each worker "
                "sends one chunk.",
            ),
            Misconception(
                name="sends its own number again",
                answer=_own_numbers_only,
                hint="What you send is the number that a worker had at the beginning. By the second step something has "
                "come in and been added to it: what does it hold now?",
            ),
            Misconception(
                name="the sender gives its number away",
                answer=_gives_away,
                hint="You take away from the sender what it sends. A message is a copy: the sender still holds its "
                "own.",
            ),
            Misconception(
                name="the chunks run the other way",
                answer=_chunks_run_up,
                hint="Your workers send to the right neighbour, but the numbers of their chunks go up from step to "
                "step. What has just come in has to go on: compare with the timetable of the exercise before.",
            ),
            Misconception(
                name="the end of an all-reduce",
                answer=_the_end_of_it_all,
                hint="You give everyone all sums, whatever the number of steps. That is the end of the second half. "
                "After the first, each worker has one chunk complete, and before that there are partial sums.",
            ),
        ),
        alternatives=(_by_rolling, _by_who_has_been_there),
        hints=(
            "Do the case of three workers on paper, with the timetable of the exercise before.",
            "In each step each worker sends one number, and its right neighbour adds it to its own of that chunk.",
            "Copy the table before each step: what leaves is what was there before anything came in.",
        ),
    )
)
