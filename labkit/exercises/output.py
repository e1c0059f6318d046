"""Show words in a notebook, as HTML with a plain-text twin, or print them where there is no notebook."""

import sys
from html import escape

__all__ = ["box", "show"]

_COLOURS = {"good": "#009E73", "bad": "#D55E00", "neutral": "#0072B2"}
"""From Okabe and Ito's palette; the words and the icon say the same."""


def show(text, html="", *, data=None):
    """Show `text`: under the cell with its HTML and other `data` (MIME type to value), else as a print.

    >>> show("Nine bytes.")
    Nine bytes.
    """
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(text)
        return
    from IPython.display import display

    bundle = {"text/plain": text, **({"text/html": html} if html else {}), **(data or {})}
    display(bundle, raw=True)


def box(headline, lines=(), *, tone="neutral", code=""):
    """Make the HTML of a short message: a headline, (label, text) lines, perhaps code; all of it escaped.

    >>> "&lt;b&gt;" in box("<b>", [("expected", "1")])
    True
    """
    rows = "".join(
        f'<div><span style="opacity:.75">{escape(label)}:</span> <code>{escape(text)}</code></div>'
        if label in ("call", "expected", "received")
        else f"<div>{f'<b>{escape(label)}:</b> ' if label else ''}{escape(text)}</div>"
        for label, text in lines
    )
    listing = f'<pre style="margin:.4em 0 0">{escape(code)}</pre>' if code else ""
    look = f"border-left:4px solid {_COLOURS[tone]};padding:.2em .8em;margin:.3em 0;white-space:pre-wrap"
    return f'<div role="status" style="{look}"><div><b>{escape(headline)}</b></div>{rows}{listing}</div>'
