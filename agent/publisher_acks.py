"""PUBACKs on their way into the store: many share one commit."""

import asyncio
import logging

from agent.messages import Outbox
from agent.store.errors import StoreUnwritable
from collectors.clock import Clock

log = logging.getLogger("sonda.mqtt")

DISK_FULL_S = 30.0


class Acknowledger:
    """Collects acknowledged numbers for ``linger_s`` and commits them together. Outlives connections."""

    def __init__(self, outbox: Outbox, clock: Clock, linger_s: float) -> None:
        self._outbox = outbox
        self._clock = clock
        self._linger_s = linger_s
        self._pending: list[tuple[str, int]] = []
        self._settled: set[int] = set()
        self._committed: set[int] = set()
        self._some = asyncio.Event()
        self._lock = asyncio.Lock()
        self._stream = outbox.stream
        self.disk_full = False

    def __contains__(self, seq: int) -> bool:
        """True where this number was acknowledged, and a read of the outbox may not know yet."""
        return seq in self._settled

    def add(self, stream: str, seq: int) -> None:
        if stream == self._outbox.stream:
            self._pending.append((stream, seq))
            self._settled.add(seq)
            self._some.set()

    def forget_committed(self) -> None:
        """Call before a read of the outbox: what it returns knows of these."""
        if self._stream != self._outbox.stream:
            self._stream = self._outbox.stream
            self._settled = {seq for stream, seq in self._pending if stream == self._stream}
        else:
            self._settled -= self._committed
        self._committed = set()

    async def run(self) -> None:
        while True:
            await self._some.wait()
            await self._clock.sleep(self._linger_s)
            if not await self.flush():
                await self._clock.sleep(DISK_FULL_S)

    async def flush(self) -> bool:
        """Commits what has come; False where the disk cannot be written and it is kept for later."""
        async with self._lock:
            self._some.clear()
            batch, self._pending = self._pending, []
            seqs = sorted(seq for stream, seq in batch if stream == self._outbox.stream)
            done = False
            try:
                if seqs:
                    await self._outbox.acknowledge(seqs)
                done = True
            except StoreUnwritable as error:
                if not self.disk_full:
                    log.warning("delivered messages could not be marked, and may be sent twice: %s", error)
            finally:
                self.disk_full = not done
                if done:
                    self._committed.update(seqs)
                else:
                    self._pending[:0] = batch
                    self._some.set()
            return done
