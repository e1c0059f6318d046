"""The panel without a browser: controls move, pictures and words follow, measurements run and stop."""

import gc
import threading
import time
from functools import partial
from io import BytesIO

import ipywidgets
import numpy as np
import pytest
from matplotlib.image import imread

from labkit.errors import Interrupted, SettingError
from labkit.plots import style
from labkit.widgets import hardware, machine_card, theory
from labkit.widgets.controls import choice, log_slider, slider
from labkit.widgets.painter import Painter, encode, in_a_hurry
from labkit.widgets.panel import Panel, View, static


def view(size=3, measured=()):
    """A bar as long as `size`."""
    fig, ax = style.figure(3, 2)
    ax.barh(["bar"], [size])
    ax.plot(list(measured), [0] * len(measured), "o")
    return View(fig, f"size {size} & {len(measured)} points")


def make(measure=None, *, draw=view):
    return Panel(draw, {"size": slider("Size of the bar", low=1, high=9, value=3)}, measure=measure)


def test_moving_a_control_changes_picture_and_words():
    panel = make()
    before = panel.image.value
    panel.controls["size"].value = 7
    assert panel.text == "size 7 & 0 points"
    assert panel.image.value != before
    assert imread(BytesIO(panel.image.value)).shape == (200, 300, 4)


def test_words_are_escaped_and_announced():
    panel = make()
    assert "size 3 &amp; 0 points" in panel.readout.value
    assert 'aria-live="polite"' in panel.readout.value


def test_a_panel_without_a_measurement_has_no_buttons():
    assert not any(isinstance(child, ipywidgets.HBox) for child in make().children)


def test_only_the_newest_setting_is_drawn_when_several_came_meanwhile():
    drawn = []

    def slow(size):
        drawn.append(size)
        if size == 4:  # the reader goes on while 4 is being drawn
            for later in (5, 6, 7, 8):
                holder["panel"].controls["size"].value = later
        return view(size)

    holder = {"panel": make(draw=slow)}
    holder["panel"].controls["size"].value = 4
    assert drawn == [3, 4, 8]
    assert holder["panel"].text == "size 8 & 0 points"


def test_one_picture_is_sent_for_one_change():
    panel, sent = make(), []
    panel.image.observe(lambda change: sent.append(change.new), names="value")
    panel.controls["size"].value = 5
    assert len(sent) == 1


def test_an_error_in_the_view_is_said_and_the_next_setting_works():
    def fails(size):
        if size == 4:
            raise SettingError("a size other than 4", received="4", do="Move on.")
        if size == 5:
            raise ZeroDivisionError("by zero")
        return view(size)

    panel = make(draw=fails)
    panel.controls["size"].value = 4
    assert "Expected a size other than 4. Received 4. Move on." in panel.text
    panel.controls["size"].value = 5
    assert "ZeroDivisionError: by zero" in panel.text
    panel.controls["size"].value = 6
    assert panel.text == "size 6 & 0 points"


def test_measure_adds_its_point_with_the_setting_it_began_with():
    def measure(params, progress, should_stop):
        progress(1.0, "nearly there")
        return params["size"] * 10

    panel = make(measure)
    panel.measure_button.click()
    panel.controls["size"].value = 8
    panel.wait()
    assert panel.measured == [30]
    assert panel.text == "size 8 & 1 points"
    assert "Done." in panel.status.value
    assert not panel.measure_button.disabled
    assert panel.stop_button.disabled


def test_only_one_measurement_runs_at_a_time():
    go, runs = threading.Event(), []

    def measure(params, progress, should_stop):
        runs.append(1)
        go.wait(10)

    panel = make(measure)
    panel.start()
    panel.start()
    go.set()
    panel.wait()
    assert runs == [1]


def test_who_finds_stop_to_press_reads_that_it_measures():
    go, read = threading.Event(), []
    panel = make(lambda params, progress, should_stop: go.wait(10))
    panel.status.value = "Done."  # of the measurement before
    panel.stop_button.observe(lambda change: read.append(panel.status.value), names="disabled")
    panel.start()
    go.set()
    panel.wait()
    assert "Measuring." in read[0]


@pytest.mark.parametrize("way", ["returns nothing", "returns a point", "raises Interrupted"])
def test_stop_is_honoured_and_says_so(way):
    def measure(params, progress, should_stop):
        while not should_stop():
            time.sleep(0.005)
        if way == "raises Interrupted":
            raise Interrupted("to finish", received="Stop", do="Start again.")
        return 5 if way == "returns a point" else None

    panel = make(measure)
    panel.measured.append(1)
    panel.start()
    panel.stop_button.click()
    panel.wait(seconds=10)
    assert "Stopped." in panel.status.value
    assert panel.measured == ([1, 5] if way == "returns a point" else [1])
    assert not panel.running


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SettingError("bits from 2 to 8", received="0", do="Choose more."), "Expected bits from 2 to 8."),
        (MemoryError("too large"), "MemoryError: too large"),
    ],
)
def test_a_failed_measurement_is_said_and_keeps_earlier_points(error, words):
    def measure(params, progress, should_stop):
        raise error

    panel = make(measure)
    panel.measured.append(1)
    panel.start()
    panel.wait()
    assert words in panel.status.value
    assert panel.measured == [1]
    assert not panel.measure_button.disabled


