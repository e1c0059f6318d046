"""BERT with less in it: layers with fewer heads and a narrower feed-forward part, matrices as two thin factors."""

import torch
from torch import nn
from transformers import BertForSequenceClassification
from transformers.models.bert.modeling_bert import BertEmbeddings

from labkit.errors import SettingError

__all__ = [
    "FactorizedEmbeddings", "LowRank", "NarrowBert", "build", "dense", "entry", "heads", "keep_columns", "keep_heads",
    "record", "widths",
]  # fmt: skip


class LowRank(nn.Module):
    """A linear map through a narrow middle: x → up(down(x)); the bias belongs to the second step.

    From m to n numbers through r it has r·(m + n) weights instead of m·n.

    >>> layer = LowRank(8, 2, 6)
    >>> layer.down.weight.shape, layer.up.weight.shape, layer.up.bias.shape
    (torch.Size([2, 8]), torch.Size([6, 2]), torch.Size([6]))
    """

    def __init__(self, inputs, rank, outputs, *, bias=True):
        super().__init__()
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs, bias=bias)

    def forward(self, x):
        """Apply both steps to x, shape (..., inputs)."""
        return self.up(self.down(x))


class FactorizedEmbeddings(BertEmbeddings):
    """BERT's embeddings with a narrow word table, and one matrix that widens its rows to the hidden size.

    `word_embeddings` stays an ordinary table, so that what merges or quantizes it finds it where it was. A text may
    come as token numbers or as rows of that table (`inputs_embeds`, shape (batch, tokens, rank)).

    Source: Lan et al., ALBERT, arXiv 1909.11942, section 3.1.
    """

    def __init__(self, config, rank):
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, rank, padding_idx=config.pad_token_id)
        self.word_projection = nn.Linear(rank, config.hidden_size, bias=False)

    def forward(self, input_ids=None, inputs_embeds=None, **others):
        """Look the tokens up, widen them, and add positions and types as ever."""
        rows = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        return super().forward(inputs_embeds=self.word_projection(rows), **others)


class NarrowBert(BertForSequenceClassification):
    """BERT in the shape that its configuration records (see `record`); with nothing recorded, an ordinary BERT."""

    def __init__(self, config):
        super().__init__(config)
        if shape := getattr(config, "narrowed", None):
            _cut(self, shape)


def build(config):
    """Make the model of a configuration, its weights random, every layer as narrow as recorded.

    Works under `torch.device("meta")` too.

    >>> from transformers import BertConfig
    >>> config = BertConfig(vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=4,
    ...                     intermediate_size=16, narrowed={"heads": [4, 1], "widths": [16, 5]})
    >>> model = build(config)
    >>> heads(model), widths(model), model.bert.encoder.layer[1].attention.self.query.weight.shape
    ([4, 1], [16, 5], torch.Size([2, 8]))

    Raises SettingError where the record does not fit the number of layers or their size.
    """
    return NarrowBert(config)


def heads(model):
    """List how many attention heads each layer has."""
    return [layer.attention.self.num_attention_heads for layer in _layers(model)]


def widths(model):
    """List how many columns the feed-forward part of each layer has."""
    return [entry(layer.output.dense).shape[1] for layer in _layers(model)]


def keep_heads(model, kept):
    """Remove all attention heads but the `kept` ones, in place; one list of positions a layer, counted from 0.

    A head has its rows in query, key and value, with their biases, and its columns in the output matrix. The bias
    there belongs to all heads and stays.

    Raises SettingError for a head that is not there or a layer without one.
    """
    _check(kept, heads(model), "head")
    for layer, chosen in zip(_layers(model), kept, strict=True):
        attention, size = layer.attention.self, layer.attention.self.attention_head_size
        places = [head * size + i for head in chosen for i in range(size)]
        for name in ("query", "key", "value"):
            setattr(attention, name, _take(getattr(attention, name), rows=places))
        layer.attention.output.dense = _take(layer.attention.output.dense, columns=places)
        attention.num_attention_heads, attention.all_head_size = len(chosen), len(places)
    record(model)


