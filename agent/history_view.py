"""What was, for whoever looks: one device's last hours as series, and what the page shows of the whole site's past.

Everything comes from the store's read-only connections and is put together beside the loop. A gap stays a gap: what
was not measured has no point, and a time of which nothing is known has no state.
"""

import asyncio
import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import pairwise
from math import floor
from typing import Protocol
from zoneinfo import ZoneInfo

from agent.boundary import Boundary
from agent.gear_past import Amount, GearPast
from agent.live import HistoryNow, PointNow, SpanNow
from agent.site import SitePlan
from agent.store.errors import StoreError
from agent.store.model import FIVE_MINUTES, HOUR, MINUTE, Dropped, Report, StateRow, WindowRow
from agent.windows import ECHO
from collectors.clock import Clock
from kpi.echo import EchoCounts, merge_echo
from kpi.entry import Part
from kpi.model import Role, State
from kpi.planned import read_halves
from kpi.seen import PART_OF, Seen, Tone
from kpi.states import StateSeconds, Turn, availability_pct, settled, state_seconds
from kpi.tiles import tiles

log = logging.getLogger("sonda.page")

DEVICE = "device"
UNSENT = "unsent"
"""What the store calls messages that were never sent (agent/store/retention.py)."""
PAST = "history"
"""The boundary's name for what is read here."""
DAY_S = 86_400
LINE_S, RIBBON_S, AVAILABLE_S = DAY_S, 7 * DAY_S, 30 * DAY_S
STALE_S = 20.0
"""The site's past is read anew when it was asked for and is older than this."""
PATIENCE_S = 0.3
WRITTEN_AFTER_S = 30
"""A five-minute window is in the store so long after its end, at the latest."""
MOST_TURNS = 20_000
"""Changes of one device that are kept in memory, 2 MB: ten a minute for a day and a half, or one in two minutes for 30
days."""
MOST_HOURS = 24 * 31
_FINER = {HOUR: FIVE_MINUTES, FIVE_MINUTES: MINUTE}


_STATES = frozenset(State)


class Past(Protocol):
    """What is asked of the store (agent.store.store.Store)."""

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        """Windows that start within [from_utc, to_utc)."""

    async def state_changes(self, entity: str | None, from_utc: float, to_utc: float) -> Sequence[StateRow]:
        """Changes within, preceded by those in force at the beginning."""

    async def report(self) -> Report:
        """How full it is, and what had to go."""

    async def state_changes_after(self, last_id: int) -> tuple[Sequence[StateRow], int]:
        """Changes that were written after the row of this id, and the last id."""

    @property
    def epoch(self) -> int:
        """Another number where everything is to be read again."""


@dataclass(frozen=True, slots=True)
class Point:
    """One window of response times: [start_utc, start_utc + step). None: nothing was answered."""

    start_utc: int
    median_ms: float | None
    p5_ms: float | None
    p95_ms: float | None
    sent: int
    lost: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a part's ribbon."""

    start_utc: float
    end_utc: float
    tone: Tone


@dataclass(frozen=True, slots=True)
class DevicePast:
    """What the table of devices says of the past."""

    sent_today: int = 0
    lost_today: int = 0
    available_pct: float | None = None
    known_s: float = 0.0
    """For how much of the last 30 days it is known whether the device was there."""
    last_up_utc: float | None = None
    """When it was last known to answer; None where it never was, or is now (its state says so)."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The site's past as the page shows it. ``end_utc`` is when it was read."""

    end_utc: float = 0.0
    since_utc: float | None = None
    """When the first of what is kept was measured."""
    lines: Mapping[Part, Sequence[Point]] = field(default_factory=dict)
    """Five minutes a point, the last of them not over yet; of the last day."""
    minutes: Mapping[Part, Sequence[Point]] = field(default_factory=dict)
    """A minute a point; only while the site is known for less than an hour."""
    amounts: Mapping[Part, Sequence[Amount]] = field(default_factory=dict)
    """Five minutes each, whole ones: clients, minutes of battery."""
    ribbons: Mapping[Part, Sequence[Stretch]] = field(default_factory=dict)
    """The last seven days; good, attention, problem and maintenance; where there is none nothing is known."""
    devices: Mapping[str, DevicePast] = field(default_factory=dict)
    coverage: float | None = None
    """Of all devices over the whole of the last day, 0 to 1: what was before the first start was not measured."""
    dropped_messages: int = 0
    """Messages for the central servers that had to be given up for lack of space, since the database began."""
    dropped_first_utc: int | None = None
    """When the first of them was; None where the clock was not set then."""


