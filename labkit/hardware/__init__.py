"""The hardware calculator: from a model's shape to parameters, memory, operations and time, each checked."""

from labkit.hardware.devices import PUBLISHED, Device, this_machine
from labkit.hardware.memory import (
    activation_bytes,
    inference_bytes,
    training_moments,
    training_peak_bytes,
    training_state_bytes,
)
from labkit.hardware.roofline import Estimate, attainable, estimate
from labkit.hardware.shape import SHAPES, Shape, parameters, parameters_by_part
from labkit.hardware.work import Work, forward, layer_products, training_step

__all__ = [
    "PUBLISHED",
    "SHAPES",
    "Device",
    "Estimate",
    "Shape",
    "Work",
    "activation_bytes",
    "attainable",
    "estimate",
    "forward",
    "inference_bytes",
    "layer_products",
    "parameters",
    "parameters_by_part",
    "this_machine",
    "training_moments",
    "training_peak_bytes",
    "training_state_bytes",
    "training_step",
]
