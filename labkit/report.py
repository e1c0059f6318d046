"""The report of a run: one HTML file with nothing outside it, and the results as JSON lines."""

import json
from html import escape
from pathlib import Path

import nbformat

from labkit.running import outcomes, settings, write_atomically

__all__ = ["figures", "html", "result_lines", "write"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.25rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
table { border-collapse: collapse; margin: .75rem 0; } caption { text-align: left; font-weight: 600; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0;
         border-bottom: 1px solid #ddd; vertical-align: top; }
figure { margin: 1.25rem 0; } figure img { max-width: 100%; } figcaption { color: #444; font-size: .9rem; }
pre { background: #f4f4f4; padding: .75rem; overflow-x: auto; font-size: .85rem; }
.failed { border-left: .3rem solid #D55E00; padding-left: .75rem; }
"""


def write(folder):
    """Write `report.html` and `results.jsonl` from what a run's folder holds so far."""
    folder = Path(folder)
    write_atomically(folder / "results.jsonl", "".join(line + "\n" for line in result_lines(folder)))
    write_atomically(folder / "report.html", html(folder))


def result_lines(folder):
    """Every result as one JSON line with all that is needed to judge it and to repeat it."""
    about = settings(folder)
    lines = []
    for outcome in outcomes(folder):
        origin = {
            "lesson": outcome.lesson,
            "parameters": outcome.parameters,
            "seed": outcome.parameters.get("seed"),
            "machine": about["machine"],
            "versions": about["versions"],
            "command": outcome.command,
        }
        lines += [json.dumps(result | origin, ensure_ascii=False) for result in outcome.results]
    return lines


def figures(notebook):
    """All pictures in a notebook's outputs, as pairs of PNG data (base64) and alt text."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                about = output.get("metadata", {}).get("image/png", {})
                found.append((data["image/png"].replace("\n", ""), about.get("alt", "")))
    return found


def html(folder):
    """Build the whole page as a string."""
    about, done = settings(folder), outcomes(folder)
    parts = [
        _summary(about, done),
        *(_lesson(outcome, Path(folder) / f"{outcome.lesson}.ipynb") for outcome in done),
        "<h2>Versions</h2>",
        _table(("package", "version"), sorted(about["versions"].items())),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Run of {escape(about['started'])}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _summary(about, done):
    failed = [outcome.lesson for outcome in done if not outcome.passed]
    missing = [name for name in about["lessons"] if name not in {outcome.lesson for outcome in done}]
    words = f"{len(done) - len(failed)} of {len(about['lessons'])} lessons ran to their end"
    words += f"; failed: {', '.join(failed)}" if failed else ""
    words += f"; not run: {', '.join(missing)}" if missing else ""
    rows = [
        (
            f"<a href='#{escape(outcome.lesson)}'>{escape(outcome.lesson)}</a>",
            _state(outcome),
            f"{outcome.seconds:.0f}",
        )
        for outcome in done
    ]
    return (
        "<h1>Run of the workbook</h1>\n"
        f"<p>{escape(words)}. Started {escape(about['started'])} on: {escape(about['machine'])}.</p>\n"
        + _table(("lesson", "state", "seconds"), rows, raw=True)
    )


def _lesson(outcome, path):
    parts = [f'<h2 id="{escape(outcome.lesson)}">{escape(outcome.lesson)}</h2>']
    parts.append(f"<p>{_state(outcome)} in {outcome.seconds:.0f} s. Again: <code>{escape(outcome.command)}</code></p>")
    if outcome.failure:
        failure = outcome.failure
        parts.append(
            f'<div class="failed"><p>Cell {failure["cell"]} raised {escape(failure["name"])}: '
            f"{escape(failure['message'])}</p>\n<pre>{escape(failure['source'])}</pre>\n"
            f"<details><summary>Traceback</summary><pre>{escape(failure['traceback'])}</pre></details></div>"
        )
    if outcome.results:
        rows = [
            (
                result["name"],
                _number(result["value"]) + f" {result.get('unit', '')}".rstrip(),
                _range(result.get("interval")),
                _range(result.get("expected")),
                result.get("verdict") or "",
                _context(result),
            )
            for result in outcome.results
        ]
        parts.append(_table(("result", "value", "interval", "expected", "verdict", "with"), rows, caption="Results"))
    rows = [(name, repr(value)) for name, value in outcome.parameters.items()]
    parts.append(_table(("parameter", "value"), rows, caption="Parameters"))
    if path.is_file():
        for number, (data, alt) in enumerate(figures(nbformat.read(path, as_version=4)), start=1):
            parts.append(
                f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alt, quote=True)}">'
                f"<figcaption>Figure {number}. {escape(alt)}</figcaption></figure>"
            )
    return "\n".join(parts)


def _state(outcome):
    return "✓ passed" if outcome.passed else "✗ failed"


def _number(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _range(pair):
    return " to ".join(map(_number, pair)) if pair else ""


def _context(result):
    context = result.get("context") or {}
    return ", ".join(f"{name} {_number(value)}" for name, value in context.items())


def _table(head, rows, *, caption="", raw=False):
    if not rows:
        return ""
    clean = (lambda text: text) if raw else (lambda text: escape(str(text)))
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "\n".join("<tr>" + "".join(f"<td>{clean(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
