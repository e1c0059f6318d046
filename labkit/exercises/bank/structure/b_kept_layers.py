"""Dropping layers: which numbers stay."""

from labkit.exercises import Case, Exercise, Misconception, register


def kept_layers(count, drop, which):
    """The layers that stay, counted from 0."""
    layers = list(range(count))
    if which == "last":
        return layers[: count - drop]
    if which == "first":
        return layers[drop:]
    gone = layers[::-1][::2][:drop]  # from the end: the last, the third last, the fifth last
    return [layer for layer in layers if layer not in gone]


def _by_cases(count, drop, which):
    if which == "alternate":
        return sorted(set(range(count)) - {count - 1 - 2 * i for i in range(drop)})
    start = drop if which == "first" else 0
    return list(range(start, start + count - drop))


def _by_removing(count, drop, which):
    layers = list(range(count))
    for i in range(drop):
        layers.remove({"last": count - 1 - i, "first": i}.get(which, count - 1 - 2 * i))
    return layers


def _first_and_last_swapped(count, drop, which):
    return kept_layers(count, drop, {"last": "first", "first": "last"}.get(which, which))


def _gives_what_goes(count, drop, which):
    return [layer for layer in range(count) if layer not in kept_layers(count, drop, which)]


def _counts_from_one(count, drop, which):
    return [layer + 1 for layer in kept_layers(count, drop, which)]


def _one_too_many(count, drop, which):
    return kept_layers(count, max(drop - 1, 0), which)


def _takes_the_number_as_what_stays(count, drop, which):
    return kept_layers(count, count - drop, which)


def _minus_nothing(count, drop, which):
    if which == "last":
        return list(range(count))[:-drop]
    return kept_layers(count, drop, which)


def _without(count, gone):
    return [layer for layer in range(count) if layer not in gone]


def _alternating(kept):
    """An answer that is right but for "alternate", where `kept(count, drop)` stay."""
    return lambda count, drop, which: kept(count, drop) if which == "alternate" else kept_layers(count, drop, which)


_alternates_from_the_front = _alternating(lambda count, drop: _without(count, range(0, 2 * drop, 2)))
_keeps_the_last = _alternating(lambda count, drop: _without(count, [count - 2 - 2 * i for i in range(drop)]))
_every_second_from_the_end = _alternating(lambda count, drop: _without(count, range(count - 1, -1, -2)))
_keeps_the_even_ones = _alternating(lambda count, drop: list(range(0, count, 2)))
_spreads_the_gaps = _alternating(
    lambda count, drop: _without(count, [count - 1 - i * (count // drop) for i in range(drop)])
)
_in_falling_order = _alternating(lambda count, drop: kept_layers(count, drop, "alternate")[::-1])


def _random(rng):
    sizes = [int(count) for count in rng.integers(5, 25, size=4)]
    cases = [(count, int(rng.integers(1, count // 2)), which)
             for count in sizes for which in ("last", "first", "alternate")]  # fmt: skip
    return tuple(
        Case(args=args) for args in [*cases, (9, 0, "last"), (7, 1, "first"), (8, 1, "alternate"), (9, 2, "alternate")]
    )


register(
    Exercise(
        id="structure.kept_layers",
        lesson="04_bert_structure",
        title="Which layers stay",
        difficulty=1,
        minutes=6,
        question='List the layers that stay, counted from 0, when `drop` of `count` go: the "last", the "first", or '
        '"alternate" ones.',
        reference=kept_layers,
        public=(
            Case(args=(6, 2, "last"), note="the article's way: the last two go"),
            Case(args=(6, 2, "first"), note="the first two go"),
            Case(args=(6, 3, "alternate"), note="every second one goes, beginning with the last"),
            Case(args=(6, 2, "alternate"), note="the last and the third last"),
            Case(args=(6, 0, "last"), note="none goes"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="drops the first for the last",
                answer=_first_and_last_swapped,
                hint="You drop at the wrong end. Layer 0 sits on the embeddings; the last one feeds the classifier.",
            ),
            Misconception(
                name="lists what goes",
                answer=_gives_what_goes,
                hint="Your list has the layers that go. The question asks for those that stay.",
            ),
            Misconception(
                name="counts from one",
                answer=_counts_from_one,
                hint="Your numbers are all one too high: there is a layer 0, and of six layers the last is 5.",
            ),
            Misconception(
                name="drops one too few",
                answer=_one_too_many,
                hint="One more layer has to go. How long should your list be?",
            ),
            Misconception(
                name="takes the number as what stays",
                answer=_takes_the_number_as_what_stays,
                hint="You read `drop` as the number of layers to keep. Of six layers with two to drop, four stay.",
            ),
            Misconception(
                name="drops all when none should go",
                answer=_minus_nothing,
                hint="Look at the case where none goes: a slice that ends at -0 ends at 0, and is empty.",
            ),
            Misconception(
                name="alternates from the front",
                answer=_alternates_from_the_front,
                hint="Your alternate layers begin with layer 0. Begin at the other end: the last, then the third last.",
            ),
            Misconception(
                name="alternates but spares the last",
                answer=_keeps_the_last,
                hint="You leave the last layer and begin with the one before. The last is the first to go.",
            ),
            Misconception(
                name="alternates to the end",
                answer=_every_second_from_the_end,
                hint="For alternate you take out every second layer, however many should go. Stop after `drop` of "
                "them.",
            ),
            Misconception(
                name="keeps the even ones",
                answer=_keeps_the_even_ones,
                hint="For alternate you keep layers 0, 2, 4 and so on, whatever `drop` says. How many should go, and "
                "from which end?",
            ),
            Misconception(
                name="spreads the gaps",
                answer=_spreads_the_gaps,
                hint="You spread the layers that go over the whole model. Alternate means every *second* one, from "
                "the end, until enough are gone.",
            ),
            Misconception(
                name="in falling order",
                answer=_in_falling_order,
                hint="The layers are the right ones, but for alternate your list runs backwards. They stay in their "
                "old order.",
            ),
        ),
        alternatives=(_by_cases, _by_removing),
        hints=(
            "Make the list of all layers first. Two of the three ways are a slice of it.",
            "For alternate, turn the list around: which places of it go?",
            "From the reversed list take every second one, and of these the first `drop`. The others stay.",
        ),
    )
)
