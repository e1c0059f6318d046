"""What every picture of the workbook must be: drawable, and with words on its axes."""

from labkit.plots.style import png


def assert_has_words(fig):
    """Fail unless the figure can be drawn, and each of its axes has a title and says what it shows."""
    assert png(fig).startswith(b"\x89PNG")
    for ax in fig.axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel() or all(label.get_text() for label in ax.get_yticklabels())
        assert ax.get_title(loc="left")


def lines(ax):
    """The lines of an axis by the words of their legend."""
    return {line.get_label(): line for line in ax.lines}
