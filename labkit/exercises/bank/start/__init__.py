"""The exercises of lesson 00, one a file, in the order of the lesson."""

from labkit.exercises.bank.start import (  # noqa: F401 - importing them registers them, in this order
    a_macro_f1,
    b_slowdown,
)
