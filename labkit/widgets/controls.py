"""The controls of a panel: full-word labels, one width, moved with the arrow keys."""

from math import log10

import ipywidgets

__all__ = ["choice", "log_slider", "onward", "slider", "steps", "whole_numbers"]


def _look(description, width):
    return {
        "tooltip": description,
        "style": {"description_width": "17em"},
        "layout": ipywidgets.Layout(width=width, max_width="100%"),
    }


def slider(description, *, low, high, value, step=1, width="44em"):
    """Make a slider from `low` to `high` that reports while it moves.

    Whole numbers give whole numbers back, anything else gives floats.

    >>> bits = slider("Bits a weight", low=2, high=8, value=4)
    >>> bits.value, bits.continuous_update
    (4, True)
    >>> slider("Share of zeros", low=0.0, high=1.0, value=0.5, step=0.05).value
    0.5
    """
    whole = all(isinstance(number, int) for number in (low, high, value, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return kind(
        value,
        min=low,
        max=high,
        step=step,
        description=description,
        continuous_update=True,
        **_look(description, width),
    )


def log_slider(description, *, low, high, value, per_decade=20, width="44em"):
    """Make a slider whose every step multiplies: `per_decade` steps from 1 to 10, as many from 10 to 100.

    It begins at the step next to `value`, because a browser moves it there anyway.

    >>> log_slider("Parameters in millions", low=1, high=1000, value=10).value
    10.0
    >>> round(log_slider("Parameters in millions", low=1, high=1000, value=110).value, 1)
    112.2
    """
    value = low * 10 ** (round(log10(value / low) * per_decade) / per_decade)
    return ipywidgets.FloatLogSlider(
        value,
        base=10,
        min=log10(low),
        max=log10(high),
        step=1 / per_decade,
        readout_format=",.0f" if low >= 1 else ".3g",
        description=description,
        continuous_update=True,
        **_look(description, width),
    )


def steps(description, values, *, value, width="44em"):
    """Make a slider that stops at the given values only, such as powers of two.

    >>> steps("Texts at a time", [1, 2, 4, 8], value=4).value
    4
    """
    return ipywidgets.SelectionSlider(
        options=[(f"{each:,}", each) for each in values],
        value=value,
        description=description,
        continuous_update=True,
        **_look(description, width),
    )


def whole_numbers(low, high, *, per_decade=20):
    """List whole numbers that grow by about the same factor, each once, for `steps`: no key press without effect.

    >>> whole_numbers(1, 20, per_decade=10)
    [1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20]
    """
    count = round(log10(high / low) * per_decade)
    return sorted({round(low * (high / low) ** (step / count)) for step in range(count + 1)})


def choice(description, options, *, value=None, width="44em"):
    """Make a list to pick one of; `options` are words, or pairs of words and the value they stand for.

    >>> choice("Stored as", [("32-bit floats", 32), ("8-bit whole numbers", 8)]).value
    32
    """
    look = _look(description, width)
    first = {} if value is None else {"value": value}
    return ipywidgets.Dropdown(options=options, description=description, **first, **look)


def onward(control, old):
    """Give the value that comes next if a control moves on as it did from `old` to where it is, or None at an end.

    >>> onward(slider("Bits a weight", low=2, high=8, value=4), 3)
    5
    >>> onward(steps("Texts at a time", [1, 2, 4, 8], value=4), 8)
    2
    >>> onward(log_slider("Parameters in millions", low=1, high=1000, value=100, per_decade=1), 10)
    1000.0
    >>> onward(slider("Bits a weight", low=2, high=8, value=8), 7) is None
    True
    """
    now = control.value
    if hasattr(control, "index"):
        values = [option[1] if isinstance(option, tuple) else option for option in control.options]
        if old not in values:
            return None  # the options themselves have changed
        place = 2 * values.index(now) - values.index(old)
        return values[place] if 0 <= place < len(values) else None
    if not hasattr(control, "min"):
        return None
    logarithmic = hasattr(control, "base")
    value = now * now / old if logarithmic else 2 * now - old
    low, high = (control.base**control.min, control.base**control.max) if logarithmic else (control.min, control.max)
    return value if low <= value <= high else None
