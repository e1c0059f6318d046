"""A matrix product that is computed in integers, and scaled once at the end."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def integer_matmul(a, b, a_scale, a_zero, b_scales):
    """The product of a_scale·(a − a_zero) and b·b_scales, computed in 32-bit integers and scaled at the end."""
    wide = b.astype(np.int32)
    total = a.astype(np.int32) @ wide  # 8-bit numbers in, 32-bit sums out
    total = total - np.int32(a_zero) * wide.sum(axis=0)  # what the zero point added to every row
    return a_scale * b_scales * total


def _shift_first(a, b, a_scale, a_zero, b_scales):
    shifted = a.astype(np.int64) - int(a_zero)
    return (shifted @ b.astype(np.int64)) * (a_scale * b_scales)[None, :]


def _by_torch(a, b, a_scale, a_zero, b_scales):
    import torch

    left = torch.as_tensor(a).int() - int(a_zero)
    return a_scale * torch.as_tensor(b_scales) * (left @ torch.as_tensor(b).int())


def _by_loops(a, b, a_scale, a_zero, b_scales):
    out = np.zeros((len(a), b.shape[1]))
    for i in range(len(a)):
        for j in range(b.shape[1]):
            total = sum((int(x) - int(a_zero)) * int(w) for x, w in zip(a[i], b[:, j], strict=True))
            out[i, j] = a_scale * b_scales[j] * total
    return out


def _sums_in_int8(a, b, a_scale, a_zero, b_scales):
    left = (a.astype(np.int16) - a_zero).astype(np.int8)
    return a_scale * b_scales * (left @ b.astype(np.int8))


def _sums_in_int16(a, b, a_scale, a_zero, b_scales):
    return a_scale * b_scales * ((a.astype(np.int16) - np.int16(a_zero)) @ b.astype(np.int16))


def _forgets_the_zero_point(a, b, a_scale, a_zero, b_scales):
    return a_scale * b_scales * (a.astype(np.int32) @ b.astype(np.int32))


def _corrects_by_one_zero(a, b, a_scale, a_zero, b_scales):
    return a_scale * b_scales * (a.astype(np.int32) @ b.astype(np.int32) - np.int32(a_zero))


def _one_scale_for_all_columns(a, b, a_scale, a_zero, b_scales):
    return integer_matmul(a, b, a_scale, a_zero, np.full_like(b_scales, b_scales.max()))


def _forgets_a_scale(a, b, a_scale, a_zero, b_scales):
    return integer_matmul(a, b, 1.0, a_zero, b_scales)


def _forgets_the_weight_scales(a, b, a_scale, a_zero, b_scales):
    return integer_matmul(a, b, a_scale, a_zero, np.ones_like(b_scales))


def _adds_the_zero_point(a, b, a_scale, a_zero, b_scales):
    return integer_matmul(a, b, a_scale, -a_zero, b_scales)


def _subtracts_in_uint8(a, b, a_scale, a_zero, b_scales):
    shifted = a - np.uint8(a_zero)
    return a_scale * b_scales * (shifted.astype(np.int32) @ b.astype(np.int32))


def _widens_nothing(a, b, a_scale, a_zero, b_scales):
    return a_scale * b_scales * ((a - np.uint8(a_zero)) @ b)


def _multiplies_before_it_widens(a, b, a_scale, a_zero, b_scales):
    return a_scale * b_scales * ((a @ b).astype(np.int64) - a_zero * b.sum(axis=0, dtype=np.int64))


def _adds_the_scales(a, b, a_scale, a_zero, b_scales):
    return integer_matmul(a, b, 1.0, a_zero, a_scale + b_scales)


def _forgets_all_scales(a, b, a_scale, a_zero, b_scales):
    return integer_matmul(a, b, 1.0, a_zero, np.ones_like(b_scales))


def _sums_all_of_b(a, b, a_scale, a_zero, b_scales):
    return a_scale * b_scales * (a.astype(np.int64) @ b.astype(np.int64) - a_zero * b.sum(dtype=np.int64))


def _sums_the_rows_of_a(a, b, a_scale, a_zero, b_scales):
    left = a.astype(np.int64)
    return a_scale * b_scales * (left @ b.astype(np.int64) - a_zero * left.sum(axis=1, keepdims=True))


def _a_becomes_int8(a, b, a_scale, a_zero, b_scales):
    return a_scale * b_scales * ((a.astype(np.int8).astype(np.int64) - a_zero) @ b.astype(np.int64))


def _case(rng, rows, inner, columns, note=""):
    a = rng.integers(0, 256, size=(rows, inner)).astype(np.uint8)
    b = rng.integers(-127, 128, size=(inner, columns)).astype(np.int8)
    scales = rng.uniform(0.001, 0.01, size=columns)
    return Case(args=(a, b, float(rng.uniform(0.01, 0.05)), int(rng.integers(90, 170)), scales), note=note)


def _random(rng):
    return tuple(_case(rng, *shape) for shape in ((2, 8, 3), (4, 64, 5), (1, 384, 4), (3, 300, 2)))


register(
    Exercise(
        id="int8.integer_matmul",
        lesson="06_bert_int8",
        title="A product in integers",
        difficulty=3,
        minutes=12,
        question="Multiply a (uint8, rows × n, one scale and zero point) by b (int8, n × columns, one scale a column, "
        "zero point 0): integers first, scales at the end; return the real-valued product.",
        reference=integer_matmul,
        public=(
            Case(
                args=(
                    np.array([[138, 118], [128, 148]], np.uint8),
                    np.array([[50, -20], [10, 40]], np.int8),
                    0.1,
                    128,
                    np.array([0.02, 0.01]),
                ),
                note="the example of the lesson: the zero point 128 stands for 0",
            ),
            Case(
                args=(
                    np.full((1, 300), 255, np.uint8),
                    np.full((300, 1), 127, np.int8),
                    0.01,
                    100,
                    np.array([0.01]),
                ),
                note="300 large terms: where does the sum still fit?",
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="sums in 8 bits",
                answer=_sums_in_int8,
                hint="Your sums wrap around: NumPy multiplies int8 by int8 in int8, which ends at 127. Each single "
                "product already needs 16 bits.",
            ),
            Misconception(
                name="sums in 16 bits",
                answer=_sums_in_int16,
                hint="Each product fits into 16 bits, but a sum of hundreds of them does not. Which width holds it?",
            ),
            Misconception(
                name="forgets the zero point",
                answer=_forgets_the_zero_point,
                hint="You multiply the stored integers as if 0 meant zero. In `a`, a_zero stands for zero, so "
                "every sum is off by something that you can compute.",
            ),
            Misconception(
                name="subtracts the zero point once",
                answer=_corrects_by_one_zero,
                hint="You take the zero point off the sum once. It sits in each term, times that term's weight.",
            ),
            Misconception(
                name="one weight scale for all columns",
                answer=_one_scale_for_all_columns,
                hint="You use the largest scale for all columns. Each column of b was divided by its own.",
            ),
            Misconception(
                name="forgets the scale of a",
                answer=_forgets_a_scale,
                hint="The columns are right up to one factor: both sides were divided by a scale, so both come back.",
            ),
            Misconception(
                name="adds the scales",
                answer=_adds_the_scales,
                hint="You add the two scales. (s·x)·(t·y) is what times x·y?",
            ),
            Misconception(
                name="forgets the scales of b",
                answer=_forgets_the_weight_scales,
                hint="Each column of your result is off by a factor of its own: each column of b was divided by a "
                "scale too.",
            ),
            Misconception(
                name="adds the zero point",
                answer=_adds_the_zero_point,
                hint="You add what the zero point did. It made every stored number of a too large, by a_zero: take "
                "that off.",
            ),
            Misconception(
                name="subtracts in uint8",
                answer=_subtracts_in_uint8,
                hint="uint8 has no negative numbers: 118 − 128 becomes 246. Widen before you subtract.",
            ),
            Misconception(
                name="widens nothing",
                answer=_widens_nothing,
                hint="uint8 has no negative numbers: 118 − 128 becomes 246. And NumPy multiplies uint8 by int8 in 16 "
                "bits, sums included. Widen both before you compute anything.",
            ),
            Misconception(
                name="multiplies before it widens",
                answer=_multiplies_before_it_widens,
                hint="NumPy multiplies uint8 by int8 in 16 bits, sums included: hundreds of large terms wrap around. "
                "Widen both before you multiply.",
            ),
            Misconception(
                name="forgets all scales",
                answer=_forgets_all_scales,
                hint="Your integers are right. They still have to be scaled back, by both scales.",
            ),
            Misconception(
                name="sums all of b",
                answer=_sums_all_of_b,
                hint="You take the same off every column, the sum of the whole of b. What the zero point added to "
                "a column depends on the weights of that column.",
            ),
            Misconception(
                name="sums the rows of a",
                answer=_sums_the_rows_of_a,
                hint="You multiply the zero point by sums over a. It belongs to a, so each term carries it times a "
                "weight: sum the weights.",
            ),
            Misconception(
                name="turns a into int8",
                answer=_a_becomes_int8,
                hint="You turn a into int8, which ends at 127: 138 becomes −118. Widen a to more bits instead.",
            ),
        ),
        alternatives=(_shift_first, _by_torch, _by_loops),
        hints=(
            "Make both matrices wide integers before you multiply: .astype(np.int32).",
            "(a − z) @ b = a @ b − z · (the sum of each column of b). Either side of this will do.",
            "Multiply the integer result by a_scale and by b_scales; a vector of scales meets the columns by itself.",
        ),
        tolerance=1e-6,
    )
)
