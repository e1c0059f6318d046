"""Two stages in two processes make the steps of one process, and each holds its part only."""

import numpy as np
import pytest
import together

from labkit.classifier import Classifier
from labkit.distributed import launch
from labkit.distributed.pipeline import join_stages, split_stages, train_pipeline
from labkit.errors import SettingError

# 31 rows do not divide by 4 micro-batches; 63 leave a last batch of one row.
CASES = {
    "sgd": ({"rows": 63, "batch": 31, "epochs": 17, "optimizer": "sgd", "rate": 0.05}, {"at": 1, "micro_batches": 4}),
    "adamw": ({}, {"at": 2, "micro_batches": 1}),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """By case: the facts of one process, its trained weights, and the facts of the two stages."""
    folder = tmp_path_factory.mktemp("pipeline")
    place = together.start(folder / "start", layers=3)
    jobs = {name: together.job(place, out=str(folder / name), **job) for name, (job, _) in CASES.items()}
    alone = {name: together.train(job) for name, job in jobs.items()}
    stages = launch(together.pipelines, 2, list(jobs.values()), [stages for _, stages in CASES.values()])
    weights = {name: Classifier.load(folder / name).model.state_dict() for name in CASES}
    return {name: (alone[name], weights[name], [one[i] for one in stages]) for i, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_the_weights_and_predictions_are_those_of_one_process(runs, name):
    alone, weights, (first, _) = runs[name]
    assert first["state"].keys() == weights.keys()
    assert max((first["state"][key] - weights[key]).abs().max().item() for key in weights) <= 1e-5
    assert np.array_equal(first["predictions"], alone["predictions"])
    assert first["f1"] == alone["f1"]
    assert first["losses"] == pytest.approx(alone["losses"], abs=1e-5)


@pytest.mark.parametrize(("name", "times"), [("sgd", 2), ("adamw", 4)])
def test_each_stage_holds_its_part_only(runs, name, times):
    alone, weights, stages = runs[name]
    held = [stage["held_bytes"] for stage in stages]
    layer = sum(value.nbytes for key, value in weights.items() if "encoder.layer.0." in key)
    embeddings = sum(value.nbytes for key, value in weights.items() if ".embeddings." in key)
    head = sum(value.nbytes for key, value in weights.items() if "pooler" in key or key.startswith("classifier."))
    at = CASES[name][1]["at"]
    assert [one["parameters"] for one in held] == [embeddings + at * layer, (3 - at) * layer + head]
    assert sum(one["parameters"] for one in held) == alone["held_bytes"]["parameters"]
    for one in [*held, alone["held_bytes"]]:
        assert one["gradients"] == one["parameters"]
        # AdamW counts its steps in one number for each parameter
        assert times * one["parameters"] <= one["all"] <= times * one["parameters"] + 400
    assert all(stage["peak_bytes"] > one["all"] for stage, one in zip(stages, held, strict=True))


def test_activations_travel_and_their_gradients_come_back(runs):
    for _, _, (first, last) in runs.values():
        assert first["sent_per_step"] == last["sent_per_step"]
        # Rows of 4 to 10 tokens, 16 numbers a token.
        assert 20 * 4 * 16 * 4 <= first["sent_per_step"] <= 32 * 12 * 16 * 4


@pytest.mark.parametrize("at", [0, 3, 1.5])
def test_a_cut_that_leaves_a_stage_without_a_layer_is_refused(at):
    import small

    with pytest.raises(SettingError, match="a cut after layer 1 to 2"):
        split_stages(small.classifier(layers=3).model, at)


def test_one_worker_is_no_pipeline():
    with pytest.raises(SettingError, match="two workers, one for each stage"):
        train_pipeline(None)


def test_names_that_are_no_layers_stay():
    assert join_stages({"bert.embeddings.a": 0}, {"bert.encoder.layer.1.a": 1, "bert.pooler.a": 2}, at=3) == {
        "bert.embeddings.a": 0, "bert.encoder.layer.4.a": 1, "bert.pooler.a": 2,
    }  # fmt: skip
