"""What the page draws of Wi-Fi and power over the last day: the site's wireless clients, and how long the battery would
last. Out of the five-minute windows in the store; of those only what came since is read again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.boundary import Boundary
from agent.store.model import FIVE_MINUTES, WindowRow
from agent.windows import GEAR
from kpi.entities import SITE
from kpi.entry import Part
from kpi.gear_counts import GearCounts
from kpi.model import Role
from kpi.planned import read_halves

LINE_S = 86_400
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Amount:
    """One window: [start_utc, start_utc + 300). ``value`` is the mean of clients, or the least minutes of battery."""

    start_utc: int
    value: float


class Windows(Protocol):
    """What is asked of the store (agent.store.store.Store)."""

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        """Windows that start within [from_utc, to_utc)."""


class GearPast:
    """Keeps what was read."""

    def __init__(self, store: Windows, boundary: Boundary | None = None) -> None:
        self._store = store
        self._boundary = boundary or Boundary()
        self._supplies: frozenset[str] = frozenset()
        self._read_to = 0
        self._found: dict[Part, dict[int, float]] = {}

    async def read(self, roles: Mapping[str, Role], complete_utc: int) -> dict[Part, list[Amount]]:
        """By part, in order of time. Windows from ``complete_utc`` on are not whole yet. Raises StoreError."""
        supplies = frozenset(device for device, role in roles.items() if role is Role.UPS)
        if supplies != self._supplies:
            self._supplies, self._read_to, self._found = supplies, 0, {}
        oldest = complete_utc - LINE_S
        at = max(self._read_to, oldest)
        while at < complete_utc:  # an hour at a time: no reader is held for long
            end = min(at + HOUR_S, complete_utc)
            for entity in (SITE, *sorted(supplies)):
                for row in await self._store.windows(entity, GEAR, FIVE_MINUTES, at, end):
                    self._take(row)
            self._read_to = at = end
        self._found = {part: {t: v for t, v in line.items() if t >= oldest} for part, line in self._found.items()}
        return {part: [Amount(t, line[t]) for t in sorted(line)] for part, line in self._found.items() if line}

    def _take(self, row: WindowRow) -> None:
        if row.start_utc is None:
            return
        try:
            counts = read_halves(GearCounts.from_plain, row.plain).counted
        except ValueError as error:
            self._boundary.unread(GEAR, row.entity, error)
            return
        levels = counts.levels if counts is not None else {}
        at = row.start_utc // FIVE_MINUTES * FIVE_MINUTES
        if row.entity == SITE:
            if "clients" in levels:
                self._found.setdefault(Part.WIFI, {})[at] = levels["clients"].mean
        elif "runtime" in levels:
            line, least = self._found.setdefault(Part.POWER, {}), levels["runtime"].least
            line[at] = min(least, line.get(at, least))