def step_of(hours: float) -> int:
    """How long the windows are that a chart of so many hours is made of: some 100 to 750 of them."""
    return MINUTE if hours <= 3 else FIVE_MINUTES if hours <= 48 else HOUR


async def device_history(
    store: Past,
    device: str,
    hours: float,
    now_utc: float,
    maintenance: Sequence[tuple[float, float]],
    *,
    boundary: Boundary | None = None,
) -> HistoryNow:
    """One device's last ``hours``. What is not folded yet comes from finer windows; ``boundary`` counts what cannot be
    read."""
    step = step_of(hours)
    start = int(now_utc - hours * 3600) // step * step
    rows = await _covering(store, device, step, start, int(now_utc) + 1)
    changes = await store.state_changes(device, start, now_utc + 1)
    counts = await asyncio.to_thread(_by_start, rows, step, boundary or Boundary())
    return await asyncio.to_thread(_history, device, (hours, start, step, now_utc), counts, changes, maintenance)


async def _covering(store: Past, entity: str | None, step: int, start: int, end: int) -> list[WindowRow]:
    """Windows of ``step``, and finer ones after the last of them."""
    rows = list(await store.windows(entity, ECHO, step, start, end))
    if step in _FINER:
        covered = max((row.start_utc or 0 for row in rows), default=start - step) + step
        rows += await _covering(store, entity, _FINER[step], max(start, covered), end)
    return rows


def _history(
    device: str,
    span: tuple[float, int, int, float],
    counts: Mapping[int, EchoCounts],
    changes: Sequence[StateRow],
    maintenance: Sequence[tuple[float, float]],
) -> HistoryNow:
    hours, start, step, now = span
    turns = _turns(changes).get(device, [])
    reasons = {round(row.utc_at, 3): row.reason for row in changes if row.utc_at is not None}
    points = []
    for at in sorted(counts):
        known = state_seconds(turns, at, min(at + step, now), maintenance=maintenance)
        point = _point(at, counts[at])
        points.append(
            PointNow(
                start=at,
                median_ms=_short(point.median_ms),
                p5_ms=_short(point.p5_ms),
                p95_ms=_short(point.p95_ms),
                sent=point.sent,
                lost=point.lost,
                coverage=floored(known.coverage),
            )
        )
    whole = state_seconds(turns, float(start), now, maintenance=maintenance)
    available = availability_pct(whole)
    return HistoryNow(
        device=device,
        hours=hours,
        start=start,
        end=round(now, 3),
        step_s=step,
        coverage=floored(whole.coverage),
        available_pct=floored(available) if available is not None else None,
        response=points,
        states=[
            SpanNow(round(a, 3), round(b, 3), state.value, reasons.get(round(a, 3)))
            for a, b, state in _spans(turns, start, now, maintenance)
        ],
    )


def no_history(device: str, hours: float, now_utc: float) -> HistoryNow:
    """Of a device whose past cannot be shown."""
    step = step_of(hours)
    start = int(now_utc - hours * 3600) // step * step
    return HistoryNow(device, hours, start, round(now_utc, 3), step, 0.0, None, (), ())


