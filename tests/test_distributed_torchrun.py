"""Workers under torchrun: the same result as anywhere, and again after one of them was killed in the middle."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
import small
import together
import torch.distributed as dist

from labkit.classifier import Classifier
from labkit.distributed.link import available, link
from labkit.distributed.meeting import fresh_store

WAIT = 90  # seconds until a run that hangs counts as failed


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A folder with a tiny classifier, which has dropout, and a task."""
    folder = tmp_path_factory.mktemp("torchrun")
    together.start(folder / "start", dropout=0.1)
    small.write_table(folder / "table.csv", rows=80)
    return folder


def start(folder, name, *, nodes=("--standalone", "--nproc-per-node=2"), popen=subprocess.Popen, restarts=0, epochs=12,
          **options):  # fmt: skip
    words = {
        "task": folder / "table.csv", "folds": 2, "model": folder / "start", "out": folder / name, "epochs": epochs,
        "batch-size": 8, "learning-rate": 1e-3, "checkpoint": folder / f"{name}.pt", "every": 5, "timeout": 20,
    } | options  # fmt: skip
    command = [
        sys.executable, "-m", "torch.distributed.run", *nodes, f"--max-restarts={restarts}", "--monitor-interval=0.1", "-m", "labkit.distributed.worker",
        *(f"--{key}={value}" for key, value in words.items()),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    with (folder / f"{name}.log").open("w") as log:
        return popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)


def finish(process, folder, name):
    try:
        code = process.wait(timeout=WAIT)
    finally:
        kill(psutil.Process(process.pid).children(recursive=True) if process.poll() is None else [])
        process.kill()
    return code, (folder / f"{name}.log").read_text()


def kill(processes):
    for process in processes:
        process.kill()


def workers_of(process):
    """The workers of a torchrun, by rank."""
    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        environment = child.environ()
        if "RANK" in environment:
            found[int(environment["RANK"])] = child
    return found


def wait_for_checkpoint(folder, pattern, *processes, log):
    """Come back in the middle of a run: the first checkpoint is there, and all processes still run."""
    until = time.monotonic() + WAIT
    while not list(folder.glob(pattern)):
        assert all(process.poll() is None for process in processes), (folder / log).read_text()
        assert time.monotonic() < until
        time.sleep(0.01)


def result(folder, name):
    facts = json.loads((folder / name / "result.json").read_text())
    return facts, json.loads((folder / name / "predictions.json").read_text())


@pytest.fixture(scope="module")
def undisturbed(scene):
    code, log = finish(start(scene, "undisturbed"), scene, "undisturbed")
    assert code == 0, log
    return result(scene, "undisturbed")


def test_a_run_writes_what_it_found(scene, undisturbed):
    facts, predictions = undisturbed
    task = small.load_task(str(scene / "table.csv"), folds=2)
    classifier = Classifier.load(scene / "undisturbed" / "classifier")
    assert classifier.predict(task.texts("test")).tolist() == predictions
    assert (facts["workers"], facts["steps"], facts["same_weights"]) == (2, 60, True)
    assert f"macro-F1 {facts['f1']:.4f} with 2 workers" in (scene / "undisturbed.log").read_text()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_worker_changes_nothing(scene, undisturbed, rank):
    name = f"killed-{rank}"
    process = start(scene, name, restarts=1)
    wait_for_checkpoint(scene, f"{name}.pt", process, log=f"{name}.log")
    victim = workers_of(process)[rank]
    victim.send_signal(signal.SIGKILL)
    code, log = finish(process, scene, name)
    assert code == 0, log
    assert re.search(r"exitcode: -\d+\) local_rank: \d", log)  # the other one may be found dead of it first
    facts, predictions = result(scene, name)
    assert facts["steps_here"] <= facts["steps"] - 5  # it went on from the checkpoint
    expected, same = undisturbed
    assert predictions == same
    assert (facts["f1"], facts["digest"]) == (expected["f1"], expected["digest"])
    assert facts["losses"] == expected["losses"]


def two_nodes(scene, name, ends, *, checkpoint):
    """Start torchrun at both ends of a link, one worker each; they meet at the first end."""
    agents = []
    for number, end in enumerate(ends):
        nodes = (
            "--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint={ends[0].address}:29400",
            "--rdzv-id=test", f"--rdzv-conf=is_host={number == 0}", f"--local-addr={end.address}",
        )  # fmt: skip
        # Each node has its own disk: only that of worker 0 has the checkpoint.
        agents.append(start(scene, f"{name}-{number}", nodes=nodes, popen=end.popen, restarts=1, out=scene / name,
                            checkpoint=scene / f"{checkpoint}-{number}.pt"))  # fmt: skip
    return agents


@pytest.mark.slow
@pytest.mark.skipif(not available(), reason="needs root, ip and tc")
@pytest.mark.parametrize("victim", [0, 1])
def test_two_nodes_over_a_link_of_which_a_worker_is_killed_end_as_one_node_does(scene, undisturbed, victim):
    name = f"nodes-{victim}"
    with link(mbit=1000) as ends:
        agents = two_nodes(scene, name, ends, checkpoint=name)
        wait_for_checkpoint(scene, f"{name}-*.pt", *agents, log=f"{name}-0.log")
        (worker,) = workers_of(agents[victim]).values()
        worker.send_signal(signal.SIGKILL)
        for number, agent in enumerate(agents):
            code, log = finish(agent, scene, f"{name}-{number}")
            assert code == 0, log
    facts, predictions = result(scene, name)
    assert (facts["f1"], facts["digest"], predictions) == (
        undisturbed[0]["f1"],
        undisturbed[0]["digest"],
        undisturbed[1],
    )
    assert facts["steps_here"] < facts["steps"]


def test_workers_that_start_again_do_not_read_what_the_dead_have_written():
    store = dist.HashStore()
    for rank in (1, 2):
        store.set(f"hello/{rank}", "of a dead worker")
    names = {}

    def join(rank):
        part = fresh_store(store, rank=rank, world_size=3, timeout=10)
        part.set(f"here/{rank}", "")
        part.wait([f"here/{other}" for other in range(3)])  # all have the same part
        names[rank] = part.get("here/0")

    for _ in range(2):  # the second time with what the first has left
        names.clear()
        threads = [threading.Thread(target=join, args=[rank]) for rank in (0, 1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert sorted(names) == [0, 1, 2]


def test_a_worker_that_never_comes_is_named():
    with pytest.raises(dist.DistStoreError, match="no word from workers \\[1\\]"):
        fresh_store(dist.HashStore(), rank=0, world_size=2, timeout=0.1)
