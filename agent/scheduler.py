"""When things are measured: aligned ticks, stable splay, no drift, no overlap, bounded concurrency.

Monotonic time only. Due times lie on a grid of SLOT_S, so that many targets share one wake-up of the loop: a wake-up
from idle costs 160 to 210 us of CPU on a virtual machine, as much as ten echoes (measured: 500 targets at 1 Hz cost
35 us an echo on a grid of 20 ms and 31 on one of 40), and a finer splay buys nothing.
"""

import asyncio
import hashlib
import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agent.boundary import Boundary
from collectors.clock import Clock

SLOT_S = 0.04
APART_S = 10.0
"""A job whose turn comes sooner after its first run has no run before its turn, so that the two do not meet."""
TICK, JOB = "tick", "poll"
"""The boundary's places."""
OVERLAP, DEADLINE, UNEXPECTED = "overlap", "deadline", "unexpected"
"""Why there is no measurement: the run before still went on; it was cut off; it failed by a fault of ours."""


@dataclass(slots=True)
class _Entry:
    key: str
    slots: int
    """The interval, in slots."""
    first_of: "_Entry | None" = None
    """Set in what comes once: the job whose first run it is."""
    tick: Callable[[], None] | None = None
    job: Callable[[], Awaitable[None]] | None = None
    deadline_s: float = 0.0
    failed: Callable[[str], None] | None = None
    task: asyncio.Task[None] | None = None
    again: bool = False
    removed: bool = False


@dataclass(slots=True)
class SchedulerCounters:
    """Since the start: what ran, what was skipped because the run before still went on, what passed its deadline,
    and the ticks that fell out because the whole process had stood still."""

    runs: int = 0
    overlaps: int = 0
    deadlines: int = 0
    missed: int = 0
    progress_at: float = field(default=0.0)
    """Monotonic seconds of the last pass; the watchdog is fed by it."""


