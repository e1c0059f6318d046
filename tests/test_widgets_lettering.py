"""Stamped words look like drawn ones; matplotlib's own renderer is the oracle."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import Bbox

from labkit.plots import style
from labkit.widgets.lettering import STAMPS, StampingCanvas, StampingRenderer

FONT = FontProperties(size=11)


def draw(renderer, x=30.25, y=40.5, *, words="Kept: 12,5 %", angle=0, alpha=None, math=False, clip=None):
    gc = renderer.new_gc()
    gc.set_foreground("#C04000")
    gc.set_alpha(1.0 if alpha is None else alpha)
    gc.set_clip_rectangle(clip)
    renderer.draw_text(gc, x, y, words, FONT, angle, math)
    return np.array(renderer.buffer_rgba()).astype(int)


def on_white(pixels):
    share = pixels[..., 3:] / 255
    return pixels[..., :3] * share + 255 * (1 - share)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"angle": 90, "y": 120.0},
        {"angle": 33, "y": 120.75},
        {"alpha": 0.4},
        {"words": r"$\alpha^2 + 1$", "math": True},
        {"clip": Bbox([[40, 0], [70, 150]])},
        {"x": -3.5},
        {"words": " "},
    ],
    ids=lambda how: next(iter(how), "plain"),
)
def test_a_stamped_word_looks_like_a_drawn_one(how):
    stamping = StampingRenderer(160, 150, 100)
    expected = on_white(draw(RendererAgg(160, 150, 100), **how))
    assert np.abs(on_white(draw(stamping, **how)) - expected).max() <= 3
    stamping.clear()
    assert np.abs(on_white(draw(stamping, **how)) - expected).max() <= 3  # from the stamp now
    assert len(stamping.stamps) == 1
    assert (how == {"words": " "}) == (expected.min() == 255)


def test_within_an_eighth_of_a_pixel_the_stamp_serves_again_and_beyond_it_does_not():
    stamping = StampingRenderer(160, 150, 100)
    for x in (30.0, 30.1, 57.1):
        draw(stamping, x)
    assert len(stamping.stamps) == 1
    draw(stamping, 30.3)
    assert len(stamping.stamps) == 2


@pytest.mark.parametrize("how", [{"words": "other"}, {"alpha": 0.5}, {"angle": 90}], ids=lambda how: next(iter(how)))
def test_other_words_other_colours_and_other_angles_are_other_stamps(how):
    stamping = StampingRenderer(160, 150, 100)
    draw(stamping)
    draw(stamping, **how)
    assert len(stamping.stamps) == 2


def test_the_oldest_stamp_goes_first():
    stamping = StampingRenderer(160, 150, 100)
    for number in range(STAMPS + 1):
        draw(stamping, words=str(number))
    kept = {key[0] for key in stamping.stamps}
    assert len(kept) == STAMPS
    assert "0" not in kept


def test_a_whole_figure_looks_as_with_matplotlibs_canvas():
    def pixels(canvas):
        fig, ax = style.figure(4, 3)
        ax.plot([0, 1], [2, 3], label="a line")
        ax.set(title="A title", xlabel="time (s)", ylabel="height (m)")
        ax.legend()
        made = canvas(fig)
        made.draw()
        return on_white(np.asarray(made.buffer_rgba()).astype(int))

    difference = np.abs(pixels(StampingCanvas) - pixels(FigureCanvasAgg))
    assert difference.mean() < 0.5  # words stand at most an eighth of a pixel beside their place
    assert (difference > 120).mean() < 0.0005


def test_a_canvas_keeps_its_renderer_until_the_size_changes():
    fig, _ = style.figure(4, 3)
    canvas = StampingCanvas(fig)
    first = canvas.get_renderer()
    assert canvas.get_renderer() is first
    fig.set_dpi(50)
    assert canvas.get_renderer() is not first
