"""Bits for each part: counted, spent greedily, and the damage that was measured."""

from itertools import product

import numpy as np
import pytest
import runtime_models as models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import pack
from labkit.cache import Cache
from labkit.errors import SettingError
from labkit.quantization import dequantize
from labkit.runtime import flips, mixed
from labkit.runtime.mixed import BITS, divergence, parts, plain_bytes, sensitivity, spend, with_bits

TEXTS = models.TEXTS


WORDS = "bert.embeddings.word_embeddings.weight"


def test_every_row_of_every_matrix_is_in_one_part():
    classifier = models.full()
    found = parts(classifier.model)
    rows = {}
    for pieces in found.values():
        for name, piece in pieces:
            rows.setdefault(name, []).extend(range(piece.start, piece.stop))
    matrices = {name: p for name, p in classifier.model.named_parameters() if p.ndim == 2}
    assert {name: sorted(numbers) for name, numbers in rows.items()} == {
        name: list(range(len(p))) for name, p in matrices.items()
    }
    assert list(found) == [f"words {n}/6" for n in range(1, 7)] + [
        "positions", "layer 0 attention", "layer 0 feed-forward", "layer 1 attention", "layer 1 feed-forward", "head",
    ]  # fmt: skip
    assert len(found["layer 0 attention"]) == 4
    assert mixed.weights_of(classifier.model)["head"] == 32 * 32 + 3 * 32
    assert sum(mixed.weights_of(classifier.model).values()) == sum(p.numel() for p in matrices.values())


def test_only_the_named_parts_are_rounded_to_their_levels():
    classifier = models.full()
    rounded = with_bits(classifier, {"layer 1 attention": 3, "words 2/6": 2})
    before, after = classifier.model.state_dict(), rounded.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    attention = {name for name, _ in parts(classifier.model)["layer 1 attention"]}
    assert changed == {*attention, WORDS}
    assert set(rounded.encodings) == attention  # the other rows of the table are still floats
    moved = (before[WORDS] != after[WORDS]).any(dim=1).nonzero().flatten()
    assert (moved.min(), moved.max()) == (5087, 10173)
    assert len(np.unique(after[WORDS][6000].numpy())) <= 3
    with pytest.raises(SettingError, match=r"parts among .*Received \['ears'\]"):
        with_bits(classifier, {"ears": 4})


def test_rows_of_different_bits_make_one_encoding(tmp_path):
    bits = {f"words {n}/6": n + 1 for n in range(1, 7)}
    rounded = with_bits(models.full(), bits)
    code, table = rounded.encodings[WORDS], rounded.model.get_parameter(WORDS).detach()
    assert torch.equal(dequantize(code), table)
    highest = [int(code.integers[5087 * n : 5087 * (n + 1)].abs().max()) for n in range(6)]
    assert highest == [2 ** (n + 1) - 1 for n in range(6)]
    pack.save(rounded, tmp_path / "mixed.pack")
    again = pack.load(tmp_path / "mixed.pack")
    assert np.array_equal(again.logits(TEXTS), rounded.logits(TEXTS))
    assert {row["name"]: row["stored"] for row in pack.inspect(tmp_path / "mixed.pack")}[WORDS] == "integers"


def test_divergence_against_torch():
    first, second = torch.randn(6, 4), torch.randn(6, 4)
    logs = [torch.log_softmax(x.double(), dim=1) for x in (first, second)]
    expected = torch.nn.functional.kl_div(logs[1], logs[0], log_target=True, reduction="batchmean")
    assert divergence(first.numpy(), second.numpy()) == pytest.approx(expected.item())
    assert divergence(first.numpy(), first.numpy()) == 0


def test_the_scan_rounds_one_part_at_a_time(tmp_path):
    classifier, told = models.full(), []
    found = sensitivity(classifier, TEXTS, cache=Cache(tmp_path), progress=lambda share, words: told.append(share))
    assert list(found) == list(parts(classifier.model))
    assert told[-1] == 1
    before = classifier.logits(TEXTS)
    after = with_bits(classifier, {"words 1/6": 2}).logits(TEXTS)
    assert found["words 1/6"][2] == pytest.approx(divergence(before, after))
    assert mixed._extended({2: 9.0, 3: 3.0, 4: 3.0})[4] == pytest.approx(3.0 - (3.0 - 0.75) / 2)
    for row in found.values():
        values = [row[bits] for bits in BITS]
        assert values == sorted(values, reverse=True)
        saved = -np.diff(values)
        assert all(saved[:-1] >= saved[1:] - 1e-12)  # each bit saves no more than the one before
        assert row[8] == pytest.approx(row[7] / 4)
    told.clear()
    assert sensitivity(classifier, TEXTS, cache=Cache(tmp_path), progress=lambda *words: told.append(words)) == found
    assert told == []


@given(st.lists(st.tuples(st.integers(1, 60), st.floats(0.01, 9)), min_size=1, max_size=6), st.floats(1.5, 9))
@settings(max_examples=80, deadline=None)
def test_a_budget_is_kept_and_used_up(rows, share):
    weights = {f"part {i}": size for i, (size, _) in enumerate(rows)}
    damage = {f"part {i}": {b: scale / 4**b for b in BITS} for i, (_, scale) in enumerate(rows)}
    budget = share * sum(weights.values())
    bits = spend(weights, damage, budget)
    used = sum(weights[part] * count for part, count in bits.items())
    assert all(2 <= count <= 8 for count in bits.values())
    assert used <= budget or set(bits.values()) == {2}
    assert all(bits[part] == 8 or used + weights[part] > budget for part in weights)


def test_no_choice_of_equal_parts_is_better():
    random = np.random.default_rng(3)
    weights = dict.fromkeys("abc", 10)
    damage = {part: {b: float(random.uniform(0.5, 5)) * 4.0**-b for b in BITS} for part in weights}
    damage = {part: {b: scale[2] * 4.0 ** (2 - b) for b in BITS} for part, scale in damage.items()}
    for budget in (60, 90, 130, 200):
        best = min(
            sum(damage[part][b] for part, b in zip("abc", bits, strict=True))
            for bits in product(BITS, repeat=3) if 10 * sum(bits) <= budget
        )  # fmt: skip
        bits = spend(weights, damage, budget)
        assert sum(damage[part][b] for part, b in bits.items()) == pytest.approx(best)


def test_bytes_with_their_scales():
    assert plain_bytes({"a": 128, "b": 64}, {"a": 8, "b": 2}, rest=7) == (128 * 8 + 64 * 2) // 8 + 3 * 2 + 7


class Crowd:
    """Says 1 for a text that contains "lead", where it is not alone."""

    fingerprint = "crowd"

    def logits(self, texts, *, batch_size, progress=None):
        return np.eye(2)[[int(batch_size > 1 and "lead" in text) for text in texts]]


def test_flips_are_counted_by_text(tmp_path):
    assert flips(Crowd(), TEXTS, cache=Cache(tmp_path)) == sum("lead" in text for text in TEXTS) == 1
    assert flips(models.full(), TEXTS, cache=Cache(tmp_path)) == 0
    assert mixed.GROUP == 64
