"""A real JupyterLab and a real Chromium: started once, used by all browser tests, closed to the outside."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import jupytext
import nbformat
import pytest

from labkit.lab import command, environment
from labkit.notebooks import insert_solutions

from .driver import Notebook

SOURCE = Path(__file__).parents[2] / "notebooks" / "source"
DEMO = Path(__file__).parent / "demo.py"
CHROMIUM = os.environ.get("LABKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# Chromium 156 is always the new headless mode; the rest keeps it from talking to anyone but the server.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-domain-reliability",
]


def pytest_collection_modifyitems(items):
    """Mark every test of this folder as a browser test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser():
    """Chromium, or a clear reason why not; under CI a missing browser is a failure."""
    if CHROMIUM is None:
        reason = "no Chromium found: install Debian's `chromium`, or set LABKIT_CHROMIUM to its path"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def screenshots():
    """The folder that pictures of every lesson are kept in."""
    folder = Path(os.environ.get("LABKIT_SCREENSHOTS", Path(__file__).parent / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """The folder in which the reader of these tests has guesses and progress."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def lab(tmp_path_factory, home):
    """A running `jupyter lab` over unexecuted copies of all lessons, exercises solved; gives its address and token."""
    root = tmp_path_factory.mktemp("lab")
    notebooks = root / "notebooks"
    notebooks.mkdir()
    for path in [*sorted(SOURCE.glob("[0-9]*.py")), DEMO]:
        nbformat.write(insert_solutions(jupytext.read(path)), notebooks / f"{path.stem}.ipynb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    log = (root / "server.log").open("w")
    server = subprocess.Popen(
        _command(notebooks, port, token), env=_environment(root, home), stdout=log, stderr=subprocess.STDOUT
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, root / "server.log")
        yield f"http://127.0.0.1:{port}", token
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


def _command(notebooks, port, token):
    """The very words of `labkit lab`, on another folder and at an address that the tests know."""
    mine = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    return command(" ".join(["--expose-app-in-browser --ServerApp.ip=127.0.0.1", *mine]), root=notebooks)


def _environment(root, home):
    """Configuration, kernels and progress of these tests only; nothing of the developer's is read or written."""
    kernel = root / "data" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    return {
        **environment(),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_DATA_DIR": str(root / "data"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "IPYTHONDIR": str(root / "ipython"),
        "LABKIT_HOME": str(home),
    }


def _wait_for(address, server, log):
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    pytest.fail(f"jupyter lab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def opened(lab, browser):
    """Give a notebook that has been opened and run from top to bottom; the one before it is closed, with its kernel.

    A reader has one open as well, and what others ask of server and browser would count as time of this one's sliders.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    shown = []

    def open_(name):
        if not shown or shown[0].name != name:
            while shown:
                shown.pop().close()
            shown.append(Notebook(context.new_page(), *lab, name))
            shown[0].run()
        return shown[0]

    yield open_
    context.close()