def splay(key: str, slots: int) -> int:
    """A stable offset of this key within its interval, in slots: the same after every restart."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % slots


class Scheduler:
    """Fires ticks (plain calls, for echoes) and runs jobs (coroutines, one at a time a key)."""

    def __init__(self, clock: Clock, boundary: Boundary, *, concurrency: int = 256) -> None:
        self.counters = SchedulerCounters(progress_at=clock.monotonic())
        self._clock = clock
        self._boundary = boundary
        self._room = asyncio.Semaphore(concurrency)
        self._entries: dict[str, _Entry] = {}
        self._wheel: dict[int, list[_Entry]] = {}
        self._due: list[int] = []
        self._changed = asyncio.Event()
        self._stopping = False

    def add_tick(
        self, key: str, interval_s: float, tick: Callable[[], None], failed: Callable[[str], None] | None = None
    ) -> None:
        """Call ``tick()`` every ``interval_s``. It must return at once. ``failed(UNEXPECTED)`` hears of one that
        raised."""
        self._add(_Entry(key, _slots(interval_s), tick=tick, failed=failed))

    def add_job(
        self,
        key: str,
        interval_s: float,
        deadline_s: float,
        job: Callable[[], Awaitable[None]],
        failed: Callable[[str], None],
        *,
        first_within_s: float | None = None,
    ) -> None:
        """Run ``job()`` every ``interval_s``; cancelled at ``deadline_s``, which lies below the interval.

        ``failed(reason)`` is called instead where the run before has not ended (OVERLAP), after a run that was cut
        off (DEADLINE), and after one that raised (UNEXPECTED).
        Where its turn is APART_S later or more, it runs once within ``first_within_s`` besides.
        """
        if not 0 < deadline_s < interval_s:
            raise ValueError(f"{key}: the deadline ({deadline_s} s) must lie below the interval ({interval_s} s)")
        entry = _Entry(key, _slots(interval_s), job=job, deadline_s=deadline_s, failed=failed)
        due = self._add(entry)
        if first_within_s is not None:
            first = self._now_slot() + splay(f"first {key}", _slots(first_within_s))
            if due - first > _slots(APART_S):
                self._insert(first, _Entry(key, 0, first_of=entry))

    def remove(self, key: str) -> None:
        """Forget this key; a run under way is cancelled."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.removed = True
            if entry.task is not None:
                entry.task.cancel()

    def run_soon(self, key: str) -> None:
        """One extra run now, or as soon as the one under way has ended; the schedule itself stays."""
        entry = self._entries.get(key)
        if entry is None:
            return
        if entry.task is not None and not entry.task.done():
            entry.again = True
        else:
            self._fire(entry)

    def stop(self) -> None:
        """No new ticks; ``run`` returns once the runs under way have ended."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Until ``stop`` or cancellation."""
        try:
            while not self._stopping:
                self.counters.progress_at = now = self._clock.monotonic()
                self._fire_due(now)
                self._changed.clear()
                wait = self._due[0] * SLOT_S - self._clock.monotonic() if self._due else 1.0
                if wait > 0:
                    await self._wait(min(wait, 1.0))
            await asyncio.gather(*self._running(), return_exceptions=True)
        finally:
            running = self._running()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _wait(self, seconds: float) -> None:
        if self._entries:
            await self._clock.sleep(seconds)
            return
        sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        changed = asyncio.ensure_future(self._changed.wait())
        await asyncio.wait((sleeper, changed), return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeper, changed):
            task.cancel()

    def _running(self) -> list[asyncio.Task[None]]:
        return [e.task for e in self._entries.values() if e.task is not None and not e.task.done()]

    def _now_slot(self) -> int:
        return int(self._clock.monotonic() / SLOT_S) + 1

    def _add(self, entry: _Entry) -> int:
        self.remove(entry.key)
        self._entries[entry.key] = entry
        now_slot = self._now_slot()
        due = now_slot + (splay(entry.key, entry.slots) - now_slot) % entry.slots
        self._insert(due, entry)
        self._changed.set()
        return due

    def _insert(self, slot: int, entry: _Entry) -> None:
        waiting = self._wheel.get(slot)
        if waiting is None:
            self._wheel[slot] = [entry]
            heapq.heappush(self._due, slot)
        else:
            waiting.append(entry)

    def _fire_due(self, now: float) -> None:
        now_slot = int(now / SLOT_S + 1e-6)
        while self._due and self._due[0] <= now_slot:
            slot = heapq.heappop(self._due)
            for entry in self._wheel.pop(slot):
                if entry.first_of is not None:
                    if not entry.first_of.removed:
                        self.run_soon(entry.key)
                    continue
                if entry.removed:
                    continue
                following = slot + entry.slots
                if following <= now_slot:  # the process stood still: the ticks between are gone, not made up for
                    gone = (now_slot - following) // entry.slots + 1
                    self.counters.missed += gone
                    following += gone * entry.slots
                self._insert(following, entry)
                self._fire(entry)

    def _fire(self, entry: _Entry) -> None:
        self.counters.runs += 1
        if entry.tick is not None:
            with self._boundary.around(TICK, entry.key) as attempt:
                entry.tick()
            if attempt.failed:
                self._say(entry, UNEXPECTED)
        elif entry.task is not None and not entry.task.done():
            self.counters.overlaps += 1
            self._say(entry, OVERLAP)
        else:
            entry.task = asyncio.create_task(self._run_job(entry), name=f"job {entry.key}")

    async def _run_job(self, entry: _Entry) -> None:
        job = entry.job
        if job is None:
            return
        async with self._room:
            try:
                async with asyncio.timeout(entry.deadline_s):
                    with self._boundary.around(JOB, entry.key) as attempt:
                        await job()
                if attempt.failed:
                    self._say(entry, UNEXPECTED)
            except TimeoutError:
                self.counters.deadlines += 1
                self._say(entry, DEADLINE)
        if entry.again and not entry.removed and not self._stopping:
            entry.again = False
            self.counters.runs += 1
            entry.task = asyncio.create_task(self._run_job(entry), name=f"job {entry.key}")

    def _say(self, entry: _Entry, reason: str) -> None:
        failed = entry.failed
        if failed is not None:
            with self._boundary.around("saying that a run failed", entry.key):
                failed(reason)


def _slots(interval_s: float) -> int:
    return max(1, round(interval_s / SLOT_S))
