"""Predictions: the first guess counts, nothing blocks, and the calibration is honest."""

import numpy as np
import pytest
import torch

from labkit.errors import SettingError
from labkit.predictions import calibration, predict, reveal


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))


@pytest.mark.parametrize("guess", ["many", "", float("nan"), float("inf"), [1, 2], True])
def test_a_guess_is_a_number(guess):
    with pytest.raises(SettingError, match="a number for `guess`"):
        predict("size", guess)
    with pytest.raises(SettingError, match="a number for `measured`"):
        reveal("size", guess)


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_name_is_text(name):
    with pytest.raises(SettingError, match="a name"):
        predict(name, 1)


def test_a_guess_may_change_until_it_is_revealed(capsys):
    predict("size", 10, unit="MB")
    predict("size", "40", unit="MB")
    predict("size", ..., unit="MB")
    reveal("size", np.float32(50))
    predict("size", 50, unit="MB")
    reveal("size", torch.tensor(50.0), unit="MB")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Your guess for size: 10 MB."
    assert lines[2] == "Your guess for size stays 40 MB."
    assert lines[3] == "size: you guessed 40 MB, measured 50 MB. Too low: 20% off."
    assert lines[4] == "size was revealed already, so your first guess counts: 40 MB."
    assert lines[5] == lines[3]
    assert calibration().typical_error == pytest.approx(0.2)


@pytest.mark.parametrize("nothing", [None, ...])
def test_no_guess_never_blocks(nothing, capsys):
    predict("size", nothing)
    reveal("size", 90.9, unit="MB")
    predict("size", 90.9, unit="MB")
    out = capsys.readouterr().out
    assert "No guess yet for size" in out
    assert "size: no guess yet, measured 90.9 MB." in out
    assert "a guess made now is not counted" in out
    assert calibration().count == 0
    assert str(calibration()) == "no guess has been revealed yet."


def test_reveal_without_predict(capsys):
    reveal("size", 3)
    assert capsys.readouterr().out == "size: no guess yet, measured 3.\n"


def test_the_units_must_agree():
    predict("size", 10, unit="MB")
    with pytest.raises(SettingError, match="the unit 'MB'"):
        reveal("size", 10_000, unit="kB")


@pytest.mark.parametrize(
    ("guess", "measured", "words"),
    [
        (5, 5, "Exactly."),
        (95, 100, "Close: 5.0% under."),
        (45, 90, "Too low: half of it."),
        (300, 100, "Too high: a factor of 3."),
        (10, 100, "Too low: a factor of 10."),
        (1, 0, "Too high by 1."),
        (-1, 2, "Too low by 3."),
        (-9, -3, "Too low: a factor of 3."),
        (-95, -100, "Close: 5.0% under."),
    ],
)
def test_how_far_off(guess, measured, words, capsys):
    predict("x", guess)
    reveal("x", measured)
    assert capsys.readouterr().out.splitlines()[1].endswith(words)


def test_calibration_over_several_guesses(capsys):
    for name, guess, measured in (("a", 1, 2), ("b", 105, 100), ("c", 30, 10), ("d", 7, 0)):
        predict(name, guess)
        reveal(name, measured)
    predict("e", 1)
    summary = calibration()
    assert (summary.count, summary.too_low, summary.too_high, summary.within_a_tenth) == (4, 1, 3, 1)
    assert summary.typical_error == pytest.approx(0.5)  # the median of 0.5, 0.05 and 2; no share of zero
    assert "So far: 4 guesses, typically 50% off; 1 too low, 3 too high, 1 within 10 %." in capsys.readouterr().out
