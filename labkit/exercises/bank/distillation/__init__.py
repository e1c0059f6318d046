"""The exercises of lesson 10, one a file, in the order of the lesson."""

from labkit.exercises.bank.distillation import (  # noqa: F401 - importing them registers them, in this order
    a_soften,
    b_imitation_loss,
    c_imitation_gradient,
    d_mixed_loss,
    e_pieces,
    f_fair_epochs,
)
