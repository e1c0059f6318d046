import tempfile
from pathlib import Path

import nbformat
import pytest

from labkit import notebooks
from labkit.errors import RunError

SOURCE = """\
# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A title

# %% tags=["parameters"]
seed: int = 0             # a seed
profile: str = "quick"    # quick | full

# %%
print(profile, __import__("os").getcwd())

# %%
1 + 1

# %%
1 + 1
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "notebooks" / "source" / "00_it.py"
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE, encoding="utf8")
    return path


def change(source, old, new):
    text = source.read_text(encoding="utf8")
    assert old in text
    source.write_text(text.replace(old, new), encoding="utf8")


def test_building_twice_gives_the_same_bytes(source):
    first = notebooks.build(source).read_bytes()
    assert notebooks.build(source).read_bytes() == first
    assert notebooks.check(source) == []


def test_cell_ids_are_stable_and_unique(source):
    before = [cell.id for cell in notebooks.from_source(source).cells]
    assert len(set(before)) == 5
    change(source, "# # A title", "# # Another title")
    after = [cell.id for cell in notebooks.from_source(source).cells]
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_tags_stay(source):
    path = notebooks.build(source)
    assert nbformat.read(path, as_version=4).cells[1].metadata.tags == ["parameters"]


def test_check_tells_what_differs(source):
    assert notebooks.check(source) == ["00_it.ipynb is not built"]
    notebooks.build(source)
    change(source, "# # A title", "# # Another title")
    assert notebooks.check(source) == ["00_it.ipynb, cell 1: not as in the source"]
    change(source, "# %%\n1 + 1\n\n# %%\n1 + 1\n", "# %%\n1 + 1\n")
    assert notebooks.check(source) == ["00_it.ipynb has 5 cells and its source 4"]


def test_check_sees_a_changed_tag(source):
    notebooks.build(source)
    change(source, 'tags=["parameters"]', 'tags=["parameters", "more"]')
    assert notebooks.check(source) == ["00_it.ipynb, cell 2: not as in the source"]


def test_executing_keeps_outputs_without_paths_and_leaves_the_parameters(source):
    path = notebooks.execute(source)
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.get("execution_count") for cell in cells] == [None, 1, 2, 3, 4]
    # It ran in full, in its own folder, whose place is nobody's business.
    assert cells[2].outputs[0].text.startswith("full TEMP")
    assert tempfile.gettempdir() not in path.read_text(encoding="utf8")
    assert 'profile: str = "quick"' in cells[1].source
    assert cells[3].outputs[0].execution_count == 3
    about = nbformat.read(path, as_version=4).metadata.labkit
    assert about.profile == "full"
    assert "core" in about.machine
    assert notebooks.check(source) == []


def test_outputs_outlive_a_change_of_words_and_comments_but_not_of_code(source):
    path = notebooks.execute(source)
    for old, new in (
        ("# # A title", "# # Another title"),
        ("# a seed", "# where it begins"),
        ("1 + 1\n", "1 + (\n1)\n"),
    ):
        change(source, old, new)
        notebooks.build(source)
        assert notebooks.check(source) == []
        assert [len(cell.outputs) for cell in nbformat.read(path, as_version=4).cells[2:]] == [1, 1, 1]
        assert nbformat.read(path, as_version=4).cells[-1].outputs[0].data["text/plain"] == "2"
    change(source, "1 + (\n1)", "1 + 2")
    notebooks.build(source)
    assert nbformat.read(path, as_version=4).cells[-1].outputs == []


def test_a_failing_cell_leaves_the_built_notebook_alone(source):
    path = notebooks.execute(source)
    before = path.read_bytes()
    change(source, "1 + 1", "1 / 0")
    with pytest.raises(RunError, match=r"(?s)ZeroDivisionError in cell 4.*1 / 0"):
        notebooks.execute(source)
    assert path.read_bytes() == before


def test_live_widgets_are_left_out():
    view = nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}})
    picture = nbformat.v4.new_output("display_data", {"image/png": "QUJD"})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[view, picture])])
    assert notebooks.clean_outputs(notebook).cells[0].outputs == [picture]


def test_the_environment_is_named_before_the_checkout_it_lies_in():
    inside = str(notebooks.ROOT / "notebooks" / "x.csv")
    output = nbformat.v4.new_output("stream", text=f"{inside} {Path.home()}/y")
    cell = nbformat.v4.new_code_cell("x", outputs=[output])
    notebooks.clean_outputs(nbformat.v4.new_notebook(cells=[cell]))
    assert cell.outputs[0].text == "./notebooks/x.csv ~/y"


def test_an_unknown_source_is_refused_with_the_list(source):
    with pytest.raises(RunError, match=r"Received 07\. There are: 00_it"):
        notebooks.sources(["07"], folder=source.parent.parent)


def test_solutions_are_inserted_and_run():
    code = '# Your turn.\n@exercise("start.macro_f1")\ndef macro_f1(truth, guess):\n    ...   # your code'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    solved = notebooks.insert_solutions(notebook).cells[0].source
    assert "..." not in solved.split("def ")[1]
    kept = {}
    exec(solved, {"exercise": lambda id: lambda function: kept.setdefault(id, function)})
    from labkit.exercises import get

    one = get("start.macro_f1")
    case = one.public[0]
    assert case.call(kept["start.macro_f1"]) == case.call(one.reference)
