"""Functions run on real processes: what they get, what they give back, what is refused before anything starts."""

import json
import math
import os
import pickle
import subprocess
import sys
import threading
from functools import partial

import nbformat
import numpy as np
import psutil
import pytest
import torch
import worker_functions
from nbclient import NotebookClient

from labkit.distributed import launch, report, workers
from labkit.distributed.job import check_function
from labkit.distributed.news import SELDOM, News, shown
from labkit.errors import SettingError, WorkerError


@pytest.fixture(scope="module")
def toured():
    """What two workers gave back after a bit of everything, and what they reported meanwhile."""
    told = []
    tensor = torch.arange(3.0)
    results = launch(worker_functions.tour, 2, tensor, scale=2.0, threads=2, progress=lambda *news: told.append(news))
    return results, told


def test_results_come_back_by_rank_from_processes_of_their_own(toured):
    results, _ = toured
    assert [(result["rank"], result["world"]) for result in results] == [(0, 2), (1, 2)]
    assert len({os.getpid(), *(result["pid"] for result in results)}) == 3


def test_the_workers_are_one_group_and_tensors_travel_by_value(toured):
    for result in toured[0]:
        assert result["backend"] == "gloo"
        torch.testing.assert_close(result["total"], torch.arange(3.0) * 2.0 * (1 + 2))


def test_each_worker_has_its_threads(toured):
    assert [(result["threads"], result["omp"]) for result in toured[0]] == [(2, "2"), (2, "2")]


def test_a_worker_that_finishes_early_does_not_disturb_the_others(toured):
    assert toured[0][1]["late"] == 7.0 * 500_000


def test_progress_is_what_worker_0_reports_in_order(toured):
    assert toured[1] == [*((step / 4, f"step {step} of worker 0") for step in (1, 2, 3)), (1.0, "done")]


def test_everything_is_cleaned_up(toured):
    assert not [pid for pid in (result["pid"] for result in toured[0]) if psutil.pid_exists(pid)]
    assert not [thread for thread in threading.enumerate() if "_listen" in thread.name]


def test_a_function_from_a_file_on_the_path_and_four_workers(tmp_path, monkeypatch):
    (tmp_path / "beside_the_notebook.py").write_text(
        "import torch, torch.distributed as dist\n"
        "def mean():\n"
        "    value = torch.tensor([2.0 ** dist.get_rank()])\n"
        "    dist.all_reduce(value)\n"
        "    return float(value) / dist.get_world_size()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import beside_the_notebook

    assert launch(beside_the_notebook.mean, 4) == [(1 + 2 + 4 + 8) / 4] * 4


def local_functions():
    def local():
        return 1

    return local


class Box:
    """An object that can be called, whose class stands in a file."""

    def __call__(self):
        return 1


def of_a_cell(source, name):
    """What a notebook's cell defines."""
    cell = {"__name__": "__main__"}
    exec(source, cell)
    return cell[name]


CELL_FUNCTION = of_a_cell("def train(): return 1", "train")
CELL_OBJECT = of_a_cell("class Setting: pass\nsetting = Setting()", "setting")


@pytest.fixture
def nothing_starts(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(workers, "fork", refuse)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda: 1, "Received a lambda. Write it with def at the top of a .py file"),
        (local_functions(), "Received local, which is defined inside another function"),
        (CELL_FUNCTION, "Received train, which is defined in a notebook's cell"),
        (partial(CELL_FUNCTION, 1), "Received train, which is defined in a notebook's cell"),
        (partial(worker_functions.fails, CELL_FUNCTION), "PicklingError: train is defined in a notebook's cell"),
        ("train", "a function that a worker can import. Received 'train'"),
    ],
)
def test_functions_that_a_worker_cannot_find_are_refused(fn, message):
    with pytest.raises(SettingError, match=message):
        launch(fn, 2)


@pytest.mark.parametrize("fn", [math.gcd, partial(worker_functions.fails, "raises"), Box(), int, np.sum])
def test_functions_that_a_worker_can_find_are_taken(fn):
    check_function(fn)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (CELL_OBJECT, "Received PicklingError: Setting is defined in a notebook's cell"),
        ([{"deep": CELL_FUNCTION}], "Received PicklingError: train is defined in a notebook's cell"),
        (threading.Lock(), "sent to another process. Received TypeError: cannot pickle '_thread.lock'"),
        (lambda: 1, "sent to another process. Received .*lambda"),
    ],
)
def test_arguments_that_cannot_travel_are_refused(argument, message):
    with pytest.raises(SettingError, match=message):
        launch(worker_functions.fails, 2, argument)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("world_size", [0, -1, 2.0, "2", True, None, 65, float("nan")])
