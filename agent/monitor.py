"""Where samples arrive: each goes to the state of its device and to the open window of its target, at once, in memory.

Called from the event loop for every echo (500 a second and more), so the way of an answered echo is short: two
dictionary look-ups, the state, the accumulator. Nothing here reads a disk or waits.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from agent.boundary import Boundary
from agent.memory import Learnt
from agent.own import Own
from agent.polled import Notices, Polled, Room
from agent.site import SitePlan, Watchable
from agent.watch import Watch
from collectors.clock import Clock
from collectors.icmp.echo import EchoTarget
from kpi.echo import EchoAccumulator, EchoCounts
from kpi.model import Metric, Outcome, Sample
from kpi.reachability import CHECK_AGAIN_S, Reachability
from kpi.sketch import Sketch

log = logging.getLogger("sonda.monitor")

PLACE = "take"
"""The boundary's name for the taking of a sample."""
UNEXPECTED = "unexpected"
"""Why there is no measurement: a fault of ours (agent/scheduler.py)."""

PATIENCE_MIN_MS = 250.0
PATIENCE_OF_P95 = 4.0
PATIENCE_MAX_MS = 1750.0
"""An echo is overdue after max(250 ms, 4 x p95) (agent/README.md), and in any case before its waiting time is over."""


def echo_id(device: str) -> str:
    """The target id of a device's echoes."""
    return f"{device}/icmp"


def snmp_id(device: str) -> str:
    """The target id of a device's SNMP polls."""
    return f"{device}/snmp"


@dataclass(slots=True)
class Track:
    """All that is known of one device now."""

    watchable: Watchable
    reach: Reachability
    echo_target: EchoTarget
    echo: EchoAccumulator = field(default_factory=EchoAccumulator)
    """The echoes sent in the open minute."""
    echo_before: EchoAccumulator | None = None
    """The minute before it, while answers to its last echoes may still come."""
    minute: EchoCounts = field(default_factory=EchoCounts)
    """The last closed minute."""
    last_rtt_ms: float | None = None
    last_echo_at: float | None = None
    polled: Polled | None = None
    polled_before: Polled | None = None
    """What SNMP told of the open five minutes before a reload ended its polls."""
    removed_at: float | None = None
    """When a reload took the device, or its SNMP, out of the settings; None while everything is measured."""
    checks: int = 0
    """Results in the open five minutes that said something of the state."""

    @property
    def id(self) -> str:
        return self.watchable.device.id


