"""Workers that raise, die, hang or are stopped: one clear error for each, and nothing is left over."""

import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing

import psutil
import pytest
import torch.distributed as dist
import worker_functions
from started import started

from labkit.distributed import job as job_module
from labkit.distributed import launch
from labkit.distributed.group import NEEDED, init_from_environment
from labkit.distributed.job import Setup
from labkit.distributed.watching import GRACE, follow
from labkit.errors import Interrupted, SettingError, WorkerError

START = 20.0  # seconds that two workers may need to start on a machine that is busy
linux_root = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="a full disk is made with mount, by root"
)


@pytest.fixture(autouse=True)
def nothing_left(tmp_path, monkeypatch):
    """After any fault: no process, no thread, no file of ours."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    before, threads = started(), threading.active_count()
    yield place
    assert started() == before
    assert threading.active_count() == threads
    assert not list(place.iterdir())


def gone(pid):
    """Tell whether a process has ended; one that nobody has asked for its status yet has as well."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_until(true, seconds=START):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("how", "rank", "message", "lines"),
    [
        (
            "raises",
            1,
            r"ValueError: a bad row and a second line\. Its traceback is in",
            ["in _raises", "the last words"],
        ),
        ("exits", 1, "its end with exit status 3", ["the last words"]),
        ("is killed", 0, "its end by signal 9, SIGKILL. Systems kill what takes too much memory", ["the last words"]),
        ("leaves", 1, "SystemExit: enough", ["sys.exit"]),
    ],
)
def test_the_worker_that_fails_is_named_and_not_those_that_wait_for_it(how, rank, message, lines):
    start = time.monotonic()
    with pytest.raises(WorkerError, match=f"Expected worker {rank} of 2 to finish. Received {message}") as raised:
        launch(worker_functions.fails, 2, how, rank=rank, timeout=300)
    assert time.monotonic() - start < START
    assert raised.value.rank == rank
    assert all(line in raised.value.traceback for line in lines)
    assert "member.py" not in raised.value.traceback
    assert raised.value.__notes__ == [raised.value.traceback]


def test_a_worker_that_hangs_is_named_with_the_place_where_it_is():
    timeout = 4.0
    start, told = time.monotonic(), []

    def heard(*news):
        told.append(time.monotonic())

    message = (
        r"news from 2 workers within 4 s. Received none: worker 0 hangs in _hangs \(worker_functions.py, line \d+\)"
    )
    with pytest.raises(WorkerError, match=message) as raised:
        launch(worker_functions.fails, 2, "hangs", rank=0, timeout=timeout, progress=heard)
    assert raised.value.rank == 0
    assert "time.sleep(600)" in raised.value.traceback
    assert "in barrier" in raised.value.traceback  # where worker 1 is
    assert time.monotonic() - told[-1] < timeout + 3
    assert time.monotonic() - start < timeout + START


def test_a_result_that_cannot_be_sent_back():
    with pytest.raises(WorkerError, match="TypeError: the result, a function, cannot be sent back: .*lambda"):
        launch(worker_functions.unpicklable, 1)


def test_a_stop_ends_the_workers_and_all_that_they_have_started(tmp_path):
    told = []
    with pytest.raises(Interrupted, match="Expected 2 workers to finish. Received a stop. They have all ended"):
        launch(
            worker_functions.works_long, 2, tmp_path, progress=lambda *news: told.append(news),
            should_stop=lambda: bool(told),
        )  # fmt: skip
    pids = [int(pid) for rank in (0, 1) for pid in (tmp_path / str(rank)).read_text().split()]
    assert len(pids) == 4
    wait_until(lambda: all(gone(pid) for pid in pids), seconds=2)


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from labkit.distributed import launch
from labkit.errors import Interrupted
import worker_functions
try:
    launch(worker_functions.works_long, 2, Path(sys.argv[2]), progress=lambda *news: print("busy", flush=True))
except Interrupted as error:
    sys.exit(str(error))
