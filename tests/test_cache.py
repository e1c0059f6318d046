"""The cache: complete entries or none, made once by whoever comes first, and words when the disk is the trouble."""

import errno
import importlib
import itertools
import json
import os
import subprocess
import sys
import time

import pytest

from labkit import cache as module
from labkit.cache import Cache, code_version, cost, default_cache
from labkit.errors import CacheError, PackError

KEY = {"what": "test", "seed": 0}


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


class Maker:
    """Fills an entry with a file in a folder, and counts how often."""

    def __init__(self, text="42"):
        self.text, self.calls = text, 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "sub").mkdir()
        (folder / "sub" / "answer.txt").write_text(self.text)
        (folder / "other.bin").write_bytes(b"\0" * 10)


def test_an_entry_is_made_once(cache):
    make = Maker()
    places = [cache.get(KEY, make) for _ in range(3)]
    assert make.calls == 1
    assert len(set(places)) == 1
    assert (places[0] / "sub" / "answer.txt").read_text() == "42"
    assert cache.seconds(KEY) >= 0


def test_every_part_of_a_key_counts_and_their_order_does_not(cache):
    keys = [KEY, KEY | {"seed": 1}, KEY | {"more": None}, {"what": "other", "seed": 0}]
    assert len({cache.path(key) for key in keys}) == 4
    assert cache.path({"seed": 0, "what": "test"}) == cache.path(KEY)


def damage_content(place):
    (place / "sub" / "answer.txt").write_text("43")


def damage_lost(place):
    (place / "other.bin").unlink()


def damage_truncated(place):
    (place / "other.bin").write_bytes(b"\0" * 9)


def damage_additional(place):
    (place / "more.txt").write_text("")


def damage_entry(content):
    return lambda place: (place / "entry.json").write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        damage_content,
        damage_lost,
        damage_truncated,
        damage_additional,
        *map(damage_entry, (b"", b"{", b"[]", b"null", b"{}", b"\xff")),
    ],
)
def test_a_damaged_entry_is_made_again(cache, damage):
    make = Maker()
    damage(cache.get(KEY, make))
    place = cache.get(KEY, make)
    assert make.calls == 2
    assert sorted(path.name for path in place.rglob("*")) == ["answer.txt", "entry.json", "other.bin", "sub"]
    assert (place / "sub" / "answer.txt").read_text() == "42"


def test_what_fails_in_the_middle_leaves_nothing_but_its_checkpoints(cache):
    def fail(folder):
        (folder / "half").write_text("half")
        work = cache.work(KEY)
        work.mkdir()
        (work / "training.pt").write_text("step 7")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.get(KEY, fail)
    assert not cache.path(KEY).exists()
    assert [path.name for path in cache.root.rglob("*") if path.is_file() and path.suffix != ".lock"] == ["training.pt"]
    cache.get(KEY, Maker())
    assert not cache.work(KEY).exists()  # done: nothing to go on from


def test_checkpoints_are_beside_the_entry(cache):
    assert cache.work(KEY).parent == cache.path(KEY).parent
    assert cache.work(KEY) != cache.path(KEY)


SCRIPT = """
import sys, time
from pathlib import Path
from labkit.cache import Cache
cache, name = Cache(sys.argv[1]), sys.argv[2]
def make(folder):
    with open(sys.argv[3], "a") as log:
        log.write(name + "\\n")
    for i in range(20):
        (folder / f"{i}.txt").write_text(name * 1000)
        time.sleep(0.02)
Path(sys.argv[3] + name).touch()
while len(list(Path(sys.argv[3]).parent.glob("made*"))) < 3:  # all three start together
    time.sleep(0.01)
place = cache.get({"what": "race"}, make)
print(place, {(place / f"{i}.txt").read_text() for i in range(20)} == {(place / "0.txt").read_text()})
"""


def test_three_processes_make_an_entry_once_and_all_get_it(cache, tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, cache.root, name, tmp_path / "made"], stdout=subprocess.PIPE, text=True
        )
        for name in "abc"
    ]
    told = {process.communicate(timeout=60)[0].strip() for process in started}
    assert told == {f"{cache.path({'what': 'race'})} True"}
    assert len((tmp_path / "made").read_text().split()) == 1
    assert [process.returncode for process in started] == [0, 0, 0]


def test_a_killed_process_does_not_block_the_next(cache, tmp_path):
    code = SCRIPT.replace("time.sleep(0.02)", "time.sleep(60)").replace("< 3", "< 1")
    process = subprocess.Popen([sys.executable, "-c", code, cache.root, "a", tmp_path / "made"])
    while not (tmp_path / "made").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    make = Maker()
    cache.get({"what": "race"}, make, wait=5)
    assert make.calls == 1


