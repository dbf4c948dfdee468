"""Hours, days and months: pure folds of finer windows as they lie in the store, so that doing it again gives the same.

Device by device: of 4,800 ports no more than one device's are in memory, what was made of the others waits as the bytes
that are written, and all of a window is written in one transaction. Runs beside the closing of windows and never holds
it up. Every hour, day and month between the first and the last stored window is folded, however long the agent was
off and wherever its clock jumped: what ends under way is folded then, what was missed is made up for at the start.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial, reduce
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from agent.boundary import Boundary
from agent.history import KEEP_S
from agent.memory import give_back
from agent.messages import MessageDraft
from agent.pace import Pace, size_of
from agent.recorder import Recorder
from agent.store.model import DAY, FIVE_MINUTES, HOUR, MINUTE, MONTH, Batch, CountersRow, StateRow, WindowRow
from agent.store.packing import compact
from agent.windows import ECHO, FABRIC, GEAR, PORTS, RESTARTS, STATE
from collectors.clock import Clock, SystemClock
from kpi.echo import EchoCounts, merge_echo, merge_echo_halves
from kpi.entities import PROBE, SITE, UPLINK, is_internal
from kpi.fabric_counts import FabricCounts, merge_fabric
from kpi.gear_counts import GearCounts, merge_gear
from kpi.merge import merge_port_maps
from kpi.model import State, Window
from kpi.planned import Halves, Spans, halves_from_plain, halves_to_plain, merge_halves, read_halves
from kpi.port_counts import (
    Bin,
    billed_ports,
    bins_of,
    plain_without_bins,
    ports_window_from_plain,
    ports_window_to_plain,
    with_bins,
)
from kpi.reboots import RestartCounts, merge_restarts
from kpi.states import StateSeconds, Turn, merge_states, state_seconds

log = logging.getLogger("sonda.folds")

_FOLDING: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any], Callable[[Any], Any]]] = {
    STATE: (StateSeconds.from_plain, merge_states, StateSeconds.to_plain),
    ECHO: (EchoCounts.from_plain, merge_echo, EchoCounts.to_plain),
    PORTS: (ports_window_from_plain, merge_port_maps, ports_window_to_plain),
    RESTARTS: (RestartCounts.from_plain, merge_restarts, RestartCounts.to_plain),
    FABRIC: (FabricCounts.from_plain, merge_fabric, FabricCounts.to_plain),
    GEAR: (GearCounts.from_plain, merge_gear, GearCounts.to_plain),
}
"""How windows of a kind are read, merged and written."""
_STATES = frozenset(State)
"""A row that says anything else is of another version."""
BESIDE_STATE = tuple(kind for kind in _FOLDING if kind != STATE)
"""The kinds of windows of a device that has a window of its state."""
PLACE = "fold"
"""The boundary's name for what is done here."""
AGAIN = 1
"""The revision of a window that was said before."""
AT_ONCE = 24
"""Windows of one device that are read at once; a month of one has 720."""

FOR_EVER = 1 << 32
"""In UTC seconds, beyond every window."""

Plains = Mapping[str, Any]
"""The windows of one entity, by kind."""


class Reads(Protocol):
    """What folding needs of the store."""

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        """See agent.store.store.Store.windows."""

    async def starts(self, kind: str, length_s: int, from_utc: int, to_utc: int, step_s: int) -> Sequence[int]:
        """See agent.store.store.Store.starts."""

    async def state_changes(self, entity: str | None, from_utc: float, to_utc: float) -> Sequence[StateRow]:
        """See agent.store.store.Store.state_changes."""


class Site(Protocol):
    """What five minutes are closed of."""

    def expected(self) -> Collection[str]:
        """The ids of the devices that are watched: one of which nothing is known has a window all the same."""

    def way_out(self) -> str:
        """The device whose checks are those of the way to the internet."""

    def network(
        self, turns: Callable[[str], Sequence[Turn]], start: float, end: float, checks: int, offset_s: float
    ) -> StateSeconds | None:
        """The site's own state time; None where too few internet targets are set up."""


class Nobody:
    """A Site where nothing is watched."""

    def expected(self) -> Collection[str]:
        return ()

    def way_out(self) -> str:
        return ""

    def network(
        self,
        turns: Callable[[str], Sequence[Turn]],  # noqa: ARG002 - as Site has it
        start: float,  # noqa: ARG002
        end: float,  # noqa: ARG002
        checks: int,  # noqa: ARG002
        offset_s: float,  # noqa: ARG002
    ) -> StateSeconds | None:
        return None