"""


@pytest.fixture
def parent(tmp_path, nothing_left):
    """A program of its own whose two workers, with a process each, are busy; and the four process numbers."""
    arguments = [os.path.dirname(worker_functions.__file__), str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(nothing_left)},
    )  # fmt: skip
    with process:
        try:
            assert process.stdout.readline() == "busy\n"
            yield process, [int(pid) for rank in (0, 1) for pid in (tmp_path / str(rank)).read_text().split()]
        finally:
            process.kill()


def test_ctrl_c_ends_everything_and_says_so(parent):
    process, pids = parent
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=START)
    assert (
        said.strip() == "Expected 2 workers to finish. Received a stop. They have all ended; start again when you like."
    )
    assert process.returncode == 1
    assert time.monotonic() - start < 5
    wait_until(lambda: all(gone(pid) for pid in pids), seconds=2)


def test_workers_die_with_the_process_that_started_them(parent, nothing_left):
    process, pids = parent
    process.kill()
    process.wait()
    wait_until(lambda: all(gone(pid) for pid in pids[::2]), seconds=5)
    for pid in pids[1::2]:  # what they had started: nobody was left to end it
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)
    for path in nothing_left.iterdir():  # nor to delete the folder
        subprocess.run(["rm", "-r", path], check=True)


def test_no_temporary_folder_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    with pytest.raises(
        WorkerError, match="room for the workers' files .* in .*not there. Received No such file.*TMPDIR"
    ):
        launch(math.gcd, 2, 12, 18)


def test_what_a_killed_run_has_left_is_deleted_after_days(nothing_left):
    for days in (2, 4):
        folder = nothing_left / f"labkit-workers-{days}"
        folder.mkdir()
        os.utime(folder, (time.time() - days * 86400,) * 2)
    assert launch(math.gcd, 1, 12, 18) == [6]
    assert [path.name for path in nothing_left.iterdir()] == ["labkit-workers-2"]
    (nothing_left / "labkit-workers-2").rmdir()


def test_a_disk_that_is_nearly_full_is_noticed_before_anything_starts(monkeypatch, nothing_left):
    monkeypatch.setattr(job_module, "RESERVE", 10**18)
    with pytest.raises(WorkerError, match=f"in {nothing_left}. Received .* MB are free. Make room there.*TMPDIR"):
        launch(math.gcd, 2, 12, 18)


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A real disk of 8 MB, and our temporary folder on it."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    left = list(place.iterdir())
    subprocess.run(["umount", place], check=True)
    assert not left


@linux_root
def test_a_job_that_does_not_fit_on_the_disk(small_disk):
    with pytest.raises(WorkerError, match=f"in {small_disk}. Received No space left on device. Make room there"):
        launch(worker_functions.large, 1, b"x" * 9_000_000)


@linux_root
def test_a_result_that_does_not_fit_on_the_disk(small_disk):
    with pytest.raises(WorkerError, match="worker 0 of 1 .*OSError.*No space left on device. Make room there"):
        launch(worker_functions.large, 1)


@linux_root
def test_no_space_for_the_rendezvous(small_disk, monkeypatch):
    """The disk fills up after the job was written."""
    write = job_module.write

    def write_and_fill(folder, *job):
        write(folder, *job)
        with (folder / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                return

    monkeypatch.setattr(sys.modules[launch.__module__], "write", write_and_fill)
    with pytest.raises(
        WorkerError, match="worker 0 of 1 to finish. Received .*No space left on device.*Make room there"
    ):
        launch(math.gcd, 1, 12, 18)


class Scripted:
    """Workers that say what they are told to, at once: (rank, kind, seconds before now)."""

    def __init__(self, world_size, *script, timeout=0.3, joined=None):
        joined = range(world_size) if joined is None else joined
        self.setup, self.asked = Setup(world_size, timeout=timeout), []
        now = time.monotonic()
        self.script = [
            (rank, {"kind": kind, "error": f"from {rank}", "traceback": "", "time": now - ago, "lost": kind == "lost"})
            for rank, kind, ago in [*((rank, "joined", 0) for rank in joined), *script]
        ]

    def news(self, seconds):
        if not self.script:
            time.sleep(seconds)
            return None
        rank, message = self.script.pop(0)
        return rank, {**message, "kind": "raised"} if message["kind"] == "lost" else message

    def ask(self, rank, question):
        self.asked.append(rank)
        if rank != 3:
            where = {1: "/site-packages/torch/distributed/distributed_c10d.py", 2: "C:\\torch\\distributed\\x.py"}
            self.script.append((rank, {"kind": "here", "stack": f'  File "{where.get(rank, "job.py")}", line 1, in f'}))

    def log(self, rank):
        return ""

    def how_it_died(self, rank):
        return f"from {rank}"


def fault_of(*script, world_size=3, timeout=0.3):
    with pytest.raises(WorkerError) as raised:
        follow(Scripted(world_size, *script, timeout=timeout), show=print, should_stop=lambda: False)
    return raised.value


@pytest.mark.parametrize(
    ("script", "rank"),
    [
        ([(2, "raised", 0.1), (0, "raised", 0.5)], 0),  # heard later, but it was first
        ([(1, "lost", 0.5), (2, "raised", 0.1)], 2),
        ([(1, "lost", 0.5), (0, "lost", 0.1), (2, "gone", 0)], 2),
        ([(0, "raised", 0.5), (1, "gone", 0)], 0),
        ([(0, "finished", 0), (2, "gone", 0)], 2),
    ],
)
def test_who_failed_first(script, rank):
    error = fault_of(*script)
    assert (error.rank, error.received) == (rank, f"from {rank}")


def test_a_lost_connection_that_nobody_explains_is_reported_after_a_while():
    start = time.monotonic()
    assert fault_of((1, "lost", 0.1), (0, "lost", 0.0), timeout=60).rank == 1
    assert time.monotonic() - start < GRACE + 1


@pytest.mark.parametrize(
    ("world_size", "finished", "rank", "words"),
    [
        (3, [], 0, "worker 0 hangs in f \\(job.py, line 1\\)"),
        (3, [0], 1, "worker 1 waits for the others, and worker 0 has finished"),
        (4, [0], 3, "worker 3 hangs and does not answer"),
    ],
)
def test_who_hangs_is_who_does_not_wait_for_the_others(world_size, finished, rank, words):
    error = fault_of(*((done, "finished", 0) for done in finished), world_size=world_size)
    assert error.rank == rank
    assert error.received.startswith("none: worker")
    with pytest.raises(WorkerError, match=words):
        raise error


def test_workers_that_start_have_more_time(monkeypatch):
    monkeypatch.setattr("labkit.distributed.watching.START", 0.5)
    start = time.monotonic()
    with pytest.raises(WorkerError, match="worker 0 hangs"):
        follow(Scripted(2, timeout=0.1, joined=[1]), show=print, should_stop=lambda: False)
    assert time.monotonic() - start > 0.5


@pytest.fixture
def environment(monkeypatch):
    """The four variables as torchrun sets them for the only worker, with a port that is free."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    values = dict(zip(NEEDED, ("0", "1", "127.0.0.1", str(port)), strict=True))
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    if dist.is_initialized():
        dist.destroy_process_group()


