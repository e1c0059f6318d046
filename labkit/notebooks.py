"""Turns each lesson's source (a .py file) into the notebook that a reader opens, with its outputs."""

import ast
import hashlib
import inspect
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import jupytext
import nbformat

from labkit.errors import RunError
from labkit.lessons import NOTEBOOKS, ROOT, Lesson

__all__ = ["build", "check", "clean_outputs", "execute", "insert_solutions", "sources"]

_EXERCISE = re.compile(r'^@exercise\(\s*["\']([\w.]+)["\']\s*\)', re.MULTILINE)
_WIDGET = "application/vnd.jupyter.widget-view+json"


def sources(words=(), *, folder=NOTEBOOKS):
    """List the sources, all or those with these numbers; raises RunError where there is none such."""
    there = sorted((Path(folder) / "source").glob("[0-9][0-9]_*.py"))
    chosen = [path for path in there if not words or any(path.stem.startswith(word.zfill(2)) for word in words)]
    if not chosen:
        raise RunError(
            "the number of a lesson with a source",
            received=" ".join(words) or "an empty folder",
            do="There are: " + (", ".join(path.stem for path in there) or "none") + ".",
        )
    return chosen


def from_source(source):
    """Read a source as a notebook; the same text always gives the same notebook, cell ids included."""
    notebook = jupytext.read(source)
    seen = Counter()
    for cell in notebook.cells:
        text = cell.cell_type + cell.source
        seen[text] += 1
        # An id that depends on the text alone: cells keep theirs when others come or go around them.
        cell.id = hashlib.sha256(f"{text}{seen[text]}".encode()).hexdigest()[:12]
    kernel = notebook.metadata.get("kernelspec", {})
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": kernel, "language_info": {"name": "python", "file_extension": ".py"}}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def build(source):
    """Write the notebook of one source and return its path; outputs stay where only words and comments have changed."""
    notebook, path = from_source(source), notebook_path(source)
    if path.exists():
        before = nbformat.read(path, as_version=4)
        executed, cells = _code(before), _code(notebook)
        if [_meaning(cell.source) for cell in executed] == [_meaning(cell.source) for cell in cells]:
            _copy_outputs(zip(executed, cells, strict=True))
            notebook.metadata.update({key: before.metadata[key] for key in ("labkit",) if key in before.metadata})
    _write(notebook, path)
    return path


def check(source):
    """Say in words how a notebook differs from its source; an empty list means that it does not."""
    path = notebook_path(source)
    if not path.exists():
        return [f"{path.name} is not built"]
    wanted, found = from_source(source).cells, nbformat.read(path, as_version=4).cells
    if len(wanted) != len(found):
        return [f"{path.name} has {len(found)} cells and its source {len(wanted)}"]
    return [
        f"{path.name}, cell {number}: not as in the source"
        for number, (one, other) in enumerate(zip(wanted, found, strict=True), start=1)
        if _identity(one) != _identity(other)
    ]


def execute(source, *, profile="full", listener=None):
    """Build a notebook, run it and keep its outputs in it; raises RunError where a cell fails.

    The parameters cell stays as the reader gets it; which profile the outputs come from is in the metadata.
    """
    from labkit.execution import execute as run_file
    from labkit.machine import machine_label

    path, notebook = notebook_path(source), from_source(source)
    with tempfile.TemporaryDirectory() as folder:
        # What is there stays as it is until every cell has run.
        lesson, target = Lesson(Path(folder) / path.name), Path(folder) / "executed.ipynb"
        _write(notebook, lesson.path)
        if listener:
            listener.started(lesson, len(notebook.cells))
        failure = run_file(
            lesson.path,
            target=target,
            folder=path.parent,
            parameters=lesson.check({"profile": profile}),
            # As a reader who starts: no guess and no answer yet, whatever the author has tried.
            environment={"LABKIT_HOME": folder},
            on_cell=lambda index: listener and listener.cell(lesson, index),
        )
        if failure:
            raise RunError(
                f"every cell of {path.name} to run",
                received=f"{failure.name} in cell {failure.cell}: {failure.message}",
                do=f"The cell:\n{failure.source}\n{failure.traceback}",
            )
        executed = {cell.id: cell for cell in _code(nbformat.read(target, as_version=4))}
        _copy_outputs((executed[cell.id], cell) for cell in _code(notebook))
    notebook.metadata["labkit"] = {"profile": profile, "machine": machine_label()}
    _write(clean_outputs(notebook), path)
    return path


def clean_outputs(notebook):
    """Take out paths and live widgets, and number the cells from 1. Changes its argument."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [_clean(output) for output in cell.outputs if _WIDGET not in output.get("data", {})]
    ran = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.execution_count]
    for number, cell in enumerate(ran, start=1):
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    return notebook


def insert_solutions(notebook):
    """Fill every exercise cell with the reference's source. Changes its argument."""
    from labkit.exercises import get

    for cell in notebook.cells:
        found = _EXERCISE.search(cell.source) if cell.cell_type == "code" else None
        if found:
            reference = get(found[1]).reference
            imports = "".join(
                f"import {module.__name__} as {name}\n"
                for name, module in inspect.getmembers(sys.modules[reference.__module__], inspect.ismodule)
                if name in reference.__code__.co_names
            )
            head = cell.source[: found.start()]
            cell.source = f"{head}{imports}{found[0]}\n{inspect.getsource(reference)}"
    return notebook


def notebook_path(source):
    """Where the notebook of a source lies: one folder up, with the same name."""
    return source.parent.parent / f"{source.stem}.ipynb"


def _clean(output):
    def mend(text):
        for place, name in _places():
            text = text.replace(place, name)
        # Where an object lies in memory is another place each time, and tells a reader nothing.
        return re.sub(r" at 0x[0-9a-f]{6,}", "", text)

    if "text" in output:
        output.text = mend(output.text)
    for kind, value in output.get("data", {}).items():
        if isinstance(value, str) and not kind.startswith("image/png"):
            output.data[kind] = mend(value)
    return output


def _places():
    found = {str(ROOT): ".", sys.prefix: ".venv", tempfile.gettempdir(): "TEMP", str(Path.home()): "~"}
    if home := os.environ.get("LABKIT_HOME"):
        found[home] = "LABKIT_HOME"
    # The longest first: the environment usually lies inside the checkout.
    return sorted(found.items(), key=lambda pair: -len(pair[0]))


def _copy_outputs(pairs):
    for executed, cell in pairs:
        cell.outputs, cell.execution_count = executed.outputs, executed.execution_count


def _identity(cell):
    return cell.id, cell.cell_type, cell.source, cell.metadata.get("tags", [])


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _meaning(code):
    """What is computed, in Python's own words: the same whatever the comments and the line breaks."""
    try:
        return ast.dump(ast.parse(code))
    except SyntaxError:  # such as a line for IPython alone
        return code


def _write(notebook, path):
    nbformat.validate(notebook)
    partial = path.with_suffix(".part")
    nbformat.write(notebook, partial)
    os.replace(partial, path)
