"""Levels that are read now and then, as integrals over windows: a value holds from its reading to the next (rule R1).

It holds at most two periods; from there on it is unknown. The period is what the readings show: a table may be read
each minute, every five minutes or once an hour.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kpi.gear_counts import HUNDREDTHS, Level
from kpi.states import VALID_PERIODS

PERIOD_S = 300.0
"""Until readings show another: as often as counters are read."""
LONGEST_PERIOD_S = 3600.0
"""Static tables are read once an hour."""

Segment = tuple[int, int, int, bool]
"""From, to (ms), hundredths, and whether a reading stands at its beginning."""
Segments = defaultdict[str, list[Segment]]
"""By the level's name."""


@dataclass(slots=True)
class _Held:
    value: int
    since_ms: int
    """From where on it is not in a segment yet."""
    seen_ms: int
    period_ms: int
    fresh: bool = True


class HeldLevels:
    """The present levels of one device, by name."""

    __slots__ = ("_held", "_last_ms")

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._last_ms: int | None = None

    def take(self, at: float, values: Mapping[str, float], into: Segments) -> None:
        """All levels that one poll read at ``at`` (monotonic seconds); what they end goes ``into`` the open window."""
        now = ms_of(at)
        quiet = now - self._last_ms if self._last_ms is not None else 0
        self._last_ms = now
        for name, value in values.items():
            hundredths = round(value * HUNDREDTHS)
            before = self._held.get(name)
            if before is None:
                self._held[name] = _Held(hundredths, now, now, ms_of(PERIOD_S))
                continue
            _extend(before, now, into[name])
            before.period_ms = _period(before, now, quiet)
            before.value, before.seen_ms, before.fresh = hundredths, now, True
            before.since_ms = max(now, before.since_ms)

    def pass_to(self, end: float, into: Segments) -> None:
        """A window ends: what holds, holds on in the next; what is too old is forgotten."""
        now = ms_of(end)
        for name, held in list(self._held.items()):
            _extend(held, now, into[name])
            if _valid_until(held) < now - ms_of(LONGEST_PERIOD_S):
                del self._held[name]


def levels_of(segments: Mapping[str, Iterable[Segment]]) -> dict[str, Level]:
    """The window's levels."""
    levels = {}
    for name, parts in segments.items():
        level = _level(parts)
        if level is not None:
            levels[name] = level
    return levels


def ms_of(at: float) -> int:
    """Whole milliseconds."""
    return round(at * 1000)


def _extend(held: _Held, to_ms: int, into: list[Segment]) -> None:
    until = min(to_ms, _valid_until(held))
    if until > held.since_ms or held.fresh:
        into.append((held.since_ms, max(until, held.since_ms), held.value, held.fresh))
    held.fresh = False
    held.since_ms = max(held.since_ms, to_ms)


def _valid_until(held: _Held) -> int:
    return held.seen_ms + round(VALID_PERIODS * held.period_ms)


def _period(held: _Held, now_ms: int, quiet_ms: int) -> int:
    """An extra poll in between does not shorten it at once, and silence of the whole device is no period."""
    gap = now_ms - held.seen_ms
    if gap > VALID_PERIODS * held.period_ms and 2 * quiet_ms > gap:
        return held.period_ms
    return min(max(gap, held.period_ms // 2), ms_of(LONGEST_PERIOD_S))


def _level(parts: Iterable[Segment]) -> Level | None:
    n = ms = total = 0
    values: list[int] = []
    for start, end, value, fresh in parts:
        n += fresh
        ms += end - start
        total += value * (end - start)
        values.append(value)
    return Level(n, ms, min(values), max(values), total) if values else None
