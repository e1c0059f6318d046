"""BERT as a graph of few and large operations, written node by node; how products are computed is left open."""

from math import prod

import numpy as np
import torch

from labkit.batches import MAX_LENGTH
from labkit.errors import ModelFileError
from labkit.runtime.onnx_session import need

__all__ = ["Graph", "bert_graph"]

OPSET = 17


class Graph:
    """Nodes and constants of a graph in the making; each result is known by its name."""

    def __init__(self):
        self.nodes, self.constants, self.products = [], {}, {}

    def constant(self, name, value):
        """Put an array into the graph, and give its name."""
        array = np.asarray(value)
        self.constants[name] = array.astype(np.float32) if array.dtype == np.float64 else array
        return name

    def node(self, kind, inputs, *, outputs=1, domain="", **attributes):
        """Add a node, and give the name of its result, or names where it has several."""
        onnx = need("onnx")
        names = [f"{len(self.nodes)}.{kind}.{number}" for number in range(outputs)]
        self.nodes.append(onnx.helper.make_node(kind, inputs, names, names[0], domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def model(self, outputs, *, more=()):
        """Close the graph: inputs `input_ids` and `attention_mask`, outputs by name, `more` results beside them."""
        onnx = need("onnx")
        kind, helper = onnx.TensorProto, onnx.helper
        inputs = [helper.make_tensor_value_info(name, kind.INT64, ["texts", "tokens"])
                  for name in ("input_ids", "attention_mask")]  # fmt: skip
        results = [helper.make_tensor_value_info(name, kind.FLOAT, None) for name in (*outputs, *more)]
        tensors = [onnx.numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "bert", inputs, results, tensors)
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=versions, ir_version=8, producer_name="labkit")


def bert_graph(model, scheme):
    """Write a BERT classifier as a Graph whose last result is `logits`; `scheme` writes the products.

    It computes the logits of the model, and less besides: the token type, always 0 here, is part of the positions;
    query, key and value of a layer are one product; attention with all its heads is one node; and the last layer
    is computed for the first token alone, because nobody reads the others. `graph.products` maps the name of each
    product to what goes into it.

    Raises ModelFileError for a model that is no BERT classifier or has an activation other than GELU.
    """
    try:
        bert, head = model.bert, model.classifier
        embeddings, layers = bert.embeddings, list(bert.encoder.layer)
        places = embeddings.position_embeddings.weight[:MAX_LENGTH] + embeddings.token_type_embeddings.weight[0]
        if model.config.hidden_act != "gelu":
            raise AttributeError(f"the activation {model.config.hidden_act}")
    except AttributeError as error:
        raise ModelFileError(
            "a BERT classifier with GELU", received=f"{type(model).__name__}: {error}", do="Use `to_onnx` instead."
        ) from None
    graph = _Bert(scheme, model.config.layer_norm_eps)
    x = graph.embed(embeddings, places)
    mask = graph.node("Cast", ["attention_mask"], to=need("onnx").TensorProto.INT32)
    for number, layer in enumerate(layers):
        x = graph.layer(f"layer.{number}", layer, x, mask, last=layer is layers[-1])
    x = graph.node("Tanh", [graph.linear("pooler", x, bert.pooler.dense)])
    x = graph.linear("classifier", x, head)
    graph.node("Squeeze", [x, graph.constant("one", np.array([1]))])
    graph.nodes[-1].output[0] = "logits"
    return graph


class _Bert(Graph):
    def __init__(self, scheme, epsilon):
        super().__init__()
        self.scheme, self.epsilon = scheme, epsilon

    def embed(self, embeddings, places):
        words = embeddings.word_embeddings
        x = self.scheme.table(self, "input_ids", "words", _array(words.weight))
        if widen := getattr(embeddings, "word_projection", None):
            x = self.linear("widen", x, widen)
        length = self.node("Shape", ["input_ids"], start=1, end=2)
        zero = self.constant("zero", np.array([0]))
        rows = self.node("Slice", [self.constant("places", _array(places)), zero, length, zero])
        return self.add_and_norm("embeddings", x, rows, embeddings.LayerNorm)

    def layer(self, name, layer, x, mask, *, last):
        own, output = layer.attention.self, layer.attention.output
        asking = x if not last else self.first(x)
        if last:
            query = self.linear(f"{name}.query", asking, own.query)
            key, value = self.linears(f"{name}.key-value", x, [own.key, own.value])
        else:
            query, key, value = self.linears(f"{name}.query-key-value", x, [own.query, own.key, own.value])
        seen = self.node(
            "MultiHeadAttention", [query, key, value, "", mask], domain="com.microsoft",
            num_heads=own.num_attention_heads, scale=float(own.attention_head_size**-0.5), mask_filter_value=-10000.0,
        )  # fmt: skip
        x = self.add_and_norm(
            f"{name}.attention", self.linear(f"{name}.out", seen, output.dense), asking, output.LayerNorm
        )
        wide = self.node("Gelu", [self.linear(f"{name}.up", x, layer.intermediate.dense)], domain="com.microsoft")
        down = self.linear(f"{name}.down", wide, layer.output.dense)
        return self.add_and_norm(f"{name}.output", down, x, layer.output.LayerNorm)

    def first(self, x):
        start, end, axis = (self.constant(f"first.{n}", np.array([n])) for n in (0, 1, 1))
        return self.node("Slice", [x, start, end, axis])

    def add_and_norm(self, name, x, rest, norm):
        inputs = [x, rest, self.constant(f"{name}.norm", _array(norm.weight)),
                  self.constant(f"{name}.shift", _array(norm.bias))]  # fmt: skip
        return self.node("SkipLayerNormalization", inputs, domain="com.microsoft", epsilon=float(self.epsilon))

    def linear(self, name, x, module):
        # A matrix may have been cut in two or more; each factor is a product.
        for number, part in enumerate(_parts(module)):
            own = name if number == 0 else f"{name}.{number}"
            self.products[own] = x
            x = self.scheme.product(self, x, own, _array(part.weight).T, _bias(part))
        return x

    def linears(self, name, x, modules):
        if any(len(_parts(module)) > 1 for module in modules):
            return [self.linear(f"{name}.{number}", x, module) for number, module in enumerate(modules)]
        parts = [_parts(module)[0] for module in modules]
        matrix = np.concatenate([_array(part.weight).T for part in parts], axis=1)
        self.products[name] = x
        y = self.scheme.product(self, x, name, np.ascontiguousarray(matrix), np.concatenate([*map(_bias, parts)]))
        widths = self.constant(f"{name}.widths", np.array([part.weight.shape[0] for part in parts]))
        return self.node("Split", [y, widths], outputs=len(parts), axis=2)


def _parts(module):
    found = [part for part in module.modules() if isinstance(part, torch.nn.Linear)]
    if sum(prod(p.shape) for p in module.parameters()) != sum(prod(p.shape) for m in found for p in m.parameters()):
        raise ModelFileError("Linear layers", received=type(module).__name__, do="Use `to_onnx` instead.")
    return found


def _array(tensor):
    return tensor.detach().float().numpy()


def _bias(linear):
    return np.zeros(linear.weight.shape[0], np.float32) if linear.bias is None else _array(linear.bias)
