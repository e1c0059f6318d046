"""The reader's file: atomic, shared by processes, and never the reason that something fails."""

import errno
import json
import multiprocessing
import os
from dataclasses import replace

import pytest

from labkit.exercises import definition, progress
from labkit.exercises.store import Store, home


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(progress, "_STORE", Store("progress.json"))
    return tmp_path / "home"


def _count(name, times):
    store = Store(name)
    for _ in range(times):
        with store.update() as records:
            record = records.setdefault("a", {"n": 0})
            record["n"] += 1


def test_home_without_the_variable(monkeypatch):
    monkeypatch.delenv("LABKIT_HOME")
    assert home().name == ".labkit"


def test_two_processes_lose_nothing():
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count, args=("n.json", 40)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert Store("n.json").read() == {"a": {"n": 80}}


@pytest.mark.parametrize("content", [b'{"format": 1, "rec', b"\xff\xfe\x00", b"[]", b'{"format": 9, "records": {}}'])
def test_an_unreadable_file_is_kept_aside(folder, content, capsys):
    folder.mkdir()
    (folder / "progress.json").write_bytes(content)
    progress.note_try("start.macro_f1", "right")
    warning = capsys.readouterr().err
    (aside,) = folder.glob("progress.unreadable-*.json")
    assert aside.name in warning
    assert aside.read_bytes() == content
    assert progress.record_of("start.macro_f1")["state"] == "right"


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "file" / "home"))
    for _ in range(3):
        progress.note_try("start.macro_f1", "wrong", "weighted by class size")
    captured = capsys.readouterr()
    assert captured.err.count("cannot be written") == 1
    assert captured.out == ""
    assert progress.record_of("start.macro_f1")["tries"] == 3


def test_a_full_disk_loses_nothing(folder, monkeypatch, capsys):
    progress.note_try("start.macro_f1", "wrong")
    before = (folder / "progress.json").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        progress.note_try("start.macro_f1", "right")
        assert progress.record_of("start.macro_f1")["state"] == "right"
    assert "No space left on device" in capsys.readouterr().err
    assert (folder / "progress.json").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["progress.json", "progress.json.lock"]
    progress.note_hint("start.macro_f1", 1)  # there is space again
    assert json.loads((folder / "progress.json").read_text())["records"]["start.macro_f1"]["state"] == "right"


def test_an_error_inside_an_update_writes_nothing():
    store = Store("x.json")
    with pytest.raises(ZeroDivisionError), store.update() as records:
        records["a"] = {"n": 1 / 0}
    assert store.read() == {}


def test_what_is_recorded():
    id = "start.macro_f1"
    assert progress.record_of(id)["state"] == "not attempted"
    progress.note_try(id, "not attempted")
    assert progress.record_of(id)["tries"] == 0
    progress.note_try(id, "wrong", "accuracy (micro-F1)")
    progress.note_try(id, "raised an error", "accuracy (micro-F1)")
    progress.note_try(id, "right")
    progress.note_try(id, "wrong")
    progress.note_hint(id, 2)
    progress.note_hint(id, 1)
    progress.note_solution(id)
    record = progress.record_of(id)
    assert record["state"] == "right"
    assert (record["last"], record["tries"], record["tries_until_right"]) == ("wrong", 4, 3)
    assert record["misconceptions"] == ["accuracy (micro-F1)"]
    assert record["hints"] == 2
    assert record["first_try"] <= record["last_try"]
    assert record["solution_seen"] is not None


def test_rows(monkeypatch):
    exercise = next(one for one in definition.all_exercises() if one.id == "start.macro_f1")
    # Cut to known counts, so that a wrong answer more in the bank changes nothing here.
    cut = replace(exercise, misconceptions=exercise.misconceptions[:4], alternatives=exercise.alternatives[:2])
    monkeypatch.setattr(progress, "all_exercises", lambda: [cut])
    progress.note_try("start.macro_f1", "right")
    (row,) = progress.exercise_rows()
    assert row == {
        "id": "start.macro_f1",
        "lesson": "00_start_here",
        "title": "Macro-F1 by hand",
        "difficulty": "●●○○",
        "minutes": 8,
        "misconceptions": 4,
        "alternatives": 2,
        "state": "right",
    }
    (row,) = progress.progress_rows()
    assert row == {
        "lesson": "00_start_here",
        "exercises": 1,
        "tried": 1,
        "right": 1,
        "tries": 1,
        "hints": 0,
        "solutions seen": 0,
    }
