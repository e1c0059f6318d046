"""A small JSON file that the reader owns: written whole or not at all; its trouble never stops a cell."""

import contextlib
import copy
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["Store", "home", "now"]

_FORMAT = 1


def home():
    """The folder of the reader's own files: the environment variable LABKIT_HOME, else ~/.labkit."""
    return Path(os.environ.get("LABKIT_HOME") or Path.home() / ".labkit").expanduser()


def now():
    """This moment as text, in UTC, to the second: 2026-01-31T09:30:00+00:00."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Store:
    """Named records in one JSON file in `home()`.

    A file that cannot be read is moved aside, with a message; where nothing can be written, the records stay
    in memory, with one warning.

    >>> store = Store("doctest.json")
    >>> with store.update() as records:
    ...     records["start.macro_f1"] = {"tries": 1}
    >>> store.read()
    {'start.macro_f1': {'tries': 1}}
    >>> store.path.unlink()
    """

    def __init__(self, name):
        self.name = name
        self._memory = {}  # path -> records that could not be written yet
        self._left_alone = set()  # paths of unreadable files that could not be moved
        self._warned = set()

    @property
    def path(self):
        """Where the file is; it follows LABKIT_HOME."""
        return home() / self.name

    def read(self):
        """All records, name to dict; empty where there is no file yet."""
        return {**self._read_file(), **copy.deepcopy(self._memory.get(self.path, {}))}

    @contextlib.contextmanager
    def update(self):
        """Give the records to a `with` block and write what it makes of them; two processes take turns."""
        path = self.path
        with contextlib.ExitStack() as stack:
            trouble = None
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(f"{path}.lock", timeout=10))
            except (OSError, Timeout) as error:
                trouble = error
            records = self.read()
            yield records
            if trouble is None and path not in self._left_alone:
                try:
                    _write(path, {"format": _FORMAT, "records": records})
                    self._memory.pop(path, None)
                    return
                except OSError as error:
                    trouble = error
            self._memory[path] = records  # the next update tries to write it again
            if trouble is not None:
                reason = getattr(trouble, "strerror", None) or trouble
                self._warn(f"{path} cannot be written ({reason}); your progress is kept in memory for now.")

    def _read_file(self):
        path = self.path
        if path in self._left_alone:
            return {}
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            self._left_alone.add(path)
            self._warn(f"{path} cannot be read ({error.strerror}); it is left alone, your progress is in memory.")
            return {}
        except ValueError:  # not JSON, or not UTF-8
            return self._set_aside("is damaged")
        records = data.get("records") if isinstance(data, dict) and data.get("format") == _FORMAT else None
        if not isinstance(records, dict) or not all(isinstance(one, dict) for one in records.values()):
            return self._set_aside("has a form that this version does not know")
        return records

    def _set_aside(self, what):
        """Move an unreadable file away under a new name, so that nothing in it is lost."""
        path = self.path
        aside = path.with_name(f"{path.stem}.unreadable-{datetime.now():%Y%m%d-%H%M%S-%f}{path.suffix}")
        try:
            os.replace(path, aside)
        except OSError as error:
            self._left_alone.add(path)
            self._warn(f"{path} {what} and cannot be moved ({error.strerror}); it is left alone.")
        else:
            self._warn(f"{path} {what}. It was kept as {aside.name}, and a new one is started.")
        return {}

    def _warn(self, message):
        if message not in self._warned:
            self._warned.add(message)
            print(f"Note: {message}", file=sys.stderr)


def _write(path, data):
    """Write beside the file, then swap: whoever reads sees the old or the new one, never half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
