"""Names to addresses, again and again: a name that does not resolve delays nothing and is said (FIELD: smokeping)."""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping

from collectors.clock import Clock

log = logging.getLogger("sonda.resolve")

EVERY_S = 300.0
AGAIN_S = 30.0
LIMIT_S = 5.0


class Resolver:
    """Keeps the present address of each wanted name. ``changed`` is called when any of them moved."""

    def __init__(self, clock: Clock, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._changed = changed
        self._wanted: frozenset[str] = frozenset()
        self._known: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._asked = asyncio.Event()

    @property
    def addresses(self) -> Mapping[str, str]:
        """Name to numeric address; the last good one is kept while a name does not resolve."""
        return self._known

    async def want(self, names: frozenset[str]) -> None:
        """Resolve these from now on; returns after the first try of each, or LIMIT_S."""
        self._wanted = names
        self._known = {n: a for n, a in self._known.items() if n in names}
        self._failed = {n: why for n, why in self._failed.items() if n in names}
        await self._round()
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if not self._wanted:
                await self._asked.wait()
            self._asked.clear()
            await self._clock.sleep(AGAIN_S if self._failed else EVERY_S)
            if await self._round():
                self._changed()

    async def _round(self) -> bool:
        moved = await asyncio.gather(*(self._one(name) for name in sorted(self._wanted)))
        return any(moved)

    async def _one(self, name: str) -> bool:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LIMIT_S):
                found = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except TimeoutError:
            return self._unresolved(name, "the name server did not answer in time")
        except OSError as error:
            return self._unresolved(name, error.strerror or str(error))
        self._failed.pop(name, None)
        address = str(found[0][4][0])
        moved = self._known.get(name) != address
        self._known[name] = address
        return moved

    def _unresolved(self, name: str, why: str) -> bool:
        if self._failed.get(name) != why:
            log.warning("The name %s does not resolve (%s); it is tried again every %d s.", name, why, AGAIN_S)
        self._failed[name] = why
        return False
