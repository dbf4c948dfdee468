"""Long work gives way to everything else on the loop again and again: no echo waits for a fold.

What is slow is done in slices: between two entities, two ports or two columns it calls ``breathe``, which lets the rest
of the loop have its turn once SLICE_S has gone by. A pure function that cannot be cut is called ``aside``.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from collectors.clock import Clock

SLICE_S = 0.008
"""At a stretch: a Raspberry Pi is two to three times slower than what it was measured on, and is to give way every
20 ms (agent/README.md)."""
LARGE = 3000
"""Values in a window (ports times columns, readings) from which on it is dealt with aside: what takes some 5 ms."""

T = TypeVar("T")


class Pace:
    """Of one piece of work, from its beginning."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()

    async def breathe(self) -> None:
        """Go on at once, or after everybody else where SLICE_S is over."""
        if self._clock.monotonic() - self._since >= SLICE_S:
            await asyncio.sleep(0)
            self._since = self._clock.monotonic()

    async def aside(self, size: int, call: Callable[[], T]) -> T:
        """``call()``, which must be pure: in a thread where ``size`` is LARGE. There it has the interpreter for 5 ms at
        a time, which is Python's own measure."""
        await self.breathe()
        if size < LARGE:
            return call()
        found = await asyncio.to_thread(call)
        self._since = self._clock.monotonic()
        return found

    async def all_of(self, items: Iterable[T]) -> list[T]:
        """What these make, one after the other."""
        found = []
        for item in items:
            found.append(item)
            await self.breathe()
        return found


def size_of(plain: Any) -> int:
    """About how many values there are in the JSON types of windows: nobody counts them one by one."""
    if isinstance(plain, Mapping):
        return sum(size_of(inner) for inner in plain.values())
    if isinstance(plain, list | tuple):
        return sum(map(size_of, plain)) if plain and isinstance(plain[0], Mapping) else len(plain)
    return 1
