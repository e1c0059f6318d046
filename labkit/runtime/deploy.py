"""The graph that runs fastest: few operations, in float32 or in integers."""

from pathlib import Path

import numpy as np
import torch
from cachetools import LRUCache, cached

from labkit.batches import encode, pad
from labkit.errors import SettingError
from labkit.runtime.export import check_same, notes_for, write
from labkit.runtime.graph import bert_graph
from labkit.runtime.onnx_session import need
from labkit.runtime.products import Careful, Dynamic, Float, Static, WeightOnly

__all__ = ["KINDS", "activations", "calibrate", "fused"]

KINDS = {
    "float": Float,
    "dynamic": Dynamic,
    "static": Static,
    "careful": Careful,
    "weights": WeightOnly,
    "weights 4": lambda: WeightOnly(bits=4),
    "groups": lambda: WeightOnly(accuracy=4),
}
CALIBRATED = ("static", "careful")


def fused(classifier, path, *, kind="static", texts=()):
    """Write a classifier to one ONNX file of few operations, and return the path; `session` opens it.

    kind    float       float32, checked against PyTorch
            dynamic     int8 weights, activations with a scale a batch
            static      int8 weights, activations with scales found on `texts`, which are training texts
            careful     as static, and as groups where the activations come out of GELU
            weights     8-bit weights in groups of 32, computed in float32; `weights 4` with 4 bits
            groups      8-bit weights, and activations with a scale for each 32 numbers of a token

    Raises SettingError for another kind, or for `static` and `careful` without texts; ModelFileError for a model that
    is no BERT.
    """
    if kind not in KINDS:
        raise SettingError(f"one of {sorted(KINDS)}", received=repr(kind), do="Choose one of these.")
    needs = (calibrate(classifier, texts),) if kind in CALIBRATED else ()
    model = bert_graph(classifier.model, KINDS[kind](*needs)).model(["logits"])
    write(model, Path(path), notes=notes_for(classifier))
    if kind == "float":
        check_same(classifier, path)
    return Path(path)


def calibrate(classifier, texts, *, batch_size=32):
    """Find the lowest and the highest activation that goes into each product, over all `texts` (MinMax).

    Returns a dictionary from the product's name to (low, high). Texts of like length are computed together, so there
    is little padding, whose activations count like others.

    Raises SettingError without texts.
    """
    if not len(texts):
        raise SettingError("training texts to calibrate on", received="none", do="Give a few hundred of them.")
    inputs, watch = _watch(classifier)
    ids = sorted(encode(classifier.tokenizer, texts), key=len)
    found = dict.fromkeys(inputs.values(), (np.inf, -np.inf))
    for start in range(0, len(ids), batch_size):
        for x, seen in watch(ids[start : start + batch_size]).items():
            found[x] = min(found[x][0], float(seen.min())), max(found[x][1], float(seen.max()))
    return {name: found[x] for name, x in inputs.items()}


def activations(classifier, texts, name):
    """Give what goes into one product when `texts` are computed in one batch, shape (texts, tokens, width).

    `name` is that of a product: `layer.0.query-key-value`, `layer.0.out`, `layer.0.up`, `layer.0.down` and so on.

    Raises SettingError for another name, or without texts.
    """
    if not len(texts):
        raise SettingError("texts to compute", received="none", do="Give one at least.")
    inputs, watch = _watch(classifier)
    if name not in inputs:
        raise SettingError(f"one of the products {list(inputs)}", received=repr(name), do="Choose one of these.")
    return watch(encode(classifier.tokenizer, texts))[inputs[name]]


# Opening a session takes half a second, a look at one headline a few milliseconds.
@cached(LRUCache(1), key=lambda classifier: (classifier.fingerprint, torch.get_num_threads()))
def _watch(classifier):
    graph = bert_graph(classifier.model, Float())
    names, ort = sorted(set(graph.products.values())), need("onnxruntime")
    padding = classifier.tokenizer.pad_token_id
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
    data = graph.model(["logits"], more=names).SerializeToString()
    run = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run

    def watch(ids):
        batch = pad(ids, padding=padding)
        return dict(zip(names, run(names, {name: tensor.numpy() for name, tensor in batch.items()}), strict=True))

    return graph.products, watch
