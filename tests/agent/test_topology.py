"""Links and parents as they follow from what devices tell, poll by poll: what holds, what a device takes along, what is
kept over a restart, and duplex at both ends of a cable."""

from collections.abc import Mapping, Sequence

import pytest

from agent.monitor import snmp_id
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from agent.store.model import CountersRow
from agent.topology import LEARNT_S, MISSED_S, TOLD_S
from collectors.link import Surroundings
from kpi.entities import TOPOLOGY
from kpi.gear import Duplex, Fact, Facts, Forwarding, Neighbor
from kpi.model import Device, Metric, Outcome, PortIdentity, Role, Sample, State, SystemReading
from kpi.topology import PROBE, End
from tests.agent.world import MIDNIGHT, World, running
from tests.doubles import ManualClock

ROLES = {"core": Role.SWITCH, "access": Role.SWITCH, "ap": Role.ACCESS_POINT, "nas": Role.SERVER}
SPOKEN = ("core", "access", "ap")
"""Those that answer SNMP."""
OWN = "00:00:5e:00:53:ee"


def mac(device: str, port: int = 0) -> str:
    return f"00:00:5e:00:{list(ROLES).index(device) + 1:02x}:{port:02x}"


AROUND = Surroundings({f"192.0.2.{n}": mac(d) for n, d in enumerate(ROLES, 1)}, frozenset({OWN}))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5)


def watch(world: World, parents: Mapping[str, str] | None = None, without: str = "") -> None:
    snmp = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, 60.0, 300.0, 1.0, 1)
    devices = []
    for n, (name, role) in enumerate(ROLES.items(), 1):
        behind = (parents[name],) if parents and name in parents else ()
        address = f"192.0.2.{n}"
        device = Device(name, name, role, address, behind)
        if name != without:
            plan = snmp if name in SPOKEN else None
            devices.append(Watchable(device, address, "eth0", 1.0, plan, PortsSettings(), derived=bool(behind)))
    world.core.apply(SitePlan(tuple(devices), None, (), ()))


def say(world: World, device: str, metric: str, value: object, instance: str = "") -> None:
    at = world.clock.monotonic()
    world.core.monitor.take(Sample(snmp_id(device), metric, instance, at, value, Outcome.OK))  # type: ignore[arg-type]


def facts(world: World, device: str, sort: str, *rows: Fact) -> None:
    uptime_cs = round(100 * (world.clock.monotonic() + 100_000))
    say(world, device, Metric.FACTS, Facts(sort, rows, complete=True, uptime_cs=uptime_cs))


def introduce(world: World, *devices: str) -> None:
    """First contact: who they are and which ports they have."""
    for device in devices:
        say(world, device, Metric.SNMP, 0.1)
        say(world, device, Metric.SYSTEM, SystemReading(None, name=f"{device}.example.net"))
        for n in range(1, 9):
            port = PortIdentity(f"ge{n}", n, f"ge{n}", "", "", 6, 1500, 10**9, mac(device, n))
            say(world, device, Metric.PORT_IDENTITY, port, port.key)


def hears(port: int, device: str, remote: int) -> Neighbor:
    return Neighbor("lldp", f"ge{port}", f"{device}.example.net", f"ge{remote}", mac(device))


def polled(world: World) -> None:
    for device in SPOKEN:
        say(world, device, Metric.SNMP, 0.1)


def polled_except_access(world: World) -> None:
    for device in ("core", "ap"):
        say(world, device, Metric.SNMP, 0.1)
    at = world.clock.monotonic()
    world.core.monitor.take(Sample(snmp_id("access"), Metric.SNMP, "", at, None, Outcome.NO_REPLY))


def wired(world: World) -> None:
    """probe - core - access - ap, as LLDP and the core's forwarding table tell it."""
    introduce(world, *SPOKEN)
    facts(world, "core", "neighbors", hears(2, "access", 1))
    facts(world, "access", "neighbors", hears(1, "core", 2), hears(5, "ap", 1))
    facts(world, "core", "forwarding", Forwarding(OWN, 7), Forwarding(mac("nas"), 3))


async def look_until_held(world: World) -> bool:
    """Two looks with a poll of each device between them."""
    first = await world.core.topology.look(AROUND)
    await world.clock.advance(60)
    polled(world)
    return not first and await world.core.topology.look(AROUND)


def ends(world: World) -> list[tuple[End, End, bool]]:
    return [(link.a, link.b, link.confirmed) for link in world.core.topology.links]


TREE = {"access": "core", "ap": "access", "nas": "core"}


