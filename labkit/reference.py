"""What we measured ourselves, with the machine and the command, for readers to hold their results against."""

import json
from html import escape
from pathlib import Path

from labkit.errors import SettingError
from labkit.machine import machine_label, versions

__all__ = ["ReferenceTable", "markdown_table", "reference", "reference_rows", "reference_table", "write_reference"]

FOLDER = Path(__file__).parent.parent / "data" / "reference"


def reference(name):
    """Read a set of our measured results: a dictionary with `machine`, `versions`, `command` and `rows`.

    Raises SettingError when there is none of that name.
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        known = sorted(file.stem for file in FOLDER.glob("*.json"))
        raise SettingError(f"one of the reference results {known}", received=repr(name), do="Choose one of these.")
    return json.loads(path.read_text("utf-8"))


def write_reference(name, values):
    """Write a set of results, with this machine and its versions where `values` names no other; returns the path."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    values = {"machine": machine_label(), "versions": versions()} | values
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


class ReferenceTable:
    """Rows of our own results, shown as HTML or as plain text."""

    def __init__(self, values, rows):
        self.rows = rows
        self.caption = f"Measured by us on {values['machine']} with `{values['command']}`, all five folds."

    def __repr__(self):
        lines = (f"  {name:28} {f1}  {lost}".rstrip() for name, f1, lost in map(_cells, self.rows))
        return "\n".join([self.caption, *lines])

    def _repr_html_(self):
        head = "".join(f'<th scope="col">{word}</th>' for word in ("", "macro-F1 (95 % interval)", "lost, paired"))
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in row) + "</tr>"
            for row in map(_cells, self.rows)
        )
        caption = f"<caption>{escape(self.caption)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def markdown_table(values):
    """Write a set of our results, as `reference` gives it, as a table in Markdown."""
    lines = ["| | macro-F1 (95 % interval) | lost against the teacher, paired |", "|---|---|---|"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in values["rows"]]
    return "\n".join([*lines, "", f"Measured with `{values['command']}` on {values['machine']}."])


def _cells(row):
    lost = ""
    if row.get("f1_loss") is not None:
        lost = f"{row['f1_loss']:+.1f} points ({row['f1_loss_low']:+.1f} to {row['f1_loss_high']:+.1f})"
    return row["name"], f"{row['f1']:.3f} ({row['f1_low']:.3f} to {row['f1_high']:.3f})", lost


def reference_rows(name, *words):
    """List the names of our rows that begin with one of the words; none where the set has not been measured.

    >>> reference_rows("pruning", "teacher", "gradual"), reference_rows("nobody measured this", "teacher")
    (['teacher', 'gradual 80 %', 'gradual 80 %, movement', 'gradual 80 %, first-order'], [])
    """
    known = (FOLDER / f"{name}.json").is_file()
    return [row["name"] for row in reference(name)["rows"] if row["name"].startswith(words)] if known else []


def reference_table(name, rows):
    """Show some rows of our results by their names.

    Raises SettingError for a row that is not there.
    """
    values = reference(name)
    known = {row["name"]: row for row in values["rows"]}
    if unknown := [row for row in rows if row not in known]:
        raise SettingError(f"rows among {sorted(known)}", received=str(unknown), do="Choose among these.")
    return ReferenceTable(values, [known[row] for row in rows])
