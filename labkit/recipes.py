"""The training that lessons and benchmarks share, so that what one has computed serves the other."""

from labkit.steps import Distill

__all__ = ["LONG", "SHORT"]

LONG = Distill(epochs=2, transfer=8800, repeat=3)
"""About 800 steps, two minutes on two cores: for results that are reported."""

SHORT = Distill(epochs=1, transfer=2900)
"""About 140 steps, half a minute or less: for comparing many candidates, and for the quick profile."""
