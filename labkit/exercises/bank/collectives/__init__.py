"""The exercises of lesson 07, one a file, in the order of the lesson."""

from labkit.exercises.bank.collectives import (  # noqa: F401 - importing them registers them, in this order
    a_contribution,
    b_ring_chunk,
    c_after_steps,
    d_busiest_bytes,
    e_tree_rounds,
    f_rate_for_sum,
)
