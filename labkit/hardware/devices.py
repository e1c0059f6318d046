"""Computers to compare: this one as measured, and others as their makers publish them."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PUBLISHED", "Device", "this_machine"]


@dataclass(frozen=True, kw_only=True)
class Device:
    """A processor with its memory.

    >>> a100 = PUBLISHED["NVIDIA A100 40 GB"]
    >>> a100.peak(2) / 1e12, a100.peak(0.5) / 1e12
    (312.0, 624.0)
    """

    name: str
    flop_s: Mapping  # operations a second by width of a number: {4: fp32, 2: bf16 or fp16, 1: int8}
    bandwidth: float  # bytes a second between memory and processor
    memory: int  # bytes
    kind: str  # "measured" or "published"
    source: str  # where the figures come from

    def peak(self, weight_bytes):
        """Operations a second for weights of `weight_bytes` (float); the nearest width it has.

        Narrower weights are widened to a type that the processor multiplies. Where a device does not
        multiply wide numbers at all (a TPU multiplies in 16 bits), its widest type counts.
        """
        wider = [width for width in self.flop_s if width >= weight_bytes]
        return float(self.flop_s[min(wider) if wider else max(self.flop_s)])


def this_machine(machine=None, *, threads=None):
    """Make a device of this machine as measured; `threads=1` takes what one core does alone.

    >>> from labkit.machine import probe
    >>> this_machine().kind
    'measured'
    >>> this_machine(threads=1).peak(4) == probe().gflop_s_one_thread * 1e9
    True
    """
    if machine is None:
        from labkit.machine import probe

        machine = probe()
    measured = {4: machine.gflop_s, 2: machine.gflop_s_bf16, 1: machine.gop_s_int8}
    bandwidth = machine.bandwidth_gb_s
    if threads == 1:
        measured, bandwidth = {4: machine.gflop_s_one_thread}, machine.bandwidth_gb_s_one_thread
    return Device(
        name=f"this machine ({machine.cpu}{', one thread' if threads == 1 else ''})",
        flop_s={width: value * 1e9 for width, value in measured.items() if value},
        bandwidth=bandwidth * 1e9,
        memory=machine.memory_bytes,
        kind="measured",
        source="labkit.machine.probe()",
    )


def _published(name, tera, gigabytes_a_second, gigabytes, source):
    return Device(
        name=name,
        flop_s={width: value * 1e12 for width, value in tera.items()},
        bandwidth=gigabytes_a_second * 1e9,
        memory=gigabytes * 10**9,
        kind="published",
        source=source,
    )


PUBLISHED = {
    device.name: device
    for device in (
        _published(
            "Raspberry Pi 5, 8 GB", {4: 0.1536}, 17.1, 8,
            "Raspberry Pi 5 product brief: 4 Cortex-A76 at 2.4 GHz, 32-bit LPDDR4X-4267 (4.267e9 × 4 bytes a "
            "second); 16 fp32 operations a cycle and core, from two 128-bit units (Arm Cortex-A76 Software "
            "Optimization Guide)",
        ),
        _published(
            "Apple M2 laptop, 16 GB", {4: 3.6}, 100, 16,
            "Apple newsroom, 6 June 2022: 3.6 teraflops (10-core GPU), 100 GB/s",
        ),
        _published(
            "NVIDIA T4 16 GB", {4: 8.1, 2: 65, 1: 130}, 320, 16,
            "NVIDIA T4 datasheet: 8.1 TFLOPS fp32, 65 fp16, 130 TOPS int8, 320 GB/s",
        ),
        _published(
            "NVIDIA A100 40 GB", {4: 19.5, 2: 312, 1: 624}, 1555, 40,
            "NVIDIA A100 datasheet: 19.5 TFLOPS fp32, 312 bf16, 624 TOPS int8 without sparsity, 1,555 GB/s",
        ),
        _published(
            "Google TPU v4", {2: 275, 1: 275}, 1200, 32,
            "Jouppi et al. 2023 (arXiv 2304.01433), table 4, and Google Cloud's TPU v4 page: "
            "275 TFLOPS bf16 or int8, 32 GiB at 1,200 GB/s",
        ),
    )
}  # fmt: skip
"""Devices by name, with peaks as published: nothing reaches them in practice.

Each device's `source` says where its figures are from. Memory is in decimal GB; peaks count no sparsity.
"""
