"""What a shape of BERT costs before anybody makes it: parameters, multiply-adds, and milliseconds by a fit."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from labkit import counting, structure
from labkit.errors import SettingError

__all__ = ["Cost", "Plan", "Times", "kept_layers", "layer_macs", "layer_parameters"]

WAYS = ("last", "first", "alternate")


def kept_layers(count, keep, way="last"):
    """Name the layers that stay when `keep` of `count` stay, counted from 0.

    `way` says which go first: the "last", the "first", or "alternate": every second one from the end, then the rest.

    >>> kept_layers(6, 3), kept_layers(6, 3, "first"), kept_layers(6, 3, "alternate"), kept_layers(6, 5, "alternate")
    ((0, 1, 2), (3, 4, 5), (0, 2, 4), (0, 1, 2, 3, 4))

    Raises SettingError for an unknown way, or for layers that are not there.

    Source: the strategies of Sajjad et al., arXiv 2004.03844, section 3.
    """
    if way not in WAYS or not 1 <= keep <= count:
        raise SettingError(f"from 1 to {count} layers, and a way of {WAYS}", received=f"{keep}, {way!r}", do="Choose.")
    back = range(count)[::-1]
    order = {"last": back, "first": back[::-1], "alternate": [*back[::2], *back[1::2]]}[way]
    return tuple(sorted(order[count - keep :]))


def layer_parameters(hidden, heads, size, width):
    """Count the parameters of one layer with so many heads of `size` numbers and so many columns.

    >>> layer_parameters(384, 12, 32, 1536)
    1774464
    """
    inside = heads * size
    attention = 3 * inside * (hidden + 1) + (inside + 1) * hidden
    return attention + width * (hidden + 1) + (width + 1) * hidden + 4 * hidden  # two layer norms of 2·hidden


def layer_macs(tokens, hidden, heads, size, width):
    """Count the multiply-adds of one layer for one text of so many tokens.

    >>> layer_macs(12, 384, 12, 32, 1536)
    21344256
    """
    inside = heads * size
    return tokens * (4 * hidden * inside + 2 * tokens * inside + 2 * hidden * width)


@dataclass(frozen=True)
class Plan:
    """A shape to cut a model to: the `layers` that stay, how many `heads` and how many columns (`width`) in each."""

    layers: tuple
    heads: int
    width: int


class Cost:
    """Prices plans for one model, which is not touched; plans use what a layer of it has, or less.

    >>> from transformers import BertConfig
    >>> config = BertConfig(vocab_size=50, hidden_size=8, num_hidden_layers=3, num_attention_heads=2,
    ...                     intermediate_size=16)
    >>> cost = Cost(structure.build(config))
    >>> cost.whole
    Plan(layers=(0, 1, 2), heads=2, width=16)
    >>> cost.parameters(cost.whole) - cost.parameters(Plan((0, 1, 2), 2, 15)) == 3 * (2 * 8 + 1)
    True
    """

    def __init__(self, model):
        config = model.config
        self.hidden, self.size = config.hidden_size, config.hidden_size // config.num_attention_heads
        heads, widths = structure.heads(model), structure.widths(model)
        self.whole = Plan(tuple(range(len(heads))), max(heads), max(widths))
        inside = sum(layer_parameters(self.hidden, h, self.size, w) for h, w in zip(heads, widths, strict=True))
        self._outside = counting.parameters(model) - inside
        self._head = self.hidden * self.hidden + self.hidden * config.num_labels  # pooler and classifier, one token

    def parameters(self, plan):
        """Count the parameters of the model cut to a plan."""
        return self._outside + len(plan.layers) * layer_parameters(self.hidden, plan.heads, self.size, plan.width)

    def macs(self, plan, *, length=12):
        """Count the multiply-adds for one text of `length` tokens."""
        return len(plan.layers) * layer_macs(length, self.hidden, plan.heads, self.size, plan.width) + self._head


class Times:
    """Milliseconds of plans that nobody timed: a + b · layers + c · multiply-adds, fitted to some that were.

    `measured` maps plans to milliseconds; no term is negative. b is what a layer costs however narrow it is.

    >>> from transformers import BertConfig
    >>> cost = Cost(structure.build(BertConfig(vocab_size=50, hidden_size=8, num_hidden_layers=3,
    ...                                        num_attention_heads=2, intermediate_size=16)))
    >>> plans = [Plan((0, 1, 2), 2, 16), Plan((0,), 2, 16), Plan((0, 1, 2), 2, 8)]
    >>> times = Times(cost, {plan: 1 + 2 * len(plan.layers) + cost.macs(plan) / 1e6 for plan in plans})
    >>> round(times.predict(Plan((0, 1), 1, 16)) - cost.macs(Plan((0, 1), 1, 16)) / 1e6, 3)
    5.0

    Raises SettingError for fewer than three plans: three numbers are sought.
    """

    def __init__(self, cost, measured, *, length=12):
        if len(measured) < 3:
            raise SettingError("at least three timed plans", received=str(len(measured)), do="Time some more.")
        self.cost, self.length = cost, length
        features = np.array([self._features(plan) for plan in measured])
        self._unit = features.max(axis=0)  # multiply-adds are millions: like sizes make the fit exact
        self._weights, _ = nnls(features / self._unit, np.array(list(measured.values())))

    def _features(self, plan):
        return 1.0, float(len(plan.layers)), float(self.cost.macs(plan, length=self.length))

    def predict(self, plan):
        """Predict the milliseconds of a plan."""
        return float(np.array(self._features(plan)) / self._unit @ self._weights)

    @property
    def parts(self):
        """Milliseconds of the whole model by what they are spent on: outside the layers, a layer's overhead, its work.

        The work is split between attention and feed-forward part by their multiply-adds.
        """
        plan, cost = self.cost.whole, self.cost
        fixed, overhead, work = np.array(self._features(plan)) / self._unit * self._weights
        attention = layer_macs(self.length, cost.hidden, plan.heads, cost.size, 0) * len(plan.layers)
        forward = layer_macs(self.length, cost.hidden, 0, cost.size, plan.width) * len(plan.layers)
        total = cost.macs(plan, length=self.length)
        return {
            "outside the layers": float(fixed + work * (total - attention - forward) / total),
            "overhead of layers": float(overhead),
            "attention": float(work * attention / total),
            "feed-forward": float(work * forward / total),
        }
