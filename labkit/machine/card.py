"""The machine card: what this computer is and how fast it was when measured, as one value to keep."""

import json
import os
import shutil
from dataclasses import asdict, dataclass, fields
from functools import cache

import psutil

from labkit.errors import SettingError
from labkit.machine import identity, speed, system

__all__ = ["Machine", "describe", "probe"]


@dataclass(frozen=True)
class Machine:
    """One computer, as seen by one process; `probe()` makes one. It holds no user, host or folder name.

    >>> m = Machine(cpu="AMD EPYC", cores=2, logical_cores=2, threads=2, instruction_sets=("AVX2",),
    ...             memory_bytes=24 * 2**30, memory_free_bytes=20 * 2**30, disk_free_bytes=10**10, load=0.1,
    ...             bandwidth_gb_s=50.0, bandwidth_gb_s_one_thread=40.0, read_gb_s=60.0, gflop_s=200.0,
    ...             gflop_s_one_thread=100.0, gflop_s_bf16=None, gop_s_int8=None, versions={})
    >>> m.label()
    'AMD EPYC, 2 cores, AVX2, 24 GiB'
    >>> m.ridge
    4.0
    >>> Machine.from_json(m.to_json()) == m
    True
    """

    cpu: str  # the processor's name
    cores: int  # physical cores this process may use
    logical_cores: int  # hardware threads this process may use
    threads: int  # threads torch uses for one operation
    instruction_sets: tuple  # names of vector instruction sets, such as "AVX512 VNNI"
    memory_bytes: int  # memory this process may use, bytes
    memory_free_bytes: int  # of which free when probed, bytes
    disk_free_bytes: int  # free where the notebooks are, bytes
    load: float  # share of the cores that was busy over the minute before
    bandwidth_gb_s: float  # copying a large array: bytes read + bytes written, 1e9 a second
    bandwidth_gb_s_one_thread: float  # the same with one thread
    read_gb_s: float  # summing a large array: bytes read, 1e9 a second
    gflop_s: float  # fp32 matrix product, all of torch's threads, 1e9 operations a second
    gflop_s_one_thread: float  # the same with one thread
    gflop_s_bf16: float | None  # the same in bfloat16, all threads; None: not measured
    gop_s_int8: float | None  # the same in int8, all threads; None: not measured
    versions: dict  # of python and the libraries

    @property
    def ridge(self):
        """FLOP for each byte from memory above which arithmetic, not memory, is the limit (fp32)."""
        return self.gflop_s / self.bandwidth_gb_s

    def label(self):
        """Name the machine in one short line, for figures and result rows."""
        return identity.label(
            self.cpu, cores=self.cores, instruction_sets=self.instruction_sets, memory_bytes=self.memory_bytes
        )

    def to_json(self):
        """Write the card as JSON text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text):
        """Read a card that `to_json` wrote. Raises SettingError when fields are missing or unknown."""
        found = json.loads(text)
        wanted = {field.name for field in fields(cls)}
        if not isinstance(found, dict) or set(found) != wanted:
            names = sorted(found) if isinstance(found, dict) else type(found).__name__
            raise SettingError(
                f"a machine card with the fields {sorted(wanted)}",
                received=names,
                do="Make a new card with labkit.machine.probe().to_json().",
            )
        return cls(**{**found, "instruction_sets": tuple(found["instruction_sets"])})


def probe(*, quick=True):
    """Look at this computer and measure it; the result is kept for the rest of the process.

    `quick=True` takes under two seconds. `quick=False` takes longer over each figure, and measures bfloat16
    and int8 products also where the processor has no instructions for them, which can be slow.

    >>> probe() is probe()
    True
    """
    return _probe(bool(quick))


@cache
def _probe(quick):
    import torch

    seconds, megabytes = (0.06, 128) if quick else (1.0, 512)
    threads = torch.get_num_threads()
    found = system.instruction_sets()
    physical, logical = system.cores()
    memory, free = system.memory_bytes()
    # Two arrays have to be larger than the caches together and still fit into memory.
    size = {"megabytes": max(16, min(megabytes, free // 2**20 // 8)), "seconds": seconds}
    copy_one, copy_all = _one_and_all(lambda: speed.copy_gb_s(**size))
    fp32_one, fp32_all = _one_and_all(lambda: speed.matmul_gflop_s(seconds=seconds))
    has = " ".join(found)
    bf16 = int8 = None
    if "BF16" in has or not quick:
        _, bf16 = _one_and_all(lambda: speed.matmul_gflop_s(dtype="bfloat16", seconds=seconds))
    if any(word in has for word in ("VNNI", "AMX INT8", "NEON dot")) or not quick:
        _, int8 = _one_and_all(lambda: speed.matmul_gflop_s(dtype="int8", seconds=seconds))
    return Machine(
        cpu=system.cpu_name(),
        cores=physical,
        logical_cores=logical,
        threads=threads,
        instruction_sets=found,
        memory_bytes=memory,
        memory_free_bytes=free,
        disk_free_bytes=shutil.disk_usage(os.getcwd()).free,
        load=round(psutil.getloadavg()[0] / logical, 2),
        bandwidth_gb_s=_figure(copy_all),
        bandwidth_gb_s_one_thread=_figure(copy_one),
        read_gb_s=_figure(_one_and_all(lambda: speed.read_gb_s(**size))[1]),
        gflop_s=_figure(fp32_all),
        gflop_s_one_thread=_figure(fp32_one),
        gflop_s_bf16=bf16 and _figure(bf16),
        gop_s_int8=int8 and _figure(int8),
        versions=identity.versions(),
    )


def _one_and_all(measure, *, tries=6):
    """Measure with one thread, and with all of them; the second figure is never below the first.

    Threads wait for one another, so another program that takes one core away for a moment stops them all.
    All threads are therefore tried again while they are slower than one. Where one is all, one figure is both.
    """
    import torch

    everything = torch.get_num_threads()
    with speed.torch_threads(1):
        one = measure()
    if everything == 1:
        return one, one
    best = one
    for _ in range(tries):
        best = max(best, measure())
        if best > one:
            break
    return one, best


def _figure(number):
    """Three significant digits: more would be noise."""
    return float(f"{number:.3g}")


def describe(machine):
    """Say in words what a machine is, and what that means for a model (str, several lines)."""
    m, gb = machine, 1e9
    lines = [
        f"{m.cpu}: {m.cores} cores ({m.logical_cores} hardware threads), torch uses {m.threads}.",
        f"Instruction sets: {', '.join(m.instruction_sets) or 'none that matter here'}.",
        f"Memory: {m.memory_bytes / gb:.1f} GB, of which {m.memory_free_bytes / gb:.1f} GB free. "
        f"Disk: {m.disk_free_bytes / gb:.0f} GB free.",
        f"Bandwidth: {m.bandwidth_gb_s:.0f} GB/s copying (read and written bytes counted), "
        f"{m.read_gb_s:.0f} GB/s reading.",
        f"Arithmetic: {m.gflop_s:.0f} GFLOP/s in fp32 with {m.threads} threads, "
        f"{m.gflop_s_one_thread:.0f} with one{_other_types(m)}.",
        f"So this machine can do {m.ridge:.1f} operations in the time that one byte takes to arrive. An fp32 "
        f"weight is 4 bytes and does 2 operations for each token, so below about {2 * m.ridge:.0f} tokens at "
        "a time a model whose weights come from memory waits for memory (bandwidth-bound); above it, "
        "for arithmetic (compute-bound).",
    ]
    if m.load > 0.5:
        busy = f"{min(m.load, 1):.0%} of the cores"
        lines.append(f"Other programs kept {busy} busy in the last minute: the figures are too low.")
    return "\n".join(lines)


def _other_types(machine):
    """The part of the sentence on bfloat16 and int8, empty where neither was measured."""
    measured = (("bfloat16", machine.gflop_s_bf16), ("int8", machine.gop_s_int8))
    return "".join(f"; {value:.0f} in {name}" for name, value in measured if value)
