"""What the writer thread does with its connection: one transaction a call, all or nothing, and housekeeping."""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from agent.messages import Backlog, MessageDraft
from agent.store.ballast import Ballast, give_up_set_aside
from agent.store.db import BUSY_S, PAGE_SIZE, Connection, disk_fault, disk_full, free_bytes, pragma, translated
from agent.store.errors import DiskFault, DiskFull, StoreRefused
from agent.store.ledger import Ledger
from agent.store.model import Batch, Committed, StoreSettings
from agent.store.noted import Known, Noted
from agent.store.outbox import SAID_AGAIN, Identity, OutboxTable, Stream, gap
from agent.store.packing import Packer
from agent.store.retention import Retention
from agent.store.windows import WindowTable
from agent.store.words import Tally, Words
from collectors.clock import Clock

log = logging.getLogger("sonda.store")

T = TypeVar("T")

_PAGES_FREED = tuple(16 << n for n in range(9))
"""Free pages to try with on a full disk, one number after the other: SQLite does not say how many were wanting. It ends
at 8 MB, more than any batch of ours, so that a batch that can never fit does not cost everything that is held."""
_ANY_PAGES = 1_073_741_823  # SQLite's default max_page_count
_HOUR_S, _MINUTE_S = 3600.0, 60.0
_BELIEVED_JUMP_S = 86400.0
REFUSALS = (StoreRefused, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What writing raises where a row is none: no JSON, a start that is no whole minute, a value without a column type."""
LOG_TIMES = 8
"""The write-ahead log may grow to so many times its setting while somebody reads an old view of the database; then what
is measured waits in memory until the reader is done."""


class _Tried(Exception):  # noqa: N818 - no error: it takes back what was only tried
    """Rolls a trial back."""


class WriteSide:
    """Everything that writes. Lives and dies on the writer thread; ``backlog`` is replaced, never changed, and may be
    read from anywhere."""

    def __init__(
        self,
        con: Connection,
        *,
        path: Path,
        settings: StoreSettings,
        clock: Clock,
        identity: Identity,
        ballast: Ballast,
        noted: Noted,
    ) -> None:
        self._noted = noted
        self.noted_seq = 0
        """Numbers up to this are known outside the database, and may be published."""
        self.unnoted: str | None = None
        """Why nothing newer may be published, as a sentence."""
        self.refused = 0
        """Rows that the database did not take, since the start."""
        self._inode = path.stat().st_ino
        self._con, self._path, self._settings, self._clock = con, path, settings, clock
        self._identity = identity
        self.ballast = ballast
        self._tally, self._words, self._packer = Tally(con), Words(con), Packer(con)
        self.outbox = OutboxTable(con, self._words, self._packer, self._tally, identity)
        self._windows = WindowTable(con, self._words, self._packer, self._tally)
        self._ledger = Ledger(con, self._words, self._packer)
        self._retention = Retention(con, settings, self._tally, self.outbox, identity)
        self._logged = 0  # bytes since the log began, by estimate
        self._log_size = 0  # of its file when it last began
        self._ready = False  # the last transaction came as far as its COMMIT
        self._aged_at: float | None = None
        self._reserve_at: float | None = None
        self.backlog: Backlog = self.outbox.backlog()

    @property
    def stream(self) -> Stream:
        return self.outbox.stream

    def commit(self, batch: Batch) -> Committed:
        """Everything, or all but the rows that can never be written. Raises StoreError."""
        try:
            return self._run(lambda: self._write(batch))
        except REFUSALS as error:
            return self._commit_the_rest(batch, error)

    def acknowledge(self, seqs: Iterable[int]) -> None:
        self._run(lambda: self.outbox.acknowledge(seqs))

    def give_up(self, seqs: Iterable[int], reason: str) -> int:
        """Numbers that wait and cannot be read any more are named in a gap."""
        return self._run(lambda: self.outbox.give_up(seqs, reason))

    def relabel(self, boot: str, offset_s: float, from_utc: float) -> int:
        def dated() -> int:
            self._ledger.relabel(boot, offset_s, from_utc)
            return self._windows.relabel(boot, offset_s, from_utc)

        return self._run(dated)

    def new_stream(self, predecessor: str | None, reason: str, lost: Sequence[tuple[int, int]] = ()) -> Stream:
        self._run(lambda: self.outbox.begin_stream(predecessor, reason, lost))
        return self.outbox.stream

    def begin_carried(
        self,
        predecessor: str | None,
        reason: str,
        lost: Sequence[tuple[int, int]],
        said_again: Sequence[tuple[int, int]],
        drafts: Sequence[MessageDraft],
    ) -> None:
        """The stream of a database that takes the place of a damaged one: what waited there is said again."""

        def begin() -> None:
            self._tally.recount()
            self.outbox.begin_stream(predecessor, reason, lost)
            if predecessor is not None and said_again:
                self.outbox.append([gap(predecessor, said_again, SAID_AGAIN)])
            self.outbox.append(drafts)

        self._run(begin)

    def _write(self, batch: Batch) -> Committed:
        for withdrawal in batch.withdrawn:
            self._windows.withdraw(withdrawal)
            self._ledger.withdraw(withdrawal)
        bytes_ = self._windows.write(batch.windows)
        self._ledger.write_states(batch.states)
        self._ledger.write_incidents(batch.incidents)
        self._ledger.write_counters(batch.counters)
        self._ledger.write_devices(batch.devices)
        numbers = self.outbox.append(batch.drafts)
        self._logged += bytes_ + 2000 * len(batch.counters) + 400 * len(batch.drafts)
        return Committed(*numbers) if numbers else Committed(None, None)

    def _commit_the_rest(self, batch: Batch, why: Exception) -> Committed:
        """Cuts the batch until each bad row stands alone; the others are written, in one transaction where that is
        possible."""
        entries = [(part.name, row) for part in fields(Batch) for row in getattr(batch, part.name)]
        bad = self._find_refused(entries)
        places = {place for place, _ in bad}
        for place, error in bad[:10]:
            log.error("The store refuses a row of %s (%s); the others are written.", _named(entries[place]), error)
        if not bad and len(entries) < 2:
            raise StoreRefused(f"The database refuses a batch: {why}") from why
        self.refused += len(bad)
        rest = [entry for place, entry in enumerate(entries) if place not in places]
        if bad:
            done = self._run(lambda: self._write(_batch(rest)))
            return Committed(done.first_seq, done.last_seq, len(bad))
        half = len(entries) // 2  # each row is good, all of them together are not
        first, second = self.commit(_batch(entries[:half])), self.commit(_batch(entries[half:]))
        numbers = [n for n in (first.first_seq, second.first_seq, first.last_seq, second.last_seq) if n is not None]
        return Committed(min(numbers, default=None), max(numbers, default=None), first.refused + second.refused)

    def _find_refused(self, entries: Sequence[tuple[str, Any]], offset: int = 0) -> list[tuple[int, Exception]]:
        """Places of the rows that cannot be written even alone, and why."""
        error = self._try(_batch(entries))
        if error is None:
            return []
        if len(entries) == 1:
            return [(offset, error)]
        half = len(entries) // 2
        return self._find_refused(entries[:half], offset) + self._find_refused(entries[half:], offset + half)

    def _try(self, batch: Batch) -> Exception | None:
        """What writing it raises; nothing is written."""

        def tried() -> None:
            self._write(batch)
            raise _Tried

        try:
            self._transaction(tried)
        except _Tried:
            return None
        except REFUSALS as error:
            return error
        return None

    def _run(self, work: Callable[[], T]) -> T:
        self._bound_log()
        try:
            return self._transaction(work)
        except DiskFull:
            return self._after_making_room(work)

    def _transaction(self, work: Callable[[], T]) -> T:
        with translated(self._path):
            self._con.execute("BEGIN IMMEDIATE")
            self._ready = False
            try:
                result = work()
                self._tally.save()
                self._ready = True
                self._con.execute("COMMIT")
            except BaseException:
                if self._con.in_transaction:
                    self._con.execute("ROLLBACK")
                self._load()
                raise
        self._logged += 10 * PAGE_SIZE  # the last page of each table, and the pages that point to it
        self.backlog = self.outbox.backlog()
        self.note()
        return result

    def note(self) -> None:
        """What has been given out and acknowledged is written outside the database as well. Until that has worked,
        nothing newer is published."""
        backlog, stream = self.backlog, self.outbox.stream.id
        if not stream:
            return
        last = backlog.last_seq != self.noted_seq
        try:
            self._noted.write(Known(stream, backlog.last_seq, backlog.acked_to), last=last)
        except OSError as error:
            if self.unnoted is None:
                self.unnoted = self._noted.trouble(error)
                log.error("%s", self.unnoted)  # noqa: TRY400 - a sentence
            return
        if self.unnoted is not None:
            self.unnoted = None
            log.warning("The numbers of messages can be noted again: what waits is published.")
        self.noted_seq = backlog.last_seq

    def _load(self) -> None:
        """Forget what a rolled back transaction had left in memory."""
        self._words.load()
        self._packer.load()
        self._tally.load()
        self.outbox.load()

    # Room

    def _after_making_room(self, work: Callable[[], T]) -> T:
        """The disk is full: give the ballast back, then what matters least until the file holds free pages for the
        work. Not more than that: where the log itself cannot grow, giving up everything would not help."""
        released = self.ballast.release()
        if give_up_set_aside(self._path) or released:
            log.warning("the disk of %s is full: the reserve of %.0f MB is in use", self._path, released / 1e6)
        in_vain = 0
        for pages in (0, *_PAGES_FREED) if released else _PAGES_FREED:
            with suppress(DiskFull):
                self._tighten()
                in_vain += not self._free_pages(pages)
                self._checkpoint()
            with suppress(DiskFull):
                return self._transaction(work)
            in_vain += self._ready  # the file had room for it, the log had not
            if in_vain > 1:
                break
        raise disk_full(self._path)

    def _free_pages(self, pages: int) -> bool:
        while pragma(self._con, "freelist_count") < pages:
            if not self._transaction(self._retention.for_space):
                return False
        return True

    def _tighten(self) -> None:
        """While the reserve is not in place the database may grow into half of what the disk has left, no more: the
        log and its copying into the database need the other half, or neither could be written any more."""
        self._checkpoint()
        most = _ANY_PAGES
        if not self.ballast.in_place:
            most = pragma(self._con, "page_count") + free_bytes(self._path) // 2 // pragma(self._con, "page_size")
        pragma(self._con, f"max_page_count={most}")

    def used_bytes(self) -> int:
        """Pages in use, what the write-ahead log is meant to take, and the ballast. A log that a reader keeps from
        beginning anew is bounded by itself: giving up windows would not make it shorter."""
        pages = pragma(self._con, "page_count") - pragma(self._con, "freelist_count")
        return pages * pragma(self._con, "page_size") + self._settings.wal_bytes + self.ballast.bytes

    def _bound_log(self) -> None:
        if self._log_file_size() <= LOG_TIMES * self._settings.wal_bytes or self._checkpoint():
            return
        raise DiskFault(
            f"The write-ahead log of {self._path} has grown to {self._log_file_size() / 1e6:.0f} MB, because a program "
            f"reads an old view of the database: end it (`fuser -v {self._path}` names it). Until then what is "
            "measured is kept in memory, as much as there is room for."
        )

    def keep_house(self) -> None:
        """After each write, when nobody waits: retention by age each hour and by bytes, the ballast, the checkpoint.
        A full disk is no error here."""
        with translated(self._path), suppress(DiskFull):
            if self._path.stat().st_ino != self._inode:
                raise disk_fault(self._path, "the file was moved or replaced")
            self.note()
            now = self._clock.monotonic()
            if self._aged_at is None or now - self._aged_at >= _HOUR_S:
                elapsed, self._aged_at = now - (self._aged_at if self._aged_at is not None else now), now
                if self._identity.synchronised():
                    self._transaction(lambda: self._drop_old(elapsed))
            if self.used_bytes() > self._settings.max_bytes:
                self._shrink(self._settings.max_bytes * 49 // 50)
            if not self.ballast.in_place and (self._reserve_at is None or now - self._reserve_at >= _MINUTE_S):
                self._reserve_at = now
                if self.ballast.reserve():
                    self._tighten()
            if not self.ballast.in_place:
                self._tighten()
            elif self._log_is_long():
                self._checkpoint()

    def _drop_old(self, elapsed_s: float) -> None:
        """Retention by age believes a wall clock that jumps ahead one day at a time, or a wrong one would empty the
        store within the hour."""
        now_utc, before = self._identity.utc(), self._tally["aged_utc"]
        if before:
            now_utc = min(now_utc, before + elapsed_s + _BELIEVED_JUMP_S)
        self._tally.put("aged_utc", int(now_utc))
        self._retention.by_age(now_utc)

    def _shrink(self, bytes_: int) -> None:
        while self.used_bytes() > bytes_ and self._transaction(self._retention.for_space):
            pass

    def _checkpoint(self) -> bool:
        """Copies the log into the database as far as no reader stands in the way; whether it begins anew then."""
        with translated(self._path):
            busy, frames, copied = self._con.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if not busy and frames == copied:
            self._logged, self._log_size = 0, self._log_file_size()
            if self._log_size > 2 * self._settings.wal_bytes:
                self._con.execute("PRAGMA busy_timeout=0")  # where a reader has come meanwhile, next time
                self._con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._con.execute(f"PRAGMA busy_timeout={BUSY_S * 1000:.0f}")
                self._log_size = self._log_file_size()
            return True
        return False

    def _log_is_long(self) -> bool:
        """The log's file never shrinks, so that it tells the log's length only while it grows; else by estimate."""
        size = self._log_file_size()
        return self._logged >= self._settings.wal_bytes or size > max(self._log_size, self._settings.wal_bytes)

    def _log_file_size(self) -> int:
        try:
            return self._path.with_name(self._path.name + "-wal").stat().st_size
        except OSError:
            return 0


def _batch(entries: Sequence[tuple[str, Any]]) -> Batch:
    return Batch(**{part.name: [row for name, row in entries if name == part.name] for part in fields(Batch)})


def _named(entry: tuple[str, Any]) -> str:
    name, row = entry
    what = getattr(row, "entity", None) or getattr(row, "topic", None) or getattr(row, "id", None)
    return f"{name} ({str(what)[:80]!r})"
