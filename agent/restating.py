"""Planned work that is entered late, or taken back (rule R4): closed five minutes are computed again, and said again.

What a window took out is a function of the window and of what is planned (kpi/planned.py), so that the stored windows
are all that is needed: states are computed anew out of their changes, restarts go by their dates, echoes by their
minutes while those are kept, everything else moves as a whole. What comes out differently is written with a higher
revision; the site's own windows follow, and hours, days and months are folded once more.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, Protocol

from agent.boundary import Boundary
from agent.core import DEVICE
from agent.folds import Folds, read_window
from agent.pace import LARGE, size_of
from agent.recorder import Recorder
from agent.site import SitePlan, uplink_changes
from agent.store.model import FIVE_MINUTES, HOUR, MINUTE, Batch, CountersRow, StateRow, WindowRow
from agent.windows import ECHO, FABRIC, GEAR, PORTS, RESTARTS, STATE
from kpi.echo import EchoCounts, beside_echo, merge_echo, merge_echo_halves
from kpi.entities import LINK, PLANNED, SITE, UPLINK
from kpi.gear_counts import GearCounts, Topic
from kpi.gear_site import site_clients
from kpi.merge import DeviceWindow
from kpi.model import State
from kpi.planned import (
    REACH_S,
    Halves,
    Spans,
    halves_from_plain,
    halves_to_plain,
    reach_of,
    read_halves,
    takes_out,
    together,
    touches,
)
from kpi.reboots import RestartCounts, all_restarts, split_restarts
from kpi.states import Change, StateSeconds, Turn, merge_states, state_seconds
from kpi.stored import number, sequence, table, text, whole

log = logging.getLogger("sonda.windows")

LOOK_BACK_S = 31 * 86_400
"""Planned work that ended longer ago changes nothing any more: its month has been reported."""
OUTAGE_S = 86_400.0
"""How far before a window changes are read, for the full length of an outage that goes on in it."""
SILENCE_S = 86_400
"""How long after planned work the first answer is looked for whose differences reach back into it."""

_STATES = frozenset(State)
"""A row that says anything else is of another version."""
WAITING = 8
"""Writes that may wait for the disk: the recorder, where more than a hundred do, gives up the oldest."""
SAME_MS = 1000
"""Stored times are rounded; planned work that differs by less is the same."""
KNOWN_ALIKE_MS = 2000
"""Changes of state that give a window another time up or down than this much are not those it was made of."""

Planned = tuple[frozenset[str], float, float]
"""Device ids, beginning and end in UTC seconds, as SitePlan has them."""


class Reads(Protocol):
    """What is needed of the store."""

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        """See agent.store.store.Store.windows."""

    async def state_changes(self, entity: str | None, from_utc: float, to_utc: float) -> Sequence[StateRow]:
        """See agent.store.store.Store.state_changes."""

    async def last_counters(self, entity: str) -> CountersRow | None:
        """See agent.store.store.Store.last_counters."""


class Restating:
    """Computes closed five minutes again. What the stored ones were computed by is stored as well, so that work that is
    entered or taken back while the agent is off is noticed."""

    def __init__(
        self,
        store: Reads,
        recorder: Recorder,
        folds: Folds,
        *,
        said: Callable[[int], int] = lambda _label: 0,
        boundary: Boundary | None = None,
        closing: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``said(label)``: the highest revision with which five minutes were said; ``closing()`` returns once what was
        being closed by another plan is closed."""
        self._store = store
        self._recorder = recorder
        self._folds = folds
        self._said = said
        self._boundary = boundary or Boundary()
        self._closing = closing
        self._one_at_a_time = asyncio.Lock()
        self._revision = 0
        """The highest that was said of any window: the hour of one that comes later may have been said with it."""

    async def follow(self, plan: SitePlan, now_utc: float, boot: str, *, anew: bool = False) -> None:
        """Bring the stored windows into step with ``plan``. ``anew``: they were written without regard to any."""
        async with self._one_at_a_time:
            if self._closing is not None:
                await self._closing()
            row = await self._store.last_counters(PLANNED)
            before = None
            try:
                before, self._revision = await asyncio.to_thread(_read, row)
            except ValueError as error:
                self._boundary.unread("planned work", PLANNED, error)
            if not anew and before is not None and not await asyncio.to_thread(_changed, before, plan.maintenance):
                return
            await self.planned([] if anew else before or [], plan, now_utc)
            kept = await asyncio.to_thread(_written, plan.maintenance)
            plain = {"planned": kept, "revision": self._revision}
            self._recorder.put(Batch(counters=[CountersRow(PLANNED, boot, 0.0, now_utc, plain)]))
            await self._recorder.settled()

    async def planned(self, before: Iterable[Planned], plan: SitePlan, now_utc: float) -> int:
        """``before`` was planned until now, and ``plan`` is from now on. How many five minutes came out differently."""
        was = replace(plan, maintenance=tuple(before))
        changed = await asyncio.to_thread(_changed, was.maintenance, plan.maintenance)
        recent = [(ids, max(start, now_utc - LOOK_BACK_S), min(end, now_utc)) for ids, start, end in changed]
        entities = await asyncio.to_thread(_by_entity, recent, plan.gateway)
        await self._recorder.settled()
        revisions: dict[int, int] = {}
        clients: set[int] = set()
        for entity, spans in sorted(entities.items()):
            with self._boundary.around("recomputation", entity):
                for labels in _by_hour(await self._touched(entity, spans, now_utc)):
                    work = _Hour(self._store, self._boundary, entity, labels, (was, plan))
                    await work.read()
                    clients |= work.clients
                    self._write(work.rows, revisions)
                    if self._recorder.waiting > WAITING:
                        await self._recorder.settled()
                    await asyncio.sleep(0)
        await self._recorder.settled()
        for label in sorted(clients):
            self._write(await self._site_clients(label, plan), revisions)
        if revisions:
            self._revision = max(self._revision + 1, *revisions.values())
            await self._folds.again(sorted(revisions), self._revision)
            log.info("Planned work was entered late or taken back: %d five minutes are said again.", len(revisions))
        return len(revisions)

    def _write(self, rows: Sequence[WindowRow], revisions: dict[int, int]) -> None:
        """Rows that came out differently, each with the next revision."""
        for row in rows:
            if row.start_utc is not None:
                label = row.start_utc // FIVE_MINUTES * FIVE_MINUTES
                revisions[label] = max(revisions.get(label, 0), row.revision, self._said(label) + 1)
        if rows:
            self._recorder.put(Batch(windows=rows))

    async def _touched(self, entity: str, spans: Iterable[tuple[float, float]], now_utc: float) -> set[int]:
        """The five minutes that may come out differently."""
        labels: set[int] = set()
        for start, end in spans:
            if start < end:
                last = max(
                    end + REACH_S,
                    await self._answered_after(entity, end, now_utc),
                    await self._up_after(entity, end, now_utc),
                )
                labels |= set(range(int(start) // FIVE_MINUTES * FIVE_MINUTES, -int(-last // 1), FIVE_MINUTES))
        return labels

    async def _answered_after(self, device: str, utc: float, now_utc: float) -> float:
        """The end of the first window from ``utc`` on in which the device answered by SNMP."""
        first = int(utc) // FIVE_MINUTES * FIVE_MINUTES
        for start in range(first, int(min(now_utc, first + SILENCE_S)), HOUR):
            for row in await self._store.windows(device, RESTARTS, FIVE_MINUTES, start, start + HOUR):
                if not await _is_readable(row, self._boundary):
                    continue
                if row.start_utc is not None and all_restarts(_restarts(row)).readings:
                    return float(row.start_utc + FIVE_MINUTES)
        return utc

    async def _up_after(self, device: str, utc: float, now_utc: float) -> float:
        """The end of the outage that goes on at ``utc``: how long it was is counted there."""
        last = utc
        for row in await self._store.state_changes(device, utc, min(now_utc, utc + OUTAGE_S)):
            if row.utc_at is not None and row.aspect == DEVICE:
                last = max(last, row.utc_at + 1.0)
                if row.state == State.UP and row.utc_at >= utc:
                    break
        return last

    async def _site_clients(self, label: int, plan: SitePlan) -> list[WindowRow]:
        """The site's wireless clients, out of the devices' windows as they are now."""
        known = plan.by_id()
        pieces: dict[tuple[str, float], list[DeviceWindow]] = defaultdict(list)
        stored: dict[tuple[str, float], WindowRow] = {}
        for row in await self._store.windows(None, GEAR, FIVE_MINUTES, label, label + 1):
            piece = row.boot, row.mono_start
            if row.entity == SITE:
                stored[piece] = row
            elif row.entity in known and await _is_readable(row, self._boundary):
                gear = read_halves(GearCounts.from_plain, row.plain).counted
                pieces[piece].append(DeviceWindow(row.entity, known[row.entity].device.role, gear=gear))
        found = []
        for piece in sorted(stored.keys() | pieces.keys()):
            clients, before = site_clients(pieces[piece]), stored.get(piece)
            if before is None and clients is not None:
                found.append(WindowRow(SITE, GEAR, FIVE_MINUTES, *piece, label, clients.to_plain(), 1))
            elif before is not None:
                plain = (clients or GearCounts(have=int(Topic.CLIENTS))).to_plain()
                if plain != before.plain:
                    found.append(replace(before, plain=plain, revision=before.revision + 1))
        return found


def _changed(before: Iterable[Planned], now: Iterable[Planned]) -> set[Planned]:
    """What is in one and not in the other."""
    return set(before) ^ set(now)


def _by_entity(planned: Iterable[Planned], gateway: str | None) -> dict[str, list[tuple[float, float]]]:
    """The spans of each device, and of the way to the internet. 500 entries of 1,000 devices take 0.3 s."""
    entities: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for ids, start, end in planned:
        for entity in [*ids, *([UPLINK] if gateway in ids else [])]:
            entities[entity].append((start, end))
    return entities


def _written(planned: Iterable[Planned]) -> list[tuple[list[str], float, float]]:
    """What ``_read`` reads."""
    return [(sorted(ids), start, end) for ids, start, end in planned]


def _read(row: CountersRow | None) -> tuple[list[Planned] | None, int]:
    """What the stored windows were computed by, and the highest revision; None where nothing tells. ValueError for what
    cannot be read."""
    if row is None:
        return None, 0
    plain = table(row.plain)
    spans = [sequence(span, 3, 3) for span in sequence(plain.get("planned"))]
    planned = [(frozenset(map(text, sequence(ids))), number(start), number(end)) for ids, start, end in spans]
    return planned, whole(plain.get("revision", 0))


async def _is_readable(row: WindowRow, boundary: Boundary) -> bool:
    """Whether a window can be computed again; one that cannot is counted and stays as it is. A large one is read aside:
    an hour of 6,144 ports takes a second."""
    try:
        if size_of(row.plain) < LARGE:
            read_window(row.kind, row.plain)
        else:
            await asyncio.to_thread(read_window, row.kind, row.plain)
    except ValueError as error:
        boundary.unread(row.kind, row.entity, error)
        return False
    return True


class _Hour:
    """What becomes of one entity's windows of one hour."""

    def __init__(
        self, store: Reads, boundary: Boundary, entity: str, labels: set[int], plans: tuple[SitePlan, SitePlan]
    ) -> None:
        """``plans``: what was planned until now, and what is from now on."""
        was, plan = plans
        self._store, self._boundary, self._entity, self._labels, self._plan = store, boundary, entity, labels, plan
        self._hour = min(labels) // HOUR * HOUR
        self._was, self._will = was.maintenance_of(entity), plan.maintenance_of(entity)
        self.rows: list[WindowRow] = []
        """Those that come out differently."""
        self.clients: set[int] = set()
        """The labels in which what a device tells of its clients was moved."""

    async def read(self) -> None:
        await self._states()
        if self._entity == UPLINK:
            return
        await self._echoes()
        await self._restarts()
        for kind in (PORTS, FABRIC, GEAR):
            await self._polled(kind)

    async def _of(self, kind: str, length_s: int = FIVE_MINUTES) -> dict[int, list[WindowRow]]:
        """By label, the pieces of each five minutes in question."""
        found: dict[int, list[WindowRow]] = defaultdict(list)
        for row in await self._store.windows(self._entity, kind, length_s, self._hour, self._hour + HOUR):
            label = (row.start_utc or 0) // FIVE_MINUTES * FIVE_MINUTES
            if label in self._labels and await _is_readable(row, self._boundary):
                found[label].append(row)
        return found

    def _put(self, row: WindowRow, plain: Any) -> None:
        self.rows.append(replace(row, plain=plain, revision=row.revision + 1))

    async def _states(self) -> None:
        pieces = await self._of(STATE)
        if not pieces:
            return
        changes = await self._changes()
        for label, rows in pieces.items():
            was = reduce(merge_states, (StateSeconds.from_plain(row.plain) for row in rows))
            now = self._state_seconds(changes, label, was)
            if _same(now, was):
                continue
            whole, *others = rows
            self._put(whole, now.to_plain())
            for row in others:
                self._put(row, StateSeconds().to_plain())

    async def _changes(self) -> Sequence[Change]:
        """The entity's states, as far as they are stored."""
        names = {self._entity} if self._entity != UPLINK else {LINK, self._plan.gateway or "", *self._plan.internet}
        turns: dict[str, list[Turn]] = defaultdict(list)
        for name in names - {""}:
            for row in await self._store.state_changes(name, self._hour - OUTAGE_S, self._hour + HOUR):
                if row.utc_at is not None and row.aspect == DEVICE and row.state in _STATES:
                    turns[name].append(Turn(row.utc_at, State(row.state)))
        if self._entity != UPLINK:
            return turns[self._entity]
        return uplink_changes(self._plan, lambda name: turns[name]) or ()

    def _state_seconds(self, changes: Sequence[Change], label: int, was: StateSeconds) -> StateSeconds:
        """The five minutes anew. Where the stored changes are not those that they were made of (too long ago, or other
        internet targets), there is nothing to split them by: they move as a whole."""
        end = label + FIVE_MINUTES
        now = state_seconds(changes, label, end, maintenance=self._will, checks=was.checks)
        alike = (
            abs(_up_ms(now) - _up_ms(was)) <= KNOWN_ALIKE_MS and abs(_down_ms(now) - _down_ms(was)) <= KNOWN_ALIKE_MS
        )
        return now if alike else _moved(was, planned=touches(self._will, label, end))

    async def _echoes(self) -> None:
        minutes = await self._of(ECHO, MINUTE)
        fives = await self._of(ECHO)
        for label in sorted(self._labels):
            none: Halves[EchoCounts] = Halves()
            counted = [none]
            for row in minutes.get(label, ()):
                start = row.start_utc or 0
                halves = halves_from_plain(row.plain)
                there = touches(self._will, start, start + MINUTE)
                moved = _moved_half(halves, planned=there)
                if moved != halves:
                    self._put(row, halves_to_plain(moved))
                counted.append(moved.each(EchoCounts.from_plain))
            if rows := fives.get(label):
                self._five_of_echoes(label, rows, reduce(merge_echo_halves, counted))

    def _five_of_echoes(self, label: int, rows: Sequence[WindowRow], minutes: Halves[EchoCounts]) -> None:
        """Out of its minutes where they are all still there. Where they are not, five minutes that planned work touches
        leave as a whole."""
        was = reduce(merge_echo_halves, (read_halves(EchoCounts.from_plain, row.plain) for row in rows))
        if _echoes_in(minutes) == _echoes_in(was):
            now = minutes
        elif _minutes_in(self._was, label) == _minutes_in(self._will, label):
            return
        else:
            now = Halves.of(together(beside_echo, was), planned=touches(self._will, label, label + FIVE_MINUTES))
        if now == was:
            return
        whole, *others = rows
        self._put(whole, halves_to_plain(now.each(EchoCounts.to_plain)))
        for row in others:
            self._put(row, EchoCounts().to_plain())

    async def _restarts(self) -> None:
        for label, rows in (await self._of(RESTARTS)).items():
            for row in rows:
                halves = _restarts(row)
                now = split_restarts(all_restarts(halves), label, FIVE_MINUTES, self._will)
                if now != halves:
                    self._put(row, halves_to_plain(now.each(RestartCounts.to_plain)))

    async def _polled(self, kind: str) -> None:
        for label, rows in (await self._of(kind)).items():
            for row in rows:
                halves, reach_s = halves_from_plain(row.plain), reach_of(row.plain)
                moved = _moved_half(halves, planned=takes_out(self._will, label, label + FIVE_MINUTES, reach_s))
                if moved != halves:
                    self._put(row, halves_to_plain(moved, reach_s))
                    if kind == GEAR:
                        self.clients.add(label)


def _by_hour(labels: Iterable[int]) -> list[set[int]]:
    hours: dict[int, set[int]] = defaultdict(set)
    for label in labels:
        hours[label // HOUR].add(label)
    return [hours[hour] for hour in sorted(hours)]


def _restarts(row: WindowRow) -> Halves[RestartCounts]:
    return read_halves(RestartCounts.from_plain, row.plain)


def _moved_half(halves: Halves[Any], *, planned: bool) -> Halves[Any]:
    """A finest window is in one half or the other, whole."""
    return Halves.of(halves.counted if halves.counted is not None else halves.planned, planned=planned)


def _minutes_in(spans: Spans, label: int) -> list[bool]:
    return [touches(spans, at, at + MINUTE) for at in range(label, label + FIVE_MINUTES, MINUTE)]


def _echoes_in(halves: Halves[EchoCounts]) -> tuple[int, int]:
    """How many were sent, and how many could not be."""
    whole = together(merge_echo, halves) or EchoCounts()
    return whole.sent, whole.faults + whole.skipped


def _same(a: StateSeconds, b: StateSeconds) -> bool:
    times = ("up_ms", "down_ms", "maintenance_ms", "restored_ms", "open_ms")
    counts = ("outages_started", "outages_restored")
    return all(abs(getattr(a, name) - getattr(b, name)) <= SAME_MS for name in times) and all(
        getattr(a, name) == getattr(b, name) for name in counts
    )


def _up_ms(states: StateSeconds) -> int:
    return states.up_ms + states.maintenance_up_ms


def _down_ms(states: StateSeconds) -> int:
    return states.down_ms + states.maintenance_down_ms


def _moved(states: StateSeconds, *, planned: bool) -> StateSeconds:
    """All of it in maintenance, or none."""
    whole_ms = states.expected_ms + states.maintenance_ms
    up, down = _up_ms(states), _down_ms(states)
    if planned:
        return StateSeconds(
            maintenance_ms=whole_ms, maintenance_up_ms=up, maintenance_down_ms=down, checks=states.checks
        )
    return replace(
        states,
        up_ms=up,
        down_ms=down,
        unknown_ms=whole_ms - up - down,
        maintenance_ms=0,
        maintenance_up_ms=0,
        maintenance_down_ms=0,
    )
