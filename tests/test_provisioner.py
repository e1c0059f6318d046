"""Kernels that are forked can be interrupted, restarted, killed and shut down as others can; others start as they do."""

import asyncio
import os
import sys
import time

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from started import started

from labkit.execution import _HereSpecs
from labkit.forked import can_fork
from labkit.provisioner import ForkedProvisioner

pytestmark = pytest.mark.skipif(not can_fork(), reason="kernels are fresh interpreters here")


@pytest.fixture
def kernel():
    """A forked kernel and somebody who talks to it; nothing may be left of it."""
    before, manager = set(started()), KernelManager(kernel_spec_manager=_HereSpecs())
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()
    assert set(started()) <= before


def says(client, code):
    """Run code and give the name of the error, or what it printed."""
    said = []
    reply = client.execute_interactive(code, timeout=60, output_hook=said.append)["content"]
    assert reply["status"] != "aborted", "the kernel dropped this request: it came right behind one that failed"
    return reply.get("ename") or "".join(message["content"].get("text", "") for message in said)


def test_it_is_interrupted_and_goes_on(kernel):
    manager, client = kernel
    assert isinstance(manager.provisioner, ForkedProvisioner)
    # Jupyter drops what comes right behind a cell that failed, unless that cell was sent not to stop on errors.
    begun = client.execute("import time; print('begun'); time.sleep(100)", stop_on_error=False)
    while client.get_iopub_msg(timeout=60)["content"].get("text") != "begun\n":
        pass
    time.sleep(0.2)
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=60)
    assert (reply["parent_header"]["msg_id"], reply["content"]["ename"]) == (begun, "KeyboardInterrupt")
    assert says(client, "print(6 * 7)") == "42\n"


def test_it_starts_again_with_nothing_of_before(kernel):
    manager, client = kernel
    says(client, "word = 'before'")
    first = manager.provisioner.pid
    manager.restart_kernel(now=True)
    client.wait_for_ready(timeout=60)
    assert manager.provisioner.pid != first
    assert says(client, "print(word)") == "NameError"


def test_its_death_is_seen(kernel):
    manager, client = kernel
    client.execute("import os; os._exit(3)")
    deadline = time.monotonic() + 20
    while manager.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert manager.provisioner.process.wait() == 3


@pytest.mark.parametrize("command", [["/bin/sh", "-c", "exit 5"], [sys.executable, "-c", "raise SystemExit(5)"]])
def test_a_kernel_of_another_kind_starts_as_always(command):
    async def status():
        one = ForkedProvisioner(kernel_spec=KernelSpec(argv=command), kernel_id="1")
        await one.launch_kernel(command, env=dict(os.environ))
        return await one.wait()

    assert asyncio.run(status()) == 5