def test_a_worker_of_torchrun_joins_as_the_environment_says(environment):
    assert init_from_environment(timeout=10) == (0, 1)
    assert dist.get_backend() == "gloo"


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_variable_is_named(environment, name):
    environment.delenv(name)
    with pytest.raises(SettingError, match=f"Received no {name}. Start with `torchrun"):
        init_from_environment()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RANK", "1", "a RANK from 0 to WORLD_SIZE - 1. Received RANK=1 and WORLD_SIZE=1"),
        ("RANK", "-1", "Received RANK=-1 and WORLD_SIZE=1"),
        ("WORLD_SIZE", "two", "Received RANK=0 and WORLD_SIZE=two"),
        ("MASTER_PORT", "70000", "a MASTER_PORT from 1 to 65535. Received 70000"),
        ("MASTER_PORT", "http", "a MASTER_PORT from 1 to 65535. Received http"),
    ],
)
def test_variables_that_make_no_sense(environment, name, value, message):
    environment.setenv(name, value)
    with pytest.raises(SettingError, match=message):
        init_from_environment()


def test_a_port_in_use(environment):
    message = "the port of 127.0.0.1:.* to be free. Received it is in use.*MASTER_PORT"
    with (
        closing(socket.create_server(("", int(os.environ["MASTER_PORT"])))),
        pytest.raises(SettingError, match=message),
    ):
        init_from_environment(timeout=5)


def test_the_others_do_not_come(environment):
    environment.setenv("WORLD_SIZE", "2")
    start = time.monotonic()
    with pytest.raises(WorkerError, match="2 workers to meet at 127.0.0.1:.* within 1 s"):
        init_from_environment(timeout=1)
    assert time.monotonic() - start < 10
