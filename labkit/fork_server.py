"""A process that imports large modules once, and forks a process whenever it is asked to: `labkit.forked` asks it.

A fresh interpreter takes seconds to import torch and Transformers; each of a launch's workers would, and the kernel of
each lesson. This process has one thread and has computed nothing, only imported: what a fork of it gets is what a
fresh interpreter would have.
"""

import faulthandler
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress

__all__ = ["ANSWER", "die_with", "main"]

IDLE = 300.0  # seconds without a process or a request, after which the memory is given back
REQUEST, ANSWER = 1_000_000, 1_000  # bytes at most; a request holds the whole environment
DESCRIPTORS = 4  # of a process: standard input, output and error, and where to say how it ended
PR_SET_PDEATHSIG = 1
LOOK_AROUND = ("ipywidgets", "tqdm")
"""What looks, when it is imported, whether it is in a kernel: to be imported again, where it can see one."""

_PATH = sys.path[1:]  # as this interpreter found it, without the folder that it was started in


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
                    return  # and what was forked goes with us


def die_with(parent):
    """Ask Linux to kill this process when its parent, whose number is given, dies; elsewhere nothing happens."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was faster
        os._exit(1)


def _serve(line, selector):
    """Do what is asked next; False when nobody is there any more."""
    try:
        request, descriptors, *_ = socket.recv_fds(line, REQUEST, DESCRIPTORS)
    except ConnectionResetError:
        return False
    if not request:
        return False
    request = json.loads(request)
    for name in request["modules"]:
        with suppress(Exception):  # then the fork will fail for the same reason, and say so where it is heard
            importlib.import_module(name)
    parent, (reading, writing) = os.getpid(), os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        answer = {"errno": error.errno}
        os.close(descriptors[-1])
        os.close(writing)
    else:
        if pid == 0:
            line.close()
            os.setsid()  # it is ended with all that it starts
            os.close(reading)
            os.close(writing)
            _be(request, descriptors, selector, parent)
        answer = {"pid": pid}
        os.close(writing)
        os.read(reading, 1)  # until it leads its session: whoever ends it at once ends a group that is there
        selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, descriptors[-1]))
    for descriptor in (reading, *descriptors[:-1]):
        os.close(descriptor)
    with suppress(BrokenPipeError):
        line.send(json.dumps(answer).encode())
    return True


def _ended(selector, key):
    """Say how a process ended: its status as subprocess has it, less than 0 for a signal."""
    pid, descriptor = key.data
    selector.unregister(key.fd)
    os.close(key.fd)
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
    os.close(descriptor)


def _be(request, descriptors, selector, parent):
    """Be the process that was asked for: leave nothing of the server but its modules; never returns."""
    status = 1
    try:
        for key in selector.get_map().values():
            if key.data is not None:  # of another process
                os.close(key.fd)
                os.close(key.data[1])
        selector.close()
        die_with(parent)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, descriptor in enumerate(descriptors[:-1]):
            os.dup2(descriptor, number)
        for descriptor in descriptors:
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        sys.argv[1:] = request["arguments"]
        sys.path[:] = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *_PATH]
        importlib.invalidate_caches()
        _as_fresh()
        module, _, function = request["function"].partition(":")
        getattr(importlib.import_module(module), function)()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _as_fresh():
    """Make up for what an interpreter and modules do when they start: random numbers, threads, word of a crash."""
    for name in [name for name in sys.modules if name.partition(".")[0] in LOOK_AROUND]:
        del sys.modules[name]
    if os.environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable()
    if "numpy" in sys.modules:
        import numpy
        import threadpoolctl

        numpy.random.seed()
        cores = len(os.sched_getaffinity(0))
        threadpoolctl.threadpool_limits(int(os.environ.get("OMP_NUM_THREADS") or cores), user_api="blas")
    if "torch" in sys.modules:
        import torch

        torch.default_generator.seed()
