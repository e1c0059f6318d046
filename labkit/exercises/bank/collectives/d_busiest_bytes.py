"""Bytes that the busiest worker sends: a server's load grows, a ring's does not."""

from labkit.exercises import Case, Exercise, Misconception, register


def busiest_bytes(size, workers, way):
    """Bytes that the busiest worker sends in an all-reduce of `size` bytes, through a "server" or around a "ring"."""
    if way == "server":
        return (workers - 1) * size  # the sum goes back to each of the others
    chunk = size / workers
    return 2 * (workers - 1) * chunk  # one chunk in each step of both halves


def _step_by_step(size, workers, way):
    sent = 0.0
    if way == "ring":
        for _half in ("reduce-scatter", "all-gather"):
            for _step in range(workers - 1):
                sent += size / workers
    else:
        for _other in range(1, workers):
            sent += size
    return sent


def _what_is_not_sent(size, workers, way):
    return {"ring": 2 * size - 2 * size / workers, "server": workers * size - size}[way]


def _whole_vectors_around(size, workers, way):
    return 2 * (workers - 1) * size if way == "ring" else busiest_bytes(size, workers, way)


def _one_half(size, workers, way):
    return (workers - 1) * size / workers if way == "ring" else busiest_bytes(size, workers, way)


def _twice_in_any_case(size, workers, way):
    return 2 * size if way == "ring" else busiest_bytes(size, workers, way)


def _steps_as_workers(size, workers, way):
    return 2 * size if way == "server" else busiest_bytes(size, workers, way)


def _an_ordinary_worker(size, workers, way):
    return min(size, (workers - 1) * size) if way == "server" else busiest_bytes(size, workers, way)


def _received_too(size, workers, way):
    return 2 * busiest_bytes(size, workers, way)


def _all_together(size, workers, way):
    return 2 * (workers - 1) * size


def _both_rounds_of_the_server(size, workers, way):
    return 2 * (workers - 1) * size if way == "server" else busiest_bytes(size, workers, way)


def _sends_to_itself(size, workers, way):
    return workers * size if way == "server" else busiest_bytes(size, workers, way)


def _random(rng):
    counts = [2, 3, 4, 7, 8, 16, 64, 256]
    return tuple(
        Case(args=(int(workers * rng.integers(10, 10_000)), workers, way))
        for workers in counts
        for way in ("server", "ring")
    )


register(
    Exercise(
        id="collectives.busiest_bytes",
        lesson="07_collectives",
        title="The busiest worker's bytes",
        difficulty=2,
        minutes=8,
        question="How many bytes does the busiest worker send in an all-reduce of `size` bytes over `workers` workers, "
        "if the way is 'server' (worker 0 adds up and sends back) or 'ring'?",
        reference=busiest_bytes,
        public=(
            Case(args=(4000, 4, "server"), note="four workers, and worker 0 is the server"),
            Case(args=(4000, 4, "ring"), note="four chunks of 1,000 bytes"),
            Case(args=(4000, 2, "ring"), note="two workers"),
            Case(args=(4000, 1, "server"), note="nobody to send to"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="whole vectors around the ring",
                answer=_whole_vectors_around,
                hint="The number of steps is right, but in each step you send the whole vector around the ring. What "
                "travels is one chunk.",
            ),
            Misconception(
                name="half of the ring",
                answer=_one_half,
                hint="You count one half of the ring. After the reduce-scatter everyone has one chunk of the sum; how "
                "do the others get it?",
            ),
            Misconception(
                name="twice the vector, for any ring",
                answer=_twice_in_any_case,
                hint="Twice the vector is what a very large ring comes close to. In each half there is one chunk that "
                "a worker need not send.",
            ),
            Misconception(
                name="twice the vector, for any server",
                answer=_steps_as_workers,
                hint="You count the server as if it sent twice whatever the number of workers. It sends the sum to "
                "each of the others, one by one.",
            ),
            Misconception(
                name="an ordinary worker of the server",
                answer=_an_ordinary_worker,
                hint="That is what the others send to the server. The busiest one is the server itself: to how many "
                "does it send the sum?",
            ),
            Misconception(
                name="both rounds of the server",
                answer=_both_rounds_of_the_server,
                hint="For the server you count both rounds. In the first one it only receives, and that is not asked"
                " for.",
            ),
            Misconception(
                name="the server sends to itself",
                answer=_sends_to_itself,
                hint="You let the server send one vector to each of the workers. It is one of them: who has the sum "
                "already?",
            ),
            Misconception(
                name="counts what it receives",
                answer=_received_too,
                hint="You count what comes in as well as what goes out. A link carries both at the same time; the "
                "question is about what is sent.",
            ),
            Misconception(
                name="all workers together",
                answer=_all_together,
                hint="That is what all workers send together, which is the same for both ways. How is it shared out?",
            ),
        ),
        alternatives=(_step_by_step, _what_is_not_sent),
        hints=(
            "How many messages does the busiest worker send, and how large is each?",
            "A ring has two halves of K − 1 steps, and a message is one chunk. A server has K − 1 others.",
            "Multiply messages by bytes: for a ring, a chunk is the vector divided by the number of workers.",
        ),
    )
)
