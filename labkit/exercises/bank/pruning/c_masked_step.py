"""Staying at zero: a training step that does not bring pruned weights back."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def masked_step(weight, gradient, mask, learning_rate):
    """One step of gradient descent; weights outside the mask are exactly zero after it."""
    return np.where(mask, weight - learning_rate * gradient, 0.0)


def _by_product(weight, gradient, mask, learning_rate):
    return (weight - learning_rate * gradient) * mask


def _by_loop(weight, gradient, mask, learning_rate):
    new = np.zeros(np.shape(weight))
    for position in np.ndindex(new.shape):
        if mask[position]:
            new[position] = weight[position] - learning_rate * gradient[position]
    return new


def _without_mask(weight, gradient, mask, learning_rate):
    return weight - learning_rate * gradient


def _masks_before_the_step(weight, gradient, mask, learning_rate):
    return weight * mask - learning_rate * gradient


def _masks_the_gradient_only(weight, gradient, mask, learning_rate):
    return weight - learning_rate * gradient * mask


def _mask_upside_down(weight, gradient, mask, learning_rate):
    return np.where(mask, 0.0, weight - learning_rate * gradient)


def _uphill(weight, gradient, mask, learning_rate):
    return np.where(mask, weight + learning_rate * gradient, 0.0)


def _random(rng):
    return tuple(
        Case(args=(rng.normal(size=shape), rng.normal(size=shape), rng.random(shape) < 0.5, 0.1))
        for shape in ((6,), (3, 4), (5, 2))
    )


register(
    Exercise(
        id="pruning.masked_step",
        lesson="03_pruning",
        title="Zeros that stay zero",
        difficulty=1,
        minutes=5,
        question="Take one step of gradient descent after which every weight outside the mask is exactly zero.",
        reference=masked_step,
        public=(
            Case(
                args=(np.array([0.3, 0.0, -0.4]), np.array([1.0, 1.0, 1.0]), np.array([True, False, True]), 0.1),
                note="the middle weight is pruned, and its gradient is not zero",
            ),
            Case(
                args=(np.array([0.3, 0.2, -0.4]), np.array([1.0, 1.0, 1.0]), np.array([True, False, True]), 0.1),
                note="the mask has just grown: the middle weight is not zero yet",
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="trains the zeros back",
                answer=_without_mask,
                hint="Nothing in your step knows the mask, so a pruned weight moves away from zero at once. The "
                "article's training loop does the same.",
            ),
            Misconception(
                name="masks before the step",
                answer=_masks_before_the_step,
                hint="You mask the weight and then take the whole step, so the step itself brings it back. What "
                "comes last?",
            ),
            Misconception(
                name="masks the gradient only",
                answer=_masks_the_gradient_only,
                hint="With a masked gradient a zero stays zero, but a weight that is not zero yet stays what it was. "
                "See the second case.",
            ),
            Misconception(
                name="mask upside down",
                answer=_mask_upside_down,
                hint="You kept what should go. In this lesson True means that the weight stays.",
            ),
            Misconception(
                name="steps uphill",
                answer=_uphill,
                hint="Your mask is right, but you add the gradient: that makes the loss larger.",
            ),
        ),
        alternatives=(_by_product, _by_loop),
        hints=(
            "Write the plain step first: the weight minus the learning rate times the gradient.",
            "Which of the two comes last, the step or the mask?",
            "Take the whole step, then put the result where the mask is True and 0 elsewhere.",
        ),
    )
)
