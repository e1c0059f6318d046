"""What this computer is: its processor, its limits, and how fast it is when measured."""

from labkit.machine.card import Machine, describe, probe

__all__ = ["Machine", "describe", "probe"]
