"""The widget of lesson 06: it keeps to the budget, says what the bits are, and measures the real model."""

import re

import numpy as np
import pytest
import runtime_models as models
import small

from labkit.cache import Cache
from labkit.errors import SettingError
from labkit.plots.style import png
from labkit.runtime.mixed import BITS, divergence, parts, plain_bytes, sensitivity, with_bits
from labkit.statistics import macro_f1
from labkit.widgets.int8 import FREE, Prices, measure_point, panel, scan, view

TEXTS = models.TEXTS


@pytest.fixture(scope="module")
def classifier():
    return small.classifier(hidden=32)


@pytest.fixture(scope="module")
def damage(classifier):
    random = np.random.default_rng(0)
    return {part: {b: float(scale) / 4**b for b in BITS} for part, scale in
            zip(parts(classifier.model), random.uniform(0.1, 9, size=20), strict=False)}  # fmt: skip


@pytest.fixture(scope="module")
def prices(classifier, damage):
    return Prices.of(classifier, damage)


def test_a_scan_gives_what_was_measured_and_the_prices_made_of_it(classifier, tmp_path):
    measured, prices = scan(classifier, TEXTS, cache=Cache(tmp_path))
    assert prices == sensitivity(classifier, TEXTS)
    before = classifier.logits(TEXTS)
    assert {part: tuple(row) for part, row in measured.items()} == dict.fromkeys(prices, (2, 3, 4))
    for bits, nats in measured["head"].items():
        assert nats == pytest.approx(divergence(before, with_bits(classifier, {"head": bits}).logits(TEXTS)))
    assert scan(classifier, TEXTS, cache=Cache(tmp_path)) == (measured, prices) == scan(classifier, TEXTS)


def test_everything_is_counted(classifier, prices):
    total = sum(p.numel() for p in classifier.model.parameters())
    assert 4 * (total - sum(prices.weights.values())) == prices.rest
    same = dict.fromkeys(prices.weights, 5)
    assert prices.size(same) == plain_bytes(prices.weights, same, rest=prices.rest) / 1e6
    assert prices.cost(same) == pytest.approx(sum(row[5] for row in prices.damage.values()))


@pytest.mark.parametrize("pinned", [FREE, "words 1/6", "head"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_the_budget_is_kept_and_the_pin_too(prices, pinned, share):
    low, high = (prices.size(dict.fromkeys(prices.weights, bits)) for bits in (2, 8))
    budget = low + share * (high - low)
    bits = prices.choose(budget, pinned=pinned, bits=4)
    assert list(bits) == list(prices.weights)
    if pinned != FREE:
        assert bits[pinned] == 4
    others = {part: count for part, count in bits.items() if part != pinned}
    assert prices.size(bits) <= budget + 1e-9 or set(others.values()) == {2}


def test_free_choice_is_never_worse_than_the_same_for_all(prices):
    for size, cost, _ in prices.uniform():
        assert prices.cost(prices.choose(size + 1e-9)) <= cost * 1.0001


def test_the_words_say_size_bits_and_divergence(prices):
    budget = prices.size(dict.fromkeys(prices.weights, 4))
    shown = view(prices, budget=budget, pinned=FREE, bits=8)
    bits = prices.choose(budget)
    assert shown.readout.startswith(f"{prices.size(bits):.2f} MB of weights")
    for part, count in bits.items():
        assert f"{part} {count}" in shown.readout
    assert f"Expected divergence {prices.cost(bits):.2g} nats" in shown.readout
    same = float(re.search(r"for all, at this size, (\S+)\.", shown.readout)[1])
    assert same >= prices.cost(bits) * 0.95
    assert png(shown.figure)


def test_a_pin_that_leaves_nothing_is_told(prices):
    low = prices.size(dict.fromkeys(prices.weights, 2))
    shown = view(prices, budget=low, pinned="words 1/6", bits=8)
    assert "more than the budget" in shown.readout
    assert "more than the budget" not in view(prices, budget=low, pinned=FREE, bits=8).readout
    with pytest.raises(SettingError, match="one of 12 parts. Received 'ears'"):
        view(prices, budget=low, pinned="ears", bits=8)


def test_every_step_of_every_slider_changes_the_picture(classifier, damage, tmp_path):
    made = panel(classifier, small.task(tmp_path), TEXTS, damage)
    assert made.params["pinned"] == "words 1/6"
    for name in ("budget", "bits"):
        control = made.controls[name]
        for _ in range(3):
            before = made.image.value
            control.value = control.value + control.step
            assert made.image.value != before, name
    low, high = made.controls["budget"].min, made.controls["budget"].max
    assert low < made.controls["budget"].value < high


def test_measuring_is_the_real_thing(classifier, damage, prices, tmp_path):
    task, told = small.task(tmp_path, rows=200), []
    params = {"budget": prices.size(dict.fromkeys(prices.weights, 4)), "pinned": "words 1/6", "bits": 3}
    point = measure_point(
        classifier, task, TEXTS, params, lambda *words: told.append(words), lambda: False, prices=prices
    )
    bits = prices.choose(params["budget"], pinned="words 1/6", bits=3)
    by_hand = with_bits(classifier, bits)
    assert point[0] == prices.size(bits)
    assert point[1] == pytest.approx(divergence(classifier.logits(TEXTS), by_hand.logits(TEXTS)))
    assert point[2] == macro_f1(task.truth("test"), by_hand.predict(task.texts("test")))
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    stopped = measure_point(classifier, task, TEXTS, params, lambda *words: None, lambda: True, prices=prices)
    assert stopped is None
    shown = view(prices, **params, measured=(point,))
    assert f"Last measured: {point[0]:.2f} MB, {point[1]:.2g} nats, macro-F1 {point[2]:.3f}." in shown.readout
