"""Names to addresses, again and again: a name that does not resolve delays nothing and is said (FIELD: smokeping).

Look-ups have a few threads of their own (agent/threads.py): a dead name server, which holds each for half a minute,
takes them from nobody else. A name keeps the address that it has while that is still among the answers, and over a
restart: what was found before is used at once, and said to be old until the name resolves again.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.boundary import Boundary
from agent.threads import ThreadFailed, Threads
from collectors.clock import Clock

log = logging.getLogger("sonda.resolve")

EVERY_S = 300.0
AGAIN_S = 30.0
LIMIT_S = 5.0
PATIENCE_S = 30.0
"""How long a name waits for a thread."""
THREADS = 8
"""Look-ups at a time, those that a dead name server still holds among them."""
KEPT = 4096
"""Addresses that are kept over a restart."""
PLACE = "name"
"""The boundary's name for what is done here."""

LookUp = Callable[[str], Sequence[str]]
"""All addresses of a name, in the resolver's order; blocks. Raises OSError, or ValueError for what is no name."""


def look_up(name: str) -> list[str]:
    """By the system's resolver."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return [str(address[0]) for _, _, _, _, address in found]


class Resolver:
    """Keeps the present address of each wanted name. ``changed`` is called when any of them moved."""

    def __init__(
        self,
        clock: Clock,
        changed: Callable[[], None],
        *,
        keep: Callable[[Mapping[str, str]], None] = lambda _addresses: None,
        boundary: Boundary | None = None,
        look_up: LookUp = look_up,
    ) -> None:
        """``keep(addresses)`` persists all of them, after each change."""
        self._clock = clock
        self._changed = changed
        self._keep = keep
        self._boundary = boundary or Boundary()
        self._look_up = look_up
        self._threads = Threads(THREADS, LIMIT_S, PATIENCE_S)
        self._wanted: frozenset[str] = frozenset()
        self._known: dict[str, str] = {}
        self._old: set[str] = set()
        self._failed: dict[str, str] = {}
        self._asked = asyncio.Event()

    @property
    def addresses(self) -> Mapping[str, str]:
        """Name to numeric address; the last good one is kept while a name does not resolve."""
        return self._known

    def document(self) -> dict[str, Any]:
        """For /api/v1/agent: which names do not resolve, and whose address is one of before the last start."""
        return {"wanted": len(self._wanted), "unresolved": dict(sorted(self._failed.items())), "old": sorted(self._old)}

    def resume(self, addresses: Mapping[str, str]) -> None:
        """What the run before has kept."""
        self._known = dict(addresses)
        self._old = set(addresses)

    async def want(self, names: frozenset[str]) -> None:
        """Resolve these from now on; returns after the first try of each, or LIMIT_S; at once where an address of each
        is known, which is then looked up beside the rest."""
        self._wanted = names
        self._known = {n: a for n, a in self._known.items() if n in names}
        self._old &= names
        self._failed = {n: why for n, why in self._failed.items() if n in names}
        if new := sorted(names - self._known.keys()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIMIT_S):
                    await self._round(new)
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wait()
            self._asked.clear()
            if await self._round(sorted(self._wanted)):
                self._changed()

    async def _wait(self) -> None:
        """Until names are due, or others are wanted whose addresses are old."""
        if not self._wanted:
            await self._asked.wait()
        if self._asked.is_set() and (self._wanted - self._known.keys() | self._old) - self._failed.keys():
            return
        self._asked.clear()
        await self._clock.sleep(AGAIN_S if self._failed else EVERY_S)

    async def _round(self, names: Sequence[str]) -> bool:
        before = dict(self._known)
        await asyncio.gather(*(self._one(name) for name in names))
        if moved := self._known != before:
            with self._boundary.around(PLACE, "kept"):
                self._keep(dict(list(self._known.items())[:KEPT]))
        return moved

    async def _one(self, name: str) -> None:
        with self._boundary.around(PLACE, name):
            try:
                found = await self._threads.run(self._look_up, name)
            except TimeoutError:
                self._unresolved(name, "the name server did not answer in time")
            except OSError as error:
                self._unresolved(name, error.strerror or str(error))
            except (ValueError, ThreadFailed):  # UnicodeError: what can be no name
                self._unresolved(name, "it cannot be asked for")
            else:
                if found:
                    self._resolved(name, found)
                else:
                    self._unresolved(name, "it has no address")

    def _resolved(self, name: str, found: Sequence[str]) -> None:
        if name not in self._wanted:
            return
        self._failed.pop(name, None)
        self._old.discard(name)
        if self._known.get(name) not in found:  # several take turns at being the first
            self._known[name] = found[0]

    def _unresolved(self, name: str, why: str) -> None:
        if self._failed.get(name) != why:
            old = f" Its address of before the start, {self._known[name]}, is used." if name in self._old else ""
            log.warning("The name %s does not resolve (%s); it is tried again every %d s.%s", name, why, AGAIN_S, old)
        self._failed[name] = why
