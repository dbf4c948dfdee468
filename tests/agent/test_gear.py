"""Readings from the collector to windows, messages and events, over a restart of the agent as well."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent.folds import fold
from agent.monitor import snmp_id
from agent.pace import Pace
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from agent.store import WindowRow
from agent.store.model import DAY, FIVE_MINUTES, HOUR
from agent.summaries import FoldedWindow, Summaries
from agent.windows import GEAR, PORTS, STATE
from collectors.clock import SystemClock
from kpi.entities import SITE
from kpi.gear import Kind, Reading
from kpi.gear_counts import GearCounts, Level, Topic
from kpi.model import Device, Metric, NullReason, Outcome, Role, Sample, Status, SystemReading, Value, Window
from kpi.port_counts import PortCounts, ports_window_to_plain
from kpi.states import StateSeconds
from tests.agent.test_folds import START, Said, folding
from tests.agent.world import MIDNIGHT, World, running
from tests.doubles import ManualClock
from tests.kpi.gear_polls import poll, reading, rows

BOOTED = 100_000.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5)


def plan(**roles: Role) -> SitePlan:
    snmp = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, 60.0, 300.0, 1.0, 1)
    devices = tuple(
        Watchable(Device(name, name, role, "192.0.2.1"), "192.0.2.1", "eth0", 1.0, snmp, PortsSettings())
        for name, role in roles.items()
    )
    return SitePlan(devices, None, (), ())


def tell(world: World, device: str, *readings: Reading) -> None:
    """One poll that answered."""
    at, target = world.clock.monotonic(), snmp_id(device)
    uptime_cs = round(100 * (at + BOOTED))
    said: list[tuple[str, Value]] = [
        (Metric.SNMP, 0.1),
        (Metric.SYSTEM, SystemReading(uptime_cs)),
        *([(Metric.READINGS, poll(*readings, uptime_cs=uptime_cs))] if readings else []),
    ]
    for metric, value in said:
        world.core.monitor.take(Sample(target, metric, "", at, value, Outcome.OK))


async def test_readings_become_windows_and_figures_of_device_and_site(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.core.apply(plan(a=Role.ACCESS_POINT, b=Role.ACCESS_POINT, sw=Role.SWITCH))
        for clients in (10, 20):
            await clock.advance(60)
            tell(world, "a", *rows(Kind.CLIENTS, clients, 5), *rows(Kind.CLIENT_RSSI, -60, -80))
            tell(world, "b", *rows(Kind.CLIENTS, 2))
            tell(world, "sw")
        await clock.advance(190)
    (window,) = world.disk.windows(GEAR, 300, "a")
    assert GearCounts.from_plain(window.plain).levels["clients"].most == 25
    (device,) = world.disk.messages("summary/device/a")
    assert device["figures"]["wifi_clients"]["peak"] == 25
    assert device["figures"]["wifi_signal_dbm"]["n"] == 4
    assert device["values"]["wifi_signal_dbm"] == [[-80, 2], [-60, 2]]
    (site,) = world.disk.messages("summary/site")
    assert site["figures"]["wifi_clients"]["v"] == pytest.approx(device["figures"]["wifi_clients"]["v"] + 2)
    assert site["figures"]["wifi_clients"]["flags"] == ["worst:a"]
    (together,) = world.disk.windows(GEAR, 300, SITE)
    assert GearCounts.from_plain(together.plain).levels["clients"].n == 1
    (switch,) = world.disk.messages("summary/device/sw")
    assert set(switch["figures"]) == {"rtt_ms", "loss_ratio", "jitter_ms", "availability_pct", "reboots"}
    assert world.disk.windows(GEAR, 300, "sw") == []


async def test_a_power_failure_is_said_when_it_begins_and_when_it_ends(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.core.apply(plan(ups=Role.UPS))
        for state, seconds in ((0, 0), (1, 20), (1, 80), (0, 0)):
            tell(world, "ups", reading(Kind.ON_BATTERY, state), reading(Kind.ON_BATTERY_SECONDS, seconds))
            await clock.advance(60)
        await clock.advance(80)
    began, ended = world.disk.messages("event/power.battery")
    assert (began["device"], began["state"], began["seconds"]) == ("ups", "battery", 20)
    assert (ended["state"], ended["seconds"]) == ("mains", 140)
    (device,) = world.disk.messages("summary/device/ups")
    assert device["figures"]["on_battery_s"]["v"] == 80
    assert device["figures"]["power_events"]["v"] == 1
    assert device["figures"]["ups_runtime_min"]["null"] == NullReason.UNSUPPORTED


async def test_a_failure_that_stopped_the_probe_is_told_of_when_it_is_back(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.core.apply(plan(ups=Role.UPS))
        await clock.advance(10)
        tell(world, "ups", reading(Kind.LINE_BADS, 3), reading(Kind.ON_BATTERY, 0))
        await clock.advance(60)
        tell(world, "ups", reading(Kind.LINE_BADS, 4), reading(Kind.ON_BATTERY, 1))
        await clock.advance(10)
        await world.core.windows.finish()
        await clock.advance(0.1)
        last = {row.entity: row for batch in world.disk.batches for row in batch.counters}
        (before,) = world.disk.windows(GEAR, 300, "ups")
    kept = [replace(row, plain=json.loads(json.dumps(row.plain))) for row in last.values()]
    after = ManualClock(monotonic=50.0, utc=clock.utc() + 1800.0)
    async with running(after) as world:
        world.core.apply(plan(ups=Role.UPS))
        await world.core.resume((), kept)
        await after.advance(30)
        at = after.monotonic()
        uptime_cs = round(100 * (clock.monotonic() + BOOTED + 1800 + 30))
        told = poll(reading(Kind.LINE_BADS, 6), reading(Kind.ON_BATTERY, 0), uptime_cs=uptime_cs)
        world.core.monitor.take(Sample(snmp_id("ups"), Metric.READINGS, "", at, told, Outcome.OK))
        await after.advance(290)
    (ended,) = world.disk.messages("event/power.battery")
    assert ended["state"] == "mains"
    assert ended["seconds"] == pytest.approx(1840, abs=2)
    (device,) = world.disk.messages("summary/device/ups")
    assert GearCounts.from_plain(before.plain).line_failures == 1, "what was open at the stop is written"
    assert device["figures"]["power_events"]["v"] == 2, "while the probe was off"


async def test_planned_work_on_a_supply_is_counted_apart(clock: ManualClock) -> None:
    async with running(clock) as world:
        planned = (frozenset({"ups"}), clock.utc() + 30, clock.utc() + 200)
        world.core.apply(replace(plan(ups=Role.UPS), maintenance=(planned,)))
        for count, state in ((0, 0), (0, 0), (1, 1), (1, 0), (2, 1)):
            tell(world, "ups", reading(Kind.LINE_BADS, count), reading(Kind.ON_BATTERY, state))
            await clock.advance(60)
        await clock.advance(10)
    (device,) = world.disk.messages("summary/device/ups")
    events = device["figures"]["power_events"]
    assert (events["v"], events["null"], events["incl_maint"]) == (None, "no_data", 2)
    assert [(m["state"], m.get("maintenance")) for m in world.disk.messages("event/power.battery")] == [
        ("battery", True), ("mains", True), ("battery", None),
    ]  # fmt: skip


def _gear(**levels: float) -> GearCounts:
    have = int(Topic.CLIENTS | Topic.RESOURCES)
    kept = {k: Level(1, 300_000, round(100 * v), round(100 * v), round(100 * v) * 300_000) for k, v in levels.items()}
    return GearCounts(1, have, levels=kept)


async def test_hours_and_days_are_folds_of_gear_windows(tmp_path: Path) -> None:
    found: list[WindowRow] = []
    for i in range(12):
        at = START + 300 * i
        for entity in ("a", SITE):
            state, gear = StateSeconds(up_ms=300_000, checks=300), _gear(clients=float(i), cpu=50)
            found.append(WindowRow(entity, STATE, FIVE_MINUTES, "boot", float(at), at, state.to_plain()))
            found.append(WindowRow(entity, GEAR, FIVE_MINUTES, "boot", float(at), at, gear.to_plain()))
    async with folding(tmp_path / "s.db", Said(), found) as (folds, store, recorder):
        await folds.hour(START)
        await recorder.settled()
        (hour,) = await store.windows("a", GEAR, HOUR, START, START + HOUR)
        counts = GearCounts.from_plain(hour.plain)
        assert (counts.levels["clients"].mean, counts.levels["clients"].most) == (5.5, 11)
        (day,) = await store.windows("a", GEAR, DAY, START - 23 * HOUR, START + HOUR)
        assert GearCounts.from_plain(day.plain) == counts
        (site,) = await store.windows(SITE, GEAR, HOUR, START, START + HOUR)
        assert GearCounts.from_plain(site.plain).levels["clients"].most == 11
    assert fold(GEAR, [_gear(clients=1.0).to_plain()]) == _gear(clients=1.0).to_plain()


def hour_of(gear: GearCounts, peak: float) -> Mapping[str, Mapping[str, object]]:
    states = StateSeconds(up_ms=3_600_000, checks=3600).to_plain()
    return {STATE: {"srv": states}, GEAR: {"srv": gear.to_plain(), SITE: _gear(clients=peak).to_plain()}}


def fold_into(summaries: Summaries, window: Window, plains: Mapping[str, Mapping[str, object]], site: SitePlan) -> None:
    """A window out of the store: ``plains`` by kind and entity."""
    told = FoldedWindow(summaries, window, site, {}, judged=list)

    async def fold() -> None:
        for entity in sorted({entity for kind in plains.values() for entity in kind}):
            of = {kind: rows[entity] for kind, rows in plains.items() if entity in rows}
            await told.take(entity, of, Pace(SystemClock()))
        await told.end(Pace(SystemClock()))

    asyncio.run(fold())


def test_an_hours_statuses_stand_in_the_summaries_and_are_said_once() -> None:
    summaries, site = Summaries(), plan(srv=Role.SERVER)
    full = GearCounts(12, int(Topic.RESOURCES), levels={"cpu": Level(12, 3_600_000, 9500, 9500, 9500 * 3_600_000)})
    for number in range(3):
        fold_into(summaries, Window(START + 3600 * number, 3600), hour_of(full, 1.0), site)
    said = [(c.entity, c.kpi, c.status) for c in summaries.statuses.crossings() if c.kpi == "resource_used_pct"]
    assert said == [("srv", "resource_used_pct", Status.BAD), (SITE, "resource_used_pct", Status.BAD)]


def test_ports_in_use_are_judged_on_thirty_days() -> None:
    summaries, site = Summaries(), plan(sw=Role.SWITCH)
    ports = {f"ge{i}": PortCounts(up_ms=1000 * 16 * DAY, speed_bps=0, physical=True) for i in range(24)}
    states = StateSeconds(up_ms=1000 * 30 * DAY, checks=30).to_plain()
    plains: dict[str, dict[str, object]] = {STATE: {"sw": states}, PORTS: {"sw": ports_window_to_plain(ports)}}
    fold_into(summaries, Window(START, 30 * DAY), plains, site)
    said = [(c.entity, c.kpi, c.status) for c in summaries.statuses.crossings() if c.kpi == "port_used_pct"]
    assert said == [("sw", "port_used_pct", Status.BAD), (SITE, "port_used_pct", Status.BAD)]
