"""The widget of lesson 07: its words and bars are what the schedules say, and its button asks real workers."""

import pytest

from labkit.distributed.schedules import WAYS, all_reduce, bytes_on_the_wire, bytes_sent
from labkit.errors import Interrupted, SettingError
from labkit.plots.style import png
from labkit.widgets import collectives as widget
from labkit.widgets.collectives import MOST, SIZES, Point, measure_point, panel, view


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("workers", [1, 2, 3, 5, MOST])
def test_every_setting_can_be_drawn_and_said(workers, how):
    rounds = all_reduce(workers, how=how)
    for step in range(len(rounds) + 2):
        shown = view(workers=workers, how=how, step=step, megabytes=1.0)
        assert shown.readout.startswith(f"{workers} worker")
    assert png(shown.figure)


def test_the_first_words():
    words = view(workers=4, how="ring", step=0, megabytes=1.0).readout
    assert words == (
        "4 workers, 1 MB each, around a ring: nothing has been sent yet. Next, all at once, to the right neighbour, to "
        "be added: 0 sends chunk 3, 1 sends chunk 0, 2 sends chunk 1, 3 sends chunk 2."
    )


def test_the_words_in_between():
    words = view(workers=4, how="ring", step=3, megabytes=1.0).readout
    assert "3 of 6 rounds are over, 4 of 16 chunks hold the whole sum. Next" in words
    assert "to be copied: 0 sends chunk 0, 1 sends chunk 1" in words
    words = view(workers=8, how="tree", step=3, megabytes=1.0).readout
    assert "3 of 6 rounds are over, 1 of 8 workers hold the whole sum. Next, everything, to be copied: 0 to 4." in words
    assert "1 of 2 rounds is over" in view(workers=3, how="server", step=1, megabytes=1.0).readout


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("workers", [2, 3, 5, 8])
def test_the_last_words_count_the_bytes(workers, how):
    last = len(all_reduce(workers, how=how))
    for step in (last, last + 5):
        words = view(workers=workers, how=how, step=step, megabytes=8.4).readout
        sent = bytes_on_the_wire(8_400_000, workers, how)
        assert f"everyone holds the whole sum after {last} rounds" in words
        assert f"{max(sent) / 8.4e6:.3g} times its vector, {max(sent) / 1e6:,.4g} MB" in words
        assert f"all together {sum(sent) / 1e6:,.4g} MB" in words


def test_the_bars_are_counted_not_guessed():
    shown = view(workers=6, how="ring", step=4, megabytes=1.0)
    sent = bytes_sent(all_reduce(6, how="ring")[:4], 600, workers=6, itemsize=1)
    (bars,) = shown.figure.axes[1].collections
    assert [path.vertices[:, 0].max() for path in bars.get_paths()] == pytest.approx([n / 600 for n in sent])


def test_one_worker_has_nobody_to_talk_to():
    assert "nobody to send anything to" in view(workers=1, how="ring", step=0, megabytes=1.0).readout


def test_small_sizes_are_said_in_kilobytes():
    assert view(workers=2, how="ring", step=0, megabytes=SIZES["1 kB"]).readout.startswith("2 workers, 1 kB each")


def test_settings_that_make_no_sense():
    with pytest.raises(SettingError, match="1 to 8 workers. Received 9"):
        view(workers=9, how="ring", step=0, megabytes=1.0)
    with pytest.raises(SettingError, match="one of the ways"):
        view(workers=4, how="star", step=0, megabytes=1.0)


def test_the_slider_ends_where_the_rounds_end():
    made = panel({"ring": [(0.1, 2.0)]})
    steps = made.controls["step"]
    assert (steps.max, made.params["how"]) == (6, "ring")
    steps.value = 6
    assert "everyone holds the whole sum" in made.text
    made.controls["workers"].value = 8
    assert steps.max == 14
    assert "6 of 14 rounds are over" in made.text
    made.controls["how"].value = "server"
    assert (steps.max, steps.value) == (2, 2)
    assert "everyone holds the whole sum after 2 rounds" in made.text
    before = made.image.value
    steps.value = 0
    assert made.image.value != before
    assert "nothing has been sent yet" in made.text


def test_a_measured_point_is_said_and_drawn():
    point = Point("ring", 4, 10.0, 55.0, (15_000_000,) * 4)
    shown = view(workers=2, how="tree", step=0, megabytes=1.0, measured=(point,))
    assert (
        "Measured on 4 real workers, around a ring, 10 MB: 55 ms; the busiest sent 15,000,000 bytes (by the formula "
        "15,000,000)." in shown.readout
    )
    assert [10.0, 55.0] in [xy for line in shown.figure.axes[2].lines for xy in line.get_xydata().tolist()]


def test_measuring_is_the_real_thing_and_held_to_what_fits_into_memory(monkeypatch):
    assert widget.MEASURED == 10.0
    monkeypatch.setattr(widget, "MEASURED", 0.1)
    params, told = {"workers": 3, "how": "ring", "step": 1, "megabytes": 91.0}, []
    point = measure_point(params, lambda *words: told.append(words), lambda: False)
    assert (point.how, point.workers, point.megabytes) == ("ring", 3, 0.1)
    assert list(point.sent) == bytes_on_the_wire(100_000, 3, "ring")
    assert 0 < point.milliseconds < 5000
    assert told[0] == (0.05, "starting 3 workers")


def test_measuring_can_be_stopped():
    params = {"workers": 2, "how": "server", "step": 0, "megabytes": 0.001}
    with pytest.raises(Interrupted):
        measure_point(params, lambda *words: None, lambda: True)
