"""The calculator against real models: counted by torch, run in a process, timed on this machine."""

import math
import sys
import threading
import time

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification, BertModel, GPT2Config, GPT2LMHeadModel

from labkit import hardware
from labkit.cache import Cache
from labkit.errors import Interrupted, LabError, SettingError
from labkit.hardware import PUBLISHED, SHAPES, Shape, measured, tables, this_machine, wire, work, worker
from labkit.hardware.memory import activation_bytes, training_peak_bytes, training_state_bytes
from labkit.machine import probe

SMALL = BertConfig(
    vocab_size=1000, hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=320,
    max_position_embeddings=64, type_vocab_size=3,
)  # fmt: skip
SMALL_GPT = GPT2Config(vocab_size=500, n_positions=64, n_embd=48, n_layer=2, n_head=3, n_inner=100)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def on_meta(kind, config):
    with torch.device("meta"):
        return kind(config)


# Parameters


@pytest.mark.parametrize("name", ["MiniLM", "BERT-base", "BERT-large"])
def test_bert_has_the_parameters_of_the_real_model(name):
    assert hardware.parameters(SHAPES[name]) == count(on_meta(BertModel, SHAPES[name].to_config()))


@pytest.mark.parametrize("name", ["GPT-2", "GPT-2 XL", "GPT-3"])
def test_gpt_has_the_parameters_of_the_real_model(name):
    assert hardware.parameters(SHAPES[name]) == count(on_meta(GPT2LMHeadModel, SHAPES[name].to_config()))


def test_known_counts():
    assert hardware.parameters(SHAPES["MiniLM"]) == 22_713_216
    assert hardware.parameters(SHAPES["BERT-base"]) == 109_482_240
    assert hardware.parameters(SHAPES["BERT-large"]) == 335_141_888
    assert hardware.parameters(SHAPES["GPT-3"]) == pytest.approx(175e9, rel=0.005)


def test_unusual_shapes_are_counted_too():
    assert hardware.parameters(Shape.from_config(SMALL)) == count(BertModel(SMALL))
    assert hardware.parameters(Shape.from_config(SMALL_GPT)) == count(GPT2LMHeadModel(SMALL_GPT))
    SMALL.num_labels = 5
    classifier = Shape.from_config(SMALL, labels=5)
    assert hardware.parameters(classifier) == count(BertForSequenceClassification(SMALL))


def test_parts_are_the_parts_of_the_real_model():
    parts = hardware.parameters_by_part(SHAPES["BERT-base"])
    model = on_meta(BertModel, SHAPES["BERT-base"].to_config())
    assert parts["one layer"] == count(model.encoder.layer[0])
    assert parts["word embedding"] == model.embeddings.word_embeddings.weight.numel()
    assert parts["pooler and classifier"] == count(model.pooler)


def test_config_round_trip():
    shape = Shape.from_config(SMALL, name="x")
    assert Shape.from_config(shape.to_config(), name="x") == shape


def test_bad_shapes_are_refused():
    from transformers import T5Config

    with pytest.raises(SettingError, match="Expected the configuration of a BERT or GPT-2 model"):
        Shape.from_config(T5Config())
    with pytest.raises(SettingError, match="layers of 1 or more"):
        Shape.from_config(BertConfig(num_hidden_layers=0))
    with pytest.raises(SettingError, match="heads that divide the hidden size"):
        Shape(name="x", layers=1, hidden=10, heads=3, intermediate=4, vocabulary=4, positions=4)


# Operations


def counted_flops(model, **inputs):
    with torch.inference_mode(False), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.eval()(**inputs)
    return counter.get_total_flops()


@pytest.fixture
def plain_attention():
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(before)


@pytest.mark.parametrize(("batch", "length"), [(1, 16), (3, 40)])
@pytest.mark.usefixtures("plain_attention")
def test_forward_flops_are_what_torch_counts(batch, length):
    words = torch.zeros(batch, length, dtype=torch.long)
    for config, kind in ((SMALL, BertModel), (SMALL_GPT, GPT2LMHeadModel)):
        told = work.forward(Shape.from_config(config), batch=batch, length=length).flops
        assert told == counted_flops(kind(config), input_ids=words)


@pytest.mark.usefixtures("plain_attention")
def test_training_is_three_forward_passes():
    words = torch.zeros(2, 16, dtype=torch.long)
    model = BertModel(SMALL)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(input_ids=words).pooler_output.sum().backward()
    told = work.training_step(Shape.from_config(SMALL), batch=2, length=16).flops
    # The first product needs no gradient for its input (words are numbers, not a result).
    assert counter.get_total_flops() == pytest.approx(told, rel=0.02)


