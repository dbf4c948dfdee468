"""The measuring heart, put together: samples to states, incidents, windows and messages. No socket, no disk of its own.

parts.py gives it what touches the world, app.py keeps it running; tests give it a clock that stands still.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from agent.boundary import Boundary
from agent.history import StateHistory
from agent.incidents import KIND_DOWN, KIND_FAULT, KIND_LINK, Incidents
from agent.messages import MessageDraft
from agent.monitor import Monitor
from agent.pace import Pace
from agent.polled import PollOutcome
from agent.recorder import Recorder
from agent.site import SitePlan, uplink_changes
from agent.store.model import Batch, CountersRow, StateRow, Withdrawal
from agent.summaries import FoldedWindow, Summaries
from agent.timeline import ClockEvent, Timeline
from agent.topology import Topology
from agent.view import rfc3339
from agent.watch import Watch
from agent.windows import FIVE_S, PORTS, Five, Windows
from collectors.clock import Clock
from collectors.icmp.echo import EchoTarget
from kpi.entities import AGENT, LINK, PROBE, SITE, STATUSES, STATUSES_OF_PORTS, TOPOLOGY, UPLINK
from kpi.fabric import FabricMemory
from kpi.gear_accumulator import GearMemory
from kpi.model import Incident, State, SystemReading, Window
from kpi.planned import Spans, within
from kpi.ports import LastReading
from kpi.reachability import StateChange
from kpi.reboots import Restarted
from kpi.sessions import Change
from kpi.states import StateSeconds, Turn, state_seconds, whole_ms
from kpi.stored import flag, number, optional, sequence, table

EVENT_SCHEMA = "sonda.event.v1"
DEVICE = "device"
"""The aspect of a device's states in the store."""
STOPPED, REMOVED, CALENDAR = "agent_stopped", "removed", "clock_jump"
_STATES = frozenset(State)
COUNTERS = "last counters"
"""What is counted as unread where what the run before kept of a device cannot be used."""
NOTICE = "notice"
"""The boundary's name for what is said at once."""


