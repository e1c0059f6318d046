"""Run one function on one case: on copies, under a time limit, leaving no trace in the process."""

import contextlib
import copy
import dis
import functools
import importlib
import io
import random
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import CodeType

import numpy as np

from labkit.exercises.compare import as_array
from labkit.exercises.limit import TooSlow, call_within

__all__ = ["Run", "is_empty", "run"]

_PRINTED = 2000


@dataclass(frozen=True)
class Run:
    """What came of calling a function on one case."""

    value: object = None
    """What it returned."""
    error: BaseException | None = None
    """What it raised; a TooSlow where the time was up."""
    changed: bool = False
    """Whether it changed an array, list or dict that it was given."""
    printed: str = ""
    """The beginning of what it printed."""


def run(function, case, *, seconds=2.0):
    """Call `function` on copies of a case's inputs and give back a Run; only Ctrl-C gets through.

    The random states of Python, numpy and torch are the same at the start of each call, and put back after.

    >>> from labkit.exercises import Case
    >>> run(lambda x: x.sort(), Case(args=([2, 1],)))
    Run(value=None, error=None, changed=True, printed='')
    """
    args, kwargs = copy.deepcopy((case.args, dict(case.kwargs)))
    value = error = None
    printed = _Beginning()
    _import_beforehand(function)
    with _random_states_kept(), contextlib.redirect_stdout(printed), warnings.catch_warnings(), np.errstate():
        warnings.simplefilter("ignore")  # 0/0 in an answer is judged by its value
        np.seterr(all="ignore")
        try:
            # Nothing but the call itself is inside the limit: what cleans up must not be interrupted.
            value = call_within(seconds, lambda: _settle(function(*args, **kwargs)))
        except (Exception, SystemExit, TooSlow) as caught:
            error = caught
    changed = not _same((args, kwargs), (case.args, dict(case.kwargs)))
    return Run(value=value, error=error, changed=changed, printed=printed.getvalue())


def is_empty(function):
    """Whether a function's body is only `...`, `pass`, a docstring or `return None`.

    >>> def later(x):
    ...     ...
    >>> is_empty(later), is_empty(lambda x: 0)
    (True, False)
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    idle = {"RESUME", "NOP", "CACHE", "POP_TOP", "RETURN_VALUE", "COPY_FREE_VARS"}
    constant = {"LOAD_CONST", "RETURN_CONST"}
    return all(
        step.opname in idle or (step.opname in constant and step.argval in (None, ...))
        for step in dis.get_instructions(code)
    )


def _settle(value):
    """A generator runs only once, so its items are taken now (a million at most: it may have no end)."""
    return list(islice(value, 1_000_000)) if isinstance(value, Iterator) else value


def _import_beforehand(function):
    """Import what a function imports when it runs, so that the time limit never breaks into an import.

    A half-imported torch cannot be imported again in the same process.
    """
    waiting, seen = [function], set()
    while waiting:
        code = getattr(one := waiting.pop(), "__code__", one)
        if not isinstance(code, CodeType) or code in seen:
            continue
        seen.add(code)
        for name in _imported(code) - sys.modules.keys():
            with contextlib.suppress(Exception):  # the answer itself will raise it, at its own line
                importlib.import_module(name)
        known = getattr(one, "__globals__", {})
        waiting += [*code.co_consts, *(known[name] for name in code.co_names if name in known)]


@functools.lru_cache(maxsize=1000)  # an answer is run on many cases
def _imported(code):
    """The names of the modules that a piece of code imports."""
    return frozenset(step.argval for step in dis.get_instructions(code) if step.opname == "IMPORT_NAME")


@contextlib.contextmanager
def _random_states_kept():
    torch = sys.modules.get("torch")
    python, numpy = random.getstate(), np.random.get_state()
    pytorch = torch.get_rng_state() if torch else None
    random.seed(0)
    np.random.seed(0)
    if torch:
        torch.random.default_generator.manual_seed(0)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch:
            torch.set_rng_state(pytorch)


def _same(after, before):
    """Whether what can be changed in place is bit by bit what it was."""
    if type(after) is not type(before):
        return False
    if isinstance(before, (list, tuple)):
        return len(after) == len(before) and all(map(_same, after, before))
    if isinstance(before, Mapping):
        return after.keys() == before.keys() and all(_same(after[key], before[key]) for key in before)
    if hasattr(before, "state_dict"):
        return _same(after.state_dict(), before.state_dict())
    if hasattr(before, "shape") and as_array(before) is not None:
        a, b = as_array(after), as_array(before)
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(before, (int, float, str, bytes, set)):
        return after == before or after != after
    return True


class _Beginning(io.StringIO):
    """Keeps the beginning of what is written and drops the rest, so that an endless loop fills no memory."""

    def write(self, text):
        room = _PRINTED - self.tell()
        return super().write(text[:room]) if room > 0 else len(text)
