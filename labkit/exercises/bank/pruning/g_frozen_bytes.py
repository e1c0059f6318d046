"""Frozen is not removed: what each saves, and when."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def frozen_bytes(parameters, frozen):
    """Bytes to train with Adam, and bytes to predict, in float32."""
    trained = parameters - frozen
    training = 4 * parameters + (4 + 8) * trained  # all weights; gradients and two moments of the trained ones
    inference = 4 * parameters
    return training, inference


def _by_two_groups(parameters, frozen):
    return 16 * (parameters - frozen) + 4 * frozen, 4 * parameters


def _by_array(parameters, frozen):
    per_parameter = np.array([4, 4, 4, 4])  # weight, gradient, two moments
    return int(per_parameter.sum() * parameters - per_parameter[1:].sum() * frozen), int(per_parameter[0] * parameters)


def _frozen_is_removed(parameters, frozen):
    return 16 * (parameters - frozen), 4 * (parameters - frozen)


def _smaller_at_inference_too(parameters, frozen):
    return 16 * (parameters - frozen) + 4 * frozen, 4 * (parameters - frozen)


def _freezing_saves_nothing(parameters, frozen):
    return 16 * parameters, 4 * parameters


def _saves_the_gradient_only(parameters, frozen):
    return 16 * parameters - 4 * frozen, 4 * parameters


register(
    Exercise(
        id="pruning.frozen_bytes",
        lesson="03_pruning",
        title="Frozen is not removed",
        difficulty=1,
        minutes=5,
        question="Count the bytes to train with Adam in float32, and to predict, when some parameters are frozen.",
        reference=frozen_bytes,
        public=(
            Case(args=(100, 0), note="nothing is frozen: 16 bytes a parameter"),
            Case(args=(100, 60), note="sixty of a hundred are frozen"),
            Case(args=(100, 100), note="all are frozen"),
        ),
        hidden=lambda rng: tuple(
            Case(args=(int(n), int(n * share)))
            for n, share in zip(rng.integers(1000, 10**6, size=4), rng.uniform(0.1, 0.9, size=4), strict=True)
        ),
        misconceptions=(
            Misconception(
                name="frozen counts as removed",
                answer=_frozen_is_removed,
                hint="You count nothing at all for a frozen parameter. It still takes part in every forward pass, so "
                "its value has to be somewhere.",
            ),
            Misconception(
                name="smaller at inference too",
                answer=_smaller_at_inference_too,
                hint="Training is right. But when you predict, nothing is trained anyway: what is left to save?",
            ),
            Misconception(
                name="freezing saves nothing",
                answer=_freezing_saves_nothing,
                hint="A frozen parameter needs no gradient and no moments. Which of its 16 bytes are left?",
            ),
            Misconception(
                name="saves the gradient only",
                answer=_saves_the_gradient_only,
                hint="You saved the gradient. Adam also keeps two moments for each parameter that it moves.",
            ),
        ),
        alternatives=(_by_two_groups, _by_array),
        hints=(
            "In training, a parameter that moves has a weight, a gradient and two moments, 4 bytes each.",
            "Which of these does a frozen parameter need?",
            "Training: 16 bytes for those that move, 4 for those that do not. Inference: weights only.",
        ),
    )
)
