"""The exercises of lesson 06, one a file, in the order of the lesson."""

from labkit.exercises.bank.int8 import (  # noqa: F401 - importing them registers them, in this order
    a_file_ratio,
    b_integer_matmul,
    c_token_scales,
    d_calibrated,
    e_spend_bits,
)
