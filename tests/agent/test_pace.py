"""Nothing on the loop is long: what a large device or a large site costs is cut into slices, or done aside. What is done
between two turns of the loop is counted, so that a busy machine makes no difference."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

import agent.folds
import agent.history
import agent.planning
import agent.restating
import agent.summaries
import agent.topology
from agent.boundary import Boundary
from agent.core import DEVICE, Core
from agent.folds import Folds
from agent.history import StateHistory
from agent.incidents import Incidents
from agent.measuring import Measuring
from agent.monitor import snmp_id
from agent.pace import LARGE, SLICE_S, Pace, size_of
from agent.parts import Parts
from agent.planning import Planning
from agent.polled import MOST_PORTS_IN_ALL
from agent.scheduler import Scheduler
from agent.settings import Settings
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable, matches, plan_site
from agent.store import Store, StoreSettings
from agent.store.model import CountersRow, StateRow, WindowRow
from agent.watch import Watch
from collectors.link import Surroundings
from kpi.duplex import DuplexReadings
from kpi.model import Device, Metric, Outcome, PortCounters, PortIdentity, PortStatus, Role, Sample, State
from kpi.parents import parents_of
from kpi.port_counts import ports_window_to_plain
from kpi.port_summary import port_figures
from kpi.ports import LastReading, PortAccumulator
from tests.agent.world import MIDNIGHT, World, running, watchable
from tests.doubles import ManualClock

PORTS = 1000
COST_S = SLICE_S / 8
"""What every look at the clock costs in these tests: the eighth look ends a slice."""


class CostlyClock(ManualClock):
    """Time goes by with each look at it, as if something had been done between two."""

    costly = False

    def monotonic(self) -> float:
        if self.costly:
            self._mono_ns += round(COST_S * 1e9)
        return super().monotonic()


class Turns:
    """Counts calls between two turns of the loop, and notes in which thread they were made."""

    def __init__(self) -> None:
        self.most: dict[str, int] = {}
        self.aside: set[str] = set()
        self._now: dict[str, int] = {}

    async def watch(self) -> None:
        while True:
            self._now.clear()
            await asyncio.sleep(0)

    def count(self, name: str, call: Callable[..., Any], size: Callable[..., int] = lambda *_, **__: 1) -> Any:
        def counted(*args: Any, **named: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                self._now[name] = self._now.get(name, 0) + size(*args, **named)
                self.most[name] = max(self.most.get(name, 0), self._now[name])
            else:
                self.aside.add(name)
            return call(*args, **named)

        return counted


def feed(world: World, at: float) -> None:
    """One poll of all ports."""
    take, target = world.core.monitor.take, snmp_id("big")
    ticks = round(at * 100) + 10_000
    for number in range(PORTS):
        key = f"ge{number}"
        if world.core.monitor["big"].polled is not None and key not in world.core.monitor["big"].polled.ports:
            identity = PortIdentity(key, number, key, key, "", 6, 1500, 10**9, None)
            take(Sample(target, Metric.PORT_IDENTITY, key, at, identity, Outcome.OK))
        oper = "up" if round(at / 60) % 2 else "down"
        take(Sample(target, Metric.PORT_STATUS, key, at, PortStatus("up", oper, None, ticks), Outcome.OK))
        values = [round(at) * (number + 1)] * 12
        take(Sample(target, Metric.PORT_COUNTERS, key, at, PortCounters(ticks, 0, 64, 64, *values), Outcome.OK))


@asynccontextmanager
async def large(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, CostlyClock, Turns]]:
    clock, turns = CostlyClock(monotonic=1000.0, utc=MIDNIGHT + 0.5), Turns()
    monkeypatch.setattr(PortAccumulator, "close", turns.count("close", PortAccumulator.close))
    monkeypatch.setattr(PortAccumulator, "last_reading", turns.count("last reading", PortAccumulator.last_reading))
    monkeypatch.setattr("agent.windows.ports_window_to_plain", turns.count("pack", ports_window_to_plain))
    figures = turns.count("figures", port_figures, lambda ports, *_, **__: len(ports))
    monkeypatch.setattr("agent.summaries.port_figures", figures)
    monkeypatch.setattr(agent.folds, "_with", turns.count("fold", agent.folds._with))
    monkeypatch.setattr(agent.summaries, "_device_window", turns.count("read", agent.summaries._device_window))
    async with running(clock) as world:
        snmp = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, 60.0, 60.0, 1.0, 1)
        device = Device("big", "big", Role.SWITCH, "192.0.2.1")
        watchable = Watchable(device, "192.0.2.1", "eth0", None, snmp, PortsSettings())
        world.core.apply(SitePlan((watchable,), None, (), ()))
        watching = asyncio.create_task(turns.watch())
        try:
            yield world, clock, turns
        finally:
            watching.cancel()


async def until(done: Callable[[], bool]) -> None:
    """Threads need real time."""
    for _ in range(2000):
        if done():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it was not done")


@pytest.mark.may_block
async def test_the_windows_of_a_large_device_are_closed_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    async with large(monkeypatch) as (world, clock, turns):
        for _ in range(5):
            feed(world, clock.monotonic())
            await clock.advance(60)
        clock.costly = True
        await clock.advance(10)
        await until(lambda: bool(world.disk.messages("summary/device/big")))
        clock.costly = False
        [row] = world.disk.windows("ports", 300, "big")
        assert isinstance(row.plain, bytes)
        assert 0 < turns.most["close"] <= 10 and turns.most["last reading"] <= 10
        assert "pack" in turns.aside
        assert 0 < turns.most["figures"] <= 10 * agent.summaries.PORTS_AT_ONCE
        said = [len(body["port"]) for body in world.disk.messages("summary/ports/big")]
        assert sum(said) == PORTS and max(said) <= 2 * agent.summaries.PORTS_A_MESSAGE


@pytest.mark.may_block
async def test_the_hour_of_a_large_device_is_folded_in_slices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with large(monkeypatch) as (world, clock, turns):
        for _ in range(10):
            feed(world, clock.monotonic())
            await clock.advance(60)
        await clock.advance(10)
        await until(lambda: len(world.disk.messages("summary/device/big")) == 2)
        settings = StoreSettings(ballast_bytes=0)
        async with Store.open(tmp_path / "s.db", settings, clock, probe_id="p", boot_id="boot") as store:
            for batch in world.disk.batches:
                await store.commit(batch)
            folds = Folds(
                store, world.recorder, zone=lambda: ZoneInfo("UTC"), folded=world.core.window_folded, clock=clock
            )
            turns.most.clear()
            turns.aside.clear()
            clock.costly = True
            await folds.hour(int(MIDNIGHT))
            clock.costly = False
        await world.recorder.settled()
        assert world.disk.windows("ports", 3600, "big")
        assert {"fold", "read"} <= turns.aside
        assert 0 < turns.most["figures"] <= 10 * agent.summaries.PORTS_AT_ONCE


async def test_a_slice_ends_when_its_time_is_over_and_not_before() -> None:
    clock, others = CostlyClock(), 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    pace, before = Pace(clock), others
    for _ in range(100):
        await pace.breathe()
    assert others == before, "no time went by"
    clock.costly = True
    for _ in range(100):
        await pace.breathe()
    assert 8 <= others - before <= 15
    task.cancel()


async def test_what_is_large_is_done_aside_and_what_is_small_is_not() -> None:
    pace, threads = Pace(ManualClock()), list[str]()
    for size in (LARGE - 1, LARGE):
        assert await pace.aside(size, lambda: threads.append(threading.current_thread().name) or 7) == 7  # type: ignore[func-returns-value]
    assert threads[0] == threading.main_thread().name != threads[1]
    assert size_of([{"port": list(range(1000)), "in_octets": list(range(1000)), "v": 1}] * 2) == 4002


@pytest.mark.may_block
@pytest.mark.parametrize(("values", "aside"), [(10, False), (LARGE, True)])
async def test_a_large_window_is_read_aside_before_it_is_computed_again(
    monkeypatch: pytest.MonkeyPatch, values: int, *, aside: bool
) -> None:
    turns = Turns()
    monkeypatch.setattr(agent.restating, "read_window", turns.count("read", lambda _kind, _plain: None))
    row = WindowRow("big", "ports", 300, "b", 0.0, 0, {"counted": {"port": list(range(values))}})
    assert await agent.restating._is_readable(row, Boundary())
    assert ("read" in turns.aside, "read" in turns.most) == (aside, not aside)


DEVICES = [f"d{number:03}" for number in range(300)]


class Silent:
    """An echo engine, an SNMP collector and a listener for traps that are told what to do, and do nothing."""

    def forget(self, _target: str) -> None:
        pass

    def configure(self, _targets: object) -> None:
        pass

    def applying(self, _plan: SitePlan, _credentials: object) -> Iterator[None]:
        return iter(())


def settings_of(devices: list[str]) -> Settings:
    return Settings.model_validate(
        {
            "site": {"tenant": "t", "site": "s", "probe": "p"},
            "network": {"gateway": "none"},
            "device": [{"name": name, "role": "server", "address": "127.0.0.9"} for name in devices],
        }
    )


def many(world: World) -> None:
    """A site of so many devices, each with SNMP."""
    snmp = SnmpPlan(CredentialSettings(name="c", version="3", user="monitor"), 161, 60.0, 60.0, 1.0, 1)
    devices = tuple(replace(watchable(name, ()), snmp=snmp) for name in DEVICES)
    world.core.apply(SitePlan(devices, None, (), ()))


@asynccontextmanager
async def between_turns(turns: Turns, clock: CostlyClock) -> AsyncIterator[None]:
    """Counts while every look at the clock costs."""
    watching = asyncio.create_task(turns.watch())
    await asyncio.sleep(0)
    clock.costly = True
    try:
        yield
    finally:
        clock.costly = False
        watching.cancel()


async def test_a_link_that_fails_with_many_devices_on_it_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, turns = CostlyClock(monotonic=1000.0, utc=MIDNIGHT + 0.5), Turns()
    monkeypatch.setattr(Incidents, "state_changed", turns.count("changes", Incidents.state_changed))
    world = World(clock)
    many(world)
    for device in DEVICES:
        world.core.watch.answered(device, 1000.0, 1000.001)
    world.link = False
    await clock.advance(2)
    turns.most.clear()
    async with between_turns(turns, clock):
        await world.core.watch.tick()
    assert 0 < turns.most["changes"] <= 10
    assert {world.state(device) for device in DEVICES} == {State.UNKNOWN}
    (only,) = world.core.incidents
    assert only.hides == tuple(DEVICES)


async def test_what_is_remembered_of_many_devices_is_forgotten_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, turns = CostlyClock(monotonic=1000.0, utc=MIDNIGHT + 0.5), Turns()
    world = World(clock)
    many(world)
    for device in DEVICES:
        world.core.watch.answered(device, 1000.0, 1000.001)
    monkeypatch.setattr(agent.history, "_last_up_before", turns.count("looked through", agent.history._last_up_before))
    await clock.advance(1)
    async with between_turns(turns, clock):
        await world.core.windows.finish()
    assert 0 < turns.most["looked through"] <= 10


async def test_the_run_before_is_taken_up_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, turns = CostlyClock(monotonic=1000.0, utc=MIDNIGHT + 0.5), Turns()
    world = World(clock, counted=[[int(MIDNIGHT) - 7200, int(MIDNIGHT) - 60, True]])
    many(world)
    reading = LastReading(1, 900.0, PortCounters(1, 0, 64, 64, *[1] * 12), 10**9)
    ports = {f"ge{number}": reading.moved(-1000.0).to_plain() for number in range(20)}
    kept = [CountersRow(device, "b", 0.0, MIDNIGHT - 60, {"ports": ports}) for device in DEVICES[:20]]
    states = [
        StateRow(device, DEVICE, "b", 0.0, MIDNIGHT - 3600 + minute * 60, state, "no_reply")
        for minute, state in enumerate(("up", "down", "up"))
        for device in DEVICES
    ]
    monkeypatch.setattr(StateHistory, "insert", turns.count("states", StateHistory.insert))
    monkeypatch.setattr(LastReading, "from_plain", turns.count("readings", LastReading.from_plain))
    async with between_turns(turns, clock):
        await world.core.resume(states, kept)
    assert 0 < turns.most["states"] <= 10 and 0 < turns.most["readings"] <= 10
    assert [turn.state for turn in world.core.history.of(DEVICES[-1])] == [*map(State, ("up", "down", "up", "unknown"))]


@pytest.mark.may_block
async def test_a_plan_of_many_devices_that_are_new_is_made_aside_and_taken_over_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, turns = CostlyClock(monotonic=1000.0, utc=MIDNIGHT + 0.5), Turns()
    world, parts = World(clock), Parts()
    many(world)
    scheduler, silent = Scheduler(clock, world.boundary), cast("Any", Silent())
    parts.clock, parts.core, parts.traps = clock, world.core, silent
    parts.measuring = Measuring(
        clock=clock,
        scheduler=scheduler,
        engine=silent,
        collector=silent,
        take=world.core.monitor.take,
        echo_target=lambda device: world.core.monitor[device].echo_target,
        unnamed=lambda _name: "name_not_resolved",
    )
    parts.measuring.apply(world.core.plan)
    planning = Planning(
        settings_of([f"new{number:03}" for number in range(300)]),
        clock,
        parts._apply,
        dict,
        keep_names=lambda _addresses: None,
        boundary=world.boundary,
    )
    parts.planning = planning
    for owner, name in (
        (Watch, "add"),
        (Watch, "remove"),
        (Scheduler, "_add"),
        (Scheduler, "remove"),
        (Core, "_forget"),
    ):
        monkeypatch.setattr(owner, name, turns.count(name, getattr(owner, name)))
    monkeypatch.setattr(agent.planning, "plan_site", turns.count("plan", plan_site))
    async with between_turns(turns, clock):
        await asyncio.gather(planning.replan(), planning.replan())
    assert turns.aside == {"plan"} and "plan" not in turns.most
    assert {name: most for name, most in turns.most.items() if most > 10} == {}
    assert set(turns.most) == {"add", "remove", "_add", "_forget"}
    assert list(world.core.monitor.tracks) == [f"new{number:03}" for number in range(300)]
    assert set(scheduler._entries) == {f"new{number:03}/icmp" for number in range(300)}


async def test_other_patterns_of_a_large_device_are_compared_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    async with large(monkeypatch) as (world, clock, turns):
        feed(world, clock.monotonic())
        assert world.core.monitor.ports() == {"measured": PORTS, "at_most": MOST_PORTS_IN_ALL}
        monkeypatch.setattr("agent.polled.matches", turns.count("matches", matches))
        (big,) = world.core.plan.devices
        pace = Pace(clock)
        async with between_turns(turns, clock):
            for ports in (big.ports, PortsSettings(billed=("ge7",))):
                for _ in world.core.applying(SitePlan((replace(big, ports=ports),), None, (), ())):
                    await pace.breathe()
                if ports is big.ports:
                    assert "matches" not in turns.most
        assert 0 < turns.most["matches"] <= 20
        assert [key for key, port in world.core.monitor["big"].polled.ports.items() if port.billed] == ["ge7"]  # type: ignore[union-attr]


@pytest.mark.may_block
async def test_links_and_cables_of_many_devices_are_judged_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, turns = CostlyClock(monotonic=1000.0, utc=MIDNIGHT + 0.5), Turns()
    world = World(clock)
    many(world)
    monkeypatch.setattr(DuplexReadings, "now", turns.count("duplex", DuplexReadings.now))
    monkeypatch.setattr(agent.topology, "parents_of", turns.count("parents", parents_of))
    async with between_turns(turns, clock):
        await world.core.topology.look(Surroundings({}, frozenset()))
        assert await world.core.topology.duplex(clock.monotonic(), Pace(clock)) == {}
    assert turns.aside == {"parents"}
    assert 0 < turns.most["duplex"] <= 10
