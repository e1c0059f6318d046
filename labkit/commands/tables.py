"""Tables that fit a terminal, and stay plain, aligned text when they are piped."""

import json
import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

__all__ = ["console", "show"]


def console(file=None):
    """Make a console for standard output; a pipe has no width, so nothing is cut or broken there."""
    file = file or sys.stdout
    return Console(file=file, highlight=False) if file.isatty() else Console(file=file, width=10_000, no_color=True)


def show(rows, *, columns=(), numbers=(), as_json=False, empty="Nothing yet."):
    """Print rows (dicts with equal keys) as a table, or as JSON.

    `columns` names those that the table shows (all by default), `numbers` those to align right.
    """
    rows = [dict(row) for row in rows]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    out = console()
    if not rows:
        out.print(empty)
        return
    table = Table(box=SIMPLE_HEAD if out.is_terminal else None, pad_edge=False)
    names = columns or list(rows[0])
    for name in names:
        table.add_column(str(name), justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(row[name]) for name in names))
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    print("\n".join(line.rstrip() for line in captured.get().rstrip("\n").splitlines()))


def _text(value):
    from rich.text import Text

    if value is None:
        return Text("")
    return Text(f"{value:.4g}" if isinstance(value, float) else str(value))