NOBODY = Nobody()


class Told(Protocol):
    """What hears of a folded window, an entity at a time."""

    async def take(self, entity: str, plains: Plains, pace: Pace) -> Sequence[MessageDraft]:
        """What is to be said of this one."""

    async def end(self, pace: Pace) -> Sequence[MessageDraft]:
        """That was all: what is to be said of the site."""


def fold(kind: str, plains: Iterable[Any]) -> Any:
    """Plain windows of one entity in order of time, as one, planned work apart. Raises ValueError for no windows, or an
    unknown version, KeyError for an unknown kind."""
    found, errors = fold_readable(kind, plains)
    if errors or found is None:
        raise errors[0] if errors else ValueError("there is nothing to fold")
    return found


def fold_readable(kind: str, plains: Iterable[Any], *, bins: bool = True) -> tuple[Any | None, list[ValueError]]:
    """As ``fold`` of those windows that can be read, and what is wrong with the others; None where none is left.
    ``bins`` False: the 5-minute averages of ports are left out."""
    _, merge, write = _FOLDING[kind]
    both = merge_echo_halves if kind == ECHO else partial(merge_halves, merge)
    windows: list[Halves[Any]] = []
    errors: list[ValueError] = []
    for plain in plains:
        try:
            windows.append(read_window(kind, plain if bins or kind != PORTS else without_bins(plain)))
        except ValueError as error:
            errors.append(error)
    return (halves_to_plain(reduce(both, windows).each(write)) if windows else None), errors


def read_window(kind: str, plain: Any) -> Halves[Any]:
    """A stored window of this kind. ValueError where it cannot be read (kpi/stored.py)."""
    read, _, _ = _FOLDING[kind]
    if kind == STATE:  # planned work is apart in it as it is
        return Halves(read(plain))
    return read_halves(read, plain)


def without_bins(plain: Any) -> Any:
    """As plain_without_bins, of a window with planned work apart."""
    return halves_to_plain(read_halves(plain_without_bins, plain))


def month_bounds(utc: int, zone: ZoneInfo) -> tuple[int, int]:
    """The calendar month of the site's zone that holds ``utc``, as [start, end) in UTC seconds."""
    here = datetime.fromtimestamp(utc, UTC).astimezone(zone)
    first = here.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp()), int(following.timestamp())