class Monitor:
    """Implements collectors.icmp.echo.EchoSink, and takes the samples of every collector."""

    def __init__(
        self,
        clock: Clock,
        watch: Watch,
        *,
        confirm: Callable[[EchoTarget], None],
        ask_again: Callable[[str], None],
        notices: Notices,
        boundary: Boundary,
    ) -> None:
        """``confirm(target)`` sends one confirmation echo; ``ask_again(device)`` polls it once more by SNMP."""
        self._clock = clock
        self._watch = watch
        self._confirm = confirm
        self._ask_again = ask_again
        self._notices = notices
        self._boundary = boundary
        self._five = (clock.monotonic(), clock.monotonic() + 300.0)
        self.own = Own(*self._five)
        """The probe itself."""
        self._room = Room()
        self._learnt = Learnt()
        self._tracks: dict[str, Track] = {}
        self._removed: dict[str, Track] = {}
        """Devices that a reload took out of the settings, until the five minutes are closed in which it did so."""
        self._by_target: dict[str, Track] = {}
        self._minute_end = float("inf")
        self._minute_start = float("-inf")
        self._minute_over: Callable[[], None] = lambda: None
        self.strays = 0
        """Samples that belong to no open window: a result that came after its window was written."""

    def __iter__(self) -> Iterator[Track]:
        return iter(self._tracks.values())

    def __getitem__(self, device: str) -> Track:
        return self._tracks[device]

    @property
    def tracks(self) -> Mapping[str, Track]:
        """By device id, in the order of the settings."""
        return self._tracks

    def applying(self, plan: SitePlan) -> Iterator[None]:
        """Watch what the plan says from now on, a device at a time; devices that stay keep state and windows, and so
        does one that comes back while the five minutes are open in which it was taken out. Those that are new come, and
        those that are gone go, together in the end."""
        tracks = {}
        for watchable in plan.devices:
            device = watchable.device
            old = self._tracks.get(device.id) or self._removed.get(device.id)
            target = old.echo_target if old else EchoTarget(echo_id(device.id), watchable.address)
            target.address = watchable.address
            reach = self._watch.add(
                device.id,
                period_s=watchable.echo_s or (watchable.snmp.status_s if watchable.snmp else 60.0),
                confirm=partial(self._confirm, target) if watchable.echo_s is not None else _no_echo,
                interface=watchable.interface,
                parents=device.parents,
            )
            track = old or Track(watchable, reach, target)
            track.watchable, track.reach = watchable, reach
            if device.id in self._removed:
                track.removed_at = None
                self._hold(track.polled)
            yield from self._poll(track)
            tracks[device.id] = track
            yield
        before, self._tracks = self._tracks, tracks
        gone = before.keys() - tracks.keys()
        self._by_target = {echo_id(t.id): t for t in tracks.values()} | {snmp_id(t.id): t for t in tracks.values()}
        for device_id in tracks:
            self._removed.pop(device_id, None)
        for device_id in gone:
            self._give_back(before[device_id].polled)
            self._removed[device_id] = before[device_id]
            self._removed[device_id].removed_at = self._clock.monotonic()
        for device_id in gone:
            self._watch.remove(device_id)
            self._boundary.forget(device_id)
            yield

    def _poll(self, track: Track) -> Iterator[None]:
        plan = track.watchable.snmp
        if plan is None:
            if track.polled is not None:
                self._give_back(track.polled)
                track.removed_at = self._clock.monotonic()
                track.polled_before, track.polled = track.polled, None
            return
        if track.polled is None:
            track.polled, track.polled_before, track.removed_at = track.polled_before, None, None
            self._hold(track.polled)
        if track.polled is None:
            track.polled = Polled(
                track.id,
                *self._five,
                status_s=plan.status_s,
                ports=track.watchable.ports,
                notices=self._notices,
                room=self._room,
            )
        else:
            yield from track.polled.configuring(plan.status_s, track.watchable.ports)

    def ports(self) -> dict[str, int]:
        """How many are measured of all devices together, and how many may be."""
        return {"measured": self._room.most - self._room.left, "at_most": self._room.most}

    def _give_back(self, polled: Polled | None) -> None:
        if polled is not None:
            self._room.give_back(len(polled.ports))

    def _hold(self, polled: Polled | None) -> None:
        """It is polled again: its ports need their room, which may be taken by others meanwhile."""
        if polled is not None:
            self._room.give_back(-len(polled.ports))

    def to_close(self) -> list[Track]:
        """Those of which something may be in the open five minutes, also where a reload has taken them out."""
        return [*self._tracks.values(), *self._removed.values()]

    def closed_five(self, end: float) -> list[str]:
        """The five minutes up to ``end`` are written: what was taken out before is done with. Which devices that
        were."""
        for track in self._tracks.values():
            if track.removed_at is not None and track.removed_at <= end:
                track.polled_before = track.removed_at = None
        over = [one for one in self._removed.values() if one.removed_at is not None and one.removed_at <= end]
        for track in over:
            del self._removed[track.id]
        return [track.id for track in over]

    def open_five(self, start: float, end: float) -> None:
        """The open five-minute window, for ports that are seen for the first time."""
        self._learnt.holds(self._room.most - self._room.left)
        self._five = (start, end)
        self.own.open_five(start, end)

    def open_minute(self, start: float, end: float, over: Callable[[], None]) -> None:
        """The open echo window is [start, end), monotonic; ``over()`` is called when a sample lies beyond it."""
        self._minute_start, self._minute_end, self._minute_over = start, end, over

    def take(self, sample: Sample) -> None:
        """One measurement, from any collector."""
        track = self._by_target.get(sample.target)
        if track is None:
            return  # a device that a reload has removed meanwhile
        with self._boundary.around(PLACE, track.id) as attempt:
            self._take(track, sample)
        if attempt.failed:
            with self._boundary.around("a sample that was not taken", track.id):
                self._not_taken(track, sample)

    def _not_taken(self, track: Track, sample: Sample) -> None:
        """By a fault of ours: it lowers the coverage, not the device's score."""
        fault = replace(sample, value=None, outcome=Outcome.AGENT_FAULT, reason=UNEXPECTED)
        if sample.metric == Metric.ECHO:
            self._into_window(track, fault)
        elif sample.metric == Metric.SNMP and track.polled is not None:
            track.polled.take(fault)

    def _take(self, track: Track, sample: Sample) -> None:
        metric = sample.metric
        if metric == Metric.ECHO:
            self._echo(track, sample)
        elif metric == Metric.CONFIRM:
            self._judge(track, sample)
        elif track.polled is not None:
            track.polled.take(sample)
            if metric == Metric.SNMP and track.watchable.echo_s is None:
                self._check(track, track.polled, sample)

    def overdue(self, target: str, sent_at: float) -> None:
        """EchoSink: an echo is unanswered after the target's patience."""
        track = self._by_target.get(target)
        if track is not None:
            with self._boundary.around(PLACE, track.id):
                self._watch.unanswered(track.id, sent_at)

    def late(self, target: str, at: float) -> None:
        """EchoSink: an answer came after the waiting time: loss in the figures, life in the state."""
        track = self._by_target.get(target)
        if track is not None:
            with self._boundary.around(PLACE, track.id):
                self._watch.answered(track.id, float("-inf"), at)

    def _echo(self, track: Track, sample: Sample) -> None:
        track.checks += 1
        at = sample.at
        if at >= self._minute_end:
            self._minute_over()
        self._into_window(track, sample)
        if sample.outcome is Outcome.OK:
            rtt_ms = sample.value
            track.last_rtt_ms = rtt_ms  # type: ignore[assignment]
            track.last_echo_at = at
            self._watch.answered(track.id, at, at + rtt_ms / 1000)  # type: ignore[operator]
        else:
            if sample.outcome is Outcome.NO_REPLY:
                track.last_rtt_ms = None
                track.last_echo_at = at
            self._judge(track, sample)

    def _into_window(self, track: Track, sample: Sample) -> None:
        if sample.at >= self._minute_start:
            track.echo.add(sample)
        elif track.echo_before is not None:
            track.echo_before.add(sample)
        else:
            self.strays += 1

    def _judge(self, track: Track, sample: Sample) -> None:
        """What an echo says of the state; an unanswered confirmation says nothing by itself (its row decides)."""
        if sample.outcome is Outcome.OK:
            self._watch.answered(track.id, sample.at, sample.at + sample.value / 1000)  # type: ignore[operator]
        elif sample.outcome is Outcome.NO_REPLY:
            if sample.metric == Metric.ECHO:
                self._watch.unanswered(track.id, sample.at)
        elif sample.outcome is Outcome.REFUSED:
            self._watch.answered(track.id, sample.at, sample.at)
        elif sample.outcome is Outcome.AGENT_FAULT:
            self._watch.not_measured(track.id, sample.reason or "agent_fault")

    def _check(self, track: Track, polled: Polled, sample: Sample) -> None:
        """The state of a device that is watched by SNMP alone: down by two failures, close together (rule R2)."""
        track.checks += 1
        if sample.outcome in {Outcome.OK, Outcome.REFUSED}:
            polled.first_failure = None
            self._watch.answered(track.id, sample.at, self._clock.monotonic())
        elif sample.outcome is Outcome.NO_REPLY:
            first, polled.first_failure = polled.first_failure, sample.at
            if first is None or sample.at - first > CHECK_AGAIN_S:
                self._ask_again(track.id)
            else:
                track.reach.checks_failed(first, sample.at, self._clock.monotonic())
        elif sample.outcome is Outcome.AGENT_FAULT:
            self._watch.not_measured(track.id, sample.reason or "agent_fault")

    def rotate_echo(self) -> dict[str, EchoAccumulator]:
        """The open minute is over: what is sent from now on belongs to the next. What is over is closed later, device
        by device."""
        over = {}
        for track in self.to_close():
            track.echo_before, track.echo = track.echo, EchoAccumulator()
            over[track.id] = track.echo_before
        return over

    def close_echo(self, device: str, over: EchoAccumulator) -> EchoCounts | None:
        """A minute of this device that rotate_echo gave, for good; its late results are strays from now on. None of a
        device that is watched no more, or got no echoes."""
        track = self._tracks.get(device) or self._removed.get(device)
        if track is None:
            return None
        if track.echo_before is over:
            track.echo_before = None
        counts = over.snapshot(track.minute)
        if track.watchable.echo_s is None and not counts.sent:
            return None
        track.minute = counts
        track.echo_target.patience_ms = patience_ms(counts.sketch)
        return counts


def patience_ms(sketch: Sketch) -> float:
    """After how long an echo is overdue, from the round trips of the last minute."""
    p95 = sketch.quantile(0.95)
    return min(PATIENCE_MAX_MS, max(PATIENCE_MIN_MS, PATIENCE_OF_P95 * p95 if p95 is not None else 0.0))


def _no_echo() -> None:
    """A device that is to get no echoes gets no confirmation either, not as somebody's parent."""
