"""Hours, days and months: pure folds of finer windows as they lie in the store, so that doing it again gives the same.

Runs beside the closing of windows and never holds it up. What was missed while the agent was off is made up for at the
start.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from agent.messages import MessageDraft
from agent.recorder import Recorder
from agent.store.model import DAY, FIVE_MINUTES, HOUR, MINUTE, MONTH, Batch, StateRow, WindowRow
from agent.windows import ECHO, FABRIC, GEAR, NETWORK, PORTS, RESTARTS, STATE
from kpi.echo import EchoCounts, merge_echo
from kpi.fabric_counts import FabricCounts, merge_fabric
from kpi.gear_counts import GearCounts, merge_gear
from kpi.merge import merge_port_maps
from kpi.model import State, Window
from kpi.port_counts import ports_window_from_plain, ports_window_to_plain
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
KINDS = tuple(_FOLDING)
MAKE_UP_HOURS = 48
AT_ONCE = 24


class Reads(Protocol):
    """What folding needs of the store."""

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        """See agent.store.store.Store.windows."""

    async def state_changes(self, entity: str | None, from_utc: float, to_utc: float) -> Sequence[StateRow]:
        """See agent.store.store.Store.state_changes."""


def fold(kind: str, plains: Iterable[Any]) -> Any:
    """Plain windows of one entity in order of time, as one. Raises ValueError for no windows, or an unknown version,
    KeyError for an unknown kind."""
    windows = list(plains)
    if not windows:
        raise ValueError("there is nothing to fold")
    read, merge, write = _FOLDING[kind]
    return write(reduce(merge, map(read, windows)))


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
        folded: Callable[[Window, Mapping[str, Mapping[str, Any]], int], Iterable[Sequence[MessageDraft]]],
    ) -> None:
        """``folded(window, plains by kind and entity, revision)`` gives the messages of a window, a device at a time;
        the 30 days that end with a day are only judged, not kept."""
        self._store = store
        self._recorder = recorder
        self._zone = zone
        self._folded = folded
        self._due: asyncio.Queue[int] = asyncio.Queue()

    def five_closed(self, label: int) -> None:
        """The five minutes that begin at ``label`` were put to the recorder."""
        end = label + FIVE_MINUTES
        if end % HOUR == 0:
            self._due.put_nowait(end - HOUR)

    async def dated(self, first_utc: float, now_utc: float) -> None:
        """The clock was set, and the store has dated what was measured since ``first_utc``: say it, and fold it."""
        first, last = (int(utc) // FIVE_MINUTES * FIVE_MINUTES for utc in (first_utc, now_utc))
        for start in range(first, last, FIVE_MINUTES):
            plains = await self._fold(FIVE_MINUTES, FIVE_MINUTES, start, start + FIVE_MINUTES)
            if plains:
                self._recorder.put(Batch(drafts=await self._say(Window(start, FIVE_MINUTES), plains)))
                self.five_closed(start)

    async def run(self, now_utc: int | None) -> None:
        """Until cancelled. ``now_utc`` is None where the clock is not set: then there is nothing to make up for."""
        if now_utc is not None:
            await self._make_up(now_utc)
        while True:
            hour = await self._due.get()
            await self.hour(hour)

    async def hour(self, start: int) -> None:
        """Fold the hour that begins at ``start``, and the day and the month where it ends one, also where the agent was
        off in that hour."""
        await self._longer(FIVE_MINUTES, HOUR, start, start + HOUR)
        end = start + HOUR
        if end % DAY == 0:
            await self._longer(HOUR, DAY, end - DAY, end)
            await self._judge_30_days(end)
        month, month_end = month_bounds(start, self._zone())
        if month_end == end:
            await self._longer(HOUR, MONTH, month, end)

    async def _longer(self, from_s: int, to_s: int, start: int, end: int) -> None:
        await self._recorder.settled()
        folded = await self._fold(from_s, to_s, start, end)
        if folded:
            drafts = await self._say(Window(start, end - start), folded)
            self._recorder.put(Batch(windows=_rows(folded, to_s, start), drafts=drafts))

    async def _judge_30_days(self, end: int) -> None:
        await self._recorder.settled()
        start = end - 30 * DAY
        if folded := await self._fold(DAY, MONTH, start, end):
            await self._say(Window(start, end - start), folded)

    async def again(self, labels: Sequence[int], revision: int) -> None:
        """Five minutes whose states were computed again: say them with a higher revision, and write what they are
        folded into once more, silently."""
        await self._recorder.settled()
        for start in labels:
            plains = await self._fold(FIVE_MINUTES, FIVE_MINUTES, start, start + FIVE_MINUTES)
            drafts = await self._say(Window(start, FIVE_MINUTES), plains, revision)
            self._recorder.put(Batch(drafts=drafts))
        hours = sorted({start // HOUR * HOUR for start in labels})
        days = sorted({start // DAY * DAY for start in labels})
        months = sorted({month_bounds(start, self._zone()) for start in labels})
        for from_s, to_s, spans in (
            (FIVE_MINUTES, HOUR, [(start, start + HOUR) for start in hours]),
            (HOUR, DAY, [(start, start + DAY) for start in days]),
            (HOUR, MONTH, months),
        ):
            await self._recorder.settled()
            for start, end in spans:
                if await self._store.windows(None, STATE, to_s, start, start + 1):  # what is not folded yet, will be
                    folded = await self._fold(from_s, to_s, start, end)
                    self._recorder.put(Batch(windows=_rows(folded, to_s, start)))

    async def _say(
        self, window: Window, plains: Mapping[str, Mapping[str, Any]], revision: int = 0
    ) -> list[MessageDraft]:
        drafts: list[MessageDraft] = []
        for some in self._folded(window, plains, revision):
            drafts += some
            await asyncio.sleep(0)
        return drafts

    async def _fold(self, from_s: int, to_s: int, start: int, end: int) -> dict[str, dict[str, Any]]:
        """By kind and entity. A month of 4,800 ports is 3.5 million windows: no more than AT_ONCE of one device are in
        memory beside what they are folded into, and everything else gets its turn after each device."""
        folded: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        for begin in range(start, end, AT_ONCE * from_s):
            until = min(end, begin + AT_ONCE * from_s)
            for kind in KINDS:
                for entity in sorted(folded[STATE]) if kind == PORTS else [None]:
                    rows = await self._store.windows(entity, kind, from_s, begin, until)
                    await self._fold_in(folded[kind], kind, rows, bins=to_s not in {DAY, MONTH})
        if end - start > from_s:
            folded[STATE] = {
                entity: StateSeconds.from_plain(plain).whole(end - start).to_plain()
                for entity, plain in folded[STATE].items()
            }
        return folded if any(folded.values()) else {}

    async def _fold_in(self, folded: dict[str, Any], kind: str, rows: Sequence[WindowRow], *, bins: bool) -> None:
        by_entity: dict[str, list[Any]] = defaultdict(list)
        for row in rows:
            by_entity[row.entity].append(row.plain)
        for entity, plains in by_entity.items():
            before = [folded[entity]] if entity in folded else []
            one = fold(kind, [*before, *plains])
            folded[entity] = one if bins or kind != PORTS else _without_bins(one)
            await asyncio.sleep(0)

    async def _make_up(self, now_utc: int) -> None:
        last = now_utc // HOUR * HOUR
        first = last - MAKE_UP_HOURS * HOUR
        await self._recorder.settled()
        cut_short = await self._cut_short(first, now_utc // FIVE_MINUTES * FIVE_MINUTES)
        if cut_short is not None:
            await self._close(cut_short)
        await self._recorder.settled()
        done = {row.start_utc for row in await self._store.windows(None, STATE, HOUR, first, last)}
        coarser = {
            (row.length_s, row.start_utc)
            for length_s, back in ((DAY, DAY), (MONTH, 32 * DAY))
            for row in await self._store.windows(None, STATE, length_s, first - back, last)
        }
        for start in range(first, last, HOUR):
            if start in done:
                continue
            end = start + HOUR
            month, month_end = month_bounds(start, self._zone())
            ended = [(DAY, end - DAY)] if end % DAY == 0 else []
            ended += [(MONTH, month)] if month_end == end else []
            missing = any(
                window not in coarser and any(window[1] <= hour < end for hour in done if hour is not None)
                for window in ended
            )
            if missing or await self._store.windows(None, STATE, FIVE_MINUTES, start, end):
                log.info("Making up for the hour that began at %s.", datetime.fromtimestamp(start, UTC).isoformat())
                await self.hour(start)
                done.add(start)

    async def _cut_short(self, first: int, last: int) -> int | None:
        """The five minutes in which the agent was alive last, where it did not live to close them. Read backwards, five
        minutes at a time: two days of minutes are half a million windows."""
        for start in range(last - FIVE_MINUTES, first - 1, -FIVE_MINUTES):
            if await self._store.windows(None, ECHO, MINUTE, start, start + FIVE_MINUTES):
                closed = await self._store.windows(None, STATE, FIVE_MINUTES, start, start + FIVE_MINUTES)
                return None if closed else start
        return None

    async def _close(self, start: int) -> None:
        """The five minutes that begin at ``start``, out of their minutes and the states that were written at once."""
        end = start + FIVE_MINUTES
        plains = {ECHO: (await self._fold(MINUTE, FIVE_MINUTES, start, end)).get(ECHO, {})}
        turns: dict[str, list[Turn]] = defaultdict(list)
        for row in await self._store.state_changes(None, start, end):
            if row.utc_at is not None:
                turns[row.entity].append(Turn(row.utc_at, State(row.state)))
        plains[STATE] = {}
        for entity in plains[ECHO].keys() | turns.keys():
            echo = plains[ECHO].get(entity)
            checks = EchoCounts.from_plain(echo).sent if echo is not None else 0
            states = state_seconds(turns.get(entity, ()), start, end, checks=checks)
            if echo is not None or states.known_ms:
                plains[STATE][entity] = states.to_plain()
        if await self._store.windows(NETWORK, STATE, FIVE_MINUTES, start - HOUR, start):
            plains[STATE][NETWORK] = StateSeconds(unknown_ms=1000 * FIVE_MINUTES).to_plain()
        drafts = await self._say(Window(start, FIVE_MINUTES), plains)
        log.info("Closed the five minutes that began at %s.", datetime.fromtimestamp(start, UTC).isoformat())
        self._recorder.put(Batch(windows=_rows(plains, FIVE_MINUTES, start), drafts=drafts))


def _without_bins(plain: Any) -> Any:
    return ports_window_to_plain({k: c.without_bins() for k, c in ports_window_from_plain(plain).items()})


def _rows(folded: Mapping[str, Mapping[str, Any]], length_s: int, start: int) -> list[WindowRow]:
    return [
        WindowRow(entity, kind, length_s, "", 0.0, start, plain)
        for kind, by_entity in folded.items()
        for entity, plain in by_entity.items()
    ]