class StatesPast:
    """Changes of state of the last 30 days, of which only what came since is read again."""

    def __init__(self, store: Past) -> None:
        self._store = store
        self._last_id: int | None = None
        self._epoch = -1
        self._read_at = 0.0
        self._turns: dict[str, list[Turn]] = {}

    async def read(self, now: float) -> Mapping[str, Sequence[Turn]]:
        """By device, in the order in which they were made. Raises StoreError."""
        if self._last_id is None or self._epoch != self._store.epoch or now < self._read_at:
            self._epoch = self._store.epoch
            _, last = await self._store.state_changes_after(1 << 62)
            self._turns = _turns(await self._store.state_changes(None, now - AVAILABLE_S, now + 1))
        else:
            rows, last = await self._store.state_changes_after(self._last_id)
            for device, turns in _turns(rows).items():
                known = self._turns.setdefault(device, [])
                known.extend(turns)
                known.sort(key=lambda turn: turn.at)  # a clock that was set back fills what lies before
        self._last_id, self._read_at = last, now
        for device, turns in self._turns.items():
            before = bisect_right(turns, now - AVAILABLE_S, key=lambda turn: turn.at)
            drop = max(before - 1, len(turns) - MOST_TURNS, 0)  # the one before says what holds at the beginning
            if drop:
                self._turns[device] = turns[drop:]
        return {device: list(turns) for device, turns in self._turns.items()}


