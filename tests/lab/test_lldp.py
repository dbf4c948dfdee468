"""Two switches with lldpd tell of each other by SNMP, and a cable that is pulled and put back is counted (kpi/README.md
neighbour_churn)."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from kpi.fabric_counts import NeighbourCounts
from kpi.topology import End
from tests.lab.agentx import master
from tests.lab.daemon import wait_until
from tests.lab.lldpd import Lldpd
from tests.lab.network import Namespace, Network
from tests.lab.polling import Polling
from tests.programs import need_lab

pytestmark = pytest.mark.lab

ADDRESSES = {"one": "10.1.0.1", "two": "10.2.0.1"}
HOLD_S = 3
LLDP_REMOTE_NAME = "1.0.8802.1.1.2.1.4.1.1.9"
EVERY_S = 0.5


@dataclass
class Pair:
    """Two switches. The probe has a cable to each; the cable under test is "trunk" at both, with a dumb switch in the
    middle of it."""

    probe: Namespace
    switches: dict[str, Namespace]
    middle: Namespace

    def mac(self, name: str, device: str = "trunk") -> str:
        """As the kernel has it."""
        return self.switches[name].run("ip", "-o", "link", "show", "dev", device).partition("link/ether ")[2][:17]


@pytest.fixture
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    need_lab("snmpd", "lldpd")
    port_id: Literal["ifname", "macaddress"] = getattr(request, "param", "ifname")
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        probe, middle = network.namespace("probe"), network.namespace("middle")
        switches = {name: network.namespace(name) for name in ADDRESSES}
        for name, address in ADDRESSES.items():
            subnet = address.rpartition(".")[0]
            network.veth(probe, switches[name], names=(None, "mgmt"), addresses=([f"{subnet}.9/24"], [f"{address}/24"]))
            network.veth(middle, switches[name], names=(name, "trunk"))
        middle.bridge("br0", *ADDRESSES)
        middle.ip("link", "set", "br0", "type", "bridge", "group_fwd_mask", "0x4000")  # 01:80:c2:00:00:0e passes
        agents = [stack.enter_context(master(tmp_path, switches[name], address)) for name, address in ADDRESSES.items()]
        for name in ADDRESSES:
            stack.enter_context(Lldpd(tmp_path, switches[name], name=f"{name}.lab", hold=HOLD_S, port_id=port_id))
        wait_until(lambda: all(agent.column(LLDP_REMOTE_NAME) for agent in agents), "both have heard each other")
        yield Pair(probe, switches, middle)


def hears(polling: Polling, device: str, *names: str) -> bool:
    """Whether these are its neighbours, and nobody else."""
    return {neighbour.remote_name for neighbour in polling.polled(device).fabric.neighbours} == set(names)


async def both_hear(polling: Polling) -> None:
    await polling.until(lambda: hears(polling, "one", "two.lab") and hears(polling, "two", "one.lab"), "both are heard")


def churn(polling: Polling, device: str) -> NeighbourCounts:
    """Of the window that ends now."""
    found = polling.close(device)[0].neighbours
    assert found is not None
    return found


async def test_each_holds_the_other_and_the_link_is_confirmed(pair: Pair) -> None:
    async with Polling(pair.probe, ADDRESSES) as polling, polling.rhythm(EVERY_S):
        await both_hear(polling)
        for device, other in (("one", "two"), ("two", "one")):
            (neighbour,) = polling.polled(device).fabric.neighbours
            assert (neighbour.protocol, neighbour.local_port, neighbour.remote_port) == ("lldp", "trunk", "trunk")
            assert neighbour.remote_chassis in {pair.mac(other), pair.mac(other, "mgmt")}
            assert neighbour.remote_descr.startswith("Debian GNU/Linux")
        await polling.look()
        (link,) = polling.core.topology.links
        assert (link.a, link.b) == (End("one", "trunk"), End("two", "trunk"))
        assert (link.by, link.confirmed) == ("lldp", True)


@pytest.mark.parametrize("way", ["unplugged", "silent"])
async def test_a_pulled_cable_is_one_removed_and_put_back_one_added(pair: Pair, way: str) -> None:
    """Without carrier lldpd drops the neighbour at once; where a dumb switch keeps the carrier up, it ages out."""
    async with Polling(pair.probe, ADDRESSES) as polling, polling.rhythm(EVERY_S):
        await both_hear(polling)
        churn(polling, "one")
        if way == "unplugged":
            await asyncio.to_thread(pair.switches["two"].down, "trunk")
            await asyncio.to_thread(pair.middle.down, "one")
        else:
            pair.middle.ip("link", "set", "two", "nomaster")
        took_s = await polling.until(lambda: hears(polling, "one"), "two is gone", HOLD_S + 5)
        if way == "silent":
            assert took_s > HOLD_S - 1 - EVERY_S, "not before what it said last has run out"
        gone = churn(polling, "one")
        assert (gone.added, gone.removed, gone.infrastructure, gone.partial) == (0, 1, 1, 0)
        assert (gone.kept, gone.either) == (0, 1)
        if way == "unplugged":
            await asyncio.to_thread(pair.switches["two"].up, "trunk")
            await asyncio.to_thread(pair.middle.up, "one")
        else:
            pair.middle.ip("link", "set", "two", "master", "br0")
        await polling.until(lambda: hears(polling, "one", "two.lab"), "two is back")
        back = churn(polling, "one")
        assert (back.added, back.removed, back.infrastructure) == (1, 0, 1)
        (lost,) = [e for e in await polling.events("neighbour.lost") if e["device"] == "one"]
        (new,) = [e for e in await polling.events("neighbour.new") if e["device"] == "one"]
        for event in (lost, new):
            assert (event["local_port"], event["remote_name"], event["remote_port"]) == ("trunk", "two.lab", "trunk")
        polling.figures("one")
        await polling.poll()
        figure = polling.figures("one")["neighbour_churn"]
        assert (figure.value, figure.parts["stability_pct"]) == (0, 100)


@pytest.mark.parametrize("pair", ["macaddress"], indirect=True)
async def test_with_lldpds_own_default_it_is_still_the_same_link(pair: Pair) -> None:
    """It names its ports by their MAC addresses, as end stations do: the link is found, churn counts, but as that of
    an end station."""
    async with Polling(pair.probe, ADDRESSES) as polling, polling.rhythm(EVERY_S):
        await both_hear(polling)
        (neighbour,) = polling.polled("one").fabric.neighbours
        assert (neighbour.local_port, neighbour.remote_port) == ("trunk", pair.mac("two"))
        await polling.look()
        (link,) = polling.core.topology.links
        assert (link.a, link.b, link.confirmed) == (End("one", "trunk"), End("two", "trunk"), True)
        churn(polling, "one")
        await asyncio.to_thread(pair.switches["two"].down, "trunk")
        await asyncio.to_thread(pair.middle.down, "one")
        await polling.until(lambda: hears(polling, "one"), "two is gone")
        gone = churn(polling, "one")
        assert (gone.removed, gone.infrastructure) == (1, 0)
        assert await polling.events("neighbour.lost") == []
