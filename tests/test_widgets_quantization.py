"""The widget of lesson 05: what it says of a setting is what rounding does."""

import time

import numpy as np
import pytest
import small
import torch

from labkit.errors import SettingError
from labkit.plots.style import png
from labkit.quantization import Scheme, dequantize, quantize
from labkit.statistics import macro_f1
from labkit.widgets import quantization as widget
from labkit.widgets.quantization import matrices_of, measure_point, panel, rounded_model, view

SWEPT = [(0.01, 0.9), (0.05, 0.89), (0.12, 0.8), (0.4, 0.4)]
UP = "layer 0, feed-forward, up"


@pytest.fixture(scope="module")
def teacher():
    return small.classifier(hidden=32)


@pytest.fixture(scope="module")
def matrices(teacher):
    return matrices_of(teacher)


def test_every_matrix_has_a_readable_name(teacher, matrices):
    assert len(matrices) == 14
    assert {"layer 0, attention output", "layer 1, feed-forward, down", "word embedding", "pooler"} <= set(matrices)
    assert torch.equal(matrices[UP].weight, teacher.model.bert.encoder.layer[0].intermediate.dense.weight)
    assert matrices["word embedding"].rows == 30522
    assert 1000 < len(matrices["word embedding"].weight) <= 1536
    counts, _ = matrices["word embedding"].histogram
    assert counts.sum() == pytest.approx(30522 * 32 / 1000, rel=0.01)


def relative_error(weight, scheme):
    return float((dequantize(quantize(weight, scheme)) - weight).norm() / weight.norm())


@pytest.mark.parametrize("group", ["tensor", "row", 16, 5])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_words_give_error_zeros_bits_and_bytes(matrices, bits, group):
    shown, weight = view(matrices, SWEPT, layer=UP, bits=bits, group=group), matrices[UP].weight
    scheme = Scheme(bits, group)
    assert shown.readout.startswith(f"Layer 0, feed-forward, up, 2,048 weights: {bits} bits, one scale for ")
    assert f"The error is {relative_error(weight, scheme):.1%} of the weights' size" in shown.readout
    zeros = float((dequantize(quantize(weight, scheme)) == 0).float().mean())
    assert f"{zeros:.0%} of them are zero, 0.0% are clipped" in shown.readout
    cost = scheme.bits_a_weight((64, 32))
    assert f"costs {cost:.2f} bits: {2048 * cost / 8e3:,.0f} kB instead of 8 kB" in shown.readout
    assert png(shown.figure)


def test_a_shorter_reach_clips_and_scales(matrices):
    weight, bits, reach = matrices[UP].weight.double(), 4, 0.4
    shown = view(matrices, SWEPT, layer=UP, bits=bits, group="row", reach=reach)
    scale = (weight.abs().amax(dim=1, keepdim=True) / 7 * reach).half().double()
    back = (weight / scale).round().clamp(-7, 7) * scale
    assert f"The error is {float((back - weight).norm() / weight.norm()):.1%} of" in shown.readout
    assert f"{float((weight.abs() > 7.5 * scale).double().mean()):.1%} are clipped" in shown.readout
    assert "grids up to 40% of their largest weight" in shown.readout


def test_the_levels_drawn_are_those_of_the_grid(matrices):
    left = view(matrices, SWEPT, layer=UP, bits=2, group="tensor", reach=0.5).figure.axes[0]
    top = float(matrices[UP].weight.abs().max()) / 2
    assert sorted(set(np.asarray(left.lines[0].get_xdata())[::3])) == pytest.approx([-top, 0, top], rel=1e-3)


def test_f1_is_said_only_between_measured_points_and_never_beyond_them(matrices):
    assert "F1 is about" in view(matrices, SWEPT, layer=UP, bits=4, group=16).readout
    assert "F1" not in view(matrices, SWEPT, layer=UP, bits=8, group=16).readout
    assert "F1" not in view(matrices, SWEPT[:1], layer=UP, bits=4, group=16).readout
    assert "F1 0.910" in view(matrices, SWEPT, layer=UP, bits=8, group=16, measured=((0.001, 0.91),)).readout
    for reach in np.linspace(0.2, 1, 12):
        words = view(matrices, SWEPT, layer=UP, bits=4, group=16, reach=reach).readout
        if "F1" in words:
            assert 0.4 <= float(words.split("F1 is about ")[1].split()[0]) <= 0.9


def test_an_unknown_layer_is_told(matrices):
    with pytest.raises(SettingError, match="one of 14 matrices. Received 'layer 9'"):
        view(matrices, SWEPT, layer="layer 9", bits=4, group=64)


def test_the_panel_follows_its_controls(teacher, tmp_path):
    made = panel(teacher, small.task(tmp_path), SWEPT)
    assert made.params == {"layer": "layer 0, query", "bits": 4, "group": 64, "reach": 1.0}
    before = made.image.value
    made.controls["bits"].value = 3
    assert "3 bits, one scale for each 64 weights" in made.text
    assert made.image.value != before
    made.controls["group"].value = "row"
    made.controls["reach"].value = 0.6
    assert "one scale for each row, grids up to 60%" in made.text
    for control in made.controls.values():
        assert len(control.description) > 5


def test_measuring_is_the_real_thing(teacher, tmp_path):
    task, told = small.task(tmp_path, rows=200), []
    params = {"layer": UP, "bits": 3, "group": 16, "reach": 1.0}
    error, f1 = measure_point(teacher, task, params, lambda *words: told.append(words), lambda: False)
    by_hand = teacher.copy()
    gap = size = 0.0
    with torch.no_grad():
        for parameter in by_hand.model.parameters():
            if parameter.ndim == 2:
                back = dequantize(quantize(parameter.detach(), Scheme(3, 16)))
                gap, size = gap + float((back - parameter).square().sum()), size + float(parameter.square().sum())
                parameter.copy_(back)
    assert f1 == macro_f1(task.truth("test"), by_hand.predict(task.texts("test")))
    assert error == pytest.approx((gap / size) ** 0.5, rel=1e-4)
    assert told[0] == (0.05, "rounding every matrix to 3 bits")
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert measure_point(teacher, task, params, lambda *words: None, lambda: True) is None
    before = small.state(teacher.model)
    rounded_model(teacher, bits=2, group="row", reach=0.5)
    assert small.same(small.state(teacher.model), before)


def test_a_setting_takes_a_fraction_of_a_picture(matrices):
    large = widget.Matrix(torch.randn(1536, 384, generator=torch.Generator().manual_seed(0)) * 0.05, 1536)
    seconds = []
    for reach in np.linspace(0.3, 1, 15):
        start = time.process_time()
        widget._outcome(large, 4, 64, float(reach))
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05
