"""Workers that train together end with the weights of one process, whatever the shards, the optimizer and the parts."""

from dataclasses import replace

import numpy as np
import pytest
import together

from labkit.classifier import Classifier
from labkit.distributed import launch
from labkit.distributed.data_parallel import Parallel, rank_and_size, unwrap, wrap
from labkit.distributed.jobs import check_workers, distributed_fine_tune, train
from labkit.errors import SettingError

PLAIN = Parallel(share_rows=False)
# 50 steps or so each. 65 rows in batches of 32 leave a batch of one row: fewer than workers.
CASES = {
    "sgd": {"optimizer": "sgd", "rate": 0.05},
    "adamw": {},
    "sgd, last batch of one row": {"rows": 65, "epochs": 17, "optimizer": "sgd", "rate": 0.05, "parallel": PLAIN},
    "adamw, batch of 31, parts of 5 rows": {"rows": 62, "batch": 31, "micro_batch": 5},
    "adamw, memory": {"rows": 63, "batch": 31, "epochs": 17, "parallel": Parallel(through="memory")},
    "sgd, memory, parts of 5 rows, last batch of one row": {
        "rows": 65, "epochs": 17, "micro_batch": 5, "optimizer": "sgd", "rate": 0.05,
        "parallel": Parallel(through="memory"),
    },
    "sgd, batch of 31, parts of 4 rows, small buckets": {
        "rows": 62, "batch": 31, "micro_batch": 4, "optimizer": "sgd", "rate": 0.05,
        "parallel": Parallel(share_rows=False, bucket_mb=0.01),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return together.start(tmp_path_factory.mktemp("parity") / "start")


@pytest.fixture(scope="module")
def runs(place, tmp_path_factory):
    """What each number of workers makes of the cases: (facts of each worker, folder of the trained classifiers)."""

    def run(workers):
        folder = tmp_path_factory.mktemp(f"workers-{workers}")
        jobs = [together.job(place, out=str(folder / name), **settings) for name, settings in CASES.items()]
        found = [together.train_all(jobs)] if workers == 1 else launch(together.train_all, workers, jobs)
        return dict(zip(CASES, zip(*found, strict=True), strict=True)), folder

    return {workers: run(workers) for workers in (1, 2, 4)}


def weights(folder):
    return Classifier.load(folder).model.state_dict()


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("name", CASES)
def test_the_weights_and_predictions_are_those_of_one_process(runs, name, workers):
    (alone,), folder = runs[1][0][name], runs[1][1]
    found, other = runs[workers][0][name], runs[workers][1]
    one, several = weights(folder / name), weights(other / name)
    assert max((one[key] - several[key]).abs().max().item() for key in one) <= 1e-5
    for facts in found:
        assert facts["same_weights"]
        assert np.array_equal(facts["predictions"], alone["predictions"])
        assert facts["losses"] == pytest.approx(alone["losses"], abs=1e-5)
        assert (facts["steps"], facts["workers"]) == (alone["steps"], workers)


def test_the_runs_that_are_compared_did_learn(runs, place):
    before = weights(place)
    for name, (facts,) in runs[1][0].items():
        after = weights(runs[1][1] / name)
        assert max((after[key] - before[key]).abs().max().item() for key in before) > 1e-3
        assert facts["steps"] >= 50
        assert len(set(facts["predictions"])) == 2


def test_rows_that_nobody_touched_are_not_exchanged(runs):
    _, size = rank_and_size()
    assert size == 1
    with_rows = runs[2][0]["sgd"][0]["bytes_per_step"]
    whole = runs[2][0]["sgd, last batch of one row"][0]["bytes_per_step"]
    table = 30522 * 16 * 4
    assert whole > table
    # What is left of the table: a byte for each of its rows, and the few rows themselves.
    assert whole - table + 30522 < with_rows < whole - table + 30522 + 60 * 16 * 4


def test_one_worker_gets_its_model_back(place):
    model = Classifier.load(place).model
    assert wrap(model, Parallel()) == (model, [])
    assert unwrap(model) is model


def test_workers_drop_other_places_and_the_same_again(tmp_path):
    place = together.start(tmp_path / "start", dropout=0.3)
    job = together.job(place, epochs=2)
    first, again, other = launch(together.train_all, 2, [job, job, replace(job, seed=1)])[0]
    assert first["digest"] == again["digest"] != other["digest"]
    assert first["same_weights"]
    assert other["same_weights"]


def test_more_workers_than_rows_are_refused(place):
    with pytest.raises(SettingError, match="at most as many workers as rows, 2.*Received 3 workers"):
        check_workers(3, rows=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hook": "int8"}, "a hook, one of .*Received 'int8'"),
        ({"rank": 0}, "a rank of at least 1"),
        ({"bucket_mb": 0}, "buckets of some size"),
        ({"through": "air"}, "through=.network.*Received through='air'"),
        ({"through": "memory", "hook": "fp16"}, "hook='fp16'. A hook saves bytes on the wire"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        Parallel(**settings)


def test_fine_tuning_together_is_kept(tmp_path, monkeypatch):
    import small

    from labkit.cache import Cache
    from labkit.training import Training

    task, cache, told = small.task(tmp_path, rows=24, folds=2), Cache(tmp_path / "cache"), []
    settings = {"workers": 2, "training": Training(epochs=1, batch_size=8), "cache": cache}
    classifier, facts = distributed_fine_tune(task, progress=lambda *news: told.append(news), **settings)
    assert told
    assert facts["workers"] == 2
    assert len(facts["peak_bytes"]) == 2
    assert np.array_equal(classifier.predict(task.texts("test")), facts["predictions"])

    monkeypatch.setattr("labkit.distributed.jobs.launch", None)  # nobody is asked the second time
    again, same = distributed_fine_tune(task, **settings)
    assert (again.fingerprint, same) == (classifier.fingerprint, facts)
    with pytest.raises(SettingError, match="at most as many workers as rows"):
        distributed_fine_tune(task, workers=60, cache=cache)


def test_train_is_a_job_for_one_process_too(place):
    facts = train(together.job(place, epochs=1))
    assert (facts["workers"], facts["bytes_per_step"], facts["sent_per_step"]) == (1, 0, 0)
