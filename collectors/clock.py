"""The one place that reads a clock or sleeps. Everything else is handed a Clock.

Wall time only labels; durations are monotonic (KPI.md R5). Tests use tests/doubles.py:ManualClock.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds as float, nanoseconds as int; both clocks can be read in either."""

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of the monotonic clock."""

    def utc(self) -> float:
        """Seconds since the epoch, from the wall clock; may step."""

    def utc_ns(self) -> int:
        """Nanoseconds since the epoch, from the wall clock (CLOCK_REALTIME, as the kernel's packet stamps)."""

    async def sleep(self, seconds: float) -> None:
        """Return after that much monotonic time."""


class SystemClock:
    """The machine's clocks."""

    monotonic = staticmethod(time.monotonic)
    monotonic_ns = staticmethod(time.monotonic_ns)
    utc = staticmethod(time.time)
    utc_ns = staticmethod(time.time_ns)
    sleep = staticmethod(asyncio.sleep)
