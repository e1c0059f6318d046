"""What an exercise is: a question, its reference answer, the cases for checks, and the known mistakes."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from labkit.errors import ExerciseError

__all__ = ["Case", "Exercise", "Misconception", "all_exercises", "get", "register"]

_REGISTRY: dict[str, "Exercise"] = {}


@dataclass(frozen=True, kw_only=True)
class Case:
    """The inputs of one check; the expected value is what the reference makes of them.

    >>> Case(args=([3.0, -1.0],), kwargs={"sparsity": 0.5}).call(lambda w, sparsity: len(w) * sparsity)
    1.0
    """

    args: tuple = ()
    """Positional inputs: numbers, strings, lists, numpy arrays, torch tensors."""
    kwargs: Mapping = field(default_factory=dict)
    """Keyword inputs."""
    note: str = ""
    """What this case is about, in a few words: "all weights are zero"."""

    def call(self, function):
        """Call `function` with these inputs (the very objects, not copies)."""
        return function(*self.args, **self.kwargs)


@dataclass(frozen=True, kw_only=True)
class Misconception:
    """A mistake people make, as a small wrong implementation and the hint that helps."""

    name: str
    """What goes wrong, in a few words: "keeps the small ones"."""
    answer: Callable
    """The wrong implementation, with the same parameters as the reference; it may raise an error."""
    hint: str
    """One or two sentences that name the mistake and point on, without the solution."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Exercise:
    """One exercise; the bank modules make these and hand them to `register`.

    Raises ExerciseError where a part is missing. `reference` is a plain function named like the last part of
    the id; it uses nothing from outside but modules (`np`, `torch`, `math`), so that its source can be shown
    and pasted as the solution.
    """

    id: str
    """topic.name: "pruning.magnitude_mask"; the topic is the bank module."""
    lesson: str
    """The notebook it belongs to: "03_pruning"."""
    title: str
    """A few words, for the tables."""
    difficulty: int
    """1 (one line) to 4 (think first)."""
    minutes: int
    """Minutes that most readers need."""
    question: str
    """One sentence."""
    reference: Callable
    """The right answer."""
    public: tuple[Case, ...] | Callable[[], tuple[Case, ...]]
    """Cases whose inputs a failing reader is shown; small numbers. A function that makes them where they need
    torch, which a bank module does not import: the tables of exercises should come at once."""
    hidden: Callable[[np.random.Generator], tuple[Case, ...]]
    """Makes more cases from a random generator; their inputs are not shown."""
    misconceptions: tuple[Misconception, ...]
    """Three or more; each differs from the reference and from one another on some case."""
    alternatives: tuple[Callable, ...]
    """Two or more right answers that are written differently."""
    hints: tuple[str, ...]
    """Three or more, each saying a little more; none is the solution."""
    tolerance: float = 1e-6
    """Largest accepted difference, as a share of the expected number."""
    seconds: float = 2.0
    """Time limit of one call."""

    def __post_init__(self):
        topic, _, name = self.id.partition(".")
        readable = topic.isidentifier() and name.isidentifier()
        problems = [
            (not readable, "an id such as 'pruning.magnitude_mask'", self.id),
            (self.difficulty not in (1, 2, 3, 4), "a difficulty from 1 to 4", self.difficulty),
            (self.minutes <= 0, "a number of minutes above zero", self.minutes),
            (getattr(self.reference, "__name__", "") != name, f"a reference named {name}", self.reference),
            (not self.public, "at least one public case", self.public),
            (len(self.misconceptions) < 3, "at least three misconceptions", len(self.misconceptions)),
            (len(self.alternatives) < 2, "at least two other right answers", len(self.alternatives)),
            (len(self.hints) < 3, "at least three tiers of hints", len(self.hints)),
        ]
        for wrong, expected, received in problems:
            if wrong:
                raise ExerciseError(
                    expected, received=repr(received), do=f"Mend the exercise {self.id!r} in its bank module."
                )

    @property
    def name(self):
        """The last part of the id: what the reader's function is called."""
        return self.id.partition(".")[2]

    @property
    def stars(self):
        """The difficulty as four circles: ●●○○."""
        return "●" * self.difficulty + "○" * (4 - self.difficulty)

    def public_cases(self):
        """The public cases, made when they are needed."""
        return tuple(self.public() if callable(self.public) else self.public)

    def hidden_cases(self, seed=0):
        """Make the hidden cases of one seed.

        The generator depends on the id too, so two exercises never share their inputs.
        """
        return tuple(self.hidden(np.random.default_rng([seed, *self.id.encode()])))


def register(exercise):
    """Add an exercise to the bank and give it back; raises ExerciseError where its id is taken."""
    known = _REGISTRY.get(exercise.id)
    if known is not None and known.reference.__module__ != exercise.reference.__module__:
        raise ExerciseError("an id that is new", received=exercise.id, do="Give the exercise another id.")
    _REGISTRY[exercise.id] = exercise
    return exercise


def get(id):
    """Find an exercise by its id; raises ExerciseError with the known ids where there is none.

    >>> get("start.macro_f1").lesson
    '00_start_here'
    """
    topic = str(id).partition(".")[0]
    if id not in _REGISTRY and topic in _topics():
        _load(topic)
    if id not in _REGISTRY:
        all_exercises()
        raise ExerciseError(
            "the id of an exercise", received=repr(id), do="Use one of: " + ", ".join(sorted(_REGISTRY)) + "."
        )
    return _REGISTRY[id]


def all_exercises():
    """All exercises, in the order of the lessons and, inside a lesson, of the bank."""
    for topic in _topics():
        _load(topic)
    return sorted(_REGISTRY.values(), key=lambda exercise: exercise.lesson)


@cache
def _topics():
    """The names of the bank modules."""
    from labkit.exercises import bank

    return tuple(module.name for module in pkgutil.iter_modules(bank.__path__))


def _load(topic):
    """Import a bank module, which registers its exercises; one topic is not in the way of another."""
    importlib.import_module(f"labkit.exercises.bank.{topic}")
