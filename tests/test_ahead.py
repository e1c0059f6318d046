"""Whole lessons beside the tests: each is run once, and a failure is nobody's secret."""

import subprocess
import sys

import ahead
import pytest


@pytest.fixture
def runs(monkeypatch):
    """What was really run, by a stand-in for whole lessons."""
    runs = []

    def run(name, folder):
        runs.append((name, folder.name))
        return {"failure": None if name != "broken" else "cell 3", "found": {"a": 1}}

    monkeypatch.setattr(ahead, "KINDS", {"solved": run})
    return runs


def test_a_lesson_is_run_once_and_found_by_whoever_asks(tmp_path, runs):
    one, other = ahead.Ahead(tmp_path), ahead.Ahead(tmp_path)
    assert one.find("solved", "03")["found"] == {"a": 1}
    assert not other.work("solved", "03")
    assert other.find("solved", "03")["seconds"] >= 0
    assert other.find("solved", "broken")["failure"] == one.find("solved", "broken")["failure"] == "cell 3"
    assert runs == [("03", "solved 03"), ("broken", "solved broken")]


def test_a_lesson_that_another_process_began_is_waited_for(tmp_path, runs):
    began = ahead.Ahead(tmp_path)
    (tmp_path / "solved 03.claimed").touch()
    code = "import sys, time; time.sleep(0.3); open(sys.argv[1], 'w').write('{\"found\": 7}')"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "solved 03.json"]) as other:
        began.pid = other.pid
        assert began.find("solved", "03") == {"found": 7}
    assert not began.going
    assert runs == []


def test_a_process_that_ended_without_its_lesson_fails_the_test_of_that_lesson(tmp_path, runs):
    began = ahead.Ahead(tmp_path)
    (tmp_path / "solved 03.claimed").touch()
    with pytest.raises(AssertionError, match="ended without solved 03"):
        began.find("solved", "03")
    assert runs == []
