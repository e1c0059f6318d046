"""What a rounded matrix costs: integers, scales and zero points."""

import math

from labkit.exercises import Case, Exercise, Misconception, register


def stored_bits(rows, columns, bits, group, affine):
    """The bits of a rounded matrix: its integers, and for each group a 16-bit scale and perhaps an 8-bit zero point."""
    groups = rows * math.ceil(columns / group)  # a group does not run on into the next row
    each = 24 if affine else 16
    return rows * columns * bits + groups * each


def _by_loops(rows, columns, bits, group, affine):
    total = 0
    for _ in range(rows):
        for start in range(0, columns, group):
            total += bits * min(group, columns - start) + 16
            if affine:
                total += 8
    return total


def _by_a_weight(rows, columns, bits, group, affine):
    groups = -(-columns // group)
    return rows * columns * (bits + groups * (16 + 8 * bool(affine)) / columns)


def _free_scales(rows, columns, bits, group, affine):
    return rows * columns * bits


def _across_rows(rows, columns, bits, group, affine):
    return rows * columns * bits + math.ceil(rows * columns / group) * (24 if affine else 16)


def _whole_groups_only(rows, columns, bits, group, affine):
    return rows * columns * bits + rows * (columns // group) * (24 if affine else 16)


def _free_zeros(rows, columns, bits, group, affine):
    return rows * columns * bits + rows * math.ceil(columns / group) * 16


def _one_scale(rows, columns, bits, group, affine):
    return rows * columns * bits + (24 if affine else 16)


def _a_scale_a_weight(rows, columns, bits, group, affine):
    return rows * columns * (bits + (24 if affine else 16))


def _parts_of_a_group(rows, columns, bits, group, affine):
    return rows * columns * (bits + (24 if affine else 16) / group)


def _long_scales(rows, columns, bits, group, affine):
    return rows * columns * bits + rows * math.ceil(columns / group) * (40 if affine else 32)


def _a_scale_a_row(rows, columns, bits, group, affine):
    return rows * columns * bits + rows * (24 if affine else 16)


def _cases(rng):
    found = []
    for affine in (False, True, False, True, True):
        rows, columns = (int(n) for n in rng.integers(3, 90, size=2))
        found.append(Case(args=(rows, columns, int(rng.integers(2, 9)), int(rng.integers(5, 65)), affine)))
    return (*found, Case(args=(11, 50, 3, 16, True)))


register(
    Exercise(
        id="quantization.stored_bits",
        lesson="05_quantization",
        title="What the scales cost",
        difficulty=1,
        minutes=6,
        question="Count the bits of a matrix whose rows are rounded in groups: integers, a 16-bit scale for each "
        "group, and in the affine scheme an 8-bit zero point too.",
        reference=stored_bits,
        public=(
            Case(args=(2, 8, 4, 4, False), note="two rows with two groups each: 64 bits, and 4 scales"),
            Case(args=(2, 8, 4, 4, True), note="the same with zero points"),
            Case(args=(3, 10, 4, 4, False), note="ten weights in groups of four"),
            Case(args=(384, 1536, 4, 64, False), note="a matrix of our model"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="the scales cost nothing",
                answer=_free_scales,
                hint="You count the integers only. Nobody can turn an integer back into a weight without its scale.",
            ),
            Misconception(
                name="groups run on into the next row",
                answer=_across_rows,
                hint="You divided all weights of the matrix into groups. A group ends with its row: how many groups "
                "has one row?",
            ),
            Misconception(
                name="whole groups only",
                answer=_whole_groups_only,
                hint="The last group of a row may be shorter. It has a scale all the same.",
            ),
            Misconception(
                name="zero points cost nothing",
                answer=_free_zeros,
                hint="In the affine scheme each group stores a zero point beside its scale.",
            ),
            Misconception(
                name="one scale for the matrix",
                answer=_one_scale,
                hint="You counted a single scale. There is one for each group of each row.",
            ),
            Misconception(
                name="parts of a group",
                answer=_parts_of_a_group,
                hint="You divided the scale's bits by the size of a group and shared them out among the weights. Where "
                "the last group of a row is shorter, its scale is as long as any other.",
            ),
            Misconception(
                name="32-bit scales",
                answer=_long_scales,
                hint="You counted 32 bits for a scale. Here a scale has 16.",
            ),
            Misconception(
                name="a scale for each row",
                answer=_a_scale_a_row,
                hint="You counted one scale a row. How many groups has a row?",
            ),
            Misconception(
                name="bytes",
                answer=lambda *args: stored_bits(*args) / 8,
                hint="You divided by eight: those are bytes. Asked for are bits.",
            ),
            Misconception(
                name="bits a weight",
                answer=lambda rows, columns, *args: stored_bits(rows, columns, *args) / (rows * columns),
                hint="You divided by the number of weights. Asked for are the bits of the whole matrix; the cell below "
                "does the division.",
            ),
            Misconception(
                name="a scale for each weight",
                answer=_a_scale_a_weight,
                hint="You counted a scale for every weight; then rounding would save nothing. A group shares one.",
            ),
        ),
        alternatives=(_by_loops, _by_a_weight),
        hints=(
            "Two sums: what the weights cost, and what the groups cost.",
            "How many groups has a row of 10 weights in groups of 4?",
            "rows · columns · bits for the integers; then 16 or 24 bits for each of rows · ⌈columns / group⌉ groups.",
        ),
    )
)
