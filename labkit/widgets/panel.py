"""The pattern of every widget: a pure function draws, controls feed it, slow things wait for a button."""

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from html import escape

import ipywidgets
from matplotlib.figure import Figure

from labkit.errors import Interrupted, LabError
from labkit.plots import style
from labkit.widgets.album import Album
from labkit.widgets.controls import onward
from labkit.widgets.painter import in_a_hurry

__all__ = ["Panel", "View", "static"]


@dataclass(frozen=True)
class View:
    """What a widget shows for one setting: a picture, and words that say the same.

    >>> fig, ax = style.figure(2, 2)
    >>> View(fig, "Half of the weights are zero.").readout
    'Half of the weights are zero.'
    """

    figure: Figure
    readout: str


def static(view, **params):
    """Show one state of a widget as a still picture, for a web page or a printed notebook.

    >>> static(lambda size: View(style.figure(1, 1)[0], f"{size} bytes"), size=3)  # doctest: +SKIP
    """
    shown = view(**params)
    style.show(shown.figure, alt=shown.readout)


class Panel(ipywidgets.VBox):
    """Controls, the picture they give, the same in words, and a Measure button where something is slow.

    `view(**params)` returns a `View`; `controls` maps each of its parameters to a widget with a value.
    `measure(params, progress, should_stop)` runs in a background thread. It calls `progress(fraction,
    words)`, returns early when `should_stop()` is true, and returns a point or None. Points are kept in
    `measured`, and the view is then drawn with `measured=(first, second, ...)`. What goes wrong is said
    in the panel. While the reader looks at a picture, the next one in the same direction is drawn.

    >>> from labkit.widgets.controls import slider
    >>> def view(width):
    ...     return View(style.figure(1, 1)[0], f"{width} < 5")
    >>> panel = Panel(view, {"width": slider("Width", low=1, high=9, value=3)})
    >>> panel.controls["width"].value = 4
    >>> panel.text
    '4 < 5'
    """

    def __init__(self, view, controls, *, measure=None, measure_label="Measure", dpi=100):
        self.view, self.controls, self.measured, self.text = view, dict(controls), [], ""
        self._measure, self._album = measure, Album(view, dpi=dpi)
        self._wanted = self._drawn = 0
        self._drawing, self._lock = False, threading.Lock()
        self._thread, self._stop, self._finish = None, threading.Event(), None
        self._loop, self._ahead = _running_loop(), None
        fit = ipywidgets.Layout(max_width="100%", object_fit="contain", align_self="flex-start")
        self.image = ipywidgets.Image(format="png", layout=fit)
        self.readout = ipywidgets.HTML()
        self.status = ipywidgets.HTML()
        self.bar = ipywidgets.FloatProgress(0.0, min=0.0, max=1.0, layout=ipywidgets.Layout(width="16em"))
        self.measure_button = ipywidgets.Button(description=measure_label, icon="play")
        self.stop_button = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.measure_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        row = ipywidgets.HBox([self.measure_button, self.stop_button, self.bar, self.status])
        row.layout.flex_flow = "row wrap"
        extra = [row] if measure else []
        super().__init__([*self.controls.values(), self.image, self.readout, *extra])
        self.add_class("labkit-panel")
        for control in self.controls.values():
            control.observe(self._follow, names="value")
        self.redraw()

    def __repr__(self):
        # Shown where widgets are not: a terminal, a diff, a page without scripts.
        return self.text

    @property
    def params(self):
        """The setting of all controls, by parameter name."""
        return {name: control.value for name, control in self.controls.items()}

    def redraw(self):
        """Draw the present setting; while a picture is being drawn, only the newest setting waits."""
        with self._lock:
            self._wanted += 1
        self._draw_what_is_wanted()

    def _draw_what_is_wanted(self, *, first=lambda: None):
        with self._lock:
            if self._drawing:
                return
            self._drawing = True
        try:
            first()
            while self._drawn != self._wanted:
                self._drawn = self._wanted
                with in_a_hurry():
                    self._draw_once()
        finally:
            self._drawing = False

    def _draw_once(self):
        try:
            setting = self._setting()
            self.image.value, words = self._album.page(setting)
            self._say(words)
            time.sleep(0.001)  # lets the thread that sends messages have its turn now
            # Asked after the picture is on its way, so that the reader does not wait for the answer.
            if (picture := self._album.mended(setting)) is not None:
                self.image.value = picture
        except Exception as error:
            self._say(f"This setting cannot be drawn. {_words(error)} The picture is an earlier one.")

    def _setting(self, **changed):
        points = {"measured": tuple(self.measured)} if self._measure else {}
        return {**self.params, **changed, **points}

    def _follow(self, change):
        if self._ahead is not None:
            self._ahead.cancel()
        self.redraw()
        guess = onward(change.owner, change.old)
        loop = _running_loop()  # of the thread that hears the browser, which need not be the notebook's own
        if guess is not None and loop is not None:
            name = next(name for name, control in self.controls.items() if control is change.owner)
            # A moment later: what waits to be sent or heard comes first.
            self._ahead = loop.call_later(0.002, self._draw_ahead, name, guess)

    def _draw_ahead(self, name, value):
        """Draw the setting that comes next if the reader goes on like this."""

        def draw():
            setting = self._setting(**{name: value})
            with suppress(Exception), in_a_hurry():  # it is said when the reader comes to this setting, if ever
                self._album.page(setting)
                self._album.mended(setting)

        self._draw_what_is_wanted(first=draw)

    def _say(self, text):
        self.text = text
        self.readout.value = _live(text)

    def start(self):
        """Begin to measure the present setting in the background, unless a measurement is running."""
        if self._measure is None or self.running:
            return
        self._stop.clear()
        # Said first: who finds Stop to press already reads that it measures, not how the last measurement ended.
        self.bar.value, self.status.value = 0.0, _live("Measuring.")
        self.measure_button.disabled, self.stop_button.disabled = True, False
        self._thread = threading.Thread(target=self._work, args=(self.params,), daemon=True)
        self._thread.start()

    def stop(self):
        """Ask the running measurement to stop; it does so at its next step."""
        if self.running:
            self._stop.set()
            self.stop_button.disabled = True
            self.status.value = _live("Stopping at the next step.")

    @property
    def running(self):
        """Whether a measurement is under way."""
        return self._thread is not None

    def wait(self, *, seconds=None):
        """Wait until the measurement is done and drawn; for scripts and tests, where nobody looks on."""
        if self._thread is not None:
            self._thread.join(seconds)
            if not self._thread.is_alive():
                self._settle()

    def _work(self, params):
        point, said = None, None
        try:
            point = self._measure(params, self._progress(), self._stop.is_set)
        except Interrupted:
            self._stop.set()
        except Exception as error:
            said = f"The measurement failed. {_words(error)}"
        kept = "The point is in the picture." if point is not None else "Earlier points are kept."
        self._finish = (point, said or f"{'Stopped' if self._stop.is_set() else 'Done'}. {kept}")
        # Drawn on the notebook's own thread, because matplotlib's settings are global to a process.
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self):
        with self._lock:
            finish, self._finish = self._finish, None
        if finish is None:
            return
        point, words = finish
        if point is not None:
            self.measured.append(point)
            self.redraw()
        self._thread = None
        self.bar.value = 1.0 if point is not None else self.bar.value
        self.measure_button.disabled, self.stop_button.disabled = False, True
        self.status.value = _live(words)

    def _progress(self):
        last = [0.0]

        def progress(fraction, words=""):
            # A training loop reports thousands of times; ten a second are enough for eyes and ears.
            now = time.monotonic()
            if now - last[0] >= 0.1 or fraction >= 1:
                last[0] = now
                self.bar.value = min(max(float(fraction), 0.0), 1.0)
                if not self._stop.is_set():
                    self.status.value = _live(words or f"{fraction:.0%}")

        return progress


def _live(text):
    """Text as HTML that a screen reader announces when it changes."""
    style = "max-width:52em;line-height:1.4"
    return f'<div role="status" aria-live="polite" style="{style}">{escape(text)}</div>'


def _words(error):
    return str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}."


def _running_loop():
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None  # a plain script: there is no notebook to draw for
