"""One look: colours that can be told apart, no global state, the same bytes for the same figure, alt text."""

import struct
import subprocess
import sys
import zlib

import pytest
from matplotlib import rcParams
from matplotlib.colors import to_rgb

from labkit.plots.style import COLOURS, CYCLE, figure, png, show, ticks


def test_the_palette_is_okabe_and_itos():
    assert {COLOURS[name] for name in ("orange", "sky", "green", "yellow", "blue", "vermillion", "purple", "black")} == {
        "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000",
    }  # fmt: skip
    assert len(set(CYCLE)) == len(CYCLE) >= 6


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_first_two_lines_differ_in_hue_and_stand_out_from_white():
    for colour in CYCLE[:2]:
        assert 1.05 / (luminance(colour) + 0.05) > 3  # WCAG 1.4.11 for graphics


def test_size_axes_and_colours():
    fig, axes = figure(8, 2, rows=1, columns=3, sharey=True)
    assert fig.get_size_inches().tolist() == [8.0, 2.0]
    assert len(axes) == 3
    for ax in axes:
        assert ax.plot([0, 1])[0].get_color() == CYCLE[0]
        assert not ax.spines["top"].get_visible()


def pixels(data):
    return struct.unpack(">II", data[16:24])


@pytest.mark.parametrize("dpi", [50, 100])
def test_a_png_has_the_size_asked_for_and_always_the_same_bytes(dpi):
    def draw():
        fig, ax = figure(3, 2)
        ax.plot([1, 3, 2], label="a")
        ax.legend()
        return png(fig, dpi=dpi)

    first = draw()
    assert pixels(first) == (3 * dpi, 2 * dpi)
    assert first == draw()
    assert b"Software" not in first
    zlib.decompress(first[first.index(b"IDAT") + 4 :][: struct.unpack(">I", first[first.index(b"IDAT") - 4 :][:4])[0]])


def test_ticks_look_as_those_of_matplotlib():
    def draw(place):
        fig, ax = figure(3, 2)
        ax.barh([0, 1], [2, 1])
        place(ax)
        return png(fig)

    assert draw(lambda ax: ticks(ax.yaxis, [0, 1], ["no", "yes"])) == draw(
        lambda ax: ax.set_yticks([0, 1], ["no", "yes"])
    )
    assert draw(lambda ax: ticks(ax.xaxis, [0.5, 2])) == draw(lambda ax: ax.set_xticks([0.5, 2]))


def test_matplotlibs_own_settings_stay_as_they_are():
    before = dict(rcParams)
    png(figure()[0])
    assert dict(rcParams) == before


def test_pyplot_is_not_needed():
    code = (
        "import sys; from labkit.plots.style import figure, png; png(figure(1, 1)[0]); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_shown_figure_has_its_alt_text(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    show(figure(1, 1)[0], alt="An empty plot.")
    data, metadata = shown[0]._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == "An empty plot."
    assert data["image/png"].startswith("iVBOR")
