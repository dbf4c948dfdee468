"""The one place that catches the unexpected. A failing target never reaches the daemon; cancellation passes through.

Expected failures are Outcomes (kpi/model.py) and never come here. What comes here is a fault of ours: it is logged
with its traceback once a streak, counted, and becomes AGENT_FAULT (whoever is told that a run failed makes the sample).
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

log = logging.getLogger("sonda.boundary")

T = TypeVar("T")


class Boundary:
    """Runs what may fail. ``faults`` counts failures by key since the start."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self._streak: Counter[str] = Counter()

    async def guard(self, key: str, run: Callable[[], Awaitable[None]]) -> bool:
        """True where ``run()`` returned, False where it raised; ``key`` names whose streak it is."""
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - the boundary: the unexpected is logged here and nowhere else
            self._failed(key, error)
            return False
        self._recovered(key)
        return True

    async def result(self, key: str, run: Callable[[], Awaitable[T]]) -> T | None:
        """What ``run()`` returned, None where it raised."""
        kept: list[T] = []

        async def keep() -> None:
            kept.append(await run())

        await self.guard(key, keep)
        return kept[0] if kept else None

    def guard_call(self, key: str, run: Callable[[], None]) -> bool:
        """The same for a plain call; True where it returned."""
        try:
            run()
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            self._failed(key, error)
            return False
        if self._streak:
            self._recovered(key)
        return True

    def _failed(self, key: str, error: Exception) -> None:
        self.faults[key] += 1
        self._streak[key] += 1
        if self._streak[key] == 1:
            log.error("%s failed unexpectedly; the next failures in a row are only counted", key, exc_info=error)

    def _recovered(self, key: str) -> None:
        if streak := self._streak.pop(key, 0):
            log.info("%s works again after %d failures in a row", key, streak)
