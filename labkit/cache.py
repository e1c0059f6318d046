"""Every expensive result is kept under a key made of all that determines it; a rerun is instant."""

import ast
import errno
import hashlib
import importlib
import inspect
import json
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from filelock import FileLock, Timeout

from labkit.errors import CacheError

__all__ = ["Cache", "Cost", "code_version", "cost", "default_cache"]

ENTRY = "entry.json"
DISK_RESERVE = 300_000_000  # bytes that must be free before anything is computed for the cache


class Cache:
    """A folder of results, each a folder of files that is either complete or not there.

    An entry is written beside its place and moved there in one step, with a checksum for each file: a reader never
    sees half of one, two processes that want the same one compute it once, and a damaged one is computed again.

    >>> import tempfile
    >>> cache = Cache(tempfile.mkdtemp())
    >>> double = lambda folder: (folder / "answer.txt").write_text("42")
    >>> (cache.get({"what": "answer"}, double) / "answer.txt").read_text()
    '42'
    """

    def __init__(self, root):
        self.root = Path(root).expanduser()

    def path(self, key):
        """Say where the entry of a key is, or would be."""
        text = json.dumps(key, sort_keys=True, default=str)
        return self.root / key.get("what", "result") / hashlib.sha256(text.encode()).hexdigest()[:24]

    def get(self, key, make, *, wait=3600.0):
        """Give the folder of a key's entry; where there is none, `make(folder)` fills it first.

        `key` is a dictionary that names everything the result depends on. While one process makes an entry, others
        wait for it, `wait` seconds at most.

        Raises CacheError when the disk is full, the folder read-only or the waiting too long.
        """
        start, place = time.perf_counter(), self.path(key)
        self._find_or_make(key, place, make, wait)
        if (bill := _bill.get()) is not None:
            bill.add(waited=time.perf_counter() - start, took=self.seconds(key))
        return place

    def _find_or_make(self, key, place, make, wait):
        if self._complete(place):
            return
        with _disk_errors(self.root):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(f"{place}.lock", timeout=wait):
                    if not self._complete(place):
                        self._make(key, place, make)
            except Timeout:
                raise CacheError(
                    "the other process that computes this to finish", received=f"nothing after {wait:.0f} s",
                    do=f"Stop the other process, or delete {place.name}.lock in the cache.",
                ) from None  # fmt: skip

    def value(self, key, compute):
        """Give what `compute()` returned when it was first asked for under a key: numbers, texts, lists, dictionaries.

        >>> import tempfile
        >>> cache = Cache(tempfile.mkdtemp())
        >>> cache.value({"what": "sum"}, lambda: {"sum": 42}), cache.value({"what": "sum"}, lambda: "never asked")
        ({'sum': 42}, {'sum': 42})
        """
        place = self.get(key, lambda folder: (folder / "value.json").write_text(json.dumps(compute())))
        return json.loads((place / "value.json").read_text())

    def work(self, key):
        """Say where checkpoints of an unfinished entry live; the folder goes when the entry is complete."""
        return self.path(key).with_suffix(".work")

    def _make(self, key, place, make):
        free = shutil.disk_usage(self.root).free
        if free < DISK_RESERVE:
            raise CacheError(
                f"{DISK_RESERVE / 1e6:.0f} MB free on the disk", received=f"{free / 1e6:.0f} MB",
                do="Make room, or set the environment variable LABKIT_CACHE to a folder on another disk.",
            )  # fmt: skip
        part = Path(tempfile.mkdtemp(prefix=f"{place.name}.", suffix=".part", dir=place.parent))
        start = time.perf_counter()
        outer = _bill.set(None)  # what this entry needs is in its own time
        try:
            make(part)
            entry = {"key": key, "seconds": time.perf_counter() - start, "files": _checksums(part)}
            (part / ENTRY).write_text(json.dumps(entry, indent=1, default=str))
            shutil.rmtree(place, ignore_errors=True)  # an incomplete or damaged one
            os.replace(part, place)
            shutil.rmtree(self.work(key), ignore_errors=True)
        finally:
            _bill.reset(outer)
            shutil.rmtree(part, ignore_errors=True)

    def _complete(self, place):
        try:
            files = json.loads((place / ENTRY).read_text())["files"]
            return files == _checksums(place)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def seconds(self, key):
        """Tell how long an entry took to make, in seconds."""
        return json.loads((self.path(key) / ENTRY).read_text())["seconds"]

    def clear(self):
        """Delete everything; returns the bytes that were freed."""
        size = sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())
        shutil.rmtree(self.root, ignore_errors=True)
        return size


class Cost:
    """The seconds of a piece of work, in which a result from the cache counts as long as it took to make."""

    def __init__(self):
        self._start, self._found = time.perf_counter(), 0.0

    def add(self, *, waited, took):
        """Count an entry that came after `waited` seconds as the `took` seconds that it cost when it was made."""
        self._found += took - waited

    @property
    def seconds(self):
        """Seconds since the beginning, as if nothing had been in the cache."""
        return time.perf_counter() - self._start + self._found


_bill = ContextVar("bill", default=None)


@contextmanager
def cost():
    """Add up what everything asked for inside took to make, whether now or on an earlier day.

    An entry that was there is counted with its own time, without what it found in the cache itself.

    >>> import tempfile
    >>> cache = Cache(tempfile.mkdtemp())
    >>> for _ in range(2):
    ...     with cost() as bill:
    ...         _ = cache.value({"what": "nap"}, lambda: time.sleep(0.2))
    ...     print(round(bill.seconds, 1))
    0.2
    0.2
    """
    before = _bill.set(Cost())
    try:
        yield _bill.get()
    finally:
        _bill.reset(before)


def default_cache():
    """The reader's cache: the folder named by LABKIT_CACHE, or `~/.cache/labkit`."""
    return Cache(os.environ.get("LABKIT_CACHE", "~/.cache/labkit"))


@lru_cache(maxsize=256)
def code_version(*modules):
    """Hash what modules do, without their comments and docstrings, so that only a change of meaning counts.

    >>> code_version("labkit.errors") == code_version("labkit.errors")
    True
    """
    digest = hashlib.sha256()
    for name in modules:
        tree = ast.parse(inspect.getsource(importlib.import_module(name)))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                node.body = node.body[1:]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:12]


def _checksums(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ENTRY)
    return {str(path.relative_to(folder)): _sha256(path) for path in files}


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _disk_errors(root):
    try:
        yield
    except CacheError:
        raise
    except Exception as error:
        # safetensors has errors of its own, with the system's number in their words.
        said = re.search(r"os error (\d+)", str(error))
        number = error.errno if isinstance(error, OSError) else int(said[1]) if said else None
        if number not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR):
            raise
        raise CacheError(
            f"a cache folder that can be written to ({root})", received=os.strerror(number),
            do="Make room or change the rights, or set the environment variable LABKIT_CACHE to another folder.",
        ) from error  # fmt: skip
