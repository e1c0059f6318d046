"""onnxruntime's own int8 tools on an exported model, and a count of what they really quantized."""

import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path

from labkit.batches import encode, pad
from labkit.errors import ModelFileError, SettingError
from labkit.runtime.export import notes_of, write
from labkit.runtime.onnx_session import need, session

__all__ = ["dynamic", "matrices", "static"]

LAYERS = ("MatMul", "Gemm", "Gather")


def dynamic(source, path):
    """Quantize an exported model: int8 weights, a scale a column; activations get one scale a batch as they come.

    Returns the path. Raises ModelFileError when a matrix was left out.
    """

    def quantize(tools, part):
        tools.quantize_dynamic(
            source, part, op_types_to_quantize=list(LAYERS), per_channel=True, weight_type=tools.QuantType.QInt8
        )

    return _quantized(source, path, quantize)


def static(source, path, *, texts):
    """Quantize an exported model with ranges of activations that are found once, on training `texts` (MinMax).

    Weights are int8 with a scale a column, activations uint8; the graph says where integers begin and end (QDQ).
    Returns the path. Raises SettingError without texts, ModelFileError when a matrix was left out.
    """
    if not len(texts):
        raise SettingError("training texts to calibrate on", received="none", do="Give a few hundred of them.")

    def quantize(tools, part):
        reader = _reader(tools.CalibrationDataReader, source, texts)
        tools.quantize_static(
            source, part, reader, op_types_to_quantize=list(LAYERS), per_channel=True,
            weight_type=tools.QuantType.QInt8, activation_type=tools.QuantType.QUInt8,
            quant_format=tools.QuantFormat.QDQ, calibrate_method=tools.CalibrationMethod.MinMax,
        )  # fmt: skip

    return _quantized(source, path, quantize)


def matrices(path):
    """Count the constant matrices of a model file that are multiplied or looked up: those of floats and of integers.

    Vectors such as biases and scales are not counted. Returns (floats, integers).
    """
    onnx = need("onnx")
    graph = onnx.load(path).graph
    kinds = {
        tensor.name: tensor.data_type for tensor in graph.initializer if len(tensor.dims) >= 2 and min(tensor.dims) > 1
    }
    floats = sum(kind == onnx.TensorProto.FLOAT for kind in kinds.values())
    narrow = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    return floats, sum(kind in narrow for kind in kinds.values())


def _reader(base, source, texts, batch_size=32):
    runtime = session(source)
    ids = sorted(encode(runtime.tokenizer, texts), key=len)
    parts = (ids[start : start + batch_size] for start in range(0, len(ids), batch_size))
    batches = ({name: tensor.numpy() for name, tensor in pad(part, padding=runtime.tokenizer.pad_token_id).items()}
               for part in parts)  # fmt: skip

    class Reader(base):
        def get_next(self):
            return next(batches, None)

    return Reader()


def _quantized(source, path, quantize):
    onnx, tools = need("onnx"), need("onnxruntime.quantization")
    wanted, _ = matrices(source)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        part = Path(folder) / "model.onnx"
        quantize(tools, part)
        left, found = matrices(part)
        if left or found < wanted:
            # How many layers a version of the tool leaves out, it does not say.
            raise ModelFileError(
                f"{wanted} matrices of integers", received=f"{found}, and {left} that are still floats",
                do="Use the version of onnxruntime in constraints.txt.",
            )  # fmt: skip
        write(onnx.load(part), path, notes=notes_of(onnx.load(source)))
    return Path(path)


@contextmanager
def _quiet():
    # The tools advise on the root logger, at every call, to prepare the model first.
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
