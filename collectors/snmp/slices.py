"""Long work in short pieces: the loop has its turn in between, so that nothing else waits for a device of 2,000 ports.

A piece is what takes some 2 ms on two cores of a virtual machine, and so below 20 ms on a Raspberry Pi.
"""

from collections.abc import AsyncIterator, Generator, Sequence
from typing import TypeVar, cast

from collectors.clock import Clock

T = TypeVar("T")

STEPS_AT_ONCE = 32
"""Rows of a table that are read before the loop has its turn: 2 to 3 ms (measured)."""
SLICE_S = 0.004
"""Sooner, where this has gone by: a text that is made for it costs a pattern 30 ms, in each row."""


async def in_slices(clock: Clock, items: Sequence[T], size: int) -> AsyncIterator[Sequence[T]]:
    """``items`` in pieces of ``size`` at most; the loop has its turn after each. What took longer than SLICE_S makes
    the next piece as much smaller, down to a single one."""
    start, at_once = 0, size
    while start < len(items):
        began = clock.monotonic()
        yield items[start : start + at_once]
        start += at_once
        took = clock.monotonic() - began
        at_once = min(size, max(1, int(at_once * SLICE_S / took))) if took > 0 else size
        await clock.sleep(0)


async def by_and_by(steps: Generator[None, None, T], clock: Clock, at_once: int = STEPS_AT_ONCE) -> T:
    """What the steps give; the loop has its turn after so many of them, or after SLICE_S."""
    since, done = clock.monotonic(), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("T", end.value)
        done += 1
        if done >= at_once or clock.monotonic() - since >= SLICE_S:
            await clock.sleep(0)
            since, done = clock.monotonic(), 0


def at_once(steps: Generator[None, None, T]) -> T:
    """All the steps without a pause, and what they give."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("T", end.value)
