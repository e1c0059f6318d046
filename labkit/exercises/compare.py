"""Whether two results are the same to a reader: by value, whatever the container they come in."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from itertools import islice
from numbers import Number

import numpy as np

__all__ = ["Difference", "as_array", "describe", "difference"]

_NOISE = {8: (1e-12, 1e-12), 4: (1e-6, 1e-7), 2: (1e-2, 1e-3)}
"""For numbers of 8, 4 and 2 bytes: what rounding may do, as a share of the largest number, and at zero."""


@dataclass(frozen=True)
class Difference:
    """How a result is not what was expected."""

    kind: str
    """type, shape, keys, nan or value."""
    words: str
    """One sentence for the reader."""


def difference(received, expected, *, tolerance=1e-6, where=""):
    """Compare a result with the expected one; None where they agree, else a Difference.

    Numbers agree within `tolerance` (a share of the expected number) plus what rounding does at the precision
    that either side uses. numpy, torch and plain lists are interchangeable; so are booleans and 0/1.

    >>> difference([1, 2.0000001], np.array([1.0, 2.0])) is None
    True
    >>> difference([1, 3], np.array([1.0, 2.0])).words
    'At [1]: expected 2, received 3 (1 of 2 values differ).'
    """
    if received is None and expected is not None:
        return Difference("type", f"{_at(where)}nothing came back (None): is a `return` missing?")
    if isinstance(expected, Mapping):
        return _compare_mappings(received, expected, tolerance, where)
    if isinstance(expected, (list, tuple)) and not (expected and all(map(_is_number, expected))):
        return _compare_sequences(received, expected, tolerance, where)
    wanted = as_array(expected)
    if wanted is not None:
        return _compare_numbers(received, wanted, expected, tolerance, where)
    if getattr(expected, "dtype", None) is not None and hasattr(expected, "tolist"):  # an array of strings
        return difference(received, expected.tolist(), tolerance=tolerance, where=where)
    if isinstance(expected, Set) and isinstance(received, (list, tuple)):
        received = set(received)
    if hasattr(received, "tolist") and isinstance(expected, str):  # numpy's strings
        received = received.tolist()
    if type(received) is not type(expected) and (expected is None or received != expected):
        return _other_type(received, expected, where)
    if received != expected:
        return Difference("value", f"{_at(where)}expected {expected!r}, received {received!r}.")
    return None


def as_array(value):
    """Turn numbers, arrays, tensors and lists of these into a numeric numpy array; None where it is not one.

    >>> as_array([True, 2]).tolist(), as_array("two"), as_array([[1], [1, 2]])
    ([1, 2], None, None)
    """
    if isinstance(value, (str, bytes, Mapping, Set)) or value is None:
        return None
    if hasattr(value, "detach"):  # a torch tensor, without importing torch
        value = value.detach().cpu()
        value = value.to_dense() if value.layout is not None and "strided" not in str(value.layout) else value
        array = value.float().numpy() if "bfloat16" in str(value.dtype) else value.numpy()
    else:
        if isinstance(value, (list, tuple)):
            value = [item if _is_number(item) else as_array(item) for item in value]
            if any(item is None for item in value):
                return None
        try:
            array = np.asarray(value)
        except (ValueError, TypeError):  # rows of different lengths, or an object that is no array
            return None
    return array if array.dtype.kind in "biufc" else None


def describe(value):
    """Say in a few words what kind of thing a value is.

    >>> describe(np.zeros((2, 3))), describe(2.5), describe([1, 2])
    ('an array of shape (2, 3)', 'a number', 'a list of length 2')
    """
    if value is None:
        return "None"
    if isinstance(value, (bool, np.bool_)):
        return "True or False"
    if _is_number(value):
        return "a number"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of shape {tuple(value.shape)}" if value.shape else "a number"
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"a {type(value).__name__} of length {len(value)}"
    if isinstance(value, Mapping):
        return "a dict with the keys " + ", ".join(map(repr, value))
    return f"a {type(value).__name__}"


def _compare_numbers(received, wanted, expected, tolerance, where):
    """Numeric arrays: type, then shape, then NaN and infinity, then values."""
    got = as_array(received)
    if got is None:
        return _other_type(received, expected, where)
    if got.shape != wanted.shape:
        shapes = [f"shape {array.shape}" if array.shape else "a single number" for array in (wanted, got)]
        return Difference("shape", f"{_at(where)}expected {shapes[0]}, received {shapes[1]}.")
    noise, floor = _NOISE[min(_precision(received, got), _precision(expected, wanted))]
    got, wanted = (array.astype(complex if array.dtype.kind == "c" else float) for array in (got, wanted))
    finite = np.isfinite(wanted)
    size = np.abs(wanted[finite]).max(initial=0.0)
    allowed = np.maximum(tolerance, noise) * np.abs(np.where(finite, wanted, 0)) + noise * size + floor
    with np.errstate(invalid="ignore"):
        near = np.abs(got - wanted) <= allowed
    same = np.where(finite, near, (got == wanted) | (np.isnan(got) & np.isnan(wanted)))
    if same.all():
        return None
    index = tuple(int(i) for i in np.argwhere(~same)[0]) if same.shape else ()
    place = where + (f"[{', '.join(map(str, index))}]" if index else "")
    count = f" ({int((~same).sum())} of {same.size} values differ)" if same.size > 1 else ""
    kind = "value" if np.isfinite(got[index]) == np.isfinite(wanted[index]) else "nan"
    words = f"{_at(place)}expected {_number(wanted[index])}, received {_number(got[index])}{count}."
    return Difference(kind, words)


def _compare_sequences(received, expected, tolerance, where):
    """Lists and tuples, item by item; an array counts as the list of its rows."""
    unfit = isinstance(received, (str, bytes, Mapping, Set)) or not isinstance(received, Iterable)
    if unfit or getattr(received, "shape", None) == ():
        return _other_type(received, expected, where)
    items = list(islice(received, len(expected) + 1))
    if len(items) != len(expected):
        count = f"more than {len(expected)}" if len(items) > len(expected) else len(items)
        return Difference("shape", f"{_at(where)}expected {len(expected)} items, received {count}.")
    pairs = enumerate(zip(items, expected, strict=True))
    found = (difference(a, b, tolerance=tolerance, where=f"{where}[{i}]") for i, (a, b) in pairs)
    return next(filter(None, found), None)


def _compare_mappings(received, expected, tolerance, where):
    """Dicts: the same keys, then each value."""
    if not isinstance(received, Mapping):
        return _other_type(received, expected, where)
    missing = [repr(key) for key in expected if key not in received]
    extra = [repr(key) for key in received if key not in expected]
    if missing or extra:
        both = (("missing", missing), ("extra", extra))
        parts = [f"{word} {', '.join(keys)}" for word, keys in both if keys]
        return Difference("keys", f"{_at(where)}the keys differ: {'; '.join(parts)}.")
    pairs = ((key, received[key], value) for key, value in expected.items())
    found = (difference(a, b, tolerance=tolerance, where=f"{where}[{key!r}]") for key, a, b in pairs)
    return next(filter(None, found), None)


def _other_type(received, expected, where):
    return Difference("type", f"{_at(where)}expected {describe(expected)}, received {describe(received)}.")


def _precision(value, array):
    """Bytes of one float of a value that became `array`, 8 where it holds whole numbers."""
    if "bfloat16" in str(getattr(value, "dtype", "")):  # numpy has none, so the array has more bytes
        return 2
    return min(8, array.dtype.itemsize) if array.dtype.kind == "f" else 8


def _is_number(value):
    return isinstance(value, (Number, np.bool_)) and not hasattr(value, "detach")


def _number(value):
    value = value.item() if hasattr(value, "item") else value
    return f"{value:.6g}" if not isinstance(value, complex) else str(value)


def _at(where):
    return f"At {where}: " if where else ""
