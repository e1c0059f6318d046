"""Words that are drawn once and then stamped: half the time of a plot goes into its letters."""

import math

import numpy as np
from cachetools import LRUCache
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

__all__ = ["StampingCanvas", "StampingRenderer"]

STAMPS = 1000  # words that are kept, a few kB each
PHASES = 4  # places within a pixel at which a word is drawn, in each direction


class StampingRenderer(RendererAgg):
    """Matplotlib's Agg, which keeps the pixels of every word for the next time that it is drawn.

    A word's place is rounded to a quarter of a pixel, which no eye sees.

    >>> from matplotlib.font_manager import FontProperties
    >>> renderer = StampingRenderer(60, 20, 100)
    >>> for x in (5.0, 5.1, 25.0):
    ...     renderer.draw_text(renderer.new_gc(), x, 15.0, "two", FontProperties(), 0)
    >>> len(renderer.stamps)
    1
    """

    def __init__(self, width, height, dpi):
        super().__init__(width, height, dpi)
        self.stamps = LRUCache(STAMPS)

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        """Stamp a word at x, y (pixels, y downwards); the arguments are those of matplotlib's renderers."""
        (column, right), (row, down) = (divmod(round(PHASES * place), PHASES) for place in (x, y))
        phase = (right / PHASES, down / PHASES)
        key = (s, hash(prop), angle, gc.get_rgb(), gc.get_alpha(), phase, ismath)
        if key not in self.stamps:
            self.stamps[key] = self._stamp(gc, phase, s, prop, angle, ismath, mtext)
        pixels, right, up = self.stamps[key]
        if pixels.size:
            plain = self.new_gc()
            plain.copy_properties(gc)
            plain.set_alpha(1.0)  # the word's own transparency is in its pixels already
            self.draw_image(plain, column + right, self.height - row + up, pixels)

    def _stamp(self, gc, phase, s, prop, angle, ismath, mtext):
        """Draw a word on an empty sheet; give its pixels, bottom line first, and how far right of x and above y."""
        width, height, descent = self.get_text_width_height_descent(s, prop, ismath)
        middle = math.ceil(math.hypot(width, height + descent)) + 4  # it fits at every angle
        sheet = RendererAgg(2 * middle, 2 * middle, self.dpi)
        free = sheet.new_gc()
        free.copy_properties(gc)
        free.set_clip_rectangle(None)
        free.set_clip_path(None)
        sheet.draw_text(free, middle + phase[0], middle + phase[1], s, prop, angle, ismath, mtext)
        pixels = np.asarray(sheet.buffer_rgba())
        rows, columns = (np.flatnonzero(pixels[..., 3].any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return np.empty(0, dtype=np.uint8), 0, 0
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        return np.ascontiguousarray(pixels[top:bottom, left:right][::-1]), left - middle, middle - bottom


class StampingCanvas(FigureCanvasAgg):
    """A canvas that draws with a StampingRenderer."""

    def get_renderer(self):
        """Give the renderer, the same one as long as size and resolution stay."""
        size = (*self.get_width_height(physical=True), self.figure.dpi)
        if getattr(self, "_size", None) != size:
            self.renderer, self._size = StampingRenderer(*size), size
        return self.renderer
