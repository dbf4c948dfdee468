"""Devices may be called what the agent calls its own entities: nothing of the one reaches the other."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.settings.models import CredentialSettings
from agent.settings.types import SEGMENT, slug
from agent.site import SitePlan, SnmpPlan
from agent.store.model import CountersRow
from agent.timeline import counted_of
from agent.windows import STATE
from collectors.radio.radio import readings_of
from kpi import entities
from kpi.entities import AGENT, SITE, UPLINK, is_internal
from kpi.model import Metric, Outcome, Role, Sample, State, SystemReading
from kpi.states import StateSeconds
from tests.agent.radios import seen
from tests.agent.world import MIDNIGHT, World, running, watchable
from tests.doubles import ManualClock

INTERNAL = sorted(v for v in vars(entities).values() if isinstance(v, str) and v.startswith("@") and len(v) > 1)
NAMES = tuple(name.removeprefix("@") for name in INTERNAL)
INTERNET = ("one", "two", "three")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5)


def plan(names: tuple[str, ...]) -> SitePlan:
    """A gateway, three internet targets, and switches of these names."""
    snmp = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, 60.0, 300.0, 2.0, 1)
    switches = [
        replace(w, snmp=snmp, device=replace(w.device, role=Role.SWITCH)) for w in (watchable(n, ()) for n in names)
    ]
    internet = [
        replace(w, device=replace(w.device, role=Role.INTERNET)) for w in (watchable(n, ("gw",)) for n in INTERNET)
    ]
    return SitePlan((watchable("gw", ()), *switches, *internet), "gw", INTERNET, ())


async def five_minutes(clock: ManualClock, names: tuple[str, ...]) -> World:
    """All is well but for the switches, which fall silent; the probe's own radio is read; SNMP answers once."""
    async with running(clock) as world:
        world.core.apply(plan(names))
        await clock.advance(100)
        for name in names:
            at = clock.monotonic()
            world.core.monitor.take(Sample(f"{name}/snmp", Metric.SNMP, "", at, 0.1, Outcome.OK))
            world.core.monitor.take(
                Sample(f"{name}/snmp", Metric.SYSTEM, "", at, SystemReading(100, None, None), Outcome.OK)
            )
        world.core.monitor.own.take(clock.monotonic(), readings_of(seen(clock.monotonic()).radios))
        world.silent |= set(names)
        await clock.advance(215)
    return world


def last_counters(world: World) -> dict[str, CountersRow]:
    """As the store keeps them: the last ones of each entity."""
    return {row.entity: row for batch in world.disk.batches for row in batch.counters}


async def test_a_device_called_like_an_entity_of_the_agent_changes_nothing_of_that(clock: ManualClock) -> None:
    alike = await five_minutes(clock, NAMES)
    other = await five_minutes(
        ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5), tuple(f"x{n}" for n in range(len(NAMES)))
    )
    for kind, entity in ((STATE, UPLINK), ("gear", entities.PROBE)):
        (row,), (expected,) = (w.disk.windows(kind, 300, entity) for w in (alike, other))
        assert row.plain == expected.plain
    (site,), (expected_site,) = (w.disk.messages("summary/site") for w in (alike, other))
    assert site["entity"] == SITE
    assert site["figures"]["network_uptime_pct"] == expected_site["figures"]["network_uptime_pct"]
    assert alike.core.summaries.latest.keys() == {"gw", *INTERNET, *NAMES, SITE, entities.PROBE}
    for name in NAMES:
        (row,) = alike.disk.windows(STATE, 300, name)
        assert StateSeconds.from_plain(row.plain).down_ms > 190_000
        assert len(alike.disk.messages(f"summary/device/{name}")) == 1
    counters = last_counters(alike)
    assert {*NAMES, AGENT, entities.PROBE} <= counters.keys()
    assert counters[AGENT].plain.keys() == {"counted", "taken_over"}


async def test_the_agent_goes_on_after_a_restart_with_such_devices(clock: ManualClock) -> None:
    before = await five_minutes(clock, NAMES)
    states = [row for batch in before.disk.batches for row in batch.states]
    agent = last_counters(before)[AGENT]
    async with running(clock, counted=counted_of(agent.plain, agent.utc_at)) as world:
        world.core.apply(plan(NAMES))
        await world.core.resume(states, list(last_counters(before).values()))
        for name in NAMES:
            polled = world.core.monitor[name].polled
            assert polled is not None
            assert polled.last_system() is not None
            assert world.core.history.of(name)[-1].state is State.UNKNOWN
        assert world.core.history.of("gw")[-1].state is State.UNKNOWN, "the agent knows when it was alive last"


@given(st.text(max_size=60))
def test_no_id_of_a_device_reaches_their_names(text: str) -> None:
    assert not is_internal(slug(text))
    assert not (is_internal(text) and SEGMENT.fullmatch(text))


def test_all_of_them_are_internal() -> None:
    assert len(INTERNAL) == len(set(INTERNAL)) >= 6
    assert all(map(is_internal, INTERNAL))
