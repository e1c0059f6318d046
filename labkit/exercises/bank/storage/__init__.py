"""The exercises of lesson 09, one a file, in the order of the lesson."""

from labkit.exercises.bank.storage import (  # noqa: F401 - importing them registers them, in this order
    a_to_csr,
    b_message_bits,
    c_pop,
    d_largest_rank,
    e_merged_bytes,
)
