"""Real faults on real processes: Ctrl-C in the middle of training, a full disk, a folder that cannot be written to."""

import os
import signal
import subprocess
import sys

import pytest
import small

from labkit import cache as cache_module
from labkit.cache import Cache
from labkit.errors import CacheError
from labkit.fine_tuning import train_classifier
from labkit.policy import Policy
from labkit.steps import Distill, Quantize
from labkit.training import Training

TRAIN = """
import sys, time
from labkit.cache import Cache
from labkit.callbacks import Callback
from labkit.errors import LabError
from labkit.fine_tuning import fine_tune
from labkit.task import load_task
from labkit.training import Training

class Say(Callback):
    def on_start(self, state):
        print("starts at", state.step, flush=True)
    def after_step(self, state):
        print("step", state.step, flush=True)
        time.sleep(0.3 if state.step == 1 else 0)  # time for whoever listens to press Ctrl-C

try:
    fine_tune(load_task(limit=60), training=Training(epochs=1, batch_size=12), cache=Cache(sys.argv[1]), callbacks=[Say()])
except LabError as error:
    sys.exit(str(error))
print("done")
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_ctrl_c_while_minilm_is_fine_tuned_keeps_what_was_done(tmp_path):
    first = start(tmp_path)
    while first.stdout.readline() not in ("step 1\n", ""):
        pass
    first.send_signal(signal.SIGINT)
    rest, said = first.communicate(timeout=120)
    assert first.returncode == 1
    last = int(rest.split()[-1]) if rest else 1
    assert said.strip().splitlines() == [
        f"Expected 4 steps of training. Received a stop after step {last}. Nothing is broken. "
        f"Run it again: it goes on from step {last}."
    ]
    second = start(tmp_path)
    told, said = second.communicate(timeout=120)
    assert (second.returncode, said) == (0, "")
    assert told.splitlines() == [f"starts at {last}", *(f"step {step}" for step in range(last + 1, 5)), "done"]


@pytest.fixture
def tmpfs(tmp_path):
    """Mount a disk of a given kind; skips where that is not allowed."""
    mounted = []

    def mount(options):
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("only root can mount a disk")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("this container may not mount a disk")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


def write(megabytes):
    return lambda folder: (folder / "weights.bin").write_bytes(b"\1" * (megabytes * 1_000_000))


def test_a_read_only_disk_is_told(tmpfs):
    with pytest.raises(CacheError, match="a cache folder that can be written to.*Read-only file system.*LABKIT_CACHE"):
        Cache(tmpfs("ro,size=1m") / "cache").get({"what": "test"}, write(1))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="rights do not bind root")
def test_a_folder_without_the_right_to_write_is_told(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(CacheError, match="a cache folder that can be written to.*Permission denied.*LABKIT_CACHE"):
        Cache(tmp_path / "cache").get({"what": "test"}, write(1))


def test_a_small_disk_is_told_before_anything_is_computed(tmpfs):
    called = []
    with pytest.raises(CacheError, match="300 MB free on the disk. Received 1 MB"):
        Cache(tmpfs("size=1m")).get({"what": "test"}, called.append)
    assert called == []


@pytest.fixture
def one_megabyte(tmpfs, monkeypatch):
    """A cache on a disk that fills up while something is written to it."""
    monkeypatch.setattr(cache_module, "DISK_RESERVE", 0)
    return Cache(tmpfs("size=1m"))


def files(cache):
    return sorted(path.name for path in cache.root.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_a_disk_that_fills_up_is_told_and_nothing_half_is_left(one_megabyte):
    with pytest.raises(CacheError, match="a cache folder that can be written to.*No space left on device"):
        one_megabyte.get({"what": "test"}, write(2))
    assert files(one_megabyte) == []
    one_megabyte.get({"what": "test"}, lambda folder: (folder / "small").write_text("fits"))


def test_a_model_that_does_not_fit_is_told(one_megabyte, tmp_path):
    with pytest.raises(CacheError, match="a cache folder that can be written to.*No space left on device"):
        one_megabyte.get({"what": "teacher"}, small.classifier().save)
    assert files(one_megabyte) == []


def test_a_packed_file_that_does_not_fit_is_told(one_megabyte, tmp_path):
    with pytest.raises(CacheError, match="a cache folder that can be written to.*No space left on device"):
        Policy([Quantize(bits=8, embedding_bits=None)]).apply(
            small.classifier(), small.task(tmp_path), cache=one_megabyte
        )
    assert files(one_megabyte) == []


def test_a_checkpoint_that_does_not_fit_is_told(one_megabyte, tmp_path):
    from labkit.callbacks import Stop

    with pytest.raises(CacheError, match="room for the checkpoint of step 1"):
        Policy([Distill(epochs=1)]).apply(
            small.classifier(), small.task(tmp_path), cache=one_megabyte, callbacks=[Stop(lambda: True)]
        )
    assert files(one_megabyte) == ["entry.json", "values.npy"]  # what the teacher said is whole, and kept


def test_a_long_text_is_cut_and_trained_on(tmp_path):
    small.write_table(tmp_path / "t.csv", rows=30)
    with (tmp_path / "t.csv").open("a") as file:
        file.write("apple " * 800_000 + ",fruit\n")
    task = small.load_task(tmp_path / "t.csv")
    classifier = small.classifier()
    train_classifier(classifier, task, training=Training(epochs=1, batch_size=16))
    assert classifier.predict(["apple " * 800_000]).shape == (1,)