def keep_columns(model, kept):
    """Narrow the feed-forward part of each layer to the `kept` columns, in place; one list of positions a layer.

    A column is a row of the matrix that goes up, with its bias, and a column of the matrix that goes down.

    Raises SettingError for a column that is not there or a layer without one.
    """
    _check(kept, widths(model), "column")
    for layer, chosen in zip(_layers(model), kept, strict=True):
        layer.intermediate.dense = _take(layer.intermediate.dense, rows=list(chosen))
        layer.output.dense = _take(layer.output.dense, columns=list(chosen))
    record(model)


def record(model):
    """Write the shape that the model has now into its configuration, as `narrowed`, for `build` to read.

    It holds plain lists and numbers: `heads` and `widths` a layer, `ranks` by the name of the factorized layer, and
    the `embedding_rank`, 0 where the word table is whole. Whatever changes layers afterwards records again.
    """
    config, embeddings = model.config, model.base_model.embeddings
    factorized = isinstance(embeddings, FactorizedEmbeddings)
    shape = {
        "heads": heads(model),
        "widths": widths(model),
        "ranks": {name: part.down.out_features for name, part in model.named_modules() if isinstance(part, LowRank)},
        "embedding_rank": embeddings.word_embeddings.embedding_dim if factorized else 0,
    }
    layers = config.num_hidden_layers
    full = {"heads": [config.num_attention_heads] * layers, "widths": [config.intermediate_size] * layers}
    vars(config).pop("narrowed", None)
    if shape != full | {"ranks": {}, "embedding_rank": 0}:
        config.narrowed = shape


def entry(linear):
    """Give the weight that meets the inputs of a linear layer, shape (outputs or rank, inputs)."""
    return (linear.down if isinstance(linear, LowRank) else linear).weight


def dense(linear):
    """Give the whole matrix that a linear layer stands for, shape (outputs, inputs)."""
    return linear.up.weight @ linear.down.weight if isinstance(linear, LowRank) else linear.weight


def _layers(model):
    return model.base_model.encoder.layer


def _cut(model, shape):
    """Bring a model with random weights into a recorded shape."""
    for name, rank in shape.get("ranks", {}).items():
        whole = model.get_submodule(name)
        model.set_submodule(name, LowRank(whole.in_features, rank, whole.out_features))
    if rank := shape.get("embedding_rank"):
        model.base_model.embeddings = FactorizedEmbeddings(model.config, rank)
    keep_heads(model, [range(count) for count in shape["heads"]])
    keep_columns(model, [range(width) for width in shape["widths"]])


def _take(linear, *, rows=None, columns=None):
    """Make a smaller linear layer of some of the rows, with their biases, or of some of the columns."""
    if isinstance(linear, LowRank):
        part, side = ("up", linear.up) if columns is None else ("down", linear.down)
        setattr(linear, part, _take(side, rows=rows, columns=columns))
        return linear
    weight, bias = linear.weight.detach(), linear.bias
    places = torch.tensor(rows if columns is None else columns, device=weight.device)
    weight = weight.index_select(0 if columns is None else 1, places)
    smaller = nn.Linear(*reversed(weight.shape), bias=bias is not None, device="meta")  # its weights come at once
    smaller.weight = nn.Parameter(weight, requires_grad=linear.weight.requires_grad)
    if bias is not None:
        bias = bias.detach().index_select(0, places) if columns is None else bias.detach().clone()
        smaller.bias = nn.Parameter(bias, requires_grad=linear.bias.requires_grad)
    return smaller.train(linear.training)


def _check(kept, counts, what):
    if len(kept) != len(counts):
        raise SettingError(
            f"a list of {what}s for each of {len(counts)} layers", received=f"{len(kept)} lists",
            do="If layers were dropped since, call `structure.record(model)` and save it again.",
        )  # fmt: skip
    for number, (chosen, count) in enumerate(zip(kept, counts, strict=True)):
        if not len(chosen) or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(count)):
            raise SettingError(
                f"at least one {what} of 0 to {count - 1} for layer {number}, each once",
                received=str(list(chosen))[:60], do="To have nothing left of a layer, drop it with KeepLayers.",
            )  # fmt: skip
