"""Lesson 01's widget: its words and its picture, for every setting, without a browser."""

import itertools
import threading

import pytest

from labkit import hardware
from labkit.errors import Interrupted, SettingError
from labkit.hardware import PUBLISHED, SHAPES
from labkit.widgets import hardware as widget

HERE = widget.HERE
SMALL = {"model": "MiniLM", "device": HERE, "batch": 1.0, "length": 8.0, "weight_bytes": 4.0, "use": "inference"}


def test_every_setting_can_be_drawn():
    ends = itertools.product(SHAPES, [HERE, *PUBLISHED], [(1.0, 1.0, 0.5), (1024.0, 2048.0, 4.0)], widget.USES)
    for model, device, (batch, length, width), use in ends:
        shown = widget.view(model, device, batch, length, width, use)
        assert SHAPES[model].name in shown.readout
        assert "bound" in shown.readout


def test_fits_and_does_not_fit():
    assert "it fits" in widget.view("BERT-base", "NVIDIA T4 16 GB").readout
    assert "does not fit" in widget.view("GPT-3", "NVIDIA A100 40 GB", weight_bytes=0.5).readout
    # BERT-large trains at 16 bytes a parameter: 5.4 GB, in a Raspberry Pi's 8 GB until the batch is large.
    assert "it fits" in widget.view("BERT-large", "Raspberry Pi 5, 8 GB", use="training").readout
    large = widget.view("BERT-large", "Raspberry Pi 5, 8 GB", 64.0, 128.0, use="training").readout
    assert "most of it activations: it does not fit" in large


def test_words_follow_the_calculator():
    device = PUBLISHED["NVIDIA A100 40 GB"]
    work = hardware.forward(SHAPES["BERT-base"], batch=4, length=16, weight_bytes=2)
    told = hardware.estimate(work, device, weight_bytes=2)
    shown = widget.view("BERT-base", "NVIDIA A100 40 GB", 4.0, 16.0, 2.0).readout
    assert told.bound in shown
    assert widget.seconds_in_words(told.seconds) in shown
    assert "published" in shown


def test_half_the_bytes_is_half_the_time_when_bandwidth_binds():
    device = PUBLISHED["NVIDIA A100 40 GB"]
    four, two = (
        hardware.estimate(
            hardware.forward(SHAPES["BERT-base"], batch=1, length=1, weight_bytes=width), device, weight_bytes=width
        ).seconds
        for width in (4, 2)
    )
    assert two == pytest.approx(four / 2)


def test_training_needs_sixteen_bits():
    shown = widget.view(weight_bytes=1.0, use="training").readout
    assert "2 bytes a weight" in shown
    assert "Training needs at least 2 bytes" in shown


def test_length_stops_at_the_models_positions():
    shown = widget.view("BERT-base", length=2048.0).readout
    assert "1 × 512 tokens" in shown
    assert "512 tokens are the longest input of BERT-base." in shown


def test_the_picture_has_the_roof_the_point_and_the_memory():
    point = widget.Point(("BERT-base", 1, 8, "inference"), 3.9, 3e10, 0.07, 450_000_000)
    fig = widget.view(measured=(point,)).figure
    roof, memory = fig.axes
    markers = [line.get_marker() for line in roof.lines]
    assert (markers.count("o"), markers.count("D")) == (1, 1)
    assert [line.get_marker() for line in memory.lines].count("D") == 1
    other = widget.view(batch=2.0, measured=(point,)).figure
    assert "D" not in [line.get_marker() for line in other.axes[1].lines]
    elsewhere = widget.view(device="NVIDIA T4 16 GB", measured=(point,)).figure
    assert "D" not in [line.get_marker() for line in elsewhere.axes[0].lines]


def test_measured_points_are_said_in_words():
    point = widget.Point(("BERT-base", 1, 8, "inference"), 3.9, 3e10, 0.07, 450_000_000)
    assert "Measured: 70 ms" in widget.view(measured=(point,)).readout


def test_panel_measures_for_real():
    panel = widget.panel()
    for name, value in SMALL.items():
        panel.controls[name].value = value
    panel.start()
    panel.wait(seconds=250)
    (point,) = panel.measured
    assert point.setting == ("MiniLM", 1, 8, "inference")
    assert 0.0005 < point.seconds < 5
    assert point.peak_bytes == pytest.approx(91e6, rel=0.5)
    assert "Measured:" in panel.text


def test_what_cannot_be_measured_is_said():
    with pytest.raises(SettingError, match="Expected this machine"):
        widget.measure({**SMALL, "device": "Google TPU v4"}, print, lambda: False)
    with pytest.raises(SettingError, match="Expected weights of 4 bytes"):
        widget.measure({**SMALL, "weight_bytes": 1.0}, print, lambda: False)
    with pytest.raises(SettingError, match="Received GPT-3, which needs about"):
        widget.measure({**SMALL, "model": "GPT-3"}, print, lambda: False)


def test_a_measurement_stops_when_asked():
    asked = threading.Event()
    asked.set()
    with pytest.raises(Interrupted, match="a stop"):
        widget.measure(SMALL, lambda *words: None, asked.is_set)


def test_times_in_words():
    said = [widget.seconds_in_words(seconds) for seconds in (3e-6, 0.25, 3600 * 5, 86400 * 30)]
    assert said == ["3 µs", "250 ms", "5 hours", "30 days"]
