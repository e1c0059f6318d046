"""The errors that a reader meets: each says what was expected, what came, and what to do next."""

__all__ = [
    "CacheError",
    "ExerciseError",
    "Interrupted",
    "LabError",
    "ModelFileError",
    "OfflineError",
    "PackError",
    "RunError",
    "SettingError",
    "TaskError",
    "WorkerError",
]


class LabError(Exception):
    """Something the reader can mend; the message is written for them.

    >>> raise LabError("a share between 0 and 1", received="1.2", do="Write 0.2 for twenty percent.")
    Traceback (most recent call last):
    ...
    labkit.errors.LabError: Expected a share between 0 and 1. Received 1.2. Write 0.2 for twenty percent.
    """

    def __init__(self, expected, *, received, do):
        self.expected, self.received, self.do = expected, received, do
        super().__init__(f"Expected {expected}. Received {received}. {do}")

    def __reduce__(self):
        # Errors cross process borders (workers hand them back), and keyword arguments do not pickle by default.
        return _rebuild, (type(self), self.expected, self.received, self.do)

    def _render_traceback_(self):
        # IPython calls this: in a notebook the reader sees the message, not the inside of labkit.
        return [f"{type(self).__name__}: {self}"]


def _rebuild(kind, expected, received, do):
    return kind(expected, received=received, do=do)


class SettingError(LabError):
    """A parameter has a value that makes no sense, such as a sparsity of 1.2 or a layer that is not there."""


class TaskError(LabError):
    """A data set cannot be used: a file is empty, a column is missing, there is one class only."""


class ModelFileError(LabError):
    """A model's files are missing or not what they should be, such as a checkpoint with another checksum."""


class PackError(LabError):
    """A packed model is truncated, was changed, or was written by another version."""


class CacheError(LabError):
    """The cache cannot be read or written: no space, a read-only folder."""


class RunError(LabError):
    """A run was asked for that cannot be: an unknown lesson, an unknown parameter, a value of the wrong type."""


class WorkerError(LabError):
    """A worker of a distributed run raised an error, died or hangs; `rank` says which, `traceback` where."""

    def __init__(self, expected, *, received, do, rank=None, traceback=""):
        super().__init__(expected, received=received, do=do)
        self.rank, self.traceback = rank, traceback
        if traceback:
            self.add_note(traceback)

    def __reduce__(self):
        return _rebuild_worker, (self.expected, self.received, self.do, self.rank, self.traceback)


def _rebuild_worker(expected, received, do, rank, traceback):
    return WorkerError(expected, received=received, do=do, rank=rank, traceback=traceback)


class ExerciseError(LabError):
    """An exercise was asked for that does not exist, or is badly defined."""


class OfflineError(LabError):
    """Something has to be fetched and the network does not answer."""


class Interrupted(LabError, KeyboardInterrupt):
    """The reader stopped a long computation; what was done is kept.

    It is a KeyboardInterrupt too, so that whoever waits for Ctrl-C sees it.
    """
