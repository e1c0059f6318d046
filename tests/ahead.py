"""Whole lessons run beside all other tests; whoever comes first does the work.

A process of its own goes through the lessons that take long, while a core is idle. A test that wants a lesson claims
it, and runs it where nobody has; else it waits for what was found. Either way the same function has done it. A test
that takes times has the process be still meanwhile.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from labkit.running import write_atomically

__all__ = ["ORDER", "Ahead", "hand_out"]

# The longest first, and those that train what others find in the cache. The lesson that counts what goes over a line
# which others use as well is left to its test.
ORDER = ("03_pruning", "05_quantization", "10_distillation", "04_bert_structure", "08_bert_ddp", "06_bert_int8",
         "09_storage", "01_hardware_limits", "00_start_here", "02_the_math")  # fmt: skip


def hand_out(name, folder):
    """Run a lesson as a reader gets it: {"failure": words or None, "found": its results}."""
    from labkit.running import Plan, run

    (outcome,) = run(Plan.make([name], {"profile": "quick"}), folder=folder)
    failure = None if outcome.passed else f"{outcome.failure['source']}\n{outcome.failure['traceback']}"
    return {"failure": failure, "found": outcome.results}


class Ahead:
    """What was found so far, in a folder that a session and the process beside it share."""

    def __init__(self, folder):
        self.folder, self.pid = Path(folder), None
        self.folder.mkdir(exist_ok=True)

    def start(self):
        """Begin with the lessons that take long, in a process of its own."""
        # No child of ours: tests look for processes that were left over. One thread, and only when others do not want it.
        words = ["sh", "-c", 'setsid nice -n 19 "$@" >/dev/null 2>&1 & echo $!', "sh", sys.executable, __file__]
        started = subprocess.run([*words, self.folder], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True,
                                 stdout=subprocess.PIPE, text=True)  # fmt: skip
        self.pid = int(started.stdout)

    def stop(self):
        """End the process beside the session, and what it has started."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def still(self):
        """Stop the process beside the session, and all that it has started, for the length of a with block."""
        held = {}
        # Whoever starts others is held before they are looked for; what it started just before is found the next time.
        while new := [one for one in self._started() if one.pid not in held]:
            for one in new:
                held[one.pid] = one
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.suspend()
        try:
            yield
        finally:
            for one in held.values():
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.resume()

    def _started(self):
        """Give the process beside the session, its children, theirs, and so on."""
        if not self.going:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.pid)
            return [first, *first.children(recursive=True)]
        return []

    @property
    def going(self):
        """Whether the process beside the session is at work."""
        try:
            return self.pid is not None and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def find(self, name):
        """Run a lesson, or wait for who has begun to: {"failure", "found", "seconds"}."""
        result = self._result(name)
        if not self.work(name):
            while self.going and not result.is_file():
                # Rather than wait, do what is left, from the other end.
                if not any(self.work(other) for other in reversed(ORDER)):
                    time.sleep(0.1)
            assert result.is_file(), f"the process that runs lessons ahead ended without {result.stem}"
        return json.loads(result.read_text("utf8"))

    def work(self, name):
        """Run a lesson unless somebody has begun; says whether it did."""
        result = self._result(name)
        try:
            result.with_suffix(".claimed").touch(exist_ok=False)
        except FileExistsError:
            return False
        start = time.perf_counter()
        found = hand_out(name, result.with_suffix(""))
        write_atomically(result, json.dumps(found | {"seconds": time.perf_counter() - start}))
        return True

    def _result(self, name):
        return self.folder / f"{name}.json"


if __name__ == "__main__":
    for lesson in ORDER:
        Ahead(sys.argv[1]).work(lesson)
