"""The store's front: what the rest of the agent sees. One writer thread, a few reader threads, no disk on the loop.

async with Store.open(path, StoreSettings(), clock, probe_id="p1", boot_id="b1") as store:
    tasks.create_task(store.watch(), name="store")      # raises when the writer has ended
    done = await store.commit(Batch(windows=[...], drafts=[...]))
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.messages import Backlog, Message
from agent.store.db import Connection
from agent.store.errors import StoreClosed, StoreCorrupt, StoreError, StoreUnwritable
from agent.store.model import (
    Batch,
    Committed,
    CountersRow,
    DeviceRow,
    Opened,
    Report,
    StateRow,
    StoredMessage,
    StoreSettings,
    WindowRow,
)
from agent.store.opening import Opening
from agent.store.outbox import Identity, Stream
from agent.store.readers import Readers
from agent.store.reading import Reading, newest, replay_from
from agent.store.report import nothing, report
from agent.store.write_side import WriteSide
from agent.store.writer import Writer
from collectors.clock import Clock
from kpi.model import Incident

log = logging.getLogger("sonda.store")

R = TypeVar("R")


class Store:
    """All methods raise StoreError (errors.py). Implements agent.messages.Outbox."""

    def __init__(
        self,
        path: Path,
        settings: StoreSettings,
        clock: Clock,
        identity: Identity,
        heard: Callable[[Opened], None] | None,
    ) -> None:
        self._path, self._settings, self._clock = path, settings, clock
        self._heard = heard
        self._opening = Opening(path, settings, clock, identity)
        self._readers, self._reading = Readers(path), Reading()
        self._writer = Writer(self._opening, settings.queue, settings.ack_linger_s, self._was_opened)
        self.epoch = 0
        """Another number where what was read before may be other now: the database was opened anew, or what was
        measured before the clock was set got its dates."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        settings: StoreSettings,
        clock: Clock,
        *,
        probe_id: str,
        boot_id: str,
        synchronised: Callable[[], bool] = lambda: True,
        heard: Callable[[Opened], None] | None = None,
    ) -> AsyncIterator["Store"]:
        """Opens, or begins, the database at ``path``; ``opened`` tells what was found. ``synchronised`` says whether
        the wall clock can be believed; it is asked on the writer thread. ``heard`` is told when the database was opened
        again after its disk was away.

        A disk that is full, read-only or gone is no error: ``trouble`` says so, every write raises StoreUnwritable
        until it can be written, and what cannot be read is not there. Raises StoreInUse, StoreTooNew, StoreFault."""
        store = cls(path, settings, clock, Identity(probe_id, boot_id, clock.utc, synchronised), heard)
        await store._writer.start()
        try:
            yield store
        finally:
            await store._readers.close()
            await store._writer.close()

    @property
    def opened(self) -> Opened:
        """What was found when the database was opened last; NOT_OPENED while it never was."""
        return self._opening.opened

    @property
    def trouble(self) -> str | None:
        """Why the database cannot be written now, as a sentence."""
        return str(self._writer.trouble) if self._writer.trouble is not None else None

    @property
    def unnoted(self) -> str | None:
        """Why nothing new is published though it is stored, as a sentence (noted.py)."""
        side = self._writer.side
        return side.unnoted if side is not None else None

    @property
    def rows_damaged(self) -> int:
        """Rows that were left out in reading since the start: their checksum does not fit."""
        return self._reading.damaged

    def _was_opened(self, opened: Opened) -> None:
        self.epoch += 1
        self._readers.renew()
        if self._heard is not None:
            self._heard(opened)

    async def _read(self, query: Callable[[Connection], R], otherwise: R) -> R:
        """``otherwise`` where the disk is away. Damage that a reader meets is the writer's to mend: it marks the file
        and ends, and the next start sets the file aside."""
        try:
            return await self._readers.read(query)
        except StoreClosed:
            raise
        except StoreCorrupt as error:
            if self._writer.trouble is not None:
                return otherwise
            await self._writer.suspect(error)
            raise
        except StoreError:
            if self._writer.trouble is not None:
                return otherwise
            raise

    async def watch(self) -> None:
        """Returns once the store is closed; raises what ended the writer (StoreCorrupt, StoreFault) before that."""
        await self._writer.watch()

    # Writing

    async def commit(self, batch: Batch) -> Committed:
        """One transaction; returns when it is on the disk. StoreUnwritable: nothing was written, the same batch may be
        tried again. A row that can never be written (a payload that is no JSON, an impossible start) is left out and
        counted, the others are written. A caller that is cancelled while waiting does not know whether it was
        written."""
        done = await self._writer.do(lambda side: side.commit(batch))
        self.epoch += bool(batch.withdrawn)
        return done

    async def relabel(self, boot: str, offset_s: float, from_utc: float = 0.0) -> int:
        """At the first clock sync: dates the boot's windows, states and readings (utc = monotonic + offset), but for
        what lies before ``from_utc``, where other boots have counted; how many windows."""
        windows = await self._writer.do(lambda side: side.relabel(boot, offset_s, from_utc))
        self.epoch += 1
        return windows

    async def new_stream(self, predecessor: str | None, reason: str) -> str:
        """For a restored or rolled back box. What waits is said again in the new stream; its id."""

        return await self._writer.do(lambda side: side.new_stream(predecessor, reason).id)

    # Outbox

    @property
    def stream(self) -> str:
        """ "" while the database was never open."""
        return self.stream_began.id

    @property
    def stream_began(self) -> Stream:
        """The present stream with its predecessor and why it began."""
        side = self._writer.side
        return side.stream if side is not None else Stream("", 0, None, None, 0)

    async def waiting(self, above_seq: int, limit: int, up_to_seq: int | None = None) -> Sequence[Message]:
        """Nothing that is not known outside the database yet (noted.py). What cannot be read any more is named in a gap
        at once, and waited for no longer. Nothing while the disk is away."""
        while (side := self._writer.side) is not None:
            most = side.noted_seq if up_to_seq is None else min(up_to_seq, side.noted_seq)
            nothing_there: tuple[list[Message], list[int]] = ([], [])
            try:
                found, unread = await self._read(partial(self._ask_waiting, above_seq, limit, most), nothing_there)
            except StoreUnwritable:  # the writer has not met it yet
                return ()
            if not unread:
                return found
            log.error("%d messages are damaged in the database; a gap names them.", len(unread))
            try:
                await self._writer.do(partial(WriteSide.give_up, seqs=unread, reason="damaged"))
            except StoreUnwritable:
                return found
        return ()

    def _ask_waiting(self, above: int, limit: int, up_to: int, con: Connection) -> tuple[list[Message], list[int]]:
        return self._reading.waiting(con, above, limit, up_to)

    async def acknowledge(self, seqs: Sequence[int]) -> None:
        if seqs:
            await self._writer.mark(tuple(seqs))

    async def backlog(self) -> Backlog:
        side = self._writer.side
        return side.backlog if side is not None else Backlog(0, 0, None, 0, 0)

    # Reading

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        """Windows with from_utc <= start < to_utc, by start, entity, piece; of all entities where ``entity`` is None.
        Pieces of one window (a restart, a clock step) are separate rows, for the caller to fold."""
        return await self._read(
            lambda con: self._reading.windows(con, entity, kind, length_s=length_s, from_utc=from_utc, to_utc=to_utc),
            [],
        )

    async def starts(self, kind: str, length_s: int, from_utc: int, to_utc: int, step_s: int) -> Sequence[int]:
        """The multiples of ``step_s`` within which a window of this kind and length begins, ascending."""
        return await self._readers.read(
            lambda con: self._reading.starts(
                con, kind, length_s=length_s, from_utc=from_utc, to_utc=to_utc, step_s=step_s
            )
        )

    async def newest_utc(self, closed: str) -> float | None:
        """Up to when, at least, the runs before have lived, by what they wrote; see agent.store.reading.Reading."""
        return await self._read(lambda con: self._reading.newest_utc(con, closed), None)

    async def undated(self, boot: str) -> Sequence[WindowRow]:
        """Windows of a boot that have no date yet."""
        return await self._read(lambda con: self._reading.undated(con, boot), [])

    async def state_changes(self, entity: str | None, from_utc: float, to_utc: float) -> Sequence[StateRow]:
        """Changes within [from_utc, to_utc), preceded by the ones in force at its beginning."""
        return await self._read(lambda con: self._reading.states(con, entity, from_utc, to_utc), [])

    async def state_changes_after(self, last_id: int) -> tuple[Sequence[StateRow], int]:
        """Changes with a date that were written after the row of this id, in the order of writing, and the last id; for
        whoever keeps what it has read. Where ``epoch`` has changed, everything is to be read again."""
        return await self._read(lambda con: self._reading.states_after(con, last_id), ([], last_id))

    async def incidents(self, from_utc: float, to_utc: float, *, open_only: bool = False) -> Sequence[Incident]:
        """Incidents that overlap [from_utc, to_utc)."""
        return await self._read(lambda con: self._reading.incidents(con, from_utc, to_utc, open_only=open_only), [])

    async def devices(self) -> Sequence[DeviceRow]:
        return await self._read(self._reading.devices, [])

    async def last_counters(self, entity: str) -> CountersRow | None:
        return await self._read(lambda con: newest(self._reading.counters(con, entity)), None)

    async def all_counters(self) -> Sequence[CountersRow]:
        """The last readings of every device, for the start."""
        return await self._read(lambda con: self._reading.counters(con, None), [])

    async def messages(self, first_seq: int, last_seq: int, stream: str | None = None) -> Sequence[StoredMessage]:
        """Digests, and payloads as far as kept, of numbers of a stream (else the present one)."""
        name = stream or self.stream
        return await self._read(lambda con: self._reading.messages(con, name, first_seq, last_seq), [])

    async def replay_from(self) -> int:
        """The lowest number of the present stream that can still be replayed."""
        try:
            return await self._read(replay_from, 1)
        except StoreUnwritable:
            return 1

    async def report(self) -> Report:
        """How full the store is, what it holds, what it had to drop."""
        ballast, side = self._opening.ballast.bytes, self._writer.side
        found = await self._read(
            lambda con: report(con, self._path, self._settings, self._clock.utc(), ballast),
            nothing(self._path, self._settings),
        )
        refused = side.refused if side is not None else 0
        return replace(found, rows_damaged=self.rows_damaged, rows_refused=refused)
