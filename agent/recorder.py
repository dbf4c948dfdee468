"""Between those who have something to write and the store: nobody who measures ever waits for the disk.

Batches are committed in order. A disk that is full, read-only or gone keeps them here, bounded, until it can be written
again; what must be given up is counted and said in a message of its own. A store that is damaged ends ``run`` with its
error, and with it the process, which systemd starts anew.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from agent.messages import MessageDraft
from agent.store.errors import DiskFull, StoreRefused, StoreUnwritable
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
REFUSED_TIMES = 100
"""Events of rows that the database refuses, in one run; more are only counted and logged."""


class Commits(Protocol):
    """What the recorder needs of the store."""

    def commit(self, batch: Batch) -> Awaitable[Committed]:
        """One transaction; returns after it is on the disk."""


class Recorder:
    """A queue of batches with one consumer."""

    def __init__(self, store: Commits, clock: Clock, committed: Callable[[], None], trouble: str | None = None) -> None:
        """``committed()`` is called after each commit that held messages. ``trouble``: why the store cannot be written
        at the start; until it can, nothing is settled."""
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
        self._why_dropped = "disk_full"
        self._refusals = 0
        self.trouble = trouble
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
        """Until ``stop``. Raises what the store raises, but for a disk that cannot be written, which is waited out."""
        if self.trouble is not None:
            log.error("%s", self.trouble)
            self._waiting.appendleft(Batch())
            self._idle.clear()
            self._something.set()
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
            done = await self._store.commit(batch)
        except StoreUnwritable as error:
            self._why_dropped = "disk_full" if isinstance(error, DiskFull) else "disk_fault"
            if self.trouble is None:
                log.error("%s", error)  # noqa: TRY400 - a sentence for the technician, not a traceback
            self.trouble = str(error)
            await self._clock.sleep(AGAIN_S)
            return False
        except StoreRefused as error:  # as a whole, though each row of it is good: it would be refused for ever
            log.error("%s It is left out.", error)  # noqa: TRY400 - a sentence
            done = Committed(None, None, max(_entries(batch), 1))
        self._waiting.popleft()
        if self.trouble is not None and not self._pending():  # a disk that takes one and not the next is full still
            log.warning("The store can be written again.")
            self.trouble = None
        if self._dropped:
            self.note(_lost(self._why_dropped, self._dropped))
            self._dropped = 0
        if done.refused and self._refusals < REFUSED_TIMES:
            self._refusals += 1
            self.note(_lost("row_refused", done.refused))
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


def _lost(cause: str, entries: int) -> MessageDraft:
    body = {"type": "probe.fault", "cause": cause, "entries_lost": entries}
    return MessageDraft("event/probe.fault", LOST_SCHEMA, body)