def test_a_number_of_workers_that_makes_no_sense_is_refused(world_size):
    with pytest.raises(SettingError, match=f"a number of workers from 1 to 64. Received {world_size!r}"):
        launch(math.gcd, world_size, 12, 18)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threads": 0}, "1 thread a worker or more. Received 0"),
        ({"threads": 1.5}, "1 thread a worker or more. Received 1.5"),
        ({"timeout": 0}, "a timeout of more than 0 seconds. Received 0"),
        ({"timeout": "long"}, "a timeout of more than 0 seconds. Received 'long'"),
        ({"backend": "mpi"}, "Expected gloo or nccl. Received 'mpi'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        launch(math.gcd, 2, 12, 18, **settings)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(("built", "gpus"), [(False, 8), (True, 0), (True, 1)])
def test_nccl_wants_a_gpu_for_each_worker(monkeypatch, built, gpus):
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: built)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(SettingError, match='2 GPUs, one for each worker, for the backend nccl.*Write backend="gloo"'):
        launch(math.gcd, 2, 12, 18, backend="nccl")


CELLS = [
    "import math\nfrom started import started\nfrom labkit.distributed import launch\nfrom labkit.errors import LabError",
    "def train():\n    return 1\n\nlaunch(train, 2)",
    "from worker_functions import tour\nimport torch\n"
    "print([result['rank'] for result in launch(tour, 2, torch.ones(2), scale=1.0)])",
    "import os, signal\nfrom worker_functions import works_long\nfrom pathlib import Path\n"
    "launch(works_long, 1, Path(), progress=lambda *news: os.killpg(os.getpgrp(), signal.SIGINT))",
    "print(len(started()), 'left')",
]


def test_in_a_notebook(monkeypatch, tmp_path):
    """A cell's function is refused in one line, one from a file works and shows a bar, no process is left over.

    The interrupt goes to the kernel's group of processes, which is what Jupyter's stop button does.
    """
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([os.path.dirname(worker_functions.__file__), *filter(None, sys.path)])
    )
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": ""}})
    NotebookClient(book, timeout=60, allow_errors=True, resources={"metadata": {"path": tmp_path}}).execute()
    [refused] = book.cells[1].outputs
    assert "train, which is defined in a notebook's cell" in refused["evalue"]
    assert refused["traceback"] == [f"SettingError: {refused['evalue']}"]
    texts = [
        [output.get("text", "") for output in cell.outputs if output.output_type == "stream"] for cell in book.cells
    ]
    assert "[0, 1]\n" in texts[2]
    bars = [
        output
        for output in book.cells[2].outputs
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    ]
    assert len(bars) == 1
    assert texts[4] == ["0 left\n"]


def test_a_script_needs_no_guard_and_torch_is_not_loaded_by_asking(tmp_path):
    """Multiprocessing would run the script again in each worker."""
    script = tmp_path / "script.py"
    script.write_text(
        "import math, sys\n"
        "print('once')\n"
        "from labkit.distributed import launch, report\n"
        "print(launch(math.gcd, 1, 12, 18), 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("once\n[6] False\n", "")


@pytest.fixture
def line():
    """One end to speak into, and a function that gives what was said."""
    reading, writing = os.pipe()
    news = News(writing)

    def said():
        news._stream.close()
        with os.fdopen(reading) as stream:
            return [json.loads(line) for line in stream]

    return news, said


def test_reports_are_rare_and_the_last_is_never_lost(monkeypatch, line):
    news, said = line
    clock = iter([0.0, 0.0, SELDOM / 2, SELDOM, SELDOM, SELDOM])
    monkeypatch.setattr("labkit.distributed.news._news", news)
    monkeypatch.setattr("labkit.distributed.news.time.monotonic", lambda: next(clock))
    for fraction in (0.1, 0.2, np.float32(0.5), 1):
        report(fraction, "a\nb")
    assert [(message["fraction"], message["text"]) for message in said()] == [
        (0.1, "a\nb"),
        (0.5, "a\nb"),
        (1.0, "a\nb"),
    ]


def test_a_report_anywhere_else_does_nothing(capfd):
    report(0.5, "nobody listens")
    assert capfd.readouterr() == ("", "")


def test_the_bar_is_not_drawn_into_a_log(capfd):
    with shown(None, "training") as show:
        show(0.5, "half")
    assert capfd.readouterr() == ("", "")


def test_the_error_keeps_its_rank_and_traceback_when_it_travels():
    error = WorkerError("worker 1 of 2 to finish", received="ValueError", do="Look.", rank=1, traceback="line 7")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.rank, again.traceback, again.__notes__) == (str(error), 1, "line 7", ["line 7"])
    assert not hasattr(WorkerError("a", received="b", do="C."), "__notes__")
