"""What lies between measured points: a curve through them, and its height at the widget's setting."""

from functools import lru_cache

import numpy as np
from scipy.interpolate import PchipInterpolator

__all__ = ["between"]


def between(points, place, *, steps, log=False):
    """Draw a curve through measured points, and read its height at one place: ((places, heights), height).

    `points` are (place, height, whatever); the curve never rises above or falls below its neighbours. It has about so
    many `steps`, on a log scale where `log` says so. Fewer than two points give (None, None); outside of them the
    height is None.

    >>> curve, height = between([(0.0, 0.9, False), (0.5, 0.8, True)], 0.25, steps=101)
    >>> round(height, 3), between([(0.0, 0.9, False)], 0.0, steps=101)
    (0.85, (None, None))
    """
    known = dict(sorted((at, height) for at, height, _ in points))
    if len(known) < 2:
        return None, None
    places, heights = _curve(tuple(known.items()), steps, log)
    scale = np.log if log else np.asarray
    inside = min(known) <= place <= max(known)
    return (places, heights), float(np.interp(scale(place), scale(places), heights)) if inside else None


@lru_cache(maxsize=16)
def _curve(points, steps, log):
    # The points change when something is measured, not when a slider moves; they lie on the grid.
    known = dict(points)
    at = np.log(list(known)) if log else np.array(list(known))
    grid = np.unique(np.concatenate([np.linspace(at[0], at[-1], steps), at]))
    return np.exp(grid) if log else grid, PchipInterpolator(at, list(known.values()))(grid)
