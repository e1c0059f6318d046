"""A scale for each token, so that no text depends on its neighbours."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def token_scales(x):
    """Round each row of x to integers from −127 to 127 with a scale of its own; give integers and scales."""
    largest = np.abs(x).max(axis=1)
    scales = np.where(largest > 0, largest / 127, 1.0)  # a row of zeros has nothing to scale
    integers = np.round(x / scales[:, None]).astype(np.int8)
    return integers, scales


def _by_torch(x):
    import torch

    rows = torch.as_tensor(x)
    scales = rows.abs().amax(dim=1) / 127
    scales[scales == 0] = 1.0
    return (rows / scales.unsqueeze(1)).round().to(torch.int8), scales


def _by_rows(x):
    integers, scales = [], []
    for row in x:
        scale = max(abs(float(value)) for value in row) / 127 or 1.0
        integers.append([round(float(value) / scale) for value in row])
        scales.append(scale)
    return integers, scales


def _one_scale_for_the_batch(x):
    scale = np.abs(x).max() / 127 or 1.0
    return np.round(x / scale).astype(np.int8), np.full(len(x), scale)


def _scale_a_column(x):
    largest = np.abs(x).max(axis=0)
    scales = np.where(largest > 0, largest / 127, 1.0)
    return np.round(x / scales).astype(np.int8), scales


def _divides_by_128(x):
    largest = np.abs(x).max(axis=1)
    scales = np.where(largest > 0, largest / 128, 1.0)
    return np.round(x / scales[:, None]).astype(np.int16).astype(np.int8), scales


def _cuts_off(x):
    _, scales = token_scales(x)
    return np.trunc(x / scales[:, None]).astype(np.int8), scales


def _nan_for_zeros(x):
    with np.errstate(all="ignore"):
        scales = np.abs(x).max(axis=1) / 127
        return np.nan_to_num(np.round(x / scales[:, None])).astype(np.int8), scales


def _signed_maximum(x):
    scales = np.where(x.max(axis=1) > 0, x.max(axis=1) / 127, 1.0)
    return np.clip(np.round(x / scales[:, None]), -127, 127).astype(np.int8), scales


def _rounds_down(x):
    _, scales = token_scales(x)
    return np.floor(x / scales[:, None]).astype(np.int8), scales


def _range_over_255(x):
    width = x.max(axis=1) - x.min(axis=1)
    scales = np.where(width > 0, width / 255, 1.0)
    return np.round(x / scales[:, None]).clip(-127, 127), scales


def _scales_upside_down(x):
    integers, scales = token_scales(x)
    return integers, 1 / scales


def _signed_maximum_without_a_clip(x):
    scales = x.max(axis=1) / 127
    scales = np.where(scales == 0, 1.0, scales)
    return np.round(x / scales[:, None]), scales


def _random(rng):
    cases = [Case(args=(rng.normal(size=shape) * rng.uniform(0.1, 9, size=(shape[0], 1)),))
             for shape in ((3, 8), (5, 4), (6, 6))]  # fmt: skip
    with_zeros = rng.normal(size=(4, 5))
    with_zeros[2] = 0.0
    return (*cases, Case(args=(with_zeros,)), Case(args=(np.array([[0.2, -4.0, 1.0], [0.5, -0.1, -0.9]]),)))


register(
    Exercise(
        id="int8.token_scales",
        lesson="06_bert_int8",
        title="One scale a token",
        difficulty=2,
        minutes=8,
        question="Round each row of x symmetrically to integers from −127 to 127 with a scale of its own; return the "
        "integers and the scales. A row of zeros gets scale 1.",
        reference=token_scales,
        public=(
            Case(args=(np.array([[1.27, -0.64, 0.3]]),), note="one row: its scale is 0.01"),
            Case(args=(np.array([[1.27, -0.64, 0.3], [-12.7, 3.14, 0.0]]),), note="the same row beside a large one"),
            Case(args=(np.zeros((2, 3)),), note="rows of zeros"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="one scale for the whole batch",
                answer=_one_scale_for_the_batch,
                hint="You take the largest size of the whole array. Compare the first row in the first two examples: "
                "it is the same text, and must not change with its neighbour.",
            ),
            Misconception(
                name="one scale a column",
                answer=_scale_a_column,
                hint="You take the largest size of each column. A column is one feature of all tokens: it too changes "
                "with the neighbours.",
            ),
            Misconception(
                name="divides by 128",
                answer=_divides_by_128,
                hint="With a scale of max/128 the largest number becomes 128, and int8 ends at 127: it wraps to −128.",
            ),
            Misconception(
                name="cuts the fraction off",
                answer=_cuts_off,
                hint="Turning a float into int8 cuts its fraction off. Round to the nearest integer first.",
            ),
            Misconception(
                name="divides zeros by zero",
                answer=_nan_for_zeros,
                hint="A row of zeros has scale 0 with you, or nearly 0, and dividing by 0 gives NaN. Which scale does "
                "the question ask for there?",
            ),
            Misconception(
                name="the largest value instead of the largest size",
                answer=_signed_maximum,
                hint="You scale by the largest value. A row with a large negative number is then clipped.",
            ),
            Misconception(
                name="rounds down",
                answer=_rounds_down,
                hint="You round down: −0.2 becomes −1. Take the nearest integer.",
            ),
            Misconception(
                name="the range over 255",
                answer=_range_over_255,
                hint="You divide the range of a row, from its lowest to its highest, into 255 steps. That fits "
                "with a zero point. Here 0 stays 0, and the largest size becomes 127.",
            ),
            Misconception(
                name="scales upside down",
                answer=_scales_upside_down,
                hint="Your integers are right. But a scale is what one step stands for: integer times scale gives "
                "the number back.",
            ),
            Misconception(
                name="the largest value, and nothing is clipped",
                answer=_signed_maximum_without_a_clip,
                hint="You scale by the largest value of a row. Its largest size may belong to a negative number, "
                "which then gets an integer beyond −127, or loses its sign where all are negative.",
            ),
        ),
        alternatives=(_by_torch, _by_rows),
        hints=(
            "A row is a token. Which axis do you take the maximum over?",
            "scale = (largest size of the row) / 127, and 1 where that is zero.",
            "Divide by scales[:, None], so that each row meets its own scale; round; then turn into int8.",
        ),
    )
)
