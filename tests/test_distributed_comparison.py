"""Runs are compared weight by weight: those that should be alike are, and one that is not shows."""

import pytest
import small
import together
import torch

from labkit.cache import Cache
from labkit.distributed import jobs, parity
from labkit.distributed.parity import Run, compare_runs, largest_difference, without_dropout
from labkit.errors import SettingError
from labkit.training import Training

ONCE = Training(epochs=2, batch_size=8, learning_rate=1e-3, optimizer="sgd")
RUNS = {
    "one": Run(1, training=ONCE),
    "two": Run(2, training=ONCE),
    "no sampler": Run(2, "nothing", training=ONCE),
    "stages": Run(2, "layers", training=ONCE),
    "faster": Run(1, training=Training(epochs=2, batch_size=8, learning_rate=1e-2, optimizer="sgd")),
}


def test_the_largest_difference_is_that_of_any_weight():
    one, other = small.classifier(seed=0).model, small.classifier(seed=0).model
    assert largest_difference(one, other) == 0
    with torch.no_grad():
        other.classifier.bias[1] -= 0.25
        other.bert.pooler.dense.weight[3, 4] += 0.125
    assert largest_difference(one, other) == pytest.approx(0.25)


def test_without_dropout_a_model_in_training_repeats_itself(tmp_path):
    without_dropout(small.classifier()).save(tmp_path)
    model = parity.Classifier.load(tmp_path).model.train()
    batch = {"input_ids": torch.tensor([[101, 7000, 8000, 102]])}
    assert torch.equal(model(**batch).logits, model(**batch).logits)


def test_without_a_sampler_a_worker_has_every_row_whatever_its_rank(tmp_path, monkeypatch):
    job = together.job(together.start(tmp_path / "start"), rows=21, batch=8)
    for rank in (0, 1):
        monkeypatch.setattr(jobs, "rank_and_size", lambda rank=rank: (rank, 2))
        for sampler, share in ((True, (11, 10)[rank]), (False, 21)):
            batches = jobs.own_batches(job.batches(small.tokenizer()), sampler=sampler)
            assert sum(len(batch["labels"]) for batch in batches.epoch(0)) == pytest.approx(share, abs=1)


def test_another_way_is_refused_before_anything_starts(tmp_path):
    runs = {"columns": Run(2, "columns", training=ONCE)}
    with pytest.raises(SettingError, match='"rows", "nothing" or "layers". Received \'columns\''):
        compare_runs(small.task(tmp_path), runs, start=together.start(tmp_path / "start"))


@pytest.mark.slow
def test_real_runs_that_should_be_alike_are_alike(tmp_path):
    task, start, cache = small.task(tmp_path), together.start(tmp_path / "start"), Cache(tmp_path / "cache")
    found = compare_runs(task, RUNS, start=start, cache=cache, progress=lambda *words: None)
    assert found["one"]["difference"] == 0
    for name in ("two", "no sampler", "stages"):
        assert 0 <= found[name]["difference"] < 1e-5, name
        assert found[name]["changed"] == 0
        assert found[name]["f1"] == found["one"]["f1"]
    assert found["faster"]["difference"] > 1e-3
    assert {one["steps"] for one in found.values()} == {found["one"]["steps"]}
    assert found["two"]["held"] == pytest.approx(2 * found["one"]["held"])
    first, last = found["stages"]["held"]
    assert first + last == pytest.approx(found["one"]["held"][0], rel=0.01)
    assert all(peak > 1e8 for one in found.values() for peak in one["peak"])
    assert found["two"]["sent"] > found["one"]["sent"] == 0
    # The second time nobody is asked.
    assert compare_runs(task, RUNS, start=start, cache=cache, progress=pytest.fail) == found