async def test_links_and_parents_follow_from_what_the_devices_tell(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        assert ends(world) == [
            (End(PROBE, ""), End("core", "ge7"), False),
            (End("access", "ge1"), End("core", "ge2"), True),
            (End("access", "ge5"), End("ap", "ge1"), False),
            (End("core", "ge3"), End("nas", ""), False),
        ]
        assert world.core.topology.parents == TREE
        assert not await world.core.topology.look(AROUND), "they are no others than before"


async def test_the_probes_own_address_is_the_probes_whoever_else_tells_of_it(clock: ManualClock) -> None:
    """The box itself is among the devices, or an agent copies addresses that it has seen."""
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        say(world, "ap", Metric.PORT_IDENTITY, PortIdentity("eth0", 9, "eth0", "", "", 6, 1500, 10**9, OWN), "eth0")
        assert await look_until_held(world)
        assert world.core.topology.parents == TREE


async def test_other_parents_hold_only_after_each_device_was_asked_again(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        for _ in range(3):
            assert not await world.core.topology.look(AROUND)
            await clock.advance(1)
        assert world.core.topology.parents == {}
        polled(world)
        assert await world.core.topology.look(AROUND)


async def test_what_is_different_in_the_second_poll_does_not_hold(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert not await world.core.topology.look(AROUND)
        await clock.advance(60)
        polled(world)
        facts(world, "access", "neighbors", hears(1, "core", 2))
        world.core.topology.links = ()  # as if it had never been told of
        assert not await world.core.topology.look(AROUND)
        assert not await world.core.topology.look(AROUND)


async def test_a_device_that_is_away_takes_no_link_along(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        before = world.core.topology.links
        world.silent.add("ap")
        await clock.advance(30)
        assert world.state("ap") is State.DOWN
        facts(world, "access", "neighbors", hears(1, "core", 2))  # LLDP has aged it out
        for _ in range(20):
            await clock.advance(60)
            polled(world)
            assert not await world.core.topology.look(AROUND)
        assert world.core.topology.links == before
        world.silent.clear()
        await clock.advance(60)
        polled(world)
        assert not await world.core.topology.look(AROUND), "it is up before its neighbours are asked about it again"
        facts(world, "access", "neighbors", hears(1, "core", 2), hears(5, "ap", 1))
        assert not await world.core.topology.look(AROUND)
        assert world.core.topology.links == before


async def test_a_link_that_nobody_tells_of_any_more_is_gone_in_time(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        facts(world, "access", "neighbors", hears(1, "core", 2))
        changed_after = []
        for minute in range(1, 25):
            await clock.advance(60)
            polled(world)
            if await world.core.topology.look(AROUND):
                changed_after.append(60.0 * minute)
        assert len(changed_after) == 1
        assert MISSED_S <= changed_after[0] <= MISSED_S + 120
        assert "ap" not in world.core.topology.parents


async def test_what_a_device_said_of_its_neighbours_is_not_believed_for_ever(clock: ManualClock) -> None:
    """It answers echoes, and its SNMP agent is dead."""
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        await clock.advance(TOLD_S - 120)
        for _ in range(2):
            await world.core.topology.look(AROUND)
            await clock.advance(60)
        assert len(ends(world)) == 4
        await clock.advance(MISSED_S + 120)
        polled_except_access(world)
        await world.core.topology.look(AROUND)
        assert (End("access", "ge5"), End("ap", "ge1"), False) not in ends(world)
        await clock.advance(60)
        polled_except_access(world)
        await world.core.topology.look(AROUND)
        assert "ap" not in world.core.topology.parents


async def test_what_a_device_said_before_it_fell_is_believed_while_it_is_down(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        before = world.core.topology.links
        world.silent |= {"access", "ap"}
        await clock.advance(TOLD_S + 120)
        say(world, "core", Metric.SNMP, 0.1)
        assert not await world.core.topology.look(AROUND)
        assert world.core.topology.links == before


async def test_a_device_that_is_somewhere_else_now_is_not_where_it_was(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        facts(world, "access", "neighbors", hears(1, "core", 2))
        facts(world, "core", "neighbors", hears(2, "access", 1), hears(4, "ap", 1))
        assert await look_until_held(world)
        assert world.core.topology.parents == TREE | {"ap": "core"}


async def test_a_forwarding_table_forgets_sooner_than_we_do(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        facts(world, "core", "forwarding", Forwarding(OWN, 7))  # the nas was silent for 5 minutes
        for _ in range(3):
            await clock.advance(MISSED_S)
            polled(world)
            assert not await world.core.topology.look(AROUND)
        world.core.topology._clock = ManualClock(monotonic=clock.monotonic() + LEARNT_S)
        facts(world, "core", "forwarding", Forwarding(OWN, 7))
        await world.core.topology.look(AROUND)
        assert "nas" not in {device for link in world.core.topology.links for device in link.devices}


async def test_an_old_forwarding_table_is_not_young_again_because_another_address_is_looked_for(
    clock: ManualClock,
) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        topology = world.core.topology
        known = next(iter(topology._learnt["core"].values()))[1]
        await clock.advance(MISSED_S)
        port = PortIdentity("ge9", 9, "ge9", "", "", 6, 1500, 10**9, mac("ap", 9))
        say(world, "ap", Metric.PORT_IDENTITY, port, port.key)
        await topology.look(AROUND)
        assert {at for _, at in topology._learnt["core"].values()} == {known}
        topology._clock = ManualClock(monotonic=known + LEARNT_S + 1)
        await topology.look(AROUND)
        assert not topology._learnt["core"]


async def test_a_device_that_is_watched_no_more_is_in_no_link(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        watch(world, without="access")
        await world.core.topology.look(AROUND)
        assert {d for link in world.core.topology.links for d in link.devices} == {PROBE, "core", "nas"}


async def test_links_and_parents_are_kept_over_a_restart(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        await clock.advance(1)
        known = world.core.topology.links
    rows = [row for b in world.disk.batches for row in b.counters if row.entity == TOPOLOGY]
    assert len(rows) == 2, "the links at once, the parents when they held; nothing was written twice"
    kept: CountersRow = rows[-1]
    async with running(ManualClock(monotonic=5.0)) as again:
        again.core.topology.resume(kept.plain)
        assert (again.core.topology.links, again.core.topology.parents) == (known, TREE)
        watch(again, again.core.topology.parents)
        assert kept.plain["uplinks"] == [["core", "ge7"]]
        await again.core.topology.look(Surroundings({}, frozenset()))
        assert again.core.topology.links == known, "nobody has been asked yet"
        with pytest.raises(ValueError, match="version 99"):
            again.core.topology.resume({"v": 99})
        assert again.core.topology.parents == TREE


def figures_of(world: World, device: str) -> dict[str, dict[str, object]]:
    (summary,) = world.disk.messages(f"summary/device/{device}")
    figures: dict[str, dict[str, object]] = summary["figures"]
    return figures


@pytest.mark.parametrize(
    ("near", "far", "grade"), [("half", "full", 2), ("full", "full", 0), ("unknown", "full", None)]
)
async def test_duplex_is_judged_at_both_ends_of_a_cable(
    clock: ManualClock, near: str, far: str, grade: int | None
) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        await world.core.topology.look(AROUND)
        facts(world, "core", "duplex", Duplex(2, near, 0, 0, 0))
        facts(world, "access", "duplex", Duplex(1, far, 0, 0, 0))
        await clock.advance(310)
    found = [figures_of(world, device)["duplex_mismatch"].get("grade") for device in ("core", "access")]
    assert found == [grade, grade]
    if grade == 2:
        assert figures_of(world, "core")["duplex_mismatch"] == {
            "v": 1, "n": 1, "status": "bad", "certain": 1, "suspected": 0, "grade": 2, "flags": ["port:ge2"],
        }  # fmt: skip


async def test_a_parent_that_is_derived_hides_what_is_behind_it(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        watch(world, world.core.topology.parents)
        await clock.advance(30)
        world.silent |= {"access", "ap"}
        await clock.advance(30)
        states: Sequence[State] = [world.state(device) for device in ("core", "access", "ap")]
        assert states == [State.UP, State.DOWN, State.UNKNOWN]
        (incident,) = world.core.incidents
        assert (incident.entity, incident.hides) == ("access", ("ap",))


async def test_a_parent_that_is_passed_by_while_it_is_silent_proves_nothing(clock: ManualClock) -> None:
    """Its ICMP is filtered or its management hangs, and it forwards: what fails behind it is down, not unknown."""
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        watch(world, world.core.topology.parents)
        world.silent |= {"access"}
        await clock.advance(30)
        assert await look_until_held(world)
        assert world.core.topology.parents == {"access": "core", "ap": "core", "nas": "core"}
        watch(world, world.core.topology.parents)
        world.silent |= {"ap"}
        await clock.advance(30)
        assert (world.state("access"), world.state("ap")) == (State.DOWN, State.DOWN)
        world.silent.clear()
        await clock.advance(30)
        assert await look_until_held(world)
        assert world.core.topology.parents == TREE


async def test_a_parent_that_took_everything_along_stays_the_parent(clock: ManualClock) -> None:
    async with running(clock) as world:
        watch(world)
        await clock.advance(5)
        wired(world)
        assert await look_until_held(world)
        watch(world, world.core.topology.parents)
        world.silent |= {"access", "ap"}
        for _ in range(5):
            await clock.advance(60)
            polled(world)
            assert not await world.core.topology.look(AROUND)
        assert world.core.topology.parents == TREE
