"""Which computer this is, and with which libraries: what every result names, without measuring anything."""

import importlib.util
import platform
from functools import cache
from importlib.metadata import version

from labkit.machine import system

__all__ = ["label", "machine_label", "versions"]

LIBRARIES = ("torch", "transformers", "numpy", "onnxruntime")


def label(cpu, *, cores, instruction_sets, memory_bytes):
    """Name a computer in one short line, for figures and result rows.

    >>> label("AMD EPYC", cores=2, instruction_sets=("AVX2", "AVX512", "AVX512 BF16"), memory_bytes=24 * 2**30)
    'AMD EPYC, 2 cores, AVX512, 24 GiB'
    """
    best = [name for name in instruction_sets if "FP16" not in name and "BF16" not in name][-1:]
    return ", ".join([cpu, f"{cores} core{'s' if cores != 1 else ''}", *best, f"{memory_bytes / 2**30:.0f} GiB"])


@cache
def machine_label():
    """Name this computer; the same as `probe().label()`, which also measures it.

    >>> machine_label() == machine_label()
    True
    """
    return label(
        system.cpu_name(), cores=system.cores()[0], instruction_sets=system.instruction_sets(),
        memory_bytes=system.memory_bytes()[0],
    )  # fmt: skip


def versions():
    """Versions of python and of those libraries that are installed, by name."""
    installed = (name for name in LIBRARIES if importlib.util.find_spec(name))
    return {"python": platform.python_version(), **{name: version(name) for name in installed}}
