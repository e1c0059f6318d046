"""The exercises of lesson 08, one a file, in the order of the lesson."""

from labkit.exercises.bank.ddp import (  # noqa: F401 - importing them registers them, in this order
    a_rendezvous,
    b_shard_rows,
    c_local_loss,
    d_pooled_f1,
    e_efficiency,
    f_worker_bytes,
    g_break_even,
)
