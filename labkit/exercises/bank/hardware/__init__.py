"""The exercises of lesson 01, one a file, in the order of the lesson."""

from labkit.exercises.bank.hardware import (  # noqa: F401 - importing them registers them, in this order
    a_bert_parameters,
    b_training_bytes,
    c_binding_limit,
)
