"""The client in a namespace of its own: link-local addresses, real ICMP errors, fragments, no route."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from collectors.clock import SystemClock
from collectors.snmp import oid
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import Community
from collectors.snmp.errors import Refused, SendFault, SnmpError, Unreachable
from collectors.snmp.peer import Peer
from tests.lab.network import Namespace, Network
from tests.lab.snmpd import Snmpd
from tests.programs import need_lab

pytestmark = pytest.mark.lab

SYS_NAME = oid.parse("1.3.6.1.2.1.1.5.0")
COMMUNITY = Community("2c", b"public")
LONG_S = 5.0


@dataclass(frozen=True, slots=True)
class Site:
    probe: Namespace
    device: Namespace
    link: str
    """The probe's interface."""
    v4: Snmpd
    v6: Snmpd


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need_lab("snmpd", "nft")
    folder = tmp_path_factory.mktemp("site")
    with Network() as network:
        probe, device = network.namespace("probe"), network.namespace("device")
        link, _ = network.veth(probe, device, addresses=(["10.1.0.2/24", "fe80::2/64"], ["10.1.0.1/24", "fe80::1/64"]))
        probe.route("10.9.0.0/16", via="10.1.0.1")
        device.forward()
        device.sysctl("net.ipv4.icmp_ratelimit", 0)  # else one ICMP error a second
        with (
            Snmpd(folder, place=device, address="10.1.0.1", extra=["maxGetbulkResponses 2000"]) as v4,
            Snmpd(folder, place=device, address="::") as v6,
        ):
            yield Site(probe, device, link, v4, v6)


@pytest.fixture
async def snmp(site: Site) -> AsyncIterator[SnmpClient]:
    with site.probe.inside():
        client = await SnmpClient(SystemClock()).__aenter__()
    yield client
    await client.__aexit__(None, None, None)


async def test_a_link_local_address_is_asked_through_its_interface(snmp: SnmpClient, site: Site) -> None:
    device = Peer(f"fe80::1%{site.link}", site.v6.port, COMMUNITY)
    with site.probe.inside():
        device.source()
    assert (await snmp.get(device, [SYS_NAME], timeout_s=LONG_S)).values == [b"lab-agent"]
    closed = Peer(f"fe80::1%{site.link}", 9, COMMUNITY)
    with site.probe.inside():
        closed.source()
    with pytest.raises(Refused):
        await snmp.get(closed, [SYS_NAME], timeout_s=LONG_S)
    assert snmp.counters["foreign"] == snmp.counters["icmp_foreign"] == 0


async def test_replies_in_fragments_are_read(snmp: SnmpClient, site: Site) -> None:
    device = Peer("10.1.0.1", site.v4.port, COMMUNITY)
    reply = await snmp.get_bulk(device, [oid.parse("1.3.6.1.2.1.1")] * 20, max_repetitions=40, timeout_s=LONG_S)
    assert reply.octets > 9000
    assert len(reply.varbinds) == 800


async def test_a_closed_port_hurts_nobody_on_the_same_socket(snmp: SnmpClient, site: Site) -> None:
    device = Peer("10.1.0.1", site.v4.port, COMMUNITY)
    closed = Peer("10.1.0.1", 9, COMMUNITY)

    async def ask(peer: Peer) -> list[object]:
        return [await outcome(snmp, peer) for _ in range(40)]

    good, bad, also_good = await asyncio.gather(ask(device), ask(closed), ask(device))
    assert good == also_good == [b"lab-agent"] * 40
    assert bad == ["refused"] * 40
    assert snmp.counters["send_fault"] == 0


async def outcome(snmp: SnmpClient, peer: Peer) -> object:
    try:
        return (await snmp.get(peer, [SYS_NAME], timeout_s=1.0, retries=3)).values[0]
    except SnmpError as error:
        return error.reason


@pytest.mark.parametrize(
    ("reject", "reason"),
    [
        ("icmp type host-unreachable", "host_unreachable"),
        ("icmp type net-unreachable", "net_unreachable"),
        ("icmp type admin-prohibited", "admin_prohibited"),
        ("icmp type port-unreachable", "refused"),
    ],
)
async def test_icmp_errors_of_a_router_are_the_reason(snmp: SnmpClient, site: Site, reject: str, reason: str) -> None:
    site.device.nft(
        "table inet wall { chain in { type filter hook forward priority 0\n"
        f"ip daddr 10.9.0.0/16 reject with {reject}\n}}\n}}"
    )
    site.device.route("10.9.0.0/16", via="10.1.0.2")
    try:
        with pytest.raises((Unreachable, Refused)) as caught:
            await snmp.get(Peer("10.9.0.7", 161, COMMUNITY), [SYS_NAME], timeout_s=0.3, retries=1)
        assert caught.value.reason == reason
    finally:
        site.device.nft("delete table inet wall")
        site.device.ip("route", "del", "10.9.0.0/16")


async def test_no_route_is_our_fault(snmp: SnmpClient) -> None:
    with pytest.raises(SendFault):
        await snmp.get(Peer("192.0.2.1", 161, COMMUNITY), [SYS_NAME], timeout_s=LONG_S)
    assert snmp.counters["send_fault"] == 1
