"""The store's front: what the rest of the agent sees. One writer thread, a few reader threads, no disk on the loop.

async with Store.open(path, StoreSettings(), clock, probe_id="p1", boot_id="b1") as store:
    tasks.create_task(store.watch(), name="store")      # raises when the writer has ended
    done = await store.commit(Batch(windows=[...], drafts=[...]))
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from agent.messages import Backlog, Message
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
from agent.store.report import report
from agent.store.write_side import WriteSide
from agent.store.writer import Writer
from collectors.clock import Clock
from kpi.model import Incident


class Store:
    """All methods raise StoreError (errors.py). Implements agent.messages.Outbox."""

    def __init__(self, path: Path, settings: StoreSettings, clock: Clock, opening: Opening, opened: Opened) -> None:
        self._path, self._settings, self._clock, self._opening = path, settings, clock, opening
        self.opened = opened
        self._readers, self._reading = Readers(path), Reading()
        self._writer: Writer
        self._side: WriteSide

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
    ) -> AsyncIterator["Store"]:
        """Opens, or begins, the database at ``path``; ``opened`` tells what was found. ``synchronised`` says whether
        the wall clock can be believed; it is asked on the writer thread.

        Raises DiskFull, StoreInUse, StoreTooNew, StoreFault."""
        opening = Opening(path, settings, clock, Identity(probe_id, boot_id, clock.utc, synchronised))
        writer = Writer(opening, settings.queue, settings.ack_linger_s)
        side = await writer.start()
        assert opening.opened is not None
        store = cls(path, settings, clock, opening, opening.opened)
        store._writer, store._side = writer, side
        try:
            yield store
        finally:
            await store._readers.close()
            await writer.close()

    async def watch(self) -> None:
        """Returns once the store is closed; raises what ended the writer (StoreCorrupt, StoreFault) before that."""
        await self._writer.watch()

    # Writing

    async def commit(self, batch: Batch) -> Committed:
        """One transaction; returns when it is on the disk. DiskFull: nothing was written, the same batch may be tried
        again. ValueError, TypeError: the batch can never be written (a payload that is no JSON, an impossible start).
        A caller that is cancelled while waiting does not know whether it was written."""
        return await self._writer.do(lambda side: side.commit(batch))

    async def relabel(self, boot: str, offset_s: float) -> int:
        """At the first clock sync: dates the boot's windows, states and readings (utc = monotonic + offset); how many
        windows."""
        return await self._writer.do(lambda side: side.relabel(boot, offset_s))

    async def new_stream(self, predecessor: str | None, reason: str) -> str:
        """For a restored or rolled back box. What waits is said again in the new stream; its id."""

        def begin(side: WriteSide) -> str:
            stream = side.new_stream(predecessor, reason)
            self._opening.note_stream(stream.id)
            return stream.id

        return await self._writer.do(begin)

    # Outbox

    @property
    def stream(self) -> str:
        return self._side.stream.id

    @property
    def stream_began(self) -> Stream:
        """The present stream with its predecessor and why it began."""
        return self._side.stream

    async def waiting(self, above_seq: int, limit: int, up_to_seq: int | None = None) -> Sequence[Message]:
        return await self._readers.read(lambda con: self._reading.waiting(con, above_seq, limit, up_to_seq))

    async def acknowledge(self, seqs: Sequence[int]) -> None:
        if seqs:
            await self._writer.mark(tuple(seqs))

    async def backlog(self) -> Backlog:
        return self._side.backlog

    # Reading

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        """Windows with from_utc <= start < to_utc, by start, entity, piece; of all entities where ``entity`` is None.
        Pieces of one window (a restart, a clock step) are separate rows, for the caller to fold."""
        return await self._readers.read(
            lambda con: self._reading.windows(con, entity, kind, length_s=length_s, from_utc=from_utc, to_utc=to_utc)
        )

    async def starts(self, kind: str, length_s: int, from_utc: int, to_utc: int, step_s: int) -> Sequence[int]:
        """The multiples of ``step_s`` within which a window of this kind and length begins, ascending."""
        return await self._readers.read(
            lambda con: self._reading.starts(
                con, kind, length_s=length_s, from_utc=from_utc, to_utc=to_utc, step_s=step_s
            )
        )

    async def undated(self, boot: str) -> Sequence[WindowRow]:
        """Windows of a boot that have no date yet."""
        return await self._readers.read(lambda con: self._reading.undated(con, boot))

    async def state_changes(self, entity: str | None, from_utc: float, to_utc: float) -> Sequence[StateRow]:
        """Changes within [from_utc, to_utc), preceded by the ones in force at its beginning."""
        return await self._readers.read(lambda con: self._reading.states(con, entity, from_utc, to_utc))

    async def incidents(self, from_utc: float, to_utc: float, *, open_only: bool = False) -> Sequence[Incident]:
        """Incidents that overlap [from_utc, to_utc)."""
        return await self._readers.read(lambda con: self._reading.incidents(con, from_utc, to_utc, open_only=open_only))

    async def devices(self) -> Sequence[DeviceRow]:
        return await self._readers.read(self._reading.devices)

    async def last_counters(self, entity: str) -> CountersRow | None:
        return await self._readers.read(lambda con: newest(self._reading.counters(con, entity)))

    async def all_counters(self) -> Sequence[CountersRow]:
        """The last readings of every device, for the start."""
        return await self._readers.read(lambda con: self._reading.counters(con, None))

    async def messages(self, first_seq: int, last_seq: int, stream: str | None = None) -> Sequence[StoredMessage]:
        """Digests, and payloads as far as kept, of numbers of a stream (else the present one)."""
        name = stream or self.stream
        return await self._readers.read(lambda con: self._reading.messages(con, name, first_seq, last_seq))

    async def replay_from(self) -> int:
        """The lowest number of the present stream that can still be replayed."""
        return await self._readers.read(replay_from)

    async def report(self) -> Report:
        """How full the store is, what it holds, what it had to drop."""
        ballast = self._opening.ballast.bytes
        return await self._readers.read(lambda con: report(con, self._path, self._settings, self._clock.utc(), ballast))
