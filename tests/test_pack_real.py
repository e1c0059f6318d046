"""Real weights: entropy-coded within two percent of their entropy, tables and all, and decoded in a second."""

import time

import numpy as np
import pytest

from labkit import pack
from labkit.classifier import pretrained
from labkit.coding import entropy
from labkit.quantization import dequantize
from labkit.steps import PruneMagnitude, Quantize

LABELS = ("a", "b", "c", "d", "e")
POLICIES = {
    "8 bits": [Quantize(bits=8, group=64, head_bits=8, vector_bits=16)],
    "4 bits": [Quantize(bits=4, group=64)],
    "about 2 bits": [Quantize(bits=2, group="row", kind="uniform")],
    "one step a matrix": [Quantize(bits=2, group="tensor", kind="uniform")],
    "sparse and 3 bits": [PruneMagnitude(sparsity=0.7), Quantize(bits=3, group="row")],
}


@pytest.fixture(scope="module", params=POLICIES)
def packed(request, tmp_path_factory):
    classifier = pretrained(LABELS)
    for step in POLICIES[request.param]:
        step.prepare(classifier)
        step.finish(classifier)
    path = tmp_path_factory.mktemp("packed") / "model.pack"
    pack.save(classifier, path)
    return classifier, path


def test_integers_take_at_most_two_percent_more_than_their_entropy(packed):
    classifier, path = packed
    rows = {row["name"]: row for row in pack.inspect(path)}
    floor, taken = {}, {}
    for name, code in classifier.encodings.items():
        floor[name] = entropy(code.integers.numpy()) * code.integers.numel() / 8
        taken[name] = rows[name]["bytes"] - rows[name]["scale_bytes"]
        if code.integers.numel() > 10_000:
            assert taken[name] <= 1.02 * floor[name], name
    everything = sum(taken.values()) + rows["tables of frequencies"]["bytes"]
    print(f"{everything / sum(floor.values()) - 1:+.2%} over the entropy of all, tables included")
    assert everything <= 1.02 * sum(floor.values())


def test_the_weights_are_the_same_and_there_in_a_second(packed):
    classifier, path = packed
    wall, start = time.perf_counter(), time.process_time()
    again = pack.load(path)
    # The processor's time: other programs do not count, and what runs on two cores counts twice.
    seconds = time.process_time() - start
    print(f"{path.stat().st_size:,} bytes, loaded in {seconds:.2f} s ({time.perf_counter() - wall:.2f} s by the clock)")
    for name, code in classifier.encodings.items():
        assert np.array_equal(dequantize(again.encodings[name]).numpy(), dequantize(code).numpy())
    assert seconds < 2  # measured: 0.4 to 0.8
