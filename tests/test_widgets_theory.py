import numpy as np
import pytest

from labkit.errors import SettingError
from labkit.plots.style import png
from labkit.theory import Rounding, article_scale, round_weights
from labkit.widgets import theory as widgets


def relative_error(matrix, rounding):
    weight = widgets.weights(matrix).astype(float)
    return np.linalg.norm(round_weights(weight, rounding) - weight) / np.linalg.norm(weight)


def test_the_weights_are_those_of_the_real_model():
    assert widgets.weights(widgets.OUTLIER).shape == (384, 1536)
    assert {widgets.weights(name).ndim for name in widgets.MATRICES} == {2}


@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
@pytest.mark.parametrize("share", ["tensor", "channel", "group"])
def test_readout_and_bar_say_the_error(share, scheme):
    shown = widgets.view("pooler", bits=3, share=share, group=32, scheme=scheme, percentile=99.5)
    expected = relative_error("pooler", Rounding(3, share, 32, scheme, 99.5))
    assert f"the error is {expected:.1%} of" in shown.readout
    bars = {text.get_text().strip() for text in shown.figure.axes[1].texts}
    assert f"{expected:.1%}" in bars
    assert png(shown.figure)


def test_an_outlier_leaves_one_scale_with_next_to_nothing():
    assert relative_error(widgets.OUTLIER, Rounding(4, "tensor")) > 0.9
    assert relative_error(widgets.OUTLIER, Rounding(4, "group")) < 0.15
    clipped = relative_error(widgets.OUTLIER, Rounding(4, "tensor", percentile=99.9))
    assert clipped < 0.35
    assert "8 of 589,824 weights are not zero" in widgets.view(widgets.OUTLIER, bits=4).readout


def test_the_grid_drawn_is_the_grid_used():
    shown = widgets.view("pooler", bits=3, share="tensor")
    lines = shown.figure.axes[0].collections[0].get_segments()
    drawn = sorted(segment[0, 0] for segment in lines)
    used = np.unique(round_weights(widgets.weights("pooler"), Rounding(3, "tensor")))
    np.testing.assert_allclose(drawn, used, atol=1e-6)


def test_the_panel_follows_its_controls():
    panel = widgets.panel("pooler")
    before = panel.text, panel.image.value
    panel.controls["bits"].value = 8
    panel.controls["share"].value = "group"
    assert panel.text.startswith("8 bits, symmetric, one scale for each group of 64 weights")
    assert panel.image.value != before[1]
    for control in panel.controls.values():
        assert len(control.description) > 5


def test_the_update_readout_counts():
    shown = widgets.update_view(4, rows=64, steps=2)
    assert f"{article_scale(4, rows=64):.3g} times the right one (K²/N), with shard sums 4 times (K)" in shown.readout
    assert "accident" not in shown.readout
    assert "right by accident" in widgets.update_view(8, rows=64, steps=2).readout


def test_with_n_equal_k_squared_the_article_follows_the_right_curve():
    lines = widgets.update_view(8, rows=64, steps=5).figure.axes[0].lines
    right, means, sums = (np.asarray(line.get_ydata()) for line in lines)
    np.testing.assert_allclose(right, means, atol=1e-12)
    assert np.abs(right - sums).max() > 0.1


def test_the_update_panel_takes_every_setting():
    panel = widgets.update_panel()
    panel.controls["rows"].value = 16
    panel.controls["workers"].value = 16
    assert panel.text.startswith("16 workers, 16 rows")


def test_features_are_scaled_and_rows_are_bounded():
    features, labels = widgets.headline_features(240, seed=0)
    assert features.shape == (240, 16)
    assert set(labels) <= set(range(5))
    np.testing.assert_allclose(np.square(features).mean(axis=0), 1.0)
    with pytest.raises(SettingError, match="number of rows from 16 to"):
        widgets.headline_features(5, seed=0)
