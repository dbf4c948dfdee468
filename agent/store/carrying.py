"""What is still readable of a damaged database, into a new one: unsent messages, states, incidents, last counter
readings, devices, coarse windows, and the fine ones that the present day is still to be folded from.

Rows go over as they are, with their numbers for names, boots and dictionaries, and only those whose checksum fits. What
waits to be sent is said again in the new stream; which numbers of the old one will never be sent is named in gaps.
"""

import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from agent.messages import MessageDraft
from agent.store.db import Connection, DatabaseError, open_reader
from agent.store.errors import StoreError
from agent.store.keys import LENGTHS, key_parts
from agent.store.ledger import STATE_COLUMNS
from agent.store.model import DAY, FIVE_MINUTES, HOUR, MINUTE, MONTH
from agent.store.noted import Known
from agent.store.outbox import again, sound_messages
from agent.store.packing import Unpacker
from agent.store.seals import sound
from agent.store.waiting import runs

log = logging.getLogger("sonda.store")

_FAILURES = 400
"""Reads of one table that may meet damage before the rest of it is given up."""
_MESSAGES_AT_MOST = 1_000_000
_RECENT_S = 2 * DAY
_AT_ONCE = 2000

Row = tuple[object, ...]

_TABLES: dict[str, tuple[str, int | None]] = {
    "word": ("sort, number, text", None),
    "boot": ("number, id, offset_s", None),
    "dictionary": ("number, label, body", 2),
    "state": (STATE_COLUMNS, None),
    "incident": ("id, opened_utc, closed_utc, body", None),
    "device": ("id, name, first_seen_utc, keys, about", None),
    "counters": ("entity, boot, mono_at, utc_at, dictionary, body", 5),
}
"""Columns, and which of them is the packed body."""
_WINDOW = "key, boot, mono_start, revision, dictionary, body"


