"""The measured blocks of the README are written from data/reference, so that the two cannot disagree."""

import re
from pathlib import Path

from labkit.reference import FOLDER, markdown_table, reference

__all__ = ["fill", "update"]

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"(<!-- reference:(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text):
    """Put our measured results between the marks `<!-- reference:NAME -->` and `<!-- end -->` of a text.

    >>> fill("no marks, no change")
    'no marks, no change'
    """
    return BLOCK.sub(lambda found: f"{found[1]}{_words(found[2])}\n{found[3]}", text)


def update():
    """Write the README's blocks anew; returns its path."""
    README.write_text(fill(README.read_text("utf-8")), "utf-8")
    return README


def _words(name):
    if not (FOLDER / f"{name}.json").is_file():
        return "Not measured yet."
    values = reference(name)
    if "ratio" not in values:
        return markdown_table(name)
    return (
        "**{ratio:.2f}** of the time of `transformers.Trainer` ({ratio_low:.2f} to {ratio_high:.2f} over the pairs), "
        "with macro-F1 {f1_difference:+.1f} points against it ({f1_difference_low:+.1f} to "
        "{f1_difference_high:+.1f}).\n\nMeasured with `{command}` on {machine}."
    ).format(**values)