def test_bytes_of_a_forward_pass():
    shape = SHAPES["BERT-base"]
    one = work.forward(shape, batch=1, length=1)
    # All weights but the word embedding have to come from memory; little else moves for a single token.
    weights = 4 * (hardware.parameters(shape) - shape.vocabulary * shape.hidden)
    assert weights < one.bytes < 1.02 * weights
    half = work.forward(shape, batch=1, length=1, weight_bytes=2)
    assert half.bytes == pytest.approx(one.bytes / 2)
    assert half.flops == one.flops


def test_layer_products_are_six_dense_layers():
    shape, tokens = Shape.from_config(SMALL), 7
    dense = [(96, 96)] * 4 + [(96, 320), (320, 96)]
    flops = sum(2 * tokens * m * n for m, n in dense)
    moved = sum(4 * (m * n + tokens * (m + n)) for m, n in dense)
    found = work.layer_products(shape, tokens=tokens)
    assert (found.flops, found.bytes) == (flops, moved)


# Memory


def test_state_of_training():
    n = hardware.parameters(SHAPES["BERT-base"])
    for optimizer, bytes_each in {"sgd": 8, "momentum": 12, "adam": 16}.items():
        assert sum(training_state_bytes(SHAPES["BERT-base"], optimizer=optimizer).values()) == bytes_each * n
    assert sum(training_state_bytes(SHAPES["BERT-base"], mixed=True).values()) == 16 * n
    with pytest.raises(SettingError, match="Expected an optimizer of"):
        training_state_bytes(SHAPES["BERT-base"], optimizer="lion")


@pytest.mark.parametrize("dropout", [True, False])
@pytest.mark.parametrize(("batch", "length"), [(4, 32), (2, 64)])
def test_activations_are_what_autograd_keeps(batch, length, dropout):
    config = BertConfig.from_dict({**SMALL.to_dict(), "num_labels": 2})
    if not dropout:
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    model, loss = worker.build(config, labels=0)
    kept = worker.kept_for_backward(model, lambda: loss(batch, length))
    told = activation_bytes(Shape.from_config(config), batch=batch, length=length, dropout=dropout)
    assert told == pytest.approx(kept, rel=0.01)


def test_peak_has_two_regimes():
    shape = SHAPES["BERT-base"]
    state = sum(training_state_bytes(shape).values())
    few, more = (training_peak_bytes(shape, batch=batch, length=8) for batch in (1, 2))
    assert few == more > state  # the update is the peak
    many, twice = (training_peak_bytes(shape, batch=batch, length=128) for batch in (32, 64))
    assert twice - many == pytest.approx(32 / 32 * (many - 12 * hardware.parameters(shape)), rel=0.01)


def test_sizes_below_one_are_refused():
    with pytest.raises(SettingError, match="a batch of 1 or more"):
        activation_bytes(SHAPES["MiniLM"], batch=0, length=8)
    with pytest.raises(SettingError, match="a length of 1 or more"):
        hardware.inference_bytes(SHAPES["MiniLM"], batch=1, length=0)


@pytest.mark.skipif(sys.platform != "linux", reason="exact only where freed memory is given back at once")
@pytest.mark.parametrize(("batch", "length"), [(32, 32), (1, 8)])
def test_training_memory_is_as_measured(batch, length):
    shape = SHAPES["MiniLM"]
    found = measured.measure_step(shape, batch=batch, length=length)
    assert found.parameters == hardware.parameters(shape)
    assert found.static_bytes == pytest.approx(sum(training_state_bytes(shape).values()), rel=0.05)
    assert found.peak_bytes == pytest.approx(training_peak_bytes(shape, batch=batch, length=length), rel=0.10)
    assert found.activation_bytes == pytest.approx(activation_bytes(shape, batch=batch, length=length), rel=0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="exact only where freed memory is given back at once")
def test_inference_memory_is_as_measured():
    shape = SHAPES["MiniLM"]
    found = measured.measure_step(shape, batch=32, length=128, train=False)
    assert found.activation_bytes is None
    told = hardware.inference_bytes(shape, batch=32, length=128)
    assert found.peak_bytes == pytest.approx(told, rel=0.15)
    assert found.static_bytes == pytest.approx(4 * hardware.parameters(shape), rel=0.05)


