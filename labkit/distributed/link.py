"""Two machines on one: network namespaces joined by a cable whose rate is limited, for what a slow network does."""

import os
import platform
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from labkit.errors import SettingError

__all__ = ["End", "available", "link"]

PREFIX = "labkit-link"
INTERFACE = "eth0"
ADDRESSES = ("192.0.2.1", "192.0.2.2")  # kept free for examples by RFC 5737: nobody has them
AT_ONCE = 0.002  # seconds of the link's rate that may leave without waiting: shorter is finer, and costs more
LARGEST = 131_072  # bytes that the system may hand to a link in one piece: less at once would never leave
QUEUE = 0.1  # seconds of the link's rate that may wait to leave, before anything is dropped


@dataclass(frozen=True)
class End:
    """One end of a link: a network of its own, where only the other end can be reached.

    `namespace` is its name, `interface` and `address` are what programs there use.
    """

    namespace: str
    interface: str
    address: str

    @property
    def prefix(self):
        """The words before a command that make it run at this end."""
        return ["ip", "netns", "exec", self.namespace]

    def popen(self, command, **settings):
        """Start a command at this end, as subprocess.Popen would; gloo in it uses the link."""
        environment = {**(settings.pop("env", None) or os.environ), "GLOO_SOCKET_IFNAME": self.interface}
        return subprocess.Popen([*self.prefix, *command], env=environment, **settings)


@contextmanager
def link(*, mbit=100.0):
    """Join two ends by a cable that carries `mbit` million bits per second in each direction; gives the two Ends.

    `labkit.distributed.launch(..., link=ends)` runs its workers there in turn, and `ends[0].popen([...])` any command.
    When the block is left, the processes of both ends are killed and the link is gone.

    Raises SettingError where it is not Linux, without root's rights, or without iproute2's commands ip and tc.
    """
    if isinstance(mbit, bool) or not isinstance(mbit, (int, float)) or not 0.1 <= mbit <= 100_000:
        raise SettingError("a rate from 0.1 to 100000 Mbit/s", received=repr(mbit), do="Write mbit=100.")
    if reason := _why_not():
        raise SettingError(
            "Linux, root's rights and the commands ip and tc, to limit a network", received=reason,
            do="Measure without a link, or run this as root (Debian and Ubuntu: apt install iproute2).",
        )  # fmt: skip
    _clear_what_is_left()
    ends = tuple(
        End(f"{PREFIX}-{os.getpid()}-{number}", INTERFACE, address) for number, address in enumerate(ADDRESSES)
    )
    try:
        _lay(ends, mbit)
        yield ends
    finally:
        for end in ends:
            _remove(end.namespace)


def available():
    """Tell whether a link can be made here, by making one."""
    try:
        with link():
            return True
    except SettingError:
        return False


def _why_not():
    if platform.system() != "Linux":
        return platform.system() or "another system"
    if os.geteuid() != 0:
        return f"user number {os.geteuid()}, who is not root"
    missing = [command for command in ("ip", "tc") if shutil.which(command) is None]
    return f"no {' and no '.join(missing)}" if missing else ""


def _lay(ends, mbit):
    for end in ends:
        _run("ip", "netns", "add", end.namespace)
    one, other = ends
    _run("ip", "link", "add", one.interface, "netns", one.namespace, "type", "veth",
         "peer", "name", other.interface, "netns", other.namespace)  # fmt: skip
    rate = round(mbit * 1e6)  # bits per second
    burst, queue = max(LARGEST, round(rate / 8 * AT_ONCE)), round(rate / 8 * QUEUE)
    for end in ends:
        inside = ("ip", "-n", end.namespace)
        _run(*inside, "address", "add", f"{end.address}/24", "dev", end.interface)
        for interface in ("lo", end.interface):
            _run(*inside, "link", "set", interface, "up")
        _run("tc", "-n", end.namespace, "qdisc", "add", "dev", end.interface, "root", "tbf",
             "rate", f"{rate}bit", "burst", str(burst), "limit", str(burst + queue))  # fmt: skip


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SettingError(
            f"`{' '.join(command[:4])} ...` to work", received=done.stderr.strip() or f"exit status {done.returncode}",
            do="The system forbids it or lacks a part, as many containers do. Measure without a link.",
        )  # fmt: skip
    return done.stdout


def _remove(namespace):
    """Kill what runs at one end, and delete it with its end of the cable; nothing happens where it does not exist."""
    found = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True)
    for pid in found.stdout.split():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)


def _clear_what_is_left():
    """Remove the links of processes that were killed."""
    for name in re.findall(rf"{PREFIX}-\d+-\d", _run("ip", "netns", "list")):
        if not os.path.exists(f"/proc/{name.split('-')[2]}"):
            _remove(name)
