"""Prices of shapes: the counts are those of the real narrowed model, the fit finds what made the times."""

import pytest
from transformers import BertConfig

from labkit import counting, structure
from labkit.cost import Cost, Plan, Times, kept_layers
from labkit.errors import SettingError
from labkit.steps import KeepLayers


def model():
    config = BertConfig(
        vocab_size=60, hidden_size=24, num_hidden_layers=4, num_attention_heads=3, intermediate_size=40,
        max_position_embeddings=64, num_labels=5,
    )  # fmt: skip
    return structure.build(config)


PLANS = [
    Plan((0, 1, 2, 3), 3, 40), Plan((0, 1), 3, 40), Plan((0, 1, 2, 3), 1, 40), Plan((1, 3), 2, 7), Plan((0,), 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("length", [1, 12])
def test_counts_are_those_of_the_real_model(plan, length):
    whole, real = model(), model()
    structure.keep_heads(real, [range(plan.heads)] * 4)
    structure.keep_columns(real, [range(plan.width)] * 4)
    KeepLayers(plan.layers).prepare(type("Holder", (), {"model": real}))
    cost = Cost(whole)
    assert cost.parameters(plan) == counting.parameters(real)
    assert cost.macs(plan, length=length) == counting.macs(real, length=length)
    assert cost.whole == PLANS[0]


def test_a_narrowed_model_is_priced_from_what_it_has():
    narrow = model()
    structure.keep_heads(narrow, [range(2)] * 4)
    cost = Cost(narrow)
    assert cost.whole == Plan((0, 1, 2, 3), 2, 40)
    assert cost.parameters(cost.whole) == counting.parameters(narrow)
    assert cost.macs(cost.whole) == counting.macs(narrow)


def test_times_that_follow_the_rule_are_found_exactly():
    cost = Cost(model())
    rule = lambda plan: 0.4 + 0.3 * len(plan.layers) + cost.macs(plan) / 1e5  # noqa: E731
    times = Times(cost, {plan: rule(plan) for plan in PLANS[:4]})
    for plan in PLANS:
        assert times.predict(plan) == pytest.approx(rule(plan))
    parts = times.parts
    assert sum(parts.values()) == pytest.approx(rule(PLANS[0]))
    assert parts["overhead of layers"] == pytest.approx(1.2)
    assert parts["feed-forward"] == pytest.approx(4 * 12 * 2 * 24 * 40 / 1e5)
    assert parts["attention"] == pytest.approx(4 * 12 * (4 * 24 * 24 + 2 * 12 * 24) / 1e5)


def test_no_part_is_negative():
    cost = Cost(model())
    measured = {PLANS[0]: 1.0, PLANS[1]: 2.0, PLANS[2]: 3.0}  # nonsense: less work takes longer
    assert min(Times(cost, measured).parts.values()) >= 0


@pytest.mark.parametrize(
    ("keep", "way", "kept"),
    [
        (6, "last", (0, 1, 2, 3, 4, 5)),
        (4, "last", (0, 1, 2, 3)),
        (4, "first", (2, 3, 4, 5)),
        (4, "alternate", (0, 1, 2, 4)),
        (2, "alternate", (0, 2)),
        (1, "alternate", (0,)),
        (1, "first", (5,)),
    ],
)
def test_which_layers_stay(keep, way, kept):
    assert kept_layers(6, keep, way) == kept


def test_what_is_refused():
    with pytest.raises(SettingError, match=r"from 1 to 6 layers.* Received 0, 'last'"):
        kept_layers(6, 0)
    with pytest.raises(SettingError, match="Received 3, 'middle'"):
        kept_layers(6, 3, "middle")
    with pytest.raises(SettingError, match="at least three timed plans. Received 2"):
        Times(Cost(model()), {PLANS[0]: 1.0, PLANS[1]: 0.5})
