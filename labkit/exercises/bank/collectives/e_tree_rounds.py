"""How many rounds a tree takes: what counts when messages are small."""

import math

from labkit.exercises import Case, Exercise, Misconception, register


def tree_rounds(workers):
    """Rounds of an all-reduce along a tree: up until one worker has the sum, and down again to all."""
    levels = math.ceil(math.log2(workers))  # each round halves the number of partial sums
    return 2 * levels


def _by_bits(workers):
    return 2 * (workers - 1).bit_length()


def _by_merging(workers):
    sums_left, rounds = workers, 0
    while sums_left > 1:
        sums_left = (sums_left + 1) // 2  # an odd one out waits
        rounds += 2
    return rounds


def _by_telling(workers):
    informed, rounds = 1, 0
    while informed < workers:
        informed *= 2
        rounds += 1
    return rounds + rounds


def _one_way(workers):
    return math.ceil(math.log2(workers))


def _rounded_down(workers):
    return 2 * int(math.log2(workers))


def _one_more(workers):
    return 2 * workers.bit_length()


def _chain(workers):
    return 2 * (workers - 1)


def _nature(workers):
    return 2 * math.ceil(math.log(workers))


def _twice_inside(workers):
    return math.ceil(2 * math.log2(workers))


def _turns_too_early(workers):
    return max(2 * math.ceil(math.log2(workers)) - 1, 0)


def _not_rounded(workers):
    return 2 * math.log2(workers)


def _to_the_nearest(workers):
    return 2 * round(math.log2(workers))


def _random(rng):
    known = (2, 3, 8, 12, 16, 33, 64, 100, 1000, 1024)
    return tuple(Case(args=(workers,)) for workers in (*known, int(rng.integers(130, 250)), int(rng.integers(17, 30))))


register(
    Exercise(
        id="collectives.tree_rounds",
        lesson="07_collectives",
        title="Rounds of a tree",
        difficulty=2,
        minutes=6,
        question="In a tree, pairs merge their partial sums until one worker has everything; then the sum travels back "
        "the same way. How many rounds is that for `workers` workers, if pairs of a round work at the same time?",
        reference=tree_rounds,
        public=(
            Case(args=(4,), note="two rounds up, two down"),
            Case(args=(6,), note="6 sums, then 3, then 2, then 1"),
            Case(args=(1,), note="nothing to do"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="up, but not down",
                answer=_one_way,
                hint="You stop when one worker has the sum. That is a reduce; in an all-reduce everyone has it.",
            ),
            Misconception(
                name="rounded down",
                answer=_rounded_down,
                hint="Your number is right for powers of two only. With 6 workers, 6 sums become 3, and one of the "
                "three has to wait: is it done then?",
            ),
            Misconception(
                name="one level too many",
                answer=_one_more,
                hint="You count a level too many, at least for powers of two and for one worker: four sums become two, "
                "and two become one.",
            ),
            Misconception(
                name="one after the other",
                answer=_chain,
                hint="You let the workers pass the sum on one after the other. In a tree many pairs merge in the same "
                "round.",
            ),
            Misconception(
                name="natural logarithm",
                answer=_nature,
                hint="Every round halves the number of sums. Which logarithm counts halvings?",
            ),
            Misconception(
                name="doubled before it is rounded",
                answer=_twice_inside,
                hint="You double first and round up afterwards. Up and down each take a whole number of rounds.",
            ),
            Misconception(
                name="one round short",
                answer=_turns_too_early,
                hint="You are one round short. When one worker has the sum, the way up is over, and all rounds of "
                "the way down are still to come: count them as well.",
            ),
            Misconception(
                name="not rounded",
                answer=_not_rounded,
                hint="Rounds come whole. With 6 workers, 6 sums become 3, then 2, then 1: how many times is that?",
            ),
            Misconception(
                name="rounded to the nearest",
                answer=_to_the_nearest,
                hint="You round to the nearest whole number. A worker that is left over has to be merged too, even "
                "if it is one alone: count the rounds of 9 workers.",
            ),
        ),
        alternatives=(_by_bits, _by_merging, _by_telling),
        hints=(
            "How many partial sums are left after the first round? After the second?",
            "The number is halved each time, and an odd one out waits. Count until one is left.",
            "The way down takes as many rounds as the way up.",
        ),
    )
)
