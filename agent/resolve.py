"""Names to addresses, again and again: a name that does not resolve delays nothing and is said (FIELD: smokeping).

Look-ups have threads of their own (agent/threads.py): a name server that does not answer holds each for half a minute,
and takes them from nobody else. Names that were never asked for come first, then the one that is due for longest. A
name that had no answer is asked for ever more rarely, and such names hold a quarter of the threads at most. A name
keeps the address that it has while that is still among the answers, and over a restart: what was found before is used
at once, and said to be old until the name resolves again.
"""

import asyncio
import contextlib
import heapq
import logging
import math
import random
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from agent.boundary import Boundary
from agent.threads import ThreadFailed, start_thread
from collectors.clock import Clock
from kpi.stored import table, text

log = logging.getLogger("sonda.resolve")

EVERY_S = 300.0
"""Between two look-ups of a name; and the most between those of a name that has no answer."""
AGAIN_S = 30.0
"""The same while any name fails; and the first pause of a name that had no answer, which doubles."""
LIMIT_S = 5.0
"""How long an answer is waited for; its thread may be held for longer."""
GATHER_S = 1.0
"""What is found meanwhile makes one plan."""
SAY_S = 600.0
"""Between two lines of the log with the same cause."""
SHOWN = 3
"""Names in such a line."""
THREADS = 32
"""Look-ups at a time, those that a dead name server still holds among them."""
UNANSWERED_THREADS = 8
"""Those of them for names that had no answer the last time."""
KEPT = 4096
"""Addresses that are kept over a restart."""
PLACE = "name"
"""The boundary's name for what is done here."""
UNRESOLVED = "name_not_resolved"
NOT_ASKED = "name_not_asked"
"""Reasons of AGENT_FAULT where there is no address: it was asked for in vain, or its turn has not come yet."""
NO_ANSWER = "the name server did not answer in time"

LookUp = Callable[[str], Sequence[str]]
"""All addresses of a name, in the resolver's order; blocks. Raises OSError, or ValueError for what is no name."""


