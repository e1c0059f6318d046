"""One look for all figures: a palette safe for colour-blind readers, no pyplot state, alt text for each."""

from io import BytesIO

from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

__all__ = ["COLOURS", "CYCLE", "figure", "png", "show", "ticks"]

COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermillion": "#D55E00",
    "sky": "#56B4E9",
    "purple": "#CC79A7",
    "yellow": "#F0E442",
    "black": "#000000",
    "grey": "#8A8A8A",
}
"""Okabe and Ito's eight colours (https://jfly.uni-koeln.de/color/) and a grey for what is only context."""

CYCLE = tuple(COLOURS[name] for name in ("blue", "vermillion", "green", "orange", "purple", "sky", "black"))

_LOOK = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.linewidth": 2,
    "lines.markersize": 6,
    "legend.frameon": False,
    "svg.hashsalt": "labkit",
}
# For good, and not only while a figure is made: titles and legends that come later take their look from here too.
rcParams.update(_LOOK)


def figure(width=6.4, height=3.6, *, rows=1, columns=1, **subplots):
    """Make an empty figure in our look, `width` by `height` inches, and its axes.

    >>> fig, ax = figure(4, 3)
    >>> fig.get_size_inches().tolist()
    [4.0, 3.0]
    """
    with rc_context(_LOOK):
        fig = Figure(figsize=(width, height), layout="constrained")
        axes = fig.subplots(rows, columns, **subplots)
    for ax in [axes] if rows * columns == 1 else axes.flat:
        ax.set_prop_cycle(color=CYCLE)
    return fig, axes


def ticks(axis, places, words=None):
    """Put ticks at given places of `ax.xaxis` or `ax.yaxis`, with words where the numbers do not say it.

    `ax.set_xticks` does the same, but makes and throws away every tick, which a slider would feel.

    >>> fig, ax = figure(4, 3)
    >>> ticks(ax.yaxis, [0, 1], ["no", "yes"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['no', 'yes']
    """
    axis.set_major_locator(FixedLocator(list(places)))
    if words is not None:
        axis.set_major_formatter(FixedFormatter(list(words)))


def png(fig, *, dpi=100):
    """Draw a figure into PNG bytes.

    >>> fig, ax = figure(1, 1)
    >>> png(fig)[1:4]
    b'PNG'
    """
    buffer = BytesIO()
    with rc_context(_LOOK):
        # The metadata is left out so that the same figure always gives the same bytes.
        fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def show(fig, *, alt):
    """Show a figure under a cell, with alt text that says what a person would see in it."""
    from IPython.display import Image, display

    display(Image(data=png(fig, dpi=110), alt=alt))
