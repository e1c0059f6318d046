"""The shape of a transformer: the few numbers that decide how many parameters it has."""

from dataclasses import dataclass

from labkit.errors import SettingError

__all__ = ["SHAPES", "Shape", "parameters", "parameters_by_part"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a transformer's configuration says about its size.

    Raises SettingError where a size is not positive, or the heads do not divide the hidden size.

    >>> tiny = Shape(name="tiny", layers=2, hidden=4, heads=2, intermediate=8, vocabulary=10, positions=6)
    >>> parameters(tiny)
    444
    """

    name: str
    layers: int  # transformer layers
    hidden: int  # numbers that stand for one token
    heads: int  # attention heads a layer
    intermediate: int  # width of the feed-forward part
    vocabulary: int  # rows of the word embedding
    positions: int  # longest input, tokens
    types: int = 2  # kinds of segment (BERT's sentence A and B); 0: none
    pooler: bool = True  # a dense layer on the first token
    labels: int = 0  # classes of a classifier on top; 0: no classifier
    lm_head: bool = False  # every token is scored against the vocabulary, with the word embedding's weights

    def __post_init__(self):
        sizes = ("layers", "hidden", "heads", "intermediate", "vocabulary", "positions")
        for field in sizes:
            if getattr(self, field) < 1:
                raise SettingError(f"{field} of 1 or more", received=getattr(self, field), do="Mend the configuration.")
        if self.hidden % self.heads:
            raise SettingError(
                "heads that divide the hidden size",
                received=f"{self.heads} heads, hidden size {self.hidden}",
                do="Each head takes hidden / heads numbers of every token; choose a divisor.",
            )

    @classmethod
    def from_config(cls, config, *, name=None, labels=0):
        """Read the shape from a transformers BertConfig or GPT2Config.

        Raises SettingError for the configuration of another kind of model.

        >>> from transformers import BertConfig
        >>> parameters(Shape.from_config(BertConfig()))
        109482240
        """
        kind = getattr(config, "model_type", type(config).__name__)
        if kind == "bert":
            own = {
                "types": config.type_vocab_size,
                "intermediate": config.intermediate_size,
                "labels": labels,
            }
        elif kind == "gpt2":
            own = {"types": 0, "intermediate": config.n_inner or 4 * config.n_embd, "pooler": False}
            own["lm_head"] = True
        else:
            raise SettingError(
                "the configuration of a BERT or GPT-2 model", received=kind, do="Write Shape(...) by hand."
            )
        return cls(
            name=name or kind,
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            heads=config.num_attention_heads,
            vocabulary=config.vocab_size,
            positions=config.max_position_embeddings,
            **own,
        )

    def to_config(self):
        """Make the transformers configuration of this shape: BertConfig, or GPT2Config with `lm_head`."""
        from transformers import BertConfig, GPT2Config

        if self.lm_head:
            return GPT2Config(
                vocab_size=self.vocabulary, n_positions=self.positions, n_embd=self.hidden,
                n_layer=self.layers, n_head=self.heads, n_inner=self.intermediate,
            )  # fmt: skip
        return BertConfig(
            vocab_size=self.vocabulary, hidden_size=self.hidden, num_hidden_layers=self.layers,
            num_attention_heads=self.heads, intermediate_size=self.intermediate,
            max_position_embeddings=self.positions, type_vocab_size=self.types,
        )  # fmt: skip


def parameters_by_part(shape):
    """Count the parameters of each part of a model (dict of name: int), adding up to `parameters(shape)`.

    A dense layer from m to n numbers has m·n weights and n biases; a layer norm has 2 numbers for each
    of its h inputs. A layer has four dense layers h to h (query, key, value, output), one h to i, one
    i to h, and two layer norms.

    >>> parts = parameters_by_part(SHAPES["BERT-base"])
    >>> parts["one layer"], parts["word embedding"]
    (7087872, 23440896)
    """
    h, i = shape.hidden, shape.intermediate
    one_layer = 4 * (h * h + h) + (h * i + i) + (i * h + h) + 2 * 2 * h
    return {
        "word embedding": shape.vocabulary * h,
        "positions, types, norm": (shape.positions + shape.types + 2) * h,
        "one layer": one_layer,
        "other layers": (shape.layers - 1) * one_layer,
        "pooler and classifier": shape.pooler * (h * h + h) + shape.labels * (h + 1),
    }


def parameters(shape):
    """Count all parameters of a model (int).

    >>> f"{parameters(SHAPES['GPT-3']) / 1e9:.0f} billion"
    '175 billion'
    """
    return sum(parameters_by_part(shape).values())


_BERT = {"vocabulary": 30_522, "positions": 512}
_GPT = {"vocabulary": 50_257, "types": 0, "pooler": False, "lm_head": True}

SHAPES = {
    shape.name: shape
    for shape in (
        Shape(name="MiniLM", layers=6, hidden=384, heads=12, intermediate=1536, **_BERT),
        Shape(name="BERT-base", layers=12, hidden=768, heads=12, intermediate=3072, **_BERT),
        Shape(name="BERT-large", layers=24, hidden=1024, heads=16, intermediate=4096, **_BERT),
        Shape(name="GPT-2", layers=12, hidden=768, heads=12, intermediate=3072, positions=1024, **_GPT),
        Shape(name="GPT-2 XL", layers=48, hidden=1600, heads=25, intermediate=6400, positions=1024, **_GPT),
        Shape(name="GPT-3", layers=96, hidden=12288, heads=96, intermediate=49152, positions=2048, **_GPT),
    )
}
"""Published shapes by name.

MiniLM: all-MiniLM-L6-v2. BERT: Devlin et al. 2019 (arXiv 1810.04805), section 3. GPT-2: Radford et al. 2019.
GPT-3: Brown et al. 2020 (arXiv 2005.14165), table 2.1 (partly sparse attention changes no weight).
"""
