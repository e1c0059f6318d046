"""What a user would deploy: one ONNX file run by onnxruntime, in floats or integers, beside PyTorch's own int8."""

from labkit.runtime.deploy import activations, calibrate, fused
from labkit.runtime.export import to_onnx
from labkit.runtime.integers import dynamic, static
from labkit.runtime.invariance import flips
from labkit.runtime.onnx_session import Runtime, session
from labkit.runtime.torch_variants import eager, torch_dynamic, torchao_dynamic, torchao_weight_only

__all__ = [
    "Runtime",
    "activations",
    "calibrate",
    "dynamic",
    "eager",
    "flips",
    "fused",
    "session",
    "static",
    "to_onnx",
    "torch_dynamic",
    "torchao_dynamic",
    "torchao_weight_only",
]
