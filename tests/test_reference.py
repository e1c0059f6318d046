"""Our own measured results: written, read, shown."""

import json

import pytest

from labkit import reference as module
from labkit.errors import SettingError
from labkit.reference import reference, reference_rows, reference_table, write_reference

VALUES = {
    "machine": "2 cores <test>", "versions": {"torch": "2"}, "command": "labkit bench pruning",
    "rows": [
        {"name": "teacher", "f1": 0.9, "f1_low": 0.89, "f1_high": 0.91, "f1_loss": None},
        {"name": "pruned", "f1": 0.88, "f1_low": 0.87, "f1_high": 0.89, "f1_loss": 2.04, "f1_loss_low": 1.0, "f1_loss_high": 3.1},
    ],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FOLDER", tmp_path / "reference")


def test_what_was_written_is_read():
    path = write_reference("some", VALUES | {"word": "größer"})
    assert reference("some") == VALUES | {"word": "größer"}
    assert "größer" in path.read_text("utf-8")
    assert path.read_text("utf-8").endswith("}\n")


def test_a_table_names_machine_command_and_the_rows_asked_for():
    write_reference("some", VALUES)
    text = repr(reference_table("some", ["pruned", "teacher"]))
    lines = text.splitlines()
    assert "2 cores <test>" in lines[0]
    assert "`labkit bench pruning`" in lines[0]
    assert lines[1].split()[:2] == ["pruned", "0.880"]
    assert "+2.0 points (+1.0 to +3.1)" in lines[1]
    assert lines[2].split() == ["teacher", "0.900", "(0.890", "to", "0.910)"]


def test_as_html_its_text_is_escaped():
    write_reference("some", VALUES)
    html = reference_table("some", ["teacher"])._repr_html_()
    assert "2 cores &lt;test&gt;" in html
    assert html.count("<tr>") == 2
    assert "pruned" not in html


def test_what_is_not_there_is_told_with_what_is():
    with pytest.raises(SettingError, match=r"one of the reference results \[\]. Received 'some'"):
        reference("some")
    write_reference("some", VALUES)
    with pytest.raises(SettingError, match=r"one of the reference results \['some'\]. Received 'other'"):
        reference_table("other", [])
    with pytest.raises(SettingError, match=r"rows among \['pruned', 'teacher'\]. Received \['rounded'\]"):
        reference_table("some", ["teacher", "rounded"])


def test_rows_are_found_by_how_they_begin_and_none_before_they_are_measured():
    assert reference_rows("some", "teacher") == []
    write_reference("some", VALUES)
    assert reference_rows("some", "pru", "nothing") == ["pruned"]
    assert reference_rows("some", "teacher", "pruned") == ["teacher", "pruned"]
    assert reference_rows("some", "runed") == []


def test_the_results_that_we_ship_say_where_they_come_from(monkeypatch):
    monkeypatch.undo()
    for path in module.FOLDER.glob("*.json"):
        values = json.loads(path.read_text("utf-8"))
        assert {"machine", "versions", "command", "rows"} <= set(values), path.name
        assert values["command"].startswith("labkit "), path.name
        assert all("name" in row for row in values["rows"]), path.name
