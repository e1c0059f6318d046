"""How fast: the schedule of gradual pruning."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def gradual_sparsity(step, steps, target):
    """The sparsity after `step` of `steps`, up to `target`."""
    moment = min(step / (0.5 * steps), 1.0)  # 0 at the start, 1 when half of them are over
    return target * (1 - (1 - moment) ** 3)


def _expanded(step, steps, target):
    t = np.clip(step / steps / 0.5, 0, 1)
    return target * (3 * t - 3 * t**2 + t**3)


def _by_cases(step, steps, target):
    end = 0.5 * steps
    if step >= end:
        return target
    left = (end - step) / end
    return target - target * left * left * left


def _linear(step, steps, target):
    return target * min(step / (0.5 * steps), 1.0)


def _slow_first(step, steps, target):
    return target * min(step / (0.5 * steps), 1.0) ** 3


def _never_stops(step, steps, target):
    return target * (1 - (1 - step / (0.5 * steps)) ** 3)


def _until_the_last_step(step, steps, target):
    return target * (1 - (1 - step / steps) ** 3)


def _random(rng):
    return tuple(
        Case(args=(int(rng.integers(0, steps + 1)), int(steps), float(rng.uniform(0.3, 0.95))))
        for steps in rng.integers(50, 400, size=12)
    )


register(
    Exercise(
        id="pruning.gradual_sparsity",
        lesson="03_pruning",
        title="A schedule that leaves time to recover",
        difficulty=2,
        minutes=8,
        question="Give the sparsity after `step` of `steps`: cubic, fast first, the target from half of the steps on.",
        reference=gradual_sparsity,
        public=(
            Case(args=(0, 100, 0.8), note="at the start nothing is pruned"),
            Case(args=(25, 100, 0.8), note="half way up: seven eighths of the target"),
            Case(args=(50, 100, 0.8), note="the target is reached"),
            Case(args=(95, 100, 0.8), note="and stays"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="a straight line",
                answer=_linear,
                hint="You climb at the same pace all the time. Early on there is much to spare: look at the cube.",
            ),
            Misconception(
                name="slow first, fast at the end",
                answer=_slow_first,
                hint="Your curve starts flat and ends steep. It takes the most weights when the fewest are left; "
                "which quantity should be cubed, what is done or what is still to do?",
            ),
            Misconception(
                name="goes on after the end",
                answer=_never_stops,
                hint="After half of the steps your sparsity moves beyond the target. What should the moment be then?",
            ),
            Misconception(
                name="prunes until the last step",
                answer=_until_the_last_step,
                hint="Your last weights go in the last step, and nothing can make up for them any more. Reach the "
                "target when half of the steps are over.",
            ),
        ),
        alternatives=(_expanded, _by_cases),
        hints=(
            "First a number that runs from 0 to 1 while the first half of the steps goes by, and then stays at 1.",
            "What is still to do at that moment is 1 minus that number. Cube it.",
            "The target times (1 minus the cube of what is still to do).",
        ),
    )
)
