"""Training with rounded weights: where the gradient is taken, and what it moves."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def straight_through_step(weight, target, scale, learning_rate):
    """The exact weights after one step; the loss is the sum of (rounded weight − target)²."""
    rounded = scale * np.round(weight / scale)
    slope = 2 * (rounded - target)
    return weight - learning_rate * slope


def _by_torch(weight, target, scale, learning_rate):
    import torch

    weight, target = (torch.as_tensor(np.asarray(value, dtype=float)) for value in (weight, target))
    weight = weight.requires_grad_()
    seen = weight + (scale * (weight / scale).round() - weight).detach()
    (seen - target).square().sum().backward()
    return (weight - learning_rate * weight.grad).detach()


def _by_loops(weight, target, scale, learning_rate):
    return [w - 2 * learning_rate * (round(w / scale) * scale - t) for w, t in zip(weight, target, strict=True)]


def _gradient_at_exact(weight, target, scale, learning_rate):
    return weight - learning_rate * 2 * (weight - target)


def _moves_rounded(weight, target, scale, learning_rate):
    rounded = scale * np.round(weight / scale)
    return rounded - learning_rate * 2 * (rounded - target)


def _true_slope(weight, target, scale, learning_rate):
    return np.array(weight)


def _rounds_again(weight, target, scale, learning_rate):
    return scale * np.round(straight_through_step(weight, target, scale, learning_rate) / scale)


def _forgets_two(weight, target, scale, learning_rate):
    return weight - learning_rate * (scale * np.round(weight / scale) - target)


def _uphill(weight, target, scale, learning_rate):
    return 2 * np.asarray(weight) - straight_through_step(weight, target, scale, learning_rate)


def _mean_loss(weight, target, scale, learning_rate):
    return straight_through_step(weight, target, scale, learning_rate / len(weight))


def _integer(weight, target, scale, learning_rate):
    return weight - learning_rate * 2 * (np.round(weight / scale) - target)


def _without_scale(weight, target, scale, learning_rate):
    return weight - learning_rate * 2 * (np.round(weight) - target)


def _move_alone(weight, target, scale, learning_rate):
    return learning_rate * 2 * (scale * np.round(weight / scale) - target)


def _cases(rng):
    found = []
    for size in (3, 6, 9, 20):
        scale = float(rng.uniform(0.1, 0.5))
        found.append(Case(args=(rng.normal(size=size), rng.normal(size=size), scale, float(rng.uniform(0.05, 0.3)))))
    return tuple(found)


register(
    Exercise(
        id="quantization.straight_through_step",
        lesson="05_quantization",
        title="One step straight through",
        difficulty=3,
        minutes=10,
        question="The loss is the sum of (Q(w) − target)², with Q(w) = scale · round(w / scale): return the exact "
        "weights after one straight-through step of gradient descent.",
        reference=straight_through_step,
        public=(
            Case(args=(np.array([0.26, -0.41]), np.array([0.5, -0.4]), 0.2, 0.1), note="rounded: 0.2 and −0.4"),
            Case(args=(np.array([0.26]), np.array([0.2]), 0.2, 0.1), note="the rounded weight is on the target"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="takes the gradient at the exact weights",
                answer=_gradient_at_exact,
                hint="Your gradient is that of the exact weights: rounding is not in the loop. The loss sees the "
                "rounded ones.",
            ),
            Misconception(
                name="moves the rounded weights",
                answer=_moves_rounded,
                hint="You moved the rounded weights. Rounded again, a small move is lost, and the next step begins "
                "where this one began. Which weights can small moves add up in?",
            ),
            Misconception(
                name="the true slope",
                answer=_true_slope,
                hint="Nothing moved: the true slope of a staircase is zero. Straight through means to go on as if "
                "rounding had slope one.",
            ),
            Misconception(
                name="rounds the result",
                answer=_rounds_again,
                hint="You rounded after the step. Rounding is for the forward pass; what is kept is exact.",
            ),
            Misconception(
                name="walks uphill",
                answer=_uphill,
                hint="You added the slope. To make a loss smaller, step against its slope.",
            ),
            Misconception(
                name="the mean instead of the sum",
                answer=_mean_loss,
                hint="Your moves are divided by the number of weights. That is right for a mean; this loss is a sum.",
            ),
            Misconception(
                name="the integer instead of the rounded weight",
                answer=_integer,
                hint="You compare the integer with the target. Q(w) is the integer times the scale.",
            ),
            Misconception(
                name="rounds to whole numbers",
                answer=_without_scale,
                hint="You rounded to whole numbers. The levels are a scale apart.",
            ),
            Misconception(
                name="the move alone",
                answer=_move_alone,
                hint="That is the learning rate times the slope. Which weights does it move, and to where?",
            ),
            Misconception(
                name="half of the slope",
                answer=_forgets_two,
                hint="The slope of a square has a factor of two.",
            ),
        ),
        alternatives=(_by_torch, _by_loops),
        hints=(
            "Three lines: round, take the slope of the loss at the rounded weights, move the exact ones.",
            "The slope of (r − t)² with respect to r is 2 · (r − t).",
            "Straight through: what you found for the rounded weight is taken for the exact one.",
        ),
    )
)
