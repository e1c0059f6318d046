"""The exercises of lesson 05, one a file, in the order of the lesson."""

from labkit.exercises.bank.quantization import (  # noqa: F401 - importing them registers them, in this order
    a_group_integers,
    b_stored_bits,
    c_best_reach,
    d_ternary,
    e_straight_through_step,
    f_scale_and_zero,
    g_round_matrices,
)
