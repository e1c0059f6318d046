"""When does a communication hook pay? Below the bandwidth at which it saves more than it costs."""

from labkit.exercises import Case, Exercise, Misconception, register


def break_even(plain_bytes, hook_bytes, hook_seconds, workers):
    """The bandwidth, in bytes a second, below which the hook makes a step faster."""
    saved = 2 * (workers - 1) / workers * (plain_bytes - hook_bytes)  # bytes that a worker sends less
    return saved / hook_seconds


def _by_two_times(plain_bytes, hook_bytes, hook_seconds, workers):
    # Both steps take the same: share · plain / bandwidth = share · hook / bandwidth + seconds.
    share = 2 * (1 - 1 / workers)
    return (share * plain_bytes - share * hook_bytes) / hook_seconds


def _by_search(plain_bytes, hook_bytes, hook_seconds, workers):
    def gain(bandwidth):
        sent = 2 * (workers - 1) / workers / bandwidth
        return sent * plain_bytes - (sent * hook_bytes + hook_seconds)

    low, high = 1e-6, 1e18
    for _ in range(300):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if gain(middle) > 0 else (low, middle)
    return low


def _bytes_left(plain_bytes, hook_bytes, hook_seconds, workers):
    return 2 * (workers - 1) / workers * hook_bytes / hook_seconds


def _all_bytes(plain_bytes, hook_bytes, hook_seconds, workers):
    return 2 * (workers - 1) / workers * plain_bytes / hook_seconds


def _forgets_the_ring(plain_bytes, hook_bytes, hook_seconds, workers):
    return (plain_bytes - hook_bytes) / hook_seconds


def _in_bits(plain_bytes, hook_bytes, hook_seconds, workers):
    return 8 * break_even(plain_bytes, hook_bytes, hook_seconds, workers)


def _upside_down(plain_bytes, hook_bytes, hook_seconds, workers):
    return hook_seconds / (2 * (workers - 1) / workers * (plain_bytes - hook_bytes))


def _half_of_the_ring(plain_bytes, hook_bytes, hook_seconds, workers):
    return break_even(plain_bytes, hook_bytes, hook_seconds, workers) / 2


def _whole_vectors(plain_bytes, hook_bytes, hook_seconds, workers):
    return 2 * (workers - 1) * (plain_bytes - hook_bytes) / hook_seconds


def _random(rng):
    return tuple(
        Case(args=(float(n), float(n * rng.uniform(0.05, 0.4)), float(rng.uniform(0.01, 0.2)), workers))
        for n, workers in zip(rng.uniform(1e6, 1e8, size=4), (3, 4, 8, 16), strict=True)
    )


register(
    Exercise(
        id="ddp.break_even",
        lesson="08_bert_ddp",
        title="When a hook pays",
        difficulty=2,
        minutes=8,
        question="Compute the bandwidth of each worker's link, in bytes a second, below which the hook makes a step "
        "faster.",
        reference=break_even,
        public=(
            Case(args=(90.0, 45.0, 0.5, 2), note="half the bytes for half a second, two workers"),
            Case(args=(90.0, 1.0, 0.5, 4), note="nearly all bytes saved, four workers"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="counts the bytes that are left",
                answer=_bytes_left,
                hint="You used the bytes that the hook still sends. What the hook gains is the time of those that it "
                "does not send.",
            ),
            Misconception(
                name="takes all bytes for saved",
                answer=_all_bytes,
                hint="You let the hook save every byte. It still sends some.",
            ),
            Misconception(
                name="forgets the ring",
                answer=_forgets_the_ring,
                hint="Right for two workers. How many times its gradient does each of four workers send in a ring?",
            ),
            Misconception(
                name="half of the ring",
                answer=_half_of_the_ring,
                hint="Your number is half of the right one: an all-reduce goes round the ring twice, once to add up "
                "and once to hand the sums on.",
            ),
            Misconception(
                name="whole vectors round the ring",
                answer=_whole_vectors,
                hint="Your ring sends all bytes in each of its rounds. What does a worker of a ring send in one round?",
            ),
            Misconception(
                name="bits for bytes",
                answer=_in_bits,
                hint="Your number is eight times too large: that is bits a second. Links are sold in bits; the "
                "question asks for bytes.",
            ),
            Misconception(
                name="upside down",
                answer=_upside_down,
                hint="Seconds over bytes is a time for each byte. A bandwidth has the bytes above the line.",
            ),
        ),
        alternatives=(_by_two_times, _by_search),
        hints=(
            "What the hook costs is given: seconds. What it saves is the link's time for the bytes not sent.",
            "Each worker sends 2(K − 1)/K times its bytes (lesson 07).",
            "At the bandwidth that you look for, the time of the saved bytes is just the hook's seconds.",
        ),
    )
)
