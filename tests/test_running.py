import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tiny import GOOD, PICTURE

from labkit.errors import RunError
from labkit.running import Listener, Plan, newest_unfinished, outcomes, run, settings

SLOW = "import time\nopen('started', 'w').close()\ntime.sleep(120)"


class Heard(Listener):
    def __init__(self):
        self.reused = {}

    def finished(self, outcome, *, reused):
        self.reused[outcome.lesson] = reused


@pytest.fixture
def finished(lessons_folder, tmp_path):
    """A run of a good and a failing lesson, in this order of numbers: the failing one first."""
    folder = lessons_folder({"00_bad": ["1 / 0"], "01_good": [GOOD, PICTURE]})
    plan = Plan.make([], {"bits": "3", "profile": "quick"}, folder=folder)
    return plan, tmp_path / "run", run(plan, folder=tmp_path / "run")


def test_a_failing_lesson_does_not_stop_the_others(finished):
    _, folder, done = finished
    assert [(outcome.lesson, outcome.state) for outcome in done] == [
        ("00_bad", "failed"),
        ("01_good", "passed"),
    ]
    assert done[0].failure["name"] == "ZeroDivisionError"
    assert (folder / "01_good.ipynb").exists()
    assert (folder / "00_bad.ipynb").exists()
    assert outcomes(folder) == done
    assert settings(folder)["finished"] is True


def test_results_carry_parameters_seed_versions_machine_and_command(finished):
    _, folder, _ = finished
    (line,) = (folder / "results.jsonl").read_text(encoding="utf8").splitlines()
    result = json.loads(line)
    assert (result["name"], result["value"], result["unit"]) == ("doubled", 6, "bits")
    assert result["verdict"] == "outside"
    assert result["parameters"]["bits"] == 3
    assert result["parameters"]["share"] == 0.5  # a default
    assert result["seed"] == 0
    assert result["command"] == "labkit run 01 -p bits=3 -p profile=quick"
    assert "torch" in result["versions"]
    assert "core" in result["machine"]


def test_a_run_leaves_the_readers_own_guesses_alone(lessons_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "mine"))
    cells = ["from labkit.predictions import predict\npredict('a-guess', 1.0)"]
    run(Plan.make([], folder=lessons_folder({"00_guess": cells})), folder=tmp_path / "run")
    assert (tmp_path / "run" / "home" / "predictions.json").exists()
    assert not (tmp_path / "mine").exists()


def test_what_passed_is_kept_and_what_failed_runs_again(finished):
    plan, folder, _ = finished
    heard = Heard()
    run(plan, folder=folder, listener=heard)
    assert heard.reused == {"00_bad": False, "01_good": True}


def test_other_parameters_are_another_run(finished):
    plan, folder, _ = finished
    heard = Heard()
    other = Plan.make(["01"], {"bits": "2"}, folder=plan.lessons[0].path.parent)
    (outcome,) = run(other, folder=folder, listener=heard)
    assert heard.reused == {"01_good": False}
    assert outcome.results[0]["value"] == 4


def test_everything_is_checked_before_anything_runs(lessons_folder, tmp_path):
    folder = lessons_folder({"00_good": [GOOD]})
    with pytest.raises(RunError, match="bogus"):
        Plan.make(["00"], {"bogus": "1"}, folder=folder)
    with pytest.raises(RunError, match="'9'"):
        Plan.make(["00", "9"], {}, folder=folder)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_made_is_said(lessons_folder, tmp_path):
    plan = Plan.make([], folder=lessons_folder({"00_good": [GOOD]}))
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"can be written to.*--folder"):
        run(plan, folder=tmp_path / "file" / "run")


def test_no_stopped_run_is_said(tmp_path):
    with pytest.raises(RunError, match="a run that was stopped"):
        newest_unfinished(tmp_path)


def test_a_folder_without_a_run_is_said(tmp_path):
    with pytest.raises(RunError, match="the folder of a run"):
        settings(tmp_path)


def start(root, *words):
    command = [sys.executable, "-c", "from labkit.cli import main; main()", "run", *words]
    environment = os.environ | {"LABKIT_ROOT": str(root)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_is_finished_and_resume_goes_on(lessons_folder, tmp_path, sent):
    folder = lessons_folder({"00_good": [GOOD], "01_slow": [SLOW]})
    process = start(tmp_path)
    deadline = time.monotonic() + 240
    while not (folder / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    kernels = psutil.Process(process.pid).children(recursive=True)
    assert kernels, "a kernel is running"
    os.kill(process.pid, sent)
    out, err = process.communicate(timeout=120)

    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert err.strip().startswith("Expected the run to go on to its end. Received Ctrl-C after 1 of 2 lessons.")
    assert "labkit run --resume" in err
    assert not any(kernel.is_running() for kernel in kernels), "no kernel is left behind"
    (stopped,) = (tmp_path / "runs").iterdir()
    assert [outcome.lesson for outcome in outcomes(stopped)] == ["00_good"]
    assert "1 of 2 lessons ran to their end; not run: 01_slow" in (stopped / "report.html").read_text(encoding="utf8")
    assert (stopped / "results.jsonl").read_text(encoding="utf8").count("\n") == 1

    # The lesson as it was, with its last cell quick: nothing but that lesson runs.
    lessons_folder({"01_slow": ["1"]})
    out, err = start(tmp_path, "--resume").communicate(timeout=240)
    assert "00_good  passed, kept from before" in out
    assert "2 of 2 lessons passed" in out
    assert settings(stopped)["finished"] is True
