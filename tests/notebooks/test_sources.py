"""Every lesson is what docs/writing-a-lesson.md says: its form, its outputs, and nothing besides."""

import inspect
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from labkit import notebooks
from labkit.exercises import all_exercises, get
from labkit.lessons import NOTEBOOKS, lessons

EXPECTED = [
    "00_start_here",
    "01_hardware_limits",
    "02_the_math",
    "03_pruning",
    "04_bert_structure",
    "05_quantization",
    "06_bert_int8",
    "07_collectives",
    "08_bert_ddp",
    "09_storage",
    "10_distillation",
]
SOURCES = sorted((NOTEBOOKS / "source").glob("[0-9][0-9]_*.py"))
EXERCISE = re.compile(r'^@exercise\("([\w.]+)"\)\ndef (\w+)\(.*\):\n    \.\.\.\s+# your code', re.MULTILINE)
PLACES = re.compile(r"/home/|/root\b|/Users/|/tmp/|/work/|site-packages|[A-Z]:\\\\|\bat 0x[0-9a-f]{6,}")

each_lesson = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def test_the_lessons_are_there():
    assert [lesson.name for lesson in lessons()][: len(EXPECTED)] == EXPECTED
    assert [path.stem for path in SOURCES] == [lesson.name for lesson in lessons()]


def written(source):
    """The lesson without outputs; that the built one has the same cells is tested first."""
    return notebooks.from_source(source)


def built(source):
    return nbformat.read(notebooks.notebook_path(source), as_version=4)


