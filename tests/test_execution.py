import os
import sys

import nbformat
import pytest

from labkit.execution import execute


def run_cells(folder, *cells, **parameters):
    source, target = folder / "00_it.ipynb", folder / "out.ipynb"
    failure = execute(source, target=target, folder=folder, parameters=parameters)
    return failure, nbformat.read(target, as_version=4)


def test_the_kernel_is_this_python_whatever_is_registered(lessons_folder, tmp_path, monkeypatch):
    # Somebody's kernelspec of the same name, which starts nothing: it must not be used.
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["false"], "display_name": "theirs", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    folder = lessons_folder({"00_it": ["import sys, os; print(sys.executable, os.getcwd())"]})
    failure, notebook = run_cells(folder)
    assert failure is None
    assert notebook.cells[-1].outputs[0].text.split() == [sys.executable, os.path.realpath(folder)]


def test_parameters_reach_the_cells(lessons_folder):
    folder = lessons_folder({"00_it": ["print(bits, layers)"]})
    failure, notebook = run_cells(folder, bits=2, layers=[3])
    assert failure is None
    assert notebook.cells[-1].outputs[0].text == "2 [3]\n"


def test_a_failure_names_its_cell(lessons_folder):
    folder = lessons_folder({"00_it": ["1", "total = 0\n1 / total", "print('not reached')"]})
    failure, notebook = run_cells(folder)
    assert (failure.name, failure.message, failure.cell) == ("ZeroDivisionError", "division by zero", 3)
    assert failure.source == "total = 0\n1 / total"
    assert "\x1b" not in failure.traceback
    assert "1 / total" in failure.traceback
    assert notebook.cells[-1].outputs == []


@pytest.mark.slow
def test_a_kernel_that_dies_is_a_failure(lessons_folder):
    folder = lessons_folder({"00_it": ["1", "import os\nos._exit(9)"]})
    failure, notebook = run_cells(folder)
    assert notebook.cells[-2].outputs[0].data["text/plain"] == "1"  # what was computed before is kept
    assert failure.name == "DeadKernelError"
    assert failure.source.startswith("import os")
    assert "memory" in failure.message


def test_variables_reach_the_kernel_and_no_one_else(lessons_folder, monkeypatch):
    monkeypatch.delenv("LABKIT_X", raising=False)
    folder = lessons_folder({"00_it": ["import os\nos.environ['LABKIT_X'] + os.environ['PATH'][:0]"]})
    target = folder / "out.ipynb"
    execute(folder / "00_it.ipynb", target=target, folder=folder, parameters={}, environment={"LABKIT_X": "1"})
    outputs = nbformat.read(target, as_version=4).cells[-1].outputs
    assert outputs[0].data["text/plain"] == "'1'"
    assert "LABKIT_X" not in os.environ


def test_cells_are_announced(lessons_folder):
    folder, heard = lessons_folder({"00_it": ["1", "2"]}), []
    execute(
        folder / "00_it.ipynb",
        target=folder / "out.ipynb",
        folder=folder,
        parameters={},
        on_cell=heard.append,
    )
    assert heard == [0, 1, 2]
