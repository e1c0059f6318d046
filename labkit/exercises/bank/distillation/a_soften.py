"""Softmax with a temperature, for logits of any size."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def soften(logits, temperature):
    """The probabilities of each row at a temperature."""
    scaled = np.asarray(logits, dtype=float) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))  # the largest becomes exp(0): nothing overflows
    return powers / powers.sum(axis=1, keepdims=True)


def _by_torch(logits, temperature):
    import torch

    return torch.softmax(torch.as_tensor(np.asarray(logits, dtype=float)) / temperature, dim=-1)


def _by_ratios(logits, temperature):
    # Against class j, class i has the odds exp((z_i − z_j) / T): the probability is one over the sum of the odds.
    rows = np.asarray(logits, dtype=float)
    with np.errstate(over="ignore"):
        odds = np.exp((rows[:, :, None] - rows[:, None, :]) / temperature)
        return 1 / odds.sum(axis=1)


def _by_logs(logits, temperature):
    from scipy.special import logsumexp

    found = []
    for row in logits:
        scaled = [float(logit) / temperature for logit in row]
        found.append([np.exp(one - logsumexp(scaled)) for one in scaled])
    return found


def _variant(logits, temperature, *, scale=np.divide, shift=None, axis=1):
    powers = scale(np.asarray(logits, dtype=float), temperature)
    with np.errstate(all="ignore"):
        powers = np.exp(powers - (0 if shift is None else shift(powers)))
        return powers / powers.sum(axis=axis, keepdims=axis is not None)


def _by_torch_in_single_precision(logits, temperature):
    import torch

    return torch.softmax(torch.tensor(logits, dtype=torch.float32) / temperature, dim=1).tolist()


def _by_powers(logits, temperature):
    logits = np.asarray(logits, dtype=float)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True)) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def _row_by_row(scaled):
    return scaled.max(axis=1, keepdims=True)


def _overflows(logits, temperature):
    return _variant(logits, temperature)


def _takes_the_mean(logits, temperature):
    return _variant(logits, temperature, shift=lambda scaled: scaled.mean(axis=1, keepdims=True))


def _one_largest(logits, temperature):
    return _variant(logits, temperature, shift=np.max)


def _cuts_off(logits, temperature):
    return _variant(logits, temperature, scale=lambda rows, warmth: np.clip(rows / warmth, -700, 700))


def _divides_the_largest_only(logits, temperature):
    rows = np.asarray(logits, dtype=float)
    return _variant(rows - rows.max(axis=1, keepdims=True) / temperature, 1.0)


def _multiplies(logits, temperature):
    return _variant(logits, temperature, scale=np.multiply, shift=_row_by_row)


def _forgets(logits, temperature):
    return _variant(logits, 1.0, shift=_row_by_row)


def _divides_probabilities(logits, temperature):
    return _variant(logits, 1.0, shift=_row_by_row) / temperature


def _over_everything(logits, temperature):
    return _variant(logits, temperature, shift=np.max, axis=None)


def _down_the_columns(logits, temperature):
    return _variant(logits, temperature, shift=lambda scaled: scaled.max(axis=0), axis=0)


def _cases(rng):
    shapes = ((3, 5), (4, 2), (1, 7))
    cases = [Case(args=(3 * rng.normal(size=shape), float(rng.uniform(0.5, 8)))) for shape in shapes]
    far = 3 * rng.normal(size=(3, 4)) + np.array([[2000.0], [0.0], [-3000.0]])
    return (*cases, Case(args=(far, 1.5)), Case(args=(rng.normal(size=(2, 3)), 0.001)))


register(
    Exercise(
        id="distillation.soften",
        lesson="10_distillation",
        title="Probabilities at a temperature",
        difficulty=2,
        minutes=8,
        question="Give the probabilities of each row of logits at a temperature, for logits of any size.",
        reference=soften,
        tolerance=5e-4,  # in single precision a logit of 2000 is no better than this
        public=(
            Case(args=([[4.0, 2.0, 0.0]], 2.0), note="the row of the table, at temperature 2"),
            Case(args=([[4.0, 2.0, 0.0], [0.0, 0.0, 3.0]], 1.0), note="two rows: each adds up to 1"),
            Case(args=([[1000.0, 998.0]], 1.0), note="large logits"),
            Case(args=([[1000.0, 998.0], [0.0, 2.0]], 1.0), note="one row large, one small"),
            Case(args=([[3000.0, 0.0, 0.0]], 2.0), note="one logit far above the others of its row"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="exp overflows",
                answer=_overflows,
                hint="exp of a large logit is infinity, and infinity over infinity is NaN. Adding the same number to "
                "all logits of a row changes nothing: which number keeps the exponents small?",
            ),
            Misconception(
                name="takes the mean away",
                answer=_takes_the_mean,
                hint="You take the row's mean away. That keeps the shares, but a logit far above the mean still "
                "overflows. Which number would leave no exponent above zero?",
            ),
            Misconception(
                name="cuts off large logits",
                answer=_cuts_off,
                hint="You cut large logits off, and two that were different become alike. Only their distances count: "
                "which number can you take away from all logits of a row?",
            ),
            Misconception(
                name="divides the largest only",
                answer=_divides_the_largest_only,
                hint="Only the number that you take away is divided by T, and the logits are not. A division goes "
                "before a minus: is there a pair of brackets missing?",
            ),
            Misconception(
                name="one largest for all rows",
                answer=_one_largest,
                hint="You take the largest logit of all rows away from every row. A row far below it becomes zero "
                "everywhere, and zero over zero is NaN. Each row has its own largest.",
            ),
            Misconception(
                name="multiplies by the temperature",
                answer=_multiplies,
                hint="Your probabilities become sharper when it gets warmer. A high temperature should bring logits "
                "closer together.",
            ),
            Misconception(
                name="forgets the temperature",
                answer=_forgets,
                hint="That is the plain softmax, right at temperature 1 only. Where does T come in? (A "
                "factor on all exponentials cancels in the sum.)",
            ),
            Misconception(
                name="divides the probabilities",
                answer=_divides_probabilities,
                hint="You divided the probabilities, and they no longer add up to 1. The temperature divides the "
                "logits, before the exponential.",
            ),
            Misconception(
                name="one sum for all rows",
                answer=_over_everything,
                hint="All your rows together add up to 1. Each row is a text with probabilities of its own.",
            ),
            Misconception(
                name="down the columns",
                answer=_down_the_columns,
                hint="You normalise down the columns: the texts share a topic. It should be the topics that share a "
                "text.",
            ),
        ),
        alternatives=(_by_torch, _by_ratios, _by_logs, _by_torch_in_single_precision, _by_powers),
        hints=(
            "Three steps for each row: divide by T, exponentiate, divide by the sum.",
            "exp overflows beyond about 709. Take the row's largest logit away first: the shares stay the same.",
            "numpy: `max` and `sum` with axis=1 and keepdims=True keep one number for each row.",
        ),
    )
)
