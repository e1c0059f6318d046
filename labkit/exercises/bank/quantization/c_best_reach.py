"""Clipping: how far a grid should reach when the sum of the squared errors counts."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def best_reach(weights, bits, reaches):
    """The share of the largest weight that a symmetric grid should reach, among those given."""
    weights, top = np.asarray(weights, dtype=float), 2 ** (bits - 1) - 1
    errors = []
    for reach in reaches:
        scale = reach * np.abs(weights).max() / top
        restored = scale * np.clip(np.round(weights / scale), -top, top)
        errors.append(np.square(restored - weights).sum())
    return reaches[int(np.argmin(errors))]


def _by_torch(weights, bits, reaches):
    import torch

    weights, top = torch.as_tensor(np.asarray(weights, dtype=float)), 2 ** (bits - 1) - 1

    def error(reach):
        scale = float(weights.abs().max()) * reach / top
        return float(((weights / scale).round().clamp(-top, top) * scale - weights).norm())

    return min(reaches, key=error)


def _all_at_once(weights, bits, reaches):
    weights, top = np.asarray(weights, dtype=float), 2 ** (bits - 1) - 1
    scales = np.asarray(reaches)[:, None] * max(weights.max(), -weights.min()) / top
    error = np.minimum(np.maximum(np.rint(weights / scales), -top), top) * scales - weights
    return list(reaches)[(error**2).mean(axis=1).argmin()]


def _squared(error):
    return np.square(error).sum()


def _errors(
    weights, bits, reaches, *, beyond="clip", below=0, above=0, measure=_squared, size=np.abs, rounding=np.round
):
    """The error of each reach; `beyond` says what becomes of weights past the end, the next two add levels there."""
    weights, top = np.asarray(weights, dtype=float), 2 ** (bits - 1) - 1 + above
    found = []
    for reach in reaches:
        end = reach * size(weights).max()
        integers, inside = rounding(weights * top / end), np.abs(weights) <= end
        if beyond != "run on":
            integers = np.clip(integers, -top - below, top)
        restored = end / top * (np.where(inside, integers, 0) if beyond == "zero" else integers)
        error = restored - weights
        found.append(measure(error[inside] if beyond == "left out" else error))
    return found


def _best(weights, bits, reaches, **variant):
    return reaches[int(np.argmin(_errors(weights, bits, reaches, **variant)))]


def _no_clip(weights, bits, reaches):
    return _best(weights, bits, reaches, beyond="run on")


def _left_out(weights, bits, reaches):
    return _best(weights, bits, reaches, beyond="left out")


def _to_zero(weights, bits, reaches):
    return _best(weights, bits, reaches, beyond="zero")


def _one_level_more(weights, bits, reaches):
    return _best(weights, bits, reaches, below=1)


def _largest_value(weights, bits, reaches):
    return _best(weights, bits, reaches, size=lambda weights: weights)


def _absolute(weights, bits, reaches):
    return _best(weights, bits, reaches, measure=lambda error: np.abs(error).sum())


def _largest_error(weights, bits, reaches):
    return _best(weights, bits, reaches, measure=lambda error: np.abs(error).max())


def _signed_error(weights, bits, reaches):
    return _best(weights, bits, reaches, measure=lambda error: abs(error.sum()))


def _too_many(weights, bits, reaches):
    return _best(weights, bits, reaches, above=1)


def _cuts_off(weights, bits, reaches):
    return _best(weights, bits, reaches, rounding=np.trunc)


def _integers(weights, bits, reaches, *, in_steps):
    weights, top = np.asarray(weights, dtype=float), 2 ** (bits - 1) - 1
    scales = [reach * np.abs(weights).max() / top for reach in reaches]
    errors = [_squared(np.clip(np.round(weights / s), -top, top) - weights / (s if in_steps else 1)) for s in scales]
    return reaches[int(np.argmin(errors))]


def _not_back(weights, bits, reaches):
    return _integers(weights, bits, reaches, in_steps=False)


def _in_steps(weights, bits, reaches):
    return _integers(weights, bits, reaches, in_steps=True)


def _error_itself(weights, bits, reaches):
    return min(_errors(weights, bits, reaches))


def _no_share(weights, bits, reaches):
    largest = np.abs(np.asarray(weights, dtype=float)).max()
    return reaches[int(np.argmin(_errors(weights, bits, [reach / largest for reach in reaches])))]


def _everything(weights, bits, reaches):
    return max(reaches)


def _position(weights, bits, reaches):
    return int(np.argmin(_errors(weights, bits, reaches)))


REACHES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def _cases(rng):
    found = []
    for bits, far in ((2, 1.0), (3, 1.0), (3, 3.0), (4, 5.0), (8, 1.0), (2, 2.0)):
        weights = rng.normal(size=200)
        weights[0] = far * 3.0
        found.append(Case(args=(weights, bits, REACHES)))
    return tuple(found)


register(
    Exercise(
        id="quantization.best_reach",
        lesson="05_quantization",
        title="How far should the grid reach?",
        difficulty=2,
        minutes=10,
        question="The grid is symmetric, its integers are −top to top with top = 2^(bits − 1) − 1. Among the given "
        "shares of the largest size, return the one that it should reach for the least sum of squared errors.",
        reference=best_reach,
        public=(
            Case(
                args=([0.1, -0.12, 0.09, 0.11, -0.1, 0.1, -0.09, 0.11, 0.2], 2, [0.4, 0.6, 0.8, 1.0]),
                note="many small weights, one twice as large, three levels",
            ),
            Case(args=([0.9, -1.0, 0.02, 0.95, -0.97], 2, [0.4, 0.6, 0.8, 1.0]), note="most weights are large"),
            Case(args=([0.2, -0.1, 0.15, 0.05, -0.22, 0.12, 3.0], 4, [0.1, 0.5, 1.0]), note="one weight far out"),
            Case(
                args=([-0.2, 0.5, -0.5, 0.1, -0.6, 0.5, -1.1], 2, [0.2, 0.4, 0.6, 0.8, 1.0]),
                note="the weight that sticks out is negative",
            ),
            Case(
                args=([-2.0, 1.6, 0.8, -0.2, -0.8, 0.2, -0.2, -0.8, 0.4], 2, [0.08, 0.1, 0.4, 0.6, 0.8, 1.0]),
                note="two weights far out, one to each side",
            ),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="forgets to clip",
                answer=_no_clip,
                hint="Your integers run on beyond the last level, so a finer grid nearly always looks better. With b "
                "bits there are only so many: what becomes of a weight beyond the end?",
            ),
            Misconception(
                name="leaves clipped weights out",
                answer=_left_out,
                hint="You add up the errors of the weights inside the grid only. A weight beyond the end is still a "
                "weight: it lands on the last level, and its distance from there counts.",
            ),
            Misconception(
                name="clipped weights become zero",
                answer=_to_zero,
                hint="You set a weight beyond the end to zero. To clip means that it becomes the last level on "
                "its side.",
            ),
            Misconception(
                name="one level more below",
                answer=_one_level_more,
                hint="Your lowest integer is −2^(bits − 1), so the grid reaches further down than up. The symmetric "
                "grid ends at −top on that side.",
            ),
            Misconception(
                name="one level too many on both sides",
                answer=_too_many,
                hint="Your last integer is 2^(bits − 1). The exercise's top is one less: with 2 bits there are three "
                "levels, −1, 0 and 1.",
            ),
            Misconception(
                name="cuts the fraction off",
                answer=_cuts_off,
                hint="You cut off what comes after the point. Take the nearest integer.",
            ),
            Misconception(
                name="compares integers with weights",
                answer=_not_back,
                hint="You subtract the weights from the integers. An integer stands for a weight only when it is "
                "multiplied by its scale.",
            ),
            Misconception(
                name="counts the error in steps",
                answer=_in_steps,
                hint="You measure the error in steps of the grid, and each reach has steps of another length. A wide "
                "step then looks good. Compare weights with weights.",
            ),
            Misconception(
                name="gives the error",
                answer=_error_itself,
                hint="You return the least error. Asked for is the reach that has it.",
            ),
            Misconception(
                name="the reach as a weight",
                answer=_no_share,
                hint="Your grid ends at the number from the list itself. It is a share: of the largest size.",
            ),
            Misconception(
                name="the largest value instead of the largest size",
                answer=_largest_value,
                hint="You take the largest weight with its sign. Where the weight that sticks out is negative, your "
                "reaches are shares of another weight.",
            ),
            Misconception(
                name="adds up sizes instead of squares",
                answer=_absolute,
                hint="You add up the sizes of the errors. Squares are asked for: one large error weighs more in them "
                "than many small ones.",
            ),
            Misconception(
                name="looks at the largest error only",
                answer=_largest_error,
                hint="You compare the largest error. Clipping makes one weight worse so that all others get better: "
                "add up the squares over all of them.",
            ),
            Misconception(
                name="errors of both signs cancel",
                answer=_signed_error,
                hint="You add up the errors with their signs, and they cancel. A bad grid can have a sum of zero.",
            ),
            Misconception(
                name="always the whole range",
                answer=_everything,
                hint="You always reach the largest weight. With few levels that makes every step wide for the sake of "
                "one weight.",
            ),
            Misconception(
                name="gives the position",
                answer=_position,
                hint="You found it, but returned its place in the list. Return the reach itself.",
            ),
        ),
        alternatives=(_by_torch, _all_at_once),
        hints=(
            "Try them all. For each reach: make the grid, round, clip, and measure.",
            "The scale of a reach is reach · largest size / top, with top = 2^(bits − 1) − 1.",
            "Round to integers, clip them to ±top, multiply by the scale, subtract the weights, square, and add up.",
        ),
    )
)
