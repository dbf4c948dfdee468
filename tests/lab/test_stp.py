"""Three Linux bridges with spanning tree: topology changes and another root are counted as kpi/README.md stp_changes has it.

net-snmp has no BRIDGE-MIB of Linux bridges; bridge_mib.py tells it out of what the kernel says.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kpi.fabric_counts import FabricCounts, StpCounts
from kpi.fabric_figures import fabric_figures
from tests.lab import passing
from tests.lab.agentx import master
from tests.lab.bridge_mib import BASE
from tests.lab.daemon import wait_until
from tests.lab.network import Namespace, Network
from tests.lab.polling import Polling
from tests.programs import need_lab

pytestmark = pytest.mark.lab

EVERY_S = 0.5
ADDRESSES = {"root": "10.1.0.1", "next": "10.2.0.1", "last": "10.3.0.1"}
FROZEN = "last"
"""The one whose agent never counts."""
FORWARDING = "3"


@dataclass
class Tree:
    """root = next - last: two cables between the first two, of which one is blocked."""

    probe: Namespace
    bridges: dict[str, Namespace]

    @staticmethod
    def name(bridge: str) -> str:
        """Of the device: the kernel's log knows it by that alone."""
        return f"{bridge}{os.getpid()}"

    def read(self, bridge: str, file: str) -> str:
        """A file of the bridge's own in /sys."""
        place = self.bridges[bridge].name
        path = f"/sys/class/net/{self.name(bridge)}/{file}"
        return self.probe.run("ip", "netns", "exec", place, "cat", path).strip()

    def forwards(self, bridge: str, *ports: str) -> bool:
        return all(self.read(bridge, f"brif/{port}/state") == FORWARDING for port in ports)

    def root_of(self, bridge: str) -> str:
        """MAC address of the bridge that it takes for the root."""
        mac = bytes.fromhex(self.read(bridge, "bridge/root_id").partition(".")[2])
        return mac.hex(":")

    def address(self, bridge: str) -> str:
        return self.read(bridge, "address")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    need_lab("snmpd")
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        probe = network.namespace("probe")
        bridges = {name: network.namespace(name) for name in ADDRESSES}
        tree = Tree(probe, bridges)
        for a, b, port in (("root", "next", "port1"), ("root", "next", "port2"), ("next", "last", "port3")):
            network.veth(bridges[a], bridges[b], names=(port, port if a == "root" else "port1"))
        ports = {"root": ["port1", "port2"], "next": ["port1", "port2", "port3"], "last": ["port1"]}
        for number, (name, place) in enumerate(bridges.items(), 1):
            device = tree.name(name)
            shortest = f"stp_state 1 forward_delay 200 hello_time 100 max_age 600 priority {4096 * number}"
            joined = [f"link set {port} master {device}" for port in ports[name]]
            place.ip_batch([f"link add {device} type bridge {shortest}", f"link set {device} up", *joined])
            address = ADDRESSES[name]
            subnet = address.rpartition(".")[0]
            network.veth(probe, place, names=(None, "mgmt"), addresses=([f"{subnet}.9/24"], [f"{address}/24"]))
            how = ["frozen"] if name == FROZEN else []
            told = passing.line(BASE, "tests.lab.bridge_mib", device, *how)
            stack.enter_context(master(tmp_path, place, address, told))
        wait_until(
            lambda: tree.forwards("next", "port1", "port3") and tree.forwards("last", "port1"), "all forward", 15
        )
        yield tree


@contextmanager
def logged(tree: Tree) -> Iterator[dict[str, int]]:
    """What the kernel logs in the block, counted at its end: topology changes by bridge."""
    counts = dict.fromkeys(tree.bridges, 0)
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.lseek(log, 0, os.SEEK_END)
        yield counts
        while True:
            try:
                record = os.read(log, 8192).decode("utf-8", "replace")
            except BlockingIOError:
                break
            for bridge in counts:
                counts[bridge] += f";{tree.name(bridge)}: topology change detected" in record
    finally:
        os.close(log)


def stp(polling: Polling, bridge: str) -> StpCounts:
    """Of the window that ends now."""
    found = polling.close(bridge)[0].stp
    assert found is not None
    return found


def told_root(polling: Polling, bridge: str) -> str:
    """The root, as the bridge has told the agent."""
    found = polling.latest(bridge).bridge
    return found.designated_root if found is not None else ""


async def test_changes_and_another_root_are_counted(tree: Tree) -> None:
    first, second = tree.address("root"), tree.address("next")
    async with Polling(tree.probe, ADDRESSES) as polling, polling.rhythm(EVERY_S):
        await polling.until(lambda: {told_root(polling, b) for b in ADDRESSES} == {first}, "all tell of the root")
        await polling.poll()
        for bridge in ADDRESSES:
            stp(polling, bridge)

        with logged(tree) as truly:  # the cable in use is pulled: the other one takes over, the root stays
            await asyncio.to_thread(tree.bridges["next"].down, "port1")
            await polling.until_outside(lambda: tree.forwards("next", "port2"), "the other cable is in use", 10)
            await polling.poll()
        counted = {bridge: stp(polling, bridge) for bridge in ADDRESSES}
        assert truly["next"] >= 1
        assert {bridge: counts.changes for bridge, counts in counted.items()} == truly
        assert [counts.roots for counts in counted.values()] == [0, 0, 0]
        assert await polling.events("stp.root_changed") == []

        with logged(tree) as truly:  # the root is cut off: the next one becomes it, and the last one hears of that
            await asyncio.to_thread(tree.bridges["next"].down, "port2")
            await polling.until_outside(
                lambda: {tree.root_of("next"), tree.root_of("last")} == {second}, "another root", 15
            )
            await polling.poll()
        counted = {bridge: stp(polling, bridge) for bridge in ADDRESSES}
        assert truly["next"] >= 1
        assert counted["next"].changes == truly["next"]
        assert 1 <= counted[FROZEN].changes <= truly[FROZEN], "by the time since the last one"
        assert (counted["root"].roots, counted["next"].roots) == (0, 1)
        changes = await polling.events("stp.root_changed")
        assert [(e["was"], e["root"]) for e in changes if e["device"] == "next"] == [(first, second)]
        seen = [e for e in changes if e["device"] == "last"]  # on the way it may take itself for the root
        assert (seen[0]["was"], seen[-1]["root"], counted["last"].roots) == (first, second, len(seen))
        figures = {figure.kpi: figure for figure in fabric_figures(FabricCounts(stp=counted["next"]))}
        assert figures["stp_changes"].value == truly["next"]
        assert figures["stp_changes"].parts["root_changes"] == 1
