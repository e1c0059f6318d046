"""The processes of one launch, seen from the process that started them: start, listen, ask, end."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading

from labkit.errors import WorkerError
from labkit.forked import can_fork, fork
from labkit.machine.system import loopback

__all__ = ["Workers"]

MAIN = "labkit.distributed.member:main"
# A worker that is no fork has to be told whom it is to die with; the closed line does that too, unless Python is stuck.
CODE = (
    "import sys; from labkit.fork_server import die_with; die_with(int(sys.argv.pop())); "
    "from labkit.distributed.member import main; main()"
)
TAIL = 4000  # characters of a log that are shown


class Workers:
    """Processes of their own, one a rank; whoever leaves the `with` block has ended them all.

    Each gets three things: a pipe that closes when we end, however we end, and takes the worker with it; a pipe for
    its news; a file for all that it prints. `link` holds two or more ends of a link (labkit.distributed.link): then
    the workers run there in turn.
    """

    def __init__(self, folder, setup, *, link=None):
        self.folder, self.setup, self.ends = folder, setup, list(link) if link is not None else []
        self.processes, self._threads, self._news = [], [], queue.Queue()

    def __enter__(self):
        try:
            for rank in range(self.setup.world_size):
                self._start(rank)
        except OSError as error:
            self.end()
            raise WorkerError(
                f"{self.setup.world_size} processes to start", received=error.strerror or str(error), rank=rank,
                do="Close other programs, or start fewer workers.",
            ) from error  # fmt: skip
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *raised):
        self.end()

    def _start(self, rank):
        end = self.ends[rank % len(self.ends)] if self.ends else None
        setup, environment = self.setup, self._environment(end)
        arguments = [str(self.folder), str(rank), str(setup.world_size), str(setup.threads), setup.backend]
        with (self.folder / f"log-{rank}").open("wb") as log:
            if end is None and setup.backend == "gloo" and can_fork():  # what GPUs hold, a fork would not have
                process = fork(
                    MAIN, arguments, environment=environment, modules=_loaded(), stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, stderr=log.fileno(),
                )  # fmt: skip
            else:
                process = _fresh(end.prefix if end else [], arguments, environment, log)
        self.processes.append(process)
        thread = threading.Thread(target=self._listen, args=(rank, process.stdout), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _environment(self, end):
        """Give the worker our import paths, its threads, and the network it is to use."""
        environment = {
            **os.environ, "OMP_NUM_THREADS": str(self.setup.threads), "MKL_NUM_THREADS": str(self.setup.threads),
            "TOKENIZERS_PARALLELISM": "false", "PYTHONFAULTHANDLER": "1",
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        }  # fmt: skip
        interface = end.interface if end else loopback()
        if interface:  # otherwise gloo asks for the machine's own name, which need not be known
            environment["GLOO_SOCKET_IFNAME"] = interface
        return environment

    def _listen(self, rank, stream):
        for line in stream:
            if line.endswith(b"\n"):  # the last line of one that is killed may be half a line
                self._news.put((rank, json.loads(line)))
        self._news.put((rank, {"kind": "gone"}))

    def news(self, seconds):
        """Give the next (rank, message), or None when nobody says anything for so many seconds."""
        try:
            return self._news.get(timeout=seconds) if seconds > 0 else self._news.get_nowait()
        except queue.Empty:
            return None

    def ask(self, rank, question):
        """Send a worker a line; one that is gone gets nothing."""
        try:
            self.processes[rank].stdin.write(question.encode() + b"\n")
            self.processes[rank].stdin.flush()
        except OSError:
            return

    def how_it_died(self, rank):
        """Say in words how a worker's process ended: by which signal, or with which status."""
        code = self.processes[rank].wait()
        if code >= 0:
            return f"its end with exit status {code}"
        names = {number.value: number.name for number in signal.Signals}
        return f"its end by signal {-code}, {names.get(-code, 'one without a name')}"

    def log(self, rank):
        """Give the end of what a worker has printed."""
        try:
            return (self.folder / f"log-{rank}").read_text(encoding="utf8", errors="replace")[-TAIL:].strip()
        except OSError:
            return ""

    def end(self):
        """End every worker and what it started, and wait until they are gone."""
        for process in self.processes:
            _kill(process)
        for process in self.processes:
            process.wait()
        for thread in self._threads:
            thread.join(timeout=5)
        for process in self.processes:
            process.stdout.close()
            try:
                process.stdin.close()
            except OSError:
                continue  # it had not read all that we wrote


def _loaded():
    """Name the modules that workers are likely to want, because their starter has them."""
    return sorted(name for name in sys.modules if name.startswith("labkit.distributed."))


def _fresh(prefix, arguments, environment, log):
    """Start a worker as an interpreter of its own, which imports all that it needs."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", CODE, *arguments, str(os.getpid())], env=environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=log,
        start_new_session=True,  # Ctrl-C is for us alone; and a worker is ended with all that it started
    )  # fmt: skip


def _kill(process):
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session: what it started goes with it
        else:
            process.kill()
    except ProcessLookupError:
        return
