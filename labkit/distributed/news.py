"""What workers say while they work, one JSON line each, and the bar that shows it."""

import json
import os
import threading
import time
from contextlib import contextmanager

from labkit.callbacks import somebody_watches

__all__ = ["News", "report", "shown"]

SELDOM = 0.05  # seconds between two reports that are passed on: a bar needs no more, and a fast loop loses nothing
BAR = "{desc}: {percentage:3.0f} %|{bar}| {elapsed} {postfix}"

_news = None  # in a worker, its News; None in any other process


class News:
    """A worker's line to the process that started it; every `say` is one line of JSON, whole and at once."""

    def __init__(self, descriptor):
        self._stream = os.fdopen(descriptor, "w", encoding="utf8", errors="backslashreplace")
        self._lock = threading.Lock()
        self.reported = -SELDOM

    def say(self, kind, **facts):
        """Send a message of a `kind` and its facts, plain values."""
        with self._lock:
            self._stream.write(json.dumps({"kind": kind, **facts}) + "\n")
            self._stream.flush()

    def reports(self):
        """From now on, let `report` in this process speak on this line."""
        global _news
        _news = self


def report(fraction, text=""):
    """Say from inside a worker how far it is, from 0 to 1; anywhere else nothing happens.

    It also says that the worker is alive: `launch` takes workers that say nothing for `timeout` seconds to hang.

    >>> report(0.5, "half of the rows")
    """
    if _news is not None and (fraction >= 1 or time.monotonic() - _news.reported >= SELDOM):
        _news.reported = time.monotonic()
        _news.say("report", fraction=float(fraction), text=str(text))


@contextmanager
def shown(progress, title):
    """Give a function (fraction, text) that shows them: `progress` itself, or a bar where it is None.

    >>> with shown(print, "training") as show:
    ...     show(0.5, "half of the rows")
    0.5 half of the rows
    """
    if progress is not None:
        yield progress
        return
    if not somebody_watches():
        yield lambda fraction, text: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=1.0, desc=title, leave=False, bar_format=BAR) as bar:

        def show(fraction, text):
            bar.n = min(1.0, max(0.0, fraction))
            bar.set_postfix_str(text)  # draws as well

        yield show
