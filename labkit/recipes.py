"""The training that lessons and benchmarks share, so that what one has computed serves the other."""

from labkit.augment import with_bodies
from labkit.fine_tuning import fine_tune
from labkit.steps import Distill
from labkit.training import Training

__all__ = ["LONG", "SHORT", "well_read"]

LONG = Distill(epochs=2, transfer=8800, repeat=3)
"""About 800 steps, two minutes on two cores: for results that are reported."""

SHORT = Distill(epochs=1, transfer=2900)
"""About 140 steps, half a minute or less: for comparing many candidates, and for the quick profile."""


def well_read(task, *, progress=None):
    """Fine-tune a teacher on the headlines and on pieces of the articles below them; see `with_bodies`.

    About 1,100 steps, three to five minutes on two cores. Kept, resumed and interrupted as by `fine_tune`.
    """
    return fine_tune(with_bodies(task), training=Training(epochs=2), progress=progress)
