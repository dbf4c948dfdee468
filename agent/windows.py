"""Opens and closes the windows: a minute of echoes, five minutes of everything, each written in one commit.

A minute is closed GRACE_S after its end, when the last echo sent in it has had its 2 s and a device that vanished in
it has been confirmed down. What a clock jump or the end of the agent cuts is a piece: several rows may carry the same
start, and whoever reads folds them. Coarser windows are agent/folds.py's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.history import KEEP_S, StateHistory
from agent.monitor import Monitor, Track
from agent.recorder import Recorder
from agent.site import SitePlan
from agent.store.model import Batch, CountersRow, WindowRow
from agent.store.packing import compact
from agent.timeline import ClockEvent, Span, Timeline
from collectors.clock import Clock
from kpi.duplex import Verdict
from kpi.echo import EchoCounts, merge_echo
from kpi.entities import AGENT, PROBE, SITE, UPLINK
from kpi.gear_counts import GearCounts
from kpi.gear_site import site_clients
from kpi.merge import DeviceWindow
from kpi.model import SystemReading
from kpi.port_counts import ports_window_to_plain
from kpi.states import StateSeconds, state_seconds

GRACE_S = 5.0
"""Two seconds of waiting time for the last echo, three to confirm a device down that vanished at the end."""
MINUTE_S, FIVE_S = 60, 300
ECHO, STATE, PORTS, RESTARTS, FABRIC, GEAR = "echo", "state", "ports", "restarts", "fabric", "gear"
"""The kinds of windows in the store."""
AT_MOST_BEHIND_S = 1.0


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
    final: bool = True
    """False for a piece that the clock's jump has cut off, when more of the same five minutes is to come."""
    own: GearCounts | None = None
    """What the probe measured of itself."""
    following: int = 0
    """The label of the five minutes that are open next."""


@dataclass(slots=True)
class _Block:
    label: int
    dated: bool
    start: float
    echo: dict[str, EchoCounts] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)


