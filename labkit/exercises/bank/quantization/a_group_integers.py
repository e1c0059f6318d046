"""Symmetric rounding by hand: a scale for each group of neighbours, and an integer for each weight."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def group_integers(row, bits, group):
    """The integers of a row, and one scale for each group of neighbours."""
    row, top = np.asarray(row, dtype=float), 2 ** (bits - 1) - 1
    integers, scales = np.zeros(len(row), dtype=int), []
    for start in range(0, len(row), group):
        part = row[start : start + group]  # the last one may be shorter
        scale = np.abs(part).max() / top or 1.0  # a group of zeros gets scale 1
        integers[start : start + group] = np.round(part / scale)
        scales.append(scale)
    return integers, np.array(scales)


def _by_padding(row, bits, group):
    row, top = np.asarray(row, dtype=float), 2 ** (bits - 1) - 1
    padded = np.pad(row, (0, -len(row) % group)).reshape(-1, group)
    scales = np.abs(padded).max(axis=1) / top
    scales[scales == 0] = 1
    return np.rint(padded / scales[:, None]).astype(int).ravel()[: len(row)], scales


def _by_plain_python(row, bits, group):
    top, integers, scales = 2 ** (bits - 1) - 1, [], []
    for i, weight in enumerate(row):
        if i % group == 0:
            largest = max(abs(other) for other in row[i : i + group])
            scales.append(largest / top if largest else 1.0)
        integers.append(round(weight / scales[-1]))
    return integers, scales


def _variant(row, bits, group, *, top=None, size=np.abs, rounding=np.round, zero=1.0):
    row, top = np.asarray(row, dtype=float), 2 ** (bits - 1) - 1 if top is None else top
    integers, scales = np.zeros(len(row)), []
    with np.errstate(all="ignore"):
        for start in range(0, len(row), group):
            part = row[start : start + group]
            scale = size(part).max() / top
            scale = scale if scale else np.float64(zero)
            integers[start : start + group] = rounding(part / scale)
            scales.append(scale)
    return integers, np.array(scales)


def _scale_zero(row, bits, group, *, integer=0):
    row, top = np.asarray(row, dtype=float), 2 ** (bits - 1) - 1
    integers, scales = _variant(row, bits, group)
    for place, start in enumerate(range(0, len(row), group)):
        if not row[start : start + group].any():
            integers[start : start + group], scales[place] = integer, np.abs(row[start : start + group]).max() / top
    return integers, scales


def _nan_as_integer(row, bits, group):
    return _scale_zero(row, bits, group, integer=np.iinfo(np.int64).min)  # what most processors make of NaN


def _affine(row, bits, group):
    row, integers, scales = np.asarray(row, dtype=float), np.zeros(len(row)), []
    for start in range(0, len(row), group):
        part = row[start : start + group]
        bottom, top = min(part.min(), 0.0), max(part.max(), 0.0)
        scales.append((top - bottom) / (2**bits - 1) or 1.0)
        zero = np.round(-(2 ** (bits - 1)) - bottom / scales[-1])
        integers[start : start + group] = np.round(part / scales[-1]) + zero
    return integers, np.array(scales)


def _back(row, bits, group):
    integers, scales = group_integers(row, bits, group)
    return integers * np.repeat(scales, group)[: len(integers)], scales


def _drops_the_rest(row, bits, group):
    row = np.asarray(row, dtype=float)
    whole = len(row) // group * group
    return _variant(row[:whole], bits, group)


def _cases(rng):
    rows = [rng.normal(size=n) for n in (12, 10, 7, 5)]
    rows[1][4:8] = 0.0
    return tuple(
        Case(args=(row, int(bits), int(group)))
        for row, bits, group in zip(rows, (4, 3, 8, 2), (4, 4, 3, 9), strict=True)
    )


register(
    Exercise(
        id="quantization.group_integers",
        lesson="05_quantization",
        title="A scale for each group",
        difficulty=2,
        minutes=10,
        question="Round a row symmetrically: return the integers, and one scale for each group of neighbours. A group "
        "of zeros gets scale 1.",
        reference=group_integers,
        public=(
            Case(args=([0.7, -0.2, 0.04, 0.31], 4, 4), note="the four weights of the table"),
            Case(args=([0.7, -0.2, 0.04, -0.31], 4, 2), note="two groups: the second has small weights only"),
            Case(args=([0.3, -0.9, 0.6, 0.0, 0.0, 0.5], 3, 4), note="six weights in groups of four"),
            Case(args=([0.0, 0.0, 0.1, 0.03], 4, 2), note="a group of zeros"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="one level too many",
                answer=lambda row, bits, group: _variant(row, bits, group, top=2 ** (bits - 1)),
                hint="Your largest integer is 2^(bits − 1). With 4 bits that would be 8, and four bits with a sign "
                "hold −8 to 7: which largest number do both sides have?",
            ),
            Misconception(
                name="the largest value instead of the largest size",
                answer=lambda row, bits, group: _variant(row, bits, group, size=lambda part: part),
                hint="You take the largest weight with its sign. Where the weight that sticks out is negative, the "
                "grid does not reach it.",
            ),
            Misconception(
                name="one scale for the whole row",
                answer=lambda row, bits, group: _variant(row, bits, len(row)),
                hint="You used a single scale. Each group of neighbours has its own, made from its own largest weight.",
            ),
            Misconception(
                name="cuts the fraction off",
                answer=lambda row, bits, group: _variant(row, bits, group, rounding=np.trunc),
                hint="You cut off what comes after the point, so errors reach a whole step. Take the nearest integer.",
            ),
            Misconception(
                name="rounds down",
                answer=lambda row, bits, group: _variant(row, bits, group, rounding=np.floor),
                hint="You always round down, so errors reach a whole step and all have the same sign. Take the nearest "
                "integer.",
            ),
            Misconception(
                name="the affine scheme",
                answer=_affine,
                hint="Your grid runs from the smallest weight of a group to its largest, with a zero point. The "
                "symmetric one has zero in the middle, and reaches as far to both sides.",
            ),
            Misconception(
                name="gives the weights back",
                answer=_back,
                hint="You multiplied by the scale again: those are the rounded weights. What is stored are the "
                "integers.",
            ),
            Misconception(
                name="drops the last, shorter group",
                answer=_drops_the_rest,
                hint="Some weights are missing at the end: the last group of a row may be shorter than the others, "
                "and has a scale as well.",
            ),
            Misconception(
                name="NaN for a group of zeros",
                answer=lambda row, bits, group: _variant(row, bits, group, zero=0.0),
                hint="In a group of zeros you divide zero by zero, and NaN comes out. Such a group gets scale 1.",
            ),
            Misconception(
                name="NaN made an integer",
                answer=_nan_as_integer,
                hint="In a group of zeros you divide zero by zero. That is NaN, and the cast makes a huge negative "
                "integer of it. Such a group gets scale 1.",
            ),
            Misconception(
                name="scale zero for a group of zeros",
                answer=_scale_zero,
                hint="The integers of a group of zeros are right. Its scale is zero in your answer, or next to it; the "
                "exercise asks for scale 1 there, a number that anybody can divide by.",
            ),
        ),
        alternatives=(_by_padding, _by_plain_python),
        hints=(
            "Walk through the row in steps of `group`. Each part gives one scale and as many integers as it is long.",
            "The scale is the largest size in the group over the largest integer, 2^(bits − 1) − 1.",
            "Divide the part by its scale and round to the nearest integer. Give a group of zeros its scale 1 before "
            "you divide.",
        ),
    )
)
