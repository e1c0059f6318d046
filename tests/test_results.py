"""Results: checked on the way in, kept in a cell's output, read back from an executed notebook."""

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from labkit.errors import SettingError
from labkit.results import collect, record


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (float("nan"), "finite number for f1"),
        (np.float64("inf"), "finite number for f1"),
        (object(), "JSON can hold"),
        ([1, 2], "one number"),
        (None, "one number"),
        (np.zeros(3), "one number"),
    ],
)
def test_values_that_are_refused(value, match):
    with pytest.raises(SettingError, match=match):
        record("f1", value)


def test_what_else_is_refused():
    with pytest.raises(SettingError, match="a name"):
        record("", 1)
    with pytest.raises(SettingError, match=r"a pair \(low, high\) as expected"):
        record("f1", 1, expected=(2, 1))
    with pytest.raises(SettingError, match=r"a pair \(low, high\) as interval"):
        record("f1", 1, interval=3)
    with pytest.raises(SettingError, match="a number for f1, which has a range"):
        record("f1", "high", expected=(0, 1))
    with pytest.raises(SettingError, match="JSON can hold for f1, model"):
        record("f1", 1, model=object())


@pytest.mark.parametrize(
    ("value", "expected", "interval", "words"),
    [
        (0.5, (0, 1), None, "inside the expected range, 0 to 1"),
        (1.0, (0, 1), None, "inside"),
        (1.5, (0, 1), None, "outside the expected range"),
        (0.5, (0, 1), (0.4, 0.6), "inside"),
        (0.95, (0, 1), (0.8, 1.1), "inconclusive"),
        (1.05, (0, 1), (0.8, 1.1), "inconclusive"),
        (0.5, (0, 1), (-1, 2), "inconclusive"),
        (1.5, (0, 1), (1.2, 1.8), "outside"),
        (-1.5, (0, 1), (-2, -1), "outside"),
    ],
)
def test_the_verdict(value, expected, interval, words, capsys):
    record("f1", value, expected=expected, interval=interval)
    assert f"· {words}" in capsys.readouterr().out


@pytest.mark.parametrize("value", [np.float32(0.5), torch.tensor(0.5), np.array(0.5), 0.5])
def test_scalars_of_all_kinds(value, capsys):
    record("f1", value)
    assert capsys.readouterr().out == "f1: 0.5\n"


def test_from_an_executed_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    cells = (
        "from labkit.results import record\nimport numpy as np",
        "context = {'bits': np.int64(32), 'steps': ['keep', 'prune']}\n"
        "record('size', np.float64(90.9), unit='MB', expected=(80, 100), **context)",
        "print('nothing')",
        "record('label', 'sport')\nrecord('same', np.bool_(True))",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Title"))
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    file = tmp_path / "n.ipynb"
    nbformat.write(notebook, file)
    results = collect(nbformat.read(file, as_version=4))
    assert [(one["name"], one["value"]) for one in results] == [
        ("size", 90.9),
        ("label", "sport"),
        ("same", True),
    ]
    assert results[0]["context"] == {"bits": 32, "steps": ["keep", "prune"]}
    assert results[0]["verdict"] == "inside"
    assert notebook.cells[2].outputs[0].data["text/plain"].startswith("size: 90.9 MB · inside the expected range")
