"""Fast compared with what? Efficiency from times that may come from different batches."""

from labkit.exercises import Case, Exercise, Misconception, register


def efficiency(alone, together, cores):
    """Rows a second of all workers, over what as many copies of the single core would do."""
    rows, seconds = alone
    one_core = rows / seconds
    rows, seconds = together
    return (rows / seconds) / (cores * one_core)


def _by_seconds_a_row(alone, together, cores):
    ideal = alone[1] / alone[0] / cores
    return ideal / (together[1] / together[0])


def _by_same_work(alone, together, cores):
    alone_seconds = alone[1] * together[0] / alone[0]  # the same rows, by one core
    speedup = alone_seconds / together[1]
    return speedup / cores


def _speedup_only(alone, together, cores):
    return (together[0] / together[1]) / (alone[0] / alone[1])


def _compares_step_times(alone, together, cores):
    return alone[1] / together[1] / cores


def _upside_down(alone, together, cores):
    return cores * (alone[0] / alone[1]) / (together[0] / together[1])


def _steps_without_cores(alone, together, cores):
    return alone[1] / together[1]


def _rows_a_worker(alone, together, cores):
    return (together[0] / cores / together[1]) / (alone[0] / alone[1]) / cores


def _in_per_cent(alone, together, cores):
    return 100 * efficiency(alone, together, cores)


def _random(rng):
    made = []
    for cores in (2, 3, 4, 8):
        rows, factor = int(rng.integers(8, 64)), int(rng.integers(2, 5))
        seconds = float(rng.uniform(0.2, 1))
        share = float(rng.uniform(0.4, 0.95))
        made.append(Case(args=((rows, seconds), (rows * factor, seconds * factor / cores / share), cores)))
    return tuple(made)


register(
    Exercise(
        id="ddp.efficiency",
        lesson="08_bert_ddp",
        title="Fast compared with what?",
        difficulty=1,
        minutes=6,
        question="From (rows a step, seconds a step) of one core alone and of all workers together, compute the "
        "efficiency: 1 where every added core is worth as much as the first.",
        reference=efficiency,
        public=(
            Case(args=((32, 0.4), (32, 0.25), 2), note="the same batch, two cores"),
            Case(args=((32, 0.4), (64, 0.5), 2), note="each worker keeps its 32 rows: the batch has doubled"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="stops at the speedup",
                answer=_speedup_only,
                hint="That is the speedup, rows a second against rows a second. What would it be if nothing was lost?",
            ),
            Misconception(
                name="compares the seconds of unequal steps",
                answer=_compares_step_times,
                hint="You compare seconds a step, but in the second case a step has twice the rows. What do both have "
                "in common?",
            ),
            Misconception(
                name="upside down",
                answer=_upside_down,
                hint="Yours is above 1 when something is lost. Which of the two, the measured or the ideal, belongs "
                "below the line?",
            ),
            Misconception(
                name="times only",
                answer=_steps_without_cores,
                hint="You divide one time by the other. Neither the rows of a step nor the number of cores is in it.",
            ),
            Misconception(
                name="in per cent",
                answer=_in_per_cent,
                hint="That is right in per cent. A share is asked for: 1 where nothing is lost.",
            ),
            Misconception(
                name="divides by the cores twice",
                answer=_rows_a_worker,
                hint="You took the rows of one worker and then divided by the cores as well. Take the rows of all.",
            ),
        ),
        alternatives=(_by_seconds_a_row, _by_same_work),
        hints=(
            "Rows a second is what a step of 32 rows and one of 64 have in common.",
            "Speedup: rows a second of all workers over rows a second of the single core.",
            "An ideal speedup is the number of cores. Efficiency is the share of it that you got.",
        ),
    )
)
