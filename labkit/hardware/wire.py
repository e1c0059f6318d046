"""Bytes on the wire: what two processes that train together send each other for every step.

Run as a module, `python -m labkit.hardware.wire`, it is one of the two processes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from labkit.asked import asked_once
from labkit.errors import LabError
from labkit.hardware.shape import parameters
from labkit.machine.system import loopback

__all__ = ["Sent", "all_reduce_bytes", "measure_all_reduce", "ring_share"]


@dataclass(frozen=True)
class Sent:
    """What one exchange of gradients took."""

    bytes: float  # sent by one worker
    seconds: float


def ring_share(workers):
    """Share of its bytes that each worker sends in a ring all-reduce: 2(K-1)/K.

    >>> ring_share(1), ring_share(2), ring_share(4)
    (0.0, 1.0, 1.5)
    """
    return 2 * (workers - 1) / workers


def all_reduce_bytes(shape, *, workers, number_bytes=4):
    """Count the bytes that each worker sends to average the gradients of one step.

    A ring all-reduce sends 2(K − 1)/K times the gradient, for K workers (Patarasuk and Yuan 2009, doi
    10.1016/j.jpdc.2008.09.002). Lesson 07 builds it by hand.

    >>> from labkit.hardware.shape import SHAPES
    >>> all_reduce_bytes(SHAPES["BERT-base"], workers=2) / 1e6
    437.92896
    """
    return ring_share(workers) * number_bytes * parameters(shape)


def measure_all_reduce(shapes, *, seconds=120, cache=None):
    """Let two processes average a gradient as large as each shape's, and count what each sends.

    Returns one Sent for each shape. With a `cache`, this machine is asked once.

    Raises LabError where a process fails or takes longer than `seconds`.
    """
    numbers = [parameters(shape) for shape in shapes]
    found = asked_once(
        "all-reduce bytes", lambda: _two_workers(numbers, seconds), cache=cache, code=["labkit.hardware.wire"],
        parameters=numbers,
    )  # fmt: skip
    return [Sent(**sent) for sent in found]


def _two_workers(numbers, seconds):
    """Start both, and give what the first one measured for each number of parameters."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback() or ""}
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "labkit.hardware.wire", str(rank), folder, json.dumps(numbers)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
            )
            for rank in range(2)
        ]  # fmt: skip
        try:
            told = [worker.communicate(timeout=seconds) for worker in workers]
        except subprocess.TimeoutExpired as late:
            raise LabError(
                f"two workers to finish in {seconds} s", received="no answer", do="Close other programs."
            ) from late
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
    for worker, (_, error) in zip(workers, told, strict=True):
        if worker.returncode:
            last = (error.strip().splitlines() or ["no message"])[-1]
            raise LabError("two workers to talk over loopback", received=last, do="Allow local network connections.")
    return json.loads(told[0][0].splitlines()[-1])


def _sent():
    """Bytes that this process has written so far, to its sockets above all.

    Linux counts them for each process. Elsewhere the loopback network's own counter serves, which counts
    other programs' bytes too, and both workers': half of it is one worker's.
    """
    import psutil

    process = psutil.Process()
    if hasattr(process, "io_counters") and hasattr(process.io_counters(), "write_chars"):
        return process.io_counters().write_chars
    counters = psutil.net_io_counters(pernic=True)
    return counters[loopback()].bytes_sent / 2 if loopback() else 0


def _work(rank, folder, sizes):
    """Be one worker: average a vector of each size with the other one, and report bytes and seconds."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    meeting = Path(folder, "meeting").as_uri()
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    found = []
    for size in [1000, *sizes]:  # the first one opens the connections
        gradient = torch.full((size,), float(rank))
        dist.barrier()
        before, started = _sent(), time.perf_counter()
        dist.all_reduce(gradient)
        dist.barrier()
        found.append({"seconds": time.perf_counter() - started, "bytes": _sent() - before})
        if not torch.all(gradient == 1):
            raise RuntimeError("the sum of both gradients is wrong")
        dist.barrier()
    dist.destroy_process_group()
    return found[1:]


if __name__ == "__main__":
    print(json.dumps(_work(int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))))
