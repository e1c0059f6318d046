"""Fine-tuning: the result is kept under all that determines it, and comes back without training."""

import numpy as np
import pytest
import small

from labkit import fine_tuning
from labkit.cache import Cache
from labkit.callbacks import Callback
from labkit.errors import Interrupted
from labkit.fine_tuning import fine_tune, train_classifier
from labkit.training import Training

QUICK = Training(epochs=2, batch_size=16, learning_rate=5e-3)


@pytest.fixture
def setup(tmp_path, monkeypatch):
    """A task, a cache, and a small model in the place of MiniLM."""
    monkeypatch.setattr(fine_tuning, "pretrained", lambda labels, seed: small.classifier(labels, seed=seed))
    return small.task(tmp_path), Cache(tmp_path / "cache")


class Count(Callback):
    def __init__(self, stop=None):
        self.steps, self.stop = [], stop

    def after_step(self, state):
        self.steps.append(state.step)
        if state.step == self.stop:
            raise KeyboardInterrupt


def test_the_second_call_is_the_same_model_without_training(setup):
    task, cache = setup
    counts = [Count(), Count()]
    first, second = (fine_tune(task, training=QUICK, cache=cache, callbacks=[count]) for count in counts)
    assert counts[0].steps == list(range(1, 7))
    assert counts[1].steps == []
    assert first.fingerprint == second.fingerprint
    assert first.labels == task.labels


def test_it_is_the_loop_on_the_training_rows(setup):
    task, cache = setup
    found = fine_tune(task, training=QUICK, seed=3, cache=cache)
    by_hand = small.classifier(task.labels, seed=3)
    state = train_classifier(by_hand, task, training=QUICK, seed=3)
    assert state.steps == 2 * -(-len(task.texts("train")) // 16)
    assert found.fingerprint == by_hand.fingerprint


def test_it_learns_the_task(tmp_path):
    task, classifier = small.task(tmp_path, rows=120), small.classifier(dropout=0.0)
    train_classifier(classifier, task, training=Training(epochs=6, batch_size=8, learning_rate=1e-2))
    assert np.mean(classifier.predict(task.texts("test")) == task.truth("test")) > 0.9


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"training": Training(epochs=1, batch_size=16)}, {"task": {"fold": 1}}]
)
def test_other_settings_are_another_result(setup, tmp_path, change):
    task, cache = setup
    fine_tune(task, training=QUICK, cache=cache)
    count = Count()
    other = small.task(tmp_path, **change["task"]) if "task" in change else task
    fine_tune(other, training=change.get("training", QUICK), seed=change.get("seed", 0), cache=cache, callbacks=[count])
    assert count.steps


def test_stopped_it_goes_on_and_ends_with_the_same_weights(setup, tmp_path):
    task, cache = setup
    expected = fine_tune(task, training=QUICK, cache=Cache(tmp_path / "other")).fingerprint
    with pytest.raises(Interrupted, match="a stop after step 4.*it goes on from step 4"):
        fine_tune(task, training=QUICK, cache=cache, callbacks=[Count(stop=4)])
    count = Count()
    assert fine_tune(task, training=QUICK, cache=cache, callbacks=[count]).fingerprint == expected
    assert count.steps == [5, 6]
    assert not list((tmp_path / "cache").rglob("training.pt"))


def test_progress_is_reported_instead_of_a_bar(setup):
    task, cache = setup
    told = []
    fine_tune(task, training=QUICK, cache=cache, progress=lambda fraction, words: told.append((fraction, words)))
    assert [fraction for fraction, _ in told] == pytest.approx([n / 6 for n in range(1, 7)])
    assert told[-1][1] == "fine-tuning, fold 0: step 6 of 6"
