"""Results of a lesson: each is shown on one line and kept in the cell's output, where a report finds it."""

import json
import math

from labkit.errors import SettingError
from labkit.exercises.output import show

__all__ = ["MIME", "collect", "record"]

MIME = "application/vnd.labkit.result+json"
"""The type under which a result stands in a cell's output."""


def record(name, value, *, unit="", expected=None, interval=None, **context):
    """Show a measured value and store it in this cell's output.

    `expected` is a pair (low, high), `interval` the value's own confidence interval: where it straddles a
    bound the verdict is "inconclusive". `context` is what the value depends on, such as bits=4. Numbers may
    be numpy or torch scalars. Raises SettingError for NaN, for what JSON cannot hold, and for a bad pair.

    >>> record("share-kept", 0.4, expected=(0.3, 0.5), sparsity=0.6)
    share-kept: 0.4 · inside the expected range, 0.3 to 0.5
    >>> record("macro-F1", 0.88, expected=(0.87, 0.9), interval=(0.86, 0.9))
    macro-F1: 0.88 (interval 0.86 to 0.9) · inconclusive: the interval crosses a bound of the expected range,
    0.87 to 0.9
    """
    if not isinstance(name, str) or not name.strip():
        raise SettingError("a name", received=repr(name), do="Name the result, such as 'size-after-half-zero'.")
    value = _plain(value, name)
    if not isinstance(value, (int, float, str, bool)):
        raise SettingError(f"one number, text or truth value for {name}", received=repr(value), do="Record one value.")
    expected, interval = (_pair(pair, name, what) for pair, what in ((expected, "expected"), (interval, "interval")))
    if (expected or interval) and (isinstance(value, (bool, str))):
        raise SettingError(f"a number for {name}, which has a range", received=repr(value), do="Leave the range out.")
    result = {
        "name": name,
        "value": value,
        "unit": unit,
        "expected": expected,
        "interval": interval,
        "verdict": _verdict(value, expected, interval),
        "context": {key: _plain(item, f"{name}, {key}") for key, item in context.items()},
    }
    show(_line(result), data={MIME: result})


def collect(notebook):
    """All results recorded in an executed notebook (an nbformat node or the same as plain dicts), in order.

    >>> output = {"data": {MIME: {"name": "bits", "value": 4}}}
    >>> collect({"cells": [{"outputs": [output]}, {"source": "text"}]})
    [{'name': 'bits', 'value': 4}]
    """
    outputs = (output for cell in notebook["cells"] for output in cell.get("outputs", ()))
    results = (output.get("data", {}).get(MIME) for output in outputs)
    return [json.loads(json.dumps(result)) for result in results if result is not None]


def _verdict(value, expected, interval):
    """inside, outside or inconclusive; None where no range is expected."""
    if expected is None:
        return None
    low, high = expected
    if interval is None:
        return "inside" if low <= value <= high else "outside"
    if interval[0] >= low and interval[1] <= high:
        return "inside"
    return "outside" if interval[1] < low or interval[0] > high else "inconclusive"


def _line(result):
    value, verdict = result["value"], result["verdict"]
    text = f"{result['name']}: {_short(value)} {result['unit']}".rstrip()
    if result["interval"]:
        text += f" (interval {_range(result['interval'])})"
    if verdict is None:
        return text
    bounds = f"the expected range, {_range(result['expected'])}"
    if verdict == "inconclusive":
        return f"{text} · inconclusive: the interval crosses a bound of {bounds}"
    return f"{text} · {verdict} {bounds}"


def _plain(value, what):
    """The value as JSON holds it, with numpy's and torch's scalars and arrays made plain."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingError(f"a finite number for {what}", received=repr(value), do="Find out where it comes from.")
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        received, do = repr(value), "Use numbers, texts, truth values, and lists or dicts of these."
        raise SettingError(f"something that JSON can hold for {what}", received=received, do=do) from error


def _pair(pair, name, what):
    if pair is None:
        return None
    try:
        low, high = (float(bound) for bound in pair)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not low <= high:
        do = "Give two numbers, the lower one first."
        raise SettingError(f"a pair (low, high) as {what} for {name}", received=repr(pair), do=do)
    return [low, high]


def _short(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _range(pair):
    return f"{pair[0]:.4g} to {pair[1]:.4g}"
