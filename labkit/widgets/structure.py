"""The widget of lesson 04: choose which layers, heads and columns stay; see the price, and measure the real thing."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from labkit.callbacks import Stop
from labkit.cost import WAYS, Plan, kept_layers
from labkit.errors import SettingError
from labkit.importance import head_scores, keep_best
from labkit.plots.structure import BLOCKS, plan_and_points
from labkit.policy import Policy
from labkit.recipes import SHORT
from labkit.steps import KeepLayers, PruneFFN, PruneHeads
from labkit.widgets.controls import choice, slider
from labkit.widgets.panel import Panel, View
from labkit.widgets.scoring import f1_unless_stopped

__all__ = ["Measured", "Shapes", "panel", "policy_of", "view"]


@dataclass(frozen=True)
class Measured:
    """A model that somebody made and scored: its plan, whether it was trained after the cut, its macro-F1."""

    plan: Plan
    trained: bool
    f1: float


class Shapes:
    """What the widget knows of a teacher: prices (a Cost), Times in batches of 1 and 32, and the heads' ranking."""

    def __init__(self, teacher, task, times):
        self.times, self.cost = times, times[1].cost
        self.heads = head_scores(teacher, task, criterion="first-order")
        self.limit = 1.15 * times[1].predict(self.cost.whole)

    def plan(self, layers, way, heads, width):
        """The plan of a setting of the controls."""
        return Plan(kept_layers(len(self.cost.whole.layers), layers, way), heads, width)


def view(shapes, points, *, layers, way, heads, width, trained=False, measured=()):
    """What is left of the model at a setting, what that costs, and what is known of its F1.

    `points` and `measured` are Measured models, of the lesson and of the reader.
    """
    if not 1 <= heads <= shapes.cost.whole.heads or not 1 <= width <= shapes.cost.whole.width:
        raise SettingError(
            f"1 to {shapes.cost.whole.heads} heads and 1 to {shapes.cost.whole.width} columns",
            received=f"{heads} and {width}", do="Move the sliders.",
        )  # fmt: skip
    cost, plan, whole = shapes.cost, shapes.plan(layers, way, heads, width), shapes.cost.whole
    stays = np.isin(whole.layers, plan.layers)
    kept = np.zeros((len(whole.layers), whole.heads), dtype=bool)
    for layer, chosen in enumerate(keep_best(shapes.heads, heads)):
        kept[layer, chosen] = True
    times = {batch: time.predict(plan) for batch, time in shapes.times.items()}
    known = {(one.plan, one.trained): one.f1 for one in (*points, *measured)}
    f1 = known.get((plan, trained))
    shown = [(shapes.times[1].predict(one.plan), one.f1, one.trained, own)
             for own, some in ((False, points), (True, measured)) for one in some]  # fmt: skip
    figure = plan_and_points(
        stays, kept, width / whole.width, points=shown, now=(times[1], f1), limit=shapes.limit,
    )  # fmt: skip
    return View(figure, _words(cost, plan, times, shapes, f1, trained))


def _words(cost, plan, times, shapes, f1, trained):
    work = cost.macs(plan) / cost.macs(cost.whole)
    before = {batch: time.predict(cost.whole) for batch, time in shapes.times.items()}
    speed = ", ".join(
        f"{times[batch]:.1f} ms for a batch of {batch} ({before[batch] / times[batch]:.1f} times faster)"
        for batch in times
    )
    layers = ", ".join(map(str, plan.layers))
    after = "trained afterwards" if trained else "not trained afterwards"
    score = "not measured yet: press Measure" if f1 is None else f"{f1:.3f}, measured"
    return (
        f"Layers {layers} stay, each with {plan.heads} heads and {plan.width:,} columns. "
        f"{cost.parameters(plan) / 1e6:.1f} million parameters, {4 * cost.parameters(plan) / 1e6:.1f} MB as floats; "
        f"{work:.0%} of the multiply-adds. By the fit {speed}. Macro-F1, {after}: {score}."
    )


def policy_of(plan, whole, *, training=None):
    """The policy that cuts a whole model to a plan: the whole model judges heads and columns, then layers go.

    `training` is a Distill, or None for a cut alone.
    """
    steps = [
        *([PruneHeads(plan.heads)] if plan.heads < whole.heads else []),
        *([PruneFFN(plan.width)] if plan.width < whole.width else []),
        *([KeepLayers(plan.layers)] if plan.layers != whole.layers else []),
        *([training] if training else []),
    ]
    return Policy(steps)


def measure_point(teacher, task, params, progress, should_stop, *, shapes, training=SHORT):
    """Cut the real model, train it where that is asked for, and score it on the test rows."""
    plan = shapes.plan(params["layers"], params["way"], params["heads"], params["width"])
    policy = policy_of(plan, shapes.cost.whole, training=training if params["trained"] else None)
    progress(0.02, "cutting the model")
    student = policy.apply(
        teacher, task, callbacks=[Stop(should_stop)], progress=lambda done, words: progress(0.05 + 0.65 * done, words)
    )
    f1 = f1_unless_stopped(student, task, progress, should_stop, begin=0.7)
    return None if f1 is None else Measured(plan, params["trained"], f1)


def panel(teacher, task, shapes, points, *, training=SHORT):
    """Make the widget for a teacher; `points` are the models that the lesson has measured, `training` its Distill."""
    whole = shapes.cost.whole
    count, step = len(whole.layers), max(whole.width // BLOCKS, 1)
    controls = {
        "layers": slider("Layers that stay", low=1, high=count, value=(2 * count + 2) // 3),
        "way": choice("Which layers go first", WAYS, value="last"),
        "heads": slider("Heads in each layer", low=1, high=whole.heads, value=(3 * whole.heads + 3) // 4),
        "width": slider("Feed-forward columns in each layer", low=step, high=whole.width, value=12 * step, step=step),
        "trained": choice("After the cut", [("no training", False), ("distillation", True)], value=False),
    }
    return Panel(
        partial(view, shapes, tuple(points)),
        controls,
        measure=partial(measure_point, teacher, task, shapes=shapes, training=training),
    )
