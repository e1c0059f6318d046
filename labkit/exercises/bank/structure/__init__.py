"""The exercises of lesson 04, one a file, in the order of the lesson."""

from labkit.exercises.bank.structure import (  # noqa: F401 - importing them registers them, in this order
    a_layer_macs,
    b_kept_layers,
    c_paired_difference,
    d_narrow_heads,
    e_column_importance,
    f_speedup,
)
