"""What was measured before a reload takes a device out of the settings, or before the agent ends, is counted, once."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from agent.monitor import snmp_id
from agent.settings.models import CredentialSettings
from agent.site import SitePlan, SnmpPlan
from agent.store.model import CountersRow
from agent.windows import ECHO, PORTS, STATE
from kpi.echo import EchoCounts
from kpi.entities import AGENT
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, Sample
from kpi.planned import halves_from_plain
from kpi.port_counts import PortCounts, ports_window_from_plain
from kpi.states import StateSeconds
from tests.agent.world import World, running, watchable
from tests.doubles import ManualClock

CREDENTIAL = CredentialSettings(name="c", version="2c")
SWITCH = replace(watchable("switch", ()), snmp=SnmpPlan(CREDENTIAL, 161, 60.0, 300.0, 2.0, 1))
WITH = SitePlan((watchable("gw", ()), SWITCH), "gw", (), ())
WITHOUT = SitePlan((watchable("gw", ()),), "gw", (), ())
WITHOUT_SNMP = SitePlan((watchable("gw", ()), replace(SWITCH, snmp=None)), "gw", (), ())
RATE = 1000
"""Octets a second."""


def poll(world: World) -> None:
    """One poll of the counters of the switch's only port."""
    at = world.clock.monotonic()
    octets = round(RATE * at)
    none = dict.fromkeys(("in_multicast", "out_multicast", "in_broadcast", "out_broadcast"))
    packets = dict.fromkeys(("in_unicast", "out_unicast", "in_errors", "out_errors", "in_discards", "out_discards"), 0)
    read = PortCounters(
        uptime_cs=round(100 * at),
        discontinuity_cs=0,
        octet_bits=64,
        packet_bits=64,
        in_octets=octets,
        out_octets=octets,
        **packets,
        **none,
    )
    identity = PortIdentity("1", 1, "1", "1", "", 6, 1500, 10**9, None)
    for metric, value in ((Metric.PORT_IDENTITY, identity), (Metric.PORT_COUNTERS, read)):
        world.core.monitor.take(Sample(snmp_id("switch"), metric, "1", at, value, Outcome.OK))


def ports(world: World) -> list[PortCounts]:
    """What is written of the port, window by window."""
    found = []
    for row in world.disk.windows(PORTS, 300, "switch"):
        counted = halves_from_plain(json.loads(row.plain) if isinstance(row.plain, bytes) else row.plain).counted
        assert counted is not None
        found.append(ports_window_from_plain(counted)["1"])
    return found


@pytest.mark.parametrize("plan", [WITHOUT, WITHOUT_SNMP], ids=["device", "snmp"])
async def test_what_was_measured_before_a_reload_takes_it_out_is_written(clock: ManualClock, plan: SitePlan) -> None:
    async with running(clock) as world:
        world.core.apply(WITH)
        await clock.advance(20.0)
        poll(world)
        await clock.advance(100.0)
        poll(world)
        await clock.advance(10.0)
        world.core.apply(plan)
        poll(world)
        await clock.advance(500.0)
    (port,) = ports(world)
    assert (port.in_octets, port.in_ms) == (100 * RATE, 100_000)
    last = [row for batch in world.disk.batches for row in batch.counters if row.entity == "switch"]
    assert len(last) == 1, "the reading up to which that goes is kept with it"
    echoes = sum(EchoCounts.from_plain(row.plain).sent for row in world.disk.windows(ECHO, 60, "switch"))
    (state, *later) = world.disk.windows(STATE, 300, "switch")
    (said, *_) = world.disk.messages("summary/device/switch")
    assert [len(later), len(world.disk.messages("summary/device/switch"))] == ([0, 1] if plan is WITHOUT else [1, 2])
    seconds = StateSeconds.from_plain(state.plain)
    if plan is WITHOUT:
        assert echoes == pytest.approx(130, abs=1)
        assert seconds.up_s == pytest.approx(130, abs=1) and not seconds.down_s
        assert seconds.unknown_s == pytest.approx(170, abs=1), "the rest of the five minutes is not measured"
        assert said["figures"]["loss_ratio"]["n"] == echoes
    else:
        assert seconds.up_s == pytest.approx(300, abs=1), "its echoes went on"
    assert "switch" not in world.core.history.entities() or plan is WITHOUT_SNMP


@pytest.mark.parametrize("plan", [WITHOUT, WITHOUT_SNMP], ids=["device", "snmp"])
@pytest.mark.parametrize("away_s", [40.0, 400.0])
async def test_what_comes_back_goes_on_and_nothing_counts_twice(
    clock: ManualClock, plan: SitePlan, away_s: float
) -> None:
    async with running(clock) as world:
        world.core.apply(WITH)
        await clock.advance(20.0)
        for _ in range(2):
            poll(world)
            await clock.advance(60.0)
        world.core.apply(plan)
        await clock.advance(away_s)
        world.core.apply(WITH)
        for _ in range(3):
            poll(world)
            await clock.advance(60.0)
        await clock.advance(300.0)
    octets, ms = (sum(getattr(port, name) for port in ports(world)) for name in ("in_octets", "in_ms"))
    measured_s = 60 + 120 + (60 + away_s if away_s < 300 else 0)
    assert (octets, ms) == (RATE * measured_s, 1000 * measured_s)
    seconds = [StateSeconds.from_plain(row.plain) for row in world.disk.windows(STATE, 300, "switch")]
    unknown_s = sum(state.unknown_s for state in seconds)
    if plan is WITHOUT and away_s < 300:
        assert unknown_s == pytest.approx(away_s, abs=2)
    elif plan is WITHOUT_SNMP:
        assert unknown_s < 2


async def counted_over_a_restart(*, orderly: bool) -> int:
    """All octets of the port in the windows of two runs, of which the first is stopped or killed in its third five
    minutes."""
    clock = ManualClock(monotonic=1000.0)
    found = 0
    kept: dict[str, CountersRow] = {}
    async with running(clock) as world:
        world.core.apply(WITH)
        await clock.advance(20.0)
        for _ in range(12):
            poll(world)
            await clock.advance(60.0)
        if orderly:
            await world.core.windows.finish()
        await clock.advance(0.1)
        found += octets_of(ports(world))
        kept = {row.entity: as_stored(row) for batch in world.disk.batches for row in batch.counters}
    await clock.advance(45.0)
    counted = kept[AGENT].plain["counted"]
    async with running(clock, counted=counted) as world:
        world.core.apply(WITH)
        await world.core.resume((), list(kept.values()))
        for _ in range(6):
            poll(world)
            await clock.advance(60.0)
        await clock.advance(300.0)
        found += octets_of(ports(world))
    return found


def as_stored(row: CountersRow) -> CountersRow:
    plain = json.loads(row.plain if isinstance(row.plain, bytes) else json.dumps(row.plain))
    return replace(row, plain=plain)


def octets_of(of_windows: Sequence[PortCounts]) -> int:
    return sum(port.in_octets + port.gap_in_octets for port in of_windows)


async def test_an_orderly_stop_and_a_kill_keep_the_same_octets() -> None:
    """From the first reading to the last: 11 minutes, then 60 and 45 s over the restart, then 5 minutes."""
    stopped = await counted_over_a_restart(orderly=True)
    killed = await counted_over_a_restart(orderly=False)
    assert stopped == killed == pytest.approx(RATE * (11 * 60 + 105 + 5 * 60), abs=RATE)
