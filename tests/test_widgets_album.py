"""Kept pictures: each setting is drawn once, and shows the very bytes that drawing it again would give."""

import asyncio

import pytest

from labkit.plots import style
from labkit.widgets.album import PAGES, Album
from labkit.widgets.controls import choice, slider
from labkit.widgets.painter import Painter
from labkit.widgets.panel import Panel, View


def bar(size=3.0, measured=()):
    fig, ax = style.figure(3, 2)
    ax.barh(["bar"], [size])
    ax.set(xlim=(0, 10), xlabel="size")
    return View(fig, f"size {size:g}, {len(measured)} points")


class Counted:
    """A view that remembers what it was asked to draw."""

    def __init__(self, view=bar):
        self.view, self.asked = view, []

    def __call__(self, **setting):
        self.asked.append(setting.get("size", setting.get("kind")))
        return self.view(**setting)


def test_a_setting_is_drawn_once_and_looks_as_if_drawn_anew():
    view = Counted()
    album = Album(view)
    first = album.page({"size": 3.0})
    album.page({"size": 4.0})
    assert album.page({"size": 3.0}) == first
    assert view.asked == [3.0, 4.0]
    assert first == (Painter().paint(bar(3.0).figure), "size 3, 0 points")


def test_floats_that_differ_in_the_last_bit_are_one_setting_and_others_are_not():
    view = Counted()
    album = Album(view)
    for size in (0.3, 0.1 + 0.2, 0.3001):
        album.page({"size": size})
    assert view.asked == [0.3, 0.3001]


def test_another_point_or_another_name_is_another_setting():
    album = Album(bar)
    assert album.page({"size": 3, "measured": ()}) != album.page({"size": 3, "measured": (1,)})
    assert {"other": 3, "measured": ()} not in album
    assert {"size": "3", "measured": ()} not in album


def test_the_oldest_picture_goes_first():
    album = Album(bar)
    for size in range(PAGES):
        album.page({"size": size})
    album.page({"size": 0})  # looked at again, so it is not the oldest any more
    album.page({"size": PAGES})
    assert {"size": 0} in album
    assert {"size": 1} not in album


def test_a_picture_whose_words_do_not_fit_is_drawn_again_and_earlier_ones_are_forgotten():
    def wide(size):
        fig, ax = style.figure(3, 2)
        ax.barh(["a" * (1 if size < 5 else 12)], [1])
        return View(fig, str(size))

    album = Album(wide)
    narrow = album.page({"size": 4})
    assert album.mended({"size": 4}) is None
    cut = album.page({"size": 5})[0]
    whole = album.mended({"size": 5})
    assert whole == Painter().paint(wide(5).figure) != cut
    assert album.page({"size": 5})[0] == whole
    assert {"size": 4} not in album
    assert album.page({"size": 4}) != narrow  # it has the new layout now
    assert album.mended({"size": 5}) is None


def test_an_error_is_raised_and_not_kept():
    def fails(size):
        raise ZeroDivisionError

    album = Album(fails)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            album.page({"size": 1})


def moves(panel, *values, control="size"):
    """Move a control as in a notebook, with a pause after each move, as a reader makes one."""

    async def notebook():
        for value in values:
            panel.controls[control].value = value
            await asyncio.sleep(0.2)

    asyncio.run(notebook())


def panel_of(view, *, value=3, measure=None):
    return Panel(view, {"size": slider("Size", low=1, high=9, value=value)}, measure=measure)


def test_while_a_reader_looks_the_next_picture_in_the_same_direction_is_drawn():
    view = Counted()
    panel = panel_of(view)
    moves(panel, 4)
    assert view.asked == [3, 4, 5]
    assert panel.text == "size 4, 0 points"  # nothing of the next one is shown
    sent = panel.image.value
    moves(panel, 5)
    assert view.asked == [3, 4, 5, 6]
    assert panel.image.value != sent
    assert panel.image.value == Painter().paint(bar(5).figure)
    moves(panel, 2)
    assert view.asked[-1] == 2  # onward would be below 1


def test_a_reader_who_goes_on_at_once_does_not_wait_for_it():
    view = Counted()
    panel = panel_of(view)

    async def notebook():
        for value in (4, 6, 8):
            panel.controls["size"].value = value
        await asyncio.sleep(0.2)

    asyncio.run(notebook())
    assert view.asked == [3, 4, 6, 8]


@pytest.mark.parametrize(
    "point", [1, (0.5, 0.9), {"megabytes": 1.5, "f1": 0.9}], ids=lambda point: type(point).__name__
)
def test_a_point_that_comes_meanwhile_is_in_the_next_picture(point):
    panel = panel_of(bar, measure=lambda params, progress, should_stop: point)
    moves(panel, 4)
    panel.start()
    panel.wait()
    moves(panel, 5)
    assert panel.text == "size 5, 1 points"


def test_an_error_ahead_is_said_only_when_the_reader_comes_there():
    def fails(size):
        if size == 5:
            raise ZeroDivisionError("by zero")
        return bar(size)

    panel = panel_of(fails)
    moves(panel, 4)
    assert panel.text == "size 4, 0 points"
    moves(panel, 5)
    assert "ZeroDivisionError: by zero" in panel.text


def test_a_list_moves_on_too_and_a_new_list_guesses_nothing():
    view = Counted(lambda kind: View(style.figure(1, 1)[0], kind))
    panel = Panel(view, {"kind": choice("Kind", ["a", "b", "c"])})
    moves(panel, "b", control="kind")
    assert view.asked == ["a", "b", "c"]
    panel.controls["kind"].options = ["x", "y"]
    moves(panel, "y", control="kind")
    assert view.asked[-1] == "y"
    assert panel.text == "y"
