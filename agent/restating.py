"""Planned work that is entered late (KPI.md R4): the states of closed windows are computed again, and said again.

The figures of a closed five minutes come from stored changes of state, so they can be computed again at any time. What
comes out differently is written with a higher revision; hours, days and months are folded once more.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from agent.core import DEVICE
from agent.folds import Folds
from agent.recorder import Recorder
from agent.site import SitePlan
from agent.store.model import FIVE_MINUTES, Batch, StateRow, WindowRow
from agent.windows import STATE
from kpi.model import State
from kpi.states import StateSeconds, Turn, merge_states, state_seconds

log = logging.getLogger("sonda.windows")

LOOK_BACK_S = 31 * 86_400
"""Planned work that ended longer ago changes nothing any more: its month has been reported."""
OUTAGE_S = 86_400.0
"""How far before a window changes are read, for the full length of an outage that goes on in it."""

SAME_MS = 1000
"""Stored times are rounded; planned work that differs by less is the same."""

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


class Restating:
    """Computes closed five minutes again."""

    def __init__(self, store: Reads, recorder: Recorder, folds: Folds) -> None:
        self._store = store
        self._recorder = recorder
        self._folds = folds

    async def planned(self, before: Iterable[Planned], plan: SitePlan, now_utc: float) -> int:
        """``before`` was planned until now, and ``plan`` is from now on. How many five minutes came out differently."""
        changed = set(before) ^ set(plan.maintenance)
        devices: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for ids, start, end in changed:
            for device in ids:
                devices[device].append((max(start, now_utc - LOOK_BACK_S), min(end, now_utc)))
        await self._recorder.settled()
        revisions: dict[int, int] = {}
        for device, spans in sorted(devices.items()):
            intervals = [(a, b) for ids, a, b in plan.maintenance if device in ids]
            for start, end in spans:
                if start < end:
                    await self._device(device, start, end, intervals, revisions)
        if revisions:
            await self._folds.again(sorted(revisions), max(revisions.values()))
            log.info("Planned work was entered late: %d five minutes are said again.", len(revisions))
        return len(revisions)

    async def _device(
        self,
        device: str,
        start: float,
        end: float,
        intervals: Sequence[tuple[float, float]],
        revisions: dict[int, int],
    ) -> None:
        first = int(start) // FIVE_MINUTES * FIVE_MINUTES
        pieces: dict[int, list[WindowRow]] = defaultdict(list)
        for row in await self._store.windows(device, STATE, FIVE_MINUTES, first, int(end)):
            if row.start_utc is not None:
                pieces[row.start_utc].append(row)
        turns = [
            Turn(row.utc_at, State(row.state))
            for row in await self._store.state_changes(device, first - OUTAGE_S, end + FIVE_MINUTES)
            if row.utc_at is not None and row.aspect == DEVICE
        ]
        rows: list[WindowRow] = []
        for label, found in pieces.items():
            was = StateSeconds.from_plain(found[0].plain)
            for piece in found[1:]:
                was = merge_states(was, StateSeconds.from_plain(piece.plain))
            now = state_seconds(turns, label, label + FIVE_MINUTES, maintenance=intervals, checks=was.checks)
            if abs(now.maintenance_ms - was.maintenance_ms) <= SAME_MS:
                continue
            revision = max(row.revision for row in found) + 1
            revisions[label] = max(revision, revisions.get(label, 0))
            whole, *others = found
            rows.append(replace(whole, plain=now.to_plain(), revision=revision))
            rows += [replace(row, plain=StateSeconds().to_plain(), revision=revision) for row in others]
        if rows:
            self._recorder.put(Batch(windows=rows))
