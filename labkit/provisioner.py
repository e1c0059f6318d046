"""Kernels that are forked from a process that has imported torch already, for Jupyter to start: `labkit run` does.

jupyter_client finds this class by the entry point "labkit-forked" of the package.
"""

import os
from pathlib import Path

from jupyter_client.provisioning import LocalProvisioner

from labkit.forked import fork

__all__ = ["ForkedProvisioner"]

IMPORTED = ("ipykernel.kernelapp", "ipykernel.ipkernel", "matplotlib.pyplot", "transformers.models.bert.modeling_bert",
            "labkit.classifier")  # fmt: skip
"""What lessons take longest to import; nothing here may start a thread."""


class ForkedProvisioner(LocalProvisioner):
    """Starts a kernel in a tenth of a second, where a fresh interpreter takes five to have all that lessons import."""

    async def launch_kernel(self, cmd, **settings):
        """Fork the kernel; `cmd` is the command line of a fresh one, whose arguments it gets."""
        with open(os.devnull, "rb") as nothing:
            self.process = fork(
                "ipykernel.kernelapp:launch_new_instance", cmd[cmd.index("-f") :], environment=settings["env"],
                folder=settings.get("cwd"), modules=IMPORTED, stdin=nothing.fileno(),
            )  # fmt: skip
        self.pid = self.pgid = self.process.pid  # it leads a session
        self.cwd = settings.get("cwd", Path.cwd())
        return self.connection_info
