"""A whole message in one number: taking a symbol out again (asymmetric numeral systems)."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def pop(number, counts):
    """The symbol on top of the number, and the number without it. `counts` says how often each symbol occurs."""
    total = sum(counts)
    slot, start = number % total, 0
    for symbol, count in enumerate(counts):
        if slot < start + count:  # each symbol owns as many slots as its count
            return symbol, count * (number // total) + slot - start
        start += count


def _by_numpy(number, counts):
    ends = np.cumsum(counts)
    rest, slot = divmod(number, int(ends[-1]))
    symbol = int(np.searchsorted(ends, slot, side="right"))
    return symbol, counts[symbol] * rest + slot - int(ends[symbol]) + counts[symbol]


def _by_a_list_of_slots(number, counts):
    owners = [symbol for symbol, count in enumerate(counts) for _ in range(count)]
    slot = number % len(owners)
    return owners[slot], number // len(owners) * counts[owners[slot]] + slot - owners.index(owners[slot])


def _keeps_the_whole_rest(number, counts):
    symbol, _ = pop(number, counts)
    return symbol, number // sum(counts)


def _forgets_the_slot(number, counts):
    symbol, _ = pop(number, counts)
    return symbol, counts[symbol] * (number // sum(counts))


def _forgets_the_start(number, counts):
    symbol, _ = pop(number, counts)
    return symbol, counts[symbol] * (number // sum(counts)) + number % sum(counts)


def _slot_by_the_count(number, counts):
    symbol, _ = pop(number, counts)
    total, count = sum(counts), counts[symbol]
    return symbol, count * (number // total) + number % total % count


def _remainder_by_the_count(number, counts):
    symbol, _ = pop(number, counts)
    return symbol, counts[symbol] * (number // sum(counts)) + number % counts[symbol]


def _with_a_fraction(number, counts):
    symbol, _ = pop(number, counts)
    total = sum(counts)
    return symbol, counts[symbol] * (number / total) + number % total - sum(counts[:symbol])


def _slot_for_a_symbol(number, counts):
    return number % sum(counts), pop(number, counts)[1]


def _digits_of_the_alphabet(number, counts):
    return number % len(counts), number // len(counts)


def _off_by_one(number, counts):
    total, start = sum(counts), 0
    slot = number % total
    for symbol, count in enumerate(counts):
        if slot <= start + count:
            return symbol, count * (number // total) + slot - start
        start += count


def _random(rng):
    return tuple(
        Case(args=(int(rng.integers(1, 10**6)), rng.integers(1, 9, size=size).tolist()))
        for size in (2, 3, 4, 5, 3, 4, 6, 2, 3, 5)
    )


register(
    Exercise(
        id="storage.pop",
        lesson="09_storage",
        title="A whole message in one number",
        difficulty=3,
        minutes=12,
        question="Give the symbol that was pushed last, and the number as it was before.",
        reference=pop,
        public=(
            Case(args=(531, [2, 1, 1]), note="the last number of the table: symbol 2 is on top"),
            Case(args=(132, [2, 1, 1]), note="the step after that"),
            Case(args=(66, [2, 1, 1]), note="and the one after that"),
            Case(args=(9, [2, 1, 1]), note="symbol 0 was pushed on 5"),
            Case(args=(14, [1, 3]), note="symbol 1 owns the slots 1, 2 and 3"),
            Case(args=(1000, [6, 1, 1]), note="a symbol that comes three times out of four"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="divides by the total only",
                answer=_keeps_the_whole_rest,
                hint="The symbol is right. But you make the number smaller by the whole total, whatever the symbol: a "
                "frequent symbol should take little away.",
            ),
            Misconception(
                name="forgets the place within the slots",
                answer=_forgets_the_slot,
                hint="A symbol with several slots was in one of them, and which one it was is part of the number too.",
            ),
            Misconception(
                name="counts the place from the first slot of all",
                answer=_forgets_the_start,
                hint="You add the slot as counted from 0. Count it from the first slot of this symbol.",
            ),
            Misconception(
                name="the slot's remainder by the count",
                answer=_slot_by_the_count,
                hint="You take the slot's remainder by the count. That is the place among the symbol's own slots only "
                "where their first one happens to be a multiple of the count.",
            ),
            Misconception(
                name="digits of the alphabet",
                answer=_digits_of_the_alphabet,
                hint="You write the number in a base with one digit a symbol: all symbols cost the same. Here each "
                "symbol owns as many of the slots as its count says.",
            ),
            Misconception(
                name="a slot too many",
                answer=_off_by_one,
                hint="A symbol with two slots that starts at 0 owns the slots 0 and 1. Does yours take slot 2 as well?",
            ),
            Misconception(
                name="the number's remainder by the count",
                answer=_remainder_by_the_count,
                hint="You take the remainder of this number by the count. The push took that of the number before, "
                "and kept it in the slot.",
            ),
            Misconception(
                name="does not round the quotient down",
                answer=_with_a_fraction,
                hint="Your number has a fraction. How many *whole* times is the total in it?",
            ),
            Misconception(
                name="the slot for a symbol",
                answer=_slot_for_a_symbol,
                hint="You give the slot where the question asks for the symbol. A symbol can own several slots: whose "
                "is it?",
            ),
        ),
        alternatives=(_by_numpy, _by_a_list_of_slots),
        hints=(
            "The slot is the remainder of the number by the total of the counts. Who owns it?",
            "With counts 2, 1, 1 the owners of the slots 0 to 3 are: symbol 0, symbol 0, symbol 1, symbol 2.",
            "Undo the push line by line: the count of the symbol times the quotient, and the place of the slot among "
            "those of the symbol.",
        ),
    )
)
