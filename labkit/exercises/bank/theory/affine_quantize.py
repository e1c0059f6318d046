"""Exercise 2.3: scale, zero point and round trip on an affine grid."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def affine_quantize(x, bits):
    """Scale, zero point and round trip of x on the integers 0 to 2**bits - 1."""
    x = np.asarray(x, dtype=float)
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bits - 1)
    zero_point = int(np.round(-low / scale))
    codes = np.clip(np.round(x / scale) + zero_point, 0, 2**bits - 1)
    return scale, zero_point, scale * (codes - zero_point)


def _affine_torch(x, bits):
    import torch

    x = torch.as_tensor(np.asarray(x, dtype=float))
    low, high = torch.clamp(x.min(), max=0.0), torch.clamp(x.max(), min=0.0)
    scale = (high - low) / (2**bits - 1)
    zero_point = torch.round(-low / scale)
    codes = torch.clamp(torch.round(x / scale + zero_point), 0, 2**bits - 1)
    return scale.item(), int(zero_point), (codes - zero_point) * scale


def _affine_nearest(x, bits):
    """Build all grid points, then take the nearest one for each number."""
    low, high = min(0.0, *map(float, x)), max(0.0, *map(float, x))
    scale = (high - low) / (2**bits - 1)
    zero_point = round(-low / scale)
    points = [scale * (q - zero_point) for q in range(2**bits)]
    return scale, zero_point, [min(points, key=lambda point: abs(point - value)) for value in x]


def _affine(x, bits, *, zero=True, steps=None, whole=True, rounding=np.round, subtract=True):
    x, steps = np.asarray(x, dtype=float), 2**bits - 1 if steps is None else steps
    low, high = (min(x.min(), 0.0), max(x.max(), 0.0)) if zero else (x.min(), x.max())
    scale = (high - low) / steps
    zero_point = np.round(-low / scale) if whole else -low / scale
    codes = np.clip(rounding(x / scale + zero_point), 0, 2**bits - 1)
    return scale, zero_point, scale * (codes - zero_point * subtract)


def _affine_article(x, bits):
    codes = np.clip(np.round(np.asarray(x, dtype=float) / 0.1 + 0.1), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return 0.1, 0.1, 0.1 * (codes - 0.1)


def _affine_symmetric(x, bits):
    x, top = np.asarray(x, dtype=float), 2 ** (bits - 1) - 1
    scale = np.abs(x).max() / top
    return scale, 0, scale * np.clip(np.round(x / scale), -top, top)


def _affine_cut_zero(x, bits):
    x = np.asarray(x, dtype=float)
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bits - 1)
    zero_point = int(-low / scale)
    codes = np.clip(np.round(x / scale) + zero_point, 0, 2**bits - 1)
    return scale, zero_point, scale * (codes - zero_point)


def _affine_from_the_smallest(x, bits):
    scale, zero_point, _ = affine_quantize(x, bits)
    x = np.asarray(x, dtype=float)
    low = min(x.min(), 0.0)
    return scale, zero_point, low + scale * np.round((x - low) / scale)


def _affine_cases(rng):
    """Around zero, far to one side, all negative, small and large numbers, few and many bits."""
    x = rng.normal(0.4, 1.0, size=40)
    return (
        Case(args=(x, 4)),
        Case(args=(x, 8)),
        Case(args=(rng.uniform(2.0, 5.0, size=25), 3)),
        Case(args=(rng.uniform(-700.0, -300.0, size=25), 5)),
        Case(args=((x * 1e-3).tolist(), 2)),
    )


register(
    Exercise(
        id="theory.affine_quantize",
        lesson="02_the_math",
        title="Scale, zero point, round trip",
        difficulty=3,
        minutes=12,
        question="For numbers x (not all zero) and the integers 0 to 2**bits − 1, return the scale, the "
        "whole zero point, and x after the round trip; the grid runs from the smallest to the largest of x "
        "and 0.",
        reference=affine_quantize,
        public=(
            Case(args=([-1.0, 0.2, 0.9, 2.0], 2), note="four grid points, one apart"),
            Case(args=([1.0, 2.2, 3.0], 2), note="all positive: zero still belongs on the grid"),
            Case(args=([-0.3, 0.1, 0.4, 1.0], 3), note="zero falls between two points until z is rounded"),
        ),
        hidden=_affine_cases,
        misconceptions=(
            Misconception(
                name="scale 0.1 and zero point 0.1 for everything",
                answer=_affine_article,
                hint="A fixed scale and zero point, as in the article's listing, do not know how large the "
                "numbers are, and a zero point of 0.1 is no integer. Compute both from x.",
            ),
            Misconception(
                name="fractional zero point",
                answer=lambda x, bits: _affine(x, bits, whole=False),
                hint="Your zero point is a fraction, so no integer stands for zero, and zeros do not "
                "survive. Which whole number is nearest?",
            ),
            Misconception(
                name="zero point cut off",
                answer=_affine_cut_zero,
                hint="Your zero point is whole, but it was cut off, as int() does. Which one is nearest?",
            ),
            Misconception(
                name="the grid begins exactly at the smallest number",
                answer=_affine_from_the_smallest,
                hint="Scale and zero point are right, but your numbers come back on a grid that begins exactly "
                "at the lower end and does not use z. Put x = 0 in: does 0 come back?",
            ),
            Misconception(
                name="2**bits steps",
                answer=lambda x, bits: _affine(x, bits, steps=2**bits),
                hint="You divide the range into 2**bits steps. How many gaps are there between 2**bits points?",
            ),
            Misconception(
                name="zero is left out of the range",
                answer=lambda x, bits: _affine(x, bits, zero=False),
                hint="Where all numbers have one sign, your range does not reach zero, and zero cannot be "
                "stored. Widen the range before you compute the scale.",
            ),
            Misconception(
                name="rounds down",
                answer=lambda x, bits: _affine(x, bits, rounding=np.floor),
                hint="You cut the fraction off, so errors reach a whole step and all have one sign. "
                "Round to the nearest integer.",
            ),
            Misconception(
                name="does not shift back",
                answer=lambda x, bits: _affine(x, bits, subtract=False),
                hint="The integers are right, but on the way back you multiply by the scale only. "
                "What does the integer z stand for?",
            ),
            Misconception(
                name="symmetric grid",
                answer=_affine_symmetric,
                hint="This is the symmetric scheme: the same reach on both sides and z = 0. Here the grid "
                "should run from the smallest to the largest number.",
            ),
        ),
        alternatives=(_affine_torch, _affine_nearest),
        hints=(
            "Draw the number line: the ends of the range, and 2**bits points spread evenly over it.",
            "The scale is the range over the number of gaps. The zero point is how many steps zero lies "
            "above the lower end, made whole.",
            "Going there: divide by the scale, round, add z, clip. Coming back: the same steps undone, last first.",
        ),
    )
)
