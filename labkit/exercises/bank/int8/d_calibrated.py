"""A range that is found once, on training text, and then stands still."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def calibrated(batches):
    """The scale and the zero point for uint8 that cover all that was seen in the batches, and zero."""
    low = min(0.0, *(float(batch.min()) for batch in batches))
    high = max(0.0, *(float(batch.max()) for batch in batches))
    scale = (high - low) / 255
    return scale, round(-low / scale)


def _by_concatenation(batches):
    seen = np.concatenate([np.ravel(batch) for batch in batches] + [np.zeros(1)])
    scale = (seen.max() - seen.min()) / 255
    return scale, int(np.round(-seen.min() / scale))


def _by_torch(batches):
    import torch

    seen = torch.cat([torch.as_tensor(batch).double().flatten() for batch in batches])
    low, high = seen.min().clamp(max=0), seen.max().clamp(min=0)
    scale = (high - low) / 255
    return scale, torch.round(-low / scale)


def _from(low, high, *, steps=255, whole=True):
    scale = (high - low) / steps
    return scale, round(-low / scale) if whole else -low / scale


def _range_of(batches):
    return min(0.0, *(float(b.min()) for b in batches)), max(0.0, *(float(b.max()) for b in batches))


def _last_batch_only(batches):
    return calibrated(batches[-1:] * 2)


def _mean_of_ranges(batches):
    lows, highs = [min(0.0, b.min()) for b in batches], [max(0.0, b.max()) for b in batches]
    return _from(float(np.mean(lows)), float(np.mean(highs)))


def _leaves_out_zero(batches):
    return _from(min(float(b.min()) for b in batches), max(float(b.max()) for b in batches))


def _symmetric(batches):
    low, high = _range_of(batches)
    return max(-low, high) / 127, 0


def _fractional_zero_point(batches):
    return _from(*_range_of(batches), whole=False)


def _zero_point_of_int8(batches):
    scale, zero = calibrated(batches)
    return scale, zero - 128


def _wrong_sign(batches):
    scale, zero = calibrated(batches)
    return scale, -zero


def _cuts_off(batches):
    scale, zero = _fractional_zero_point(batches)
    return scale, int(zero)


def _two_hundred_and_fifty_six_steps(batches):
    return _from(*_range_of(batches), steps=256)


def _first_batch_only(batches):
    return calibrated(batches[:1] * 2)


def _clips_the_zero_point(batches):
    scale, zero = _leaves_out_zero(batches)
    return scale, int(np.clip(zero, 0, 255))


def _half_of_the_steps(batches):
    return _from(*_range_of(batches), steps=127)


def _symmetric_around_128(batches):
    low, high = _range_of(batches)
    return 2 * max(-low, high) / 255, 128


def _mean_of_scales(batches):
    scales, zeros = zip(*(calibrated([batch] * 2) for batch in batches), strict=True)
    return float(np.mean(scales)), round(float(np.mean(zeros)))


def _random(rng):
    def case(shift):
        shapes = [(2, int(n)) for n in rng.integers(3, 9, size=4)]
        return Case(args=([rng.normal(shift, rng.uniform(0.5, 3), size=shape) for shape in shapes],))

    positive = [rng.uniform(2, 9, size=(2, 4)), rng.uniform(3, 7, size=(2, 5))]
    return case(0.0), case(1.0), case(-2.0), Case(args=(positive,))


register(
    Exercise(
        id="int8.calibrated",
        lesson="06_bert_int8",
        title="Calibrate once",
        difficulty=2,
        minutes=8,
        question="From batches of activations of any shape, compute the scale and the whole zero point with which "
        "uint8, which runs from 0 to 255, covers everything that was seen, zero included; return both.",
        reference=calibrated,
        public=(
            Case(
                args=([np.array([[-1.0, 0.5]]), np.array([[0.0, 4.1], [-0.2, 1.0]])],),
                note="the lowest is in the first batch, the highest in the second: 5.1 over 255 steps",
            ),
            Case(args=([np.array([[2.0, 3.0]]), np.array([[2.5, 5.1]])],), note="all positive: zero still belongs"),
            Case(
                args=([np.array([[-1.012, 4.088]])],), note="zero lies between two steps: the nearer one stands for it"
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="looks at the last batch only",
                answer=_last_batch_only,
                hint="Your range is that of the last batch: whoever came last decides, as in dynamic quantization.",
            ),
            Misconception(
                name="averages the ranges",
                answer=_mean_of_ranges,
                hint="You average the ends over the batches, so half of the batches have values that fall outside. The "
                "question asks for a range that covers all.",
            ),
            Misconception(
                name="leaves zero out",
                answer=_leaves_out_zero,
                hint="Where all values have one sign, your range does not reach zero, and the zero point falls outside "
                "of uint8. Zero must have a number, or the zero point does not fit into uint8.",
            ),
            Misconception(
                name="symmetric range",
                answer=_symmetric,
                hint="You make the range symmetric. uint8 starts at 0: with a zero point the range may be lopsided.",
            ),
            Misconception(
                name="fractional zero point",
                answer=_fractional_zero_point,
                hint="The zero point is the integer that stands for zero. Yours is a fraction.",
            ),
            Misconception(
                name="cuts the fraction off",
                answer=_cuts_off,
                hint="int() cuts the fraction off. The zero point is the nearest integer.",
            ),
            Misconception(
                name="zero point of int8",
                answer=_zero_point_of_int8,
                hint="Your zero point counts from −128, as int8 does. uint8 runs from 0 to 255: the low end of the "
                "range gets 0.",
            ),
            Misconception(
                name="zero point with the wrong sign",
                answer=_wrong_sign,
                hint="Your zero point is negative, and uint8 has no negative numbers. How many steps is zero above the "
                "low end of the range?",
            ),
            Misconception(
                name="256 steps",
                answer=_two_hundred_and_fifty_six_steps,
                hint="uint8 has 256 values. How many steps lie between them?",
            ),
            Misconception(
                name="looks at the first batch only",
                answer=_first_batch_only,
                hint="Your range is that of the first batch. A later one may reach farther.",
            ),
            Misconception(
                name="clips the zero point instead",
                answer=_clips_the_zero_point,
                hint="Where all values have one sign, your range does not reach zero; you push the zero point back "
                "into uint8 afterwards. Then it no longer fits your scale. Let the range reach zero first.",
            ),
            Misconception(
                name="127 steps",
                answer=_half_of_the_steps,
                hint="You divide the range into 127 steps, as for the sizes of int8. From 0 to 255, how many are "
                "there?",
            ),
            Misconception(
                name="symmetric around 128",
                answer=_symmetric_around_128,
                hint="You make the range symmetric and put zero into the middle. If it reaches 4 upwards and 1 "
                "downwards, many of your numbers are never used: the range may be lopsided.",
            ),
            Misconception(
                name="averages scales",
                answer=_mean_of_scales,
                hint="You find a scale for each batch and average them. The mean is too small for the batch that "
                "reaches farthest.",
            ),
        ),
        alternatives=(_by_concatenation, _by_torch),
        hints=(
            "Two numbers are enough to remember while the batches go by.",
            "low is the smallest of all values and 0, high the largest of all values and 0.",
            "The scale is (high − low) over the number of steps; the zero point is the rounded distance of low from "
            "zero, in steps.",
        ),
    )
)
