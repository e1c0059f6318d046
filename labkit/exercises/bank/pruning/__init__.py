"""The exercises of lesson 03, one a file, in the order of the lesson."""

from labkit.exercises.bank.pruning import (  # noqa: F401 - importing them registers them, in this order
    a_magnitude_mask,
    b_gradual_sparsity,
    c_masked_step,
    d_sparse_bits,
    e_threshold_prune,
    f_masked_forward,
    g_frozen_bytes,
    h_choose_criterion,
)
