"""A made-up day of a small site on a clock that stands still, with a real store: what happens is a list of events.

Echoes go out every half minute, polls every minute, counters are read with every fifth. ``expected`` reckons figures
out of the same events, straight from what planned work takes out: an echo with its minute, a poll with its five
minutes and the five after the work, states and restarts at their own times.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.boundary import Boundary
from agent.core import Core
from agent.folds import Folds
from agent.monitor import echo_id, snmp_id
from agent.recorder import Recorder
from agent.restating import Restating
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from agent.store import Store, StoreSettings
from agent.timeline import Timeline
from collectors.clock import ClockTrust
from kpi.gear import BgpPeer, Bridge, Facts, Kind, Reading, Readings
from kpi.model import (
    Device,
    Metric,
    Outcome,
    PortCounters,
    PortIdentity,
    PortStatus,
    Role,
    Sample,
    SystemReading,
)
from tests.agent.world import MIDNIGHT
from tests.doubles import ManualClock

DAY_S = 86_400
ECHO_S, POLL_S, COUNTERS_S, LATE_S = 30, 60, 300, 7
"""Polls are ``LATE_S`` after the full minute."""
STEP_S = 5
"""Planned work and outages begin and end at multiples of this."""
BOOTED = 100_000.0
MONOTONIC = 5000.0
Planned = tuple[frozenset[str], float, float]

ROLES = {
    "gw": Role.GATEWAY, "i1": Role.INTERNET, "i2": Role.INTERNET, "i3": Role.INTERNET, "sw": Role.SWITCH, "srv": Role.SERVER,
}  # fmt: skip
POLLED = ("sw", "srv")


@dataclass(frozen=True)
class Events:
    """Seconds after midnight."""

    down: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    """By device, when it is silent."""
    flaps: Sequence[int] = ()
    """The port of "sw" goes down, or comes back."""
    errors: Sequence[tuple[int, int]] = ()
    """When, and how many packets arrive damaged."""
    resets: Sequence[int] = ()
    """A BGP session of "sw" falls and is back before the next poll."""
    topology: Sequence[int] = ()
    failures: Sequence[int] = ()
    """The mains of "sw" fail for a moment."""
    reboots: Sequence[int] = ()
    """Of "srv"."""

    _polls: dict[tuple[str, int], list[tuple[int, int]]] = field(default_factory=dict)

    def polls(self, device: str, every: int) -> list[tuple[int, int]]:
        """(before, at) of each poll of the day that was answered after another one."""
        if (device, every) not in self._polls:
            due = (at for at in range(LATE_S, DAY_S, every) if at % every == LATE_S)
            self._polls[device, every] = list(pairwise(at for at in due if not self.is_down(device, at)))
        return self._polls[device, every]

    def is_down(self, device: str, at: float) -> bool:
        return any(a <= at < b for a, b in self.down.get(device, ()))


def plan(*planned: Planned) -> SitePlan:
    """``planned``: seconds after midnight."""
    snmp = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, 60.0, 300.0, 1.0, 1)
    devices = tuple(
        Watchable(
            Device(name, name, role, "192.0.2.1"),
            "192.0.2.1",
            "eth0",
            float(ECHO_S),
            snmp if name in POLLED else None,
            PortsSettings(),
        )
        for name, role in ROLES.items()
    )
    dated = tuple((ids, MIDNIGHT + a, MIDNIGHT + b) for ids, a, b in planned)
    return SitePlan(devices, "gw", ("i1", "i2", "i3"), dated)


class Site:
    """One run of the agent over the day."""

    def __init__(self, clock: ManualClock, store: Store, events: Events, echo_s: int) -> None:
        self.clock, self.store, self.events, self._echo_s = clock, store, events, echo_s
        self.timeline = Timeline(clock, not_before_utc=0.0, trust=lambda _utc, _past: ClockTrust.SYNCHRONISED)
        self.recorder = Recorder(store, clock, lambda: None)
        self.core = Core(
            clock=clock,
            timeline=self.timeline,
            recorder=self.recorder,
            boot="boot",
            still_open=(),
            running=lambda _interface: True,
            send_confirm=lambda _target: None,
            ask_again=lambda _device: None,
            changed=lambda: None,
            five_closed=self._five_closed,
            in_pieces=lambda _label, _following, _flags: None,
            late=lambda _label: None,
            dated=lambda: None,
            boundary=Boundary(),
        )
        self.folds = Folds(
            store,
            self.recorder,
            zone=lambda: ZoneInfo("UTC"),
            folded=self.core.window_folded,
            planned=self.core.maintenance_of,
        )
        self.restating = Restating(
            store, self.recorder, self.folds, said=self.core.summaries.said, closing=self.core.windows.settled
        )
        self.numbers: dict[str, int] = defaultdict(int)

    def _five_closed(self, label: int, following: int) -> None:
        self.folds.five_closed(label, following)

    @property
    def now(self) -> int:
        """Whole seconds after midnight."""
        return round(self.clock.utc() - MIDNIGHT)

    async def run_to(self, end: int) -> None:
        """Until so many seconds after midnight."""
        while self.now < end:
            await self._second(self.now)
            if self.now % POLL_S == 0:
                await self.recorder.settled()  # the disk keeps up with a clock that runs away
            await self.clock.advance(1 if self.now % POLL_S in {0, LATE_S - 1, LATE_S} else self._to_next())

    async def folded(self, hour: int) -> None:
        """Until this hour is folded and said."""
        start = round(MIDNIGHT) + hour * 3600
        while not await self.store.windows("sw", "state", 3600, start, start + 1):
            pass
        await self.recorder.settled()

    def _to_next(self) -> int:
        return min(self._echo_s - self.now % self._echo_s, (LATE_S - self.now) % POLL_S or POLL_S)

    async def _second(self, at: int) -> None:
        if at % self._echo_s == 0:
            for device in ROLES:
                self._echo(device, at)
        if at % POLL_S == LATE_S:
            for device in POLLED:
                if not self.events.is_down(device, at):
                    self._poll(device, at)
        if at % POLL_S == 0:
            await self.core.watch.tick()

    def _echo(self, device: str, at: int) -> None:
        mono, number = self.clock.monotonic(), self.numbers[device]
        self.numbers[device] += 1
        lost = self.events.is_down(device, at)
        outcome, value = (Outcome.NO_REPLY, None) if lost else (Outcome.OK, rtt_ms(device, at))
        self.core.monitor.take(Sample(echo_id(device), Metric.ECHO, "", mono, value, outcome, None, number))
        if lost:
            self.core.watch[device].checks_failed(mono, mono, mono)

    def _poll(self, device: str, at: int) -> None:
        def take(metric: str, instance: str, value: Any) -> None:
            sample = Sample(snmp_id(device), metric, instance, self.clock.monotonic(), value, Outcome.OK)
            self.core.monitor.take(sample)

        since = max((t for t in self.events.reboots if t <= at and device == "srv"), default=-BOOTED)
        uptime_cs = round(100 * (at - since))
        take(Metric.SNMP, "", 0.1)
        take(Metric.SYSTEM, "", SystemReading(uptime_cs=uptime_cs))
        if device != "sw":
            return
        events = self.events
        port = PortIdentity("ge1", 1, "ge1", "", "", 6, 1500, 1_000_000_000, None)
        take(Metric.PORT_IDENTITY, "ge1", port)
        down = sum(t <= at for t in events.flaps) % 2
        take(Metric.PORT_STATUS, "ge1", PortStatus("up", "down" if down else "up", None, uptime_cs))
        if at % COUNTERS_S == LATE_S:
            take(Metric.PORT_COUNTERS, "ge1", self._counters(at, uptime_cs))
        resets = sum(t <= at for t in events.resets)
        peer = BgpPeer("192.0.2.1", 64512, "established", admin_up=True, transitions=1 + resets)
        topology = sum(t <= at for t in events.topology)
        for sort, row in (("bgp_peers", peer), ("bridge", Bridge("", topology))):
            take(Metric.FACTS, sort, Facts(sort, (row,), complete=True, uptime_cs=uptime_cs))
        failures = sum(t <= at for t in events.failures)
        readings = (
            Reading(Kind.CLIENTS, "1", "1", clients(at)),
            Reading(Kind.LINE_BADS, "1", "1", float(failures)),
            Reading(Kind.ON_BATTERY, "1", "1", 0.0),
        )
        take(Metric.READINGS, "", Readings(uptime_cs, readings, {}))

    def _counters(self, at: int, uptime_cs: int) -> PortCounters:
        errors = sum(n for t, n in self.events.errors if t <= at)
        packets, octets = 100 * (at + 1000), 100_000 * (at + 1000)
        none = dict.fromkeys(("in_multicast", "out_multicast", "in_broadcast", "out_broadcast"))
        return PortCounters(
            uptime_cs=uptime_cs,
            discontinuity_cs=None,
            octet_bits=64,
            packet_bits=64,
            in_octets=octets,
            out_octets=octets,
            in_unicast=packets,
            out_unicast=packets,
            in_errors=errors,
            out_errors=0,
            in_discards=0,
            out_discards=0,
            **none,
        )

    async def replan(self, *planned: Planned) -> None:
        """Other work is planned from now on, as a reload takes it over."""
        self.core.apply(plan(*planned))
        await self.restating.follow(self.core.plan, self.clock.utc(), "boot")
        await self.recorder.settled()

    async def said(self) -> dict[tuple[str, int, int], Mapping[str, Any]]:
        """By topic, start and length: the message with the highest revision."""
        await self.recorder.settled()
        found: dict[tuple[str, int, int], Mapping[str, Any]] = {}
        above = 0
        while messages := await self.store.waiting(above, 200):
            above = messages[-1].seq
            for message in messages:
                body = json.loads(message.payload)
                if message.topic.startswith("event/"):
                    continue
                key = message.topic, body["window"]["start"] - round(MIDNIGHT), body["window"]["length_s"]
                if key not in found or body["revision"] >= found[key]["revision"]:
                    found[key] = body
        return found

    async def events_said(self, kind: str) -> list[Mapping[str, Any]]:
        await self.recorder.settled()
        found, above = [], 0
        while messages := await self.store.waiting(above, 200):
            above = messages[-1].seq
            found += [json.loads(m.payload) for m in messages if m.topic == f"event/{kind}"]
        return found


@asynccontextmanager
async def site(path: Path, events: Events, *planned: Planned, echo_s: int = ECHO_S) -> AsyncIterator[Site]:
    """From midnight on, with this work planned from the beginning."""
    clock = ManualClock(monotonic=MONOTONIC, utc=MIDNIGHT)
    async with Store.open(path, StoreSettings(ballast_bytes=0), clock, probe_id="p", boot_id="boot") as store:
        made = Site(clock, store, events, echo_s)
        made.core.apply(plan(*planned))
        await_all = [asyncio.create_task(c) for c in (made.recorder.run(), made.core.windows.run(), made.folds.run(0))]
        await made.core.watch.tick()
        try:
            yield made
        finally:
            await made.recorder.settled()
            for task in await_all:
                task.cancel()
            await asyncio.gather(*await_all, return_exceptions=True)


def rtt_ms(device: str, at: int) -> float:
    """Quarters of a millisecond that tell the devices and the minutes apart."""
    return (2 + 2 * list(ROLES).index(device) + at // 60 % 7) / 4


def clients(at: int) -> float:
    return float(5 + at // 300 % 11)


# The same figures, reckoned straight from the events


@dataclass
class Share:
    """How much of how much."""

    part: float = 0.0
    whole: float = 0.0

    @property
    def pct(self) -> float | None:
        return 100 * self.part / self.whole if self.whole else None


class Reckoned:
    """One window's figures; ``planned`` as for ``plan``, ``last`` is the first second that was not measured."""

    def __init__(self, events: Events, planned: Sequence[Planned], start: int, end: int) -> None:
        self._events, self._planned, self.start, self.end = events, planned, start, end

    def _spans(self, device: str) -> list[tuple[float, float]]:
        return [(a, b) for ids, a, b in self._planned if device in ids]

    def _touched(self, device: str, start: int, end: int) -> bool:
        return any(a < end and b > start for a, b in self._spans(device))

    def _within(self, device: str, at: float) -> bool:
        return any(a <= at < b for a, b in self._spans(device))

    def loss(self, device: str, *, incl_maint: bool = False) -> Share:
        share = Share()
        for at in range(self.start, self.end, ECHO_S):
            if incl_maint or not self._touched(device, at // 60 * 60, at // 60 * 60 + 60):
                share.part += self._events.is_down(device, at)
                share.whole += 1
        return share

    def seconds(self, device: str) -> tuple[int, int, int]:
        """Up, down, in maintenance."""
        up = down = planned = 0
        for at in range(self.start, self.end, STEP_S):
            if self._within(device, at):
                planned += STEP_S
            elif self._events.is_down(device, at):
                down += STEP_S
            else:
                up += STEP_S
        return up, down, planned

    def _polls(self, device: str, every: int) -> list[tuple[int, int, bool]]:
        """(the poll before, this poll, whether it counts) of each poll of this window that has one before."""
        found = []
        for before, at in self._events.polls(device, every):
            if self.start <= at < self.end:
                label = at // 300 * 300
                reach = min([label - 300, *self._silences(device, label)])
                found.append((before, at, not self._touched(device, reach, label + 300)))
        return found

    def _silences(self, device: str, label: int) -> list[int]:
        """Of polls of these five minutes that came after a long silence, the poll before."""
        polls = self._events.polls(device, POLL_S)
        return [b for b, a in polls if label <= a < label + 300 and a - b > 300 and label - b > 330]

    def count(
        self, times: Sequence[int], device: str = "sw", every: int = POLL_S, *, incl_maint: bool = False
    ) -> int | None:
        """How many of these events lie between two polls that count; None where no poll does."""
        polls = [(a, b) for a, b, counts in self._polls(device, every) if counts or incl_maint]
        return sum(a < t <= b for t in times for a, b in polls) if polls else None

    def errors(self, *, incl_maint: bool = False) -> Share:
        share = Share()
        for before, at, counts in self._polls("sw", COUNTERS_S):
            if counts or incl_maint:
                wrong = sum(n for t, n in self._events.errors if before < t <= at)
                share.part += wrong
                share.whole += wrong + 100 * (at - before)
        return share

    def reboots(self, *, incl_maint: bool = False) -> int | None:
        """A reboot counts in the window in which it is noticed, planned or not by its own time."""
        found = known = 0
        for before, at, _ in self._polls("srv", POLL_S):
            known += incl_maint or not self._touched("srv", at // 300 * 300, at // 300 * 300 + 300)
            found += sum(before < t <= at and (incl_maint or not self._within("srv", t)) for t in self._events.reboots)
        return found if known else None

    def uplink(self) -> tuple[int, int, int]:
        """Up, down and in maintenance of the site's way to the internet; with a gateway that is silent while the internet
        answers it is unknown."""
        up = down = planned = 0
        for at in range(self.start, self.end, STEP_S):
            if self._within("gw", at):
                planned += STEP_S
            elif all(self._events.is_down(i, at) for i in ("i1", "i2", "i3")):
                down += STEP_S
            elif not self._events.is_down("gw", at):
                up += STEP_S
        return up, down, planned
