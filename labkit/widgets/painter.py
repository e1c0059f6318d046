"""Figures into PNG bytes fast enough for a slider."""

import gc
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from labkit.plots import style

__all__ = ["Painter", "in_a_hurry"]


class Painter:
    """Turns a panel's figures into PNG bytes; the layout is worked out once and then kept.

    Working out where labels fit costs as much as drawing, and makes axes jump while a slider moves. So the
    first picture's layout serves all that follow, until `overflows` finds that something no longer fits.

    >>> fig, ax = style.figure(2, 1)
    >>> Painter().paint(fig)[1:4]
    b'PNG'
    """

    def __init__(self, *, dpi=100):
        self.dpi = dpi
        self._places = {}

    def paint(self, fig, *, fresh=False):
        """Draw the figure into PNG bytes, `fresh` with its layout worked out again."""
        canvas = FigureCanvasAgg(fig)
        fig.set_dpi(self.dpi)
        key = (*fig.get_size_inches(), len(fig.axes))
        known = None if fresh else self._places.get(key)
        with rc_context(style._LOOK):
            if known:
                fig.set_layout_engine(None)
                for ax, place in zip(fig.axes, known, strict=True):
                    ax.set_position(place)
            canvas.draw()
        self._places[key] = known or [ax.get_position(original=True) for ax in fig.axes]
        pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, "png", compress_level=1)
        return buffer.getvalue()

    def overflows(self, fig):
        """Say whether a number or a label at an axis of a painted figure sticks out of the picture."""
        width, height = fig.bbox.size
        renderer = fig.canvas.get_renderer()
        boxes = [axis.get_tightbbox(renderer) for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)]
        return any(b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height for b in boxes if b is not None)


@contextmanager
def in_a_hurry():
    """Put off Python's garbage collection while a picture is drawn, and title placement that asks twice.

    With torch imported a full collection takes longer than the whole picture, and the thousands of small
    objects of a figure keep setting one off. Collecting only them afterwards takes a millisecond or two.

    >>> with in_a_hurry():
    ...     gc.isenabled()
    False
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        with rc_context({"axes.titley": 1.0}):
            yield
    finally:
        if enabled:
            gc.collect(0)
            gc.enable()
