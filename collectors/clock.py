"""The one place that reads a clock or sleeps. Everything else is handed a Clock.

Wall time only labels; durations are monotonic (kpi/README.md R5). Tests use tests/doubles.py:ManualClock.
"""

import asyncio
import ctypes
import time
from enum import StrEnum
from pathlib import Path
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


class ClockTrust(StrEnum):
    """How much the wall clock can be believed."""

    SYNCHRONISED = "synchronised"
    """A time daemon says so (adjtimex, or systemd-timesyncd's mark)."""
    UNVERIFIED = "unverified"
    """Nobody vouches for it, but it is not behind what is known to have passed."""
    UNSET = "unset"
    """Behind what is known to have passed, or a time daemon is still looking for its servers: no dates yet."""


def clock_trust(utc: float, not_before_utc: float, timesync: Path = Path("/run/systemd/timesync")) -> ClockTrust:
    """Judge the wall clock now. ``not_before_utc`` is a time known to lie in the past (the last one stored)."""
    if _kernel_synchronised() or (timesync / "synchronized").exists():
        return ClockTrust.SYNCHRONISED
    if utc < not_before_utc or timesync.is_dir():
        return ClockTrust.UNSET
    return ClockTrust.UNVERIFIED


def _kernel_synchronised() -> bool:
    """adjtimex(2): any return but TIME_ERROR means that somebody disciplines the clock."""
    answer = int(_libc.adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS)))
    return answer not in {-1, _TIME_ERROR}


_TIMEX_OCTETS = 256  # struct timex is 208 octets on 64-bit Linux, less on 32-bit; modes = 0 reads only
_TIME_ERROR = 5
_libc = ctypes.CDLL(None, use_errno=True)