def test_several_models_are_trained_side_by_side(monkeypatch):
    asked = []

    def stand_in(shape, **how):
        asked.append((shape.name, how["batch"], how["activations"]))
        return shape.name

    monkeypatch.setattr(measured, "measure_step", stand_in)
    sizes = {"MiniLM": (2, 8), "BERT-base": (1, 8)}
    assert measured.measure_training(sizes, count_in=["MiniLM"]) == {"MiniLM": "MiniLM", "BERT-base": "BERT-base"}
    assert sorted(asked) == [("BERT-base", 1, False), ("MiniLM", 2, True)]


def test_with_a_cache_a_machine_is_asked_once(monkeypatch, tmp_path):
    asked, cache = [], Cache(tmp_path)

    def stand_in(shape, **how):
        asked.append(shape.name)
        return measured.Measured(1, 2, 3, 0.5, 4)

    monkeypatch.setattr(measured, "measure_step", stand_in)
    sizes = {"MiniLM": (2, 8)}
    first, again = (measured.measure_training(sizes, cache=cache) for _ in range(2))
    assert first == again == {"MiniLM": measured.Measured(1, 2, 3, 0.5, 4)}
    measured.measure_training(sizes, threads=2, cache=cache)
    assert asked == ["MiniLM", "MiniLM"]


def test_impossible_measurements_are_refused_before_they_start():
    with pytest.raises(SettingError, match=r"Expected at most 512 tokens for MiniLM. Received 513"):
        measured.measure_step(SHAPES["MiniLM"], batch=1, length=513)
    with pytest.raises(SettingError, match="Received GPT-3, which needs about"):
        measured.measure_step(SHAPES["GPT-3"], batch=1, length=8)


def test_a_measurement_can_be_stopped():
    pressed = threading.Event()
    threading.Timer(0.3, pressed.set).start()
    started = time.perf_counter()
    with pytest.raises(Interrupted, match="Received a stop"):
        measured.measure_step(SHAPES["MiniLM"], batch=32, length=128, should_stop=pressed.is_set)
    assert time.perf_counter() - started < 5


def test_a_worker_that_fails_says_why(monkeypatch):
    shape = SHAPES["MiniLM"]
    monkeypatch.setattr(Shape, "to_config", lambda self: BertConfig(hidden_size=10, num_attention_heads=3))
    with pytest.raises(LabError, match=r"Expected MiniLM to run once. Received ValueError"):
        measured.measure_step(shape, batch=1, length=8)


# Roofline


def test_attainable_is_the_lower_of_two_lines():
    for intensity in (0.1, 1, 9.99, 10, 1000):
        told = hardware.attainable(intensity, peak=100.0, bandwidth=10.0)
        assert told == (10.0 * intensity if intensity < 10 else 100.0)
    with pytest.raises(SettingError, match="bandwidth above 0"):
        hardware.attainable(1.0, peak=1.0, bandwidth=0.0)


def test_estimate_is_the_longer_of_two_times():
    pi = PUBLISHED["Raspberry Pi 5, 8 GB"]
    for batch in (1, 64):
        job = work.forward(SHAPES["MiniLM"], batch=batch, length=4)
        told = hardware.estimate(job, pi)
        arithmetic, memory = job.flops / pi.peak(4), job.bytes / pi.bandwidth
        assert told.seconds == pytest.approx(max(arithmetic, memory))
        assert told.bound == ("compute-bound" if arithmetic >= memory else "bandwidth-bound")


def test_devices_say_where_their_figures_come_from():
    for device in PUBLISHED.values():
        assert device.kind == "published"
        assert device.source
        assert device.peak(4) <= device.peak(2) <= device.peak(1)
    assert PUBLISHED["Google TPU v4"].peak(4) == 275e12  # it multiplies in 16 bits


def test_this_machine_is_what_was_probed():
    machine = probe()
    device = this_machine(machine)
    assert device.peak(4) == machine.gflop_s * 1e9
    assert device.memory == machine.memory_bytes
    one = this_machine(machine, threads=1)
    assert (one.peak(4), one.bandwidth) == (
        machine.gflop_s_one_thread * 1e9, machine.bandwidth_gb_s_one_thread * 1e9,
    )  # fmt: skip


