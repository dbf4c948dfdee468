"""Between those who have something to write and the store: nobody who measures ever waits for the disk.

Batches are committed in order. A full disk keeps them here, bounded, until there is room again; what must be given up
is counted and said in a message of its own. A store that is damaged or gone ends ``run`` with its error, and with it
the process, which systemd starts anew.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from agent.messages import MessageDraft
from agent.store.errors import DiskFull
from agent.store.model import Batch, Committed, StateRow
from collectors.clock import Clock
from kpi.model import Incident

log = logging.getLogger("sonda.recorder")

KEPT_BATCHES = 120
"""An hour of minutes, and of what happened in each: 200 devices take some 100 kB a minute."""
NOTES_A_BATCH = 500
KEPT_DRAFTS = 20_000
AGAIN_S = 5.0
LOST_SCHEMA = "sonda.event.v1"


class Commits(Protocol):
    """What the recorder needs of the store."""

    def commit(self, batch: Batch) -> Awaitable[Committed]:
        """One transaction; returns after it is on the disk."""


class Recorder:
    """A queue of batches with one consumer."""

    def __init__(self, store: Commits, clock: Clock, committed: Callable[[], None]) -> None:
        """``committed()`` is called after each commit that held messages."""
        self._store = store
        self._clock = clock
        self._committed = committed
        self._waiting: deque[Batch] = deque()
        self._now: list[StateRow | Incident | MessageDraft] = []
        self._something = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._dropped = 0
        self.trouble: str | None = None
        """Why nothing can be written now, as a sentence; None while all is well."""

    @property
    def waiting(self) -> int:
        """Batches that are not committed yet."""
        return len(self._waiting)

    def put(self, batch: Batch) -> None:
        """Commit this batch, in its turn."""
        self._flush()
        self._append(batch)

    def note(self, *entries: StateRow | Incident | MessageDraft) -> None:
        """Commit these at once; what is noted in one turn of the loop goes into one transaction."""
        self._now.extend(entries)
        if len(self._now) > KEPT_DRAFTS:
            self._dropped += len(self._now) - KEPT_DRAFTS
            del self._now[:-KEPT_DRAFTS]
        self._something.set()

    async def settled(self) -> None:
        """Returns once everything put so far is on the disk."""
        self._flush()
        await self._idle.wait()

    def stop(self) -> None:
        """Commit what waits, then let ``run`` return."""
        self._stopping = True
        self._something.set()

    async def run(self) -> None:
        """Until ``stop``. Raises what the store raises, but for a full disk, which is waited out."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._pending():
                if not await self._commit(self._waiting[0]) and self._stopping:
                    log.error("The agent stops with %d writes undone: %s", len(self._waiting), self.trouble)
                    return
            self._idle.set()
            if self._stopping:
                return

    async def _commit(self, batch: Batch) -> bool:
        try:
            await self._store.commit(batch)
        except DiskFull as error:
            if self.trouble is None:
                log.error("%s", error)  # noqa: TRY400 - a sentence for the technician, not a traceback
            self.trouble = str(error)
            await self._clock.sleep(AGAIN_S)
            return False
        self._waiting.popleft()
        if self.trouble is not None and not self._pending():  # a disk that takes one and not the next is full still
            log.warning("The store can be written again.")
            self.trouble = None
        if self._dropped:
            self.note(_lost(self._dropped))
            self._dropped = 0
        if batch.drafts:
            self._committed()
        return True

    def _pending(self) -> bool:
        self._flush()
        return bool(self._waiting)

    def _flush(self) -> None:
        if self._now:
            entries, self._now = self._now, []
            last = self._waiting[-1] if len(self._waiting) > 1 else None  # the first is being tried
            if last is not None and _is_notes(last) and _entries(last) + len(entries) <= NOTES_A_BATCH:
                self._waiting[-1] = _batch([*last.states, *last.incidents, *last.drafts, *entries])
            else:
                self._append(_batch(entries))

    def _append(self, batch: Batch) -> None:
        if len(self._waiting) >= KEPT_BATCHES:  # the first is being tried: the next oldest goes
            gone = self._waiting[1]
            self._dropped += _entries(gone)
            del self._waiting[1]
        self._waiting.append(batch)
        self._idle.clear()
        self._something.set()


def _batch(entries: Sequence[StateRow | Incident | MessageDraft]) -> Batch:
    return Batch(
        states=[e for e in entries if isinstance(e, StateRow)],
        incidents=[e for e in entries if isinstance(e, Incident)],
        drafts=[e for e in entries if isinstance(e, MessageDraft)],
    )


def _is_notes(batch: Batch) -> bool:
    return not (batch.windows or batch.counters or batch.devices)


def _entries(batch: Batch) -> int:
    return len(batch.windows) + len(batch.drafts) + len(batch.states) + len(batch.incidents)


def _lost(entries: int) -> MessageDraft:
    body = {"type": "probe.fault", "cause": "disk_full", "entries_lost": entries}
    return MessageDraft("event/probe.fault", LOST_SCHEMA, body)
