"""Starts JupyterLab on the first lesson and says where it is."""

import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

from labkit.errors import RunError
from labkit.forked import PROVISIONER
from labkit.lessons import ROOT

__all__ = ["command", "environment", "has_browser", "start"]

FIRST = "notebooks/00_start_here.ipynb"
SECONDS_TO_START = 180
SETTINGS = Path(__file__).parent / "jupyter"  # without the question whether one wants to be told news


def command(more="", *, root=ROOT):
    """The words that start JupyterLab on the folder `root`; `more` is what LABKIT_LAB_ARGS holds.

    >>> command("--port=9000")[-1]
    '--port=9000'
    """
    words = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}", "--no-browser"]
    # Warnings only: the address would be lost in the server's log. And no request to any server for news.
    words += ["--Application.log_level=WARN", "--LabApp.news_url=None"]
    words.append("--LabApp.extension_manager=readonly")
    words.append("--KernelManager.transport_encryption=auto")
    words.append("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")
    words.append(f"--KernelProvisionerFactory.default_provisioner_name={PROVISIONER}")
    words.append("--ServerApp.kernel_websocket_connection_class=labkit.connection.PromptConnection")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # In a container there is often no other user.
        words.append("--allow-root")
    return words + shlex.split(more)


def environment():
    """The environment variables that JupyterLab starts with: ours, a secret of its own, and its settings.

    >>> environment()["JUPYTER_PREFER_ENV_PATH"]
    '1'
    """
    paths = [os.fspath(SETTINGS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    return {"JUPYTER_TOKEN": secrets.token_hex(24)} | os.environ | {
        # The kernels of this environment come before any that are registered on the machine.
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_CONFIG_PATH": os.pathsep.join(paths),
    }  # fmt: skip


def has_browser():
    """True where a browser window can open."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def start(*, say=print):
    """Run JupyterLab until Ctrl-C; open a browser where there is one, else print the address.

    Raises RunError where the server does not come up.
    """
    more = os.environ.get("LABKIT_LAB_ARGS", "")
    # In a session of its own, so that Ctrl-C reaches us alone and no question is asked.
    server = subprocess.Popen(command(more), env=environment(), stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        address = _address(server)
        say(f"The workbook is open at\n\n    {address}\n\nCtrl-C here ends it.")
        if has_browser() and "--no-browser" not in more:
            webbrowser.open(address)
        if server.wait() != 0:
            raise _did_not_start(f"status {server.returncode}")
    except KeyboardInterrupt:
        say("\nStopped. What you saved is saved.")
    finally:
        _end(server)


def _address(server):
    from jupyter_server.serverapp import list_running_servers

    for _ in range(SECONDS_TO_START * 5):
        if server.poll() is not None:
            raise _did_not_start(f"status {server.returncode}")
        for found in list_running_servers():
            if found["pid"] == server.pid and _answers(found["hostname"], found["port"]):
                return f"{found['url']}lab/tree/{FIRST}?token={found['token']}"
        time.sleep(0.2)
    raise _did_not_start(f"nothing after {SECONDS_TO_START} seconds")


def _answers(host, port):
    """True where somebody listens; the server writes down its address a moment before it does."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def _did_not_start(received):
    return RunError(
        "JupyterLab to start",
        received=received,
        do="Its message is above. Extra arguments go into LABKIT_LAB_ARGS, such as '--port=9000'.",
    )


def _end(server):
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
