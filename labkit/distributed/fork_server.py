"""A process that imports what workers need once, and forks a worker whenever it is asked: `forked` asks it.

A fresh interpreter takes seconds to import torch and Transformers, and each of a launch's workers would. Here only
third-party modules and those of labkit are imported, by a process that has one thread and has computed nothing: what
a fork of it gets is what a fresh interpreter would have.
"""

import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress

from labkit.distributed.member import main as work

__all__ = ["LARGEST", "main"]

IDLE = 300.0  # seconds without a worker or a request, after which the memory is given back
LARGEST = 1_000_000  # bytes of a request: it holds the whole environment
DESCRIPTORS = 4  # of a worker: standard input, output and error, and where to say how it ended


def main():
    """Fork what is asked for on the socket whose number is the argument, until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides
    with socket.socket(fileno=int(sys.argv[1])) as line, selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        while True:
            ready = selector.select(IDLE)
            if not ready and len(selector.get_map()) == 1:  # the line alone
                return
            for key, _ in ready:
                if key.fileobj is not line:
                    _ended(selector, key)
                elif not _serve(line, selector):
                    return  # the workers go with us


def _serve(line, selector):
    """Do what is asked next; False when nobody is there any more."""
    try:
        request, descriptors, *_ = socket.recv_fds(line, LARGEST, DESCRIPTORS)
    except ConnectionResetError:
        return False
    if not request:
        return False
    request = json.loads(request)
    for name in request["modules"]:
        with suppress(Exception):  # then the worker will fail for the same reason, and say so where it is heard
            importlib.import_module(name)
    try:
        pid = os.fork()
    except OSError as error:
        answer = {"errno": error.errno}
        os.close(descriptors[-1])
    else:
        if pid == 0:
            line.close()
            _be_a_worker(request, descriptors, selector)
        answer = {"pid": pid}
        selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, descriptors[-1]))
    for descriptor in descriptors[:-1]:
        os.close(descriptor)
    with suppress(BrokenPipeError):
        line.send(json.dumps(answer).encode())
    return True


def _ended(selector, key):
    """Say how a worker ended: its status as subprocess has it, less than 0 for a signal."""
    pid, descriptor = key.data
    selector.unregister(key.fd)
    os.close(key.fd)
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
    os.close(descriptor)


def _be_a_worker(request, descriptors, selector):
    """Leave nothing of the server but its modules, and work; never returns."""
    try:
        for key in selector.get_map().values():
            if key.data is not None:  # of another worker
                os.close(key.fd)
                os.close(key.data[1])
        selector.close()
        os.setsid()  # it is ended with all that it starts
        for number, descriptor in enumerate(descriptors[:-1]):
            os.dup2(descriptor, number)
        for descriptor in descriptors:
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        sys.argv[1:] = request["arguments"]
        sys.path[:] = ["", *os.environ["PYTHONPATH"].split(os.pathsep)]
        importlib.invalidate_caches()
        _shuffle()
        work()
    except BaseException:
        traceback.print_exc()  # into the worker's log
    finally:
        os._exit(1)


def _shuffle():
    """Give this worker random numbers of its own, as a fresh interpreter has; Python sees to its own."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()
