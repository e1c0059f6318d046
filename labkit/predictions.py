"""Predict first: commit to a number, see it beside the measurement, learn how good your guesses are."""

import math
from dataclasses import dataclass
from html import escape
from statistics import median

from labkit.errors import SettingError
from labkit.exercises.output import box, show
from labkit.exercises.store import Store, now

__all__ = ["Calibration", "calibration", "predict", "reveal"]

_STORE = Store("predictions.json")


def predict(name, guess, *, unit=""):
    """Commit to a number before it is measured; `...` or None means no guess yet, and the notebook goes on.

    The guess may be changed until it has been revealed; from then on the first one counts.
    Raises SettingError where the guess is not a number.

    >>> predict("doctest-size", 45, unit="MB")
    Your guess for doctest-size: 45 MB.
    >>> reveal("doctest-size", 90.0)
    doctest-size: you guessed 45 MB, measured 90 MB. Too low: half of it.
    >>> predict("doctest-size", 90, unit="MB")
    doctest-size was revealed already, so your first guess counts: 45 MB.
    >>> with _STORE.update() as records: del records["doctest-size"]
    """
    _check_name(name)
    value = None if guess is None or guess is ... else _number(guess, "guess")
    with _STORE.update() as records:
        old = records.get(name, {})
        if old.get("measured") is not None:
            show(_too_late(name, old, value))
            return
        if value is None and old.get("guess") is None:
            show(f"No guess yet for {name}. Put a number in place of ... and run the cell again.")
        elif value is None:
            show(f"Your guess for {name} stays {_amount(old['guess'], old['unit'])}.")
        else:
            records[name] = {
                "guess": value,
                "unit": unit,
                "guessed": now(),
                "measured": None,
                "revealed": None,
            }
            show(f"Your guess for {name}: {_amount(value, unit)}.")


def reveal(name, measured, *, unit=None):
    """Show the guess against what was measured, in words and as two bars, and add it to the calibration.

    `unit` is that of the prediction unless given. Raises SettingError where the measurement is not a number,
    or its unit is not that of the guess.
    """
    _check_name(name)
    value = _number(measured, "measured")
    with _STORE.update() as records:
        record = records.setdefault(name, {"guess": None, "unit": unit or "", "guessed": None})
        if unit is not None and record["guess"] is not None and unit != record["unit"]:
            received, do = f"{unit!r} for {name}", "Give the measurement in the unit of the guess."
            raise SettingError(f"the unit {record['unit']!r}", received=received, do=do)
        unit = record["unit"] if unit is None else unit
        record.update(measured=value, revealed=record.get("revealed") or now())
        guess = record["guess"]
    if guess is None:
        show(f"{name}: no guess yet, measured {_amount(value, unit)}.")
        return
    words = f"{name}: you guessed {_amount(guess, unit)}, measured {_amount(value, unit)}. {_judge(guess, value)}"
    bars = _bars(("your guess", guess), ("measured", value))
    summary = calibration()
    lines = [("So far", str(summary))] if summary.count > 1 else []
    show("\n".join([words, *(f"{a}: {b}" for a, b in lines)]), box(words, lines) + bars)


@dataclass(frozen=True)
class Calibration:
    """How good a reader's guesses are, over all lessons."""

    count: int
    """Guesses that have been revealed."""
    typical_error: float | None
    """Median of |guess − measured| / |measured|; None where there is none."""
    too_low: int
    """Guesses below the measurement."""
    too_high: int
    """Guesses above it."""
    within_a_tenth: int
    """Guesses within 10 % of the measurement."""

    def __str__(self):
        if self.typical_error is None:
            return "no guess has been revealed yet."
        return (
            f"{self.count} guess{'es' if self.count > 1 else ''}, typically {self.typical_error:.0%} off; "
            f"{self.too_low} too low, {self.too_high} too high, {self.within_a_tenth} within 10 %."
        )


def calibration():
    """Sum up all guesses that were made before they were revealed; returns a Calibration."""
    pairs = [(one["guess"], one["measured"]) for one in _STORE.read().values()]
    pairs = [(guess, value) for guess, value in pairs if guess is not None and value is not None]
    errors = [abs(guess - value) / abs(value) for guess, value in pairs if value]
    return Calibration(
        count=len(pairs),
        typical_error=median(errors) if errors else None,
        too_low=sum(guess < value for guess, value in pairs),
        too_high=sum(guess > value for guess, value in pairs),
        within_a_tenth=sum(error <= 0.1 for error in errors),
    )


def _judge(guess, value):
    """Say how far a guess is from the measurement."""
    if guess == value:
        return "Exactly."
    direction = "Too low" if guess < value else "Too high"
    if value == 0 or guess == 0 or guess / value < 0:
        return f"{direction} by {abs(guess - value):.3g}."
    ratio = guess / value
    if abs(ratio - 1) <= 0.1:
        return f"Close: {abs(ratio - 1):.1%} {'under' if abs(guess) < abs(value) else 'over'}."
    if abs(ratio - 0.5) < 0.01:
        return f"{direction}: half of it."
    if 0.5 < ratio < 2:
        return f"{direction}: {abs(ratio - 1):.0%} off."
    return f"{direction}: a factor of {max(ratio, 1 / ratio):.3g}."


def _too_late(name, old, value):
    if old["guess"] is None:
        return f"{name} was revealed before you guessed; a guess made now is not counted."
    kept = _amount(old["guess"], old["unit"])
    same = value is None or value == old["guess"]
    return (
        f"Your guess for {name}: {kept}."
        if same
        else (f"{name} was revealed already, so your first guess counts: {kept}.")
    )


def _bars(*pairs):
    """Two bars of a common scale; the words say the same, so screen readers skip them."""
    largest = max(abs(value) for _, value in pairs) or 1.0
    rows = "".join(
        f'<div style="display:flex;gap:.5em"><span style="width:6em">{escape(label)}</span>'
        f'<span style="width:{200 * abs(value) / largest:.0f}px;background:{colour}"></span></div>'
        for (label, value), colour in zip(pairs, ("#E69F00", "#0072B2"), strict=True)
    )
    return f'<div aria-hidden="true" style="padding-left:1em;font-size:90%">{rows}</div>'


def _amount(value, unit):
    text = f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def _number(value, what):
    """A finite float from a number, a numpy or torch scalar, or a text such as "45"."""
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, RuntimeError):
        number = float("nan")
    if not math.isfinite(number):
        do = "Write a number such as 45.0, or ... to go on without a guess."
        if what == "measured":
            do = "Give the measured number."
        raise SettingError(f"a number for `{what}`", received=repr(value), do=do)
    return number


def _check_name(name):
    if not isinstance(name, str) or not name.strip():
        do = "Name what is predicted, such as 'size-after-half-zero'."
        raise SettingError("a name", received=repr(name), do=do)
