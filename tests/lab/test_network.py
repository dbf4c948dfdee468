"""Networks of namespaces: joined, routed, cut, and gone afterwards."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.network import Namespace, Network, sweep
from tests.programs import need, need_lab

pytestmark = pytest.mark.lab


@pytest.fixture
def network() -> Iterator[Network]:
    need_lab("ping")
    with Network() as made:
        yield made


def answers(place: Namespace, address: str, wait: str = "10") -> bool:
    return "1 received" in place.run("ping", "-n", "-c1", "-W", wait, address, check=False)


def test_pair_speaks_both_families(network: Network) -> None:
    a, b = network.namespace("a"), network.namespace("b")
    names = network.veth(a, b, addresses=(["10.1.0.1/24", "fd00:1::1/64"], ["10.1.0.2/24", "fd00:1::2/64"]))
    assert names == ("veth0", "veth0")
    assert answers(a, "10.1.0.2")
    assert answers(b, "fd00:1::1")
    b.down("veth0")
    assert not answers(a, "10.1.0.2", "1")
    b.up("veth0")
    assert answers(a, "10.1.0.2")


def test_router_between_two_networks(network: Network) -> None:
    probe, router, host = (network.namespace(n) for n in ("probe", "router", "host"))
    network.veth(probe, router, addresses=(["10.1.0.2/24"], ["10.1.0.1/24"]))
    network.veth(router, host, addresses=(["10.2.0.1/24"], ["10.2.0.2/24"]))
    probe.route("default", via="10.1.0.1")
    host.route("default", via="10.2.0.1")
    assert not answers(probe, "10.2.0.2", wait="0.3")
    router.forward()
    assert answers(probe, "10.2.0.2")


def test_bridge_joins_its_ports(network: Network) -> None:
    switch, hosts = network.namespace("switch"), [network.namespace(f"h{i}") for i in range(3)]
    ports = [
        network.veth(switch, host, addresses=([], [f"10.3.0.{i}/24"]), names=(f"port{i}", "eth0"))[0]
        for i, host in enumerate(hosts, 1)
    ]
    switch.bridge("br0", *ports)
    assert answers(hosts[0], "10.3.0.3")
    switch.down("port3")
    assert not answers(hosts[0], "10.3.0.3", "1")


def test_firewall_rules(network: Network) -> None:
    need("nft")
    a, b = network.namespace("a"), network.namespace("b")
    network.veth(a, b, addresses=(["10.1.0.1/24"], ["10.1.0.2/24"]))
    b.nft("table ip t { chain c { type filter hook input priority 0\n icmp type echo-request drop\n}\n}")
    assert not answers(a, "10.1.0.2", "1")
    b.nft("flush ruleset")
    assert answers(a, "10.1.0.2")


def test_sockets_and_threads_enter_and_come_back(network: Network) -> None:
    a, b = network.namespace("a"), network.namespace("b")
    network.veth(a, b, addresses=(["10.1.0.1/24"], ["10.1.0.2/24"]))
    outside = os.readlink("/proc/thread-self/ns/net")
    with b.socket() as server, a.socket() as client:
        server.bind(("10.1.0.2", 0))
        server.settimeout(2)
        client.sendto(b"hello", server.getsockname())
        assert server.recvfrom(10)[0] == b"hello"
    with a.inside():
        inside = os.readlink("/proc/thread-self/ns/net")
        with b.inside():
            assert os.readlink("/proc/thread-self/ns/net") not in (inside, outside)
        assert os.readlink("/proc/thread-self/ns/net") == inside != outside
    with pytest.raises(KeyError), a.inside():
        raise KeyError
    assert os.readlink("/proc/thread-self/ns/net") == outside


def test_ping_group_range_decides_on_datagram_sockets(network: Network) -> None:
    a = network.namespace("a")
    a.ping_group_range()
    a.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close()
    a.ping_group_range(1, 0)
    with pytest.raises(PermissionError):
        a.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)


def test_a_failing_command_says_why(network: Network) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        network.namespace("a").up("eth7")
    assert "eth7" in caught.value.__notes__[0]


def test_nothing_left_after_a_failure() -> None:
    need_lab()
    with pytest.raises(KeyboardInterrupt), Network() as network:  # noqa: PT012 - the block is the scenario
        a = network.namespace("a")
        tracked = a.popen(["sleep", "60"])
        with a.inside():
            untracked = subprocess.Popen(["sleep", "60"])
        assert sorted(a.pids()) == sorted([tracked.pid, untracked.pid])
        raise KeyboardInterrupt
    assert not a.path.exists()
    assert tracked.poll() is not None
    assert untracked.wait(2) == -9


def test_sysfs_follows_when_asked(network: Network) -> None:
    a = network.namespace("a")
    a.bridge("br-here")
    process = a.popen(["ls", "/sys/class/net"], sysfs=True, stdout=subprocess.PIPE)
    assert b"br-here" in process.communicate(timeout=10)[0]


def test_sweeps_what_a_killed_run_left(tmp_path: Path) -> None:
    need_lab()
    script = (
        "from tests.lab.network import Network\nimport time\n"
        "with Network() as n:\n a=n.namespace('a')\n a.popen(['sleep','60'])\n print(a.name,flush=True)\n time.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run.stdout:
        name = run.stdout.readline().strip()
    assert name not in sweep(), "its maker still lives"
    run.kill()
    run.wait()
    deadline = time.monotonic() + 5
    while Path("/run/netns", name).exists() and time.monotonic() < deadline:
        sweep()
    assert not Path("/run/netns", name).exists()
