"""Two FRR routers as the agent sees them by SNMP: OSPF and BGP come up, are cut, come back (kpi/README.md ospf_stability,
bgp_stability). What truly happened is in the routers' own logs."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from kpi.fabric_figures import fabric_figures
from kpi.model import Role
from tests.lab.agentx import master
from tests.lab.daemon import wait_until
from tests.lab.frr import Frr
from tests.lab.network import Namespace, Network
from tests.lab.polling import Polling
from tests.lab.snmpd import Snmpd
from tests.programs import need_lab

pytestmark = pytest.mark.lab

ADDRESS = "10.1.0.1"
"""Where the first router answers SNMP."""
PEER, PEER6 = "10.9.0.2", "fd00:9::2"
"""The second router, as the first one sees it."""
EVERY_S = 0.5
TO_A_POLL_S = EVERY_S + 0.3
"""What a poll every 0.5 s cannot see, and how long one takes."""
HOLD_S, DEAD_S = 3, 4
STABLE = {"established", "full"}
BGP_STATE, OSPF_STATE = "1.3.6.1.2.1.15.3.1.2", "1.3.6.1.2.1.14.10.1.6"
BGP4V2_PEERS = "1.3.6.1.3.5.1.1.2"


@dataclass
class Routers:
    """The first router is asked; a switch lies between the two, so that neither loses carrier when it is cut."""

    probe: Namespace
    first: Frr
    snmpd: Snmpd
    middle: Namespace

    def cut(self) -> None:
        self.middle.ip("link", "set", "r2", "nomaster")

    def mend(self) -> None:
        self.middle.ip("link", "set", "r2", "master", "br0")


def bgpd(number: int) -> list[str]:
    other = 3 - number
    peers = (f"10.9.0.{other}", f"fd00:9::{other}")
    # where both connect at once, FRR 8.4 may reset the session that it keeps ("No AFI/SAFI activated for peer")
    waits = [f" neighbor {peer} passive" for peer in peers] if number == 1 else []
    return [
        f"router bgp {65000 + number}",
        f" bgp router-id 10.255.0.{number}",
        " bgp log-neighbor-changes",
        " no bgp ebgp-requires-policy",
        *(f" neighbor {peer} remote-as {65000 + other}" for peer in peers),
        *(f" neighbor {peer} timers 1 {HOLD_S}" for peer in peers),
        *(f" neighbor {peer} timers connect 1" for peer in peers),
        *waits,
        " address-family ipv6 unicast",
        f"  neighbor {peers[1]} activate",
    ]


def ospfd(number: int) -> list[str]:
    return [
        "interface wan",
        " ip ospf area 0",
        " ip ospf hello-interval 1",
        f" ip ospf dead-interval {DEAD_S}",
        "router ospf",
        f" ospf router-id 10.255.0.{number}",
        " log-adjacency-changes detail",
    ]


@pytest.fixture
def routers(tmp_path: Path) -> Iterator[Routers]:
    need_lab("snmpd", "zebra", "bgpd_snmp.so")
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        probe, middle = network.namespace("probe"), network.namespace("middle")
        places = [network.namespace("r1"), network.namespace("r2")]
        network.veth(probe, places[0], names=(None, "lan"), addresses=(["10.1.0.2/24"], [f"{ADDRESS}/24"]))
        frr: list[Frr] = []
        for number, place in enumerate(places, 1):
            addresses = [f"10.9.0.{number}/24", f"fd00:9::{number}/64"]
            network.veth(place, middle, names=("wan", place.label), addresses=(addresses, []))
            place.forward()
        middle.bridge("br0", "r1", "r2")
        snmpd, _ = (
            stack.enter_context(master(tmp_path, place, address))
            for place, address in zip(places, (ADDRESS, PEER), strict=True)
        )
        frr = [
            stack.enter_context(Frr(tmp_path, place, bgpd=bgpd(number), ospfd=ospfd(number)))
            for number, place in enumerate(places, 1)
        ]
        wait_until(lambda: _states(snmpd, BGP_STATE) == [6] and _states(snmpd, OSPF_STATE) == [8], "all is up", 30)
        yield Routers(probe, frr[0], snmpd, middle)


def _states(snmpd: Snmpd, column: str) -> list[object]:
    return [value.content for value in snmpd.column(column).values()]


def outages(changes: Sequence[tuple[float, str, bool]], peer: str) -> list[float]:
    """Seconds of each time it was lost and came back."""
    mine = [(at, up) for at, who, up in changes if who == peer]
    return [back - lost for (lost, up), (back, _) in pairwise(mine) if not up]


def up(polling: Polling) -> bool:
    """Whether the agent takes both sessions for established."""
    latest = polling.latest("r1")
    bgp = {peer.remote_address: peer.state for peer in latest.bgp_peers}
    ospf = {neighbour.address: neighbour.state for neighbour in latest.ospf_neighbors}
    return bgp.get(PEER) == "established" and ospf.get(PEER) == "full"


def down(polling: Polling) -> bool:
    latest = polling.latest("r1")
    return not latest.ospf_neighbors and all(p.state != "established" for p in latest.bgp_peers)


async def test_sessions_are_cut_and_come_back(routers: Routers) -> None:
    async with Polling(routers.probe, {"r1": ADDRESS}, role=Role.ROUTER) as polling, polling.rhythm(EVERY_S):
        await polling.until(lambda: up(polling), "the agent sees both")
        (neighbour,) = polling.latest("r1").ospf_neighbors
        assert (neighbour.router_id, neighbour.address) == ("10.255.0.2", PEER)
        peer = next(peer for peer in polling.latest("r1").bgp_peers if peer.remote_address == PEER)
        assert (peer.remote_as, peer.admin_up, peer.transitions) == (65002, True, 1)
        polling.close("r1")
        began = time.monotonic()
        await asyncio.to_thread(routers.cut)
        await polling.until(lambda: down(polling), "both are lost", DEAD_S + 3)
        await asyncio.to_thread(routers.mend)
        await polling.until(lambda: up(polling), "both are back", 20)
        fabric, _ = polling.close("r1")
        window_s = time.monotonic() - began
        figures = {figure.kpi: figure for figure in fabric_figures(fabric)}
        for name, sessions, changes in (
            ("bgp", fabric.bgp, await asyncio.to_thread(routers.first.bgp_changes)),
            ("ospf", fabric.ospf, await asyncio.to_thread(routers.first.ospf_changes)),
        ):
            (truly_s,) = outages(changes, PEER)
            session = sessions[PEER]
            assert session.known_ms / 1000 == pytest.approx(window_s, abs=0.2), name
            assert session.lost_ms / 1000 == pytest.approx(truly_s, abs=TO_A_POLL_S), name
            assert (session.resets, session.unseen) == (1, 0), name
            share = 100 * (1 - session.lost_ms / session.known_ms)
            assert figures[f"{name}_stability"].parts["worst_session_pct"] == pytest.approx(share)
            lost = [e for e in await polling.events(f"{name}.down") if PEER in e.values()]
            back = [e for e in await polling.events(f"{name}.up") if PEER in e.values()]
            assert [(e["was"] in STABLE, e["state"] in STABLE) for e in lost] == [(True, False)], lost
            assert [(e["was"] in STABLE, e["state"] in STABLE) for e in back] == [(False, True)], back


async def test_a_reset_between_two_polls_is_counted(routers: Routers) -> None:
    """Both polls find the session established; bgpPeerFsmEstablishedTransitions has gone on."""
    async with Polling(routers.probe, {"r1": ADDRESS}, role=Role.ROUTER, every_s=30) as polling:
        await polling.poll()
        assert up(polling)
        polling.close("r1")
        await asyncio.to_thread(routers.first.show, f"clear bgp {PEER}")
        await polling.until_outside(lambda: not established(routers, PEER), "it is lost")
        await polling.until_outside(lambda: established(routers, PEER), "it is back")
        await polling.poll()
        assert up(polling)
        session = polling.close("r1")[0].bgp[PEER]
        assert (session.resets, session.unseen, session.lost_ms) == (1, 1, 0)
        (lost,), (back,) = await polling.events("bgp.down"), await polling.events("bgp.up")
        assert (lost["peer"], lost["unseen"], back["peer"]) == (PEER, 1, PEER)


async def test_an_ipv6_peer_is_known_where_the_router_tells_of_it(routers: Routers) -> None:
    """BGP4-MIB cannot hold it. FRR has it in BGP4V2-MIB, in the versions that tell that at all."""
    assert await asyncio.to_thread(established, routers, PEER6)
    told = any(await asyncio.to_thread(routers.snmpd.column, f"{BGP4V2_PEERS}.1.13"))
    async with Polling(routers.probe, {"r1": ADDRESS}, role=Role.ROUTER) as polling:
        await polling.poll()
        peers = {peer.remote_address: peer.state for peer in polling.latest("r1").bgp_peers}
        assert peers == dict.fromkeys([PEER, PEER6] if told else [PEER], "established")


def established(routers: Routers, peer: str) -> bool:
    """As bgpd has it."""
    said = json.loads(routers.first.show(f"show bgp neighbors {peer} json"))
    return bool(said[peer]["bgpState"] == "Established")
