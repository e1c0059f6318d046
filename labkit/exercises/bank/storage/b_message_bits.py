"""What a message costs at least: its entropy, from the counts of its symbols."""

import collections
import heapq
import math

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def message_bits(symbols):
    """The fewest bits for the whole message, when each symbol is coded by how often it occurs."""
    bits = 0.0
    for count in collections.Counter(symbols).values():
        bits += count * math.log2(len(symbols) / count)  # a symbol with the share p costs -log2(p) bits each time
    return bits


def _by_numpy(symbols):
    _, counts = np.unique(symbols, return_counts=True)
    return float((counts * -np.log2(counts / counts.sum())).sum())


def _by_scipy(symbols):
    from scipy.stats import entropy

    return len(symbols) * entropy(np.bincount(np.array(symbols) - min(symbols)), base=2)


def _one_symbol(symbols):
    return message_bits(symbols) / len(symbols)


def _fixed_width(symbols):
    return float(len(symbols) * math.ceil(math.log2(max(len(set(symbols)), 1))))


def _all_alike(symbols):
    return len(symbols) * math.log2(len(set(symbols)))


def _natural(symbols):
    return message_bits(symbols) * math.log(2)


def _whole_bits(symbols):
    return float(sum(c * math.ceil(math.log2(len(symbols) / c)) for c in collections.Counter(symbols).values()))


def _huffman(symbols):
    heap, bits = sorted(collections.Counter(symbols).values()), 0
    while len(heap) > 1:
        pair = heapq.heappop(heap) + heapq.heappop(heap)  # every symbol below gets one bit more
        heapq.heappush(heap, pair)
        bits += pair
    return float(bits)


def _each_symbol_once(symbols):
    return sum(math.log2(len(symbols) / c) for c in collections.Counter(symbols).values())


def _weighed_twice(symbols):
    shares = {symbol: count / len(symbols) for symbol, count in collections.Counter(symbols).items()}
    return -sum(shares[symbol] * math.log2(shares[symbol]) for symbol in symbols)


def _below_zero(symbols):
    return -message_bits(symbols)


def _message_rounded_up(symbols):
    return math.ceil(message_bits(symbols) - 1e-9)


def _random(rng):
    return tuple(
        Case(args=(np.clip(np.round(rng.normal(size=n) * scale), -7, 7).astype(int).tolist(),))
        for n, scale in ((50, 0.5), (200, 1.0), (300, 2.0), (37, 3.0))
    )


register(
    Exercise(
        id="storage.message_bits",
        lesson="09_storage",
        title="What a message costs at least",
        difficulty=2,
        minutes=8,
        question="Count the bits of the whole message, where each symbol costs −log2 of its share.",
        reference=message_bits,
        public=(
            Case(args=([0, 0, 0, 0, 1, 1, -1, 2],), note="the eight weights of the table: 14 bits"),
            Case(args=([5, 5, 5, 5],), note="all alike"),
            Case(args=([0, 0, 0, 0, 0, 0, 0, 1],), note="seven zeros and one other"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="bits of one symbol",
                answer=_one_symbol,
                hint="You give the bits of a symbol on average, the entropy. How many symbols has the message?",
            ),
            Misconception(
                name="the same whole bits for each",
                answer=_fixed_width,
                hint="Each of your symbols takes the same number of bits. Then a symbol that comes all the time costs "
                "as much as one that hardly ever comes.",
            ),
            Misconception(
                name="all equally frequent",
                answer=_all_alike,
                hint="You count how many different symbols there are, but not how often each of them comes.",
            ),
            Misconception(
                name="natural logarithm",
                answer=_natural,
                hint="Your result is 0.69 times what it should be: bits need logarithms to base 2.",
            ),
            Misconception(
                name="rounds each symbol up to whole bits",
                answer=_whole_bits,
                hint="You give every symbol whole bits. A symbol that comes nearly always is worth far less than one "
                "bit, and a good coder can spend parts of bits.",
            ),
            Misconception(
                name="Huffman's code",
                answer=_huffman,
                hint="You count the bits of Huffman's code, the best one that gives every symbol whole bits. The "
                "question allows fractions: a symbol that comes nearly always can cost less than one bit.",
            ),
            Misconception(
                name="each symbol once",
                answer=_each_symbol_once,
                hint="You add up the price of each different symbol once. It is paid every time that the symbol comes.",
            ),
            Misconception(
                name="weighs each symbol twice",
                answer=_weighed_twice,
                hint="You go through the whole message, and multiply by the share as well. In the message each symbol "
                "stands as often as it occurs: do one of the two.",
            ),
            Misconception(
                name="the sign",
                answer=_below_zero,
                hint="Your result is below zero. The logarithm of a share is negative, and a symbol costs bits.",
            ),
            Misconception(
                name="rounds the message up",
                answer=_message_rounded_up,
                hint="You round the whole message up. A file does have whole bits, but this is the bound for its "
                "size: leave the fraction.",
            ),
        ),
        alternatives=(_by_numpy, _by_scipy),
        hints=(
            "Count first how often each symbol occurs; `collections.Counter` does that.",
            "A symbol that makes up a quarter of the message costs 2 bits each time, one that makes up half 1 bit.",
            "For each different symbol: its count times log2 of the length of the message over that count. Add up.",
        ),
    )
)
