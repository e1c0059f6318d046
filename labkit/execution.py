"""Runs one notebook from top to bottom in its own kernel, and can be stopped."""

import logging
import os
import re
import threading
import time
from dataclasses import asdict, dataclass

import papermill
import psutil
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from labkit.errors import RunError
from labkit.forked import PROVISIONER

__all__ = ["Failure", "execute"]

# What goes wrong is in the Failure; papermill would also print it.
logging.getLogger("papermill").setLevel(logging.CRITICAL)

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Failure:
    """The cell that ended a notebook, and what it raised."""

    cell: int
    """Which code cell, counted from 1 as Jupyter counts them."""
    source: str
    name: str
    message: str
    traceback: str

    def to_dict(self):
        """The same as a plain dict, for JSON."""
        return asdict(self)


class _HereSpecs(KernelSpecManager):
    """Knows one kernel: the Python that runs this very program, whatever is registered on the machine."""

    def get_kernel_spec(self, kernel_name):
        found = get_kernel_dict()
        found["metadata"] = {**found["metadata"], "kernel_provisioner": {"provisioner_name": PROVISIONER}}
        return KernelSpec(resource_dir=RESOURCES, **found)


class _HereManager(AsyncKernelManager):
    """Starts that kernel and notes itself in `started`, so that it can be ended."""

    started, environment = (), {}

    def __init__(self, **settings):
        # Encrypted: on a machine with many users, a lesson's text and outputs are nobody else's.
        super().__init__(kernel_spec_manager=_HereSpecs(), transport_encryption="auto", **settings)
        self.started.append(self)

    async def start_kernel(self, **settings):
        await super().start_kernel(env=os.environ | self.environment, **settings)


class _Sparing(NBClientEngine):
    """Writes the notebook every few seconds, and at its end whatever happens, where papermill does it at each cell."""

    every = 5.0  # seconds

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **settings):
        write, last = nb_man.save, time.monotonic()

        def save(**options):
            nonlocal last
            if time.monotonic() - last >= cls.every:
                write(**options)
                last = time.monotonic()

        nb_man.save = save
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **settings)
        finally:
            write()


papermill_engines.register(_Sparing.__name__, _Sparing)


def execute(source, *, target, folder, parameters, environment=None, on_cell=None):
    """Run the file `source` in `folder`, write it with its outputs to `target`; return a Failure or None.

    `environment` holds variables that only this kernel gets; `on_cell(index)` is called before each code
    cell. A KeyboardInterrupt ends the kernel with all its children and goes on to the caller.
    """
    managers, problems, begun, variables = [], [], [], environment or {}

    class Kernel(_HereManager):
        started, environment = managers, variables

    def begin(cell, cell_index):
        begun.append(cell.source)
        if on_cell:
            on_cell(cell_index)

    def work():
        try:
            papermill.execute_notebook(
                str(source),
                str(target),
                parameters=parameters,
                progress_bar=False,
                engine_name=_Sparing.__name__,
                shutdown_kernel="immediate",
                kernel_name="python3",
                kernel_manager_class=Kernel,
                # A kernel that is shut down may log that it was interrupted: nothing to tell a reader.
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
                resources={"metadata": {"path": str(folder)}},
                on_cell_start=begin,
            )
        except BaseException as problem:
            problems.append(problem)
        finally:
            # The one that jupyter_core made for this thread, and would leave open.
            ensure_event_loop().close()

    # In a thread: in the main one, nbclient takes over Ctrl-C and turns it into a dead kernel.
    thread = threading.Thread(target=work, name="notebook", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
    except KeyboardInterrupt:
        for manager in managers:
            _end(manager)
        thread.join(10)
        raise
    return _failure(problems[0], begun) if problems else None


def _failure(problem, begun):
    if isinstance(problem, PapermillExecutionError):
        return Failure(
            problem.exec_count or 0,
            problem.source,
            problem.ename,
            problem.evalue,
            _ANSI.sub("", "\n".join(problem.traceback)),
        )
    if isinstance(problem, (DeadKernelError, CellTimeoutError)):
        words = "The kernel ended in this cell; often the machine had no memory left."
        return Failure(len(begun), begun[-1] if begun else "", type(problem).__name__, words, str(problem))
    raise RunError(
        "a notebook that can be started",
        received=f"{type(problem).__name__}: {problem}",
        do="`labkit doctor` shows whether a kernel starts here.",
    ) from problem


def _end(manager):
    pid = getattr(manager.provisioner, "pid", None)
    if pid is None or not psutil.pid_exists(pid):
        return
    kernel = psutil.Process(pid)
    family = [*kernel.children(recursive=True), kernel]
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=5)