class Windows:
    """One run of the calendar over the monitor's accumulators."""

    def __init__(
        self,
        *,
        clock: Clock,
        timeline: Timeline,
        monitor: Monitor,
        history: StateHistory,
        recorder: Recorder,
        boot: str,
        plan: Callable[[], SitePlan],
        network: Callable[[float, float, int], StateSeconds | None],
        closed: Callable[[Five, Batch], Batch],
        clock_event: Callable[[ClockEvent], None],
        duplex: Callable[[float], Mapping[str, Mapping[str, Verdict]]],
    ) -> None:
        """``network(start, end, checks)`` is the site's own state time, ``checks`` those of the gateway;
        ``closed(five, batch)`` adds summaries and messages to what is written; ``clock_event`` hears of jumps and of
        the first date; ``duplex(at)`` is what is known by device and port of the two ends of cables."""
        self._clock = clock
        self._timeline = timeline
        self._monitor = monitor
        self._history = history
        self._recorder = recorder
        self._boot = boot
        self._plan = plan
        self._network = network
        self._closed = closed
        self._clock_event = clock_event
        self._duplex = duplex
        self._minute = timeline.span(clock.monotonic(), MINUTE_S)
        self._closing: Span | None = None
        five = timeline.span(clock.monotonic(), FIVE_S)
        self._block = _Block(five.label, five.dated, five.start)
        self._open(self._minute)
        monitor.open_five(five.start, five.end)

    def resume(self, minutes: Mapping[str, Sequence[EchoCounts]]) -> None:
        """The minutes of the present five that the agent's run before this one has written."""
        for entity, counts in minutes.items():
            for one in counts:
                self._add_minute(entity, one)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.tick()
            ahead = self._minute.end - self._clock.monotonic()
            if self._closing is not None:
                ahead = min(ahead, self._closing.end + GRACE_S - self._clock.monotonic())
            await self._clock.sleep(min(AT_MOST_BEHIND_S, max(0.01, ahead)))

    def tick(self) -> None:
        """Whatever is due now."""
        event = self._timeline.look()
        if event is not ClockEvent.NOTHING:
            self._cut("clock_jump" if event is ClockEvent.JUMPED else "clock_set")
            self._clock_event(event)
        now = self._clock.monotonic()
        if now >= self._minute.end:
            self._rotate()
        if self._closing is not None and now >= self._closing.end + GRACE_S:
            self._close_minute()

    def finish(self) -> None:
        """The agent stops: write what is open as it is. The five minutes are left to the next run."""
        if self._closing is not None:
            self._close_minute()
        self._closing = replace(self._minute, end=self._clock.monotonic())
        self._monitor.rotate_echo()
        self._close_minute(last=True)
        self._recorder.put(Batch(counters=self._counters()))

    def _open(self, span: Span) -> None:
        self._minute = span
        self._monitor.open_minute(span.start, span.end, self._rotate)

    def _rotate(self) -> None:
        """The minute is over by the clock; its last answers may still come."""
        if self._closing is not None:
            self._close_minute()
        self._closing = over = self._minute
        self._monitor.rotate_echo()
        self._timeline.settle()
        following = self._timeline.span(over.end + MINUTE_S / 2, MINUTE_S)
        self._open(replace(following, start=over.end))

    def _cut(self, flag: str) -> None:
        """The calendar has moved: end the open windows now and begin pieces under the new one."""
        now = self._clock.monotonic()
        if self._closing is not None:
            self._close_minute()
        self._closing = replace(self._minute, end=now)
        self._monitor.rotate_echo()
        self._close_minute(last=True)
        self._open(replace(self._timeline.span(now, MINUTE_S), start=now))
        self._block.flags.add(flag)
        self._close_five(now)
        self._block.flags.add(flag)

    def _close_minute(self, *, last: bool = False) -> None:
        """``last``: of its calendar; what is open of the five minutes is not this minute's to close."""
        span, self._closing = self._closing, None
        if span is None:
            return
        rows = []
        for device, counts in self._monitor.close_echo().items():
            rows.append(self._row(device, ECHO, span, counts.to_plain()))
            self._add_minute(device, counts)
        self._recorder.put(Batch(windows=rows, counters=[self._alive()]))
        if not last and span.label + MINUTE_S >= self._block.label + FIVE_S:
            self._close_five(span.end)

    def _add_minute(self, device: str, counts: EchoCounts) -> None:
        before = self._block.echo.get(device)
        self._block.echo[device] = counts if before is None else merge_echo(before, counts)

    def _close_five(self, end: float) -> None:
        block = self._block
        label = self._minute.label // FIVE_S * FIVE_S  # the open minute is the first of what follows
        next_end = max(end, label + FIVE_S - self._timeline.offset_s)
        plan, verdicts = self._plan(), self._duplex(end)
        devices = {}
        for track in self._monitor:
            maintenance = self._maintenance(plan, track.id)
            found = verdicts.get(track.id, {})
            devices[track.id] = self._device_five(track, block, end, next_end, maintenance=maintenance, verdicts=found)
        own = self._monitor.own.close(end, next_end)
        five = Five(
            label=block.label,
            dated=block.dated,
            start=block.start,
            end=end,
            devices=devices,
            network=self._network(block.start, end, _gateway_checks(plan, devices)),
            plan=plan,
            flags=tuple(sorted(block.flags)),
            final=label != block.label,
            own=own,
            following=label,
        )
        self._block = _Block(label, self._minute.dated, end)
        self._monitor.open_five(end, next_end)
        self._history.forget_before(end - KEEP_S)
        self._recorder.put(self._closed(five, self._batch(five)))

    def _device_five(
        self,
        track: Track,
        block: _Block,
        end: float,
        next_end: float,
        *,
        maintenance: tuple[tuple[float, float], ...],
        verdicts: Mapping[str, Verdict],
    ) -> DeviceWindow:
        checks, track.checks = track.checks, 0
        states = state_seconds(self._history.of(track.id), block.start, end, maintenance=maintenance, checks=checks)
        polled = track.polled
        return DeviceWindow(
            device=track.id,
            role=track.watchable.device.role,
            states=states,
            echo=block.echo.get(track.id) if track.watchable.echo_s is not None else None,
            ports=polled.close(end, next_end) if polled is not None else {},
            restarts=polled.close_restarts(block.start, end, maintenance) if polled is not None else None,
            fabric=polled.close_fabric(end, next_end, verdicts, maintenance) if polled is not None else None,
            gear=polled.close_gear(end, next_end, maintenance) if polled is not None else None,
        )

    def _maintenance(self, plan: SitePlan, device: str) -> tuple[tuple[float, float], ...]:
        offset = self._timeline.offset_s
        return tuple((start - offset, end - offset) for start, end in plan.maintenance_of(device))

    def _batch(self, five: Five) -> Batch:
        span = Span(five.start, five.end, FIVE_S, five.label, five.dated)
        rows = []
        for device, part in five.devices.items():
            rows.append(self._row(device, STATE, span, part.states.to_plain()))
            if part.echo is not None:
                rows.append(self._row(device, ECHO, span, part.echo.to_plain()))
            if part.ports:
                rows.append(self._row(device, PORTS, span, compact(ports_window_to_plain(part.ports))))
            if part.restarts is not None and part.restarts.readings:
                rows.append(self._row(device, RESTARTS, span, part.restarts.to_plain()))
            if part.fabric is not None:
                rows.append(self._row(device, FABRIC, span, part.fabric.to_plain()))
            if part.gear is not None:
                rows.append(self._row(device, GEAR, span, part.gear.to_plain()))
        if five.network is not None:
            rows.append(self._row(UPLINK, STATE, span, five.network.to_plain()))
        clients = site_clients(five.devices.values())
        if clients is not None:
            rows.append(self._row(SITE, GEAR, span, clients.to_plain()))
        if five.own is not None:
            rows.append(self._row(PROBE, GEAR, span, five.own.to_plain()))
        return Batch(windows=rows, counters=self._counters())

    def _row(self, entity: str, kind: str, span: Span, plain: object) -> WindowRow:
        return WindowRow(entity, kind, span.length_s, self._boot, round(span.start, 3), span.start_utc, plain)

    def _alive(self) -> CountersRow:
        at = self._clock.monotonic()
        return CountersRow(AGENT, self._boot, at, self._timeline.utc(at) if self._timeline.dated else None, {})

    def _counters(self) -> list[CountersRow]:
        at = self._clock.monotonic()
        utc = self._timeline.utc(at) if self._timeline.dated else None
        rows = [self._alive()]
        own = self._monitor.own.memory()
        if own is not None:
            rows.append(CountersRow(PROBE, self._boot, at, utc, {"gear": own.moved(-at).to_plain()}))
        for track in self._monitor:
            if track.polled is None:
                continue
            readings = {key: r.moved(-at).to_plain() for key, r in track.polled.last_readings().items()}
            system, fabric = track.polled.last_system(), track.polled.last_fabric(at)
            gear = track.polled.gear
            if readings or system is not None or fabric is not None or gear is not None:
                kept = [system[0] - at, *uptimes(system[1])] if system is not None else None
                plain = {"ports": readings, "system": kept, **({"fabric": fabric} if fabric is not None else {})}
                if gear is not None:
                    plain["gear"] = gear.memory().moved(-at).to_plain()
                rows.append(CountersRow(track.id, self._boot, at, utc, plain))
        return rows


def uptimes(system: SystemReading) -> tuple[int | None, int | None, int | None]:
    """What tells a restart, in the order of SystemReading."""
    return system.uptime_cs, system.engine_boots, system.host_uptime_cs


def _gateway_checks(plan: SitePlan, devices: Mapping[str, DeviceWindow]) -> int:
    """How often the way to the internet was looked at: as often as its gateway, else its first internet target."""
    first = plan.gateway or next(iter(plan.internet), "")
    return devices[first].states.checks if first in devices else 0
