"""What a scheme means, what it costs, and what makes no sense."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.coding import entropy
from labkit.errors import SettingError
from labkit.quantization import Scheme, bits_of, step_of


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        ({"bits": 8}, (-127, 127)),
        ({"bits": 2}, (-1, 1)),
        ({"bits": 1.5}, (-1, 1)),
        ({"bits": 8, "kind": "affine"}, (-128, 127)),
        ({"bits": 2, "kind": "affine"}, (-2, 1)),
        ({"bits": 2.5, "kind": "uniform"}, (-127, 127)),
    ],
)
def test_levels(options, levels):
    assert Scheme(**options).levels == levels


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bits": 0}, "from 2 to 8 bits.*Received 0"),
        ({"bits": 1}, "from 2 to 8 bits.*Received 1"),
        ({"bits": 9}, "from 2 to 8 bits.*Received 9"),
        ({"bits": 4.0}, "from 2 to 8 bits.*Received 4.0"),
        ({"bits": True}, "from 2 to 8 bits.*Received True"),
        ({"bits": None}, "from 2 to 8 bits.*Received None"),
        ({"bits": 1.5, "kind": "affine"}, "or on a symmetric grid 1.5.*Received 1.5"),
        ({"bits": 8, "kind": "uniform"}, "from 0.3 to 6 bits on a uniform grid. Received 8"),
        ({"bits": float("nan"), "kind": "uniform"}, "on a uniform grid. Received nan"),
        ({"group": 0}, 'a group of at least one weight, "row" or "tensor". Received 0'),
        ({"group": "channel"}, "a group of at least one weight.*Received 'channel'"),
        ({"group": True}, "a group of at least one weight.*Received True"),
        ({"kind": "asymmetric"}, r"kind to be one of \('symmetric', 'affine', 'uniform'\). Received 'asymmetric'"),
        ({"clip": "best"}, r"clip to be one of \('max', 'mse'\). Received 'best'"),
    ],
)
def test_settings_that_make_no_sense(options, words):
    with pytest.raises(SettingError, match=words):
        Scheme(**options)


@pytest.mark.parametrize(
    ("options", "bits"),
    [
        ({"bits": 4, "group": 64}, 4 + 16 / 64),
        ({"bits": 4, "group": "row"}, 4 + 16 / 100),
        ({"bits": 4, "group": "tensor"}, 4 + 16 / 500),
        ({"bits": 3, "group": 64, "kind": "affine"}, 3 + 10 * 24 / 500),  # the second group of a row has 36 weights
    ],
)
def test_scales_and_zeros_are_counted(options, bits):
    shape = (5, 100) if options["group"] != 64 or "kind" in options else (5, 128)
    assert Scheme(**options).bits_a_weight(shape) == pytest.approx(bits)


@pytest.mark.parametrize("step", [0.1, 0.5, 1.0, 1.4, 2.5])
def test_the_entropy_is_that_of_many_random_numbers(step):
    numbers = np.random.default_rng(0).normal(size=400_000)
    assert bits_of(step) == pytest.approx(entropy(np.round(numbers / step)), abs=0.01)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.floats(0.3, 6.0))
def test_step_and_bits_undo_each_other(bits):
    assert bits_of(step_of(bits)) == pytest.approx(bits, abs=1e-9)
