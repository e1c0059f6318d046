"""The pictures of a view, kept: those that were shown, and the one that probably comes next."""

from cachetools import LRUCache

from labkit.widgets.painter import Painter

__all__ = ["Album"]

PAGES = 64  # pictures that are kept, about 75 kB each


class Album:
    """Draws each setting of a view once, and gives the same picture and words when it is asked for again.

    That is right because a view is pure: the same setting always looks the same.

    >>> from labkit.plots import style
    >>> from labkit.widgets.panel import View
    >>> album = Album(lambda size: View(style.figure(1, 1)[0], f"{size} bytes"))
    >>> png, words = album.page({"size": 3})
    >>> png[1:4], words, {"size": 3} in album, {"size": 4} in album
    (b'PNG', '3 bytes', True, False)
    """

    def __init__(self, view, *, dpi=100):
        self._view, self._painter = view, Painter(dpi=dpi)
        self._pages, self._unchecked = LRUCache(PAGES), None

    def __contains__(self, setting):
        return _key(setting) in self._pages

    def page(self, setting):
        """Give picture and words of a setting, drawn now if they are new; raises what the view raises."""
        key = _key(setting)
        if key not in self._pages:
            shown = self._view(**setting)
            self._pages[key] = (self._painter.paint(shown.figure), shown.readout)
            self._unchecked = (key, shown.figure)
        return self._pages[key]

    def mended(self, setting):
        """Give the picture again with a new layout if the words of the last one did not fit, otherwise None.

        Apart from `page`, so that a reader sees the picture before it is looked at for this.
        """
        (key, figure), self._unchecked = self._unchecked or (None, None), None
        if key != _key(setting) or not self._painter.overflows(figure):
            return None
        shown = self._view(**setting)
        self._pages.clear()  # they have the old layout, and axes must not jump to and fro
        self._pages[key] = (self._painter.paint(shown.figure, fresh=True), shown.readout)
        return self._pages[key][0]


def _key(setting):
    # A browser counts steps in its own floats: 0.30000000000000004 there may be 0.3 here.
    return tuple(
        (name, f"{value:.12g}" if isinstance(value, float) else repr(value)) for name, value in setting.items()
    )
