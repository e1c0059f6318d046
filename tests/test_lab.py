import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest
from traitlets.utils.importstring import import_item

from labkit import lab
from labkit.errors import RunError


def test_extra_arguments_go_to_jupyterlab():
    assert lab.command("--port=9000 --ip='0.0.0.0'")[-2:] == ["--port=9000", "--ip=0.0.0.0"]


def test_without_a_display_there_is_no_browser(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert lab.has_browser() is False


def test_a_server_that_does_not_start_is_said(monkeypatch, capfd):
    monkeypatch.setenv("LABKIT_LAB_ARGS", "--no-such-argument=1")
    with pytest.raises(RunError, match=r"JupyterLab to start. Received status 2.*LABKIT_LAB_ARGS"):
        lab.start(say=lambda _: None)


def test_the_server_sends_small_messages_at_once(monkeypatch):
    words = next(word for word in lab.command() if "websocket_connection_class" in word)
    connection = import_item(words.partition("=")[2])
    said = []
    monkeypatch.setattr(connection.__base__, "connect", lambda self: said.append("connected"))
    handler = SimpleNamespace(set_nodelay=lambda on: said.append(on))
    monkeypatch.setattr(connection, "websocket_handler", handler)
    connection.__new__(connection).connect()
    assert said == [True, "connected"]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_printed_address_opens_the_first_lesson_and_ctrl_c_ends_it(tmp_path, sent):
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    environment |= {"JUPYTER_RUNTIME_DIR": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    program = "from labkit.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program, "lab"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
        base, token = address.split("/lab/tree/notebooks/00_start_here.ipynb?token=")
        assert len(token) >= 32
        assert json.loads(read(f"{base}/api/kernelspecs?token={token}"))["default"] == "python3"
        settings = json.loads(re.search(r'"jupyter-config-data"[^>]*>(.*?)</script>', read(address).decode(), re.S)[1])
        assert "@jupyterlab/apputils-extension:announcements" in settings["disabledExtensions"]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            read(f"{base}/api/kernelspecs")
    finally:
        os.kill(process.pid, sent)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Stopped." in out
    assert "Traceback" not in err
    with pytest.raises(urllib.error.URLError, match="refused"):
        read(address)


def read(address):
    """Fetch a page; an error's own connection is closed too."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        raise
