"""The machine card's logic, with a machine whose figures are round numbers."""

from types import SimpleNamespace

import pytest

from labkit.errors import SettingError
from labkit.widgets import machine_card
from labkit.widgets.machine_card import Token, measure, panel, view

MACHINE = SimpleNamespace(read_gb_s=40.0, gflop_s=200.0, memory_bytes=16e9)


def nothing(fraction, words):
    """Report to nobody."""


def test_the_words_say_what_the_figures_are():
    words = view(100, 4.0, machine=MACHINE).readout
    assert "100 million parameters at 4 bytes each are 400 MB." in words
    assert "reads them once in 10 ms (40 GB/s)" in words
    assert "arithmetic of one token in 1 ms (200 GFLOP/s)" in words
    assert "memory is the limit, by a factor of 10." in words
    assert "2.5% of its 16 GB" in words


def test_arithmetic_can_be_the_limit():
    slow = SimpleNamespace(read_gb_s=40.0, gflop_s=20.0, memory_bytes=16e9)
    assert "arithmetic is the limit, by a factor of 8" in view(100, 0.5, machine=slow).readout


def test_a_model_too_large_for_memory_is_said_not_to_fit():
    assert "do not fit: its memory holds 16 GB." in view(175_000, 4.0, machine=MACHINE).readout
    assert "They take" in view(3_999, 4.0, machine=MACHINE).readout


def test_the_point_in_the_picture_is_where_the_words_say():
    fig = view(100, 4.0, machine=MACHINE, measured=(Token(50, 0.02),)).figure
    lines = {line.get_label(): line.get_xydata() for line in fig.axes[0].get_lines()}
    assert lines["the size you chose"].tolist() == [[100, pytest.approx(0.01)]]
    assert lines["measured, 4 bytes"].tolist() == [[50, 0.02]]


def test_measure_multiplies_real_weights():
    point = measure({"millions": 3.2, "bytes_a_weight": 4.0}, nothing, lambda: False)
    assert point.millions == 3
    assert 1e-5 < point.seconds < 1


def test_measure_stops_without_a_point_when_it_has_timed_nothing():
    assert measure({"millions": 5, "bytes_a_weight": 4.0}, nothing, lambda: True) is None


def test_measure_keeps_what_it_timed_when_stopped_later():
    calls = iter([False] * 4 + [True] * 100)
    point = measure({"millions": 2, "bytes_a_weight": 4.0}, nothing, lambda: next(calls))
    assert point.millions == 2


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"millions": 1e6, "bytes_a_weight": 4.0}, r"million parameters, half of the free memory"),
        ({"millions": 10, "bytes_a_weight": 1.0}, r"weights of 4 bytes.*Received 1"),
    ],
)
def test_measure_refuses_what_it_cannot_do(params, words):
    with pytest.raises(SettingError, match=words):
        measure(params, nothing, lambda: False)


def test_the_panel_opens_on_a_hundred_million(monkeypatch):
    monkeypatch.setattr(machine_card, "probe", lambda: MACHINE)
    opened = panel()
    assert opened.text.startswith("100 million parameters at 4 bytes each")
    opened.controls["bytes_a_weight"].value = 1.0
    assert "at 1 byte each are 100 MB" in opened.text
