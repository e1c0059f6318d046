"""Step times come from real workers, each variant in its own way, and this machine is asked once."""

import numpy as np
import pytest
import small
import torch
from started import started
from transformers import BertConfig, BertForSequenceClassification

from labkit.cache import Cache
from labkit.distributed import scaling_demos as demos
from labkit.distributed.scaling import StepTime
from labkit.distributed.scaling_demos import Variant, measured_steps, random_shape, time_here
from labkit.errors import SettingError


@pytest.mark.parametrize("millions", [1, 5, 22.7, 25])
def test_a_random_model_has_about_the_size_asked_for(millions):
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig(**random_shape(millions), num_labels=5))
    assert model.num_parameters() / 1e6 == pytest.approx(millions, rel=0.25)


def test_another_way_is_refused():
    with pytest.raises(SettingError, match='"alone", "apart" or "together". Received \'both\''):
        Variant("both")


def fake(function, workers, model, ids, labels, variants, *, steps, progress):
    fake.asked.append((function, workers, len(ids), labels, steps))
    first = [(0.1 * (number + 1), 10.0 * number) for number in range(len(variants) // 2)]
    return [first + [(2 * seconds, sent) for seconds, sent in first], None]  # the second round is slower


def test_times_become_points_of_the_scaling_model_and_are_kept(tmp_path, monkeypatch):
    fake.asked = []
    monkeypatch.setattr("labkit.distributed.launch", fake)
    variants = [Variant("alone", 8), Variant("apart", 8), Variant("together", 8, hook="fp16")]
    texts, cache = ["gold and tin", "apple"], Cache(tmp_path)
    settings = {"name": "tiny", "cache": cache, "steps": 3}
    found = measured_steps(small.classifier(), texts, np.array([1, 0]), variants, **settings)
    assert list(found) == variants
    assert found[variants[0]] == StepTime(1, 8, 0.1, bytes=0.0, model="tiny")
    assert found[variants[1]] == StepTime(2, 8, 0.2, bytes=10.0, model="tiny")
    assert found[variants[2]] == StepTime(2, 8, pytest.approx(0.3), bytes=20.0, hook="fp16", model="tiny")
    assert measured_steps(small.classifier(), texts, np.array([1, 0]), variants, **settings) == found
    assert fake.asked == [(demos.step_times, 2, 2, [1, 0], 3)]
    other = measured_steps(small.classifier(seed=1), texts, np.array([1, 0]), variants, **settings)
    assert (other, len(fake.asked)) == (found, 2)


@pytest.mark.slow
def test_real_workers_take_every_variant():
    texts = small.TEXTS
    variants = [
        Variant("alone", 8), Variant("alone", 8, threads=2), Variant("apart", 8), Variant("together", 8),
        Variant("together", 8, share_rows=True), Variant("together", 8, hook="fp16"),
        Variant("together", 8, hook="powersgd"),
    ]  # fmt: skip
    classifier = small.classifier()
    settings = {"name": "tiny", "steps": 3, "rounds": 1, "progress": lambda *words: None}
    found = measured_steps(classifier, texts, small.LABELS, variants, **settings)
    whole = 4 * classifier.model.num_parameters()
    sizes = [found[variant].bytes for variant in variants]
    assert sizes[:3] == [0, 0, 0]
    assert sizes[3] == whole
    assert sizes[4] < whole / 10  # nearly all of the tiny model is its embedding
    assert sizes[5] == pytest.approx(whole / 2, rel=0.01)
    assert sizes[6] < whole / 2
    assert all(point.seconds > 0 for point in found.values())
    assert [point.workers for point in found.values()] == [1, 1, 2, 2, 2, 2, 2]


@pytest.mark.slow
def test_a_random_model_is_timed_alone_and_together():
    found = time_here(millions=1.0, batch=8, steps=2)
    assert set(found) == {"alone", "together"}
    assert all(seconds > 0 for seconds in found.values())
    assert started() == []