def test_progress_moves_the_bar_but_not_thousands_of_times():
    seen = []

    def measure(params, progress, should_stop):
        for step in range(1000):
            progress(step / 1000, f"step {step}")
        progress(2.0, "over")

    panel = make(measure)
    panel.bar.observe(lambda change: seen.append(change.new), names="value")
    panel.start()
    panel.wait()
    assert 1 <= len(seen) < 50
    assert max(seen) <= 1.0


def test_a_measurement_is_drawn_on_the_notebooks_own_thread():
    import asyncio

    threads = []

    def draw(size, measured=()):
        threads.append(threading.current_thread())
        return view(size, measured)

    async def notebook():
        panel = make(lambda params, progress, should_stop: 4, draw=draw)
        panel.start()
        while panel.running:
            await asyncio.sleep(0.01)
        return panel

    panel = asyncio.run(notebook())
    assert panel.measured == [4]
    assert set(threads) == {threading.main_thread()}


def test_a_terminal_sees_the_words():
    assert repr(make()) == "size 3 & 0 points"


def test_static_shows_a_picture_with_alt_text(monkeypatch):
    shown = []
    monkeypatch.setattr(style, "show", lambda fig, *, alt: shown.append(alt))
    static(view, size=4)
    assert shown == ["size 4 & 0 points"]


def test_the_painter_keeps_the_layout_until_it_no_longer_fits():
    def named(name):
        fig, ax = style.figure(3, 2)
        ax.barh([name], [1])
        return fig

    painter = Painter()
    first, second, long = named("a"), named("b"), named("a much longer name")
    painter.paint(first)
    painter.paint(second)
    assert second.axes[0].get_position().bounds == pytest.approx(first.axes[0].get_position().bounds)
    assert not painter.overflows(second)
    painter.paint(long)
    assert painter.overflows(long)
    long = named("a much longer name")
    painter.paint(long, fresh=True)
    assert not painter.overflows(long)


@pytest.mark.parametrize(
    ("draw", "settings"),
    [
        (machine_card.view, [{"millions": size} for size in (1.0, 110.0, 1e5, 110.0)]),
        (hardware.view, [{"length": size} for size in (1, 8, 512, 8)]),
        (partial(theory.view, "pooler"), [{"bits": bits} for bits in (2, 4, 8, 4)]),
        (theory.update_view, [{"workers": workers, "rows": 64, "steps": 3} for workers in (1, 8, 16, 8)]),
    ],
    ids=("card", "roofline", "rounding", "update"),
)
def test_a_picture_in_layers_is_the_whole_picture_pixel_for_pixel(draw, settings):
    painter = Painter()
    painter.paint(draw(**settings[0]).figure)
    for setting in settings:
        layers, whole = draw(**setting).figure, draw(**setting).figure
        picture = painter.paint(layers)
        whole.set_dpi(100)
        painter._canvas_for(whole)
        whole.set_layout_engine(None)
        for ax, done in zip(whole.axes, layers.axes, strict=True):
            ax.set_position(done.get_position())
        whole.canvas.draw()
        assert picture == encode(np.asarray(whole.canvas.buffer_rgba()))


def test_new_words_limits_or_ticks_are_drawn_although_the_rest_is_kept():
    def draw(**changes):
        fig, ax = style.figure(3, 2)
        ax.plot([0, 1], [0, 1])
        ax.set(**{"xlabel": "a", "ylabel": "b", "title": "c", "xlim": (0, 1)} | changes)
        return fig

    painter = Painter()
    first = painter.paint(draw())
    changes = ({"xlabel": "A"}, {"ylabel": "B"}, {"title": "C"}, {"xlim": (0, 0.9)}, {"xticks": (0, 1)},
               {"xticks": (0, 0.5, 1), "xticklabels": list("abc")}, {"xscale": "symlog"})  # fmt: skip
    pictures = [painter.paint(draw(**change)) for change in changes]
    assert len({first, *pictures}) == 1 + len(changes)
    assert painter.paint(draw()) == first


def test_only_so_many_still_parts_are_kept():
    painter = Painter()
    for number in range(20):
        fig, ax = style.figure(1, 1)
        ax.set_xlabel(str(number))
        painter.paint(fig)
    assert len(painter._still) == 16


def test_a_label_that_no_longer_fits_is_not_cut_off():
    def draw(size):
        fig, ax = style.figure(3, 2)
        ax.barh(["x" * size], [1])
        return View(fig, "")

    panel = make(draw=draw)
    panel.controls["size"].value = 9
    fresh = Painter().paint(draw(9).figure)
    assert panel.image.value == fresh


def test_encode_keeps_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, size=(5, 7, 4), dtype=np.uint8)
    back = (imread(BytesIO(encode(pixels))) * 255).round().astype(np.uint8)
    assert (back == pixels).all()


def test_in_a_hurry_turns_collection_on_again_even_after_an_error():
    with pytest.raises(ValueError, match="drawn"), in_a_hurry():
        raise ValueError("drawn")
    assert gc.isenabled()


def test_controls_are_in_full_words_and_report_while_they_move():
    bits = slider("Bits a weight", low=2, high=8, value=4)
    size = log_slider("Parameters in millions", low=1, high=1000, value=10)
    kind = choice("Stored as", [("floats", 32), ("whole numbers", 8)], value=8)
    assert isinstance(bits, ipywidgets.IntSlider)
    assert bits.continuous_update
    assert size.continuous_update
    assert (size.min, size.max, size.value) == (0.0, pytest.approx(3.0), 10)
    assert kind.value == 8
    assert isinstance(slider("Share", low=0, high=1, value=0.5, step=0.1), ipywidgets.FloatSlider)
