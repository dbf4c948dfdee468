"""The measuring heart on a clock that stands still: samples in, states, incidents, windows and messages out."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from agent.core import Core
from agent.monitor import echo_id, snmp_id
from agent.recorder import Recorder
from agent.settings import load
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from agent.store.model import Batch, Committed, WindowRow
from agent.timeline import Timeline
from agent.view import View
from agent.windows import ECHO, NETWORK, STATE
from collectors.clock import ClockTrust
from collectors.icmp.echo import EchoTarget
from kpi.echo import EchoCounts
from kpi.model import Device, Metric, Outcome, Role, Sample, State, SystemReading
from kpi.states import StateSeconds
from tests.doubles import ManualClock

MIDNIGHT = 1_700_006_400.0


class Disk:
    """A store that keeps batches in a list."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def commit(self, batch: Batch) -> Committed:
        self.batches.append(batch)
        return Committed(None, None)

    def windows(self, kind: str, length_s: int, entity: str) -> list[WindowRow]:
        return [
            w for b in self.batches for w in b.windows if (w.kind, w.length_s, w.entity) == (kind, length_s, entity)
        ]

    def messages(self, topic: str) -> list[Any]:
        return [json.loads(json.dumps(d.body)) for b in self.batches for d in b.drafts if d.topic == topic]


