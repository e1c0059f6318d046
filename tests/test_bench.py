"""The benchmarks measure what they say, and write what the README shows."""

import json
from functools import partial

import pytest
import small

from labkit import folds, pages, reference
from labkit.bench import _policies, _step_times, distributed, pruning, training, vocabulary
from labkit.classifier import pretrained
from labkit.errors import SettingError
from labkit.policy import Policy
from labkit.statistics import macro_f1
from labkit.steps import Distill, PruneMagnitude
from labkit.task import load_task
from labkit.training import Training


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Results of a test do not replace those of the repository."""
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    text = "<!-- reference:training -->\n<!-- end -->\n<!-- reference:pruning -->\nstale words\n<!-- end -->\n"
    text += "<!-- reference:distributed -->\n<!-- end -->\n"
    (tmp_path / "README.md").write_text(text)
    monkeypatch.setattr(pages, "PAGES", (tmp_path / "README.md",))
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:torch.utils.data")  # Trainer pins memory, which needs a GPU
def test_training_is_timed_in_pairs_on_the_same_rows(folder):
    training.main(["--pairs", "2", "--epochs", "1", "--limit", "120"])
    values = json.loads((folder / "training.json").read_text())
    seconds = {(row["name"], row["fold"]): row["seconds_per_step"] for row in values["rows"]}
    assert set(seconds) == {(name, fold) for name in ("labkit", "transformers.Trainer") for fold in (0, 1)}
    ratios = [seconds["labkit", fold] / seconds["transformers.Trainer", fold] for fold in (0, 1)]
    assert values["ratio_low"] == pytest.approx(min(ratios))
    assert values["ratio"] == pytest.approx(sum(ratios) / 2)
    assert values["command"].startswith("labkit bench training --pairs 2")
    assert f"**{values['ratio']:.2f}**" in (folder / "README.md").read_text()


@pytest.mark.slow
def test_both_loops_learn_the_same_rows():
    task = load_task(limit=400)
    settings = Training(epochs=2, learning_rate=3e-4)
    for train in (training.train_ours, training.train_theirs):
        seconds, predicted = train(task, settings)
        # 80 headlines; an untrained head guesses, which gives about 0.2
        assert macro_f1(task.truth("test"), predicted) > 0.5, train.__name__
        assert 0 < seconds < 10


def test_pruning_writes_a_row_for_each_policy_with_its_paired_loss(folder, monkeypatch):
    monkeypatch.setattr(_policies, "fine_tune", lambda task: pretrained(task.labels))
    monkeypatch.setattr(pruning, "POLICIES", {"all gone": Policy([PruneMagnitude(1.0)])})
    pruning.main(["--folds", "1"])
    rows = {row["name"]: row for row in json.loads((folder / "pruning.json").read_text())["rows"]}
    assert list(rows) == ["teacher", "TF-IDF", "all gone"]
    lost = rows["all gone"]
    assert lost["f1_loss"] == pytest.approx(100 * (rows["teacher"]["f1"] - lost["f1"]))
    assert lost["f1_loss_low"] <= lost["f1_loss"] <= lost["f1_loss_high"]
    assert Policy.from_json(lost["policy"]).steps == (PruneMagnitude(1.0),)
    text = (folder / "README.md").read_text()
    assert "| all gone |" in text
    assert "stale words" not in text


def test_vocabulary_compares_each_answer_with_the_nearest_of_its_rows_and_training(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    for module in (folds, vocabulary):
        monkeypatch.setattr(module, "load_task", partial(load_task, limit=500))
    for module in (_policies, vocabulary):
        monkeypatch.setattr(module, "fine_tune", lambda task: small.classifier(task.labels))
    monkeypatch.setattr(vocabulary, "ROWS", (400,))
    monkeypatch.setattr(vocabulary, "SHORT", Distill(epochs=1, batch_size=128))
    vocabulary.main(["--folds", "1"])
    values = json.loads((folder / "vocabulary.json").read_text())
    teacher, *rows = values["rows"]
    assert teacher["name"] == "teacher"
    assert [(row["trained"], row["answer"]) for row in rows] == [
        (trained, answer) for trained in (False, True) for answer in ("nearest", "unknown", "pieces")
    ]
    for nearest, unknown, pieces in (rows[:3], rows[3:]):
        assert nearest["worse"] == nearest["worse_low"] == nearest["worse_high"] == 0
        for row in (unknown, pieces):
            assert row["worse"] == pytest.approx(100 * (nearest["f1"] - row["f1"]))
            assert row["worse_low"] <= row["worse"] <= row["worse_high"]
            assert row["f1_loss"] == pytest.approx(100 * (teacher["f1"] - row["f1"]))
        assert nearest["tokens"] == unknown["tokens"] < pieces["tokens"]
        steps = Policy.from_json(pieces["policy"]).steps
        assert (steps[0].rows, steps[0].lost, len(steps)) == (400, "pieces", 1 + pieces["trained"])
    assert any(untrained["f1"] != trained["f1"] for untrained, trained in zip(rows[:3], rows[3:], strict=True))


def test_distributed_divides_the_time_of_one_thread_and_holds_the_links_against_the_model(
    folder, monkeypatch, tmp_path
):
    def take(task, model, variants, mbits):
        # Alone 8 ms a row; together half the rows, and a millisecond for each megabyte, or what a link takes for it.
        rate = 1e9 if mbits is None else mbits * 1e6 / 8
        sizes = [0.0 if one.way == "alone" else 10e6 if one.share_rows else 50e6 for one in variants]
        return [
            (0.008 * one.batch / (2 if one.way == "together" else one.threads) + size / rate, size)
            for one, size in zip(variants, sizes, strict=True)
        ]

    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_step_times, "_take", take)
    monkeypatch.setattr(distributed, "_f1", lambda task, way, say: 0.9)
    monkeypatch.setattr(distributed, "_parity", lambda task, say: {"sgd": 1e-7, "adamw": 2e-6})
    distributed.main([])
    values = json.loads((folder / "distributed.json").read_text())
    rows = {(row["name"], row["global_batch"]): row for row in values["rows"]}
    assert rows["teacher: 1 process, 1 thread", 32]["efficiency"] == pytest.approx(1.0)
    assert rows["teacher: 1 process, 2 threads", 32]["efficiency"] is None
    assert rows["teacher: 2 workers, hook none", 32]["efficiency"] == pytest.approx(0.256 / (0.128 + 0.05) / 2)
    assert rows["teacher: 2 workers, hook none, touched rows only", 32]["f1"] == 0.9
    assert {row["mbit_per_second"] for row in values["links"]} == {1000, 100}
    slow = next(row for row in values["links"] if row["mbit_per_second"] == 100)
    assert {row["mbit_per_second"] for row in values["links"] if row["fitted"]} == {1000}
    assert slow["prediction_error"] == pytest.approx(slow["predicted_seconds"] / slow["seconds_per_step"] - 1)
    text = (folder / "README.md").read_text()
    assert "| teacher: 1 process, 1 thread | 32 | 0.256 | 0.0 | 100% | 0.900 |" in text
    assert "1e-07 with SGD, 2e-06 with AdamW" in text


def test_an_unknown_reference_is_refused_with_those_that_exist(folder):
    reference.write_reference("mine", {"rows": []})
    with pytest.raises(SettingError, match=r"one of the reference results \['mine'\]"):
        reference.reference("yours")


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_a_page_says_what_the_reference_results_say(page):
    text = page.read_text("utf-8")
    assert pages.fill(text) == text
    assert "Not measured yet" not in text


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_all_rows_that_a_page_asks_for_have_been_measured(page):
    for found in pages.BLOCK.finditer(page.read_text("utf-8")):
        asked = [name.strip() for name in found[3].split("|")[1:]]
        assert set(asked) <= {row.get("name") for row in reference.reference(found[2])["rows"]}


def test_a_page_may_ask_for_some_rows(folder):
    scores = {"a, b": 0.5, "c": 0.6, "d": 0.7}
    rows = [{"name": name, "f1": f1, "f1_low": f1, "f1_high": f1} for name, f1 in scores.items()]
    reference.write_reference("mine", {"command": "labkit bench mine", "machine": "a machine", "rows": rows})
    filled = pages.fill("<!-- reference:mine | d | a, b | not measured -->\nstale\n<!-- end -->")
    mark, _, _, *lines, words, end = filled.splitlines()
    assert (mark, end) == ("<!-- reference:mine | d | a, b | not measured -->", "<!-- end -->")
    assert lines == ["| a, b | 0.500 (0.500 to 0.500) |  |", "| d | 0.700 (0.700 to 0.700) |  |", ""]
    assert words == "Measured with `labkit bench mine` on a machine."
    assert pages.fill(filled) == filled
