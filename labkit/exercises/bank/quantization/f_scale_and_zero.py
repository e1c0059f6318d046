"""The listing's scale and zero point, mended: what `torch.quantize_per_tensor` wants for signed bytes."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def scale_and_zero(smallest, largest):
    """The scale, and the whole number that stands for zero, on the integers −128 to 127."""
    bottom, top = min(smallest, 0.0), max(largest, 0.0)  # zero must be on the grid
    scale = (top - bottom) / 255
    return scale, round(-128 - bottom / scale)


def _by_numpy(smallest, largest):
    bottom, top = np.minimum([smallest, 0], 0).min(), np.maximum([largest, 0], 0).max()
    scale = (top - bottom) / (127 + 128)
    return float(scale), int(np.rint(-128 - bottom / scale))


def _from_the_top(smallest, largest):
    bottom, top = (smallest, largest) if smallest < 0 < largest else (min(smallest, 0), max(largest, 0))
    levels = np.linspace(bottom, top, 256)
    return levels[1] - levels[0], int(np.abs(levels).argmin()) - 128


def _variant(smallest, largest, *, steps=255, whole=True, low=-128, zero=True):
    bottom, top = (min(smallest, 0.0), max(largest, 0.0)) if zero else (smallest, largest)
    scale = (top - bottom) / steps
    found = low - bottom / scale
    return scale, round(found) if whole else found


def _wrong_sign(smallest, largest):
    bottom, top = min(smallest, 0.0), max(largest, 0.0)
    scale = (top - bottom) / 255
    return scale, round(-128 + bottom / scale)


def _cuts_off(smallest, largest):
    scale, found = _variant(smallest, largest, whole=False)
    return scale, int(round(found, 9))  # 9: so that a whole number stays what it is


def _swapped(smallest, largest):
    return scale_and_zero(smallest, largest)[::-1]


def _articles(smallest, largest):
    return 0.1, 0.1


def _symmetric(smallest, largest):
    return max(abs(smallest), abs(largest)) / 127, 0


def _cases(rng):
    found = [Case(args=(float(-rng.uniform(0.5, 3)), float(rng.uniform(0.5, 3)))) for _ in range(4)]
    return (*found, Case(args=(0.55, 2.11)), Case(args=(-7.03, -1.7)), Case(args=(-0.0031, 0.0122)))


register(
    Exercise(
        id="quantization.scale_and_zero",
        lesson="05_quantization",
        title="The listing, mended: scale and zero point",
        difficulty=2,
        minutes=8,
        question="For weights from smallest to largest, return the scale and the zero point of signed bytes, −128 to "
        "127: the grid runs from the smallest to the largest, zero included. PyTorch wants the zero point as an int.",
        reference=scale_and_zero,
        public=(
            Case(args=(-1.0, 1.55), note="255 steps of a hundredth"),
            Case(args=(0.5, 2.55), note="all weights are positive: zero still belongs on the grid"),
            Case(args=(-2.0, 0.3), note="mostly negative"),
            Case(args=(-0.6, 1.2), note="no zero point fits exactly"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="0.1 for everything",
                answer=_articles,
                hint="This is what the article's listing does: 0.1 and 0.1, whatever the weights are. The scale "
                "follows from their range, and no integer is 0.1.",
            ),
            Misconception(
                name="a fractional zero point",
                answer=lambda smallest, largest: _variant(smallest, largest, whole=False),
                hint="Your zero point is a fraction. It is the integer that stands for zero; PyTorch takes no other.",
            ),
            Misconception(
                name="cuts the zero point off",
                answer=_cuts_off,
                hint="You cut off what comes after the point of the zero point. Take the nearest integer: then the "
                "grid is shifted by half a step at most.",
            ),
            Misconception(
                name="below the lowest integer",
                answer=_wrong_sign,
                hint="Your zero point lies below −128 where there are negative weights. Zero lies *above* the smallest "
                "weight: which sign has what you add to −128?",
            ),
            Misconception(
                name="zero point first",
                answer=_swapped,
                hint="Both numbers are right. The scale comes first.",
            ),
            Misconception(
                name="counts from zero",
                answer=lambda smallest, largest: _variant(smallest, largest, low=0),
                hint="Your integers run from 0 to 255. Signed bytes begin at −128: there the smallest weight belongs.",
            ),
            Misconception(
                name="the symmetric scheme",
                answer=_symmetric,
                hint="You made a grid that reaches as far to both sides, with zero in the middle. Here it should run "
                "from the smallest weight to the largest.",
            ),
            Misconception(
                name="zero is left out",
                answer=lambda smallest, largest: _variant(smallest, largest, zero=False),
                hint="Where all weights have one sign your grid does not reach zero. Widen the range first.",
            ),
            Misconception(
                name="256 steps",
                answer=lambda smallest, largest: _variant(smallest, largest, steps=256),
                hint="There are 256 levels. How many gaps are between them?",
            ),
        ),
        alternatives=(_by_numpy, _from_the_top),
        hints=(
            "First the range, with zero in it. Then the scale. Then where zero lies.",
            "256 levels have 255 gaps: the scale is the range over 255.",
            "The smallest weight is integer −128. Zero lies −smallest / scale steps above it; make that whole.",
        ),
    )
)