class OverviewKeeper:
    """Reads the site's past when somebody looks, and of the windows only what came since. What fails of one device
    costs that device its past."""

    def __init__(
        self,
        store: Past,
        clock: Clock,
        plan: Callable[[], SitePlan],
        zone: Callable[[], ZoneInfo],
        boundary: Boundary,
    ) -> None:
        self._store, self._clock, self._plan, self._zone = store, clock, plan, zone
        self._boundary = boundary
        self._reading: asyncio.Task[None] | None = None
        self._lines: dict[Part, dict[int, Point]] = {}
        self._today: tuple[int, dict[str, tuple[int, int]]] = (0, {})
        self._read_to = 0
        self._roles: dict[str, Role] = {}
        self._gear = GearPast(store, boundary)
        self._states = StatesPast(store)
        self.latest = Overview()

    async def fresh(self) -> Overview:
        """At most STALE_S old; where reading takes longer than PATIENCE_S (a large site, just started), what is there
        already: nobody waits for history to see the present."""
        if abs(self._clock.utc() - self.latest.end_utc) > STALE_S and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read(), name="overview")
        if self._reading is not None:
            await asyncio.wait((self._reading,), timeout=PATIENCE_S)
        return self.latest

    async def _read(self) -> None:
        with self._boundary.around(PAST):
            try:
                await self._read_all()
            except StoreError as error:
                log.warning("The page's history cannot be read: %s", error)

    async def _read_all(self) -> None:
        now = self._clock.utc()
        roles = {w.device.id: w.device.role for w in self._plan().devices}
        midnight = _midnight(now, self._zone())
        if roles != self._roles or midnight != self._today[0]:
            self._roles, self._read_to, self._lines, self._today = roles, 0, {}, (midnight, {})
        turns = await self._states.read(now)
        if not self.latest.end_utc:  # what is quick to have comes first
            early = await asyncio.to_thread(self._overview, now, {}, {}, turns)
            self.latest = replace(early, end_utc=now - 2 * STALE_S)
        complete = int(now - WRITTEN_AFTER_S) // FIVE_MINUTES * FIVE_MINUTES
        oldest = int(now - LINE_S) // FIVE_MINUTES * FIVE_MINUTES
        at = max(self._read_to, min(oldest, midnight // FIVE_MINUTES * FIVE_MINUTES))
        while at < complete:  # an hour at a time: no reader is held for long
            end = min(at + HOUR, complete)
            rows = await self._store.windows(None, ECHO, FIVE_MINUTES, at, end)
            await asyncio.to_thread(self._take, rows, self._lines, self._today[1])
            self._read_to = at = end
        self._lines = {part: {t: p for t, p in line.items() if t >= oldest} for part, line in self._lines.items()}
        lines = {part: dict(line) for part, line in self._lines.items()}
        today = dict(self._today[1])
        minutes = await self._store.windows(None, ECHO, MINUTE, self._read_to, int(now) + 1)
        await asyncio.to_thread(self._take, minutes, lines, today)
        done = await asyncio.to_thread(self._overview, now, lines, today, turns)
        if done.since_utc is not None and now - done.since_utc < HOUR:  # a young site is drawn by the minute
            fine: dict[Part, dict[int, Point]] = {}
            rows = await self._store.windows(None, ECHO, MINUTE, int(now) - HOUR, int(now) + 1)
            await asyncio.to_thread(self._take, rows, fine, {}, MINUTE)
            done = replace(done, minutes=_in_order(fine))
        unsent = next((d for d in (await self._store.report()).dropped if d.kind == UNSENT), Dropped(UNSENT, 0, 0))
        self.latest = replace(
            done,
            amounts=await self._gear.read(roles, complete),
            dropped_messages=unsent.for_space,
            dropped_first_utc=unsent.first_utc,
        )

    def _take(
        self,
        rows: Iterable[WindowRow],
        lines: dict[Part, dict[int, Point]],
        today: dict[str, tuple[int, int]],
        step: int = FIVE_MINUTES,
    ) -> None:
        """Merge the rows of each part to windows of ``step``; count what was sent and lost since midnight."""
        parts: dict[tuple[Part, int], list[EchoCounts]] = defaultdict(list)
        for row in rows:
            part = self._line_of(row.entity)
            if row.start_utc is None or row.entity not in self._roles:
                continue
            counts = _counted(row, self._boundary)
            if counts is None:
                continue
            if part is not None:
                parts[part, row.start_utc // step * step].append(counts)
            if row.start_utc >= self._today[0]:
                sent, lost = today.get(row.entity, (0, 0))
                today[row.entity] = sent + counts.sent, lost + counts.lost
        for (part, start), found in parts.items():
            lines.setdefault(part, {})[start] = _point(start, reduce(merge_echo, found))

    def _line_of(self, device: str) -> Part | None:
        """The part in whose line this device is drawn: the gateway stands for the internet only where nothing
        outside is measured."""
        role = self._roles.get(device)
        if role is None or (role is Role.GATEWAY and Role.INTERNET in self._roles.values()):
            return None
        return PART_OF[role]

    def _overview(
        self,
        now: float,
        lines: Mapping[Part, Mapping[int, Point]],
        today: Mapping[str, tuple[int, int]],
        turns: Mapping[str, Sequence[Turn]],
    ) -> Overview:
        plan = self._plan()
        since = min((t[0].at for d, t in turns.items() if d in self._roles), default=None)
        maintenance = {d: [(a, b) for ids, a, b in plan.maintenance if d in ids] for d in self._roles}
        devices, day = {}, []
        for device in self._roles:
            with self._boundary.around(PAST, device):
                own = turns.get(device, [])
                past = _device_past(own, today.get(device, (0, 0)), now, maintenance[device])
                day.append(state_seconds(own, now - DAY_S, now, maintenance=maintenance[device]))
                devices[device] = past
        return Overview(
            end_utc=now,
            since_utc=since,
            lines=_in_order(lines),
            ribbons=_ribbons(self._roles, turns, maintenance, now - RIBBON_S, now),
            devices=devices,
            coverage=_coverage(day) if since is not None else None,
        )


def _device_past(
    turns: Sequence[Turn], echoes: tuple[int, int], now: float, maintenance: Sequence[tuple[float, float]]
) -> DevicePast:
    seconds = state_seconds(turns, now - AVAILABLE_S, now, maintenance=maintenance)
    ups = [b for _, b, state in _spans(turns, now - AVAILABLE_S, now, ()) if state is State.UP]
    known_s = seconds.known_ms / 1000
    return DevicePast(*echoes, availability_pct(seconds), known_s, ups[-1] if ups else None)


def _in_order(lines: Mapping[Part, Mapping[int, Point]]) -> dict[Part, list[Point]]:
    return {part: [line[t] for t in sorted(line)] for part, line in lines.items()}


def _coverage(states: Sequence[StateSeconds]) -> float | None:
    expected = sum(s.expected_ms for s in states)
    return sum(s.known_ms for s in states) / expected if expected else None


def _ribbons(
    roles: Mapping[str, Role],
    turns: Mapping[str, Sequence[Turn]],
    maintenance: Mapping[str, Sequence[tuple[float, float]]],
    start: float,
    end: float,
) -> dict[Part, list[Stretch]]:
    """The tone of each part over time, by the same rules as its tile."""
    spans = {d: _spans(turns.get(d, ()), start, end, maintenance[d]) for d in roles}
    ribbons: dict[Part, list[Stretch]] = defaultdict(list)
    for part in Part:
        members = [d for d, role in roles.items() if PART_OF[role] is part]
        changes = sorted((a, d, state) for d in members for a, _, state in spans[d])
        changes += [(b, d, State.UNKNOWN) for d in members for a, b, _ in spans[d][-1:] if b < end]
        now: dict[str, Seen] = {}  # a device is part of the site from the first that is known of it
        edges = [*sorted({at for at, _, _ in changes}), end]
        by_time: dict[float, list[tuple[str, State]]] = defaultdict(list)
        for at, device, state in changes:
            by_time[at].append((device, state))
        for at, until in pairwise(edges):
            for device, state in by_time[at]:
                now[device] = Seen(device, device, roles[device], state, "not_checked")
            tone = tiles(now.values())[0].tone
            _lengthen(ribbons[part], Stretch(at, until, tone))
    return {part: [s for s in ribbon if s.tone is not Tone.NONE] for part, ribbon in ribbons.items()}


def _lengthen(ribbon: list[Stretch], stretch: Stretch) -> None:
    if ribbon and ribbon[-1].tone is stretch.tone and ribbon[-1].end_utc >= stretch.start_utc:
        ribbon[-1] = Stretch(ribbon[-1].start_utc, stretch.end_utc, stretch.tone)
    else:
        ribbon.append(stretch)


def _turns(changes: Iterable[StateRow]) -> dict[str, list[Turn]]:
    """By device, the dated changes of its state."""
    found: dict[str, list[Turn]] = defaultdict(list)
    for row in changes:
        if row.aspect == DEVICE and row.utc_at is not None and row.state in _STATES:
            found[row.entity].append(Turn(row.utc_at, State(row.state)))
    return found


def _spans(
    turns: Sequence[Turn], start: float, end: float, maintenance: Iterable[tuple[float, float]]
) -> list[tuple[float, float, State]]:
    """[from, to) with the state, within [start, end); maintenance lies above everything, unknown is there too."""
    known = [(at / 1000, state) for at, state in settled(turns)]
    planned = [(a, b) for a, b in maintenance if b > start and a < end]
    edges = sorted({start, end, *(at for at, _ in known), *(t for span in planned for t in span)})
    spans: list[tuple[float, float, State]] = []
    state, place = None, 0
    for a, b in pairwise(edges):
        while place < len(known) and known[place][0] <= a:
            state, place = known[place][1], place + 1
        if a < start or a >= end:
            continue
        here = State.MAINTENANCE if any(p <= a < q for p, q in planned) else state
        if here is None:
            continue
        if spans and spans[-1][2] is here and spans[-1][1] == a:
            spans[-1] = (spans[-1][0], b, here)
        else:
            spans.append((a, b, here))
    return spans


def _by_start(rows: Iterable[WindowRow], step: int, boundary: Boundary) -> dict[int, EchoCounts]:
    """Rows of any length up to ``step``, merged to its windows; pieces of one start as well."""
    found: dict[int, EchoCounts] = {}
    for row in rows:
        if row.start_utc is not None:
            at = row.start_utc // step * step
            counts = _counted(row, boundary)
            if counts is not None:
                found[at] = merge_echo(found[at], counts) if at in found else counts
    return found


def _counted(row: WindowRow, boundary: Boundary) -> EchoCounts | None:
    """What the figures are made of; None in planned work, and where it cannot be read."""
    try:
        return read_halves(EchoCounts.from_plain, row.plain).counted
    except ValueError as error:
        boundary.unread(ECHO, row.entity, error)
        return None


def _point(start: int, counts: EchoCounts) -> Point:
    return Point(start, counts.rtt_ms(0.5), counts.rtt_ms(0.05), counts.rtt_ms(0.95), counts.sent, counts.lost)


def floored(value: float) -> float:
    """A share, cut off after four decimals: what is not perfect does not become it by rounding (rule R9)."""
    return floor(value * 1e4 + 1e-6) / 1e4


def _short(value: float | None) -> float | None:
    return float(f"{value:.5g}") if value is not None else None


def _midnight(now_utc: float, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(now_utc, zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if midnight > local:
        midnight -= timedelta(days=1)
    return int(midnight.timestamp())
