"""How much slower, where timings were taken in pairs on a busy machine."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def slowdown(before, after):
    """Median of the ratios after/before, pair by pair; above 1 means slower."""
    return float(np.median(np.asarray(after, dtype=float) / np.asarray(before, dtype=float)))


def _slowdown_sorted(before, after):
    ratios = sorted(float(a) / float(b) for b, a in zip(before, after, strict=True))
    middle, odd = divmod(len(ratios), 2)
    return ratios[middle] if odd else (ratios[middle - 1] + ratios[middle]) / 2


def _slowdown_statistics(before, after):
    from statistics import median

    return median(float(a) / float(b) for b, a in zip(before, after, strict=True))


def _slowdown_cases(rng):
    """Timings with rounds in which the machine was busy for both, and an even number of rounds."""
    busy = 1 + 4 * (rng.random(15) < 0.3)
    before = rng.uniform(4, 6, size=15) * busy
    after = before * rng.uniform(1.1, 1.6, size=15)
    return (
        Case(args=(before, after)),
        Case(args=(before[:8], after[:8])),
        Case(args=(before.tolist(), (after / 3).tolist())),
    )


register(
    Exercise(
        id="start.slowdown",
        lesson="00_start_here",
        title="How much slower, on a busy machine?",
        difficulty=1,
        minutes=5,
        question="Two variants were timed in turns, one pair a round: give the median over the rounds of after/before.",
        reference=slowdown,
        public=(
            Case(args=([4.0, 20.0, 5.0], [6.0, 22.0, 10.0]), note="milliseconds; round 2 met a busy machine"),
            Case(args=([4.0, 5.0, 10.0, 20.0], [8.0, 5.0, 15.0, 22.0]), note="an even number of rounds"),
        ),
        hidden=_slowdown_cases,
        misconceptions=(
            Misconception(
                name="ratio of the medians",
                answer=lambda before, after: np.median(after) / np.median(before),
                hint="You take the median of each variant and divide. That forgets which timings belong "
                "together: a busy moment hit both of a round. Compare inside each round first.",
            ),
            Misconception(
                name="mean of the ratios",
                answer=lambda before, after: np.mean(np.asarray(after) / np.asarray(before)),
                hint="You average the ratios, so one odd round can pull the result anywhere. "
                "Which average does not care how odd the odd one is?",
            ),
            Misconception(
                name="ratio of the totals",
                answer=lambda before, after: np.sum(after) / np.sum(before),
                hint="You divide total by total, so the rounds on a busy machine count most. "
                "Give every round one vote.",
            ),
            Misconception(
                name="before over after",
                answer=lambda before, after: np.median(np.asarray(before) / np.asarray(after)),
                hint="Your ratio is upside down: it is the speedup. A slowdown above 1 means that "
                "`after` takes longer.",
            ),
            Misconception(
                name="difference",
                answer=lambda before, after: np.median(np.asarray(after) - np.asarray(before)),
                hint="You give a difference, in the unit of the timings. It changes with the machine; a ratio travels "
                "better.",
            ),
            Misconception(
                name="ratio of the fastest",
                answer=lambda before, after: np.min(after) / np.min(before),
                hint="You compare the fastest time of each variant. The two can come from different rounds; "
                "here each round is compared with itself first.",
            ),
            Misconception(
                name="how much longer, not how many times",
                answer=lambda before, after: np.median(np.asarray(after) / np.asarray(before)) - 1,
                hint="You give how much *longer* `after` takes, as a share of `before`. Asked is how many times "
                "as long: equally fast is 1, not 0.",
            ),
            Misconception(
                name="upper of the two middle values",
                answer=lambda before, after: sorted(np.asarray(after) / np.asarray(before))[len(before) // 2],
                hint="With an even number of rounds two values are in the middle. You take the upper one; "
                "the median lies halfway between them.",
            ),
        ),
        alternatives=(_slowdown_sorted, _slowdown_statistics),
        hints=(
            "Each round is a small experiment of its own. What does round 1 alone say?",
            "Compute one ratio a round, then bring the ratios down to one number.",
            "That number should not move when a single ratio becomes absurd: it is the middle one in order.",
        ),
    )
)
