"""Whole lessons beside the tests: each is run once, and a failure is nobody's secret."""

import subprocess
import sys
import time

import ahead
import psutil
import pytest


@pytest.fixture
def runs(monkeypatch):
    """What was really run, by a stand-in for whole lessons."""
    runs = []

    def run(name, folder):
        runs.append((name, folder.name))
        return {"failure": None if name != "broken" else "cell 3", "found": {"a": 1}}

    monkeypatch.setattr(ahead, "hand_out", run)
    monkeypatch.setattr(ahead, "ORDER", ("03", "04", "05"))
    return runs


def test_a_lesson_is_run_once_and_found_by_whoever_asks(tmp_path, runs):
    one, other = ahead.Ahead(tmp_path), ahead.Ahead(tmp_path)
    assert one.find("03")["found"] == {"a": 1}
    assert not other.work("03")
    assert other.find("03")["seconds"] >= 0
    assert other.find("broken")["failure"] == one.find("broken")["failure"] == "cell 3"
    assert runs == [("03", "03"), ("broken", "broken")]


def test_a_lesson_that_another_process_began_is_waited_for_and_the_last_ones_done_meanwhile(tmp_path, runs):
    began = ahead.Ahead(tmp_path)
    (tmp_path / "03.claimed").touch()
    code = "import sys, time; time.sleep(0.3); open(sys.argv[1], 'w').write('{\"found\": 7}')"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "03.json"]) as other:
        began.pid = other.pid
        assert began.find("03") == {"found": 7}
    assert not began.going
    assert [name for name, _ in runs] == ["05", "04"]


def test_a_process_that_ended_without_its_lesson_fails_the_test_of_that_lesson(tmp_path, runs):
    began = ahead.Ahead(tmp_path)
    (tmp_path / "03.claimed").touch()
    with pytest.raises(AssertionError, match="ended without 03"):
        began.find("03")
    assert runs == []


COUNTS = """
import subprocess, sys, time
if len(sys.argv) > 2: subprocess.Popen([sys.executable, __file__, sys.argv[2]], start_new_session=True)
while True:
    open(sys.argv[1], "a").write("x")
    time.sleep(0.01)
"""


def test_it_is_still_with_all_that_it_has_started_and_goes_on(tmp_path, runs):
    (tmp_path / "counts.py").write_text(COUNTS)
    counts = [tmp_path / "first", tmp_path / "second"]

    def grow():
        before = [path.stat().st_size for path in counts]
        time.sleep(0.2)
        return [path.stat().st_size > was for path, was in zip(counts, before, strict=True)]

    beside = ahead.Ahead(tmp_path / "ahead")
    with subprocess.Popen([sys.executable, tmp_path / "counts.py", *counts]) as first:
        beside.pid = first.pid
        while not all(path.exists() for path in counts):
            time.sleep(0.01)
        (second,) = psutil.Process(first.pid).children()
        with beside.still():
            assert grow() == [False, False]
        assert grow() == [True, True]
        with pytest.raises(ZeroDivisionError), beside.still():
            1 / 0  # noqa: B018
        assert grow() == [True, True]
        second.kill()
        first.kill()
    with beside.still():  # nothing is there any more
        pass
