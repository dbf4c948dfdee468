"""Long work on the loop gives way to everything else again and again: an echo waits for no fold.

What is slow is done in slices: between two entities, two ports or two columns it calls ``breathe``, which lets the rest
of the loop have its turn once SLICE_S has gone by. A thread would not do: pure Python in one takes the interpreter from
the loop just the same.
"""

import asyncio

from collectors.clock import Clock

SLICE_S = 0.008
"""At a stretch: a Raspberry Pi is two to three times slower than what it was measured on, and is to give way every
20 ms (DESIGN section 10)."""


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
