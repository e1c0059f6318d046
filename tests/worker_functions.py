"""What workers do in the tests: it stands in a file, because other processes have to find it.

Torch is imported inside, because whoever starts workers need not load it.
"""

import os
import signal
import subprocess
import sys
import time

from labkit.distributed import report


def tour(tensor, *, scale):
    """A bit of everything that works: a sum over the workers, reports, prints, and one that leaves early."""
    import torch
    import torch.distributed as dist

    rank = dist.get_rank()
    print("printed by a worker")
    for step in range(1, 4):
        report(step / 4, f"step {step} of worker {rank}")
        time.sleep(0.06)
    report(1.0, "done")
    total = tensor * scale * (rank + 1)
    dist.all_reduce(total)
    if rank == 0:
        dist.send(torch.full((500_000,), 7.0), 1)
        late = 0.0
    else:
        taken = torch.zeros(500_000)
        dist.recv(taken, 0)
        time.sleep(0.5)  # worker 0 has finished long before
        late = float(taken.sum())
    return {"rank": rank, "world": dist.get_world_size(), "backend": dist.get_backend(), "total": total, "late": late,
            "threads": torch.get_num_threads(), "omp": os.environ["OMP_NUM_THREADS"], "pid": os.getpid()}  # fmt: skip


def surroundings():
    """What a worker finds: all that should not depend on how it was started."""
    import faulthandler

    import torch

    return {
        "environment": dict(os.environ), "folder": os.getcwd(),
        "leads a session": os.getsid(0) == os.getpid(),
        "interrupt": signal.getsignal(signal.SIGINT), "reports crashes": faulthandler.is_enabled(),
        "path": list(dict.fromkeys(os.path.abspath(place) for place in sys.path if place and os.path.exists(place))),
        "threads": torch.get_num_threads(),
        "files": [os.path.basename(os.path.realpath(f"/proc/self/fd/{number}")) for number in range(3)],
        "open": len(os.listdir("/proc/self/fd")),
    }  # fmt: skip


def drawn():
    """Random numbers of the three kinds."""
    import random

    import numpy as np
    import torch

    return random.random(), float(np.random.random()), float(torch.rand(()))


def fails(how, *, rank=1):
    """Worker `rank` fails in one of many ways, while the others wait for it."""
    import torch.distributed as dist

    if dist.get_rank() == rank:
        print("the last words", flush=True)
        time.sleep(0.2)  # so that the others wait
        HOW[how]()
    dist.barrier()


def _raises():
    raise ValueError("a bad row\nand a second line")


def _hangs():
    report(0.1, "about to sleep")
    time.sleep(600)


HOW = {
    "raises": _raises,
    "exits": lambda: os._exit(3),
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "leaves": lambda: sys.exit("enough"),
    "hangs": _hangs,
}


def unpicklable():
    return lambda: None


def large():
    return b"x" * 20_000_000


def works_long(note):
    """Has started a process of its own, and says so; then it is busy for ten minutes."""
    import torch.distributed as dist

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (note / str(dist.get_rank())).write_text(f"{os.getpid()} {child.pid}")
    dist.barrier()
    report(0.5, "busy")
    time.sleep(600)


def seconds_of_all_reduce(count):
    """How long the sum of `count` float32 numbers takes, when everybody is there; the median of three."""
    import torch
    import torch.distributed as dist

    taken = []
    for _ in range(3):
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(torch.ones(count))
        taken.append(time.perf_counter() - start)
    return sorted(taken)[1]
