"""The figures of lesson 01: what is drawn is what was given."""

import numpy as np
import pytest

from labkit.hardware import SHAPES, parameters, tables
from labkit.hardware.order import KIND_OF, PRECEDES, STAGES, WAY_OF, judge
from labkit.plots import hardware as plots
from labkit.plots.style import png


def texts(fig):
    return [text.get_text() for ax in fig.axes for text in ax.texts]


def test_parameter_counts_draws_a_bar_for_each_model_and_the_border():
    counts = {name: parameters(shape) for name, shape in SHAPES.items()}
    fig = plots.parameter_counts(counts)
    (ax,) = fig.axes
    assert [bar.get_width() for bar in ax.patches] == list(counts.values())
    over = [bar.get_facecolor() for bar, count in zip(ax.patches, counts.values(), strict=True) if count >= 1e9]
    under = [bar.get_facecolor() for bar, count in zip(ax.patches, counts.values(), strict=True) if count < 1e9]
    assert not set(over) & set(under)
    assert "109 M" in texts(fig)
    assert "a billion" in texts(fig)


def test_memory_bars_stack_their_parts():
    rows = tables.moment_rows({"MiniLM": (4, 16)})
    fig = plots.memory_bars(rows, measured={"MiniLM: update": 5e8}, limit=1e9, limit_name="limit")
    (ax,) = fig.axes
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert max(ends) == pytest.approx(max(sum(parts.values()) for parts in rows.values()) / 1e9)
    (diamond,) = [line for line in ax.lines if line.get_marker() == "D"]
    assert diamond.get_xdata()[0] == pytest.approx(0.5)
    (legend,) = fig.legends
    words = [text.get_text() for text in legend.get_texts()]
    assert len(words) == len(set(words))
    assert " limit" in texts(fig)


def test_roofline_is_the_lower_of_two_lines():
    fig = plots.roofline(peak=100e9, bandwidth=10e9, points=[("here", 2.0, 15e9, "measured")], name="x")
    (ax,) = fig.axes
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, np.minimum(100, 10 * x))
    assert ax.lines[1].get_data() == ([2.0], [15.0])
    low, high = ax.get_xlim()
    assert low < 2.0 < high
    assert "FLOP" in ax.get_xlabel()
    assert "GFLOP/s" in ax.get_ylabel()


def test_long_run_draws_what_is_calculated_and_what_is_measured():
    sizes = {"a": 10, "b": 1000}
    panel = {"unit": "bytes", "calculated": {"b": 100, "a": 1}, "measured": {"a": 2}, "limit": (50, "here")}
    fig = plots.long_run(sizes, {"One": panel, "Two": panel})
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["One", "Two"]
    calculated, measured, limit = fig.axes[0].lines
    assert list(calculated.get_xdata()) == [10, 1000]
    assert list(calculated.get_ydata()) == [1, 100]
    assert list(measured.get_ydata()) == [2]
    assert limit.get_ydata()[0] == 50


def test_order_shows_every_stage():
    fig = plots.order()
    assert set(STAGES) <= set(texts(fig))
    assert png(fig) == png(plots.order())


def test_order_is_a_graph_of_stages():
    assert set(PRECEDES) | {"deployment"} == set(STAGES)
    for before, after in PRECEDES.items():
        assert set(after) < set(STAGES)
        assert before not in after
    assert set(STAGES).isdisjoint(WAY_OF)
    assert {"pruning", "quantization", "distillation"} <= set(KIND_OF)
    # Training comes before what is done to a trained model, and nothing comes after deployment.
    assert all("pre-training" not in after for after in PRECEDES.values())


@pytest.mark.parametrize(
    ("arrow", "verdict"),
    [
        (("pre-training", "pruning"), "possible"),
        (("fine-tuning", "quantization"), "possible"),
        (("pruning", "distributed training"), "not an order: distributed training is a way"),
        (("quantization", "compression"), "not an order: quantization is a kind of"),
        (("deployment", "pre-training"), "not possible"),
    ],
)
def test_the_articles_arrows(arrow, verdict):
    assert judge(*arrow).startswith(verdict)


def test_readable_numbers():
    assert plots.readable(175e9) == "175 B"
    assert plots.readable(999_999) == "1 M"
    assert plots.readable(312e12, "FLOP") == "312 TFLOP"