def test_layer_speeds_stay_under_the_roof_and_grow():
    speeds = measured.layer_speeds(SHAPES["MiniLM"], tokens=(1, 32, 256), seconds=0.05)
    device = this_machine(threads=1)
    for speed in speeds:
        roof = hardware.attainable(speed.intensity, peak=device.peak(4), bandwidth=device.bandwidth)
        # A small layer can stay in a large cache, above the line for memory; never far above the peak.
        assert speed.flop_s < 1.5 * max(roof, device.peak(4))
        told = work.layer_products(SHAPES["MiniLM"], tokens=speed.tokens)
        assert math.isclose(speed.flop_s * speed.seconds, told.flops)
    one, some, many = (speed.flop_s for speed in speeds)
    # Many tokens share what one token pays for alone; by how much is the machine's business.
    assert one < max(some, many)


# On the wire, and side by side


def test_two_workers_send_what_the_ring_says(tmp_path):
    shapes = [SHAPES["MiniLM"]]
    (sent,) = wire.measure_all_reduce(shapes, cache=Cache(tmp_path))
    assert wire.measure_all_reduce(shapes, cache=Cache(tmp_path)) == [sent]
    assert sent.bytes == pytest.approx(wire.all_reduce_bytes(shapes[0], workers=2), rel=0.05)
    assert sent.seconds > 0


def test_more_workers_send_at_most_twice_the_gradient():
    gradient = 4 * hardware.parameters(SHAPES["MiniLM"])
    shares = [wire.all_reduce_bytes(SHAPES["MiniLM"], workers=count) / gradient for count in (1, 2, 4, 1000)]
    assert shares == pytest.approx([0, 1, 1.5, 1.998])


def test_workers_that_fail_say_why(monkeypatch):
    monkeypatch.setattr(wire, "parameters", lambda shape: "no number")
    with pytest.raises(LabError, match="Expected two workers to talk over loopback"):
        wire.measure_all_reduce([SHAPES["MiniLM"]])


def test_torch_counts_gpt_and_bert_alike():
    for name in ("MiniLM", "GPT-2"):
        told = work.forward(SHAPES[name], batch=2, length=8).flops
        assert measured.counted_flops(SHAPES[name], batch=2, length=8) == told
    assert torch.backends.mha.get_fastpath_enabled()


def test_tables_put_both_beside_one_another():
    sizes = tables.that_fit({"MiniLM": (2, 8), "GPT-3": (1, 8)}, memory=10**9)
    n = hardware.parameters(SHAPES["MiniLM"])
    step = measured.Measured(16 * n, 2 * 16 * n, None, 1.0, n)
    steps = {"MiniLM": step}
    row = tables.training_rows(sizes, steps)["MiniLM"]
    assert row["measured between steps (MB)"] == row["16 bytes a parameter (MB)"] == 363
    state, peak = tables.ratios(sizes, steps)["MiniLM"]
    assert state == 1
    assert peak == pytest.approx(32 * n / training_peak_bytes(SHAPES["MiniLM"], batch=2, length=8))
    rows = tables.moment_rows(sizes)
    assert max(sum(parts.values()) for parts in rows.values()) == training_peak_bytes(
        SHAPES["MiniLM"], batch=2, length=8
    )


def test_layers_and_devices_are_judged_by_the_roofline():
    device = PUBLISHED["Raspberry Pi 5, 8 GB"]
    speeds = [measured.LayerSpeed(1, 0.5, 1e9, 0.5), measured.LayerSpeed(256, 2.0, 1e9, 80.0)]
    rows = tables.layer_rows(SHAPES["BERT-base"], speeds, device, named={"few": 1, "many": 256})
    assert [row["so it is"] for row in rows.values()] == ["bandwidth-bound", "compute-bound"]
    assert [row["measured (ms)"] for row in rows.values()] == [500, 2000]
    found = tables.device_rows(SHAPES["BERT-base"], PUBLISHED.values())
    assert found["NVIDIA A100 40 GB"]["batch 1"] == "bandwidth-bound"
    assert found["NVIDIA A100 40 GB"]["ridge (FLOP/byte)"] == pytest.approx(312e12 / 1555e9, abs=0.1)


def test_growth_has_all_models_and_both_kinds_of_number():
    step = measured.Measured(1, 2, None, 1.0, 3)
    sent = {"MiniLM": wire.Sent(7.0, 0.1)}
    panels = tables.growth(probe(), {"MiniLM": step}, flops={"MiniLM": 5}, sent=sent)
    assert [panel["measured"]["MiniLM"] for panel in panels.values()] == [5, 1, 7.0]
    for panel in panels.values():
        values = [panel["calculated"][name] for name in SHAPES]
        assert values[0] == min(values)
        assert values[-1] == max(values)
