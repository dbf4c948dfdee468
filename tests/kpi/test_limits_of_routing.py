"""Limits of routing, switching, topology and of sites: exactly at them, and just on either side."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from kpi import fabric_figures
from kpi.counters import UptimeTracker, line_rate, span
from kpi.coverage import device_coverage, port_coverage
from kpi.duplex import DuplexReadings
from kpi.echo import EchoCounts
from kpi.entities import SITE
from kpi.fabric import FabricAccumulator, FabricMemory, is_mac
from kpi.fabric_counts import DuplexCounts, FabricCounts, NeighbourCounts, SessionCounts, StpCounts
from kpi.gear import BgpPeer, Bridge, Duplex, Facts, Neighbor, OspfInterface, OspfNeighbor
from kpi.gear_counts import GearCounts, Level, Topic
from kpi.merge import DeviceWindow, fold, merge_device, with_planned
from kpi.model import Figure, NullReason, PortIdentity, Role, Status, Window
from kpi.planned import with_incl_maint
from kpi.port_counts import PortCounts
from kpi.port_deltas import packets_between
from kpi.port_summary import ports_to_plain
from kpi.reboots import RestartCounts
from kpi.sessions import Bgp, Ospf, Seen, Sessions
from kpi.sketch import Sketch
from kpi.states import StateSeconds
from kpi.status import Reading
from kpi.summary import (
    ALARMED,
    device_summary,
    figure_to_plain,
    happened_in,
    judged,
    own_summary,
    reading_of,
    site_summary,
    summary_to_plain,
)
from kpi.topology import FORWARDING, PROBE, End, Link, Node, Uplink, links, uplinks
from tests.kpi.port_readings import ZERO

# sessions


def sessions(kind: Bgp | Ospf) -> Sessions:
    return Sessions(kind, UptimeTracker(), 0.0, 60.0)


def peer(at: float, established_s: int | None, state: str = "established", count: int | None = None) -> Facts:
    row = BgpPeer("192.0.2.1", 65_001, state, admin_up=True, transitions=count, established_s=established_s)
    return Facts("bgp_peers", (row,), complete=True, uptime_cs=round(100 * at) + 10_000_000)


@pytest.mark.parametrize(("elapsed", "tolerance"), [(60.0, 3), (300.0, 3), (600.0, 6)])
def test_established_for_less_than_has_passed_is_a_loss_that_nobody_saw(elapsed: float, tolerance: int) -> None:
    """Where both readings tell since when, they differ by more than 3 s or a hundredth of the time."""
    for off, lost in ((0, 0), (tolerance, 0), (tolerance + 1, 1)):
        bgp = sessions(Bgp())
        bgp.take(0.0, peer(0.0, 10))
        bgp.take(elapsed, peer(elapsed, round(elapsed) + 10 - off))
        (counts,) = bgp.close(elapsed).counts().values()
        within = off > 10 or round(elapsed) + 10 - off < elapsed
        assert (counts.resets, counts.unseen) == ((lost, lost) if within or off <= tolerance else (0, 0)), off


@pytest.mark.parametrize(("established_s", "lost"), [(57, 0), (56, 1), (0, 1), (61, 0), (None, 0)])
def test_a_peer_that_told_nothing_before(established_s: int | None, lost: int) -> None:
    bgp = sessions(Bgp())
    bgp.take(0.0, peer(0.0, None))
    changes = bgp.take(60.0, peer(60.0, established_s))
    (counts,) = bgp.close(60.0).counts().values()
    assert counts == SessionCounts(2, 60_000, 0, lost, lost)
    assert [change.kind for change in changes] == (["bgp.down", "bgp.up"] if lost else [])


@pytest.mark.parametrize(
    ("before", "after", "rise", "lost", "unseen"),
    [
        ("established", "established", 0, 0, 0), ("established", "established", 1, 1, 1),
        ("established", "established", 3, 3, 3), ("established", "idle", 0, 1, 0), ("established", "idle", 1, 2, 1),
        ("idle", "established", 1, 0, 0), ("idle", "established", 3, 2, 2), ("idle", "idle", 0, 0, 0),
        ("idle", "idle", 2, 2, 2), ("idle", "established", 0, 0, 0),
    ],
)  # fmt: skip
def test_transitions_between_two_polls(before: str, after: str, rise: int, lost: int, unseen: int) -> None:
    bgp = sessions(Bgp())
    bgp.take(0.0, peer(0.0, None, before, 5))
    changes = bgp.take(60.0, peer(60.0, None, after, 5 + rise))
    (counts,) = bgp.close(60.0).counts().values()
    assert (counts.resets, counts.unseen) == (lost, unseen)
    down = before == "established" and (lost > 0 or after == "idle")
    up = after == "established" and (before == "idle" or lost > 0)
    assert [change.kind for change in changes] == ["bgp.down"] * down + ["bgp.up"] * up


STATES = ("down", "attempt", "init", "twoWay", "exchangeStart", "exchange", "loading", "full")


@pytest.mark.parametrize("own", ["otherDesignatedRouter", "designatedRouter", None])
@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATES, repeat=2)))
def test_an_ospf_neighbour_in_every_pair_of_states(before: str, after: str, own: str | None) -> None:
    rules = Ospf()
    if own is not None:
        rules.take_interfaces(Facts("ospf_interfaces", (OspfInterface("192.0.2.1", own),), complete=True))
    ospf = sessions(rules)
    for at, state in ((0.0, before), (60.0, after)):
        rows = (OspfNeighbor("198.51.100.1", "192.0.2.9", state, 6),)
        ospf.take(at, Facts("ospf_neighbors", rows, complete=True, uptime_cs=round(100 * at) + 10_000_000))
    (counts,) = ospf.close(60.0).counts().values()

    def stable(state: str) -> bool | None:
        if state == "twoWay":
            return None if own is None else own == "otherDesignatedRouter"
        return state == "full"

    lost = bool(stable(before)) and (stable(after) is False or (before, after) == ("full", "twoWay"))
    lost = lost or (before == "twoWay" and own is None and after in {"down", "attempt", "init"})
    assert (counts.resets, counts.unseen, counts.checks) == (int(lost), 0, 2)
    apart = stable(before) is None
    assert (counts.known_ms, counts.lost_ms, counts.two_way_ms) == (
        0 if apart else 60_000, 0 if apart or stable(before) else 60_000, 60_000 if apart else 0,
    )  # fmt: skip


@pytest.mark.parametrize(("events", "lost"), [(6, 0), (7, 1), (9, 1), (5, 1), (0, 1)])
def test_events_of_a_neighbour_that_stayed_as_it_was(events: int, lost: int) -> None:
    ospf = sessions(Ospf())
    for at, count in ((0.0, 6), (60.0, events)):
        rows = (OspfNeighbor("198.51.100.1", "192.0.2.9", "full", count),)
        ospf.take(at, Facts("ospf_neighbors", rows, complete=True, uptime_cs=round(100 * at) + 10_000_000))
    (counts,) = ospf.close(60.0).counts().values()
    assert (counts.resets, counts.unseen) == (lost, lost)


@pytest.mark.parametrize(
    ("own", "stable_ms"),
    [
        (["192.0.2.1"], 60_000), (["192.1.2.1"], 0), (["192.0.130.1"], 60_000), (["193.0.2.1"], 0), (["192.0.2"], 0),
        (["192.0.2.256"], 0), (["192.0.2.1", "10.0.0.1"], 60_000), ([], 0), (["192.0.2.9"], 60_000),
    ],
)  # fmt: skip
def test_the_own_interface_of_a_neighbour_shares_its_leading_bits(own: list[str], stable_ms: int) -> None:
    rules = Ospf()
    rows = tuple(OspfInterface(address, "otherDesignatedRouter") for address in own)
    rules.take_interfaces(Facts("ospf_interfaces", rows, complete=True))
    ospf = sessions(rules)
    ospf.take(0.0, Facts("ospf_neighbors", (OspfNeighbor("r", "192.0.2.9", "twoWay"),), complete=True))
    (counts,) = ospf.close(60.0).counts().values()
    assert (counts.known_ms, counts.two_way_ms) == (stable_ms, 60_000 - stable_ms)


def test_an_ospf_neighbour_that_is_gone_for_a_day_is_none_any_more() -> None:
    def gone(at: float) -> bool:
        ospf = sessions(Ospf())
        ospf.take(0.0, Facts("ospf_neighbors", (OspfNeighbor("r", "192.0.2.9", "full"),), complete=True))
        for moment in (60.0, at):
            ospf.take(moment, Facts("ospf_neighbors", (), complete=True))
        return ospf.to_plain(at) == {}

    assert not gone(60.0 + 86_399)
    assert gone(60.0 + 86_400)


def test_sessions_are_kept_with_times_before_now() -> None:
    bgp = sessions(Bgp())
    bgp.take(10.0, peer(10.0, 5, count=3))
    plain = bgp.to_plain(100.0)
    assert plain == {"192.0.2.1": [-90.0, 10_001_000, "established", True, 3, 5, 65_001]}
    seen = Seen.from_plain(plain["192.0.2.1"])
    assert seen.moved(100.0) == Seen(10.0, 10_001_000, "established", True, 3, 5, 65_001)
    again = sessions(Bgp())
    again.resume({"192.0.2.1": seen}, 100.0)
    assert again.close(160.0).counts() == {"192.0.2.1": SessionCounts()}  # what was read before says nothing of now
    again.take(160.0, peer(160.0, 155, count=3))
    assert again.close(200.0).counts()["192.0.2.1"].known_ms == 40_000


# figures of routing and switching


def test_stability_of_many_sessions() -> None:
    some = {"a": SessionCounts(5, 1000, 250), "b": SessionCounts(9, 3000), "c": SessionCounts(2, 0, 0, 0, 0, 1500)}
    found = fabric_figures.stability("ospf", some)
    assert (found.value, found.n, found.flags) == (93.75, 9, ("session:a",))
    assert dict(found.parts) == {"sessions": 3, "lost_s": 0.25, "worst_session_pct": 75, "two_way_s": 1.5}
    alone = fabric_figures.stability("ospf", {"c": some["c"]})
    assert (alone.null_reason, alone.n, dict(alone.parts)) == (NullReason.INSUFFICIENT, 2, {"two_way_s": 1.5})
    assert fabric_figures.stability("ospf", {}, NullReason.AUTH).n == 0
    assert fabric_figures.stability("bgp", {"a": SessionCounts(1, 1)}).value == 100
    assert fabric_figures.resets("bgp", {}).null_reason is NullReason.NO_DATA
    lost = fabric_figures.resets(
        "bgp", {"a": SessionCounts(3, resets=2, unseen=1), "b": SessionCounts(4, resets=5, unseen=2)}
    )
    assert (lost.value, lost.n, dict(lost.parts), lost.flags) == (7, 4, {"unseen": 3}, ("session:b",))
    assert fabric_figures.resets("bgp", {"a": SessionCounts(1)}).flags == ()


def test_figures_of_a_device_whose_clock_is_odd_say_so_where_they_are_counted() -> None:
    counts = FabricCounts(
        StpCounts(2, 2, 1, 1),
        NeighbourCounts(1),
        DuplexCounts(1, 1),
        {"n": SessionCounts(1, 1)},
        {"p": SessionCounts(1, 1)},
    )
    for odd in (0, 1, 2):
        found = fabric_figures.fabric_figures(replace(counts, odd_clock=odd))
        flagged = {figure.kpi for figure in found if "uptime" in figure.flags}
        assert flagged == ({"stp_changes", "ospf_resets", "bgp_resets"} if odd else set())
    for kpi, without in (
        ("duplex_mismatch", {"duplex": None}), ("stp_changes", {"stp": None}), ("neighbour_churn", {"neighbours": None}),
        ("ospf_stability", {"ospf": {}}), ("ospf_resets", {"ospf": {}}), ("bgp_stability", {"bgp": {}}),
        ("bgp_resets", {"bgp": {}}),
    ):  # fmt: skip
        less: Any = replace(counts, **without)
        assert fabric_figures.has_fabric(counts, kpi)
        assert not fabric_figures.has_fabric(less, kpi)
    assert not fabric_figures.has_fabric(counts, "rtt_ms")


def test_weights_and_names_of_switching() -> None:
    for changes, roots, weight in ((0, 0, 0), (2, 1, 3), (4, 1, 4), (0, 2, 3), (5, 0, 5)):
        assert fabric_figures.stp_changes(StpCounts(9, 9, 8, changes, roots)).parts["weight"] == weight
    assert dict(fabric_figures.stp_changes(StpCounts(1, 1, roots=2)).parts) == {"root_changes": 2}
    many = DuplexCounts(9, 9, {f"p{n}": 1 + n % 2 for n in range(7)})
    found = fabric_figures.duplex_mismatch(many)
    assert found.flags == ("port:p1", "port:p3", "port:p5", "port:p0", "port:p2")
    assert dict(found.parts) == {"certain": 3, "suspected": 4, "grade": 2}
    churn = fabric_figures.neighbour_churn(NeighbourCounts(1, 0, 2, 3, 4, 0, 0))
    assert (churn.value, churn.parts["stability_pct"]) == (5, 100)
    assert fabric_figures.neighbour_churn(NeighbourCounts(either=2, kept=1)).parts["stability_pct"] == 50
    assert fabric_figures.neighbour_churn(NeighbourCounts(either=2)).parts["stability_pct"] == 0


# one device's facts


def take(
    fabric: FabricAccumulator, at: float, sort: str, *rows: Any, complete: bool = True, uptime: bool = True
) -> list[str]:
    cs = round(100 * at) + 10_000_000 if uptime else None
    return [change.kind for change in fabric.take(at, Facts(sort, rows, complete, cs))]


MAC = "02:00:00:00:00:0"


@pytest.mark.parametrize(
    ("was", "root", "said"),
    [
        (MAC + "1", MAC + "2", True), (MAC + "1", MAC + "1", False), ("", MAC + "1", False), (MAC + "1", "", False),
        ("00:00:00:00:00:00", MAC + "1", False), (MAC + "1", "00:00:00:00:00:00", False),
    ],
)  # fmt: skip
def test_another_root(was: str, root: str, said: bool) -> None:
    fabric = FabricAccumulator(UptimeTracker(), 0.0, 300.0)
    assert take(fabric, 0.0, "bridge", Bridge(was, 5, 9000)) == []
    assert take(fabric, 60.0, "bridge", Bridge(root, 7, 15_000)) == (["stp.root_changed"] if said else [])
    counts = fabric.close(300.0)
    assert counts.stp == StpCounts(2, 2, 1, 2, int(said))
    assert counts.known_ms == {"stp": 300_000}


@pytest.mark.parametrize(
    ("then_cs", "since_cs", "changes"),
    [
        (None, 5999, 1), (None, 6000, 0), (0, 5700, 0), (0, 5699, 1), (0, 6000, 0), (100, 5800, 0), (100, 5799, 1),
        (0, None, 0), (0, 0, 1),
    ],
)  # fmt: skip
def test_a_change_since_the_poll_before_by_its_age(then_cs: int | None, since_cs: int | None, changes: int) -> None:
    fabric = FabricAccumulator(UptimeTracker(), 0.0, 300.0)
    take(fabric, 0.0, "bridge", Bridge(MAC, 5, then_cs))
    take(fabric, 60.0, "bridge", Bridge(MAC, 5, since_cs))
    assert fabric.close(300.0).stp == StpCounts(2, 2, 1, changes)


def test_neighbours_that_come_and_go_are_counted_once_each() -> None:
    def near(port: str, name: str, remote: str = "Gi0/1", protocol: str = "lldp") -> Neighbor:
        return Neighbor(protocol, port, name, remote, f"chassis of {name}")

    phone = near("3", "phone", "00:11:22:33:44:55")
    fabric = FabricAccumulator(UptimeTracker(), 0.0, 300.0)
    assert take(fabric, 0.0, "neighbors", near("1", "a"), near("2", "b")) == []
    assert take(fabric, 60.0, "neighbors", near("1", "a"), near("4", "c"), phone) == ["neighbour.new", "neighbour.lost"]
    fabric.answered(120.0)
    assert take(fabric, 180.0, "neighbors", near("1", "a"), complete=False) == []
    fabric.answered(190.0)
    counts = fabric.close(300.0)
    assert counts.neighbours == NeighbourCounts(
        polls=1, partial=1, added=2, removed=1, infrastructure=2, kept=1, either=4
    )
    assert counts.known_ms == {"neighbours": 270_000}
    assert fabric.heard_at == 120.0
    assert [n.remote_name for n in fabric.neighbours] == ["a", "c", "phone"]
    twice = near("1", "A.example.net(SN)", "eth0", "cdp")
    assert take(fabric, 310.0, "neighbors", near("1", "a"), twice, near("4", "c"), phone) == []
    none = FabricAccumulator(UptimeTracker(), 0.0, 300.0)
    assert take(none, 0.0, "neighbors") == []
    assert none.close(300.0).neighbours is None
    assert none.to_plain(300.0) is None


def test_no_agent_fills_the_memory_with_neighbours() -> None:
    fabric = FabricAccumulator(UptimeTracker(), 0.0, 300.0)
    take(fabric, 0.0, "neighbors", *(Neighbor("lldp", str(n), "", "p", "c") for n in range(4097)))
    assert [n.local_port for n in fabric.neighbours] == [str(n) for n in range(4096)]


def test_facts_that_go_by_the_probes_own_time_are_counted() -> None:
    fabric = FabricAccumulator(UptimeTracker(), 0.0, 300.0)
    for at, sort in (
        (0.0, "bridge"),
        (10.0, "bgp_peers"),
        (20.0, "ospf_neighbors"),
        (30.0, "neighbors"),
        (40.0, "duplex"),
    ):
        take(fabric, at, sort, uptime=False)
    assert fabric.close(300.0).odd_clock == 3
    take(fabric, 301.0, "bridge")
    assert fabric.close(600.0).odd_clock == 0


def test_facts_are_kept_over_a_restart() -> None:
    fabric = FabricAccumulator(UptimeTracker(), 0.0, 300.0)
    take(fabric, 10.0, "bridge", Bridge(MAC + "1", 5, 9000))
    take(fabric, 20.0, "neighbors", Neighbor("lldp", "1", "a", "p", "c", "192.0.2.1", "a long text", "descr"))
    plain = fabric.to_plain(110.0)
    assert plain == {
        "v": 1, "stp": [-100.0, 10_001_000, MAC + "1", 5, 9000],
        "neighbours": [["lldp", "1", "a", "p", "c", "192.0.2.1", "", "descr"]],
    }  # fmt: skip
    again = FabricAccumulator(UptimeTracker(), 110.0, 400.0)
    again.resume(FabricMemory.from_plain(plain), 110.0)
    assert take(again, 120.0, "bridge", Bridge(MAC + "1", 8, 100)) == []
    assert take(again, 120.0, "neighbors") == ["neighbour.lost"]
    counts = again.close(400.0)
    assert counts.stp is not None
    assert counts.neighbours is not None
    assert (counts.stp.changes, counts.neighbours.removed) == (3, 1)


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("00:11:22:aa:BB:ff", True), ("00:11:22:33:44", False), ("00:11:22:33:44:55:66", False),
        ("0:11:22:33:44:555", False), ("00:11:22:33:44:5g", False), ("00-11-22-33-44-55", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_written_as_an_address(text: str, mac: bool) -> None:
    assert is_mac(text) is mac


# topology


def node(device: str, *heard: Neighbor, ports: int = 3, **more: Any) -> Node:
    own = tuple(
        PortIdentity(f"ge{i}", i, f"ge{i}", f"Gigabit{i}", f"to {i}", 6, 1500, 10**9, None) for i in range(1, ports + 1)
    )
    return Node(device, f"{device}.example.net", ports=own, neighbours=heard, **more)


def hears(local: str, device: str, remote: str, protocol: str = "lldp") -> Neighbor:
    return Neighbor(protocol, local, f"{device}.example.net", remote, f"chassis {device}")


def told(*nodes: Node) -> list[tuple[str, str, bool]]:
    return [(f"{x.a.device}:{x.a.port}", f"{x.b.device}:{x.b.port}", x.confirmed) for x in links(nodes)]


def test_halves_that_agree_on_both_ports_on_one_or_are_the_only_ones() -> None:
    def between(a: list[tuple[str, str]], b: list[tuple[str, str]]) -> list[tuple[str, str, bool]]:
        return told(node("a", *[hears(n, "b", f) for n, f in a]), node("b", *[hears(n, "a", f) for n, f in b]))

    assert between([("ge1", "ge1"), ("ge2", "ge2")], [("ge2", "ge2"), ("ge1", "ge1")]) == [
        ("a:ge1", "b:ge1", True), ("a:ge2", "b:ge2", True),
    ]  # fmt: skip
    assert between([("ge1", "?x"), ("ge2", "ge2")], [("ge2", "?y"), ("ge1", "ge1")]) == [
        ("a:ge1", "b:ge1", True), ("a:ge2", "b:ge2", True),
    ]  # fmt: skip
    assert between([("ge2", "ge1"), ("ge1", "ge1")], [("ge1", "ge1")]) == [
        ("a:ge1", "b:ge1", True), ("a:ge2", "b:ge1", False),
    ]  # fmt: skip
    assert between([("ge1", "?x")], [("ge2", "?y")]) == [("a:ge1", "b:ge2", True)]
    assert between([("ge1", "?x"), ("ge2", "?y")], [("ge1", "?z"), ("ge3", "?w")]) == [
        ("a:?w", "b:ge3", False), ("a:?z", "b:ge1", False), ("a:ge1", "b:?x", False), ("a:ge2", "b:?y", False),
    ]  # fmt: skip
    assert between([("ge1", "?x"), ("ge2", "?y")], [("ge1", "?z")]) == [
        ("a:?z", "b:ge1", False), ("a:ge1", "b:?x", False), ("a:ge2", "b:?y", False),
    ]  # fmt: skip
    assert between([("ge1", "ge1")], []) == [("a:ge1", "b:ge1", False)]


def test_a_name_that_several_ports_have_is_none_of_theirs() -> None:
    b = node("b")
    alike = replace(b, ports=[replace(port, alias="uplink", descr="port") for port in b.ports])
    assert told(node("a", hears("ge1", "b", "uplink")), alike) == [("a:ge1", "b:uplink", False)]
    alone = replace(b, ports=[replace(b.ports[0], alias="uplink"), *b.ports[1:]])
    assert told(node("a", hears("ge1", "b", "UPLINK")), alone) == [("a:ge1", "b:ge1", False)]
    assert told(node("a", hears("ge1", "b", "3")), b) == [("a:ge1", "b:ge3", False)]


@pytest.mark.parametrize(("off", "same"), [(0, True), (1024, True), (-1024, True), (1025, False), (-1025, False)])
def test_a_chassis_address_is_near_those_of_its_ports(off: int, same: bool) -> None:
    own = 0x020000005000
    text = ":".join(f"{(own + off) >> shift & 255:02x}" for shift in range(40, -8, -8))
    heard = Neighbor("lldp", "ge1", "b.example.net", "ge2", text)
    found = told(node("a", heard), node("b", macs=frozenset({own})))
    assert found == ([("a:ge1", "b:ge2", False)] if same else [])


def test_where_a_bridge_has_learnt_what() -> None:
    way = Uplink(End("a", "1"), {"b": "1", "c": "2", "d": "3"})
    assert [way.denies("a", device) for device in "bcde"] == [True, False, False, False]
    assert not way.denies("c", "e")
    assert [way.denies("c", device) for device in "bcd"] == [True, False, True]
    assert [way.denies("b", device) for device in "bcd"] == [False, False, False]
    probe = Node(PROBE, macs=frozenset({1}))
    a = node("a", learnt={1: 9, 2: 3})
    b = node("b", macs=frozenset({2}))
    assert uplinks([a, b, probe]) == {"a": Uplink(End("a", "9"), {PROBE: "9", "b": "ge3"})}
    assert links([a, b, probe]) == (
        Link(End("", ""), End("a", "9"), FORWARDING, confirmed=False),
        Link(End("a", "ge3"), End("b", ""), FORWARDING, confirmed=False),
    )


# windows and summaries


UP = StateSeconds(up_ms=300_000, checks=300)
FIVE = Window(1_700_000_100, 300)


def test_windows_with_and_without_planned_work_merge_half_by_half() -> None:
    def window(counted: int | None, planned: int | None) -> DeviceWindow:
        def half(n: int) -> DeviceWindow:
            return DeviceWindow(
                "d", Role.SWITCH, restarts=RestartCounts(n, 0, 1), ports={"p": PortCounts(polls=n, speed_bps=1)}
            )

        whole = half(counted) if counted is not None else DeviceWindow("d", Role.SWITCH)
        return replace(whole, states=UP, planned=half(planned) if planned is not None else None)

    for a, b in itertools.product([(1, None), (2, 3), (None, 5), (None, None)], repeat=2):
        merged = merge_device(window(*a), window(*b))
        for place, half in ((0, merged), (1, merged.planned)):
            known = [x[place] for x in (a, b) if x[place] is not None]
            found = half.restarts.device if half is not None and half.restarts is not None else None
            assert found == (sum(n for n in known if n is not None) if known else None), (a, b)
        assert merged.states.up_ms == 600_000
        everything = with_planned(window(*a))
        assert (everything.restarts.device if everything.restarts else None) == (
            sum(n or 0 for n in a) if a != (None, None) else None
        )
        assert everything.states == UP
    assert fold([], merge_device) is None
    assert fold([window(1, 2)], merge_device) == window(1, 2)
    with pytest.raises(ValueError, match="two devices"):
        merge_device(window(1, 1), replace(window(1, 1), device="e"))


def test_planned_work_stands_beside_what_counts() -> None:
    counted = [Figure("reboots", 1.0), Figure("availability_pct", 99.0, parts={"up_s": 1.0}), Figure("rtt_ms", 2.0)]
    whole = [Figure("reboots", 4.0), Figure("availability_pct", 90.0), Figure("link_flap", 7.0)]
    found = {figure.kpi: figure for figure in with_incl_maint(counted, whole)}
    assert list(found) == ["reboots", "availability_pct", "link_flap", "rtt_ms"]
    assert dict(found["reboots"].parts) == {"incl_maint": 4}
    assert dict(found["availability_pct"].parts) == {"up_s": 1}
    assert (found["link_flap"].value, found["link_flap"].null_reason, found["link_flap"].parts["incl_maint"]) == (
        None, NullReason.NO_DATA, 7,
    )  # fmt: skip


def test_coverage_of_a_device_by_figure() -> None:
    states = StateSeconds(up_ms=600, unknown_ms=400)
    device = DeviceWindow(
        "d", Role.SWITCH, states, EchoCounts(sent=1, skipped=1),
        {"a": PortCounts(up_ms=500), "b": PortCounts(down_ms=100, off_ms=200)}, RestartCounts(known_ms=250),
        FabricCounts(StpCounts(), NeighbourCounts(), DuplexCounts(1), {"n": SessionCounts(1, 300, 0, 0, 0, 400)},
                     {"p": SessionCounts(1, 100), "q": SessionCounts(1, 900)}, {"stp": 350}),
        GearCounts(have=int(Topic.CLIENTS), levels={"clients": Level(1, 450)}),
    )  # fmt: skip
    wanted = {
        "availability_pct": 0.6, "rtt_ms": 0.3, "loss_ratio": 0.3, "jitter_ms": 0.3, "reboots": 0.25, "link_flap": 0.4,
        "port_used_pct": 0.4, "stp_changes": 0.35, "ospf_stability": 0.7, "ospf_resets": 0.7, "bgp_stability": 0.5,
        "bgp_resets": 0.5, "duplex_mismatch": 1.0, "wifi_clients": 0.45,
    }  # fmt: skip
    assert {kpi: device_coverage(device, kpi) for kpi in wanted} == pytest.approx(wanted)
    assert device_coverage(replace(device, states=StateSeconds(maintenance_ms=5)), "rtt_ms") is None
    assert device_coverage(replace(device, restarts=RestartCounts()), "reboots") == 0.6
    assert port_coverage(PortCounts(in_ms=-5, out_ms=-5), Figure("if_in_bps", 1.0), 10.0) == 0.0


def test_of_a_site_of_which_nothing_was_due_everything_is_known() -> None:
    assert site_summary([], None, FIVE).coverage == 1.0
    resting = DeviceWindow("d", Role.SWITCH, StateSeconds(maintenance_ms=300_000))
    assert site_summary([resting], None, FIVE).coverage == 1.0
    half = DeviceWindow("e", Role.SWITCH, StateSeconds(up_ms=100_000, unknown_ms=200_000))
    summary = site_summary([resting, half], None, FIVE)
    assert summary.coverage == pytest.approx(1 / 3)
    assert (summary.entity, summary.revision, summary.final) == (SITE, 0, True)


@pytest.mark.parametrize(("coverage", "partial"), [(0.9, False), (0.899, True), (1.0, False)])
def test_what_is_told_of_coverage(coverage: float, partial: bool) -> None:
    states = StateSeconds(up_ms=round(coverage * 10**6), unknown_ms=round((1 - coverage) * 10**6))
    plain = summary_to_plain(device_summary(DeviceWindow("d", Role.SWITCH, states), FIVE))
    assert plain.get("partial", False) is partial
    figure = figure_to_plain(Figure("reboots", 1.0, coverage=coverage), coverage)
    assert figure.get("partial", False) is partial
    assert "coverage" not in figure
    for beside, said in ((coverage - 0.04, False), (coverage - 0.06, True), (coverage + 0.06, True), (None, False)):
        assert ("coverage" in figure_to_plain(Figure("reboots", 1.0, coverage=coverage), beside)) is said
    assert "partial" not in figure_to_plain(Figure("reboots", None, NullReason.NO_DATA, coverage=0.1))
    assert "partial" not in figure_to_plain(Figure("monitoring_coverage_pct", 10.0, coverage=0.1))
    assert figure_to_plain(Figure("reboots", 1.0, coverage=0.9999999), 0.1)["coverage"] == 0.999999
    shares = Figure("loss_ratio", 99.9999999, parts={"worst_pct": 99.9999999, "lost": 99.9999999})
    assert figure_to_plain(shares)["v"] == figure_to_plain(shares)["worst_pct"] == 99.9999
    assert figure_to_plain(shares)["lost"] == 100


def test_ports_that_are_known_nearly_whole_are_not_told_to_be_whole() -> None:
    def row(coverage: float) -> tuple[Figure, ...]:
        return (Figure("if_in_bps", 5.0, coverage=coverage),)

    assert ports_to_plain({"a": row(0.5), "b": row(0.99999)})["if_in_bps.coverage"] == [0.5, 0.9999]


def test_what_later_windows_are_told_of_this_one() -> None:
    hot = Figure("cooling_margin_c", 9.0, n=5, status=Status.GOOD, flags=("fan_stopped",))
    assert reading_of(hot) == Reading(9.0, 5, Status.GOOD, alarmed=True)
    assert reading_of(replace(hot, flags=())) == Reading(9.0, 5, Status.GOOD)
    none = Figure("cooling_margin_c", None, NullReason.NO_DATA, flags=("fan_stopped",))
    assert reading_of(none) == Reading(None)
    slow = Figure("rtt_ms", 3.0, n=7, parts={"p95_ms": 8.0})
    assert reading_of(slow).value == 8
    assert reading_of(replace(slow, parts={})).value is None
    assert judged(hot, Window(0, 301)).status is Status.GOOD  # not a window that has a status: it stays as it was
    assert judged(slow, FIVE, coverage=None).coverage is None


def test_what_a_window_adds_to_its_day() -> None:
    flaps = happened_in(Figure("link_flap", 3.0, coverage=0.7), FIVE)
    assert (flaps.start_utc, flaps.length_s, flaps.weight, flaps.least, flaps.coverage) == (
        1_700_000_100,
        300,
        3,
        0,
        0.7,
    )
    assert flaps.end_utc == FIVE.end_utc == 1_700_000_400
    for value, coverage, known in ((None, 0.7, 0.0), (None, None, None), (1.0, None, None)):
        reason = NullReason.NO_DATA if value is None else None
        assert happened_in(Figure("link_flap", value, reason, coverage=coverage), FIVE).coverage == known
    stp = happened_in(Figure("stp_changes", 1.0, parts={"weight": 3.0}), FIVE)
    assert (stp.weight, stp.least) == (1, 3)
    assert happened_in(Figure("stp_changes", None, NullReason.NO_DATA), FIVE).least == 0
    low = happened_in(Figure("on_battery_s", 5.0, flags=("battery_low",)), FIVE)
    assert (low.weight, low.least) == (5, ALARMED)
    assert ALARMED == 10.0**9


def test_the_probes_own_radio() -> None:
    for polls, level_ms, coverage in (
        (5, None, 1.0),
        (2, None, 0.4),
        (9, None, 1.0),
        (5, 150_000, 0.5),
        (5, 400_000, 1.0),
    ):
        levels = {"told_snr": Level(1, level_ms)} if level_ms else {}
        gear = GearCounts(polls=polls, have=int(Topic.SNR), levels=levels)
        summary = own_summary("@probe", gear, FIVE)
        assert summary.coverage == min(1.0, polls / 5)
        (figure,) = summary.figures
        assert figure.coverage == coverage
        assert (summary.revision, summary.final) == (0, True)


def test_a_site_of_devices_that_answer_differently() -> None:
    def echo(*ms: float, lost: int = 0) -> EchoCounts:
        ns = [round(value * 10**6) for value in ms]
        return EchoCounts(sent=len(ms) + lost, lost=lost, min_ns=min(ns), max_ns=max(ns), sketch=Sketch.of(ms))

    devices = [
        DeviceWindow("a", Role.SWITCH, UP, echo(1.0, 1.0), restarts=RestartCounts(1, 0, 5)),
        DeviceWindow("b", Role.SERVER, StateSeconds(up_ms=100_000, down_ms=200_000, open_ms=9), echo(9.0, 2.0, lost=2),
                     restarts=RestartCounts(3, 1, 5)),
        DeviceWindow("c", Role.INTERNET, UP, echo(40.0, 60.0), restarts=RestartCounts(9, 9, 9)),
    ]  # fmt: skip
    found = {f.kpi: f for f in site_summary(devices, UP, FIVE).figures}
    assert found["loss_ratio@lan"].value == pytest.approx(100 * 2 / 6)
    assert found["loss_ratio@wan"].value == 0
    assert found["loss_ratio@lan"].parts["worst_pct"] == 50
    assert found["rtt_ms@lan"].flags == ("worst:b",)
    assert found["jitter_ms@lan"].value == found["jitter_ms@lan"].parts["worst_ms"]
    assert (found["reboots"].value, found["reboots"].parts["worst"], found["reboots"].n) == (4, 3, 10)
    assert found["availability_pct"].value == pytest.approx(100 * 400 / 600)
    assert "open_s" not in found["availability_pct"].parts
    assert found["availability_pct"].parts["worst_pct"] == pytest.approx(100 / 3)
    assert found["network_uptime_pct"].value == 100
    assert found["network_uptime_pct"].parts["weighted_pct"] == pytest.approx(100 * (5 * 300 + 2 * 100) / (7 * 300))
    assert found["monitoring_coverage_pct"].parts["devices"] == 2
    without = {f.kpi: f for f in site_summary(devices, None, FIVE).figures}
    assert without["network_uptime_pct"].null_reason is NullReason.INSUFFICIENT


def test_ports_in_use_at_a_site_are_those_of_its_switches() -> None:
    ports = {"1": PortCounts(up_ms=5, physical=True), "2": PortCounts(down_ms=5, physical=True)}
    devices = [DeviceWindow(role, role, UP, ports=ports) for role in (Role.ACCESS_POINT, Role.SWITCH, Role.UPS)]
    found = {f.kpi: f for f in site_summary(devices, None, FIVE).figures}
    assert (found["port_used_pct"].value, found["port_used_pct"].n) == (50, 2)
    assert found["link_flap"].n == 6
    assert found["port_used_pct"].flags == ("worst:switch",)
    for device in devices:
        own = {f.kpi for f in device_summary(device, FIVE).figures}
        assert ("port_used_pct" in own) is (device.role is Role.SWITCH)


def test_a_counter_of_packets_that_went_back_is_no_idle_port() -> None:
    over, rate = span(0, 6000, 60.0), line_rate(10**9)
    before = replace(ZERO, in_unicast=5)
    assert packets_between(before, ZERO, over, rate) == {"out_packet_ms": 60_000}


WRAP = 2**32


@pytest.mark.parametrize(("rise", "known"), [(600, True), (601, False)])
def test_transitions_that_go_round_are_ten_a_second_at_most(rise: int, known: bool) -> None:
    bgp = sessions(Bgp())
    bgp.take(0.0, peer(0.0, None, "idle", WRAP - 5))
    bgp.take(60.0, peer(60.0, None, "idle", rise - 5))
    (counts,) = bgp.close(60.0).counts().values()
    assert counts.resets == (rise if known else 0)


@pytest.mark.parametrize(("rise", "known"), [(6000, True), (6001, False)])
def test_topology_changes_that_go_round_are_a_hundred_a_second_at_most(rise: int, known: bool) -> None:
    fabric = FabricAccumulator(UptimeTracker(), 0.0, 300.0)
    take(fabric, 0.0, "bridge", Bridge(MAC, WRAP - 5, None))
    take(fabric, 60.0, "bridge", Bridge(MAC, rise - 5, None))
    assert fabric.close(300.0).stp == StpCounts(2, 2, int(known), rise if known else 0)


@pytest.mark.parametrize(("rise", "known"), [(90_000_000, True), (90_000_001, False)])
def test_collisions_that_go_round_are_no_more_than_a_line_carries(rise: int, known: bool) -> None:
    readings = DuplexReadings(UptimeTracker())
    for at, count in ((0.0, WRAP - 5), (60.0, rise - 5)):
        readings.take(
            at, Facts("duplex", (Duplex(1, "half", count),), complete=True, uptime_cs=round(100 * at) + 10_000)
        )
    assert readings.now(60.0)[1].late is (True if known else None)


def test_a_thousand_sessions_are_followed() -> None:
    bgp = sessions(Bgp())
    rows = tuple(BgpPeer(f"192.0.{n // 256}.{n % 256}", 1, "established") for n in range(1001))
    bgp.take(0.0, Facts("bgp_peers", rows, complete=True))
    assert len(bgp.close(60.0).counts()) == 1000
    bgp.take(60.0, Facts("bgp_peers", rows[:1], complete=True))
    assert bgp.close(120.0).on == {"192.0.0.0"}
