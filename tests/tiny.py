"""Lessons so small that a test can run them."""

import nbformat

PARAMETERS = """\
seed: int = 0             # order of training examples
profile: str = "quick"    # quick | full
bits: int = 4             # bits per weight
share: float = 0.5        # of the weights
layers: list = [0, 1]     # which to keep
exact: bool = False       # slow and right"""

GOOD = """\
from labkit.results import record
record("doubled", 2 * bits, unit="bits", expected=(7, 9), seed=seed)"""

PICTURE = """\
from labkit.plots.style import figure, show
fig, ax = figure(2, 1)
show(fig, alt='An empty plot with "axes"')"""


def write_lessons(folder, cells_by_name):
    """Make a folder of lessons from `{"00_good": [code, ...]}`; each gets a parameters cell first."""
    folder.mkdir(exist_ok=True)
    for name, cells in cells_by_name.items():
        notebook = nbformat.v4.new_notebook()
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.metadata["kernelspec"] = kernel
        first = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
        notebook.cells = [first, *map(nbformat.v4.new_code_cell, cells)]
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder
