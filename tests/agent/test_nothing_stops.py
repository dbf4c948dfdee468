"""agent/README.md, "One boundary": whatever throws for one device costs it that figure. Every other device's minutes,
windows, messages and hours are the same as without the fault, with a page open, over the end of an hour."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.api.events import Broadcaster
from agent.core import Core
from agent.folds import Folds
from agent.history import StateHistory
from agent.incidents import Incidents
from agent.monitor import Monitor, snmp_id
from agent.polled import Polled
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from agent.statuses import Statuses
from agent.store import Store, StoreSettings
from agent.store.model import Batch, Committed, WindowRow
from agent.summaries import FoldedWindow, Summaries
from agent.topology import Topology
from agent.windows import Windows
from collectors.link import Surroundings
from kpi.gear import BgpPeer, Facts, Kind, Neighbor, Reading, Readings
from kpi.model import (
    Device,
    Metric,
    Outcome,
    PortCounters,
    PortIdentity,
    PortStatus,
    Role,
    Sample,
    State,
    SystemReading,
)
from kpi.reachability import Reachability
from tests.agent.test_gear_view import view_of
from tests.agent.world import MIDNIGHT, World, running
from tests.doubles import ManualClock

SICK, WELL = "sick", ("well", "other")
START = MIDNIGHT + 3600 - 420
"""Seven minutes before the end of an hour."""
MINUTES = 14


class OddError(Exception):
    """What nobody expects."""


class Kept:
    """A disk that keeps what it is given, and gives it to a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.batches: list[Batch] = []

    async def commit(self, batch: Batch) -> Committed:
        self.batches.append(batch)
        return await self.store.commit(batch)


@dataclass
class Seen:
    """What a run has made of the devices that are well."""

    windows: dict[tuple[str, str, int, int | None], Any] = field(default_factory=dict)
    messages: dict[tuple[str, int], Any] = field(default_factory=dict)
    hours: dict[tuple[str, str], Any] = field(default_factory=dict)
    pages: int = 0
    """Events that a browser got, each with every device that is well."""
    sick_windows: int = 0


def poll(world: World, device: str, *, out: bool) -> None:
    """One SNMP poll that answered. ``out``: the port is down, a session is lost, a reading is bad."""
    at, take, target = world.clock.monotonic(), world.core.monitor.take, snmp_id(device)
    ticks, octets = round(at * 100) + 10_000, round(at * 1000)
    identity = PortIdentity("ge1", 1, "ge1", "ge1", "", 6, 1500, 10**9, None)
    peer = BgpPeer("192.0.2.1", 64512, "idle" if out else "established", admin_up=True, transitions=1, established_s=9)
    readings = (Reading(Kind.TEMPERATURE, "t.1.1", "inlet", 80.0 if out else 20.0),)
    for metric, instance, value in (
        (Metric.SNMP, "", 0.1),
        (Metric.SYSTEM, "", SystemReading(ticks, None, None, device)),
        (Metric.PORT_IDENTITY, "ge1", identity),
        (Metric.PORT_STATUS, "ge1", PortStatus("up", "down" if out else "up", None, ticks)),
        (Metric.PORT_COUNTERS, "ge1", counters(ticks, octets)),
        (Metric.FACTS, "bgp_peers", Facts("bgp_peers", (peer,), complete=True, uptime_cs=ticks)),
        (
            Metric.FACTS,
            "neighbors",
            Facts("neighbors", (Neighbor("lldp", "ge1", "x"),), complete=True, uptime_cs=ticks),
        ),
        (Metric.READINGS, "", Readings(ticks, readings, {})),
    ):
        take(Sample(target, metric, instance, at, value, Outcome.OK))


def counters(ticks: int, octets: int) -> PortCounters:
    known = {"in_octets": octets, "out_octets": octets, "in_unicast": octets // 100, "out_unicast": octets // 100}
    rest = dict.fromkeys(("in_errors", "out_errors", "in_discards", "out_discards"), 0)
    none = dict.fromkeys(("in_multicast", "out_multicast", "in_broadcast", "out_broadcast"), 0)
    return PortCounters(uptime_cs=ticks, discontinuity_cs=0, octet_bits=64, packet_bits=64, **known, **rest, **none)


async def run(tmp_path: Path, name: str) -> tuple[Seen, World]:
    """Fourteen minutes over the end of an hour, which is folded; then a look at the topology."""
    clock, seen = ManualClock(monotonic=1000.0, utc=START + 0.5), Seen()
    folder = tmp_path / name
    folder.mkdir()
    settings = StoreSettings(ballast_bytes=0)
    async with (
        Store.open(folder / "s.db", settings, clock, probe_id="p", boot_id="boot") as store,
        running(clock) as world,
    ):
        world.recorder._store = kept = Kept(store)
        world.disk.batches = kept.batches
        snmp = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, 60.0, 60.0, 1.0, 1)
        world.core.apply(
            SitePlan(
                tuple(
                    Watchable(
                        Device(one, one, Role.SWITCH, "192.0.2.1"), "192.0.2.1", "eth0", 1.0, snmp, PortsSettings()
                    )
                    for one in (SICK, *WELL)
                ),
                None,
                (),
                (),
            )
        )
        view = view_of(world, folder, history=store)
        events = Broadcaster(clock, view.now, world.boundary)
        browsing = [asyncio.create_task(events.run()), asyncio.create_task(browse(events, seen))]
        for minute in range(MINUTES):
            world.silent = {SICK} if minute in {3, 4} else set()
            for device in (SICK, *WELL):
                poll(world, device, out=device == SICK and minute in {3, 4, 9})
            await clock.advance(60)
        await world.core.topology.look(Surroundings({}, frozenset()))
        await world.recorder.settled()
        assert all(not task.done() for task in (*world.tasks[:3], *browsing)), "nothing has ended"
        folds = Folds(
            store,
            world.recorder,
            zone=lambda: ZoneInfo("UTC"),
            folded=world.core.window_folded,
            clock=clock,
            boundary=world.boundary,
        )
        await folds.hour(int(MIDNIGHT))
        await world.recorder.settled()
        events.close()
        for task in browsing:
            task.cancel()
        await asyncio.gather(*browsing, return_exceptions=True)
        gather(world, seen)
    return seen, world


async def browse(events: Broadcaster, seen: Seen) -> None:
    page = events.enter()
    assert page is not None
    async for text in events.messages(page):
        if "data: " in text:
            document = json.loads(text.split("data: ")[1].split("\n")[0])
            if set(WELL) <= {device["id"] for device in document["devices"]}:
                seen.pages += 1


def gather(world: World, seen: Seen) -> None:
    numbers: dict[str, int] = {}
    for batch in world.disk.batches:
        for row in batch.windows:
            if row.entity in WELL:
                into: dict[Any, Any] = seen.hours if row.length_s == 3600 else seen.windows
                key = (
                    (row.entity, row.kind)
                    if row.length_s == 3600
                    else (row.entity, row.kind, row.length_s, row.start_utc)
                )
                into[key] = plain_of(row)
            elif row.entity == SICK and row.length_s == 300:
                seen.sick_windows += 1
        for draft in batch.drafts:
            if draft.topic.rpartition("/")[2] in WELL:
                number = numbers[draft.topic] = numbers.get(draft.topic, -1) + 1
                seen.messages[draft.topic, number] = json.loads(json.dumps(draft.body))


def plain_of(row: WindowRow) -> Any:
    return json.loads(row.plain) if isinstance(row.plain, bytes) else json.loads(json.dumps(row.plain))


Broken = Callable[[pytest.MonkeyPatch], None]


def for_sick(of: type, name: str, who: Callable[..., Any]) -> Broken:
    """``of.name`` throws where ``who`` says that it works on the sick device."""

    def breaks(patch: pytest.MonkeyPatch) -> None:
        well = getattr(of, name)

        def odd(*args: Any, **named: Any) -> Any:
            if who(*args, **named) == SICK:
                raise OddError(name)
            return well(*args, **named)

        patch.setattr(of, name, odd)

    return breaks


PLACES: Mapping[str, Broken] = {
    "take of an echo": for_sick(Monitor, "_echo", lambda _self, track, _sample: track.id),
    "take of a poll": for_sick(Polled, "take", lambda self, _sample: self._device),
    "decision on a state": for_sick(Reachability, "tick", lambda self, _now: self.device),
    "unanswered echo": for_sick(Reachability, "unanswered", lambda self, *_: self.device),
    "what follows from a state": for_sick(Core, "_state_changed", lambda _self, change: change.device),
    "incidents": for_sick(Incidents, "state_changed", lambda _self, change: change.device),
    "minute": for_sick(Monitor, "close_echo", lambda _self, device, _over: device),
    "states of a window": for_sick(StateHistory, "of", lambda _self, entity: entity),
    "window": for_sick(Windows, "_device_five", lambda _self, track, *_: track.id),
    "rows of a window": for_sick(Windows, "_device_rows", lambda _self, part, *_, **__: part.device),
    "restarts": for_sick(Polled, "close_restarts", lambda self, *_, **__: self._device),
    "routing": for_sick(Polled, "close_fabric", lambda self, *_, **__: self._device),
    "telemetry": for_sick(Polled, "close_gear", lambda self, *_, **__: self._device),
    "port": for_sick(Polled, "close_port", lambda self, *_, **__: self._device),
    "last readings": for_sick(Windows, "_last_of", lambda _self, device, *_: device),
    "summary": for_sick(Summaries, "device", lambda _self, device, *_, **__: device.device),
    "figures of ports": for_sick(Summaries, "port_figures", lambda _self, device, *_, **__: device.device),
    "judging": for_sick(Statuses, "judged", lambda _self, device, *_, **__: device),
    "fold": for_sick(Folds, "_one", lambda _self, entity, *_, **__: entity),
    "folded window": for_sick(FoldedWindow, "take", lambda _self, entity, *_: entity),
    "topology": for_sick(Topology, "_node", lambda _self, track, *_: track.id),
    "notice": for_sick(Core, "event", lambda _self, _kind, **told: told.get("device")),
    "document of a page": for_sick(Core, "in_maintenance", lambda _self, device, *_: device),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Without a fault."""
    seen, world = asyncio.run(run(tmp_path_factory.mktemp("sound"), "sound"))
    assert not world.boundary.faults, world.boundary.document()
    assert world.core.watch[SICK].state is State.UP
    kinds = {(kind, length) for _, kind, length, _ in seen.windows}
    assert {("echo", 60), ("echo", 300), ("state", 300), ("ports", 300), ("fabric", 300), ("gear", 300)} <= kinds
    assert {kind for _, kind in seen.hours} >= {"state", "echo", "ports", "fabric", "gear"}
    assert seen.messages and seen.pages > 60 * MINUTES / 4 and seen.sick_windows
    return seen


@pytest.mark.parametrize("place", PLACES)
async def test_what_throws_for_one_device_costs_no_other_one_a_figure(
    place: str, sound: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PLACES[place](monkeypatch)
    seen, world = await run(tmp_path, "odd")
    assert world.boundary.faults, "the fault was met, and is counted"
    assert seen.windows == sound.windows
    assert seen.messages == sound.messages
    assert seen.hours == sound.hours
    assert seen.pages > 60 * MINUTES / 4, "the page goes on"
    document = world.boundary.document()
    assert {one["entity"].partition("/")[0] for one in document["now"]} <= {SICK}
