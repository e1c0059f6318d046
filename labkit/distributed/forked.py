"""Workers forked from a process that has imported torch already, seen from whoever wants them."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading

__all__ = ["Forked", "can_fork", "fork"]

CODE = "from labkit.distributed.fork_server import main; main()"
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
"""A process that forks must have one thread."""

_lock = threading.Lock()
_server = None  # of this process; it ends when it has had nothing to do for some minutes, and when we end


class Forked:
    """A worker that the fork server started: as much of subprocess.Popen as is needed to listen to it and to end it."""

    def __init__(self, pid, stdin, stdout, status):
        self.pid, self.stdin, self.stdout, self.returncode = pid, stdin, stdout, None
        self._status = status

    def wait(self):
        """Wait until it has ended; returns its exit status, less than 0 for a signal."""
        if self.returncode is None:
            with self._status:
                said = self._status.read()
            self.returncode = int(said) if said else -signal.SIGKILL  # the server was killed, and it went along
        return self.returncode


class _Server:
    """The fork server of this process."""

    def __init__(self, environment):
        self.owner = os.getpid()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CODE, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                env={**environment, **ALONE}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,  # Ctrl-C is for us alone
            )  # fmt: skip
        except BaseException:
            self._line.close()
            raise
        finally:
            theirs.close()

    def ask(self, request, descriptors):
        """Send a request; returns the answer, or None when the server is gone."""
        try:
            socket.send_fds(self._line, [json.dumps(request).encode()], descriptors)
            answer = self._line.recv(1000)
        except (BrokenPipeError, ConnectionResetError):
            return None
        return json.loads(answer) if answer else None

    def end(self):
        """End it, and with it all its workers."""
        self._line.close()
        if self.owner == os.getpid():  # a fork of us must not end what is not its own
            self.process.kill()
            self.process.wait()


def can_fork():
    """Tell whether workers can be forked here: on Linux, from its version 5.3 on."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def fork(arguments, *, environment, log):
    """Fork a worker with the arguments of its command line but for the last, the number of its parent's process.

    It has the given environment and our folder, prints to the open file `log`, and finds imported what is imported
    here of labkit.distributed. The first call starts the server and waits for its imports, some seconds.

    Raises OSError where the system does not allow another process.
    """
    global _server
    with _lock:
        for _ in range(2):
            if _server is None or _server.owner != os.getpid():
                _server = _Server(environment)
                atexit.register(_server.end)
            try:
                made = _ask(_server, arguments, environment, log)
            except BaseException:  # a stop, while the answer was on its way
                _forget()
                raise
            if made is not None:
                return made
            _forget()  # it had nothing to do for long, or somebody killed it
    raise OSError("the process that forks workers does not start")


def _forget():
    global _server
    atexit.unregister(_server.end)
    _server.end()
    _server = None


def _ask(server, arguments, environment, log):
    """Ask for one worker; None when the server is gone."""
    ours, theirs = [], []
    for reading in (False, True, True):  # its standard input and output, and how it ended
        ends = os.pipe()
        ours.append(ends[not reading])
        theirs.append(ends[reading])
    request = {
        "arguments": [*arguments, str(server.process.pid)], "environment": environment, "folder": os.getcwd(),
        "modules": ["torch", *_loaded()],
    }  # fmt: skip
    answer = None
    try:
        answer = server.ask(request, [*theirs[:2], log.fileno(), theirs[2]])
    finally:
        for descriptor in [*theirs, *([] if answer and "pid" in answer else ours)]:
            os.close(descriptor)
    if answer is None:
        return None
    if "errno" in answer:
        raise OSError(answer["errno"], os.strerror(answer["errno"]))
    return Forked(answer["pid"], *(os.fdopen(end, mode) for end, mode in zip(ours, ("wb", "rb", "rb"), strict=True)))


def _loaded():
    """Name the modules that workers are likely to want, because their starter has them."""
    return sorted(name for name in sys.modules if name.startswith("labkit.distributed."))
