"""The widget of lesson 08: what it says of a setting is what the scaling model says, and Measure starts real workers."""

import math
from dataclasses import replace

import pytest
from started import started

from labkit.distributed.scaling import Scaling, StepTime, mbit
from labkit.errors import Interrupted, SettingError
from labkit.widgets import ddp as widget
from labkit.widgets.ddp import Basis, Point, measure_point, panel, view

TRUE = Scaling(0.009, 0.06, byte_seconds=0.8e-9, hooks={"fp16": 0.03}, latency=widget.LATENCY)
SIZES = {"none": 90e6, "fp16": 45e6}
SETTING = {"workers": 4, "rate": 1000, "millions": 22.7, "batch": 128, "hook": "none"}


def points():
    alone = [StepTime(1, batch, TRUE.seconds(1, batch=batch)) for batch in (32, 128)]
    made = [StepTime(2, batch, 1.0, bytes=size, hook=hook) for batch in (32, 128) for hook, size in SIZES.items()]
    return alone + [replace(one, seconds=TRUE.of(one)) for one in made]


@pytest.fixture(scope="module")
def basis():
    return Basis.of(points(), millions=22.7)


def test_the_basis_is_what_was_measured(basis):
    assert (basis.bytes, basis.shares) == (90e6, {"none": 1.0, "fp16": 0.5})
    assert basis.scaling.row_seconds == pytest.approx(0.009, rel=0.01)
    with pytest.raises(SettingError, match=r"two workers without a hook. Received \['fp16'\]"):
        Basis.of([one for one in points() if one.workers == 1 or one.hook == "fp16"], millions=22.7)


def test_the_words_say_what_the_model_says(basis):
    shown = view(basis, **SETTING)
    seconds = basis.scaling.seconds(4, batch=128, bytes=90e6, bandwidth=mbit(1000), crowded=False)
    alone = basis.scaling.seconds(1, batch=128)
    assert shown.readout.startswith(
        "4 workers, links of 1 Gbit/s, 22.7 million parameters, 128 rows a step: "
        f"{seconds:.3g} s a step, {alone:.3g} s on one worker."
    )
    assert f"{alone / seconds:.3g} times as fast, an efficiency of {alone / seconds / 4:.0%}" in shown.readout
    assert "hands 90 MB to the network" in shown.readout
    assert "Most of the step is waiting for the link" in shown.readout


def test_a_fast_link_leaves_computing(basis):
    assert "Most of the step is computing rows" in view(basis, **SETTING | {"rate": 100_000}).readout


def test_a_larger_model_has_all_in_proportion(basis):
    shown = view(basis, **SETTING | {"millions": 227.0, "workers": 1})
    alone = 10 * (0.009 * 128 + 0.06)
    assert shown.readout == (
        f"1 worker, links of 1 Gbit/s, 227 million parameters, 128 rows a step: {alone:.3g} s a step, {alone:.3g} s on "
        "one worker."
    )
    assert "hands 900 MB" in view(basis, **SETTING | {"millions": 227.0}).readout


def test_a_hook_sends_less_and_the_line_without_it_stays(basis):
    shown = view(basis, **SETTING | {"hook": "fp16", "rate": 100})
    assert "hands 45 MB" in shown.readout
    assert "The grey line is without a hook." in shown.readout
    plain, hooked = (view(basis, **SETTING | {"hook": hook, "rate": 100}).figure for hook in ("none", "fp16"))
    assert len(hooked.axes[1].lines) == len(plain.axes[1].lines) + 1
    with pytest.raises(SettingError, match="a hook among.*Received 'powersgd'"):
        view(basis, **SETTING | {"hook": "powersgd"})


def test_workers_without_a_row_are_not_counted(basis):
    shown = view(basis, **SETTING | {"workers": 256, "batch": 16})
    assert shown.readout.startswith("16 workers")
    assert shown.readout.endswith("Only 16 of the 256 workers get a row.")


def test_the_ends_of_every_slider_can_be_drawn(basis):
    for workers in (1, 256):
        for rate in (10, 100_000):
            for millions in (1, 1000):
                for batch in (16, 4096):
                    setting = {"workers": workers, "rate": rate, "millions": millions, "batch": batch, "hook": "fp16"}
                    shown = view(basis, **setting)
                    assert math.isclose(sum(bar.get_width() for bar in shown.figure.axes[0].patches), 100)
                    assert "nan" not in shown.readout
                    assert "e+" not in shown.readout


def test_a_slow_cluster_is_less_than_a_percent_efficient(basis):
    words = view(basis, **SETTING | {"workers": 128, "rate": 10, "millions": 1000}).readout
    assert "an efficiency of less than 1%" in words
    assert " min a step" in words


def test_a_measured_point_is_drawn_and_told(basis):
    point = Point(22.7, 32, "none", alone=0.36, together=0.3)
    shown = view(basis, **SETTING, measured=(point,))
    assert "Measured on this machine, 2 workers, 22.7 million parameters, 32 rows, hook none: 360 ms alone, 300 ms together, 1.20 times as fast." in shown.readout  # fmt: skip
    diamonds = [line for line in shown.figure.axes[1].lines if line.get_marker() == "D"]
    assert diamonds[0].get_xydata().tolist() == [[2, pytest.approx(1.2)]]


def test_the_panel_has_five_controls_and_only_measured_hooks(basis):
    made = panel(basis)
    assert list(made.controls) == ["workers", "rate", "millions", "batch", "hook"]
    assert [value for _, value in made.controls["hook"].options] == ["none", "fp16"]
    before = made.image.value
    made.controls["workers"].value = 64
    assert made.text.startswith("32 workers")
    made.controls["batch"].value = 1024
    assert made.text.startswith("64 workers")
    assert made.image.value != before


def test_what_is_measured_is_held_to_what_this_machine_does_in_seconds(monkeypatch):
    asked = {}
    monkeypatch.setattr(widget, "time_here", lambda **words: asked.update(words) or {"alone": 1.0, "together": 0.5})
    point = measure_point(SETTING | {"millions": 900.0, "batch": 4096}, print, bool)
    assert (asked["millions"], asked["batch"], asked["hook"]) == (25.0, 64, "none")
    assert point == Point(25.0, 64, "none", alone=1.0, together=0.5)
    assert point.speedup == 2


@pytest.mark.slow
def test_measuring_starts_two_real_workers_and_leaves_none():
    told, before = [], started()
    point = measure_point(
        SETTING | {"millions": 1.0, "batch": 16}, lambda fraction, text="": told.append(fraction), lambda: False
    )
    assert point.alone > 0
    assert point.together > 0
    assert started() == before
    with pytest.raises(Interrupted):
        measure_point(SETTING | {"millions": 1.0, "batch": 16}, lambda *words: None, lambda: True)
    assert started() == before
