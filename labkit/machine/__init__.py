"""What this computer is: its processor, its limits, and how fast it is when measured."""

from labkit.machine.card import Machine, describe, probe
from labkit.machine.identity import machine_label, versions

__all__ = ["Machine", "describe", "machine_label", "probe", "versions"]