class Damaged:
    """A damaged database, read as far as it can be. Every method is total."""

    def __init__(self, path: Path, known: Known | None, out_of_time: Callable[[], bool]) -> None:
        self._known, self._out_of_time = known, out_of_time
        self._con: Connection | None = None
        with suppress(StoreError):
            self._con = open_reader(path)
            self._con.set_progress_handler(out_of_time, 20_000)
        self.stream, self._base = self._read_stream()

    def close(self) -> None:
        if self._con is not None:
            with suppress(DatabaseError):
                self._con.close()

    def rows(self, table: str) -> Iterator[Row]:
        """Sound rows of one of the small tables, as they are to be inserted."""
        columns, body = _TABLES[table]
        for row in self._readable(table, f"{columns}, seal", "rowid"):
            if _fits(row[1:], body):
                yield row[1:]

    def windows(self, length_s: int, from_utc: int) -> Iterator[Row]:
        """Sound windows of a length."""
        low = LENGTHS.index(length_s) << 59
        first = low | max(from_utc // 60, 0) << 32
        for row in self._readable("window", f"{_WINDOW}, seal", "key", first, low + (1 << 59) - 1):
            if _fits(row[1:], 5):
                yield row[1:]

    def newest_window(self) -> int:
        """The start of the newest five minutes there are, 0 where none is readable."""
        low = LENGTHS.index(FIVE_MINUTES) << 59
        found = self._ask("SELECT max(key) FROM window WHERE key >= ? AND key < ?", (low, low + (1 << 59)))
        with suppress(StoreError, TypeError, IndexError):
            return key_parts(found[0][0])[1]
        return 0

    def unsent(self) -> tuple[list[MessageDraft], list[tuple[int, int]], list[tuple[int, int]]]:
        """What waits, as drafts; the numbers of these; the numbers that waited and are not readable."""
        ids = self._waiting_ids()
        topics = {row[1]: str(row[2]) for row in self.rows("word") if row[0] == "topic"}
        unpacker, drafts, carried = Unpacker(), list[MessageDraft](), list[int]()
        con = self._con
        for low, high in _portions(ids):
            if con is None:
                break
            for number, (topic, retain, payload) in self._messages(con, unpacker, low, high):
                if topic in topics:
                    with suppress(ValueError, KeyError, TypeError):
                        drafts.append(again(topics[topic], payload, retain=retain))
                        carried.append(number - self._base)
        wanted = {number - self._base for low, high in ids for number in range(low, high + 1)}
        if self._known is not None and (self._known.stream == self.stream or not self.stream):
            for low, high in self._known.unsent() if not ids else [(self._last(ids) + 1, self._known.last_seq or 0)]:
                wanted |= set(range(low, min(high, low + _MESSAGES_AT_MOST) + 1))
        return drafts, list(runs(carried)), list(runs(wanted - set(carried)))

    def _last(self, ids: Sequence[tuple[int, int]]) -> int:
        return max(ids[-1][1] - self._base, self._known.acked_to if self._known is not None else 0)

    def _messages(
        self, con: Connection, unpacker: Unpacker, low: int, high: int
    ) -> Iterator[tuple[int, tuple[int, bool, bytes]]]:
        """Sound messages [low, high]; where a page of them is damaged, one by one."""
        try:
            yield from sound_messages(con, unpacker, low, high).items()
        except (DatabaseError, StoreError):
            if low < high and not self._out_of_time():
                middle = (low + high) // 2
                yield from self._messages(con, unpacker, low, middle)
                yield from self._messages(con, unpacker, middle + 1, high)

    def _waiting_ids(self) -> list[tuple[int, int]]:
        """Ranges of ids that wait: as the table says, and where that is damaged, all above what is known to have been
        acknowledged."""
        if not self.stream:
            return []
        rows = self._ask("SELECT first, last, seal FROM waiting ORDER BY first", ())
        counted = self._ask("SELECT count(*) FROM waiting", ())
        sound_table = rows and counted and len(rows) == counted[0][0] and all(_is_range(row) for row in rows)
        if sound_table and sum(row[1] - row[0] + 1 for row in rows) <= _MESSAGES_AT_MOST:
            return [(row[0], row[1]) for row in rows]
        if not rows and counted and counted[0][0] == 0:
            return []
        acked = self._known.acked_to if self._known is not None and self._known.stream == self.stream else 0
        last = self._known.last_seq if self._known is not None and self._known.stream == self.stream else None
        if last is None:
            found = self._ask("SELECT max(id) FROM message", ())
            last = int(found[0][0]) - self._base if found and found[0][0] is not None else acked
        last = min(last, acked + _MESSAGES_AT_MOST)
        return [(self._base + acked + 1, self._base + last)] if last > acked else []

    def _read_stream(self) -> tuple[str, int]:
        """The last stream and its base."""
        rows = self._ask(
            "SELECT number, id, base, predecessor, reason, began_utc, seal FROM stream ORDER BY number DESC LIMIT 1", ()
        )
        if rows and _fits(rows[0], None) and isinstance(rows[0][2], int):
            return str(rows[0][1]), rows[0][2]
        newest = self._ask("SELECT max(id) FROM message", ())
        if self._con is not None and newest and isinstance(newest[0][0], int):
            with suppress(DatabaseError, StoreError, ValueError, KeyError, TypeError):
                number = newest[0][0]
                envelope = json.loads(sound_messages(self._con, Unpacker(), number, number)[number][2])
                return str(envelope["stream"]), number - int(envelope["seq"])
        return "", 0

    def _ask(self, question: str, values: tuple[int, ...]) -> list[tuple]:  # type: ignore[type-arg]  # as SQLite gives them
        """All rows, or none where damage is met."""
        if self._con is None:
            return []
        try:
            return self._con.execute(question, values).fetchall()
        except DatabaseError:
            return []

    def _readable(
        self, table: str, columns: str, key: str, low: int = -(1 << 63), high: int = (1 << 63) - 1
    ) -> Iterator[Row]:
        """Rows, in no certain order, from both sides up to each damaged page and beyond it as far as halving finds
        anything."""
        if self._con is None:
            return
        ranges, failures = deque([(low, high)]), 0
        while ranges and failures < _FAILURES and not self._out_of_time():
            low, high = ranges.popleft()
            for order in ("ASC", "DESC"):
                try:
                    for row in self._con.execute(
                        f"SELECT {key}, {columns} FROM {table} WHERE {key} BETWEEN ? AND ? ORDER BY {key} {order}",  # noqa: S608 - constants of this file
                        (low, high),
                    ):
                        if not isinstance(row[0], int) or not low <= row[0] <= high:
                            break  # out of order: the page is damaged
                        yield row
                        if order == "ASC":
                            low = row[0] + 1
                        else:
                            high = row[0] - 1
                    else:
                        low = high + 1
                except DatabaseError:
                    failures += 1
                if low > high:
                    break
            if low < high:
                middle = (low + high) // 2
                ranges += [(low, middle), (middle + 1, high)]


def carry_rows(damaged: Damaged, con: Connection) -> dict[str, int]:
    """All but messages and windows; how many of each. ``con`` is a new database with its tables."""
    counts = {}
    for table, (columns, _) in _TABLES.items():
        places = ", ".join("?" * (columns.count(",") + 2))
        question = f"INSERT OR REPLACE INTO {table} ({columns}, seal) VALUES ({places})"  # noqa: S608 - constants of this file
        counts[table] = _insert(con, question, damaged.rows(table))
    return {"states": counts["state"], "incidents": counts["incident"], "devices": counts["device"]}


def carry_windows(damaged: Damaged, con: Connection, out_of_time: Callable[[], bool]) -> dict[str, int]:
    """The coarsest first, as far as the time goes; how many of each length."""
    counts, recent = {}, damaged.newest_window() - _RECENT_S
    for length_s, from_utc in ((MONTH, 0), (DAY, 0), (FIVE_MINUTES, recent), (MINUTE, recent), (HOUR, 0)):
        if out_of_time():
            break
        rows = damaged.windows(length_s, from_utc)
        done = _insert(con, "INSERT OR REPLACE INTO window VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        if done:
            counts[f"windows {length_s} s" if length_s else "windows 1 month"] = done
    return counts


def _insert(con: Connection, question: str, rows: Iterator[Row]) -> int:
    done = 0
    while some := list(islice(rows, _AT_ONCE)):
        con.execute("BEGIN IMMEDIATE")
        for row in some:
            try:
                done += con.execute(question, row).rowcount
            except DatabaseError as error:
                if not con.in_transaction:
                    raise
                log.debug("a row is not carried over: %s", error)
        con.execute("COMMIT")
    return done


def _fits(row: Sequence[object], body: int | None) -> bool:
    columns = [value for place, value in enumerate(row[:-1]) if place != body]
    return sound(row[-1], *columns, body=row[body] if body is not None else b"")  # type: ignore[arg-type]  # any value


def _is_range(row: Sequence[object]) -> bool:
    first, last = row[0], row[1]
    return isinstance(first, int) and isinstance(last, int) and 0 < first <= last and _fits(row, None)


def _portions(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for first, last in ranges:
        for low in range(first, last + 1, 500):
            yield low, min(low + 499, last)