class World:
    """Devices that answer or not, one echo a second each, on the site's wire."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.disk = Disk()
        self.trust = ClockTrust.SYNCHRONISED
        self.timeline = Timeline(clock, not_before_utc=0.0, trust=lambda _utc, _past: self.trust)
        self.recorder = Recorder(self.disk, clock, lambda: None)
        self.silent: set[str] = set()
        self.link = True
        self.numbers: dict[str, int] = {}
        self.dated = 0
        self.core = Core(
            clock=clock,
            timeline=self.timeline,
            recorder=self.recorder,
            boot="boot",
            still_open=(),
            running=lambda _interface: self.link,
            send_confirm=lambda target: self.echo(target, Metric.CONFIRM),
            ask_again=lambda _device: None,
            changed=lambda: None,
            five_closed=lambda _label: None,
            dated=self._on_date,
        )

    def _on_date(self) -> None:
        self.dated += 1

    def watch(self, **parents: tuple[str, ...]) -> None:
        self.core.apply(SitePlan(tuple(watchable(name, behind) for name, behind in parents.items()), "gw", (), ()))

    def echo(self, target: EchoTarget, metric: str) -> None:
        device = target.id.partition("/")[0]
        at = self.clock.monotonic()
        if device in self.silent or (not self.link):
            if metric == Metric.ECHO:
                self._later(0.25, lambda: self.core.monitor.overdue(target.id, at))
                number = self._number(target.id)
                self._later(2.0, lambda: self._take(target.id, metric, at, None, number))
        else:
            self._take(target.id, metric, at, 1.5, self._number(target.id) if metric == Metric.ECHO else 0)

    def _number(self, target: str) -> int:
        self.numbers[target] = self.numbers.get(target, -1) + 1
        return self.numbers[target]

    def _take(self, target: str, metric: str, at: float, rtt: float | None, number: int) -> None:
        outcome = Outcome.OK if rtt is not None else Outcome.NO_REPLY
        self.core.monitor.take(Sample(target, metric, "", at, rtt, outcome, None, number))

    def _later(self, seconds: float, call: Any) -> None:
        async def run() -> None:
            await self.clock.sleep(seconds)
            call()

        self.tasks.append(asyncio.create_task(run()))

    tasks: list[asyncio.Task[None]] = []  # noqa: RUF012 - set anew by each world()

    async def send_for_ever(self) -> None:
        while True:
            for track in list(self.core.monitor):
                self.echo(track.echo_target, Metric.ECHO)
            await self.clock.sleep(1.0)

    def state(self, device: str) -> State:
        return self.core.watch[device].state


def watchable(name: str, parents: tuple[str, ...]) -> Watchable:
    role = Role.GATEWAY if name == "gw" else Role.SERVER
    return Watchable(Device(name, name, role, "192.0.2.1", parents), "192.0.2.1", "eth0", 1.0, None, PortsSettings())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5)


@asynccontextmanager
async def running(clock: ManualClock) -> AsyncIterator[World]:
    world = World(clock)
    world.tasks = [
        asyncio.create_task(c)
        for c in (world.recorder.run(), world.core.watch.run(), world.core.windows.run(), world.send_for_ever())
    ]
    try:
        yield world
    finally:
        for task in world.tasks:
            task.cancel()
        await asyncio.gather(*world.tasks, return_exceptions=True)


async def test_minutes_and_five_minutes_are_written_with_what_was_measured(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",))
        await clock.advance(306)
    minutes = world.disk.windows(ECHO, 60, "a")
    assert [m.start_utc for m in minutes] == [int(MIDNIGHT) + 60 * i for i in range(5)]
    counts = [EchoCounts.from_plain(m.plain) for m in minutes]
    assert [c.sent for c in counts] == [60] * 5  # 0.5 s into the first minute, one a second
    (five,) = world.disk.windows(ECHO, 300, "a")
    assert EchoCounts.from_plain(five.plain).sent == 300
    (states,) = world.disk.windows(STATE, 300, "a")
    seconds = StateSeconds.from_plain(states.plain)
    assert (seconds.up_ms, seconds.down_ms, seconds.unknown_ms) == (299_498, 0, 502)
    (summary,) = world.disk.messages("summary/device/a")
    assert summary["figures"]["rtt_ms"]["v"] == pytest.approx(1.5, rel=0.011)
    assert summary["figures"]["loss_ratio"]["v"] == 0
    assert summary["window"] == {"start": int(MIDNIGHT), "length_s": 300}
    (site,) = world.disk.messages("summary/site")
    assert site["figures"]["monitoring_coverage_pct"]["v"] == pytest.approx(100 * 299_498 / 300_000, abs=0.01)


async def test_a_device_that_vanishes_is_down_within_5_5_s_backdated_and_its_lost_seconds_count(
    clock: ManualClock,
) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        await clock.advance(100.0)
        world.silent.add("a")
        vanished = clock.monotonic()
        while world.state("a") is not State.DOWN:
            await clock.advance(0.05)
        assert clock.monotonic() - vanished < 5.5
        await clock.advance(60.0)
        world.silent.clear()
        await clock.advance(150.0)
    (down,) = world.disk.messages("event/device.down")
    (up,) = world.disk.messages("event/device.up")
    assert (down["device"], up["device"]) == ("a", "a")
    (states,) = world.disk.windows(STATE, 300, "a")
    seconds = StateSeconds.from_plain(states.plain)
    assert seconds.outages_started == 1
    assert 61_000 <= seconds.down_ms <= 66_000
    incident = [i for b in world.disk.batches for i in b.incidents]
    assert [i.closed_utc is None for i in incident] == [True, False]


async def test_a_dead_gateway_is_one_incident_and_what_is_behind_keeps_its_availability(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",), b=("gw",), c=("a",))
        await clock.advance(100.0)
        world.silent |= {"gw", "a", "b", "c"}
        await clock.advance(60.0)
        assert world.state("gw") is State.DOWN
        assert {world.state(d) for d in "abc"} == {State.UNKNOWN}
        (incident,) = world.core.incidents
        assert (incident.entity, incident.hides) == ("gw", ("a", "b", "c"))
        world.silent.clear()
        await clock.advance(150.0)
        assert {world.state(d) for d in ("gw", "a", "b", "c")} == {State.UP}
    for device in "abc":
        (summary,) = world.disk.messages(f"summary/device/{device}")
        assert summary["figures"]["availability_pct"]["v"] == 100
        assert summary["coverage"] < 0.85


async def test_the_own_link_down_is_one_incident_and_no_devices_fault(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",), b=())
        await clock.advance(100.0)
        world.link = False
        await clock.advance(30.0)
        assert {world.state(d) for d in ("gw", "a", "b")} == {State.UNKNOWN}
        (incident,) = world.core.incidents
        assert incident.kind == "probe.link"
        world.link = True
        await clock.advance(200.0)
        assert list(world.core.incidents) == []
    assert world.disk.messages("event/device.down") == []
    (summary,) = world.disk.messages("summary/device/b")
    assert summary["figures"]["availability_pct"]["v"] == 100


async def test_a_send_that_fails_before_the_link_is_seen_down_is_no_other_fault(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",))
        await clock.advance(10.0)
        world.link = False
        world.core.watch.not_measured("a", "net_unreachable")
        assert [(i.kind, i.cause) for i in world.core.incidents] == [("probe.link", "own_link")]
        await clock.advance(10.0)
        world.link = True
        await clock.advance(10.0)
    told = world.disk.messages("event/probe.fault")
    assert [(b["cause"], b["state"]) for b in told] == [("own_link", "open"), ("own_link", "closed")]


async def test_of_a_removed_device_nothing_is_known_and_nothing_stays_open(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        world.silent = {"a"}
        await clock.advance(20.0)
        assert [i.entity for i in world.core.incidents] == ["a"]
        world.watch(gw=())
        assert list(world.core.incidents) == []
        world.silent = set()
        await clock.advance(30.0)
        world.watch(gw=(), a=())
        await clock.advance(300.0)
    (summary,) = world.disk.messages("summary/device/a")
    assert summary["figures"]["availability_pct"]["unknown_s"] >= 50, "before it came back it was not watched"
    (row,) = [s for b in world.disk.batches for s in b.states if s.reason == "removed"]
    assert (row.entity, row.state) == ("a", "unknown")


@pytest.mark.parametrize("step", [3600.0, -3600.0, 40.0, -40.0])
async def test_a_clock_jump_cuts_the_windows_and_no_bucket_exceeds_its_length(clock: ManualClock, step: float) -> None:
    async with running(clock) as world:
        world.watch(gw=())
        await clock.advance(130.0)
        clock.step_wall(step)
        await clock.advance(700.0)
    rows = world.disk.windows(ECHO, 60, "gw")
    sent = [EchoCounts.from_plain(r.plain).sent for r in rows]
    assert max(sent) <= 60
    assert sum(sent) >= 780  # 830 echoes, less those of the minute still open; none is lost to the jump
    assert all(r.start_utc is not None and r.start_utc % 60 == 0 for r in rows)
    for row in world.disk.windows(STATE, 300, "gw"):
        seconds = StateSeconds.from_plain(row.plain)
        assert seconds.up_ms + seconds.down_ms + seconds.unknown_ms <= 300_000
    assert len(world.disk.messages("event/clock.jump")) == 1
    assert world.core.timeline.jumps == 1


async def test_a_clock_set_back_a_little_at_the_end_of_five_minutes_bends_no_label(clock: ManualClock) -> None:
    """A step below JUMP_S is taken over at the minute's end: the five minutes that follow are the next ones all the
    same, though by the new calendar the last ones are not quite over."""
    async with running(clock) as world:
        world.watch(gw=())
        await clock.advance(270.0)
        clock.step_wall(-1.6)
        await clock.advance(400.0)
    assert world.core.timeline.jumps == 0
    said = [(m["window"]["start"] - int(MIDNIGHT), m["revision"]) for m in world.disk.messages("summary/site")]
    assert said == [(0, 0), (300, 0)]
    rows = world.disk.windows(ECHO, 300, "gw")
    assert [EchoCounts.from_plain(r.plain).sent for r in rows] == [pytest.approx(300, abs=2)] * 2


@pytest.mark.parametrize("at", [130.0, 270.0, 303.0])
@pytest.mark.parametrize("step", [-700.0, -5.0, 150.0])
async def test_pieces_of_a_window_are_said_with_rising_revisions_and_none_is_empty(
    clock: ManualClock, at: float, step: float
) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        await clock.advance(at)
        clock.step_wall(step)
        await clock.advance(1100.0)
    for topic in ("summary/site", "summary/device/a"):
        said = [(m["window"]["start"], m["revision"]) for m in world.disk.messages(topic)]
        assert len(set(said)) == len(said)
        for start in {start for start, _ in said}:
            assert [r for s, r in said if s == start] == list(range(sum(s == start for s, _ in said)))
    for row in world.disk.windows(STATE, 300, "a"):
        seconds = StateSeconds.from_plain(row.plain)
        assert 0 < seconds.up_ms + seconds.down_ms + seconds.unknown_ms <= 300_500


async def test_five_minutes_that_a_small_jump_cuts_are_said_whole_at_their_end(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        await clock.advance(120.0)
        clock.step_wall(5.0)
        await clock.advance(190.0)
    first, second = world.disk.messages("summary/device/a")
    assert first["window"] == second["window"] == {"start": int(MIDNIGHT), "length_s": 300}
    assert [(m["revision"], m["final"]) for m in (first, second)] == [(0, False), (1, True)]
    assert first["figures"]["rtt_ms"]["n"] == pytest.approx(120, abs=2)
    assert second["figures"]["rtt_ms"]["n"] == pytest.approx(295, abs=2)
    assert second["coverage"] == pytest.approx(294.5 / 300, abs=0.003)  # five seconds of the calendar never were
    (cut, whole) = world.disk.messages("summary/site")
    assert cut["flags"] == whole["flags"] == ["clock_jump"]


async def test_what_a_device_does_in_its_maintenance_is_shown_as_that_and_degrades_nothing(
    clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "sonda.toml"
    path.write_text('[site]\ntenant = "t"\nsite = "s"\nprobe = "p"\n')
    settings = load([path])
    planned = (frozenset({"a"}), MIDNIGHT + 60, MIDNIGHT + 200)
    async with running(clock) as world:
        world.core.apply(SitePlan((watchable("gw", ()), watchable("a", ())), "gw", (), (planned,)))
        view = View(
            clock=clock,
            timeline=world.timeline,
            monitor=world.core.monitor,
            incidents=world.core.incidents,
            figures=world.core.summaries,
            topology=world.core.topology,
            history=cast("Any", None),
            settings=lambda: settings,
            plan=lambda: world.core.plan,
            agent=lambda: None,
            lacking=lambda: None,
            in_maintenance=world.core.in_maintenance,
        )
        await clock.advance(50.0)
        assert ([d.state for d in view.devices()], view.site().state) == (["up", "up"], "up")
        await clock.advance(50.0)
        world.silent.add("a")
        await clock.advance(30.0)
        assert ([d.state for d in view.devices()], view.site().state) == (["up", "maintenance"], "up")
        assert view.site().devices == {"up": 1, "down": 0, "unknown": 0, "maintenance": 1}
        await clock.advance(100.0)
        assert ([d.state for d in view.devices()], view.site().state) == (["up", "down"], "degraded")
    assert [m["maintenance"] for m in world.disk.messages("event/device.down")] == [True]


async def test_a_gateway_in_maintenance_leaves_the_networks_uptime(clock: ManualClock) -> None:
    internet = ("i1", "i2", "i3")
    planned = (frozenset({"gw"}), MIDNIGHT, MIDNIGHT + 150)
    async with running(clock) as world:
        devices = tuple(watchable(name, ()) for name in ("gw", *internet))
        world.core.apply(SitePlan(devices, "gw", internet, (planned,)))
        await clock.advance(30.0)
        world.silent |= {"gw", *internet}
        await clock.advance(90.0)
        world.silent.clear()
        await clock.advance(190.0)
    (network,) = world.disk.windows(STATE, 300, NETWORK)
    states = StateSeconds.from_plain(network.plain)
    assert (states.down_ms, states.maintenance_ms) == (0, 150_000)
    assert states.up_ms == pytest.approx(150_000, abs=2000)


async def test_a_device_that_restarts_while_the_agent_is_off_is_said_and_one_that_runs_on_is_not(
    clock: ManualClock,
) -> None:
    credential = CredentialSettings(name="c", version="3", user="monitor")
    polled = replace(watchable("gw", ()), snmp=SnmpPlan(credential, 161, 60.0, 300.0, 2.0, 1))
    plan = SitePlan((polled,), "gw", (), ())

    def read(world: World, uptime_s: float) -> None:
        reading = SystemReading(uptime_cs=round(100 * uptime_s))
        world.core.monitor.take(Sample(snmp_id("gw"), Metric.SYSTEM, "", clock.monotonic(), reading, Outcome.OK))

    async with running(clock) as world:
        world.core.apply(plan)
        await clock.advance(61.0)
        read(world, 5000.0)
        await clock.advance(10.0)
        world.core.windows.finish()
        await clock.advance(0.1)
        kept = {row.entity: json.loads(json.dumps(row.plain)) for batch in world.disk.batches for row in batch.counters}
        rows = [replace(r, plain=kept[r.entity]) for b in world.disk.batches for r in b.counters]
    last = {row.entity: row for row in rows}
    for uptime_s, said in ((5000.0 + 710.0, 0), (100.0, 1)):
        after = ManualClock(monotonic=50.0, utc=clock.utc() + 640.0)
        async with running(after) as world:
            world.core.apply(plan)
            world.core.resume((), (), list(last.values()))
            await after.advance(60.0)
            reading = SystemReading(uptime_cs=round(100 * uptime_s))
            world.core.monitor.take(Sample(snmp_id("gw"), Metric.SYSTEM, "", after.monotonic(), reading, Outcome.OK))
            await after.advance(1.0)
        assert len(world.disk.messages("event/device.reboot")) == said


async def test_incidents_get_their_dates_when_the_clock_is_set(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.trust = ClockTrust.UNSET
        world.timeline.dated = False
        world.watch(gw=(), a=(), b=())
        await clock.advance(10.0)
        world.silent |= {"a", "b"}
        await clock.advance(20.0)
        world.silent.remove("b")
        await clock.advance(10.0)
        clock.step_wall(1e6)
        world.trust = ClockTrust.SYNCHRONISED
        await clock.advance(5.0)
        (still,) = world.core.incidents
        assert still.opened_utc == pytest.approx(MIDNIGHT + 1e6 + 11, abs=1.5)
    rows = {i.id: i for batch in world.disk.batches for i in batch.incidents}  # as the store: by id, the last counts
    assert {i.entity: i.closed_utc is None for i in rows.values()} == {"a": True, "b": False}
    assert all(i.opened_utc == pytest.approx(MIDNIGHT + 1e6 + 11, abs=1.5) for i in rows.values())
    assert rows[still.id] == still
    assert len(world.disk.messages("event/device.down")) == 2


async def test_an_unset_clock_gives_windows_without_dates_and_no_summaries(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.trust = ClockTrust.UNSET
        world.timeline.dated = False
        world.core.windows._block.dated = False
        world.watch(gw=())
        await clock.advance(400.0)
        assert world.disk.messages("summary/site") == []
        undated = world.disk.windows(ECHO, 60, "gw")[1:]
        assert undated and all(r.start_utc is None for r in undated)
        world.trust = ClockTrust.SYNCHRONISED
        await clock.advance(2.0)
        assert world.dated == 1
        await clock.advance(700.0)
        assert len(world.disk.messages("summary/site")) >= 1


async def test_an_unanswered_echo_id_of_a_removed_device_is_dropped(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        await clock.advance(10.0)
        world.watch(gw=())
        world.core.monitor.take(Sample(echo_id("a"), Metric.ECHO, "", clock.monotonic(), 1.0, Outcome.OK))
        world.core.monitor.overdue(echo_id("a"), clock.monotonic())
        assert [t.id for t in world.core.monitor] == ["gw"]