def test_waiting_has_an_end(cache, monkeypatch):
    def nested(folder):
        cache.get(KEY, Maker(), wait=0.05)

    with pytest.raises(CacheError, match=r"the other process.*nothing after 0 s.*delete .*\.lock in the cache"):
        cache.get(KEY, nested)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_errors_of_the_disk_come_in_words(cache, number):
    def fail(folder):
        raise OSError(number, os.strerror(number))

    with pytest.raises(
        CacheError, match=f"a cache folder that can be written to .*{os.strerror(number)}.*LABKIT_CACHE"
    ):
        cache.get(KEY, fail)


def test_other_errors_are_not_taken_for_the_disks(cache):
    def missing(folder):
        raise FileNotFoundError(errno.ENOENT, "my own file")

    def pack(folder):
        raise PackError("a", received="b", do="c")

    with pytest.raises(FileNotFoundError, match="my own file"):
        cache.get(KEY, missing)
    with pytest.raises(PackError, match="Expected a"):
        cache.get(KEY, pack)


def test_a_file_in_the_place_of_the_cache_is_told(tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(CacheError, match="a cache folder that can be written to"):
        Cache(tmp_path / "cache").get(KEY, Maker())


def test_no_space_is_told_before_anything_is_computed(cache, monkeypatch):
    usage = module.shutil._ntuple_diskusage(100_000_000, 88_000_000, 12_000_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    make = Maker()
    with pytest.raises(CacheError, match="300 MB free on the disk. Received 12 MB. Make room, or set .*LABKIT_CACHE"):
        cache.get(KEY, make)
    assert make.calls == 0


def test_clearing_tells_the_bytes(cache):
    cache.get(KEY, Maker())
    size = sum(path.stat().st_size for path in cache.root.rglob("*") if path.is_file())
    assert size > 12
    assert cache.clear() == size
    assert not cache.root.exists()
    assert cache.clear() == 0


def test_the_environment_chooses_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "here"))
    assert default_cache().root == tmp_path / "here"
    monkeypatch.delenv("LABKIT_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache().root == tmp_path / ".cache" / "labkit"


NUMBERS = itertools.count()
CODE = '"""Doc."""\n\n\ndef double(x):\n    """Twice."""\n    return 2 * x  # why\n'


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("Twice.", "Two times."), True),
        (("  # why", ""), True),
        (("return 2 * x", "return x * 2"), False),
        (('    """Twice."""\n', ""), True),
        (("def double(x)", "def double(x, y=1)"), False),
    ],
)
def test_only_a_change_of_meaning_is_another_version(tmp_path, monkeypatch, change, same):
    versions = []
    monkeypatch.syspath_prepend(tmp_path)
    for text in (CODE, CODE.replace(*change)):
        name = f"some_code_{next(NUMBERS)}"  # a module is imported once
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        versions.append(code_version(name))
    assert (versions[0] == versions[1]) is same


def test_an_entry_says_what_it_was_made_of(cache):
    entry = json.loads((cache.get(KEY, Maker()) / "entry.json").read_text())
    assert entry["key"] == KEY
    assert sorted(entry["files"]) == ["other.bin", "sub/answer.txt"]


def test_a_value_is_computed_once_and_comes_back_equal(tmp_path):
    cache, asked = Cache(tmp_path), []

    def compute():
        asked.append(1)
        return {"a": [1, 2.5, None], "b": "text"}

    values = [cache.value({"what": "thing", "n": 1}, compute) for _ in range(3)]
    assert values == [{"a": [1, 2.5, None], "b": "text"}] * 3
    cache.value({"what": "thing", "n": 2}, compute)
    assert len(asked) == 2


def test_the_cost_of_found_and_of_new_results_is_the_same_and_nothing_counts_twice(cache):
    def inner(folder):
        time.sleep(0.1)

    def outer(folder):
        cache.get({"what": "inner"}, inner)
        time.sleep(0.2)

    def bill():
        start = time.perf_counter()
        with cost() as bill:
            cache.get({"what": "outer"}, outer)
            time.sleep(0.1)  # what no cache knows
        return bill.seconds, time.perf_counter() - start

    (new, new_clock), (found, found_clock) = bill(), bill()
    assert new == pytest.approx(new_clock, abs=0.05)
    assert 0.4 <= new < 0.6
    assert found == pytest.approx(new, abs=0.05)
    assert found_clock < 0.2


def test_nothing_is_counted_outside_of_a_bill(cache):
    with cost() as bill:
        pass
    before = bill._found
    cache.get({"what": "other"}, lambda folder: time.sleep(0.1))
    assert bill._found == before
