"""Processes forked from one that has imported torch already, seen from whoever wants them."""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading

from labkit.fork_server import ANSWER

__all__ = ["PROVISIONER", "Forked", "can_fork", "fork"]

PROVISIONER = "labkit-forked"
"""By this name Jupyter finds labkit.provisioner, for kernels that have imported torch when they start."""
CODE = "from labkit.fork_server import main; main()"
SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",  # it starts its threads when it is imported, and a process that forks must have one
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as in a kernel
}
READ_AT_IMPORT = ("HF_", "KMP_", "LABKIT_ROOT", "MKL_", "OMP_", "TORCH", "TRANSFORMERS_")
"""How the variables begin that imported modules have read: where one of them changes, a new server is needed."""

_lock = threading.Lock()
_server = None  # of this process; it ends when it has had nothing to do for some minutes, and when we end


class Forked:
    """A process that the fork server made, with as much of subprocess.Popen as its users need.

    `stdin`, `stdout` and `stderr` are our ends of its pipes, None where it has no pipe there.
    """

    def __init__(self, pid, status, pipes):
        self.pid, self.returncode = pid, None
        self.stdin, self.stdout, self.stderr = pipes
        self._status = status

    def poll(self):
        """Give its exit status, less than 0 for a signal; None while it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self):
        """Wait until it has ended; returns its exit status."""
        if self.returncode is None:
            with self._status:
                said = self._status.read()
            self.returncode = int(said) if said else -signal.SIGKILL  # the server was killed, and it went along
        return self.returncode

    def send_signal(self, number):
        """Send it a signal; one that has ended gets nothing."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class _Server:
    """The fork server of this process."""

    def __init__(self):
        self.owner, self.settings = os.getpid(), _settings()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CODE, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                env=os.environ | SETTINGS, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,  # Ctrl-C is for us alone
            )  # fmt: skip
        except BaseException:
            self._line.close()
            raise
        finally:
            theirs.close()

    def is_good(self):
        """Tell whether it is ours, and has imported what would be imported now."""
        return self.owner == os.getpid() and self.settings == _settings()

    def ask(self, request, descriptors):
        """Send a request; returns the answer, or None when the server is gone."""
        try:
            socket.send_fds(self._line, [json.dumps(request).encode()], descriptors)
            answer = self._line.recv(ANSWER)
        except (BrokenPipeError, ConnectionResetError):
            return None
        return json.loads(answer) if answer else None

    def end(self):
        """End it, and with it all that it forked."""
        self._line.close()
        if self.owner == os.getpid():  # a fork of us must not end what is not its own
            self.process.kill()
            self.process.wait()


def can_fork():
    """Tell whether processes can be forked here: on Linux, from its version 5.3 on."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def fork(function, arguments, *, environment, folder=None, modules=(), stdin=None, stdout=None, stderr=None):
    """Start a process that calls `function`, "module:name", with `arguments` in sys.argv; returns a Forked.

    It leads a session, has the given environment variables, works in `folder` (ours where it is None), and finds the
    `modules` imported. What it reads and writes is ours, an open file's number, or subprocess.PIPE. The first call
    starts the server and waits for its imports, some seconds.

    Raises OSError where the system does not allow another process.
    """
    global _server
    request = {
        "function": function, "arguments": list(map(str, arguments)), "environment": dict(environment),
        "folder": str(folder or os.getcwd()), "modules": ["threadpoolctl", "torch", *modules],
    }  # fmt: skip
    with _lock:
        for _ in range(2):
            if _server is not None and not _server.is_good():
                _forget()
            if _server is None:
                _server = _Server()
                atexit.register(_server.end)
            try:
                made = _ask(_server, request, (stdin, stdout, stderr))
            except BaseException:  # a stop, while the answer was on its way
                _forget()
                raise
            if made is not None:
                return made
            _forget()  # it had nothing to do for long, or somebody killed it
    raise OSError("the process that forks others does not start")


def _settings():
    return {name: value for name, value in os.environ.items() if name.startswith(READ_AT_IMPORT)}


def _forget():
    global _server
    atexit.unregister(_server.end)
    _server.end()
    _server = None


def _ask(server, request, streams):
    """Ask for one process; None when the server is gone."""
    ours, theirs = [], []
    for number, stream in enumerate((*streams, subprocess.PIPE)):  # the last: how it ended
        own, their = None, number if stream is None else stream
        if stream == subprocess.PIPE:
            own, their = reversed(os.pipe()) if number == 0 else os.pipe()
        ours.append(own)
        theirs.append(their)
    answer = None
    try:
        answer = server.ask(request, theirs)
    finally:
        alive = answer is not None and "pid" in answer
        for own, their in zip(ours, theirs, strict=True):
            if own is not None:
                os.close(their)
                if not alive:
                    os.close(own)
    if answer is None:
        return None
    if not alive:
        raise OSError(answer["errno"], os.strerror(answer["errno"]))
    files = [end if end is None else os.fdopen(end, "rb" if number else "wb") for number, end in enumerate(ours)]
    return Forked(answer["pid"], files[-1], files[:-1])
