"""Kernels that are forked from a process that has imported torch already, for Jupyter to start.

jupyter_client finds this class by the entry point "labkit-forked" of the package; `labkit lab` names it as well.
"""

import asyncio
import os
import sys
from pathlib import Path

from jupyter_client.provisioning import LocalProvisioner

from labkit.forked import can_fork, fork

__all__ = ["ForkedProvisioner"]

OURS = (sys.executable, "-m", "ipykernel_launcher")
IMPORTED = ("ipykernel.kernelapp", "ipykernel.ipkernel", "matplotlib.pyplot", "transformers.models.bert.modeling_bert",
            "labkit.classifier")  # fmt: skip
"""What lessons take longest to import; nothing here may start a thread."""


class ForkedProvisioner(LocalProvisioner):
    """Starts a kernel in a tenth of a second, where a fresh interpreter takes five to have all that lessons import."""

    async def launch_kernel(self, cmd, **settings):
        """Fork the kernel where `cmd` starts one of our own Python: what it says after that are the arguments."""
        if tuple(cmd[:3]) != OURS or not can_fork():  # another language, another environment, another system
            return await super().launch_kernel(cmd, **settings)
        # 1: with 0 it would print how to connect to it, with a process's number it would watch that one. It need not.
        arguments = [*cmd[3:], "--IPKernelApp.parent_handle=1"]
        with open(os.devnull, "rb") as nothing:
            # In a thread: the first one waits for the imports, and nobody else should.
            self.process = await asyncio.to_thread(
                fork, "ipykernel.kernelapp:launch_new_instance", arguments, environment=settings["env"],
                folder=settings.get("cwd"), modules=IMPORTED, stdin=nothing.fileno(),
            )  # fmt: skip
        self.pid = self.pgid = self.process.pid  # it leads a session
        self.cwd = settings.get("cwd", Path.cwd())
        return self.connection_info
