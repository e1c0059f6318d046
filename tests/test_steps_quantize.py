"""The step: which parameter gets which bits, what is stored of it, with the other steps and through a packed file."""

import json
import statistics
import time

import numpy as np
import pytest
import small
import torch

from labkit import pack
from labkit.cache import Cache
from labkit.errors import SettingError
from labkit.policy import Policy
from labkit.quantization import Scheme, StraightThrough, dequantize, quantize
from labkit.steps import Distill, KeepLayers, MergeVocabulary, PruneMagnitude, Quantize, step_from_dict
from labkit.steps.base import encoder_weights

WORD = "bert.embeddings.word_embeddings.weight"
EMBEDDINGS = {WORD, "bert.embeddings.position_embeddings.weight", "bert.embeddings.token_type_embeddings.weight"}
HEAD = {"bert.pooler.dense.weight", "classifier.weight"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bits": 0}, "from 2 to 8 bits.*Received 0"),
        ({"bits": 1}, "from 2 to 8 bits.*Received 1"),
        ({"bits": 32}, "from 2 to 8 bits.*Received 32"),
        ({"bits": 4.0}, "from 2 to 8 bits.*Received 4.0"),
        ({"bits": True}, "from 2 to 8 bits.*Received True"),
        ({"group": 0}, "a group of at least one weight.*Received 0"),
        ({"group": "column"}, "a group of at least one weight.*Received 'column'"),
        ({"embedding_bits": 1}, "from 2 to 8 bits.*Received 1"),
        ({"embedding_bits": False}, "from 2 to 8 bits.*Received False"),
        ({"embedding_bits": "all"}, "from 2 to 8 bits.*Received 'all'"),
        ({"head_bits": 10}, "from 2 to 8 bits.*Received 10"),
        ({"vector_bits": 4}, "8, 16 or None for vectors. Received 4"),
        ({"layer_bits": ()}, r"layer_bits as a tuple with one number a layer. Received \(\)"),
        ({"layer_bits": 4}, "layer_bits as a tuple with one number a layer. Received 4"),
        ({"layer_bits": (4, 9)}, "from 2 to 8 bits.*Received 9"),
        ({"kind": "uniform"}, "from 0.3 to 6 bits on a uniform grid. Received 8"),
        ({"bits": None, "embedding_bits": None, "group": -1}, "a group of at least one weight.*Received -1"),
        ({"kind": "odd"}, "kind to be one of.*Received 'odd'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_any_training(options, words):
    with pytest.raises(SettingError, match=words):
        Quantize(**options)


def test_layer_bits_that_do_not_fit_the_model_are_told():
    with pytest.raises(SettingError, match=r"layer_bits with 2 numbers, one a layer. Received \(4, 4, 3\)"):
        Quantize(layer_bits=(4, 4, 3)).finish(small.classifier(layers=2))


STEPS = [
    Quantize(), Quantize(bits=1.5, group="row", embedding_bits=2, head_bits=8, vector_bits=16),
    Quantize(bits=None, embedding_bits=16), Quantize(bits=2.25, group="row", kind="uniform", aware=True),
    Quantize(bits=4, layer_bits=(4, None, 16, 3), kind="affine", clip="mse"),
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_a_step_comes_back_from_json(step):
    assert step_from_dict(json.loads(json.dumps(step.to_dict()))) == step
    assert hash(step_from_dict(json.loads(json.dumps(step.to_dict())))) == hash(step)


def finished(step, **options):
    classifier = small.classifier(**options)
    with torch.no_grad():
        for parameter in classifier.model.parameters():  # LayerNorm and biases that are not ones and zeros
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    before = small.state(classifier.model)
    step.finish(classifier)
    return classifier, before


@pytest.mark.parametrize("embedding_bits", ["same", None])
def test_the_step_rounds_to_nearest_in_groups_and_keeps_the_integers(embedding_bits):
    classifier, before = finished(Quantize(bits=4, group=8, embedding_bits=embedding_bits))
    expected = set(encoder_weights(classifier.model)) | (EMBEDDINGS if embedding_bits else set())
    assert set(classifier.encodings) == expected
    for name, tensor in classifier.model.state_dict().items():
        if name in expected:
            top = before[name].view(len(before[name]), -1, 8).abs().amax(dim=2) / 7
            code = classifier.encodings[name]
            assert torch.equal(code.scales, top.half())
            assert code.zeros is None
            assert torch.equal(tensor, dequantize(code))
            assert not torch.equal(tensor, before[name])
        else:
            assert torch.equal(tensor, before[name])


def test_every_part_gets_its_own_bits_and_nothing_is_forgotten():
    step = Quantize(bits=3, group=8, embedding_bits=2, head_bits=6, vector_bits=8, layer_bits=(5, 1.5))
    classifier, before = finished(step)
    assert set(classifier.encodings) == set(before), "every parameter is an integer now"
    tops = {2: 1, 6: 31, 5: 15, 1.5: 1}
    for name, code in classifier.encodings.items():
        found = classifier.model.state_dict()[name]
        if before[name].ndim == 1:
            assert code.integers.shape == (1, len(found))
            assert code.zeros is not None
            assert torch.equal(dequantize(code)[0], found)
            assert torch.allclose(found, before[name], atol=0.01)
            continue
        bits = 2 if name in EMBEDDINGS else 6 if name in HEAD else 5 if ".layer.0." in name else 1.5
        assert torch.equal(found, dequantize(quantize(before[name], Scheme(bits, 8))))
        assert int(code.integers.abs().max()) == tops[bits]


def test_sixteen_bits_are_a_cast_and_none_is_nothing():
    classifier, before = finished(Quantize(bits=16, head_bits=16, vector_bits=16, embedding_bits=None))
    assert classifier.encodings == {}
    for name, tensor in classifier.model.state_dict().items():
        assert torch.equal(tensor, before[name] if name in EMBEDDINGS else before[name].half().float()), name
    classifier, before = finished(Quantize(bits=4, layer_bits=(None, 16), embedding_bits=None))
    assert small.same({n: t for n, t in small.state(classifier.model).items() if ".layer.0." in n},
                      {n: t for n, t in before.items() if ".layer.0." in n})  # fmt: skip
    query = "bert.encoder.layer.1.attention.self.query.weight"
    assert torch.equal(classifier.model.state_dict()[query], before[query].half().float())


def test_weights_that_no_float16_can_hold_are_refused():
    classifier = small.classifier()
    classifier.model.classifier.bias.data[0] = 1e5
    with pytest.raises(SettingError, match="finite weights, none above 65,504. Received 100,000"):
        Quantize(vector_bits=16).finish(classifier)
    classifier.model.classifier.bias.data[0] = float("nan")
    for bits in (8, 16):
        with pytest.raises(SettingError, match="finite weights"):
            Quantize(vector_bits=bits).finish(classifier)


def test_only_a_step_that_trains_rounded_needs_training():
    assert Quantize(aware=True).needs_training
    assert not Quantize().needs_training
    assert Quantize().constrain(small.classifier()) == []
    with pytest.raises(SettingError, match="a training step beside Quantize"):
        Policy([Quantize(bits=2, aware=True)])


def test_training_holds_the_matrices_and_nothing_else():
    classifier = small.classifier()
    (callback,) = Quantize(
        bits=3, embedding_bits=16, head_bits=4, vector_bits=8, layer_bits=(None, 2), aware=True
    ).constrain(classifier)
    assert isinstance(callback, StraightThrough)
    assert set(callback.weights) == HEAD | set(encoder_weights(classifier.model, layers=(1,)))
    assert {name: scheme.bits for name, scheme in callback.schemes.items() if name in HEAD} == dict.fromkeys(HEAD, 4)


TRAIN = Distill(epochs=2, batch_size=16, learning_rate=1e-3)


@pytest.mark.parametrize(
    "quantize",
    [
        Quantize(bits=3, group=8, aware=True),
        Quantize(bits=1.5, group="row", aware=True, embedding_bits=2, head_bits=8, vector_bits=16),
        Quantize(bits=2.2, group="row", kind="uniform", aware=True, head_bits=4.0, vector_bits=8),
        Quantize(bits=3, group="row", kind="affine", clip="mse", layer_bits=(2, 4), aware=True),
    ],
    ids=repr,
)
def test_with_the_other_steps_through_training_and_the_packed_file(tmp_path, quantize):
    teacher, task, cache = small.classifier(layers=3), small.task(tmp_path), Cache(tmp_path / "cache")
    steps = [KeepLayers(2), MergeVocabulary(rows=500), PruneMagnitude(sparsity=0.5), quantize, TRAIN]
    path = Policy(steps).packed(teacher, task, cache=cache)
    found = pack.load(path)
    assert found.model.base_model.embeddings.word_embeddings.weight.shape[0] == 500
    for name, weight in encoder_weights(found.model).items():
        assert (weight == 0).float().mean() >= 0.49
        assert torch.equal(weight.data, dequantize(found.encodings[name]))
    stored = {row["name"]: row["stored"] for row in pack.inspect(path)}
    assert stored[WORD] == "integers"
    assert np.isfinite(found.logits(small.SENTENCES)).all()


def test_training_rounded_helps_where_bits_are_few(tmp_path):
    from labkit.fine_tuning import train_classifier
    from labkit.training import Training

    task, cache = small.task(tmp_path, rows=120), Cache(tmp_path / "cache")
    teacher = small.classifier(layers=2, dropout=0.0)
    train_classifier(teacher, task, training=Training(epochs=8, batch_size=8, learning_rate=5e-3))
    texts, train = task.texts("train"), Distill(epochs=6, batch_size=8, learning_rate=5e-3)

    def distance(steps):
        return np.abs(Policy(steps).apply(teacher, task, cache=cache).logits(texts) - teacher.logits(texts)).mean()

    rounded = Quantize(bits=1.5, group="row", embedding_bits=None)
    aware = Quantize(bits=1.5, group="row", embedding_bits=None, aware=True)
    assert distance([aware, train]) < 0.7 * min(distance([rounded]), distance([train, rounded]))


def test_the_same_numbers_in_a_fresh_policy_and_by_hand(tmp_path):
    # What was trained is what is stored: rounding at the end changes nothing any more.
    teacher, task = small.classifier(layers=2), small.task(tmp_path)
    step, seen = Quantize(bits=3, group=8, aware=True), {}

    class Last(StraightThrough):
        def __init__(self):
            super().__init__({}, {})

        def after_step(self, state):
            if state.step == state.steps:
                seen.update(small.state(state.model))

    found = Policy([step, TRAIN]).apply(teacher, task, cache=Cache(tmp_path / "cache"), callbacks=[Last()])
    for name in found.encodings:
        assert torch.equal(found.model.state_dict()[name], seen[name])


@pytest.mark.slow
def test_rounding_a_student_takes_less_than_thirty_milliseconds_a_step():
    shapes = [(12_000, 384), (512, 384)] + 3 * [(384, 384)] * 4 + 3 * [(1536, 384)] + 3 * [(384, 1536)]
    generator = torch.Generator().manual_seed(0)
    weights = {str(i): torch.nn.Parameter(0.05 * torch.randn(s, generator=generator)) for i, s in enumerate(shapes)}
    callback = StraightThrough(weights, dict.fromkeys(weights, Scheme(2, 64)))
    callback.on_start(None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for _ in range(20):
            callback._put(callback.exact)
            start = time.thread_time()  # of this thread, whatever else the machine is busy with
            callback._round()
            seconds.append(time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    assert statistics.median(seconds) < 0.03
