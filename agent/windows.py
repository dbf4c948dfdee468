"""Opens and closes the windows: a minute of echoes, five minutes of everything, each written in one commit.

A minute is closed GRACE_S after its end, when the last echo sent in it has had its 2 s and a device that vanished in
it has been confirmed down. What a clock jump or the end of the agent cuts is a piece: several rows may carry the same
start, and whoever reads folds them. Five minutes that come in pieces are closed out of the store when they are over
(agent/folds.py): what SNMP told is written piece by piece, echoes lie there by the minute, states as changes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Any

from agent.boundary import Boundary
from agent.history import KEEP_S, StateHistory
from agent.monitor import Monitor, Track
from agent.pace import Pace
from agent.polled import Polled
from agent.recorder import Recorder
from agent.site import SitePlan
from agent.store.model import Batch, CountersRow, WindowRow
from agent.store.packing import compact
from agent.timeline import ClockEvent, Span, Timeline
from collectors.clock import Clock
from kpi.duplex import Verdict
from kpi.echo import EchoAccumulator, EchoCounts, merge_echo_halves
from kpi.entities import AGENT, PROBE, SITE, UPLINK
from kpi.gear_counts import GearCounts
from kpi.gear_site import site_clients
from kpi.merge import DeviceWindow
from kpi.model import SystemReading
from kpi.planned import Halves, Spans, halves_to_plain, takes_out, touches, worth_keeping
from kpi.port_counts import PortCounts, ports_window_to_plain
from kpi.reboots import split_restarts
from kpi.states import StateSeconds, Turn, state_seconds, whole_ms

GRACE_S = 5.0
"""Two seconds of waiting time for the last echo, three to confirm a device down that vanished at the end."""
MINUTE_S, FIVE_S = 60, 300
ECHO, STATE, PORTS, RESTARTS, FABRIC, GEAR = "echo", "state", "ports", "restarts", "fabric", "gear"
"""The kinds of windows in the store."""
REACHING = frozenset({PORTS, FABRIC, GEAR})
"""Those that hold differences between two polls (kpi/planned.py)."""
AT_MOST_BEHIND_S = 1.0
PORTS_AT_ONCE = 256
"""Last readings of ports that are written as JSON at a time: 6,144 at once hold the interpreter for 43 ms."""
COLUMNS = 20
"""Of a window of ports, about."""
PLACE, COUNTERS = "window", "last readings"
"""The boundary's names for what is done here."""


@dataclass(frozen=True, slots=True)
class Five:
    """The site's five minutes: all that a summary is made of. ``label`` is the start in UTC."""

    label: int
    dated: bool
    start: float
    end: float
    devices: Mapping[str, DeviceWindow]
    network: StateSeconds | None
    plan: SitePlan
    flags: tuple[str, ...] = ()
    whole: bool = True
    """False for a piece: these five minutes are closed out of the store."""
    own: GearCounts | None = None
    """What the probe measured of itself."""
    following: int = 0
    """The label of the five minutes that are open next."""


@dataclass(frozen=True, slots=True)
class _Minute:
    """A minute that is over and not closed yet."""

    span: Span
    echo: Mapping[str, EchoAccumulator]


@dataclass(slots=True)
class _Block:
    label: int
    dated: bool
    start: float
    label_at: float
    """The label on the monotonic clock; ``start`` is later in a piece."""
    whole: bool = True
    """It began with its five minutes, and nothing of them was written before."""
    minutes: dict[str, list[tuple[int, EchoCounts]]] = field(default_factory=dict)
    """By device, the echoes of each minute and its label: what is planned may still change until all of it is over."""
    flags: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Closing:
    """How one device's five minutes are closed."""

    block: _Block
    end: float
    next_end: float
    planned: Spans
    """In UTC seconds."""
    verdicts: Mapping[str, Verdict]


