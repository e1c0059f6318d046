"""A fair race: the same number of steps for all."""

import math

from labkit.exercises import Case, Exercise, Misconception, register


def fair_epochs(rows, transfer, repeat, epochs, batch_size):
    """How many passes over the labelled rows alone come nearest, in steps, to the training with added text."""
    steps = epochs * math.ceil((repeat * rows + transfer) / batch_size)
    one_pass = math.ceil(rows / batch_size)  # the last batch of a pass may be small: it is a step all the same
    return max(round(steps / one_pass), 1)


def _by_counting(rows, transfer, repeat, epochs, batch_size):
    def steps(texts, passes):
        return passes * len(range(0, texts, batch_size))

    wanted = steps(repeat * rows + transfer, epochs)
    return min(range(1, wanted + 1), key=lambda passes: abs(steps(rows, passes) - wanted))


def _by_whole_numbers(rows, transfer, repeat, epochs, batch_size):
    wanted, one = -(-(rows * repeat + transfer) // batch_size) * epochs, (rows + batch_size - 1) // batch_size
    passes, left = divmod(wanted, one)
    return passes + (1 if 2 * left > one or passes == 0 else 0)


def _same_epochs(rows, transfer, repeat, epochs, batch_size):
    return epochs


def _by_rows(rows, transfer, repeat, epochs, batch_size):
    return max(round(epochs * (repeat * rows + transfer) / rows), 1)


def _full_batches_only(rows, transfer, repeat, epochs, batch_size):
    return max(round(epochs * ((repeat * rows + transfer) // batch_size) / max(rows // batch_size, 1)), 1)


def _forgets_repeat(rows, transfer, repeat, epochs, batch_size):
    return fair_epochs(rows, transfer, 1, epochs, batch_size)


def _forgets_epochs(rows, transfer, repeat, epochs, batch_size):
    return fair_epochs(rows, transfer, repeat, 1, batch_size)


def _gives_steps(rows, transfer, repeat, epochs, batch_size):
    return epochs * math.ceil((repeat * rows + transfer) / batch_size)


def _rounds_down(rows, transfer, repeat, epochs, batch_size):
    return max(_gives_steps(rows, transfer, repeat, epochs, batch_size) // math.ceil(rows / batch_size), 1)


def _passes(steps, rows, batch_size):
    return max(round(steps / math.ceil(rows / batch_size)), 1)


def _repeats_the_text(rows, transfer, repeat, epochs, batch_size):
    return _passes(epochs * math.ceil(repeat * (rows + transfer) / batch_size), rows, batch_size)


def _repeats_the_wrong_one(rows, transfer, repeat, epochs, batch_size):
    return _passes(epochs * math.ceil((rows + repeat * transfer) / batch_size), rows, batch_size)


def _one_small_batch(rows, transfer, repeat, epochs, batch_size):
    return _passes(math.ceil(epochs * (repeat * rows + transfer) / batch_size), rows, batch_size)


def _rounds_up(rows, transfer, repeat, epochs, batch_size):
    return math.ceil(_gives_steps(rows, transfer, repeat, epochs, batch_size) / math.ceil(rows / batch_size))


def _parts_of_a_step(rows, transfer, repeat, epochs, batch_size):
    return _passes(epochs * (repeat * rows + transfer) / batch_size, rows, batch_size)


def _part_of_a_step_below(rows, transfer, repeat, epochs, batch_size):
    return max(round(_gives_steps(rows, transfer, repeat, epochs, batch_size) / (rows / batch_size)), 1)


def _batches_apart(rows, transfer, repeat, epochs, batch_size):
    steps = epochs * (math.ceil(repeat * rows / batch_size) + math.ceil(transfer / batch_size))
    return _passes(steps, rows, batch_size)


def _repeats_both(rows, transfer, repeat, epochs, batch_size):
    return _passes(_gives_steps(rows, transfer, repeat, epochs, batch_size), repeat * rows, batch_size)


def _not_whole(rows, transfer, repeat, epochs, batch_size):
    return _gives_steps(rows, transfer, repeat, epochs, batch_size) / math.ceil(rows / batch_size)


def _clear(rows, transfer, repeat, epochs, batch_size):
    # Two numbers of passes that are equally near would both be right.
    left = _gives_steps(rows, transfer, repeat, epochs, batch_size) % (one := math.ceil(rows / batch_size))
    return 2 * left != one


def _cases(rng):
    made = [(70, 70, 3, 2, 32), (40, 250, 1, 1, 32), (1467, 2900, 1, 1, 32), (1467, 8800, 3, 2, 32)]
    while len(made) < 9:
        rows, transfer = (int(n) for n in rng.integers(40, 400, size=2))
        case = (rows, transfer, int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.choice([8, 16, 32])))
        if _clear(*case):
            made.append(case)
    return tuple(Case(args=args) for args in made)


register(
    Exercise(
        id="distillation.fair_epochs",
        lesson="10_distillation",
        title="The same number of steps",
        difficulty=2,
        minutes=8,
        question="One student is trained for `epochs` passes over the labelled rows, `repeat` times each, and "
        "`transfer` other texts. How many passes over the labelled rows alone come nearest to it in steps? One at "
        "least.",
        reference=fair_epochs,
        public=(
            Case(args=(64, 192, 1, 1, 32), note="2 steps a pass, against 8 steps"),
            Case(args=(64, 64, 3, 2, 32), note="each row three times, twice over: 16 steps"),
            Case(args=(40, 280, 1, 1, 32), note="40 rows are two steps: a full batch and a small one"),
            Case(args=(64, 120, 1, 1, 32), note="6 steps"),
            Case(args=(96, 150, 1, 1, 32), note="8 steps, and 3 a pass"),
            Case(args=(96, 120, 1, 1, 32), note="7 steps, and 3 a pass"),
            Case(args=(20, 15, 1, 3, 32), note="35 texts are a full batch and a small one, three times over"),
            Case(args=(64, 128, 2, 1, 32), note="each row twice, and more texts than rows"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="the same number of epochs",
                answer=_same_epochs,
                hint="An epoch over more texts has more steps. With as many epochs the student with added text is "
                "trained longer, and longer alone may be the reason why it is better.",
            ),
            Misconception(
                name="counts texts and not steps",
                answer=_by_rows,
                hint="You compare numbers of texts. The weights move once a batch, and the last batch of a pass may "
                "be a small one: it is a step as well.",
            ),
            Misconception(
                name="full batches only",
                answer=_full_batches_only,
                hint="You leave out the last, smaller batch of a pass. The loop does take it.",
            ),
            Misconception(
                name="forgets repeat",
                answer=_forgets_repeat,
                hint="Every labelled row comes `repeat` times in a pass. You counted it once.",
            ),
            Misconception(
                name="forgets epochs",
                answer=_forgets_epochs,
                hint="You counted one pass of the training with added text. It takes `epochs` of them.",
            ),
            Misconception(
                name="repeats the text too",
                answer=_repeats_the_text,
                hint="Only the labelled rows are repeated. The other texts come once in a pass.",
            ),
            Misconception(
                name="repeats the text in place of the rows",
                answer=_repeats_the_wrong_one,
                hint="You repeat the other texts. It is the labelled rows that come `repeat` times.",
            ),
            Misconception(
                name="counts the small batch once",
                answer=_one_small_batch,
                hint="You count the small batch once. Every pass ends with one.",
            ),
            Misconception(
                name="parts of a step",
                answer=_parts_of_a_step,
                hint="You count the last, smaller batch of a pass over all texts as a part of a step. It is a whole "
                "one.",
            ),
            Misconception(
                name="part of a step for the labelled rows",
                answer=_part_of_a_step_below,
                hint="You count the last, smaller batch of a pass over the labelled rows as a part of a step. It is a "
                "whole one: 40 rows in batches of 32 are two steps, and not 1.25.",
            ),
            Misconception(
                name="batches apart",
                answer=_batches_apart,
                hint="You make batches of the labelled rows, and others of the texts. They are shuffled into one "
                "training set: a pass has one smaller batch, at its end.",
            ),
            Misconception(
                name="repeats both",
                answer=_repeats_both,
                hint="You repeat the labelled rows in both trainings. A pass over the labelled rows alone has each of "
                "them once.",
            ),
            Misconception(
                name="no whole number",
                answer=_not_whole,
                hint="That is the exact ratio of the steps. A number of passes is a whole number: which is nearest?",
            ),
            Misconception(
                name="gives the steps",
                answer=_gives_steps,
                hint="That is the number of steps. How many passes over the labelled rows alone make so many?",
            ),
            Misconception(
                name="rounds down",
                answer=_rounds_down,
                hint="You always round down, and the labels get fewer steps. The question asks for the nearest number.",
            ),
            Misconception(
                name="rounds up",
                answer=_rounds_up,
                hint="You always round up, and the labels get more steps. The question asks for the nearest number.",
            ),
        ),
        alternatives=(_by_counting, _by_whole_numbers),
        hints=(
            "First count the steps of one pass over all texts, then those of all passes.",
            "A pass over n texts has n / batch_size steps, rounded up.",
            "Divide the steps by those of one pass over the labelled rows, and round to the nearest whole number.",
        ),
    )
)
