"""What the operating system says about this computer, inside the limits of a container."""

import os
import platform
import re
import socket
import subprocess
from pathlib import Path

import psutil

__all__ = ["cores", "cpu_name", "instruction_sets", "loopback", "memory_bytes", "tidy_cpu_name"]

READABLE = {
    "avx2": "AVX2",
    "avx512_f": "AVX512",
    "avx_vnni": "AVX VNNI",
    "avx512_vnni": "AVX512 VNNI",
    "avx512_bf16": "AVX512 BF16",
    "avx512_fp16": "AVX512 FP16",
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX BF16",
    "neon_dot": "NEON dot product",
    "neon_bf16": "NEON BF16",
    "sve": "SVE",
    "sve2": "SVE2",
    "sme": "SME",
}
"""The instruction sets that matter for matrix products: torch's name for each, and how people write it."""


def instruction_sets():
    """Name the vector instruction sets that this processor has, from oldest to newest.

    >>> set(instruction_sets()) <= set(READABLE.values())
    True
    """
    import torch

    found = torch.cpu.get_capabilities()
    return tuple(written for name, written in READABLE.items() if found.get(name))


def cpu_name():
    """Name the processor as a person would, without its clock and trademark signs."""
    if platform.system() == "Darwin":
        asked = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        return tidy_cpu_name(asked.stdout or platform.processor() or "CPU")
    import torch

    return tidy_cpu_name(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or "CPU")


def tidy_cpu_name(name):
    """Take trademark signs, the word CPU, core counts and the clock out of a processor's name.

    >>> tidy_cpu_name("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz")
    'Intel Core i7-8650U'
    >>> tidy_cpu_name("AMD Ryzen 7 5800X 8-Core Processor")
    'AMD Ryzen 7 5800X'
    """
    name = re.sub(r"\((R|TM|r|tm)\)|@.*$|\b\d+-Core\b|\bProcessor\b|\bCPU\b", " ", name)
    return " ".join(name.split()) or "CPU"


def cores(*, root=Path("/")):
    """Count physical and logical cores that this process may use: (physical, logical), both at least 1.

    A container's quota of 1.5 processors counts as 2 cores, because two threads can run at once.
    """
    logical = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    quota = _cpu_quota(root)
    if quota:
        logical = max(1, min(logical, -int(-quota // 1)))
    return min(psutil.cpu_count(logical=False) or logical, logical), logical


def memory_bytes(*, root=Path("/")):
    """Count the bytes of memory that this process may use, and how many are free now: (all, free).

    Both are cut to the container's limit where there is one.
    """
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    for folder in _groups(root, "memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        if limit and limit < total:
            used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
            total, free = limit, min(free, max(0, limit - used))
    return total, free


def _cpu_quota(root):
    """Processors granted to this container, such as 1.5; None where there is no limit."""
    granted = []
    for folder in _groups(root, "cpu"):
        both = folder / "cpu.max"
        quota, period = _words(both) if both.is_file() else (None, None)
        quota = quota or str(_number(folder / "cpu.cfs_quota_us") or "max")
        period = period or str(_number(folder / "cpu.cfs_period_us") or 100_000)
        if quota.isdigit() and int(quota) > 0:
            granted.append(int(quota) / int(period))
    return min(granted, default=None)


def _groups(root, controller):
    """Folders of the control groups of this process, innermost first: version 2, then version 1."""
    told = root / "proc/self/cgroup"
    for line in told.read_text().splitlines() if told.is_file() else []:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controllers and controller)
        # A limit holds for everything inside, so every folder above counts too. Inside a container
        # the path may not be there; its own limits are then at the top.
        inner = Path(path.lstrip("/"))
        yield from (top / part for part in (inner, *inner.parents) if (top / part).is_dir())


def _number(file):
    """The one whole number in a file; None where there is no file, or no limit in it ("max", -1)."""
    words = _words(file) if file.is_file() else []
    return int(words[0]) if words and words[0].isdigit() else None


def _words(file):
    """The words of a small text file."""
    return file.read_text().split()


def loopback():
    """Name of the network on which a machine talks to itself: "lo" on Linux, "lo0" on macOS; None where it has no such.

    >>> loopback() in ("lo", "lo0", None)
    True
    """
    names = [name for _, name in socket.if_nameindex()] if hasattr(socket, "if_nameindex") else []
    return next((name for name in ("lo", "lo0") if name in names), None)