class Windows:
    """One run of the calendar over the monitor's accumulators."""

    def __init__(
        self,
        *,
        clock: Clock,
        timeline: Timeline,
        monitor: Monitor,
        history: StateHistory,
        calendar: StateHistory,
        recorder: Recorder,
        boot: str,
        plan: Callable[[], SitePlan],
        network: Callable[[Callable[[str], Sequence[Turn]], float, float, int, float], StateSeconds | None],
        closed: Callable[[Five, Batch, Pace], Awaitable[Batch]],
        in_pieces: Callable[[int, int, tuple[str, ...]], None],
        late: Callable[[int], None],
        clock_event: Callable[[ClockEvent], None],
        duplex: Callable[[float, Pace], Awaitable[Mapping[str, Mapping[str, Verdict]]]],
        boundary: Boundary,
    ) -> None:
        """``history`` has the states on the monotonic clock, ``calendar`` in UTC; ``network(turns, start, end, checks,
        offset_s)`` is the site's own state time, ``checks`` those of the gateway; ``closed(five, batch)`` adds
        summaries and messages to what is written; ``in_pieces(label, following, flags)`` hears of five minutes that are
        over and lie in the store in pieces, ``late(label)`` of closed ones of which more is known; ``clock_event``
        hears of jumps, of the first date and of what is taken over; ``duplex(at, pace)`` is what is known of the two
        ends of cables, by device and port."""
        self._clock = clock
        self._timeline = timeline
        self._monitor = monitor
        self._history = history
        self._calendar = calendar
        self._recorder = recorder
        self._boot = boot
        self._plan = plan
        self._network = network
        self._closed = closed
        self._in_pieces = in_pieces
        self._late = late
        self._clock_event = clock_event
        self._duplex = duplex
        self._boundary = boundary
        self._busy = asyncio.Lock()
        self._over: deque[_Minute] = deque()
        """Minutes that are over and wait for their last answers."""
        self._minute = timeline.span(clock.monotonic(), MINUTE_S)
        five = timeline.span(clock.monotonic(), FIVE_S)
        counted = timeline.counted_to(clock.monotonic())
        whole = (counted is None or counted <= five.label) and not timeline.taken_over(five.label, FIVE_S)
        self._block = _Block(five.label, five.dated, five.start if whole else timeline.began, five.start, whole)
        self._pending: tuple[int, tuple[str, ...]] | None = None
        """The dated five minutes of which there are pieces, and that are not closed yet, with what is to be flagged."""
        self._open(self._minute)
        monitor.open_five(self._block.start, five.end)

    @property
    def closed_to(self) -> int | None:
        """The five minutes that begin here, in UTC seconds, are not closed yet, those before are; None where the open
        ones have no date."""
        return self._block.label if self._block.dated else None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with self._boundary.around("windows"):
                await self.tick()
            ahead = self._minute.end - self._clock.monotonic()
            if self._over:
                ahead = min(ahead, self._over[0].span.end + GRACE_S - self._clock.monotonic())
            ahead = min(ahead, self._timeline.edge - self._clock.monotonic())
            await self._clock.sleep(min(AT_MOST_BEHIND_S, max(0.01, ahead)))

    async def settled(self) -> None:
        """Returns once what is being closed is closed: by the plan that was in force when that began."""
        async with self._busy:
            pass

    async def tick(self) -> None:
        """Whatever is due now."""
        async with self._busy:
            event = self._timeline.look()
            if event is not ClockEvent.NOTHING:
                await self._cut("clock_set" if event is ClockEvent.DATED else "clock_jump")
            if event is not ClockEvent.NOTHING or self._timeline.has_taken_over:
                with self._boundary.around("clock"):
                    self._clock_event(event)
            if self._clock.monotonic() >= self._minute.end:
                self._rotate()
            while self._over and self._clock.monotonic() >= self._over[0].span.end + GRACE_S:
                await self._close_minute(self._over.popleft())

    async def finish(self) -> None:
        """The agent stops: write what is open as it is. The five minutes are left to the next run."""
        async with self._busy:
            while self._over:
                await self._close_minute(self._over.popleft())
            now = whole_ms(self._clock.monotonic())
            await self._close_minute(self._cut_out(now), last=True)
            self._block.whole = False
            await self._close_five(now, self._minute)

    def _open(self, span: Span) -> None:
        self._minute = span
        self._monitor.open_minute(span.start, span.end, self._rotate)

    def _cut_out(self, end: float) -> "_Minute":
        """The open minute as of now; what is made of it comes later and piece by piece."""
        return _Minute(replace(self._minute, end=end), self._monitor.rotate_echo())

    def _rotate(self) -> None:
        """The minute is over by the clock; its last answers may still come."""
        over = self._cut_out(self._minute.end)
        self._over.append(over)
        following = self._timeline.span(over.span.end + MINUTE_S / 2, MINUTE_S)
        self._open(replace(following, start=over.span.end))

    async def _cut(self, flag: str) -> None:
        """The calendar has moved: end the open windows now and begin pieces under the new one."""
        now = self._timeline.cut_at
        last = self._cut_out(now)
        self._open(replace(self._timeline.span(now, MINUTE_S), start=now))
        following = self._minute
        while self._over:
            before = self._over.popleft()
            await self._close_minute(before, following=self._over[0].span if self._over else last.span)
        await self._close_minute(last, last=True)
        self._block.flags.add(flag)
        self._block.whole = False
        await self._close_five(now, following)
        self._block.whole = False
        self._block.flags.add(flag)

    async def _close_minute(self, over: "_Minute", *, last: bool = False, following: Span | None = None) -> None:
        """``last``: of its calendar; what is open of the five minutes is not this minute's to close. ``following`` is
        the next minute, where that is not the open one, or the next that waits."""
        span, pace = over.span, Pace(self._clock)
        rows: list[WindowRow] = []
        planned = self._plan().planned_in(span.label, span.label + MINUTE_S) if span.dated else frozenset()
        for device, accumulator in over.echo.items():
            with self._boundary.around("minute", device):
                counts = self._monitor.close_echo(device, accumulator)
                if counts is not None:
                    plain = halves_to_plain(Halves.of(counts.to_plain(), planned=device in planned))
                    rows.append(self._row(device, ECHO, span, plain))
                    self._block.minutes.setdefault(device, []).append((span.label, counts))
            await pace.breathe()
        self._recorder.put(Batch(windows=rows, counters=[self.alive()]))
        if not last and span.label + MINUTE_S >= self._block.label + FIVE_S:
            await self._close_five(span.end, following or (self._over[0].span if self._over else self._minute))

    async def _close_five(self, end: float, following: Span) -> None:
        """``following`` is the first minute of what follows. Accumulators know by themselves which of their readings
        lie before ``end``, so that it makes no difference that the last of them is asked a moment later."""
        label, block = following.label // FIVE_S * FIVE_S, self._block
        next_end = max(end, label + FIVE_S - self._timeline.offset_s)
        anew = following.dated and self._timeline.taken_over(label, FIVE_S)  # closed before: with a higher revision
        self._block = _Block(label, following.dated, end, label - self._timeline.offset_s, whole=not anew)
        self._monitor.open_five(end, next_end)
        plan, pace = self._plan(), Pace(self._clock)
        span = Span(block.start, end, FIVE_S, block.label, block.dated)
        for track in self._monitor:  # of who was not checked up to the end, also where the agent itself was stopped
            with self._boundary.around(PLACE, track.id):
                track.reach.lapse(end)
            await pace.breathe()
        verdicts: Mapping[str, Mapping[str, Verdict]] = {}
        with self._boundary.around("duplex"):
            verdicts = await self._duplex(end, pace)
        devices: dict[str, DeviceWindow] = {}
        rows: list[WindowRow] = []
        for track in self._monitor.to_close():
            with self._boundary.around(PLACE, track.id):
                found = verdicts.get(track.id, {})
                closing = _Closing(block, end, next_end, plan.maintenance_of(track.id), found)
                window = await self._device_five(track, closing, pace)
                devices[track.id] = window
                rows += await self._device_rows(window, span, pace, whole=block.whole and block.dated)
            await pace.breathe()
        network = own = None
        with self._boundary.around(PLACE, UPLINK):
            checks = _gateway_checks(plan, devices)
            if block.whole and block.dated:
                network = self._network(self._calendar.of, block.label, block.label + FIVE_S, checks, 0.0)
            else:
                network = self._network(self._history.of, block.start, end, checks, self._timeline.offset_s)
        with self._boundary.around(PLACE, PROBE):
            own = self._monitor.own.close(end, next_end)
        five = Five(
            label=block.label,
            dated=block.dated,
            start=block.start,
            end=end,
            devices=devices,
            network=network,
            plan=plan,
            flags=tuple(sorted(block.flags)),
            whole=block.whole,
            own=own,
            following=label,
        )
        await self._forget_before(block, end, pace)
        rows += self._site_rows(five, span)
        batch = Batch(windows=rows, counters=await self._counters(pace))
        for device in self._monitor.closed_five(end):
            if device not in self._monitor.tracks:
                self._history.forget(device)
                self._calendar.forget(device)
        with self._boundary.around("summaries"):
            batch = await self._closed(five, batch, pace)
        self._recorder.put(batch)
        if block.dated and not block.whole:
            self._pending = block.label, five.flags
        if self._pending is not None and following.dated and label != self._pending[0]:
            (over, flags), self._pending = self._pending, None
            self._in_pieces(over, label, flags)
        elif self._pending is not None and not following.dated:
            self._late(self._pending[0])  # closed by an earlier pass, they know more now; else they will be

    async def _device_five(self, track: Track, closing: "_Closing", pace: Pace) -> DeviceWindow:
        block, end, next_end, planned = closing.block, closing.end, closing.next_end, closing.planned
        device, role, polled = track.id, track.watchable.device.role, track.polled or track.polled_before
        checks, track.checks = track.checks, 0
        offset = self._timeline.offset_s
        if block.whole and block.dated:
            turns, span = self._calendar.of(device), (block.label, block.label + FIVE_S)
            states = state_seconds(turns, *span, maintenance=planned, checks=checks)
        else:
            turns, maintenance = self._history.of(device), [(a - offset, b - offset) for a, b in planned]
            states = state_seconds(turns, block.start, end, maintenance=maintenance, checks=checks)
        spans = planned if block.dated else ()
        minutes = block.minutes.get(device, ())
        none: Halves[EchoCounts] = Halves()
        echo = reduce(merge_echo_halves, (_minute(one, spans) for one in minutes), none)
        counted, beside = (
            DeviceWindow(device, role, states, echo.counted),
            DeviceWindow(device, role, echo=echo.planned),
        )
        if polled is None:
            return _both(counted, beside)
        reach_s = worth_keeping(polled.reach_s(block.label_at, end))
        taken_out = takes_out(spans, block.label, block.label + FIVE_S, reach_s)
        with self._boundary.around("window of restarts", device):
            restarts = split_restarts(polled.close_restarts(block.label_at, end), block.label, FIVE_S, spans)
            counted, beside = replace(counted, restarts=restarts.counted), replace(beside, restarts=restarts.planned)
        ports: dict[str, PortCounts] = {}
        for key, port in polled.turn(end, next_end):
            with self._boundary.around(PLACE, f"{device}/{key}"):
                ports[key] = polled.close_port(port, end, next_end, planned=taken_out)
            await pace.breathe()
        told = replace(beside if taken_out else counted, ports=ports, reach_s=reach_s)
        with self._boundary.around("window of routing", device):
            told = replace(told, fabric=polled.close_fabric(end, next_end, closing.verdicts))
        with self._boundary.around("window of telemetry", device):
            told = replace(told, gear=polled.close_gear(end, next_end))
        return _both(counted, told) if taken_out else _both(told, beside)

    async def _device_rows(self, part: DeviceWindow, span: Span, pace: Pace, *, whole: bool) -> list[WindowRow]:
        """Of a piece, and of what has no date yet, only what is not in the store by the minute or as changes."""
        halves = Halves(part, part.planned)
        reach_s = max(half.reach_s for half in (part, part.planned) if half is not None)
        found: dict[str, Any] = {STATE: part.states.to_plain()} if whole else {}
        for kind in (ECHO, RESTARTS, FABRIC, GEAR) if whole else (RESTARTS, FABRIC, GEAR):
            plain = halves_to_plain(halves.each(_PLAIN[kind]), reach_s if kind in REACHING else 0)
            if plain is not None:
                found[kind] = plain
        counted = await _ports_plain(part, pace)
        planned = await _ports_plain(part.planned, pace) if part.planned is not None else None
        if counted or planned:
            plain = halves_to_plain(Halves(counted, planned), reach_s)
            found[PORTS] = compact(plain)
            await pace.breathe()
        return [self._row(part.device, kind, span, plain) for kind, plain in found.items()]

    def _site_rows(self, five: Five, span: Span) -> list[WindowRow]:
        rows = []
        with self._boundary.around(PLACE, SITE):
            if five.network is not None and five.whole and five.dated:
                rows.append(self._row(UPLINK, STATE, span, five.network.to_plain()))
            if five.own is not None:
                rows.append(self._row(PROBE, GEAR, span, five.own.to_plain()))
            clients = site_clients(five.devices.values())
            if clients is not None:
                rows.append(self._row(SITE, GEAR, span, clients.to_plain()))
        return rows

    async def _forget_before(self, block: "_Block", end: float, pace: Pace) -> None:
        """What no window after this one needs: of 1,000 devices that flap for hours, four million changes."""
        for _ in self._history.forgetting_before(end - KEEP_S):
            await pace.breathe()
        if block.dated:
            for _ in self._calendar.forgetting_before(block.label - KEEP_S):
                await pace.breathe()

    def _row(self, entity: str, kind: str, span: Span, plain: object) -> WindowRow:
        return WindowRow(entity, kind, span.length_s, self._boot, round(span.start, 3), span.start_utc, plain)

    def alive(self) -> CountersRow:
        """What the agent remembers of its calendar, as of now. Of a pass that has just begun its first millisecond is
        counted, so that the next run knows that there was one."""
        at, utc = self._now()
        counted = self._timeline.counted_plain(max(at, self._timeline.began_counting + 0.001))
        plain = {"counted": counted, "taken_over": self._timeline.taken_plain()}
        return CountersRow(AGENT, self._boot, at, utc, plain)

    async def _counters(self, pace: Pace) -> list[CountersRow]:
        """The last readings of everybody, as of about now."""
        rows = [self.alive()]
        with self._boundary.around(COUNTERS, PROBE):
            own, (at, utc) = self._monitor.own.memory(), self._now()
            if own is not None:
                rows.append(CountersRow(PROBE, self._boot, at, utc, {"gear": own.moved(-at).to_plain()}))
        for track in self._monitor.to_close():
            with self._boundary.around(COUNTERS, track.id):
                polled = track.polled or track.polled_before
                if polled is not None and (row := await self._last_of(track.id, polled, pace)) is not None:
                    rows.append(row)
            await pace.breathe()
        return rows

    async def _last_of(self, device: str, polled: Polled, pace: Pace) -> CountersRow | None:
        at, utc = self._now()
        texts: list[bytes] = []
        readings: dict[str, Any] = {}
        for key, port in list(polled.ports.items()):
            reading = port.last_reading()
            if reading is not None:
                readings[key] = reading.moved(-at).to_plain()
            if len(readings) >= PORTS_AT_ONCE:
                texts.append(compact(readings)[1:-1])
                readings = {}
            await pace.breathe()
        if texts and readings:
            texts.append(compact(readings)[1:-1])
        system, fabric, gear = polled.last_system(), polled.last_fabric(at), polled.gear
        if not texts and not readings and system is None and fabric is None and gear is None:
            return None
        plain: dict[str, Any] = {} if texts else {"ports": readings}
        plain["system"] = [system[0] - at, *uptimes(system[1]), int(system[2])] if system is not None else None
        if fabric is not None:
            plain["fabric"] = fabric
        if gear is not None:
            plain["gear"] = gear.memory().moved(-at).to_plain()
        whole = b'{"ports":{' + b",".join(texts) + b"}," + compact(plain)[1:]
        return CountersRow(device, self._boot, at, utc, whole if texts else plain)

    def _now(self) -> tuple[float, float | None]:
        at = self._clock.monotonic()
        return at, self._timeline.utc(at) if self._timeline.dated else None


