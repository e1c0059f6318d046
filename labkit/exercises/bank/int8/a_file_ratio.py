"""How many times smaller the whole file is, when only some of it is quantized."""

from fractions import Fraction

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def file_ratio(shapes, quantized):
    """How many times smaller a float32 file gets when the named matrices become int8 with a float32 scale a row."""
    before = after = 0
    for name, (rows, columns) in shapes.items():
        before += 4 * rows * columns
        after += rows * columns + 4 * rows if name in quantized else 4 * rows * columns
    return before / after


def _by_what_is_saved(shapes, quantized):
    before = sum(4 * rows * columns for rows, columns in shapes.values())
    saved = sum(3 * shapes[name][0] * shapes[name][1] - 4 * shapes[name][0] for name in quantized)
    return before / (before - saved)


def _by_arrays(shapes, quantized):
    rows, columns = np.array(list(shapes.values())).T
    small = np.array([name in quantized for name in shapes])
    return (4 * rows * columns).sum() / np.where(small, rows * columns + 4 * rows, 4 * rows * columns).sum()


def _only_the_quantized(shapes, quantized):
    return file_ratio({name: shapes[name] for name in quantized}, quantized)


def _with_scales(shapes, quantized, scales, *, each=4, for_all=False):
    """The ratio where a quantized matrix brings `scales(rows, columns)` scales of `each` bytes, as a fraction."""
    before = after = 0
    for name, (rows, columns) in shapes.items():
        before += 4 * rows * columns
        after += rows * columns if name in quantized else 4 * rows * columns
        after += each * scales(rows, columns) if for_all or name in quantized else 0
    return Fraction(before, after)


def _scales_are_free(shapes, quantized):
    return float(_with_scales(shapes, quantized, lambda rows, columns: 0))


def _mean_of_ratios(shapes, quantized):
    return float(np.mean([file_ratio({name: shape}, quantized) for name, shape in shapes.items()]))


def _always_four(shapes, quantized):
    return 4.0


def _one_scale_in_all(shapes, quantized):
    return float(_with_scales(shapes, quantized, lambda rows, columns: 1))


def _the_others_vanish(shapes, quantized):
    before = sum(4 * rows * columns for rows, columns in shapes.values())
    return before / sum(shapes[name][0] * shapes[name][1] + 4 * shapes[name][0] for name in quantized)


def _upside_down(shapes, quantized):
    return 1 / file_ratio(shapes, quantized)


def _a_scale_a_column(shapes, quantized):
    return float(_with_scales(shapes, quantized, lambda rows, columns: columns))


def _as_a_fraction(shapes, quantized):
    return _with_scales(shapes, quantized, lambda rows, columns: rows)


def _the_share_saved(shapes, quantized):
    return 1 - 1 / file_ratio(shapes, quantized)


def _a_byte_a_scale(shapes, quantized):
    return float(_with_scales(shapes, quantized, lambda rows, columns: rows, each=1))


def _scales_for_all(shapes, quantized):
    return float(_with_scales(shapes, quantized, lambda rows, columns: rows, for_all=True))


def _random(rng):
    def case():
        names = ["embedding", "query", "value", "up", "head"]
        shapes = {name: tuple(int(n) for n in rng.integers(2, 60, size=2)) for name in names}
        return Case(args=(shapes, [str(name) for name in rng.permutation(names)[: rng.integers(1, 4)]]))

    return tuple(case() for _ in range(5))


_SHAPES = {"embedding": (30, 10), "layer": (20, 10)}

register(
    Exercise(
        id="int8.file_ratio",
        lesson="06_bert_int8",
        title="How many times smaller, all of it counted",
        difficulty=1,
        minutes=6,
        question="Compute how many times smaller the whole float32 file becomes when the named matrices are stored as "
        "int8 with one float32 scale a row, and the others stay as they are.",
        reference=file_ratio,
        public=(
            Case(args=(_SHAPES, ["layer"]), note="300 weights stay, 200 weights are quantized in 20 rows"),
            Case(args=(_SHAPES, ["embedding", "layer"]), note="everything is quantized: not quite four"),
            Case(args=(_SHAPES, []), note="nothing is quantized"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="counts the quantized matrices only",
                answer=_only_the_quantized,
                hint="You divide the quantized matrices by themselves and leave the others out. The disk holds "
                "them too.",
            ),
            Misconception(
                name="forgets what is not quantized",
                answer=_the_others_vanish,
                hint="Your file after quantization holds the quantized matrices only. Where did the others go?",
            ),
            Misconception(
                name="scales are free",
                answer=_scales_are_free,
                hint="The integers are right. But nobody can turn them back without the scales: 4 bytes a row.",
            ),
            Misconception(
                name="mean of the ratios",
                answer=_mean_of_ratios,
                hint="You average one ratio a matrix, as if all were of one size. Add up bytes first, divide once.",
            ),
            Misconception(
                name="four times, always",
                answer=_always_four,
                hint="32 bits over 8 bits is four, for a weight that is quantized. What of the other weights?",
            ),
            Misconception(
                name="one scale a matrix",
                answer=_one_scale_in_all,
                hint="You count one scale for a whole matrix. Here each row has its own.",
            ),
            Misconception(
                name="one scale a column",
                answer=_a_scale_a_column,
                hint="You count one scale a column. Here each row has its own, and a matrix need not be square.",
            ),
            Misconception(
                name="after over before",
                answer=_upside_down,
                hint="You divide what is left by what was there. Something three times smaller has the ratio 3.",
            ),
            Misconception(
                name="a Fraction",
                answer=_as_a_fraction,
                hint="The value is right, and exact. The check compares plain numbers: turn the Fraction into a float.",
            ),
            Misconception(
                name="the share that is saved",
                answer=_the_share_saved,
                hint="You return the share of the bytes that is saved. Asked is how many times smaller: what was "
                "there over what is left.",
            ),
            Misconception(
                name="one byte a scale",
                answer=_a_byte_a_scale,
                hint="You count one byte for a scale. It is a float32.",
            ),
            Misconception(
                name="scales for all matrices",
                answer=_scales_for_all,
                hint="You count scales for the matrices that stay as they are, too. They need none.",
            ),
        ),
        alternatives=(_by_what_is_saved, _by_arrays),
        hints=(
            "Count the bytes of the whole file twice: before and after.",
            "A matrix of r rows and c columns takes 4·r·c bytes before. How many integers and how many scales after?",
            "After: r·c + 4·r bytes where the name is among the quantized ones, 4·r·c elsewhere. Then divide the sums.",
        ),
    )
)
