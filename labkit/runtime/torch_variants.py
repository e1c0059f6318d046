"""int8 inside PyTorch: its own dynamic quantization and torchao's, beside the classifier as it is."""

import contextlib
import copy
import io
import logging
import warnings

import torch

from labkit.errors import ModelFileError
from labkit.runtime.onnx_session import Runtime, need
from labkit.runtime.tokens import to_text

__all__ = ["eager", "torch_dynamic", "torchao_dynamic", "torchao_weight_only"]


def eager(classifier):
    """The classifier as PyTorch runs it, in float32: what the others are compared with."""
    return _runtime(classifier, classifier.model, "PyTorch, float32")


def torch_dynamic(classifier):
    """PyTorch's `quantize_dynamic`: Linear layers hold int8 weights, activations get one scale a batch.

    Embeddings stay in float32. Deprecated in PyTorch, and still what most tutorials use.

    Raises ModelFileError where this PyTorch has it no longer.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torch.ao.quantization import quantize_dynamic

            model = quantize_dynamic(copy.deepcopy(classifier.model), {torch.nn.Linear}, dtype=torch.qint8)
    except (ImportError, AttributeError, RuntimeError) as error:
        raise ModelFileError(
            "a PyTorch that has quantize_dynamic", received=str(error)[:200], do="Use the onnxruntime variants."
        ) from error
    return _runtime(classifier, model, "PyTorch, int8 dynamic")


def torchao_weight_only(classifier):
    """torchao's int8 weights, one scale a row; products are computed in float32.

    Raises ModelFileError where torchao is not installed.
    """
    return _torchao(classifier, "Int8WeightOnlyConfig", "torchao, int8 weights only")


def torchao_dynamic(classifier):
    """torchao's int8 weights and activations, one scale a token.

    Raises ModelFileError where torchao is not installed.
    """
    return _torchao(classifier, "Int8DynamicActivationInt8WeightConfig", "torchao, int8 dynamic per token")


def _torchao(classifier, kind, name):
    with _silence():
        quantization = need("torchao.quantization")
        model = copy.deepcopy(classifier.model)
        quantization.quantize_(model, getattr(quantization, kind)())
    return _runtime(classifier, model, name)


@contextlib.contextmanager
def _silence():
    # torchao greets with notes on kernels that this machine has no use for, through every channel there is.
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _runtime(classifier, model, name):
    size = stored_bytes(model) + len(to_text(classifier.tokenizer))
    threads = f"{torch.get_num_threads()} threads"  # the order of sums depends on them
    own = f"{name}, torch {torch.__version__}, {threads}, {classifier.fingerprint}"
    return Runtime(model, classifier.tokenizer, classifier.labels, name=name, bytes=size, fingerprint=own)


def stored_bytes(model):
    """Count the bytes of a model's tensors as they are stored, whatever class they are of."""
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.tell()
