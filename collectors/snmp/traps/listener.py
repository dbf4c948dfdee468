"""What stands before any decoding: who is known, how much a source may send, how much may wait.

A datagram of an unknown source costs a look into a dictionary; buckets exist for known sources alone, so no flood of
made-up addresses fills the memory or pushes a device's bucket out.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from collectors.clock import Clock
from collectors.snmp.traps.bucket import Bucket
from collectors.snmp.traps.inlet import Datagram, Inlet
from collectors.snmp.traps.model import Fate, TrapCounters

BURST = 60.0
"""Datagrams of one source at once: a switch of 48 ports that restarts says linkUp for each, and a few words more."""
RATE = 2.0
"""A second of one source in the long run. More tells nothing that a poll a few seconds later would not."""
WAITING_MAX = 256
"""Datagrams that wait to be read, all sources together: four switches that restart at once."""
AT_ONCE = 128
"""Datagrams read from the socket before the loop goes on: well below a millisecond."""


class Listener:
    """Sorts what comes in; ``next`` hands out what may be decoded. Needs a running loop between open and close."""

    def __init__(self, clock: Clock, inlet: Inlet, counters: TrapCounters) -> None:
        self._clock = clock
        self._inlet = inlet
        self._counters = counters
        self._sources: Mapping[str, str] = {}
        self._buckets: dict[str, Bucket] = {}
        self._waiting: deque[tuple[str, Datagram]] = deque()
        self._some = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Datagrams that wait to be read."""
        return len(self._waiting)

    def know(self, sources: Mapping[str, str]) -> None:
        """Devices by their addresses (inlet.canonical); of others nothing is read."""
        self._sources = sources
        for gone in self._buckets.keys() - sources.keys():
            del self._buckets[gone]

    def open(self, guarded: Callable[[Callable[[], None]], object]) -> None:
        """Listen; ``guarded`` calls what reads, and catches what is unexpected in it."""
        asyncio.get_running_loop().add_reader(self._inlet.fileno(), guarded, self._read)

    def close(self) -> None:
        """Stop listening; the inlet stays open."""
        asyncio.get_running_loop().remove_reader(self._inlet.fileno())

    async def next(self) -> tuple[str, Datagram]:
        """(device, datagram), in the order they came; waits for one."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()

    def _read(self) -> None:
        now = self._clock.monotonic()
        for _ in range(AT_ONCE):
            datagram = self._inlet.read()
            if datagram is None:
                return
            self._counters.received += 1
            fate = self._sort(datagram, now)
            if fate is not None:
                self._counters.fates[fate] += 1

    def _sort(self, datagram: Datagram, now: float) -> Fate | None:
        device = self._sources.get(datagram.source)
        if device is None:
            return Fate.UNKNOWN_SOURCE
        bucket = self._buckets.get(datagram.source)
        if bucket is None:
            bucket = self._buckets[datagram.source] = Bucket(RATE, BURST, now)
        if not bucket.take(now):
            return Fate.DROPPED_RATE
        if not datagram.whole:
            return Fate.UNDECODABLE
        if len(self._waiting) >= WAITING_MAX:
            return Fate.DROPPED_BUSY
        self._waiting.append((device, datagram))
        self._some.set()
        return None