def look_up(name: str) -> list[str]:
    """By the system's resolver."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return [str(address[0]) for _, _, _, _, address in found]


@dataclass(slots=True)
class _Turn:
    """When a name is asked for again."""

    asked_at: float = -math.inf
    held: bool = False
    """A thread is out for it."""
    unanswered: int = 0
    """Look-ups in a row that the name server did not answer."""
    pause_s: float = 0.0
    """After such a one."""
    tried: asyncio.Event = field(default_factory=asyncio.Event)


class Resolver:
    """Keeps the present address of each wanted name. ``changed`` is called when any of them moved."""

    def __init__(
        self,
        clock: Clock,
        changed: Callable[[], Awaitable[None]],
        *,
        keep: Callable[[Mapping[str, str]], None] = lambda _addresses: None,
        boundary: Boundary | None = None,
        look_up: LookUp = look_up,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """``keep(addresses)`` persists all of them, after each change. ``jitter()`` is between 0 and 1."""
        self._clock = clock
        self._changed = changed
        self._keep = keep
        self._boundary = boundary or Boundary()
        self._look_up = look_up
        self._jitter = jitter
        self._turns: dict[str, _Turn] = {}
        self._out: dict[str, _Turn] = {}
        """Names that a thread is out for, wanted or not any more."""
        self._hearing: set[asyncio.Task[None]] = set()
        """Look-ups whose answer is waited for."""
        self._known: dict[str, str] = {}
        self._old: set[str] = set()
        self._failed: dict[str, str] = {}
        self._moved = False
        self._news_at: float | None = None
        """Since when there is something to give on."""
        self._unsaid: dict[str, dict[str, None]] = {}
        """Names that began to fail, by cause."""
        self._said_at: dict[str, float] = {}
        self._woken = asyncio.Event()

    @property
    def addresses(self) -> Mapping[str, str]:
        """Name to numeric address; the last good one is kept while a name does not resolve."""
        return self._known

    def document(self) -> dict[str, Any]:
        """For /api/v1/agent: which names do not resolve, which still wait for their first turn, and whose address is
        one of before the last start."""
        return {
            "wanted": len(self._turns),
            "unresolved": dict(sorted(self._failed.items())),
            "waiting": sorted(name for name in self._turns if self.lacking(name) == NOT_ASKED),
            "old": sorted(self._old),
        }

    def lacking(self, name: str) -> str:
        """Why this name has no address: the reason of its AGENT_FAULT."""
        return UNRESOLVED if name in self._failed or name in self._known else NOT_ASKED

    def resume(self, plain: Any) -> None:
        """What the run before has kept. ValueError for what cannot be read."""
        known = {name: text(address) for name, address in table(plain).items()}
        for address in known.values():
            ip_address(address)
        self._known = known
        self._old = set(known)

    async def want(self, names: frozenset[str]) -> None:
        """Resolve these from now on; returns after the first try of each, or LIMIT_S; at once where an address of each
        is known, which is then looked up beside the rest. The caller takes the addresses; ``changed`` is not called."""
        self._turns = {name: self._turns.get(name) or self._out.get(name) or _Turn() for name in sorted(names)}
        self._known = {n: a for n, a in self._known.items() if n in names}
        self._old &= names
        self._failed = {n: why for n, why in self._failed.items() if n in names}
        if new := [self._turns[name] for name in names - self._known.keys() - self._failed.keys()]:
            self._begin()
            begun = set(self._hearing)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIMIT_S):
                    await asyncio.gather(*(turn.tried.wait() for turn in new))
            if begun:
                await asyncio.wait(begun)  # at their limit too: a dead name server is said once, with all of them
            self._said_at.clear()  # these settings are new, and their names are said
            self._settle()
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._begin()
            now = self._clock.monotonic()
            if self._news_at is None:
                self._say()
            elif (not self._hearing or now - self._news_at >= GATHER_S) and self._settle():
                await self._changed()
            await self._wait(self._next_s(now))

    async def _wait(self, seconds: float) -> None:
        """So long, or until there is something to do."""
        self._woken.clear()
        sleeping: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._woken.wait())]
        if seconds < math.inf:
            sleeping.append(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(sleeping, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in sleeping:
                future.cancel()

    def _next_s(self, now: float) -> float:
        """Until something is due. What waits for a thread begins when one comes back."""
        if self._hearing:
            return GATHER_S
        dues = [self._due(turn) for turn in self._turns.values() if not turn.held]
        dues += [self._said_at[why] + SAY_S for why in self._unsaid if why in self._said_at]
        return min((due - now for due in dues if due > now), default=math.inf)

    def _due(self, turn: _Turn) -> float:
        if turn.unanswered:
            return turn.asked_at + turn.pause_s
        return turn.asked_at + (AGAIN_S if self._failed else EVERY_S)

    def _begin(self) -> None:
        """Look up as many of those that are due as there are threads for."""
        room = THREADS - len(self._out)
        if room <= 0:
            return
        now = self._clock.monotonic()
        due = [
            (name in self._known, self._due(turn), name)
            for name, turn in self._turns.items()
            if not turn.held and self._due(turn) <= now
        ]
        spared = UNANSWERED_THREADS - sum(turn.unanswered > 0 for turn in self._out.values())
        asked = heapq.nsmallest(room, (d for d in due if not self._turns[d[2]].unanswered))
        unanswered = heapq.nsmallest(
            max(0, min(spared, room - len(asked))), ((at, name) for _, at, name in due if self._turns[name].unanswered)
        )
        for name in (*(name for _, _, name in asked), *(name for _, name in unanswered)):
            self._ask(name, self._turns[name], now)

    def _ask(self, name: str, turn: _Turn, now: float) -> None:
        turn.asked_at, turn.held, self._out[name] = now, True, turn

        def ended() -> None:
            turn.held = False
            del self._out[name]
            self._begin()

        found = start_thread(lambda: self._look_up(name), "look_up", ended)
        task = asyncio.create_task(self._hear(name, turn, found), name=f"name {name}")
        self._hearing.add(task)
        task.add_done_callback(self._heard)

    def _heard(self, task: asyncio.Task[None]) -> None:
        self._hearing.discard(task)
        if not self._hearing:
            self._woken.set()

    async def _hear(self, name: str, turn: _Turn, answer: "asyncio.Future[Sequence[str]]") -> None:
        with self._boundary.around(PLACE, name):
            try:
                async with asyncio.timeout(LIMIT_S):
                    found = await answer
            except TimeoutError:
                self._unanswered(turn)
                self._unresolved(name, NO_ANSWER)
            except OSError as error:
                if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                    self._unanswered(turn)
                else:
                    turn.unanswered = 0
                self._unresolved(name, error.strerror or str(error))
            except (ValueError, ThreadFailed):  # UnicodeError: what can be no name
                turn.unanswered = 0
                self._unresolved(name, "it cannot be asked for")
            else:
                turn.unanswered = 0
                if found:
                    self._resolved(name, found)
                else:
                    self._unresolved(name, "it has no address")
        turn.tried.set()

    def _unanswered(self, turn: _Turn) -> None:
        """Half a minute, then twice as long each time up to five; a quarter less at random, so that they spread."""
        pause_s = AGAIN_S * 2.0 ** min(turn.unanswered, 10)
        turn.unanswered += 1
        turn.pause_s = min(EVERY_S, pause_s) * (1 - self._jitter() / 4)

    def _resolved(self, name: str, found: Sequence[str]) -> None:
        if name not in self._turns:
            return
        self._failed.pop(name, None)
        self._old.discard(name)
        if self._known.get(name) not in found:  # several take turns at being the first
            self._known[name] = found[0]
            self._moved = True
            self._has_news()

    def _unresolved(self, name: str, why: str) -> None:
        if name not in self._turns:
            return
        if self._failed.get(name) != why:
            self._unsaid.setdefault(why, {})[name] = None
            self._has_news()
        self._failed[name] = why

    def _has_news(self) -> None:
        if self._news_at is None:
            self._news_at = self._clock.monotonic()

    def _settle(self) -> bool:
        """Keep and say what is new; whether any address has moved."""
        self._news_at = None
        moved, self._moved = self._moved, False
        if moved:
            with self._boundary.around(PLACE, "kept"):
                self._keep(dict(list(self._known.items())[:KEPT]))
        self._say()
        return moved

    def _say(self) -> None:
        """One line a cause, with how many names it has: a name server that is dead fails them all."""
        now = self._clock.monotonic()
        for why in [w for w in self._unsaid if now - self._said_at.get(w, -math.inf) >= SAY_S]:
            names = [name for name in self._unsaid.pop(why) if self._failed.get(name) == why]
            if names:
                self._said_at[why] = now
                self._say_cause(why, names)

    def _say_cause(self, why: str, names: Sequence[str]) -> None:
        old = [name for name in names if name in self._old]
        kept = f" Of {len(old)} the address of before the start is used." if old else ""
        if len(names) == 1:
            kept = f" Its address of before the start, {self._known[old[0]]}, is used." if old else ""
            log.warning("The name %s does not resolve (%s); it is tried again.%s", names[0], why, kept)
            return
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        shown = ", ".join(names[:SHOWN]) + more
        log.warning("%d names do not resolve (%s): %s; they are tried again.%s", len(names), why, shown, kept)
