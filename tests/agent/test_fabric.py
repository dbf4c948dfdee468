"""Facts from the collector to windows, messages and events, over a restart of the agent as well."""

from collections.abc import Sequence

import pytest

from agent.monitor import snmp_id
from agent.pace import Pace
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from agent.store.model import CountersRow, WindowRow
from agent.windows import FABRIC
from kpi.fabric_counts import FabricCounts
from kpi.gear import BgpPeer, Bridge, Fact, Facts, Neighbor, OspfNeighbor
from kpi.model import Device, Metric, Outcome, Role, Sample, Window
from tests.agent.world import MIDNIGHT, World, running
from tests.doubles import ManualClock

BOOTED = 100_000.0
CORE = Neighbor("lldp", "ge1", "core", "ge9", "00:00:5e:00:53:01")
PEER = BgpPeer("192.0.2.1", 64512, "established", admin_up=True, transitions=1, established_s=5000)
ROOT = Bridge("00:00:5e:00:53:0a", 3, 900_000)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5)


def watch(world: World, *names: str, planned: tuple[float, float] | None = None) -> None:
    snmp = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, 60.0, 300.0, 1.0, 1)
    devices = tuple(
        Watchable(Device(name, name, Role.SWITCH, "192.0.2.1"), "192.0.2.1", "eth0", 1.0, snmp, PortsSettings())
        for name in names
    )
    maintenance = ((frozenset(names), *planned),) if planned is not None else ()
    world.core.apply(SitePlan(devices, None, (), maintenance))


def poll(world: World, device: str, *found: tuple[str, Sequence[Fact]]) -> None:
    """One poll that answered, as the collector says it: how it went first."""
    at = world.clock.monotonic()
    target = snmp_id(device)
    world.core.monitor.take(Sample(target, Metric.SNMP, "", at, 0.1, Outcome.OK))
    for sort, rows in found:
        facts = Facts(sort, tuple(rows), complete=True, uptime_cs=round(100 * (at + BOOTED)))
        world.core.monitor.take(Sample(target, Metric.FACTS, sort, at, facts, Outcome.OK))


async def test_facts_become_windows_figures_and_events(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world, "sw", "plain")
        await clock.advance(30)
        poll(world, "sw", ("neighbors", [CORE]), ("bgp_peers", [PEER]), ("bridge", [ROOT]))
        poll(world, "plain")
        await clock.advance(60)
        lost = BgpPeer("192.0.2.1", 64512, "idle", admin_up=True, transitions=1, established_s=30)
        poll(world, "sw", ("neighbors", []), ("bgp_peers", [lost]), ("bridge", [Bridge(CORE.remote_chassis, 4, 100)]))
        await clock.advance(220)
    (window,) = world.disk.windows(FABRIC, 300, "sw")
    counts = FabricCounts.from_plain(window.plain)
    assert counts.bgp["192.0.2.1"].resets == 1
    (summary,) = world.disk.messages("summary/device/sw")
    figures = summary["figures"]
    assert {name: figures[name]["v"] for name in ("stp_changes", "neighbour_churn", "bgp_resets")} == {
        "stp_changes": 1, "neighbour_churn": 1, "bgp_resets": 1,
    }  # fmt: skip
    assert figures["bgp_stability"]["v"] == pytest.approx(100 * 60 / 180, abs=0.1)
    (site,) = world.disk.messages("summary/site")
    assert site["figures"]["neighbour_churn"]["flags"] == ["worst:sw"]
    (plain,) = world.disk.messages("summary/device/plain")
    assert not plain["figures"].keys() & {"stp_changes", "neighbour_churn", "bgp_stability", "duplex_mismatch"}
    assert world.disk.windows(FABRIC, 300, "plain") == []
    (down,) = world.disk.messages("event/bgp.down")
    assert (down["device"], down["peer"], down["was"], down["state"]) == ("sw", "192.0.2.1", "established", "idle")
    (gone,) = world.disk.messages("event/neighbour.lost")
    assert (gone["local_port"], gone["remote_name"]) == ("ge1", "core")
    (root,) = world.disk.messages("event/stp.root_changed")
    assert (root["was"], root["root"]) == (ROOT.designated_root, CORE.remote_chassis)