def markdown(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def place(notebook, pattern, kind=None):
    """The index of the first cell that matches; fails where there is none."""
    for index, cell in enumerate(notebook.cells):
        if (kind is None or cell.cell_type == kind) and re.search(pattern, cell.source, re.MULTILINE):
            return index
    raise AssertionError(f"no {kind or 'cell'} with {pattern}")


def outputs(notebook):
    return [output for cell in code(notebook) for output in cell.outputs]


@each_lesson
def test_the_notebook_equals_its_source(source):
    assert notebooks.check(source) == []


@each_lesson
def test_the_parts_come_in_their_order(source):
    notebook = written(source)
    order = [
        place(notebook, r"\A# ", "markdown"),
        place(notebook, r"^\|.*minutes.*\|", "markdown"),
        place(notebook, r"^\*\*Afterwards you can\*\*", "markdown"),
        place(notebook, r"^seed: int = 0", "code"),
        place(notebook, r"^from labkit", "code"),
        place(notebook, r"^predict\(", "code"),
        place(notebook, r"^reveal\(", "code"),
        place(notebook, r"^## The article says, we measured$", "markdown"),
        place(notebook, r"^## Recap$", "markdown"),
        place(notebook, r"^## Further reading$", "markdown"),
    ]
    assert order == sorted(order)
    assert order[-1] >= len(notebook.cells) - 2, "nothing comes after the further reading"
    tune = place(notebook, r"^## Tune it", "markdown")
    assert order[4] < tune < order[7]


@each_lesson
def test_there_is_one_title(source):
    titles = re.findall(r"^# .+$", "\n\n".join(markdown(written(source))), re.MULTILINE)
    assert len(titles) == 1


@each_lesson
def test_headings_skip_no_level(source):
    text = "\n\n".join(markdown(written(source)))
    levels = [len(signs) for signs in re.findall(r"^(#{1,6}) ", text, re.MULTILINE)]
    for one, following in pairwise(levels):
        assert following <= one + 1


@each_lesson
def test_the_parameters_are_typed_and_explained(source):
    (cell,) = [cell for cell in code(written(source)) if "parameters" in cell.metadata.get("tags", [])]
    for line in cell.source.splitlines():
        assert re.fullmatch(r"\w+: (int|float|str|bool|list)(\[\w+\])? = .+?\s+# \S.*", line), line
    assert re.search(r'^profile: str = "quick"\s+# .*quick.*full', cell.source, re.MULTILINE)
    assert re.search(r"^seed: int = 0\b", cell.source, re.MULTILINE)


@each_lesson
def test_code_cells_are_short(source):
    for cell in code(written(source)):
        lines = cell.source.splitlines()
        assert len(lines) <= 15, cell.source


@each_lesson
def test_exercises_are_in_the_bank_and_announced_and_open(source):
    notebook = written(source)
    found = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and "@exercise(" in cell.source:
            match = EXERCISE.search(cell.source)
            assert match, f"an open answer: {cell.source}"
            one = get(match[1])
            found.append(one.id)
            assert one.name == match[2]
            assert one.lesson == source.stem
            head = notebook.cells[index - 1].source
            number = rf"{int(source.stem[:2])}\.{len(found)}"
            title = rf"^### Exercise {number} · {one.stars} · {one.minutes} minutes"
            assert re.search(title, head, re.MULTILINE), f"expected {title} before {one.id}"
    assert len(found) >= 2
    assert set(found) == {one.id for one in all_exercises() if one.lesson == source.stem}


@each_lesson
def test_no_solution_is_leaked(source):
    """No telling line of a reference, of this lesson or a later one, is in a cell or an output."""
    shown = "\n".join(_texts(built(source)))
    for one in all_exercises():
        if one.lesson >= source.stem:
            lines = (line.strip() for line in inspect.getsource(one.reference).splitlines())
            telling = (line for line in lines if len(line) > 25 and not line.startswith(_NOT_TELLING))
            assert not [line for line in telling if line in shown], one.id


_NOT_TELLING = ("def ", '"""', "#", "raise")


def _texts(value):
    """All strings in nested lists and dicts, pictures left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not key.startswith("image/png"):
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


@each_lesson
def test_every_cell_ran_without_an_error_or_a_warning(source):
    notebook = built(source)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
    assert notebook.metadata.labkit.profile == "full"
    assert notebook.metadata.labkit.machine


@each_lesson
def test_outputs_tell_nothing_of_the_machine_they_come_from(source):
    for text in _texts(outputs(built(source))):
        assert not PLACES.search(text), text


@each_lesson
def test_every_figure_has_alt_text_and_there_is_one(source):
    pictures = [output for output in outputs(built(source)) if "image/png" in output.get("data", {})]
    assert pictures
    for output in pictures:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        assert len(alt) >= 40, "say in a sentence what a person would see"
        assert len(alt) <= 800


@each_lesson
def test_the_main_numbers_are_recorded_and_named_once(source):
    from labkit.results import collect

    names = [result["name"] for result in collect(built(source))]
    assert names
    assert len(names) == len(set(names))


@each_lesson
def test_links_lead_somewhere(source):
    text = "\n".join(markdown(written(source)))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://|mailto:|#", target):
            assert (NOTEBOOKS / target.partition("#")[0]).exists(), target
    assert "http://" not in text.replace("http://127.0.0.1", ""), "https"


@each_lesson
def test_predictions_are_revealed(source):
    text = "\n".join(cell.source for cell in code(written(source)))
    predicted = set(re.findall(r'^predict\(\s*"([\w.-]+)"', text, re.MULTILINE))
    assert predicted
    assert predicted <= set(re.findall(r'^reveal\(\s*"([\w.-]+)"', text, re.MULTILINE))


def test_the_guide_for_authors_names_every_part():
    guide = (Path(__file__).parents[2] / "docs" / "writing-a-lesson.md").read_text(encoding="utf8")
    for part in (
        "Afterwards you can",
        "parameters",
        "predict(",
        "reveal(",
        "## Tune it",
        "### Exercise 3.2 · ●●○○ · 8 minutes",
        "## The article says, we measured",
        "## Recap",
        "## Further reading",
        "nbval-check-output",
        "alt=",
        "record(",
    ):
        assert part in guide, part


def test_some_outputs_are_compared_and_each_tag_stands_on_a_cell_with_text():
    tagged = [cell for source in SOURCES for cell in code(built(source))
              if "nbval-check-output" in cell.metadata.get("tags", [])]  # fmt: skip
    assert tagged, "make test gives nbval the lessons with this tag"
    assert all(cell.outputs for cell in tagged)
