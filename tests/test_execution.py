import json
import os
import sys

import nbformat
import pytest

from labkit.execution import execute
from labkit.forked import can_fork


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


SURROUNDINGS = """
import faulthandler, json, os, signal, sys
import threadpoolctl, torch
print(json.dumps({
    "folder": os.getcwd(), "path": sys.path, "threads": torch.get_num_threads(),
    "pools": sorted({(pool["internal_api"], pool["num_threads"]) for pool in threadpoolctl.threadpool_info()}),
    "interrupt": signal.getsignal(signal.SIGINT).__name__, "leads a session": os.getsid(0) == os.getpid(),
    "variables": {k: v for k, v in os.environ.items() if not k.startswith(("JPY_", "KMP_"))},
    "main": list(sys.modules["__main__"].__dict__)[:3], "reports crashes": faulthandler.is_enabled(),
}))
"""
KERNEL = """
import ipywidgets, tqdm.auto
print(tqdm.auto.tqdm.__module__, *sorted(get_ipython().kernel.comm_manager.targets))
"""
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


@pytest.mark.skipif(not can_fork(), reason="kernels are fresh interpreters here")
def test_a_forked_kernel_is_as_a_fresh_one(lessons_folder, monkeypatch):
    found = []
    for forked in (True, False):
        monkeypatch.setattr("labkit.provisioner.can_fork", lambda forked=forked: forked)
        folder = lessons_folder(
            {"00_it": ["import sys; print('transformers' in sys.modules)", SURROUNDINGS, KERNEL, FIGURE]}
        )
        failure, notebook = run_cells(folder)
        assert failure is None
        early, surroundings, kernel, figure = [cell.outputs for cell in notebook.cells[-4:]]
        assert early[0].text == f"{forked}\n"  # imported before the first cell, where it was forked
        shown = [list(output.get("data", {})) for output in figure]
        found.append((json.loads(surroundings[0].text) | {"widgets": kernel[0].text}, shown))
    forked, fresh = found
    assert [key for key in fresh[0] if forked[0][key] != fresh[0][key]] == []
    assert forked[1] == fresh[1]
    assert "image/png" in str(fresh[1])
