"""Bits for a model: a byte goes where it helps most."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def spend_bits(weights, damage, budget):
    """Bits for each part, 2 to 8: begin with 2 for all, then buy the bit that saves the most damage per size."""
    bits = [2] * len(weights)
    left = budget - 2 * sum(weights)
    while True:
        offers = [
            ((damage[part][bits[part]] - damage[part][bits[part] + 1]) / weights[part], part)
            for part in range(len(weights))
            if bits[part] < 8 and weights[part] <= left  # one more bit for each weight of the part
        ]
        if not offers:
            return bits
        _, part = max(offers)
        bits[part] += 1
        left -= weights[part]


def _by_arrays(weights, damage, budget):
    weights = np.asarray(weights, dtype=float)
    bits = np.full(len(weights), 2)
    table = np.array([[damage[part][b] for b in range(2, 9)] + [np.inf] for part in range(len(weights))])
    while True:
        here = bits - 2
        gain = (table[range(len(bits)), here] - table[range(len(bits)), here + 1]) / weights
        gain[(bits == 8) | (bits @ weights + weights > budget)] = -np.inf
        if np.isneginf(gain).all():
            return bits
        bits[gain.argmax()] += 1


def _by_recursion(weights, damage, budget, bits=None):
    bits = bits or tuple(2 for _ in weights)
    used = sum(b * w for b, w in zip(bits, weights, strict=True))
    possible = [p for p, b in enumerate(bits) if b < 8 and used + weights[p] <= budget]
    if not possible:
        return list(bits)
    best = max(possible, key=lambda p: (damage[p][bits[p]] - damage[p][bits[p] + 1]) / weights[p])
    return _by_recursion(weights, damage, budget, (*bits[:best], bits[best] + 1, *bits[best + 1 :]))


def _greedy(weights, damage, budget, *, gain, stop=False):
    bits, left = [2] * len(weights), budget - 2 * sum(weights)
    while True:
        parts = [p for p in range(len(weights)) if bits[p] < 8 and (stop or weights[p] <= left)]
        if not parts:
            return bits
        part = max(parts, key=lambda p: gain(p, bits[p]))
        if weights[part] > left:
            return bits
        bits[part] += 1
        left -= weights[part]


def _ignores_size(weights, damage, budget):
    return _greedy(weights, damage, budget, gain=lambda p, b: damage[p][b] - damage[p][b + 1])


def _most_damaged_first(weights, damage, budget):
    return _greedy(weights, damage, budget, gain=lambda p, b: damage[p][b])


def _stops_at_the_first_that_is_too_large(weights, damage, budget):
    return _greedy(weights, damage, budget, gain=lambda p, b: (damage[p][b] - damage[p][b + 1]) / weights[p], stop=True)


def _the_same_for_all(weights, damage, budget):
    return [int(min(8, budget // sum(weights)))] * len(weights)


def _one_part_after_the_other(weights, damage, budget):
    return _greedy(weights, damage, budget, gain=lambda p, b: -p)


def _a_bit_costs_one(weights, damage, budget):
    bits = [2] * len(weights)
    for _ in range(int((budget - 2 * sum(weights)) // max(weights))):
        parts = [p for p in range(len(weights)) if bits[p] < 8]
        if parts:
            bits[max(parts, key=lambda p: (damage[p][bits[p]] - damage[p][bits[p] + 1]) / weights[p])] += 1
    return bits


def _without_a_limit(weights, damage, budget):
    bits, left = [2] * len(weights), budget - 2 * sum(weights)
    while True:
        parts = [p for p in range(len(weights)) if weights[p] <= left]
        if not parts:
            return bits
        part = max(parts, key=lambda p: (damage[p][bits[p]] - damage[p][bits[p] + 1]) / weights[p])
        bits[part] += 1
        left -= weights[part]


def _best_combination(weights, damage, budget):
    bits = np.indices((7,) * len(weights)).reshape(len(weights), -1) + 2  # every combination, one a column
    table = np.array([[row[b] for b in range(2, 9)] for row in damage])
    total = sum(table[part][bits[part] - 2] for part in range(len(weights)))
    return bits[:, np.where(np.asarray(weights) @ bits <= budget, total, np.inf).argmin()].tolist()


def _from_above(weights, damage, budget):
    bits = [8] * len(weights)
    while np.dot(bits, weights) > budget:
        parts = [p for p in range(len(weights)) if bits[p] > 2]
        part = min(parts, key=lambda p: (damage[p][bits[p] - 1] - damage[p][bits[p]]) / weights[p])
        bits[part] -= 1
    return bits


def _first_bits_are_free(weights, damage, budget):
    return spend_bits(weights, damage, budget + 2 * sum(weights))


def _never_to_the_last_bit(weights, damage, budget):
    return spend_bits(weights, damage, budget - 1)  # of whole numbers: less than, in place of at most


def _saving_times_size(weights, damage, budget):
    return _greedy(weights, damage, budget, gain=lambda p, b: (damage[p][b] - damage[p][b + 1]) * weights[p])


def _damage_a_weight(weights, damage, budget):
    return _greedy(weights, damage, budget, gain=lambda p, b: damage[p][b] / weights[p])


def _sorts_once(weights, damage, budget):
    return _greedy(weights, damage, budget, gain=lambda p, b: (damage[p][2] - damage[p][3]) / weights[p])


def _damage(first, shrink):
    return {bits: first * shrink ** (bits - 2) for bits in range(2, 9)}


def _random(rng):
    def case(parts, share):
        weights = [int(n) for n in rng.integers(10, 90, size=parts)]
        damage = [_damage(float(rng.uniform(0.05, 2)), float(rng.uniform(0.15, 0.6))) for _ in range(parts)]
        return Case(args=(weights, damage, int(share * sum(weights))))

    # Five parts at most: who tries all combinations gets an answer within the time limit, and the hint that fits.
    return case(4, 3.4), case(5, 4.3), case(5, 2.7), case(3, 5.5), case(5, 3.9)


register(
    Exercise(
        id="int8.spend_bits",
        lesson="06_bert_int8",
        title="Spend a budget of bits",
        difficulty=3,
        minutes=15,
        question="Give each part of a model 2 to 8 bits a weight within a budget of bits: all begin with 2; then buy "
        "one bit at a time, among the parts below 8 whose bit still fits the one that saves the most damage a weight, "
        "until none fits; return a list.",
        reference=spend_bits,
        public=(
            Case(
                args=([100, 20], [_damage(1.0, 0.25), _damage(0.5, 0.25)], 420),
                note="two parts; 180 bits to spend beyond 2 bits a weight",
            ),
            Case(
                args=([60, 50, 10], [_damage(0.9, 0.5), _damage(0.3, 0.2), _damage(0.02, 0.5)], 330),
                note="the small part hardly matters, but it is cheap",
            ),
            Case(
                args=([10, 40], [_damage(5.0, 0.5), _damage(0.1, 0.5)], 250),
                note="8 bits are the most that a part may have",
            ),
            Case(
                args=([50, 30], [_damage(1.0, 0.5), _damage(0.8, 0.5)], 210),
                note="after the first bit something is left, and nothing fits",
            ),
            Case(
                args=(
                    [20, 30],
                    [{2: 1.0, 3: 0.95, 4: 0.2} | {b: 0.2 / 2 ** (b - 4) for b in range(5, 9)}, _damage(0.6, 0.5)],
                    160,
                ),
                note="the first bit of the first part saves little, its second much: you decide bit by bit",
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="ignores the size",
                answer=_ignores_size,
                hint="You buy the bit that saves the most damage, whatever it costs. A bit for a part of 100 weights "
                "costs five times as much as one for a part of 20.",
            ),
            Misconception(
                name="looks at the damage, not at what a bit saves",
                answer=_most_damaged_first,
                hint="You give the next bit to the part with the most damage left. What counts is how much of it one "
                "more bit takes away.",
            ),
            Misconception(
                name="stops at the first bit that does not fit",
                answer=_stops_at_the_first_that_is_too_large,
                hint="You stop when the best bit does not fit into the rest. A smaller part may still fit.",
            ),
            Misconception(
                name="the same bits for all",
                answer=_the_same_for_all,
                hint="You give all parts the same bits. Then nothing was spent where it helps most.",
            ),
            Misconception(
                name="one part after the other",
                answer=_one_part_after_the_other,
                hint="You fill up the first part before you look at the second. Compare all parts anew for each bit.",
            ),
            Misconception(
                name="charges every bit alike",
                answer=_a_bit_costs_one,
                hint="You charge the same for each purchase. One more bit costs as many bits as the part has weights.",
            ),
            Misconception(
                name="goes beyond 8",
                answer=_without_a_limit,
                hint="You offer a ninth bit to a part that has 8. Such a part gets no more; the others may.",
            ),
            Misconception(
                name="looks for the best combination",
                answer=_best_combination,
                hint="Your bits may even be better: you try all combinations. With 20 parts there are 7^20. The "
                "question asks for one bit at a time, and never looks back.",
            ),
            Misconception(
                name="begins at 8 and takes away",
                answer=_from_above,
                hint="You begin with 8 bits and take away. The question begins with 2 and buys one bit at a time, as "
                "long as any fits. Where a bit saves little and the next one much, the two end in different places.",
            ),
            Misconception(
                name="does not charge the first 2 bits",
                answer=_first_bits_are_free,
                hint="You spend the whole budget on further bits. The 2 bits that all parts begin with have to be paid "
                "from it too.",
            ),
            Misconception(
                name="never spends the last bit",
                answer=_never_to_the_last_bit,
                hint="You leave a bit out that costs exactly what is left. It still fits.",
            ),
            Misconception(
                name="multiplies by the size",
                answer=_saving_times_size,
                hint="You multiply what a bit saves by the size of the part. A large part makes its bit dear: "
                "divide by the size.",
            ),
            Misconception(
                name="looks at the damage a weight",
                answer=_damage_a_weight,
                hint="You give the next bit to the part with the most damage left for its size. What counts is how "
                "much of it one more bit takes away.",
            ),
            Misconception(
                name="sorts the parts once",
                answer=_sorts_once,
                hint="You rank the parts by what their third bit saves, once and for all. After each bit, ask anew "
                "what the next one would save.",
            ),
        ),
        alternatives=(_by_arrays, _by_recursion),
        hints=(
            "Write down what 2 bits for all cost, and what is left.",
            "One more bit for a part costs as many bits as the part has weights, and saves damage[part][b] − "
            "damage[part][b + 1].",
            "In a loop: among the parts below 8 bits whose weights still fit, take the largest saving over "
            "weights; end when none fits.",
        ),
    )
)
