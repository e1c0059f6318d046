"""Runs lessons without a browser: one after the other, each result kept as soon as it is there."""

import hashlib
import json
import os
import shlex
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from labkit.errors import Interrupted, RunError
from labkit.lessons import NOTEBOOKS, ROOT, Lesson, choose, lessons

__all__ = ["Listener", "Outcome", "Plan", "lessons", "newest_unfinished", "outcomes", "run"]

RUNS = ROOT / "runs"


@dataclass(frozen=True)
class Plan:
    """Which lessons to run, with which parameters; everything is checked when it is made.

    >>> plan = Plan.make(["01"], {"profile": "quick"})
    >>> plan.lessons[0].name
    '01_hardware_limits'
    """

    lessons: tuple[Lesson, ...]
    given: dict
    """What was asked for, as text by name, for the commands that reproduce it."""
    checked: dict = field(repr=False)
    """The same as values, by the lesson's name and the parameter's."""

    @classmethod
    def make(cls, words=(), given=None, *, folder=NOTEBOOKS):
        """Check lessons, names of parameters and types of values; raises RunError before anything runs."""
        chosen, given = tuple(choose(words, folder)), dict(given or {})
        return cls(chosen, given, {lesson.name: lesson.check(given) for lesson in chosen})

    def parameters(self, lesson):
        """All parameters of a lesson: its defaults with what was given."""
        defaults = {name: parameter.default for name, parameter in lesson.parameters.items()}
        return defaults | self.checked[lesson.name]

    def command(self, lesson):
        """The command that runs this lesson in the same way again."""
        pairs = [word for name, text in self.given.items() for word in ("-p", f"{name}={text}")]
        return shlex.join(["labkit", "run", lesson.number, *pairs])

    def fingerprint(self, lesson):
        """A digest of the lesson's cells and parameters: equal means there is nothing new to run."""
        cells = json.loads(lesson.path.read_text(encoding="utf8"))["cells"]
        text = json.dumps([[cell["source"] for cell in cells], self.parameters(lesson)])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of one lesson."""

    lesson: str
    state: str
    """passed or failed."""
    seconds: float
    parameters: dict
    command: str
    fingerprint: str
    results: list = field(default_factory=list)
    failure: dict | None = None

    @property
    def passed(self):
        """True where every cell ran."""
        return self.state == "passed"


class Listener:
    """Hears what happens during a run; the command line draws its bars with it."""

    def started(self, lesson, cells):
        """A lesson with this many cells starts."""

    def cell(self, lesson, index):
        """The cell with this index starts."""

    def finished(self, outcome, *, reused):
        """A lesson ended, or its result was there already."""


def run(plan, *, folder=None, listener=None):
    """Run a plan and return its outcomes; a lesson that fails does not stop the others.

    `folder` is where it is kept (by default a new one in runs/). Lessons that passed there before with
    the same cells and parameters are not run again.
    Raises Interrupted after Ctrl-C, with everything finished kept.
    """
    from labkit import report

    listener = listener or Listener()
    folder = _open(Path(folder) if folder else new_folder(), plan)
    before = {outcome.lesson: outcome for outcome in outcomes(folder)}
    done = []
    try:
        for lesson in plan.lessons:
            found = before.get(lesson.name)
            reused = found is not None and found.passed and found.fingerprint == plan.fingerprint(lesson)
            outcome = found if reused else _run_one(lesson, plan, folder, listener)
            done.append(outcome)
            report.write(folder)
            listener.finished(outcome, reused=reused)
    except KeyboardInterrupt:
        report.write(folder)
        raise Interrupted(
            "the run to go on to its end",
            received=f"Ctrl-C after {len(done)} of {len(plan.lessons)} lessons",
            do=f"What is finished is kept in {shown(folder)}. Go on with: labkit run --resume",
        ) from None
    _update(folder, finished=True)
    report.write(folder)
    return done


def _run_one(lesson, plan, folder, listener):
    import nbformat

    from labkit.execution import execute
    from labkit.results import collect

    source = nbformat.read(lesson.path, as_version=4)
    listener.started(lesson, len(source.cells))
    # A notebook that is still running lies aside; what has its final name is whole.
    partial = folder / "partial" / lesson.path.name
    partial.parent.mkdir(exist_ok=True)
    start = time.perf_counter()
    parameters = plan.parameters(lesson)
    failure = execute(
        lesson.path,
        target=partial,
        folder=lesson.path.parent,
        parameters=parameters,
        # The guesses in a lesson as handed out are nobody's: they go into a file of the run's own.
        environment={"LABKIT_HOME": str((folder / "home").resolve())},
        on_cell=lambda index: listener.cell(lesson, index),
    )
    seconds = time.perf_counter() - start
    executed = nbformat.read(partial, as_version=4)
    os.replace(partial, folder / lesson.path.name)
    outcome = Outcome(
        lesson.name,
        "failed" if failure else "passed",
        round(seconds, 1),
        parameters,
        plan.command(lesson),
        plan.fingerprint(lesson),
        collect(executed),
        failure.to_dict() if failure else None,
    )
    write_atomically(folder / f"{lesson.name}.json", json.dumps(asdict(outcome), indent=1))
    return outcome


def outcomes(folder):
    """Read the outcomes in a run's folder, in the order of the lessons."""
    files = sorted(Path(folder).glob("[0-9][0-9]_*.json"))
    return [Outcome(**json.loads(path.read_text(encoding="utf8"))) for path in files]


def settings(folder):
    """Read what a run was asked for, and on which machine; raises RunError where the folder holds no run."""
    path = Path(folder) / "run.json"
    if not path.is_file():
        raise RunError(
            "the folder of a run", received=str(folder), do="`labkit run` makes one in runs/; name that one."
        )
    return json.loads(path.read_text(encoding="utf8"))


def newest_unfinished(runs=RUNS):
    """Find the newest run that was stopped; raises RunError where there is none."""
    for path in sorted(Path(runs).glob("*/run.json"), reverse=True):
        if not json.loads(path.read_text(encoding="utf8"))["finished"]:
            return path.parent
    raise RunError("a run that was stopped", received=f"none in {shown(runs)}", do="Start one with: labkit run")


def write_atomically(path, text):
    """Write a file so that a reader sees the old one or the whole new one."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf8")
    os.replace(partial, path)


def shown(path):
    """A path as a reader types it: relative to where they are, where that is shorter.

    >>> shown(Path.cwd() / "runs")
    'runs'
    """
    path = Path(path).resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def new_folder():
    """Name a folder in runs/ after this moment; it is not made yet."""
    name = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    taken = len(list(RUNS.glob(f"{name}*")))
    return RUNS / (f"{name}_{taken + 1}" if taken else name)


def _open(folder, plan):
    from labkit.machine import machine_label, versions

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "run.json").exists():
            about = {
                "started": datetime.now().isoformat(timespec="seconds"),
                "lessons": [lesson.name for lesson in plan.lessons],
                "given": plan.given,
                "machine": machine_label(),
                "versions": versions(),
                "finished": False,
            }
            write_atomically(folder / "run.json", json.dumps(about, indent=1))
    except OSError as problem:
        raise RunError(
            "a folder that can be written to",
            received=f"{shown(folder)} ({problem.strerror})",
            do="Name another: labkit run --folder FOLDER",
        ) from problem
    return folder


def _update(folder, **changes):
    write_atomically(folder / "run.json", json.dumps(settings(folder) | changes, indent=1))
