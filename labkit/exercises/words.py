"""Values in words that fit on a line or two: inputs, expected and received results."""

import numpy as np

from labkit.exercises.compare import as_array

__all__ = ["call_in_words", "count", "in_words"]

_LONGEST = 300


def in_words(value):
    """Write a value so that a reader can take it in: few digits, large arrays cut, at most 300 characters.

    >>> in_words(1 / 3), in_words([1, 2.50000001]), in_words(np.zeros(2))
    ('0.333333', '[1, 2.5]', 'array([0., 0.])')
    """
    if isinstance(value, (bool, np.bool_, str, type(None))):
        text = repr(value if isinstance(value, str) else value and bool(value))
    elif isinstance(value, (float, np.floating)):
        text = f"{value:.6g}"
    elif isinstance(value, np.integer):
        text = str(int(value))
    elif type(value) in (list, tuple):
        inside = ", ".join(map(in_words, value)) + ("," if len(value) == 1 and type(value) is tuple else "")
        text = f"[{inside}]" if type(value) is list else f"({inside})"
    elif type(value) is dict:
        text = "{" + ", ".join(f"{key!r}: {in_words(item)}" for key, item in value.items()) + "}"
    elif hasattr(value, "shape") and as_array(value) is not None:
        text = _array_in_words(value)
    else:
        text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2] + " …"


def call_in_words(name, case):
    """Write the call of one case.

    >>> from labkit.exercises import Case
    >>> call_in_words("mask", Case(args=([1.0, -2.0],), kwargs={"share": 0.5}))
    'mask([1, -2], share=0.5)'
    """
    inside = [in_words(value) for value in case.args]
    inside += [f"{key}={in_words(value)}" for key, value in case.kwargs.items()]
    return f"{name}({', '.join(inside)})"


def count(number, noun):
    """Write a number with its noun.

    >>> count(1, "case"), count(3, "case")
    ('1 case', '3 cases')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _array_in_words(value):
    array = as_array(value)
    kind = "tensor" if hasattr(value, "detach") else "array"
    if array.ndim == 0:
        return in_words(array.item())
    text = np.array2string(array, precision=6, threshold=24, edgeitems=3, separator=", ", suppress_small=True)
    shape = f", shape={array.shape}" if array.size > 24 else ""
    return f"{kind}({text}{shape})"
