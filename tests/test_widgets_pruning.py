"""The widget of lesson 03: what it says of a sparsity is what the weights say."""

import numpy as np
import pytest
import small

from labkit.coding import sparse_bits
from labkit.errors import SettingError
from labkit.policy import Policy
from labkit.statistics import macro_f1
from labkit.steps import PruneMagnitude
from labkit.steps.base import encoder_weights
from labkit.widgets import pruning as widget
from labkit.widgets.pruning import WHOLE, Weights, measure_point, panel, view, weights_of

SWEPT = [(0.0, 0.9), (0.3, 0.89), (0.5, 0.8), (0.6, 0.4)]


@pytest.fixture(scope="module")
def teacher():
    return small.classifier(hidden=32)


@pytest.fixture(scope="module")
def weights(teacher):
    return weights_of(teacher)


def test_every_matrix_has_a_readable_name_and_all_its_weights(teacher, weights):
    assert len(weights) == 13
    assert "layer 0, attention output" in weights
    assert "layer 1, feed-forward, down" in weights
    assert weights[WHOLE].total == sum(weight.numel() for weight in encoder_weights(teacher.model).values())
    assert weights["layer 0, feed-forward, up"].total == 32 * 64


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.77, 0.99, 1.0])
def test_a_threshold_cuts_off_the_share_it_says(teacher, weights, sparsity):
    flat = np.concatenate([w.detach().numpy().ravel() for w in encoder_weights(teacher.model).values()])
    one = weights[WHOLE]
    assert (np.abs(flat) < one.threshold(sparsity)).mean() == pytest.approx(sparsity, abs=0.001)
    assert one.sparsity(one.threshold(sparsity)) == pytest.approx(sparsity, abs=0.001)


def test_thresholds_outside_the_weights():
    one = Weights.of(np.linspace(-1, 1, 1001))
    assert one.sparsity(0.0) == 0
    assert one.sparsity(-1.0) == 0
    assert min(one.sparsity(2.0), 1.0) == 1
    assert one.counts.sum() == pytest.approx(1.001, abs=0.03)


def test_the_words_give_share_threshold_and_bytes(weights):
    shown = view(weights, SWEPT, layer=WHOLE, sparsity=0.5)
    total, cut = weights[WHOLE].total, weights[WHOLE].threshold(0.5)
    dense, sparse = 4 * total / 1e6, sparse_bits(total, 0.5) / 8e6
    assert shown.readout.startswith(
        f"The whole encoder: 50% of {total:,} weights lie below {cut:.4f} and become zero; 50% stay."
    )
    assert (
        f"dense file {dense:.2f} MB, as before; with the zeros coded {sparse:.2f} MB, {dense / sparse:.1f} times smaller"
        in shown.readout
    )
    assert "F1 is about 0.800 (between measured points)" in shown.readout


def test_a_threshold_takes_precedence(weights):
    cut = weights[WHOLE].threshold(0.3)
    by_threshold = view(weights, SWEPT, layer=WHOLE, sparsity=0.9, threshold=cut)
    assert "30% of" in by_threshold.readout
    assert "F1 is about 0.890" in by_threshold.readout
    everything = view(weights, SWEPT, layer=WHOLE, sparsity=0.0, threshold=1e9)
    assert "100% of" in everything.readout


def test_both_ends_of_the_slider(weights):
    assert "no smaller" in view(weights, SWEPT, layer=WHOLE, sparsity=0.0).readout
    assert "times smaller" in view(weights, SWEPT, layer=WHOLE, sparsity=0.999).readout
    full = view(weights, SWEPT, layer=WHOLE, sparsity=1.0).readout
    assert "100% of" in full
    assert "coded 0.00 MB" in full


def test_f1_is_said_only_between_measured_points_and_never_beyond_them(weights):
    assert "F1" not in view(weights, SWEPT, layer=WHOLE, sparsity=0.7).readout
    assert "F1" not in view(weights, SWEPT[:1], layer=WHOLE, sparsity=0.0).readout
    words = view(weights, SWEPT, layer=WHOLE, sparsity=0.7, measured=((0.7, 0.3),)).readout
    assert "F1 is about 0.300" in words
    assert words.endswith("Last measured: 70% of every matrix at zero, F1 0.300.")
    for sparsity in np.linspace(0, 0.6, 30):
        words = view(weights, SWEPT, layer=WHOLE, sparsity=sparsity).readout
        assert 0.4 <= float(words.split("F1 is about ")[1].split()[0]) <= 0.9


def test_an_unknown_layer_is_told(weights):
    with pytest.raises(SettingError, match="one of 13 layers. Received 'layer 9'"):
        view(weights, SWEPT, layer="layer 9", sparsity=0.5)


def test_the_panel_redraws_and_starts_at_the_whole_encoder(teacher, tmp_path):
    made = panel(teacher, small.task(tmp_path), SWEPT, sparsity=0.4)
    assert made.params == {"layer": WHOLE, "sparsity": 0.4, "threshold": 0.0}
    assert "40% of" in made.text
    before = made.image.value
    made.controls["sparsity"].value = 0.6
    assert "60% of" in made.text
    assert made.image.value != before
    made.controls["layer"].value = "layer 1, key"
    assert made.text.startswith("Layer 1, key: 60% of 1,024 weights")
    assert made.controls["threshold"].max == pytest.approx(float(weights_of(teacher)[WHOLE].sizes[-40]))


def test_measuring_is_the_real_thing(teacher, tmp_path, monkeypatch, weights):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    task, told = small.task(tmp_path, rows=200), []
    params = {"layer": WHOLE, "sparsity": 0.7, "threshold": 0.0}
    point = measure_point(teacher, task, params, lambda *words: told.append(words), lambda: False, weights=weights)
    by_hand = teacher.copy()
    PruneMagnitude(sparsity=0.7).prepare(by_hand)
    assert point == (0.7, macro_f1(task.truth("test"), by_hand.predict(task.texts("test"))))
    assert told[0] == (0.1, "pruning 70% and packing")
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert measure_point(teacher, task, params, lambda *words: None, lambda: True, weights=weights) is None


def test_a_threshold_is_measured_at_its_share(teacher, tmp_path, monkeypatch, weights):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    task, asked = small.task(tmp_path), []
    params = {"layer": WHOLE, "sparsity": 0.1, "threshold": weights[WHOLE].threshold(0.42)}
    monkeypatch.setattr(widget, "Policy", lambda steps: asked.append(steps[0]) or Policy(steps))
    share, _ = measure_point(teacher, task, params, lambda *words: None, lambda: False, weights=weights)
    assert share == pytest.approx(0.42, abs=0.001)
    assert asked == [PruneMagnitude(sparsity=round(share, 4))]
