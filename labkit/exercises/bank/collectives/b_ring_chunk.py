"""The ring's timetable in one line."""

from labkit.exercises import Case, Exercise, Misconception, register


def ring_chunk(rank, step, workers):
    """The chunk that a worker sends to its right neighbour in a step, counted from 0 over both halves."""
    return (rank - 1 - step) % workers


def _walks_back(rank, step, workers):
    chunk = rank
    for _ in range(step + 1):
        chunk = chunk - 1 if chunk > 0 else workers - 1
    return chunk


def _follows_the_chunk(rank, step, workers):
    """Chunk c starts at worker c + 1 and moves one to the right each step: which one is here now?"""
    return next(chunk for chunk in range(workers) if (chunk + 1 + step) % workers == rank)


def _by_halves(rank, step, workers):
    half = workers - 1
    return (rank - 1 - step) % workers if step < half else (rank - (step - half)) % workers


def _own_chunk_first(rank, step, workers):
    return (rank - step) % workers


def _always_its_own(rank, step, workers):
    return rank


def _wrong_way_round(rank, step, workers):
    return (rank + 1 + step) % workers


def _no_way_round(rank, step, workers):
    return rank - 1 - step


def _starts_over(rank, step, workers):
    return (rank - 1 - step % (workers - 1)) % workers


def _one_too_low(rank, step, workers):
    return (rank - 2 - step) % workers


def _up_from_the_left(rank, step, workers):
    return (rank - 1 + step) % workers


def _up_from_its_own(rank, step, workers):
    return (rank + step) % workers


def _late_in_the_second_half(rank, step, workers):
    return (rank - 1 - step) % workers if step < workers - 1 else (rank - step) % workers


def _by_step_alone(rank, step, workers):
    return step % workers


def _random(rng):
    cases = []
    for workers in (2, 3, 4, 5, 8, 16):
        for _ in range(2):
            cases.append(
                Case(args=(int(rng.integers(workers)), int(rng.integers(2 * workers - 2)), workers))
            )  # fmt: skip
    return (*cases, Case(args=(6, 11, 7)), Case(args=(0, 8, 9)), Case(args=(2, 6, 7)))


register(
    Exercise(
        id="collectives.ring_chunk",
        lesson="07_collectives",
        title="The ring's timetable",
        difficulty=3,
        minutes=10,
        question="Which chunk does worker `rank` of `workers` send to its right neighbour in `step`, from 0 to "
        "2(K − 1) − 1, if worker r is to own chunk r when the first half is over?",
        reference=ring_chunk,
        public=(
            Case(args=(1, 0, 4), note="the first step: worker 1 sends chunk 0"),
            Case(args=(0, 0, 4), note="worker 0's left neighbour is worker 3"),
            Case(args=(2, 1, 4), note="what came from worker 1 in the first step"),
            Case(args=(2, 3, 4), note="the second half begins: worker 2 sends what it owns"),
            Case(args=(3, 5, 4), note="the last step"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="begins with its own chunk",
                answer=_own_chunk_first,
                hint="You let worker r begin with chunk r. That works as a ring, but after the first half chunk r is "
                "complete at the left neighbour of worker r. Where must a chunk start to come home last?",
            ),
            Misconception(
                name="always its own chunk",
                answer=_always_its_own,
                hint="You send the same chunk in every step. What came in has been added to another chunk: that one "
                "has to go on.",
            ),
            Misconception(
                name="the other way round",
                answer=_wrong_way_round,
                hint="Your chunks run against the messages. A worker passes on, to the right, what has just come from "
                "the left: is the number of that chunk larger or smaller than its own?",
            ),
            Misconception(
                name="below zero",
                answer=_no_way_round,
                hint="Your chunk has a number below zero. It is a ring: what comes before chunk 0?",
            ),
            Misconception(
                name="starts over in the second half",
                answer=_starts_over,
                hint="In the second half you begin again with the chunk of the first step, which is not complete at "
                "this worker. Which chunk has just become complete here?",
            ),
            Misconception(
                name="one too low",
                answer=_one_too_low,
                hint="Your numbers go down by one in each step, as they should, but all of them are one too low. Which "
                "chunk does worker 1 send in step 0, the round 1 of the pictures?",
            ),
            Misconception(
                name="counts up from the left neighbour",
                answer=_up_from_the_left,
                hint="Your first step is right. After it your numbers go up, but the chunk that has to go on is the "
                "one that has just come in. Which one does the left neighbour send in step 0?",
            ),
            Misconception(
                name="counts up from its own chunk",
                answer=_up_from_its_own,
                hint="By your table worker r begins with chunk r and takes the next higher one each time. Look at what "
                "the left neighbour has just sent: that is what has come in, and it has to go on.",
            ),
            Misconception(
                name="one too high in the second half",
                answer=_late_in_the_second_half,
                hint="In the second half your numbers are one too high: you begin with a chunk that is not complete at "
                "this worker. Which one has just become complete here?",
            ),
            Misconception(
                name="everyone sends the same chunk",
                answer=_by_step_alone,
                hint="In one step all your workers send the same chunk. They should be busy with different ones.",
            ),
        ),
        alternatives=(_walks_back, _follows_the_chunk, _by_halves),
        hints=(
            "Follow chunk 0 of four workers on paper. In step 2 it must arrive at worker 0. Where does it start?",
            "In each step a worker sends the chunk that it received in the step before: its number is one less.",
            "Start from the number of the left neighbour, go down by one each step, and go around at zero. The second "
            "half goes on in the same way.",
        ),
    )
)