class Folds:
    """Makes coarser windows as finer ones are completed."""

    def __init__(
        self,
        store: Reads,
        recorder: Recorder,
        *,
        zone: Callable[[], ZoneInfo],
        folded: Callable[[Window, int], Told],
        site: Site = NOBODY,
        planned: Callable[[str], Spans] = lambda _device: (),
        clock: Clock | None = None,
        boundary: Boundary | None = None,
        kept: Callable[[], Sequence[CountersRow]] = list,
        closed_before: Callable[[float, float], bool] = lambda _start, _length: False,
        not_yet: Callable[[int, int], Sequence[tuple[float, float]]] = lambda _start, _end: (),
    ) -> None:
        """``folded(window, revision)`` is told what the window holds and gives the messages; ``kept()`` is what its
        statuses remember, for the same commit. The 30 days that end with a day are only judged, not kept.
        ``site`` is what is watched; ``planned(device)``: what is planned for it, in UTC seconds;
        ``closed_before(start, length)``: something of it was said by the dates of another pass, ``not_yet(start,
        end)`` what of it lies ahead (agent/timeline.py)."""
        self._store = store
        self._recorder = recorder
        self._zone = zone
        self._folded = folded
        self._planned = planned
        self._clock = clock or SystemClock()
        self._boundary = boundary or Boundary()
        self._kept = kept
        self._closed_before = closed_before
        self._not_yet = not_yet
        self._site = site
        self._due: asyncio.Queue[_Due] = asyncio.Queue()
        self._late: set[int] = set()
        self._working = False
        self._dated: asyncio.Future[int] | None = None

    def five_closed(self, label: int, following: int) -> None:
        """The five minutes that begin at ``label`` were put to the recorder; those that are open now begin at
        ``following``, which is later by more than five minutes where the clock was set ahead."""
        self._due.put_nowait(_Due(label, following))

    def in_pieces(self, label: int, following: int, flags: tuple[str, ...] = ()) -> None:
        """As ``five_closed``, of five minutes that are to be closed first, out of the store; ``flags`` say why."""
        self._due.put_nowait(_Due(label, following, close=True, flags=flags))

    def late(self, label: int) -> None:
        """What became known of these five minutes after they were closed: they are closed once more."""
        if label not in self._late:
            self._late.add(label)
            self._due.put_nowait(_Due(label, label, close=True, late=True))

    def taken_over(self, start: int, end: int) -> None:
        """What was closed of these five minutes had the dates of a clock that was not trusted: nothing is known of them
        until the calendar comes there."""
        self._due.put_nowait(_Due(start, end, taken_over=True))

    def dated(self, now_utc: float) -> None:
        """The clock was set, and the store has dated what was measured until then."""
        if not self._date().done():
            self._date().set_result(int(now_utc))

    async def run(self, now_utc: int | None, alive_utc: float | None = None) -> None:
        """Until cancelled. ``now_utc`` is None where the clock is not set: nothing is made up for until ``dated``.
        ``alive_utc`` is when the run before was alive last: where its clock had been set back, it may have added to
        five minutes that were closed."""
        if alive_utc is not None:
            self.late(int(alive_utc) // FIVE_MINUTES * FIVE_MINUTES)
            with self._boundary.around("making up"):
                for label in await self._store.starts(ECHO, MINUTE, 0, FOR_EVER, FIVE_MINUTES):
                    if self._closed_before(label, FIVE_MINUTES):  # the run before may not have lived to close it anew
                        self.late(label)
        now = now_utc if now_utc is not None else await self._date()
        self._working = True
        with self._boundary.around("making up"):
            await self._make_up(now)
        with self._boundary.around("making up"):
            await self.billed_again(now)
        while True:
            self._working = False
            due = await self._due.get()
            self._working = True
            with self._boundary.around(PLACE):
                await self._do(due)
            await self._recorder.settled()
            give_back()

    async def _do(self, due: "_Due") -> None:
        if due.taken_over:
            labels = await self._store.starts(STATE, FIVE_MINUTES, due.label, due.following, FIVE_MINUTES)
            changed = [label for label in labels if await self._close(label, checks_known=False)]
            if changed:
                revisions = [await self._revision_of(label) for label in (changed[0], changed[-1])]
                await self._coarser_again(changed, max(revisions))
            return
        if due.close:
            self._late.discard(due.label)
            if due.late and not await self._store.windows(None, STATE, FIVE_MINUTES, due.label, due.label + 1):
                return
            await self._close_late(due.label, due.flags)
        else:
            await self._into_folded(due.label)
        for length_s, start, end in _ended(due.label, due.following, self._zone()):
            with self._boundary.around(PLACE):
                if not await self._is_folded(length_s, start):
                    await self._coarser(length_s, start, end)
                    if length_s == HOUR:  # its day is folded already where the clock was set back from beyond it
                        await self._days_again([start, end - FIVE_MINUTES], AGAIN)

    async def _close_late(self, label: int, flags: tuple[str, ...] = ()) -> None:
        """Close these five minutes out of the store; what they are folded into already is folded anew."""
        if await self._close(label, flags):
            await self._into_folded(label)

    async def _into_folded(self, label: int) -> None:
        """What these five minutes are folded into already, because a clock that was set back came to them late."""
        await self._recorder.settled()
        if await self._is_folded(HOUR, label // HOUR * HOUR):
            await self._coarser_again([label], await self._revision_of(label))

    async def _is_folded(self, length_s: int, start: int) -> bool:
        return bool(await self._store.starts(STATE, length_s, start, start + 1, MINUTE))

    def _date(self) -> "asyncio.Future[int]":
        if self._dated is None:
            self._dated = asyncio.get_running_loop().create_future()
        return self._dated

    @property
    def busy(self) -> bool:
        """Something is being folded, or waits for it."""
        return self._working or not self._due.empty()

    async def hour(self, start: int) -> None:
        """Fold the hour that begins at ``start``, and the day and the month where it ends one."""
        for length_s, begin, end in _ended(start, start + HOUR, self._zone()):
            await self._coarser(length_s, begin, end)

    async def _coarser(self, length_s: int, start: int, end: int) -> None:
        """Fold one hour, day or month. With a day the 30 days that it ends are judged."""
        revision = 0
        if length_s == HOUR and self._closed_before(start, length_s):
            revision = await self._revision_of(start, HOUR)
        await self._fold(FIVE_MINUTES if length_s == HOUR else HOUR, length_s, start, end, revision=revision)
        if length_s == DAY:
            await self._fold(DAY, MONTH, end - 30 * DAY, end, keep=False)

    async def again(self, labels: Sequence[int], revision: int) -> None:
        """Five minutes that were computed again: say them with a higher revision, and write what they are folded into
        once more; of an hour the ports are said again."""
        for start in labels:
            await self._fold(FIVE_MINUTES, FIVE_MINUTES, start, start + FIVE_MINUTES, revision=revision, keep=False)
        await self._coarser_again(labels, revision)

    async def _coarser_again(self, labels: Sequence[int], revision: int) -> None:
        """Write what these five minutes are folded into once more; of an hour the ports are said again."""
        await self._recorder.settled()
        for start in sorted({start // HOUR * HOUR for start in labels}):
            if await self._is_folded(HOUR, start):  # what is not folded yet, will be
                await self._fold(FIVE_MINUTES, HOUR, start, start + HOUR, revision=revision)
        await self._days_again(labels, revision)

    async def _days_again(self, labels: Sequence[int], revision: int) -> None:
        """Write the folded days and months of these five minutes once more, out of their hours."""
        days = sorted({start // DAY * DAY for start in labels})
        months = sorted({month_bounds(start, self._zone()) for start in labels})
        for to_s, spans in ((DAY, [(start, start + DAY) for start in days]), (MONTH, months)):
            await self._recorder.settled()
            for start, end in spans:
                if await self._is_folded(to_s, start):
                    await self._fold(HOUR, to_s, start, end, revision=None)
        if days:
            await self._judge_again(days, revision)

    async def _judge_again(self, days: Sequence[int], revision: int) -> None:
        """The 30 days that were judged last, where one of these days is among them."""
        await self._recorder.settled()
        folded = await self._store.starts(STATE, DAY, days[0], days[-1] + 31 * DAY, DAY)
        if folded and days[-1] >= max(folded) - 29 * DAY:
            end = max(folded) + DAY
            await self._fold(DAY, MONTH, end - 30 * DAY, end, revision=revision, keep=False)

    async def _fold(
        self, from_s: int, to_s: int, start: int, end: int, *, revision: int | None = 0, keep: bool = True
    ) -> bool:
        """[start, end) as one window of ``to_s``: said with this ``revision`` where that is not None, written where it
        is to be kept, in one transaction. Whether there was anything."""
        await self._recorder.settled()
        told: Told | None = None
        rows: list[WindowRow] = []
        drafts: list[MessageDraft] = []
        found, pace = False, Pace(self._clock)
        async for entity, plains in self._entities(from_s, to_s, start, end):
            found = True
            if revision is not None:
                told = told or self._folded(Window(start, end - start), revision)
            with self._boundary.around(PLACE, entity):
                if keep:
                    rows += await _rows(entity, plains, to_s, start, pace)
                if told is not None:
                    drafts += await told.take(entity, plains, pace)
        if told is not None:
            with self._boundary.around(PLACE, SITE):
                drafts += await told.end(pace)
        kept = self._kept() if told is not None else ()
        if rows or drafts or kept:
            self._recorder.put(Batch(windows=rows, counters=kept, drafts=drafts))
        return found

    async def _entities(
        self, from_s: int, to_s: int, start: int, end: int, *, only: Collection[str] | None = None
    ) -> AsyncIterator[tuple[str, Plains]]:
        """Each entity with its windows of [start, end) folded into one, by kind. A month of 4,800 ports is 3.5 million
        windows: no more than AT_ONCE of one device are in memory, and everything else gets its turn after each."""
        states = await self._states(from_s, start, end)
        whole = sorted(states)
        for entity in whole if only is None else sorted(states.keys() & set(only)):
            plains: dict[str, Any] = {}
            with self._boundary.around(PLACE, entity):
                state = states.pop(entity)
                if end - start > from_s:
                    state = StateSeconds.from_plain(state).whole(end - start).to_plain()
                plains[STATE] = state
                plains |= await self._beside(entity, from_s, start, end, bins=to_s not in {DAY, MONTH})
                if to_s == MONTH and PORTS in plains:
                    plains[PORTS] = await self._with_bins(entity, plains[PORTS], start, end)
            if plains:
                yield entity, plains
        for entity in (SITE, PROBE) if only is None else ():  # the site's wireless clients, the probe's own radio
            gear = None
            with self._boundary.around(PLACE, entity):
                gear = await self._one(entity, GEAR, from_s, start, end) if entity not in whole else None
            if gear is not None:
                yield entity, {GEAR: gear}

    async def _states(self, from_s: int, start: int, end: int) -> dict[str, Any]:
        """The states of [start, end) folded into one window, by entity."""
        states: dict[str, Any] = {}
        pace = Pace(self._clock)
        for length_s, first, last in _pieces(from_s, start, end):
            for at in range(first, last, length_s):
                for row in await self._store.windows(None, STATE, length_s, at, at + length_s):
                    folded = self._with(STATE, row.entity, _with(STATE, states.get(row.entity), [row.plain]))
                    if folded is not None:
                        states[row.entity] = folded
                    await pace.breathe()
        return states

    async def _beside(self, entity: str, from_s: int, start: int, end: int, *, bins: bool) -> dict[str, Any]:
        """The windows of this entity beside those of its state, by kind."""
        found = {}
        for kind in BESIDE_STATE:
            with self._boundary.around(f"{PLACE} of {kind}", entity):
                plain = await self._one(entity, kind, from_s, start, end, bins=bins)
                if plain is not None:
                    found[kind] = plain
        return found

    async def _one(self, entity: str, kind: str, from_s: int, start: int, end: int, *, bins: bool = True) -> Any | None:
        """The windows of one kind of one entity as one; None where there is none."""
        folded, pace = None, Pace(self._clock)
        for length_s, first, last in _pieces(from_s, start, end):
            for begin in range(first, last, AT_ONCE * length_s):
                rows = await self._store.windows(entity, kind, length_s, begin, min(last, begin + AT_ONCE * length_s))
                plains = [row.plain for row in rows]
                if plains:
                    made = await pace.aside(size_of(plains), partial(_with, kind, folded, plains, bins=bins))
                    folded = self._with(kind, entity, made)
                await pace.breathe()
        return folded

    def _with(self, kind: str, entity: str, made: tuple[Any | None, Sequence[ValueError]]) -> Any | None:
        """What was folded; what could not be read of it is counted."""
        folded, errors = made
        for error in errors:
            self._boundary.unread(kind, entity, error)
        return folded

    async def _with_bins(self, entity: str, plain: Any, start: int, end: int) -> Any:
        """The ports' window of 30 days or a month, with the 5-minute averages of those that are billed: hours hold the
        averages of all ports."""
        halves = halves_from_plain(plain)
        if halves.counted is None or not (billed := billed_ports(halves.counted)):
            return plain
        bins: dict[str, list[Bin]] = {key: [] for key in billed}
        pace = Pace(self._clock)
        for length_s, first, last in _pieces(HOUR, start, end):
            for begin in range(first, last, AT_ONCE * length_s):
                rows = await self._store.windows(entity, PORTS, length_s, begin, min(last, begin + AT_ONCE * length_s))
                hours = [half for row in rows if (half := halves_from_plain(row.plain).counted)]
                each, errors = await pace.aside(size_of(hours), partial(_bins_of_each, hours, billed))
                self._with(PORTS, entity, (None, errors))
                for found in each:
                    for key, some in found.items():
                        bins[key] += some
                await pace.breathe()
        return halves_to_plain(replace(halves, counted=with_bins(halves.counted, bins)))

    async def billed_again(self, now_utc: int) -> None:
        """What was made of the last 30 days of billed ports, for the page and the API of an agent that just started:
        nothing is said or written of it."""
        folded = await self._store.starts(STATE, DAY, now_utc - 31 * DAY, now_utc, DAY)
        if not folded:
            return
        end = max(folded) + DAY
        billed = set()
        for row in await self._store.windows(None, PORTS, DAY, end - DAY, end):
            half = halves_from_plain(row.plain).counted
            try:
                if half is not None and billed_ports(half):
                    billed.add(row.entity)
            except ValueError as error:
                self._boundary.unread(PORTS, row.entity, error)
        if billed:
            told, pace = self._folded(Window(end - 30 * DAY, 30 * DAY), AGAIN), Pace(self._clock)
            async for entity, plains in self._entities(DAY, MONTH, end - 30 * DAY, end, only=billed):
                with self._boundary.around(PLACE, entity):
                    await told.take(entity, plains, pace)

    async def _make_up(self, now_utc: int) -> None:
        """What was to be closed and folded while the agent was off, or could not be before it ended."""
        await self._recorder.settled()
        for start in await self._cut_short(now_utc):
            with self._boundary.around("making up"):
                await self._close_late(start)
        await self._recorder.settled()
        for length_s, start, end in await self._missing(now_utc):
            log.info("Making up for what began at %s.", datetime.fromtimestamp(start, UTC).isoformat())
            with self._boundary.around("making up"):
                await self._coarser(length_s, start, end)
            await self._recorder.settled()

    async def _cut_short(self, now_utc: int) -> list[int]:
        """The five minutes of which there are pieces and no more, because the agent did not live to close them."""
        present, starts = now_utc // FIVE_MINUTES * FIVE_MINUTES, self._store.starts
        days = await starts(STATE, FIVE_MINUTES, 0, present, DAY)
        pieces = set(await starts(ECHO, MINUTE, 0, present, FIVE_MINUTES))
        for kind in (PORTS, RESTARTS, FABRIC, GEAR):
            pieces |= set(await starts(kind, FIVE_MINUTES, days[-1] - DAY if days else 0, present, FIVE_MINUTES))
        if not pieces:
            return []
        closed = set(await starts(STATE, FIVE_MINUTES, min(pieces), present, FIVE_MINUTES))
        return sorted(pieces - closed)

    async def _missing(self, now_utc: int) -> list[tuple[int, int, int]]:
        """The hours, days and months (length, start, end) that have ended, of which finer windows tell, and that are
        not folded yet, or not with all of their hours; in the order in which they are to be folded."""
        starts, zone = self._store.starts, self._zone()
        known = await starts(STATE, FIVE_MINUTES, 0, now_utc, HOUR)
        folded = await starts(STATE, HOUR, 0, now_utc, HOUR)
        hours = sorted({start for start in known if start + HOUR <= now_utc} - set(folded))
        days = _now_whole(
            {(start // DAY * DAY, start // DAY * DAY + DAY) for start in (*folded, *hours)},
            {(start // DAY * DAY, start // DAY * DAY + DAY) for start in hours},
            await starts(STATE, DAY, 0, now_utc, DAY),
            now_utc,
        )
        # An hour of a zone of :30 or :45 reaches over the end of a month, and belongs to both.
        months = _now_whole(
            {month_bounds(at, zone) for start in (*folded, *hours) for at in (start, start + HOUR - 1)},
            {month_bounds(at, zone) for start in hours for at in (start, start + HOUR - 1)},
            await starts(STATE, MONTH, 0, now_utc, MINUTE),
            now_utc,
        )
        return [
            *[(HOUR, start, start + HOUR) for start in hours],
            *[(DAY, start, end) for start, end in days],
            *[(MONTH, start, end) for start, end in months],
        ]

    async def _close(self, label: int, flags: tuple[str, ...] = (), *, checks_known: bool = True) -> bool:
        """The five minutes that begin at ``label``, out of what lies in the store: echoes by the minute, states as
        changes, what SNMP told in pieces. Where they were closed before, what is different is written and said with a
        higher revision. Whether anything was. ``checks_known``: closed ones know best how often was looked."""
        await self._recorder.settled()
        end = label + FIVE_MINUTES
        closed: dict[str, list[WindowRow]] = defaultdict(list)
        for kind in (STATE, ECHO):
            for row in await self._store.windows(None, kind, FIVE_MINUTES, label, end):
                closed[row.entity].append(row)
        echoes = {row.entity for row in await self._store.windows(None, ECHO, MINUTE, label, end)}
        turns = await self._turns(label, end)
        devices = self._site.expected()
        revision = 1 + max((row.revision for rows in closed.values() for row in rows), default=-1)
        told, pace = self._folded(Window(label, FIVE_MINUTES), revision), Pace(self._clock)
        rows: list[WindowRow] = []
        drafts: list[MessageDraft] = []
        checks = 0
        for entity in sorted(e for e in {*echoes, *turns, *closed, *devices} if not is_internal(e)):
            with self._boundary.around("closing", entity):
                plains = await self._five(entity, label, turns.get(entity, ()), closed[entity] if checks_known else ())
                if entity == self._site.way_out():
                    checks = StateSeconds.from_plain(plains[STATE]).checks
                if entity not in closed and entity not in devices and len(plains) == 1 and _nothing(plains[STATE]):
                    continue
                anew = _changed(entity, label, plains, closed.get(entity, ()), revision)
                rows += anew
                said = await told.take(entity, plains, pace)
                drafts += said if anew else ()
            await pace.breathe()
        with self._boundary.around("closing", UPLINK):
            network = self._site.network(lambda entity: turns.get(entity, ()), label, end, checks, 0.0)
            if network is not None:
                plains = {STATE: network.to_plain()}
                rows += _changed(UPLINK, label, plains, closed.get(UPLINK, ()), revision)
                await told.take(UPLINK, plains, pace)
        drafts += await self._close_site(label, told, flags, pace)
        if rows:
            log.info("Closed the five minutes that began at %s.", datetime.fromtimestamp(label, UTC).isoformat())
            self._recorder.put(Batch(windows=rows, counters=self._kept(), drafts=drafts))
        return bool(rows)

    async def _close_site(self, label: int, told: Told, flags: tuple[str, ...], pace: Pace) -> list[MessageDraft]:
        """What is left of these five minutes when all devices were told."""
        drafts: list[MessageDraft] = []
        for entity in (SITE, PROBE):
            with self._boundary.around("closing", entity):
                gear = await self._one(entity, GEAR, FIVE_MINUTES, label, label + FIVE_MINUTES)
                if gear is not None:
                    drafts += await told.take(entity, {GEAR: gear}, pace)
        with self._boundary.around("closing", SITE):
            for draft in await told.end(pace):
                flagged = bool(flags) and draft.topic == "summary/site"
                drafts.append(replace(draft, body={**draft.body, "flags": list(flags)}) if flagged else draft)
        return drafts

    async def _turns(self, start: int, end: int) -> dict[str, list[Turn]]:
        """The changes of state that the window needs, by entity, as far back as the running agent keeps them."""
        turns: dict[str, list[Turn]] = defaultdict(list)
        for row in await self._store.state_changes(None, start - KEEP_S, end):
            if row.utc_at is not None and row.state in _STATES:
                turns[row.entity].append(Turn(row.utc_at, State(row.state)))
        ahead = self._not_yet(start, end)
        return {entity: _unknown_within(known, ahead) for entity, known in turns.items()} if ahead else turns

    async def _five(
        self, entity: str, label: int, turns: Sequence[Turn], closed: Sequence[WindowRow]
    ) -> dict[str, Any]:
        """All windows of one entity over five minutes, by kind."""
        end = label + FIVE_MINUTES
        plains: dict[str, Any] = {}
        for kind in BESIDE_STATE:
            plain = await self._one(entity, kind, FIVE_MINUTES, label, end)
            if kind == ECHO:
                minutes = await self._one(entity, ECHO, MINUTE, label, end)
                plain = max((p for p in (plain, minutes) if p is not None), key=_sent, default=None)
            if plain is not None:
                plains[kind] = plain
        states_before, errors = fold_readable(STATE, [row.plain for row in closed if row.kind == STATE])
        self._with(STATE, entity, (None, errors))
        known = StateSeconds.from_plain(states_before).checks if states_before is not None else 0
        if ECHO in plains:
            checks = max(known, _sent(plains[ECHO]))
        elif known:
            checks = known
        else:
            checks = _readings(plains[RESTARTS]) if RESTARTS in plains else 0
        states = state_seconds(turns, label, end, maintenance=self._planned(entity), checks=checks)
        return {STATE: states.to_plain(), **plains}

    async def _revision_of(self, start: int, length_s: int = FIVE_MINUTES) -> int:
        """The highest of the five minutes of this window."""
        await self._recorder.settled()
        rows = await self._store.windows(None, STATE, FIVE_MINUTES, start, start + length_s)
        return max((row.revision for row in rows), default=0)


def _changed(entity: str, label: int, plains: Plains, closed: Sequence[WindowRow], revision: int) -> list[WindowRow]:
    """What is to be written of this entity's states and echoes, which are one row each; nothing where it stands there
    already."""
    rows: list[WindowRow] = []
    for kind in (STATE, ECHO):
        known = [row for row in closed if row.kind == kind]
        before, odd = fold_readable(kind, [row.plain for row in known])
        if kind not in plains or (known and not odd and before == plains[kind]):
            continue
        first = known[0] if known else WindowRow(entity, kind, FIVE_MINUTES, "", 0.0, label, None)
        rows.append(replace(first, plain=plains[kind], revision=revision))
        nothing = (StateSeconds() if kind == STATE else EchoCounts()).to_plain()
        rows += [replace(row, plain=nothing, revision=revision) for row in known[1:]]
    return rows


def _unknown_within(turns: Sequence[Turn], spans: Sequence[tuple[float, float]]) -> list[Turn]:
    """The states with nothing known in these spans, whose order is that of time: what holds at present ends with the
    present, and the pass that counts from the end of a span on has said what it knew there."""
    found = list(turns)
    for start, end in spans:
        before = [turn for turn in found if turn.at < start]
        found = [*before, Turn(start, State.UNKNOWN), *(turn for turn in found if turn.at >= end)]
    return found


def _nothing(states: Any) -> bool:
    """Neither up nor down was known, planned work included."""
    known = StateSeconds.from_plain(states)
    return not known.known_ms and not known.maintenance_up_ms + known.maintenance_down_ms


def _readings(restarts: Any) -> int:
    halves = read_halves(RestartCounts.from_plain, restarts)
    return sum(half.readings for half in (halves.counted, halves.planned) if half is not None)


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be done of five minutes and of what they end."""

    label: int
    following: int
    close: bool = False
    flags: tuple[str, ...] = ()
    late: bool = False
    taken_over: bool = False


def _now_whole(
    told: set[tuple[int, int]], anew: set[tuple[int, int]], folded: Sequence[int], now_utc: int
) -> list[tuple[int, int]]:
    """Of the spans that hours tell of those that have ended and are not folded, or hold hours that are folded anew."""
    done = set(folded)
    return sorted((a, b) for a, b in told if b <= now_utc and (a not in done or (a, b) in anew))


def _ended(label: int, following: int, zone: ZoneInfo) -> list[tuple[int, int, int]]:
    """(length, start, end) of the hour, the day and the month that hold ``label`` and are over at ``following``."""
    spans = [
        (HOUR, label // HOUR * HOUR, label // HOUR * HOUR + HOUR),
        (DAY, label // DAY * DAY, label // DAY * DAY + DAY),
        (MONTH, *month_bounds(label, zone)),
    ]
    return [(length_s, start, end) for length_s, start, end in spans if end <= following]


def _pieces(from_s: int, start: int, end: int) -> list[tuple[int, int, int]]:
    """(length, from, to) of the finer windows that make up [start, end): those of ``from_s``, but five minutes where a
    month of a zone of :30 or :45 begins or ends within an hour."""
    first, last = -(-start // HOUR) * HOUR, end // HOUR * HOUR
    if from_s != HOUR or (first, last) == (start, end):
        return [(from_s, start, end)]
    return [
        *([(FIVE_MINUTES, start, first)] if start < first else []),
        (HOUR, first, last),
        *([(FIVE_MINUTES, last, end)] if last < end else []),
    ]


def _sent(echo: Any) -> int:
    """Planned work included."""
    halves = read_halves(EchoCounts.from_plain, echo)
    return sum(half.sent for half in (halves.counted, halves.planned) if half is not None)


def _with(
    kind: str, folded: Any | None, plains: Sequence[Any], *, bins: bool = True
) -> tuple[Any | None, list[ValueError]]:
    return fold_readable(kind, plains if folded is None else [folded, *plains], bins=bins)


def _bins_of_each(
    hours: Sequence[Any], ports: Collection[str]
) -> tuple[list[dict[str, tuple[Bin, ...]]], list[ValueError]]:
    found: list[dict[str, tuple[Bin, ...]]] = []
    errors: list[ValueError] = []
    for hour in hours:
        try:
            found.append(bins_of(hour, ports))
        except ValueError as error:
            errors.append(error)
    return found, errors


async def _rows(entity: str, plains: Plains, length_s: int, start: int, pace: Pace) -> list[WindowRow]:
    rows = []
    for kind, whole in plains.items():
        plain = without_bins(whole) if kind == PORTS and length_s in {DAY, MONTH} else whole
        rows.append(WindowRow(entity, kind, length_s, "", 0.0, start, compact(plain)))
        await pace.breathe()
    return rows
