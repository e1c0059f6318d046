"""The widget of lesson 04: what it says of a plan is what the real model has, and Measure makes the real model."""

import numpy as np
import pytest
import small

from labkit.cost import Cost, Plan, Times
from labkit.counting import macs, parameters
from labkit.errors import Interrupted, SettingError
from labkit.policy import Policy
from labkit.recipes import SHORT
from labkit.statistics import macro_f1
from labkit.steps import Distill, KeepLayers, PruneFFN, PruneHeads
from labkit.widgets.structure import Measured, Shapes, measure_point, panel, policy_of, view

WHOLE = Plan((0, 1, 2), 2, 32)
POINTS = [
    Measured(WHOLE, False, 0.9),
    Measured(Plan((0, 1), 2, 32), False, 0.4),
    Measured(Plan((0, 1), 2, 32), True, 0.88),
]


@pytest.fixture(scope="module")
def teacher():
    return small.classifier(layers=3)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small.task(tmp_path_factory.mktemp("task"), rows=200)


@pytest.fixture(scope="module")
def shapes(teacher, task):
    cost = Cost(teacher.model)
    plans = [WHOLE, Plan((0,), 2, 32), Plan((0, 1, 2), 1, 8), Plan((0, 1), 1, 32)]
    times = {
        batch: Times(cost, {plan: 1 + 2 * len(plan.layers) + batch * cost.macs(plan) / 1e5 for plan in plans})
        for batch in (1, 32)
    }
    return Shapes(teacher, task, times)


def show(shapes, **setting):
    return view(shapes, POINTS, **{"layers": 3, "way": "last", "heads": 2, "width": 32} | setting)


def test_the_words_give_the_numbers_of_the_real_model(shapes, teacher, task):
    real = teacher.copy()
    for step in policy_of(Plan((0, 2), 1, 8), WHOLE).steps:
        step.prepare(real, task)
    words = show(shapes, layers=2, way="alternate", heads=1, width=8).readout
    assert words.startswith("Layers 0, 1 stay, each with 1 heads and 8 columns. ")
    words = show(shapes, layers=2, way="first", heads=1, width=8).readout
    assert words.startswith("Layers 1, 2 stay, each with 1 heads and 8 columns. ")
    assert f"{parameters(real.model) / 1e6:.1f} million parameters, {4 * parameters(real.model) / 1e6:.1f} MB" in words
    assert f"{macs(real.model) / macs(teacher.model):.0%} of the multiply-adds" in words
    now, before = (1 + 2 * n + macs(m.model) / 1e5 for n, m in ((2, real), (3, teacher)))
    assert f"{now:.1f} ms for a batch of 1 ({before / now:.1f} times faster)" in words


def test_f1_is_said_where_it_was_measured_and_nowhere_else(shapes):
    assert show(shapes).readout.endswith("Macro-F1, not trained afterwards: 0.900, measured.")
    assert show(shapes, layers=2).readout.endswith("not trained afterwards: 0.400, measured.")
    assert show(shapes, layers=2, trained=True).readout.endswith(", trained afterwards: 0.880, measured.")
    assert show(shapes, layers=1).readout.endswith("not measured yet: press Measure.")
    own = (Measured(Plan((0,), 2, 32), False, 0.31),)
    assert show(shapes, layers=1, measured=own).readout.endswith("0.310, measured.")
    right = show(shapes, layers=1, measured=own).figure.axes[1]
    (mine,) = [line for line in right.lines if line.get_label() == "by you, not trained"]
    assert mine.get_xydata().tolist() == [[shapes.times[1].predict(own[0].plan), 0.31]]


def test_the_picture_shows_the_heads_that_stay(shapes):
    cells = show(shapes, heads=1).figure.axes[0].images[0].get_array()
    middle = np.asarray(cells)[4::9, 4::9][:, :2, :3]
    best = [int(scores.argmax()) for scores in shapes.heads]
    for layer, head in enumerate(best):
        assert middle[layer, head].tolist() == [0, 114, 178]
        assert middle[layer, 1 - head].tolist() == [220, 220, 220]


@pytest.mark.parametrize("setting", [{"heads": 0}, {"heads": 3}, {"width": 33}, {"layers": 4}, {"way": "middle"}])
def test_a_setting_that_is_not_there_is_told(shapes, setting):
    with pytest.raises(SettingError, match="1 to "):
        show(shapes, **setting)


def test_a_policy_has_a_step_for_each_thing_that_goes():
    assert policy_of(WHOLE, WHOLE).steps == ()
    full = policy_of(Plan((0, 2), 1, 8), WHOLE, training=SHORT)
    assert full == Policy([PruneHeads(1), PruneFFN(8), KeepLayers((0, 2)), SHORT])


def test_the_panel_redraws(teacher, task, shapes):
    made = panel(teacher, task, shapes, POINTS)
    assert made.params == {"layers": 2, "way": "last", "heads": 2, "width": 24, "trained": False}
    before = made.image.value
    made.controls["layers"].value = 3
    made.controls["width"].value = 32
    assert made.text.endswith("0.900, measured.")
    assert made.image.value != before
    made.controls["trained"].value = True
    assert made.text.endswith("press Measure.")


def test_measuring_is_the_real_thing(teacher, task, shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    told, params = [], {"layers": 2, "way": "first", "heads": 1, "width": 8, "trained": False}
    point = measure_point(teacher, task, params, lambda *words: told.append(words), lambda: False, shapes=shapes)
    plan = Plan((1, 2), 1, 8)
    by_hand = teacher.copy()
    for step in (PruneHeads(1), PruneFFN(8), KeepLayers((1, 2))):
        step.prepare(by_hand, task)
    assert point == Measured(plan, False, macro_f1(task.truth("test"), by_hand.predict(task.texts("test"))))
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert measure_point(teacher, task, params, lambda *words: None, lambda: True, shapes=shapes) is None


def test_training_can_be_stopped_and_goes_on(teacher, task, shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    brief = Distill(epochs=1, transfer=0)
    params = {"layers": 1, "way": "last", "heads": 2, "width": 32, "trained": True}
    with pytest.raises(Interrupted):
        measure_point(teacher, task, params, lambda *words: None, lambda: True, shapes=shapes, training=brief)
    point = measure_point(teacher, task, params, lambda *words: None, lambda: False, shapes=shapes, training=brief)
    assert point.plan == Plan((0,), 2, 32)
    assert point.trained
