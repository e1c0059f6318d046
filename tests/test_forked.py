"""Processes that are forked: as good as fresh ones, and nothing goes wrong when the process that forks them does."""

import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
import worker_functions
from started import started

from labkit import forked
from labkit.distributed import launch
from labkit.errors import Interrupted, WorkerError

pytestmark = pytest.mark.skipif(not forked.can_fork(), reason="workers are fresh interpreters here")


@pytest.fixture(autouse=True)
def nothing_left():
    """Whatever happens here, no process of ours stays."""
    before = set(started())
    yield
    assert set(started()) <= before


@pytest.fixture
def server(monkeypatch):
    """A server of this test alone: a function that gives its process number."""
    monkeypatch.setattr(forked, "_server", None)
    yield lambda: forked._server.process.pid
    if forked._server is not None:
        forked._forget()


def instead(monkeypatch, code):
    """Let other code run where the server should."""
    monkeypatch.setattr(forked, "CODE", code)


def open_files():
    return sorted(os.listdir("/proc/self/fd"))


def test_one_process_forks_the_workers_of_all_launches(server):
    assert launch(math.gcd, 1, 12, 18) == [6]
    first, files = server(), open_files()
    pids = [pid for _ in range(3) for pid in launch(os.getpid, 2)]
    assert server() == first
    assert len({first, os.getpid(), *pids}) == 8
    assert open_files() == files


def test_a_fork_is_as_a_fresh_interpreter(server, monkeypatch):
    found = launch(worker_functions.surroundings, 2, threads=2)
    monkeypatch.setattr("labkit.distributed.workers.can_fork", lambda: False)
    assert launch(worker_functions.surroundings, 2, threads=2) == found


def test_what_has_changed_since_the_last_launch_is_seen(server, tmp_path, monkeypatch):
    """The reader's file, the environment and the folder: the process that forks has kept none of them."""
    monkeypatch.syspath_prepend(tmp_path)
    for word in ("one", "two"):
        (tmp_path / word).mkdir()
        (tmp_path / "readers_own.py").write_text(
            f"import os\ndef here(): return {word!r}, os.getenv('WORD'), os.getcwd()"
        )
        monkeypatch.setenv("WORD", word)
        monkeypatch.chdir(tmp_path / word)
        sys.modules.pop("readers_own", None)
        import readers_own

        assert launch(readers_own.here, 1) == [(word, word, str(tmp_path / word))]


def test_no_two_workers_draw_the_same(server):
    drawn = [numbers for _ in range(2) for numbers in launch(worker_functions.drawn, 2)]
    assert [len(set(kind)) for kind in zip(*drawn, strict=True)] == [4, 4, 4]


def test_a_server_that_was_killed_is_started_again(server):
    launch(math.gcd, 1, 12, 18)
    first = server()
    os.kill(first, signal.SIGKILL)
    assert launch(math.gcd, 2, 12, 18) == [6, 6]
    assert server() != first


def test_a_server_that_is_killed_takes_its_workers_along(server, tmp_path):
    def kill(fraction, text):
        os.kill(server(), signal.SIGKILL)

    with pytest.raises(WorkerError, match="its end by signal 9, SIGKILL"):
        launch(worker_functions.works_long, 1, tmp_path, progress=kill)
    worker = int((tmp_path / "0").read_text().split()[0])
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE
    assert launch(math.gcd, 1, 12, 18) == [6]


def test_a_server_that_has_nothing_to_do_ends():
    code = "from labkit import fork_server; fork_server.IDLE = 0.2; fork_server.main()"
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        number = theirs.fileno()
        done = subprocess.run([sys.executable, "-c", code, str(number)], pass_fds=[number], timeout=60)
    assert done.returncode == 0


def test_no_more_processes_are_allowed(server, monkeypatch):
    instead(
        monkeypatch,
        "import errno, os\ndef full(): raise OSError(errno.EAGAIN, '')\nos.fork = full\n" + forked.CODE,
    )
    before = open_files()
    with pytest.raises(
        WorkerError, match="2 processes to start. Received Resource temporarily unavailable. Close other"
    ):
        launch(math.gcd, 2, 12, 18)
    assert len(open_files()) <= len(before) + 1  # the line to the server


def test_a_server_that_does_not_start_is_said_to(server, monkeypatch):
    instead(monkeypatch, "raise SystemExit(1)")
    before = open_files()
    with pytest.raises(WorkerError, match="Received the process that forks others does not start"):
        launch(math.gcd, 2, 12, 18)
    assert open_files() == before


def test_ctrl_c_while_the_server_imports(server, monkeypatch):
    instead(monkeypatch, "import time; time.sleep(600)")
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(Interrupted, match="2 workers to finish. Received a stop"):
        launch(math.gcd, 2, 12, 18)
    monkeypatch.undo()
    assert launch(math.gcd, 1, 12, 18) == [6]


def test_a_stop_before_the_workers_have_begun_ends_them(server, monkeypatch):
    slow = "import os, time\nlead = os.setsid\ndef late(): time.sleep(0.3); lead()\nos.setsid = late\n"
    instead(monkeypatch, slow + forked.CODE)
    start = time.monotonic()
    with pytest.raises(Interrupted):
        launch(math.gcd, 2, 12, 18, should_stop=lambda: True)
    assert time.monotonic() - start < 60
