"""What is in a model file, and what runs when it is opened: which tensors are integers, which products."""

import tempfile
from collections import Counter
from pathlib import Path

from labkit.runtime.onnx_session import need

__all__ = ["INTEGER_PRODUCTS", "bytes_by_type", "operations", "products", "stored_types"]

INTEGER_PRODUCTS = (
    "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "QAttention", "QGemm", "QLinearMatMul",
)  # fmt: skip
FLOAT_PRODUCTS = ("FusedGemm", "FusedMatMul", "Gemm", "MatMul", "MatMulNBits")


def bytes_by_type(path):
    """Count the bytes of a model file's tensors by the type of their numbers, largest first.

    Returns a dictionary such as {"float32": 93000, "int8": 22800000}; the rest of the file is graph and tokenizer.
    """
    onnx, found = need("onnx"), Counter()
    for tensor in onnx.load(path).graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        found[str(array.dtype)] += array.nbytes
    return dict(found.most_common())


def stored_types(model):
    """Count the bytes of a PyTorch model's tensors by the type of their numbers, those of quantized modules included.

    >>> import torch
    >>> stored_types(torch.nn.Linear(10, 3))
    {'float32': 132}
    """
    found = Counter()
    for tensor in _tensors(list(model.state_dict().values())):
        if tensor.is_quantized:
            found["int8"] += tensor.numel()
            if "channel" in str(tensor.qscheme()):
                found["float32"] += 4 * tensor.q_per_channel_scales().numel()
        else:
            found[str(tensor.dtype).removeprefix("torch.")] += tensor.nbytes
    return dict(found.most_common())


def _tensors(values):
    # A quantized module keeps weight and bias in a pair; beside them are settings that are no tensors.
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _tensors(value)
        elif hasattr(value, "is_quantized"):
            yield value


def operations(path):
    """Count the operations that onnxruntime really runs, after it has put some of them together.

    Returns a dictionary from the kind of the operation to how often it occurs.
    """
    return dict(Counter(node.op_type for node in _as_it_runs(path)).most_common())


def products(path):
    """Count the matrix products that run in integers and those that run in floats: (integers, floats).

    The two small products inside attention have no weights; where they are nodes of their own they count too.
    """
    nodes = _as_it_runs(path)
    integers = sum(node.op_type in INTEGER_PRODUCTS or _rounds_activations(node) for node in nodes)
    return integers, sum(node.op_type in (*INTEGER_PRODUCTS, *FLOAT_PRODUCTS) for node in nodes) - integers


def _rounds_activations(node):
    # Grouped weights are multiplied in integers only where the node may round the activations as well.
    return node.op_type == "MatMulNBits" and any(a.name == "accuracy_level" and a.i == 4 for a in node.attribute)


def _as_it_runs(path):
    ort, onnx = need("onnxruntime"), need("onnx")
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(Path(folder) / "as it runs.onnx")
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath).graph.node
