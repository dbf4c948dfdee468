"""Doubles that tests share. ManualClock stands still until a test advances it, so no test sleeps."""

import asyncio
import heapq
import itertools


class ManualClock:
    """A Clock that a test moves. ``await clock.advance(s)`` wakes sleepers in order and lets the loop run dry."""

    def __init__(self, monotonic: float = 1000.0, utc: float = 1_700_000_100.0) -> None:
        self._mono_ns = round(monotonic * 1e9)
        self._offset_ns = round(utc * 1e9) - self._mono_ns
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        return self._mono_ns / 1e9

    def monotonic_ns(self) -> int:
        return self._mono_ns

    def utc(self) -> float:
        return (self._mono_ns + self._offset_ns) / 1e9

    def utc_ns(self) -> int:
        return self._mono_ns + self._offset_ns

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._mono_ns + round(seconds * 1e9), next(self._order), future))
        await future

    def step_wall(self, seconds: float) -> None:
        """The wall clock jumps (NTP, an operator); the monotonic one does not."""
        self._offset_ns += round(seconds * 1e9)

    async def advance(self, seconds: float) -> None:
        """Move time on, waking every sleeper that falls due on the way, in order."""
        end = self._mono_ns + round(seconds * 1e9)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._mono_ns = max(self._mono_ns, due)
            if not future.done():
                future.set_result(None)
            await self._settle()
        self._mono_ns = end
        await self._settle()

    def stop(self, seconds: float) -> None:
        """The process is stopped for so long: time passes, and nobody is woken before the next ``advance``."""
        self._mono_ns += round(seconds * 1e9)

    @staticmethod
    async def _settle() -> None:
        """Until nothing is ready any more, looked at in three turns (a socket's answer takes one), or for twenty."""
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        quiet = 0
        for _ in range(20):
            await asyncio.sleep(0)
            quiet = 0 if ready else quiet + 1
            if quiet == 3:
                return
