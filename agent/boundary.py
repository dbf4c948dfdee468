"""The one place that catches the unexpected, wherever one entity is worked on (agent/README.md, "One boundary").

Expected failures are Outcomes (kpi/model.py) and never come here. What comes here is a fault of ours: it costs this
entity this figure and nobody else; it is logged with its traceback once a streak, counted, and becomes AGENT_FAULT
(whoever is told that a run failed makes the sample). Cancellation passes through; so does whatever ends the process.
Where an error and a cancellation of the task meet (a TaskGroup inside it fails while it is cancelled, and gives the
errors alone), the error is counted, and the cancellation goes on: whoever loops around what failed would outlive it.

    with boundary.around("fold", device) as attempt:
        ...
    if attempt.failed: ...

``place`` is one of a handful of constants in the code ("poll", "fold", "page"), ``entity`` a device's id, a port's, ""
where there is only one.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

log = logging.getLogger("sonda.boundary")

T = TypeVar("T")

Passing = type[Exception] | tuple[type[Exception], ...]

MOST_STREAKS = 4096
"""Of so many it is remembered that they fail; the failures of further ones are only counted."""
TRACEBACKS = 8
"""Entities that fail in one place at the same time are logged with their traceback up to this number, the others in a
line: a fault that strikes 500 devices is one fault."""
SHOWN = 32
"""Of those that fail now, in the agent's own document."""


@dataclass(slots=True)
class Streak:
    """One entity that fails in one place, again and again."""

    place: str
    entity: str
    count: int
    """Failures in a row."""
    error: str
    """The class of the last one: its text may hold what must not be shown."""


class Boundary:
    """Runs what may fail. ``faults`` counts failures by place since the start."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.unread_rows: Counter[str] = Counter()
        """What was read back from the store and could not be used, by kind."""
        self._streaks: dict[tuple[str, str], Streak] = {}
        self._open: Counter[str] = Counter()
        """Streaks by place."""

    def around(self, place: str, entity: str = "", *, passing: Passing = ()) -> "Attempt":
        """For ``with``: an exception inside ends the block, and goes no further, unless it is one of ``passing``, or
        a group that has one in it."""
        return Attempt(self, place, entity, passing)

    def value(self, place: str, entity: str, make: Callable[[], T], otherwise: Callable[[], T]) -> T:
        """What ``make()`` returned; ``otherwise()`` where it raised."""
        with self.around(place, entity):
            return make()
        return otherwise()

    def unread(self, kind: str, entity: str, error: ValueError) -> None:
        """Count what was stored (a row of another version, or an odd one) and is left out; the first of each kind is
        logged."""
        self.unread_rows[kind] += 1
        if self.unread_rows[kind] == 1:
            log.warning(
                "Left out what is stored as %s: %s. Further ones are only counted.", _named(kind, entity), error
            )

    def forget(self, entity: str) -> None:
        """This entity is watched no more."""
        for key in [key for key in self._streaks if key[1] == entity]:
            self._end(key)

    def document(self) -> dict[str, Any]:
        """For /api/v1/agent: failures since the start by place, stored rows that were left out, and who fails now."""
        now = list(self._streaks.values())
        return {
            "total": self.faults.total(),
            "by_place": dict(self.faults),
            "unread_rows": dict(self.unread_rows),
            "failing": len(now),
            "now": [
                {"place": s.place, "entity": s.entity, "in_a_row": s.count, "error": s.error} for s in now[-SHOWN:]
            ],
        }

    def failed(self, place: str, entity: str, error: Exception) -> None:
        """Count and log one failure."""
        self.faults[place] += 1
        key, kind = (place, entity), type(error).__name__
        streak = self._streaks.get(key)
        if streak is not None:
            streak.count += 1
            streak.error = kind
            return
        if len(self._streaks) >= MOST_STREAKS:
            return
        self._streaks[key] = Streak(place, entity, 1, kind)
        self._open[place] += 1
        log.error(
            "%s failed unexpectedly; the next failures in a row are only counted",
            _named(place, entity),
            exc_info=error if self._open[place] <= TRACEBACKS else None,
        )

    def recovered(self, place: str, entity: str) -> None:
        """It went well this time."""
        if (streak := self._end((place, entity))) is not None:
            log.info("%s works again after %d failures in a row", _named(place, entity), streak.count)

    def _end(self, key: tuple[str, str]) -> Streak | None:
        streak = self._streaks.pop(key, None)
        if streak is not None:
            self._open[key[0]] -= 1
        return streak

    @property
    def failing(self) -> bool:
        """Whether anybody fails now."""
        return bool(self._streaks)


class Attempt:
    """One run inside the boundary. ``failed`` says afterwards whether it raised."""

    __slots__ = ("_boundary", "_entity", "_passing", "_place", "failed")

    def __init__(self, boundary: Boundary, place: str, entity: str, passing: Passing) -> None:
        self._boundary, self._place, self._entity, self._passing = boundary, place, entity, passing
        self.failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            if self._boundary.failing:
                self._boundary.recovered(self._place, self._entity)
            return False
        if not isinstance(error, Exception) or _has(error, self._passing):
            return False
        self.failed = True
        self._boundary.failed(self._place, self._entity, error)
        if _is_cancelled():
            raise asyncio.CancelledError from error
        return True


def _has(error: Exception, kinds: Passing) -> bool:
    if isinstance(error, ExceptionGroup):
        return error.subgroup(kinds) is not None
    return isinstance(error, kinds)


def _is_cancelled() -> bool:
    """Whether the task that runs here was asked to end. Worker threads have none."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


def _named(place: str, entity: str) -> str:
    return f"{place} of {entity}" if entity else place
