"""The torchrun command is what torchrun takes, and running it here gives what the workers found."""

import json
import shlex
import subprocess

import psutil
import pytest
from torch.distributed.run import get_args_parser

from labkit.cache import Cache
from labkit.distributed import nodes
from labkit.distributed.worker import _parser
from labkit.errors import WorkerError


@pytest.mark.parametrize("count", [1, 3])
def test_torchrun_and_the_worker_understand_the_command(count):
    line = nodes.command(nodes=count, workers=2, address="node0", port=29999, out="trained", batch_size=64)
    words = shlex.split(line)
    assert words[0] == "torchrun"
    theirs = get_args_parser().parse_args(words[1:])
    assert (theirs.nproc_per_node, theirs.max_restarts, theirs.standalone) == ("2", 1, count == 1)
    assert theirs.training_script == "labkit.distributed.worker"
    ours = _parser().parse_args(theirs.training_script_args)
    assert (str(ours.out), ours.batch_size) == ("trained", 64)
    if count > 1:
        assert (theirs.nnodes, theirs.rdzv_endpoint, theirs.rdzv_backend) == ("3", "node0:29999", "c10d")


def test_a_command_that_fails_says_the_last_line():
    with pytest.raises(WorkerError, match="torchrun to end well. Received .+ Run the command in a terminal"):
        nodes.run_here(nodes.command(workers=1, restarts=0, out="trained", epochs="many"))


def test_a_command_that_does_not_end_is_ended_with_all_its_workers(monkeypatch):
    sleeper = ["/bin/sh", "-c", "sleep 61.37 & sleep 61.37"]
    real = subprocess.Popen
    monkeypatch.setattr(nodes.subprocess, "Popen", lambda words, **settings: real(sleeper, **settings))
    with pytest.raises(WorkerError, match=r"torchrun to end in 0.5 s. Received no end"):
        nodes.run_here(nodes.command(out="trained"), seconds=0.5)
    assert psutil.wait_procs(sleepers(), timeout=3)[1] == []


def sleepers():
    return [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "61.37"]]


def test_this_machine_is_asked_once(tmp_path, monkeypatch):
    asked = []

    class Done:
        pid, returncode = 2**22 + 1, 0

        def __init__(self, words, *, cwd, **settings):
            asked.append(words)
            (tmp_path / "out").mkdir(exist_ok=True)
            from pathlib import Path

            place = Path(cwd) / "trained"
            place.mkdir()
            (place / "result.json").write_text(json.dumps({"workers": 2}))

        def communicate(self, timeout):
            return "", ""

        def __enter__(self):
            return self

        def __exit__(self, *raised):
            return False

    monkeypatch.setattr(nodes.subprocess, "Popen", Done)
    monkeypatch.setattr(nodes.os, "killpg", lambda *_: (_ for _ in ()).throw(ProcessLookupError))
    line, cache = nodes.command(out="trained"), Cache(tmp_path / "cache")
    assert nodes.run_here(line, cache=cache) == nodes.run_here(line, cache=cache) == {"workers": 2}
    assert len(asked) == 1
    assert asked[0][1:3] == ["-m", "torch.distributed.run"]


@pytest.mark.slow
def test_two_workers_train_under_torchrun():
    found = nodes.run_here(nodes.command(workers=2, restarts=0, out="trained", epochs=1, limit=60))
    assert (found["workers"], found["steps"], found["same_weights"]) == (2, 2, True)
