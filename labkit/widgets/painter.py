"""Figures into PNG bytes fast enough for a slider."""

import gc
import struct
import zlib
from contextlib import contextmanager

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import AutoLocator

from labkit.plots import style

__all__ = ["Painter", "encode", "in_a_hurry"]


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
        self._places, self._canvas = {}, None

    def paint(self, fig, *, fresh=False):
        """Draw the figure into PNG bytes, `fresh` with its layout worked out again."""
        canvas = self._canvas_for(fig)
        key = (*fig.get_size_inches(), len(fig.axes))
        known = None if fresh else self._places.get(key)
        with rc_context(style._LOOK):
            if known:
                fig.set_layout_engine(None)
                for ax, place in zip(fig.axes, known, strict=True):
                    ax.set_position(place)
            canvas.draw()
        self._places[key] = known or [ax.get_position(original=True) for ax in fig.axes]
        return encode(np.asarray(canvas.buffer_rgba()))

    def _canvas_for(self, fig):
        fig.set_dpi(self.dpi)
        if self._canvas is None:
            self._canvas = FigureCanvasAgg(fig)
        # One canvas for all pictures: it remembers how large each word is.
        self._canvas.figure = fig
        fig.set_canvas(self._canvas)
        for ax in fig.axes:
            for axis in (ax.xaxis, ax.yaxis):
                if isinstance(axis.get_major_locator(), AutoLocator):
                    axis.get_major_locator().set_params(nbins=5)  # a third of the time goes into ticks
        return self._canvas

    def overflows(self, fig):
        """Say whether a number or a label at an axis of a painted figure sticks out of the picture."""
        width, height = fig.bbox.size
        renderer = fig.canvas.get_renderer()
        boxes = [axis.get_tightbbox(renderer) for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)]
        return any(b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height for b in boxes if b is not None)


def encode(pixels):
    """Write pixels, shape (height, width, 4), uint8, as a PNG file: unfiltered lines, lightly compressed.

    For plots that is as small as what Pillow writes, in a third of the time.

    >>> from io import BytesIO
    >>> from matplotlib.image import imread
    >>> imread(BytesIO(encode(np.full((2, 3, 4), 255, dtype=np.uint8)))).shape
    (2, 3, 4)
    """
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 4 * width), dtype=np.uint8)  # the first byte says: no filter
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)  # 8 bits a channel, red-green-blue-alpha
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))
    framed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


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
