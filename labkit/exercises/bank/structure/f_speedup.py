"""Less work is not as much less time: Amdahl's law with real parts."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def speedup(milliseconds, kept):
    """How many times faster the whole becomes when some parts keep a share of their work."""
    before = sum(milliseconds.values())
    after = sum(time * kept.get(part, 1.0) for part, time in milliseconds.items())
    return before / after


def _by_saving(milliseconds, kept):
    total = sum(milliseconds.values())
    saved = sum(milliseconds[part] * (1 - share) for part, share in kept.items())
    return total / (total - saved)


def _by_shares(milliseconds, kept):
    times = np.array(list(milliseconds.values()))
    left = np.array([kept.get(part, 1) for part in milliseconds])
    return 1 / np.average(left, weights=times)


def _forgets_the_rest(milliseconds, kept):
    before = sum(milliseconds[part] for part in kept)
    return before / sum(milliseconds[part] * share for part, share in kept.items())


def _rest_is_gone(milliseconds, kept):
    return sum(milliseconds.values()) / sum(milliseconds[part] * share for part, share in kept.items())


def _unweighted_mean(milliseconds, kept):
    return 1 / np.mean([kept.get(part, 1.0) for part in milliseconds])


def _factors_multiply(milliseconds, kept):
    return 1 / np.prod(list(kept.values()))


def _adds_factors(milliseconds, kept):
    total = sum(milliseconds.values())
    return sum(time / total / kept.get(part, 1.0) for part, time in milliseconds.items())


def _share_of_time_left(milliseconds, kept):
    return 1 / speedup(milliseconds, kept)


def _share_as_removed(milliseconds, kept):
    return speedup(milliseconds, {part: 1 - share for part, share in kept.items()})


def _how_much_more(milliseconds, kept):
    return speedup(milliseconds, kept) - 1


def _share_saved(milliseconds, kept):
    return 1 - 1 / speedup(milliseconds, kept)


def _milliseconds_left(milliseconds, kept):
    return sum(milliseconds.values()) / speedup(milliseconds, kept)


def _milliseconds_saved(milliseconds, kept):
    return sum(milliseconds[part] * (1 - share) for part, share in kept.items())


def _asks_for_every_part(milliseconds, kept):
    return sum(milliseconds.values()) / sum(time * kept[part] for part, time in milliseconds.items())


def _divides_by_the_share(milliseconds, kept):
    return sum(milliseconds.values()) / sum(time / kept.get(part, 1.0) for part, time in milliseconds.items())


def _random(rng):
    cases = []
    for _ in range(6):
        times = dict(zip(("outside", "overhead", "attention", "ffn"), rng.uniform(0.2, 5, 4).tolist(), strict=True))
        chosen = ("attention", "ffn") if rng.random() < 0.6 else ("ffn",)
        cases.append(Case(args=(times, {part: float(rng.uniform(0.1, 0.8)) for part in chosen})))
    return tuple(cases)


register(
    Exercise(
        id="structure.speedup",
        lesson="04_bert_structure",
        title="Half of the work, how much of the time?",
        difficulty=2,
        minutes=8,
        question="How many times faster does the whole become when each part named in `kept` keeps that share of its "
        "time, and the others keep all?",
        reference=speedup,
        public=(
            Case(args=({"attention": 2.0, "ffn": 4.0, "rest": 2.0}, {"ffn": 0.5}), note="8 ms become 6 ms"),
            Case(
                args=({"attention": 2.0, "ffn": 4.0, "rest": 2.0}, {"ffn": 0.5, "attention": 0.25}),
                note="two parts become smaller",
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="forgets the rest",
                answer=_forgets_the_rest,
                hint="You compare the parts that change with themselves. The other parts take their time before and "
                "after.",
            ),
            Misconception(
                name="the rest takes no time afterwards",
                answer=_rest_is_gone,
                hint="Before, you count all parts; after, only those that became smaller. The others are still there.",
            ),
            Misconception(
                name="takes all parts as equally long",
                answer=_unweighted_mean,
                hint="You average the shares without the milliseconds. Half of a long part saves more than half of a "
                "short one.",
            ),
            Misconception(
                name="multiplies the factors",
                answer=_factors_multiply,
                hint="You multiply the speed-ups of the parts, as if each sped up the whole.",
            ),
            Misconception(
                name="averages the speed-ups",
                answer=_adds_factors,
                hint="You average how many times faster each part gets. Times add up; speed-ups do not.",
            ),
            Misconception(
                name="gives the time left",
                answer=_share_of_time_left,
                hint="Your number is below 1: it is the share of the time that is left. How many times faster is that?",
            ),
            Misconception(
                name="takes the share as removed",
                answer=_share_as_removed,
                hint="`kept` says what stays of a part. You took it for what goes.",
            ),
            Misconception(
                name="how much more",
                answer=_how_much_more,
                hint="Your number is the right one less 1. A whole that takes as long as before is 1 times as fast, "
                "not 0 times.",
            ),
            Misconception(
                name="gives the share saved",
                answer=_share_saved,
                hint="That is the share of the time that is saved. How many times does the new time fit into the old "
                "one?",
            ),
            Misconception(
                name="gives milliseconds",
                answer=_milliseconds_left,
                hint="That is how many milliseconds the whole takes afterwards. How many times faster is it?",
            ),
            Misconception(
                name="gives the milliseconds saved",
                answer=_milliseconds_saved,
                hint="That is how many milliseconds are saved. How many times faster is the whole?",
            ),
            Misconception(
                name="asks for every part",
                answer=_asks_for_every_part,
                hint="A dictionary was asked for something that it does not hold. `kept` names some of the parts "
                "only: what does a part keep that it does not name?",
            ),
            Misconception(
                name="divides by the share",
                answer=_divides_by_the_share,
                hint="You divide a part's time by its share, so that it grows. It keeps that share of its time.",
            ),
        ),
        alternatives=(_by_saving, _by_shares),
        hints=(
            "Add up the milliseconds before. Then add them up again, each part with its share.",
            "A part that is not in `kept` keeps all: its share is 1.",
            "Before divided by after.",
        ),
    )
)