async def test_planned_work_on_a_router_is_no_loss_of_its_sessions(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world, "sw", planned=(clock.utc() + 60, clock.utc() + 180))
        await clock.advance(30)
        for state in ("established", "idle", "idle", "established"):
            session = BgpPeer("192.0.2.1", 64512, state, admin_up=True)
            poll(world, "sw", ("neighbors", [CORE] if state == "established" else []), ("bgp_peers", [session]))
            await clock.advance(60)
        await clock.advance(60)
    (summary,) = world.disk.messages("summary/device/sw")
    figures = {name: summary["figures"][name] for name in ("bgp_stability", "bgp_resets", "neighbour_churn")}
    assert [figure["v"] for figure in figures.values()] == [None, None, None]
    assert figures["bgp_stability"]["incl_maint"] == pytest.approx(100 * 150 / 270, abs=0.1)
    assert (figures["bgp_resets"]["incl_maint"], figures["neighbour_churn"]["incl_maint"]) == (1, 2)
    events = [*world.disk.messages("event/bgp.down"), *world.disk.messages("event/neighbour.lost")]
    assert [event.get("maintenance") for event in events] == [True, True]
    (back,) = world.disk.messages("event/bgp.up")
    assert "maintenance" not in back


async def test_each_kind_of_change_is_an_event_of_its_own(clock: ManualClock) -> None:
    def neighbour(state: str) -> OspfNeighbor:
        return OspfNeighbor("198.51.100.1", "192.0.2.9", state)

    async with running(clock) as world:
        watch(world, "r")
        for bgp, ospf, beside in (
            ("idle", "full", []),
            ("established", "init", [CORE]),
            ("established", "full", [CORE]),
        ):
            peers = [BgpPeer("192.0.2.1", 64512, bgp)]
            poll(world, "r", ("bgp_peers", peers), ("ospf_neighbors", [neighbour(ospf)]), ("neighbors", beside))
            await clock.advance(60)
        poll(world, "r", ("neighbors", [CORE, Neighbor("cdp", "ge2", "ap", "eth0", "ap")]))
        await clock.advance(1)
    said = [d.topic for b in world.disk.batches for d in b.drafts if d.topic.startswith("event/")]
    assert said == ["event/bgp.up", "event/ospf.down", "event/ospf.up", "event/neighbour.new"]


async def test_what_changed_while_the_agent_was_off_is_seen(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world, "sw")
        await clock.advance(30)
        poll(world, "sw", ("neighbors", [CORE]), ("bridge", [ROOT]))
        await clock.advance(300)
    kept: dict[str, CountersRow] = {row.entity: row for b in world.disk.batches for row in b.counters}
    later = ManualClock(monotonic=5.0, utc=clock.utc() + 100)
    async with running(later) as again:
        watch(again, "sw")
        await again.core.resume((), tuple(kept.values()))
        rise = Bridge(ROOT.designated_root, 5, 1_000_000)
        at = later.monotonic()
        facts = Facts("bridge", (rise,), complete=True, uptime_cs=round(100 * (clock.monotonic() + 100 + BOOTED)))
        again.core.monitor.take(Sample(snmp_id("sw"), Metric.FACTS, "bridge", at, facts, Outcome.OK))
        poll(again, "sw", ("neighbors", []))
        await later.advance(300)
    (window,) = again.disk.windows(FABRIC, 300, "sw")
    counts = FabricCounts.from_plain(window.plain)
    assert counts.stp is not None
    assert counts.stp.changes == 2
    assert [m["remote_name"] for m in again.disk.messages("event/neighbour.lost")] == ["core"]


async def test_five_minutes_that_are_said_again_are_the_same_out_of_the_store(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world, "sw")
        for _ in range(5):
            poll(world, "sw", ("bgp_peers", [PEER]), ("bridge", [ROOT]))
            await clock.advance(60)
        await clock.advance(10)
        (said,) = world.disk.messages("summary/device/sw")
        rows: list[WindowRow] = [w for b in world.disk.batches for w in b.windows if w.length_s == 300]
        plains: dict[str, dict[str, object]] = {}
        for row in rows:
            plains.setdefault(row.entity, {})[row.kind] = row.plain
        told = world.core.window_folded(Window(int(MIDNIGHT), 300), 1)
        pace = Pace(world.clock)
        drafts = [draft for entity, kinds in plains.items() for draft in await told.take(entity, kinds, pace)]
        drafts += await told.end(pace)
    (again,) = [d.body for d in drafts if d.topic == "summary/device/sw"]
    names = ("stp_changes", "bgp_stability", "bgp_resets")
    assert {n: said["figures"][n]["v"] for n in names} == {n: again["figures"][n]["v"] for n in names}
