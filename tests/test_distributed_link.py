"""A link between two real network namespaces: its rate, who can be reached, what is refused, what is left over."""

import json
import os
import subprocess
import sys
from functools import cache

import psutil
import pytest
import worker_functions

from labkit.distributed import launch
from labkit.distributed import link as link_module
from labkit.distributed.link import available, link
from labkit.errors import SettingError

# Some kernels put ends of tunnels into every new network.
NEW_EVERYWHERE = {"tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0"}
RECEIVE = """
import socket, time
server = socket.create_server(("0.0.0.0", 5000))
print("ready", flush=True)
connection, _ = server.accept()
count = len(connection.recv(1))
start = time.perf_counter()
while part := connection.recv(1 << 20):
    count += len(part)
print(count, time.perf_counter() - start)
"""
SEND = """
import socket, sys
with socket.create_connection((sys.argv[1], 5000)) as connection:
    connection.sendall(bytes(int(sys.argv[2])))
"""


@pytest.fixture
def linked():
    if not allowed():
        pytest.skip("network namespaces are not allowed here")
    yield
    assert f"{link_module.PREFIX}-{os.getpid()}" not in namespaces()


@cache
def allowed():
    return available()


def namespaces():
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout


def rate(ends, count):
    """Mbit/s of `count` bytes from one end to the other."""
    receiver = ends[1].popen([sys.executable, "-c", RECEIVE], stdout=subprocess.PIPE, text=True)
    with receiver:
        assert receiver.stdout.readline() == "ready\n"
        with ends[0].popen([sys.executable, "-c", SEND, ends[1].address, str(count)]) as sender:
            assert sender.wait(timeout=30) == 0
        received, seconds = receiver.stdout.read().split()
    assert int(received) == count
    return count * 8 / float(seconds) / 1e6


@pytest.mark.usefixtures("linked")
@pytest.mark.parametrize("mbit", [20, 100])
def test_the_rate_is_what_was_asked_for(mbit):
    with link(mbit=mbit) as ends:
        # What may leave at once, without waiting, is small beside it; headers take some of the rate.
        assert rate(ends, round(mbit * 1e6 / 8 * 1.5)) == pytest.approx(mbit, rel=0.15)


@pytest.mark.usefixtures("linked")
def test_workers_talk_over_the_link():
    """Two workers each send half of the vector and pass the sums on: 2.5 MB each way, 0.2 s at 100 Mbit/s."""
    count = 2_500_000 // 4
    with link(mbit=100) as ends:
        slow = max(launch(worker_functions.seconds_of_all_reduce, 2, count, link=ends))
    assert 0.15 < slow < 1.0  # without the link it is some milliseconds


@pytest.mark.usefixtures("linked")
def test_an_end_has_its_own_network_and_tells_gloo_its_interface():
    look = "import json, os, socket; print(json.dumps([socket.if_nameindex(), os.environ['GLOO_SOCKET_IFNAME']]))"
    with link() as ends, ends[0].popen([sys.executable, "-c", look], stdout=subprocess.PIPE, text=True) as looking:
        found, used = json.loads(looking.communicate()[0])
    names = {name for _, name in found}
    assert used in names
    assert names - NEW_EVERYWHERE == {"lo", "eth0"}


@pytest.mark.usefixtures("linked")
def test_what_runs_at_the_ends_is_killed_after_an_error():
    sleepers = []

    def work():
        with link() as ends:
            sleepers.extend(end.popen(["sleep", "600"]) for end in ends)
            # `ip netns exec` turns into the command when it is inside.
            while not all(psutil.Process(sleeper.pid).name() == "sleep" for sleeper in sleepers):
                pass
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert [sleeper.wait(timeout=5) for sleeper in sleepers] == [-9, -9]


@pytest.mark.usefixtures("linked")
def test_the_link_of_a_killed_process_is_removed_by_the_next():
    with subprocess.Popen(["true"]) as ended:
        pass
    for name in (stale := f"{link_module.PREFIX}-{ended.pid}-0", alive := f"{link_module.PREFIX}-{os.getppid()}-7"):
        subprocess.run(["ip", "netns", "add", name], check=True)
    with link():
        assert stale not in namespaces()
        assert alive in namespaces()
    subprocess.run(["ip", "netns", "delete", alive], check=True)


@pytest.mark.usefixtures("linked")
def test_a_command_that_the_system_refuses_is_shown_and_what_was_made_is_removed(monkeypatch):
    monkeypatch.setattr(link_module, "QUEUE", -1.0)
    message = "Expected `tc -n .* qdisc ...` to work. Received .*limit.*Measure without a link"
    with pytest.raises(SettingError, match=message), link():
        pass


@pytest.mark.parametrize("mbit", [0, -1, True, "fast", float("nan"), 1e9])
def test_rates_that_make_no_sense_are_refused(mbit):
    with pytest.raises(SettingError, match=f"a rate from 0.1 to 100000 Mbit/s. Received {mbit!r}"), link(mbit=mbit):
        pass


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("platform.system", lambda: "Darwin", "Received Darwin. Measure without a link"),
        ("os.geteuid", lambda: 1000, "Received user number 1000, who is not root.*apt install iproute2"),
        ("shutil.which", lambda command: None if command == "tc" else command, "Received no tc. Measure without"),
    ],
)
def test_where_it_cannot_be_done_it_says_why(monkeypatch, name, value, message):
    monkeypatch.setattr(link_module.platform, "system", lambda: "Linux")
    monkeypatch.setattr(link_module.os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setattr(f"labkit.distributed.link.{name}", value, raising=False)
    with pytest.raises(SettingError, match=message), link():
        pass
    assert not available()
