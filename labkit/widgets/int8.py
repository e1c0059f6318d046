"""The widget of lesson 06: a size budget, the bits that each part then gets, and what that does to the answers."""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from labkit.errors import SettingError
from labkit.plots.int8 import bits_and_damage
from labkit.runtime.mixed import BITS, divergence, measured_damage, plain_bytes, smoothed, spend, weights_of, with_bits
from labkit.widgets.controls import choice, slider
from labkit.widgets.panel import Panel, View
from labkit.widgets.scoring import f1_unless_stopped

__all__ = ["FREE", "Prices", "panel", "scan", "view"]

FREE = "none, all bits are free"
START = {"pinned": "words 1/6", "bits": 4}


def scan(classifier, texts, *, cache=None):
    """Round one part at a time, and measure: what was measured, and the prices that are made of it.

    Both are {part: {bits: nats}}: measured at 2, 3 and 4 bits; the prices, smoothed and computed, at 2 to 8.
    """
    measured = measured_damage(classifier, texts, cache=cache)
    return measured, smoothed(measured)


@dataclass(frozen=True, eq=False)
class Prices:
    """What bits cost and save: `weights` counts those of each part, `damage` is {part: {bits: nats}}, `rest` the bytes
    of what is not rounded."""

    weights: dict
    damage: dict
    rest: int

    @classmethod
    def of(cls, classifier, damage):
        """Count the parts of a classifier; `damage` comes from `sensitivity`."""
        weights = weights_of(classifier.model)
        rest = 4 * (sum(parameter.numel() for parameter in classifier.model.parameters()) - sum(weights.values()))
        return cls(weights, damage, rest)

    def size(self, bits):
        """Megabytes of a choice of bits."""
        return plain_bytes(self.weights, bits, rest=self.rest) / 1e6

    def cost(self, bits):
        """The divergence that a choice of bits is expected to have: those of the parts, added up."""
        return sum(self.damage[part][count] for part, count in bits.items())

    def choose(self, megabytes, *, pinned=FREE, bits=8):
        """Spend a budget in megabytes, with one part's bits fixed where a part is `pinned`."""
        free = {part: count for part, count in self.weights.items() if part != pinned}
        fixed = {} if pinned == FREE else {pinned: bits}
        empty = dict.fromkeys(free, 0) | fixed  # the scales cost the same for any number of bits
        left = 8e6 * (megabytes - self.size(empty))
        chosen = spend(free, self.damage, left) | fixed
        return {part: chosen[part] for part in self.weights}

    def uniform(self):
        """The same bits for all parts: a list of (megabytes, nats, bits)."""
        same = [dict.fromkeys(self.weights, bits) for bits in BITS]
        return [(self.size(bits), self.cost(bits), count) for bits, count in zip(same, BITS, strict=True)]


@lru_cache(maxsize=8)
def _curve(prices):
    ends = [size for size, _, _ in prices.uniform()]
    chosen = [prices.choose(megabytes) for megabytes in np.linspace(ends[0], ends[-1], 60)]
    return [prices.size(bits) for bits in chosen], [prices.cost(bits) for bits in chosen]


def view(prices, *, budget, pinned, bits, measured=()):
    """The bits that a budget of megabytes buys for each part, with one part pinned where wanted.

    `measured` are (megabytes, nats, F1) of models that were really rounded and run.
    """
    if pinned not in (FREE, *prices.weights):
        raise SettingError(f"one of {len(prices.weights)} parts", received=repr(pinned), do="Pick one from the list.")
    chosen = prices.choose(budget, pinned=pinned, bits=bits)
    size, cost, uniform = prices.size(chosen), prices.cost(chosen), prices.uniform()
    fig = bits_and_damage(chosen, _curve(prices), uniform, (size, cost), budget=budget, pinned=pinned,
                          measured=[point[:2] for point in measured])  # fmt: skip
    words = "; ".join(f"{part} {count}" for part, count in chosen.items())
    readout = (
        f"{size:.2f} MB of weights, {4e-6 * sum(prices.weights.values()) / size:.1f} times smaller. Bits: {words}. "
    )
    if size > budget + 1e-6:
        readout += (
            f"That is more than the budget of {budget:.2f} MB: with 2 bits for all others nothing is left to save. "
        )
    sizes, costs, _ = zip(*uniform, strict=True)
    same = float(np.exp(np.interp(size, sizes, np.log(np.maximum(costs, 1e-12)))))
    readout += f"Expected divergence {cost:.2g} nats; with the same bits for all, at this size, {same:.2g}."
    if measured:
        size, nats, f1 = measured[-1]
        readout += f" Last measured: {size:.2f} MB, {nats:.2g} nats, macro-F1 {f1:.3f}."
    return View(fig, readout)


def measure_point(classifier, task, texts, params, progress, should_stop, *, prices):
    """Round the real model as set, and run it: (megabytes, nats on `texts`, F1 on the test rows), or None."""
    bits = prices.choose(params["budget"], pinned=params["pinned"], bits=params["bits"])
    progress(0.05, "rounding")
    rounded, before = with_bits(classifier, bits), classifier.logits(texts)
    if should_stop():
        return None
    nats = divergence(before, rounded.logits(texts))
    f1 = f1_unless_stopped(rounded, task, progress, should_stop, begin=0.2)
    return None if f1 is None else (prices.size(bits), nats, f1)


def panel(classifier, task, texts, damage):
    """Make the widget for a classifier: a budget, a part that is pinned, its bits; Measure rounds the real model.

    `damage` was measured on `texts` by `sensitivity`.
    """
    prices = Prices.of(classifier, damage)
    low, high = (prices.size(dict.fromkeys(prices.weights, bits)) for bits in (BITS[0], BITS[-1]))
    step = round((high - low) / 150, 2) or 0.01
    first = START | {"budget": round(1.6 * low, 2)}
    controls = {
        "budget": slider(
            "Budget (MB of weights)", low=round(low, 2), high=round(high, 2), value=first["budget"], step=step
        ),
        "pinned": choice("Pin the bits of", [FREE, *prices.weights], value=first["pinned"]),
        "bits": slider("Bits for the pinned part", low=2, high=8, value=first["bits"]),
    }
    return Panel(
        partial(view, prices), controls, measure=partial(measure_point, classifier, task, texts, prices=prices)
    )