def _minute(minute: tuple[int, EchoCounts], planned: Spans) -> Halves[EchoCounts]:
    label, counts = minute
    return Halves.of(counts, planned=touches(planned, label, label + MINUTE_S))


def _both(counted: DeviceWindow, planned: DeviceWindow) -> DeviceWindow:
    nothing = DeviceWindow(planned.device, planned.role, reach_s=planned.reach_s)
    return counted if planned == nothing else replace(counted, planned=planned)


async def _ports_plain(device: DeviceWindow, pace: Pace) -> dict[str, Any] | None:
    if not device.ports:
        return None
    return await pace.aside(COLUMNS * len(device.ports), partial(ports_window_to_plain, device.ports))


_PLAIN: Mapping[str, Callable[[DeviceWindow], Any]] = {
    ECHO: lambda device: device.echo.to_plain() if device.echo is not None else None,
    RESTARTS: lambda device: device.restarts.to_plain() if device.restarts is not None else None,
    FABRIC: lambda device: device.fabric.to_plain() if device.fabric is not None else None,
    GEAR: lambda device: device.gear.to_plain() if device.gear is not None else None,
}
"""How one half of a device's window is written, by kind; None where there is nothing of it."""


def uptimes(system: SystemReading) -> tuple[int | None, int | None, int | None]:
    """What tells a restart, in the order of SystemReading."""
    return system.uptime_cs, system.engine_boots, system.host_uptime_cs


def _gateway_checks(plan: SitePlan, devices: Mapping[str, DeviceWindow]) -> int:
    """How often the way to the internet was looked at: as often as its gateway, else its first internet target."""
    first = plan.gateway or next(iter(plan.internet), "")
    return devices[first].states.checks if first in devices else 0
