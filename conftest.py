"""What every test starts from: the same seeds, a home of its own, one cache for the whole session."""

import os
import random
import signal
import sys
import tempfile

import pytest
from ahead import Ahead

from labkit.forked import PROVISIONER

# Before anything that reads them is imported, and inherited by every kernel and worker that a test starts.
# One cache for the session, so that a teacher is trained once; LABKIT_CACHE keeps it between sessions.
_PLACE = tempfile.TemporaryDirectory(prefix="labkit-tests-")
os.environ["LABKIT_HOME"] = os.path.join(_PLACE.name, "home")
os.environ.setdefault("LABKIT_CACHE", os.path.join(_PLACE.name, "cache"))
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Kernels that tests start have torch imported already, as those of `labkit lab` and `labkit run` have.
os.environ["JUPYTER_DEFAULT_PROVISIONER_NAME"] = PROVISIONER
# One thread for the tests of the package: their models are tiny, and the other core is used below. Two threads that
# wait for each other while a third has the core take ten times as long. Lessons get all cores when it is done.
_THREADS = os.environ.get("OMP_NUM_THREADS")
os.environ.setdefault("OMP_NUM_THREADS", "1")


# A shell that starts us in the background has Ctrl-C ignored, and our children would inherit that; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


_ahead = Ahead(os.path.join(_PLACE.name, "ahead"))


def pytest_collection_finish(session):
    """Where a whole session is asked for, begin with the lessons that take long: the tests before leave a core idle."""
    lessons = {bool(item.get_closest_marker("notebooks")) for item in session.items}
    if lessons == {True, False} and not session.config.option.collectonly and hasattr(os, "setsid"):
        _ahead.start()


@pytest.fixture(scope="session")
def ahead():
    """Finds out about whole lessons, each of them run once."""
    return _ahead


@pytest.fixture
def still(ahead):
    """Nothing of ours runs beside a test that takes times."""
    with ahead.still():
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Kernels are started with all cores, as a reader's are, once nothing runs beside them."""
    if _turn(item) > 0 and _THREADS is None and not _ahead.going:
        os.environ.pop("OMP_NUM_THREADS", None)


def pytest_unconfigure():
    """Take the session's folders away."""
    _ahead.stop()
    _PLACE.cleanup()


def pytest_collection_modifyitems(items):
    """The package first, then the cells of the notebooks, then the browser; last whole lessons, mostly done by then."""
    items.sort(key=_turn)


def _turn(item):
    path = item.path.as_posix()
    if item.get_closest_marker("browser") or "/tests/browser/" in path:
        return 2
    if item.get_closest_marker("notebooks"):
        return 3
    return 1 if path.endswith(".ipynb") else 0


@pytest.fixture(autouse=True)
def _seeds():
    """Each test draws the same random numbers, whichever tests ran before it."""
    import numpy as np

    random.seed(0)
    np.random.seed(0)
    # torch takes a second to import: only where the test has it anyway.
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