class Core:
    """One site under watch."""

    def __init__(
        self,
        *,
        clock: Clock,
        timeline: Timeline,
        recorder: Recorder,
        boot: str,
        still_open: Sequence[Incident],
        running: Callable[[str], bool],
        send_confirm: Callable[[EchoTarget], None],
        ask_again: Callable[[str], None],
        changed: Callable[[], None],
        five_closed: Callable[[int, int], None],
        in_pieces: Callable[[int, int, tuple[str, ...]], None],
        late: Callable[[int], None],
        dated: Callable[[], None],
        boundary: Boundary,
        taken_over: Callable[[int, int], None] = lambda _start, _end: None,
    ) -> None:
        """``running(interface)`` asks the kernel for carrier; ``changed()`` hears of what a person would notice;
        ``five_closed(label, following)`` of each dated five minutes that was put to the recorder, and of which ones are
        open then; ``in_pieces(label, following, flags)`` of those that are to be closed out of the store,
        ``late(label)`` of closed ones of which more became known; ``dated()`` of the first synchronisation;
        ``taken_over(start, end)`` of five minutes whose dates were another pass's."""
        self.plan = SitePlan((), None, (), ())
        self.timeline = timeline
        self.history = StateHistory()
        """On the monotonic clock, without a gap."""
        self.calendar = StateHistory()
        """As the store has it: in UTC, what counts and no more. Windows that have a date are made of it."""
        self.watch = Watch(
            clock, running=running, changed=self._state_changed, link_changed=self._link_changed, boundary=boundary
        )
        self.monitor = Monitor(
            clock, self.watch, confirm=send_confirm, ask_again=ask_again, notices=self, boundary=boundary
        )
        self.incidents = Incidents(
            still_open, utc=timeline.utc, ancestors=self.watch.ancestors, write=self._incident_written
        )
        self.summaries = Summaries(boundary)
        self.topology = Topology(self.monitor, clock, partial(self.keep, TOPOLOGY), boundary)
        self.windows = Windows(
            clock=clock,
            timeline=timeline,
            monitor=self.monitor,
            history=self.history,
            calendar=self.calendar,
            recorder=recorder,
            boot=boot,
            plan=lambda: self.plan,
            network=self.network,
            closed=self._closed,
            in_pieces=in_pieces,
            late=late,
            clock_event=self._clock_event,
            duplex=self.topology.duplex,
            boundary=boundary,
        )
        self._boundary = boundary
        self._clock = clock
        self._recorder = recorder
        self._boot = boot
        self._changed = changed
        self._five_closed = five_closed
        self._late = late
        self._dated = dated
        self._taken_over = taken_over
        self._was_down: set[str] = {i.entity for i in still_open}

    def apply(self, plan: SitePlan) -> None:
        """Watch what the plan says from now on, at once."""
        for _ in self.applying(plan):
            pass

    def applying(self, plan: SitePlan) -> Iterator[None]:
        """Watch what the plan says from now on, a device at a time. Of whom it does not name nothing is known any
        more."""
        gone = self.plan.by_id().keys() - plan.by_id().keys()
        self.plan = plan
        yield from self.monitor.applying(plan)
        at = self._clock.monotonic()
        for device in sorted(gone):
            self.history.add(device, at, State.UNKNOWN)
            self._note_state(device, at, State.UNKNOWN, REMOVED)
            self._forget(device, at)
            yield
        self._changed()

    async def resume(self, states: Sequence[StateRow], counters: Sequence[CountersRow]) -> None:
        """Go on from what the run before has stored: states (what was not watched since is unknown), the last counter
        readings, and statuses, with what they are judged beside."""
        self._withdraw()
        pace = Pace(self._clock)
        await self._resume_statuses(counters, pace)
        began, offset = self.timeline.began, self.timeline.offset_s
        alive = self.timeline.counted_to(began)
        last: dict[str, tuple[float, State]] = {}
        for row in states:
            if row.utc_at is None or row.aspect != DEVICE or self._is_taken_over(row.utc_at):
                continue
            if row.state not in _STATES:
                self._boundary.unread("states", row.entity, ValueError(f"{row.state!a} is no state"))
                continue
            utc, state = row.utc_at, State(row.state)
            self.calendar.insert(row.entity, utc, state)
            counts = utc <= self.timeline.utc(began) or (alive is not None and utc <= alive)
            if self.timeline.dated and counts:
                self.history.add(row.entity, min(whole_ms(utc - offset), began), state)
                last[row.entity] = utc, state
            await pace.breathe()
        if not self.timeline.dated:
            return
        if alive is None:  # nobody knows how long it ran
            alive = max((utc for utc, _ in last.values()), default=0.0)
        for entity, (utc, state) in last.items():
            if state is not State.UNKNOWN:
                until = max(alive, utc)  # what was written after the last minute was known to the end
                at = min(whole_ms(until - offset), began)
                self.history.add(entity, at, State.UNKNOWN)
                self._note(entity, at, until, State.UNKNOWN, STOPPED)
            await pace.breathe()
        await self._note_end(states, counters, pace)
        await self._resume_counters(counters, offset, pace)
        self._recorder.put(Batch(counters=[self.windows.alive()]))  # killed before its first minute, it has lived

    def _is_taken_over(self, utc: float) -> bool:
        """It lies ahead, by the dates of another pass."""
        ahead = self.timeline.dated and utc > self.timeline.utc(self.timeline.began)
        return ahead and self.timeline.taken_over(utc, 0.001)

    async def _note_end(self, states: Sequence[StateRow], counters: Sequence[CountersRow], pace: Pace) -> None:
        """Where the run before has ended, nothing is known from there on, though others have counted later seconds;
        also where it ended before it could write that it counts, and its states lie ahead."""
        agent = next((row for row in counters if row.entity == AGENT), None)
        if agent is None or agent.utc_at is None:
            return
        ends: dict[str, float] = {}
        for row in states:
            if row.utc_at is not None and row.aspect == DEVICE and not self._is_taken_over(row.utc_at):
                later = row.boot == agent.boot and row.mono_at > agent.mono_at
                ends[row.entity] = max(ends.get(row.entity, agent.utc_at), row.utc_at if later else 0.0)
            await pace.breathe()
        for entity, utc in ends.items():
            if not self.timeline.counts_on(utc) and self.calendar.at(entity, utc) is not State.UNKNOWN:
                self._note(entity, self.timeline.began, utc, State.UNKNOWN, STOPPED)
            await pace.breathe()

    async def _resume_counters(self, counters: Sequence[CountersRow], offset: float, pace: Pace) -> None:
        for reading in counters:
            if reading.utc_at is not None and not self.timeline.taken_over(reading.utc_at - 0.001, 0.001):
                with self._boundary.around("resume", reading.entity):
                    try:
                        await self._resume_reading(reading.entity, reading.plain, reading.utc_at - offset, pace)
                    except ValueError as error:
                        self._boundary.unread(COUNTERS, reading.entity, error)
            await pace.breathe()

    async def _resume_reading(self, entity: str, plain: Any, at: float, pace: Pace) -> None:
        """ValueError for what cannot be read; then nothing is taken over."""
        if entity == PROBE:
            self.monitor.own.resume(GearMemory.from_plain(table(plain).get("gear")).moved(at))
        track = self.monitor.tracks.get(entity)
        if track is not None and track.polled is not None:
            row, ports = table(plain), dict[str, LastReading]()
            for key, port in table(row.get("ports")).items():
                ports[key] = LastReading.from_plain(port).moved(at)
                await pace.breathe()
            system = _system_of(row["system"], at) if row.get("system") else None
            fabric = FabricMemory.from_plain(row["fabric"]) if row.get("fabric") else None
            gear = GearMemory.from_plain(row["gear"]).moved(at) if row.get("gear") else None
            track.polled.resume(ports, system, fabric, at, gear)

    def maintenance_of(self, entity: str) -> Spans:
        """What is planned for it now, in UTC seconds."""
        return self.plan.maintenance_of(entity)

    def in_maintenance(self, device: str, at: float | None = None) -> bool:
        """Whether something is planned for this device now, or at this monotonic time."""
        planned = self.plan.maintenance_of(device)
        return bool(planned) and within(planned, self.timeline.utc(self._clock.monotonic() if at is None else at))

    def _planned(self, device: str, at: float) -> dict[str, Any]:
        """What an event says of planned work; nothing where there is none."""
        return {"maintenance": True} if self.in_maintenance(device, at) else {}

    def forget_strangers(self) -> None:
        """Incidents of devices that were taken out of the settings while the agent was stopped end."""
        for incident in tuple(self.incidents):
            about = {incident.entity} if incident.kind == KIND_DOWN else set(incident.hides)
            for device in sorted(about - self.plan.by_id().keys()):
                self._forget(device, self._clock.monotonic())

    def _forget(self, device: str, at: float) -> None:
        self._was_down.discard(device)
        self.incidents.forget(device, at)

    def event(self, kind: str, **body: Any) -> None:
        """Say something to the central servers, at once."""
        self._recorder.note(self._event(kind, body))

    def _event(self, kind: str, body: Mapping[str, Any]) -> MessageDraft:
        told = {"type": kind, "at": rfc3339(self._clock.utc()), **body}
        return MessageDraft(f"event/{kind}", EVENT_SCHEMA, told)

    def _state_changed(self, change: StateChange) -> None:
        self.history.add(change.device, change.at, change.state)
        self._note_state(change.device, change.at, change.state, change.reason)
        self.incidents.state_changed(change)
        device = self.plan.by_id().get(change.device)
        told = {
            "device": change.device,
            "name": device.device.name if device else change.device,
            "since": rfc3339(self.timeline.utc(change.at)),
            "reason": change.reason,
            **self._planned(change.device, self._clock.monotonic()),
        }
        if change.state is State.DOWN:
            self._was_down.add(change.device)
            self.event("device.down", **told)
        elif change.state is State.UP and change.device in self._was_down:
            self._was_down.discard(change.device)
            self.event("device.up", **told)
        self._changed()

    def _link_changed(self, interface: str, up: bool) -> None:
        at = self._clock.monotonic()
        gateway = self.plan.by_id().get(self.plan.gateway or "")
        if gateway is None or gateway.interface == interface:
            state = State.UP if up else State.DOWN
            at = whole_ms(at)
            self.history.add(LINK, at, state)
            self._note_state(LINK, at, state, interface)

    def _incident_written(self, incident: Incident) -> None:
        self._recorder.note(incident)
        began_or_ended = incident.closed_utc is not None or len(incident.hides) == 1
        if incident.kind in {KIND_LINK, KIND_FAULT} and incident.entity == PROBE and began_or_ended:
            state = "open" if incident.closed_utc is None else "closed"
            self.event("probe.fault", cause=incident.cause, state=state, since=rfc3339(incident.opened_utc))
        self._changed()

    # agent.polled.Notices

    def restarted(self, device: str, restarted: Restarted) -> None:
        with self._boundary.around(NOTICE, device):
            began, noticed = (rfc3339(self.timeline.utc(at)) for at in (restarted.began, restarted.noticed))
            told = {"device": device, "what": restarted.what.value, "began": began, "noticed": noticed}
            self.event("device.reboot", **told, **self._planned(device, restarted.began))

    def flapping(self, device: str, at: float, port: str, merit: float, *, on: bool) -> None:
        with self._boundary.around(NOTICE, device):
            told = {"device": device, "port": port, "merit": round(merit), "state": "flapping" if on else "steady"}
            self.event("link.flap", **told, noticed=rfc3339(self.timeline.utc(at)), **self._planned(device, at))

    def changed(self, device: str, at: float, what: Change) -> None:
        with self._boundary.around(NOTICE, device):
            noticed = rfc3339(self.timeline.utc(at))
            self.event(what.kind, device=device, **what.about, noticed=noticed, **self._planned(device, at))

    def on_battery(self, device: str, at: float, seconds: float, *, on: bool) -> None:
        with self._boundary.around(NOTICE, device):
            told: dict[str, Any] = {
                "device": device,
                "state": "battery" if on else "mains",
                "seconds": round(seconds),
                **self._planned(device, at),
            }
            self.event("power.battery", **told, noticed=rfc3339(self.timeline.utc(at)))

    def keep(self, entity: str, plain: Mapping[str, Any]) -> None:
        """What is to be known again after a restart, in place of what was kept of this entity before."""
        at = self._clock.monotonic()
        utc = self.timeline.utc(at) if self.timeline.dated else None
        self._recorder.put(Batch(counters=[CountersRow(entity, self._boot, at, utc, plain)]))

    def expected(self) -> Collection[str]:
        """The ids of the devices that are watched."""
        return self.plan.by_id().keys()

    def way_out(self) -> str:
        """The device whose checks are those of the way to the internet: the gateway, else the first target there."""
        return self.plan.gateway or next(iter(self.plan.internet), "")

    def network(
        self, turns: Callable[[str], Sequence[Turn]], start: float, end: float, checks: int, offset_s: float
    ) -> StateSeconds | None:
        """The site's own state time out of the ``turns`` of entities; times are UTC less ``offset_s``."""
        changes = uplink_changes(self.plan, turns)
        if changes is None:
            return None
        planned = [(a - offset_s, b - offset_s) for a, b in self.plan.maintenance_of(UPLINK)]
        return state_seconds(changes, start, end, maintenance=planned, checks=checks)

    async def _closed(self, five: Five, batch: Batch, pace: Pace) -> Batch:
        if five.dated and not five.whole:
            return batch
        written = {row.entity: row.plain for row in batch.windows if row.kind == PORTS}
        drafts: list[MessageDraft] = []
        site = self.summaries.site_parts(Window(five.label, FIVE_S))
        for said in self.summaries.closing(five, self._polls(), written, site):
            drafts += said
            await pace.breathe()
        summary = None
        with self._boundary.around("summary", SITE):
            summary = await site.summary_aside(pace)
        drafts += self.summaries.site_closed(site, summary)
        crossed = self._crossings()
        if five.dated:
            self._five_closed(five.label, five.following)
        self._changed()
        return Batch(
            windows=batch.windows,
            counters=[*batch.counters, *self.statuses_kept()],
            drafts=[*crossed, *(drafts if five.dated else ())],
        )

    def window_folded(self, window: Window, revision: int) -> FoldedWindow:
        """A window was folded: what statuses it gives, and what is to be said of it, device by device."""
        return FoldedWindow(
            self.summaries,
            window,
            self.plan,
            self._polls(),
            revision=revision,
            judged=self._crossings,
        )

    def _crossings(self) -> list[MessageDraft]:
        """What is to be said of statuses that changed, in the commit of the window that changed them."""
        return [self._event("threshold", asdict(crossing)) for crossing in self.summaries.statuses.crossings()]

    def statuses_kept(self) -> list[CountersRow]:
        """What the statuses that changed remember, for the same commit."""
        at = self._clock.monotonic()
        utc = self.timeline.utc(at) if self.timeline.dated else None
        return [
            CountersRow(f"{STATUSES_OF_PORTS if of_ports else STATUSES}/{device}", self._boot, at, utc, plain)
            for device, of_ports, plain in self.summaries.statuses.changed()
        ]

    async def _resume_statuses(self, counters: Sequence[CountersRow], pace: Pace) -> None:
        watched = {*self.plan.by_id(), SITE, PROBE}
        for row in counters:
            kind, _, entity = row.entity.partition("/")
            if kind in {STATUSES, STATUSES_OF_PORTS} and entity in watched:
                with self._boundary.around("resume", row.entity):
                    try:
                        for _ in self.summaries.statuses.resuming(entity, row.plain):
                            await pace.breathe()
                    except ValueError as error:
                        self._boundary.unread(kind, entity, error)
            await pace.breathe()

    def _polls(self) -> dict[str, PollOutcome | None]:
        return {track.id: track.polled.last for track in self.monitor if track.polled is not None}

    def _withdraw(self) -> None:
        """What the present pass has taken over loses its dates; five minutes that were closed are said anew."""
        for taken in self.timeline.told_taken_over():
            start, end = taken.start / 1000, taken.end / 1000
            self.calendar.forget_between(start, (taken.end + taken.with_end) / 1000)
            lost = Withdrawal(start, end, self._boot, taken.from_mono, with_end=taken.with_end)
            unknown = [
                StateRow(entity, DEVICE, self._boot, taken.from_mono, start, State.UNKNOWN.value, CALENDAR)
                for entity in (*self.plan.by_id(), LINK)
                if taken.follows
            ]
            for row in unknown:
                self.calendar.insert(row.entity, start, State.UNKNOWN)
            self._recorder.put(Batch(withdrawn=[lost], states=unknown, counters=[self.windows.alive()]))
            self._taken_over(int(start) // FIVE_S * FIVE_S, -(-taken.end // 1000))

    def _clock_event(self, event: ClockEvent) -> None:
        self._withdraw()
        if event is ClockEvent.JUMPED:
            if self.timeline.ended_utc is not None:
                for entity in self.history.entities():
                    self._note(entity, self.timeline.cut_at, self.timeline.ended_utc, State.UNKNOWN, CALENDAR)
            twice_s = round(self.timeline.last_twice_s, 3)
            later_s = round(self.timeline.last_later_s, 3)
            counted = {"earlier_s": round(twice_s - later_s, 3), "later_s": later_s} if twice_s else {}
            self.event("clock.jump", seconds=round(self.timeline.last_jump_s, 3), twice_s=twice_s, counted=counted)
        elif event is ClockEvent.DATED:
            self._recorder.note(*self.incidents.dated(self.timeline.dated_by_s))
            self._note_pause()
            self._dated()
            begun = int(self.timeline.utc(self.timeline.began)) // FIVE_S * FIVE_S
            for label in range(begun, self.windows.closed_to or begun, FIVE_S):
                if self.timeline.taken_over(label, FIVE_S):
                    self._late(label)
        if event is not ClockEvent.NOTHING and self.timeline.counts:
            self._note_calendar()

    def _note_state(self, entity: str, at: float, state: State, reason: str) -> None:
        """Written at once. Where the calendar was begun anew since ``at``, the state counts from there on as well."""
        dates = [self.timeline.date(at), *self.timeline.counting_since(at)] if self.timeline.dated else [None]
        for utc in dict.fromkeys(dates):
            self._note(entity, at, utc, state, reason)
            if utc is not None and self.windows.closed_to is not None:
                for label in range(int(utc) // FIVE_S * FIVE_S, self.windows.closed_to, FIVE_S):
                    self._late(label)

    def _note(self, entity: str, at: float, utc: float | None, state: State, reason: str) -> None:
        utc = whole_ms(utc) if utc is not None else None
        self._recorder.note(StateRow(entity, DEVICE, self._boot, at, utc, state.value, reason))
        if utc is not None:
            self.calendar.insert(entity, utc, state)

    def _note_pause(self) -> None:
        """The clock is set at last: between the run before and this one nothing was known."""
        began, utc = self.timeline.began, self.timeline.before_utc
        for entity in self.history.entities():
            for turn in self.history.of(entity):
                self.calendar.insert(entity, whole_ms(max(turn.at + self.timeline.offset_s, utc or 0.0)), turn.state)
        if utc is None:
            return
        for entity in (*self.plan.by_id(), LINK):
            self._note(entity, began, utc, State.UNKNOWN, STOPPED)
            at = whole_ms(utc - self.timeline.offset_s)
            if at > began:  # the run before has counted until then
                self._note(entity, at, utc, self.history.at(entity, at), CALENDAR)

    def _note_calendar(self) -> None:
        """Seconds begin to count: what the states are. Of what the calendar has left out nothing is known."""
        at = self.timeline.began_counting
        begun, before = self.timeline.utc(at), self.timeline.counted_to(at)
        for entity in self.history.entities():
            if before is not None and before < begun:
                self._note(entity, at, before, State.UNKNOWN, CALENDAR)
            self._note(entity, at, begun, self.history.at(entity, at), CALENDAR)


def _system_of(plain: Any, at: float) -> tuple[float, SystemReading, bool]:
    """When the system group was read last, and whether its sysUpTime was to be trusted. ValueError where that cannot be
    read."""
    since, uptime_cs, boots, host_cs, *trusted = sequence(plain, 4, 5)
    reading = SystemReading(optional(uptime_cs), optional(boots), optional(host_cs))
    return at + number(since), reading, flag(trusted[0]) if trusted else True
