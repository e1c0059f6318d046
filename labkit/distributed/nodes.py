"""The command that starts workers on one machine or on several, and running it here."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from labkit.asked import asked_once
from labkit.distributed import TRAINING
from labkit.errors import WorkerError

__all__ = ["command", "run_here"]

CODE = (*TRAINING, "labkit.distributed.worker", "labkit.distributed.jobs")


def command(*, nodes=1, workers=2, address="10.0.0.1", port=29400, restarts=1, **options):
    """Write the command that is started once on every node; `options` are those of `labkit.distributed.worker`.

    torchrun gives each worker its RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, and starts all of them
    again when one dies, `restarts` times at most. On one node they meet at a port that is free.

    >>> print(command(workers=2, out="trained"))
    torchrun --standalone --nproc-per-node=2 --max-restarts=1 -m labkit.distributed.worker --out trained
    >>> print(command(nodes=4, workers=8, out="trained"))
    torchrun --nnodes=4 --nproc-per-node=8 --rdzv-backend=c10d --rdzv-endpoint=10.0.0.1:29400 --max-restarts=1
    -m labkit.distributed.worker --out trained
    """
    meeting = ["--standalone"]
    if nodes > 1:
        meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint={address}:{port}"]
    words = [f"--nnodes={nodes}", f"--nproc-per-node={workers}", *meeting]
    words = words if nodes > 1 else [*meeting, f"--nproc-per-node={workers}"]
    for name, value in options.items():
        options[name] = ["--" + name.replace("_", "-"), str(value)]
    rest = [word for pair in options.values() for word in pair]
    return shlex.join(["torchrun", *words, f"--max-restarts={restarts}", "-m", "labkit.distributed.worker", *rest])


def run_here(line, *, seconds=300, cache=None):
    """Run a command that `command` wrote for one node, and give its result.json as a dictionary.

    With a `cache`, this machine is asked once.

    Raises WorkerError when it fails or takes longer than `seconds`.
    """
    return asked_once("torchrun", lambda: _run(line, seconds), cache=cache, code=CODE, command=line)


def _run(line, seconds):
    with tempfile.TemporaryDirectory(prefix="labkit-torchrun-") as folder:
        words = [sys.executable, "-m", "torch.distributed.run", *shlex.split(line)[1:]]
        path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        # A session of its own: torchrun and its workers can then be ended together.
        with subprocess.Popen(words, cwd=folder, env=environment, start_new_session=True, text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as torchrun:  # fmt: skip
            try:
                _, said = torchrun.communicate(timeout=seconds)
            except subprocess.TimeoutExpired as late:
                raise WorkerError(
                    f"torchrun to end in {seconds} s", received="no end", do="Close other programs, or allow more time."
                ) from late
            finally:
                with contextlib.suppress(ProcessLookupError):  # nobody is left of it
                    os.killpg(torchrun.pid, signal.SIGKILL)
        found = list(Path(folder).glob("*/result.json"))
        if torchrun.returncode or not found:
            last = (said.strip().splitlines() or ["no message"])[-1]
            raise WorkerError("torchrun to end well", received=last, do="Run the command in a terminal to see more.")
        return json.loads(found[0].read_text())
