"""Which lessons there are, which parameters each takes, and what a reader's `-p name=value` means."""

import ast
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from labkit.errors import RunError

__all__ = ["NOTEBOOKS", "ROOT", "Lesson", "Parameter", "choose", "lessons", "parse_value"]

ROOT = Path(os.environ.get("LABKIT_ROOT") or Path(__file__).parent.parent).resolve()
"""The folder with `notebooks` and `runs` in it: this checkout, or what LABKIT_ROOT names."""
NOTEBOOKS = ROOT / "notebooks"


@dataclass(frozen=True)
class Parameter:
    """One line of a lesson's parameters cell: `bits: int = 4  # bits per weight`."""

    name: str
    kind: str
    """The annotation: int, float, str, bool or list."""
    default: object
    help: str = ""

    @property
    def options(self):
        """The words to choose from, where the comment lists them: `# small | large`."""
        if self.name == "profile":
            return ("quick", "full")
        words = tuple(word.strip() for word in self.help.split("|"))
        return words if self.kind == "str" and len(words) > 1 else ()

    def __str__(self):
        return f"{self.name}: {self.kind} = {self.default!r}" + (f"  # {self.help}" if self.help else "")


@dataclass(frozen=True)
class Lesson:
    """One notebook of the workbook."""

    path: Path

    @property
    def name(self):
        """The file's name without its ending, such as `03_pruning`."""
        return self.path.stem

    @property
    def number(self):
        """The two digits in front, such as `03`."""
        return self.name.split("_", 1)[0]

    @property
    def parameters(self):
        """What can be set, by name."""
        return _parameters(self.path, self.path.stat().st_mtime_ns)

    def check(self, given):
        """Turn `{"bits": "4"}` into `{"bits": 4}`, or say what this lesson takes.

        Raises RunError for a name that the lesson does not have, or a value of another type.
        """
        return {name: parse_value(self._parameter(name), text) for name, text in given.items()}

    def _parameter(self, name):
        if name not in self.parameters:
            raise RunError(
                f"a parameter of lesson {self.name}",
                received=f"{name!r}",
                do="It takes:\n" + "\n".join(f"  {each}" for each in self.parameters.values()),
            )
        return self.parameters[name]


@cache
def _parameters(path, _changed):
    # papermill is imported here: `labkit --help` should not wait for it.
    from papermill.inspection import inspect_notebook

    found = inspect_notebook(str(path))
    return {
        name: Parameter(
            name,
            row["inferred_type_name"].split("[")[0],
            ast.literal_eval(row["default"]),
            row["help"].strip(),
        )
        for name, row in found.items()
    }


def lessons(folder=NOTEBOOKS):
    """List the lessons in a folder in the order of their numbers.

    >>> [lesson.number for lesson in lessons()][:2]
    ['00', '01']
    """
    return [Lesson(path) for path in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))]


def choose(words, folder=NOTEBOOKS):
    """Find lessons by number or name; no words means all of them.

    Raises RunError with the list of what there is.
    """
    there = lessons(folder)
    if not there:
        raise RunError(
            "lessons named NN_name.ipynb",
            received=f"none in the folder {folder}",
            do="Build them with `labkit notebooks build`.",
        )
    chosen = []
    for word in words:
        hits = [lesson for lesson in there if word in (lesson.name, lesson.path.name) or lesson.number == word.zfill(2)]
        if not hits:
            raise RunError(
                "the number or the name of a lesson",
                received=f"{word!r}",
                do="There are: " + ", ".join(lesson.name for lesson in there) + ".",
            )
        chosen += [hit for hit in hits if hit not in chosen]
    return chosen or there


def parse_value(parameter, text):
    """Read a value as the type that the parameters cell declares.

    >>> parse_value(Parameter("bits", "int", 4), "3")
    3
    >>> parse_value(Parameter("layers", "list", [0]), "[0, 5]")
    [0, 5]
    >>> parse_value(Parameter("bits", "int", 4), "3.5")
    Traceback (most recent call last):
    ...
    labkit.errors.RunError: Expected a value of type int for bits. Received '3.5'. Write it like: -p bits=4
    """
    try:
        value = _READERS[parameter.kind](text)
        if parameter.options and value not in parameter.options:
            raise ValueError(value)
        return value
    except (KeyError, ValueError, SyntaxError):
        example = parameter.default if parameter.kind != "list" else f"'{parameter.default}'"
        raise RunError(
            f"a value of type {parameter.kind} for {parameter.name}"
            + (f", one of {', '.join(parameter.options)}" if parameter.options else ""),
            received=repr(text),
            do=f"Write it like: -p {parameter.name}={example}",
        ) from None


def _list(text):
    value = ast.literal_eval(text)
    if not isinstance(value, list):
        raise ValueError(text)
    return value


_READERS = {
    "int": int,
    "float": float,
    "str": str,
    "bool": lambda text: {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()],
    "list": _list,
}
