import json
import os
import subprocess
import sys

import pytest
from tiny import GOOD
from typer.testing import CliRunner

from labkit import errors
from labkit.cli import app
from labkit.commands import benches, tables
from labkit.commands.plans import plan_of
from labkit.errors import RunError, SettingError


def labkit(*words, **environment):
    """Run the command line in a process of its own, piped."""
    return subprocess.run(
        [sys.executable, "-c", "from labkit.cli import main; main()", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture
def root(lessons_folder):
    return str(lessons_folder({"00_good": [GOOD], "01_bad": ["1 / 0"]}).parent)


def test_help_lists_every_command():
    said = CliRunner().invoke(app, ["--help"]).output
    for name in ("lab", "doctor", "run", "exercises", "progress", "notebooks", "bench", "cache"):
        assert f" {name} " in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "9"], "Received '9'. There are: 00_good, 01_bad."),
        (["run", "00", "-p", "bit=2"], "Received 'bit'. It takes:"),
        (["run", "00", "-p", "bits=two"], "a value of type int for bits. Received 'two'"),
        (["run", "00", "-p", "bits"], "a parameter as name=value. Received 'bits'"),
        (["run", "00", "--profile", "fast"], "one of quick, full. Received 'fast'"),
        (["run", "--resume"], "a run that was stopped"),
        (["run", "--resume", "00"], "--resume alone"),
        (["run", "--resume", "--folder", "nowhere"], "the folder of a run. Received nowhere"),
        (["notebooks", "build", "7"], "There are: none"),
    ],
)
def test_what_cannot_be_is_refused_in_one_message_before_anything_runs(root, words, message):
    done = labkit(*words, LABKIT_ROOT=root)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not os.path.exists(os.path.join(root, "runs"))


@pytest.mark.slow
def test_a_run_shows_each_lesson_and_fails_with_status_1(root):
    done = labkit("run", "-p", "bits=3", LABKIT_ROOT=root)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "… 00_good"
    assert lines[1].startswith("✓ 00_good  passed, ")
    assert lines[3].startswith("✗ 01_bad  failed, ")
    assert lines[4] == "    cell 3: ZeroDivisionError: division by zero"
    assert lines[5].startswith("1 of 2 lessons passed. Report: ")
    assert done.stderr == ""
    report = lines[5].partition("Report: ")[2]
    assert os.path.exists(report)


def test_a_run_of_one_good_lesson_ends_with_status_0(root, tmp_path):
    done = labkit("run", "00", "--folder", str(tmp_path / "here"), LABKIT_ROOT=root)
    assert done.returncode == 0
    assert (tmp_path / "here" / "report.html").exists()


def test_ctrl_c_anywhere_is_one_clean_line(monkeypatch):
    from labkit import lab

    def stopped(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(lab, "start", stopped)
    done = CliRunner().invoke(app, ["lab"])
    assert (done.exit_code, done.output) == (130, "Stopped.\n")


@pytest.mark.parametrize("kind", [errors.RunError, errors.CacheError, errors.OfflineError])
def test_an_error_for_the_reader_is_its_message_and_status_2(monkeypatch, kind):
    from labkit import lab

    def wrong(**_):
        raise kind("bread", received="stone", do="Ask again.")

    monkeypatch.setattr(lab, "start", wrong)
    done = CliRunner().invoke(app, ["lab"])
    assert (done.exit_code, done.output) == (2, "Expected bread. Received stone. Ask again.\n")


def test_exercises_and_progress_read_well_in_a_pipe(tmp_path):
    for command, head in (("exercises", "lesson"), ("progress", "lesson")):
        done = labkit(command, LABKIT_HOME=str(tmp_path), COLUMNS="40")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[0].startswith(head)
        assert not set("│┃╭─━…") & set(done.stdout)
        assert all(line == line.rstrip() for line in lines)
        rows = json.loads(labkit(command, "--json", LABKIT_HOME=str(tmp_path)).stdout)
        assert len(rows) == len(lines) - 1


def test_doctor_names_every_part():
    rows = json.loads(labkit("doctor", "--json").stdout)
    states = {row["what"]: row["state"] for row in rows}
    for what in ("PyTorch", "entropy coder", "model", "headlines", "notebook kernel", "disk"):
        assert states[what] == "✓ works"


def test_doctor_shows_a_broken_part_and_goes_on(monkeypatch):
    from labkit.commands import doctor

    def breaks():
        raise OSError("no such library")

    monkeypatch.setattr(doctor, "_LOOKS", {"gloo": breaks, "disk": doctor._disk})
    broken, fine = doctor.checks()
    assert broken == {"what": "gloo", "state": "✗ broken", "about": "OSError: no such library"}
    assert fine["state"] == "✓ works"


def test_doctor_says_that_a_folder_is_read_only(tmp_path, monkeypatch):
    from labkit.commands import doctor

    monkeypatch.setattr(os, "access", lambda *_: False)
    works, about = doctor._writable(tmp_path / "cache")
    assert (works, about) == (False, f"{tmp_path} is read-only")


def test_cache_commands(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "file").write_bytes(b"x" * 2_000_000)
    there = {"LABKIT_CACHE": str(tmp_path)}
    assert labkit("cache", "path", **there).stdout.strip() == str(tmp_path)
    assert labkit("cache", "size", **there).stdout.strip() == "2.0 MB in 1 files"
    assert labkit("cache", "clear", **there).stdout.strip() == "2.0 MB freed"
    assert not list(tmp_path.rglob("file"))


def test_resume_takes_lessons_and_parameters_from_the_run(root, tmp_path, monkeypatch):
    about = {"lessons": ["00_good"], "given": {"seed": "3"}, "finished": False}
    (tmp_path / "run.json").write_text(json.dumps(about))
    from pathlib import Path

    from labkit import running

    notebooks = Path(root) / "notebooks"
    monkeypatch.setitem(running.Plan.make.__func__.__kwdefaults__, "folder", notebooks)
    plan, folder = plan_of([], [], "", folder=str(tmp_path), resume=True)
    assert [lesson.name for lesson in plan.lessons] == ["00_good"]
    assert (plan.given, folder) == ({"seed": "3"}, tmp_path)


def test_an_unknown_benchmark_is_refused_with_the_list():
    with pytest.raises(SettingError, match=r"'speed'. There are: .*pruning.*training"):
        benches.main_of("speed")


def test_a_word_without_an_equals_sign_is_refused():
    with pytest.raises(RunError, match="-p seed=1"):
        plan_of([], ["seed"], "", folder="", resume=False)


def test_a_table_in_a_pipe_is_aligned_and_whole(capsys):
    tables.show([{"name": "a" * 200, "n": 1.0}, {"name": "[red]b", "n": 0.123456}], numbers=["n"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "n"]
    assert lines[1] == "a" * 200 + "       1"
    assert lines[2].split() == ["[red]b", "0.1235"]


def test_an_empty_table_says_so(capsys):
    tables.show([], empty="None yet.")
    assert capsys.readouterr().out == "None yet.\n"
