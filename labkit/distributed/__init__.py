"""Training on several workers: real processes on this machine, or on several machines through torchrun."""

# At once, although the rest of labkit loads names when they are used: `launch` is a module's name too, and whoever
# loads the module first would put it in the function's place. Neither loads torch.
from labkit.distributed.launch import launch
from labkit.distributed.news import report

__all__ = ["TRAINING", "launch", "report"]

_OWN = ("data_parallel", "hooks", "one_copy", "pages", "rows")
TRAINING = ("labkit.training", "labkit.batches", *(f"labkit.distributed.{name}" for name in _OWN))
"""The modules that decide what data-parallel training gives: part of the key of whatever is kept of it."""
