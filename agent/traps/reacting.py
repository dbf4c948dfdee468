"""What follows from a trap: its device is asked at once, and an event is said."""

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from collectors.clock import Clock
from collectors.snmp.traps.bucket import Bucket
from collectors.snmp.traps.model import Trap

ASK_EVERY_S = 5.0
"""A device is asked at most so often because of traps."""
EVENTS_BURST = 60.0
"""Events of one device at once: a switch of 48 ports that restarts."""
EVENTS_PER_S = 0.1
"""And in the long run: a device that storms does not fill the outbox."""


class Reacting:
    """Limits what traps can cause. Devices that are gone are forgotten."""

    def __init__(self, clock: Clock, ask_again: Callable[[str], None], event: Callable[..., None]) -> None:
        """``ask_again(device)`` makes one extra poll; ``event(kind, **body)`` says something to the servers."""
        self._clock = clock
        self._ask_again = ask_again
        self._event = event
        self._asked: dict[str, float] = {}
        self._later: dict[str, asyncio.Task[None]] = {}
        self._events: dict[str, Bucket] = {}
        self._unsaid: dict[str, int] = {}

    def only(self, devices: AbstractSet[str]) -> None:
        """Forget the others."""
        for kept in (self._asked, self._events, self._unsaid):
            for gone in kept.keys() - devices:
                del kept[gone]
        for gone in self._later.keys() - devices:
            self._later.pop(gone).cancel()

    def close(self) -> None:
        """What was to be asked later is not."""
        for task in self._later.values():
            task.cancel()
        self._later.clear()

    def take(self, device: str, name: str, trap: Trap) -> None:
        """An accepted trap of this device, ``name`` of its kind."""
        now = self._clock.monotonic()
        due = self._asked.get(device, -ASK_EVERY_S) + ASK_EVERY_S
        if now >= due:
            self._ask(device)
        elif device not in self._later:  # what this trap tells of came after the last poll: one more when it may be
            self._later[device] = asyncio.create_task(self._ask_later(device, due - now), name=f"trap {device}")
        self._say(device, name, trap, now)

    def _ask(self, device: str) -> None:
        self._asked[device] = self._clock.monotonic()
        self._ask_again(device)

    async def _ask_later(self, device: str, seconds: float) -> None:
        await self._clock.sleep(seconds)
        del self._later[device]
        self._ask(device)

    def _say(self, device: str, name: str, trap: Trap, now: float) -> None:
        bucket = self._events.get(device)
        if bucket is None:
            bucket = self._events[device] = Bucket(EVENTS_PER_S, EVENTS_BURST, now)
        if not bucket.take(now):
            self._unsaid[device] = self._unsaid.get(device, 0) + 1
            return
        told: dict[str, Any] = {
            "device": device,
            "trap": name,
            "oid": trap.oid,
            "version": trap.version,
            "inform": trap.confirmed,
            "varbinds": [{"oid": oid, "value": value} for oid, value in trap.varbinds],
        }
        if trap.left_out:
            told["varbinds_left_out"] = trap.left_out
        if trap.ifindex is not None:
            told["ifindex"] = trap.ifindex
        if unsaid := self._unsaid.pop(device, 0):
            told["unsaid"] = unsaid
        self._event("trap", **told)
