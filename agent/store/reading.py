"""The questions the store answers, each a function of a read-only connection.

A row whose checksum does not fit, or that cannot be unpacked, is left out and counted (``Reading.damaged``)."""

import json
from collections.abc import Sequence
from typing import Any

from agent.messages import Message
from agent.store.db import Connection
from agent.store.keys import LENGTHS, PIECES, key_parts, window_key
from agent.store.ledger import STATE_COLUMNS
from agent.store.model import FIVE_MINUTES, MINUTE, CountersRow, DeviceRow, StateRow, StoredMessage, WindowRow
from agent.store.outbox import sound_messages
from agent.store.packing import Unpacker, UnreadableError
from agent.store.seals import sound
from kpi.model import Incident

MOST_COUNTED = 100_000
"""Damaged rows that are told apart; of more only this number is said."""


class Reading:
    """Holds the unpacker, which caches dictionaries; used by all reader threads."""

    def __init__(self) -> None:
        self._unpacker = Unpacker()
        self._damaged: set[tuple[str, object]] = set()

    @property
    def damaged(self) -> int:
        """Rows that were left out since the start."""
        return len(self._damaged)

    def _load(self, con: Connection, dictionary: int, body: bytes) -> tuple[Any] | None:
        """The JSON value, None where it cannot be unpacked."""
        try:
            return (self._unpacker.load(con, dictionary, body),)
        except UnreadableError:
            return None

    def _leave_out(self, table: str, key: object) -> None:
        if len(self._damaged) < MOST_COUNTED:
            self._damaged.add((table, key))

    def windows(
        self, con: Connection, entity: str | None, kind: str, *, length_s: int, from_utc: int, to_utc: int
    ) -> list[WindowRow]:
        """Windows of a kind with from_utc <= start < to_utc, by start, entity, piece; of all entities where it is
        None."""
        kinds, entities = _words(con, "kind"), _words(con, "entity")
        number = kinds.get(kind)
        wanted = entities.get(entity) if entity is not None else None
        if number is None or (entity is not None and wanted is None):
            return []
        names = {value: name for name, value in entities.items()}
        boots = _boots(con)
        found: list[WindowRow] = []
        low, high = _bound(length_s, from_utc), _bound(length_s, to_utc)
        while True:
            # From start to start: rows of one start stand together, sorted by kind and entity.
            row = con.execute("SELECT key FROM window WHERE key >= ? AND key < ? ORDER BY key LIMIT 1", (low, high))
            if (first := row.fetchone()) is None:
                return found
            start = key_parts(first[0])[1]
            first_key = window_key(length_s, start, number, wanted or 0)
            last_key = first_key + PIECES - 1 if wanted is not None else first_key | _ALL
            for key, boot, mono_start, revision, dictionary, body, kept in con.execute(
                "SELECT key, boot, mono_start, revision, dictionary, body, seal FROM window WHERE key BETWEEN ? AND ?",
                (first_key, last_key),
            ):
                name = names.get(key_parts(key)[3])
                good = sound(kept, key, boot, mono_start, revision, dictionary, body=body)
                plain = self._load(con, dictionary, body) if good else None
                if plain is None or name is None:
                    self._leave_out("window", key)
                    continue
                known = boots.get(boot, f"?{boot}")  # the boot's own row is damaged: still a boot of its own
                found.append(WindowRow(name, kind, length_s, known, mono_start, start, plain[0], revision))
            low = _bound(length_s, start + 60)

    def starts(
        self, con: Connection, kind: str, *, length_s: int, from_utc: int, to_utc: int, step_s: int
    ) -> list[int]:
        """The multiples of ``step_s``, ascending, within which a window of this kind and length begins, of those that
        begin within [from_utc, to_utc). It looks at keys alone, from one start to the next."""
        number = _words(con, "kind").get(kind)
        found: list[int] = []
        low, high = _bound(length_s, from_utc), _bound(length_s, to_utc)
        while number is not None:
            first = con.execute("SELECT key FROM window WHERE key >= ? AND key < ? ORDER BY key LIMIT 1", (low, high))
            if (row := first.fetchone()) is None:
                break
            start = key_parts(row[0])[1]
            lowest = window_key(length_s, start, number, 0)
            there = con.execute("SELECT 1 FROM window WHERE key BETWEEN ? AND ? LIMIT 1", (lowest, lowest | _ALL))
            if there.fetchone() is None:
                low = _bound(length_s, start + 60)
                continue
            found.append(start // step_s * step_s)
            low = _bound(length_s, found[-1] + step_s)
        return found

    def newest_utc(self, con: Connection, closed: str) -> float | None:
        """Up to when, at least, the agent ran that wrote this: the newest dated state, the beginning of the newest
        minute, the end of the newest five minutes with a window of the kind ``closed``, which those have that are
        closed. None where nothing has a date."""
        found: list[float] = []
        for number in _words(con, "entity").values():
            rows = con.execute(
                f"SELECT id, {STATE_COLUMNS}, seal FROM state WHERE entity = ? AND utc_at IS NOT NULL"  # noqa: S608 - column names only
                " ORDER BY utc_at DESC LIMIT 1",
                (number,),
            )
            found += [row[5] for row in rows if sound(row[-1], *row[1:-1])]
        low, high = _bound(MINUTE, 0), _bound(FIVE_MINUTES, 0)
        (key,) = con.execute("SELECT max(key) FROM window WHERE key >= ? AND key < ?", (low, high)).fetchone()
        if key is not None:
            minute = key_parts(key)[1]
            found.append(minute)
            # Five minutes are closed in the minute after their end.
            before = minute - FIVE_MINUTES - MINUTE
            starts = self.starts(con, closed, length_s=FIVE_MINUTES, from_utc=before, to_utc=minute + 1, step_s=MINUTE)
            found += [start + FIVE_MINUTES for start in starts if start <= minute]
        return max(found, default=None)

    def undated(self, con: Connection, boot: str) -> list[WindowRow]:
        """Windows of a boot whose clock was not synchronised yet, by arrival."""
        kinds = {value: name for name, value in _words(con, "kind").items()}
        entities = {value: name for name, value in _words(con, "entity").items()}
        found = []
        for number, length_s, kind, entity, of_boot, mono, revision, dictionary, body, kept in con.execute(
            "SELECT id, length_s, kind, entity, boot, mono_start, revision, dictionary, body, seal FROM undated"
            " WHERE boot = (SELECT number FROM boot WHERE id = ?) ORDER BY id",
            (boot,),
        ):
            columns = (length_s, kind, entity, of_boot, mono, revision, dictionary)
            plain = self._load(con, dictionary, body) if sound(kept, *columns, body=body) else None
            if plain is None or entity not in entities or kind not in kinds:
                self._leave_out("undated", number)
                continue
            found.append(WindowRow(entities[entity], kinds[kind], length_s, boot, mono, None, plain[0], revision))
        return found

    def states(self, con: Connection, entity: str | None, from_utc: float, to_utc: float) -> list[StateRow]:
        """Dated changes with from_utc <= at < to_utc, in order, and before them for each entity and aspect those since
        it was up last, at most BEFORE of them: the state at ``from_utc``, and when an outage of then has begun."""
        entities = _words(con, "entity")
        wanted = list(entities.values()) if entity is None else [entities[entity]] if entity in entities else []
        rows: list[tuple[object, ...]] = []
        for number in wanted:
            rows += con.execute(
                f"SELECT id, {STATE_COLUMNS}, seal FROM (SELECT *,"  # noqa: S608 - column names only
                " count(CASE WHEN state = 'up' THEN 1 END) OVER newer AS ups, row_number() OVER newer AS place"
                " FROM state WHERE entity = ?1 AND utc_at < ?2"
                " WINDOW newer AS (PARTITION BY aspect ORDER BY utc_at DESC, id DESC))"
                " WHERE (ups = 0 OR (ups = 1 AND state = 'up')) AND place <= ?3 ORDER BY aspect, utc_at, id",
                (number, from_utc, BEFORE),
            )
            rows += con.execute(
                f"SELECT id, {STATE_COLUMNS}, seal FROM state WHERE entity = ? AND utc_at >= ? AND utc_at < ?"  # noqa: S608 - column names only
                " ORDER BY utc_at, id",
                (number, from_utc, to_utc),
            )
        found = self._states(con, rows, entities)
        found.sort(key=_when)
        return found

    def states_after(self, con: Connection, last_id: int) -> tuple[list[StateRow], int]:
        """Dated changes that were written after the row of this id, in the order of writing, and the last id there
        is."""
        rows = con.execute(
            f"SELECT id, {STATE_COLUMNS}, seal FROM state WHERE id > ? AND utc_at IS NOT NULL ORDER BY id",  # noqa: S608 - column names only
            (last_id,),
        ).fetchall()
        last = con.execute("SELECT coalesce(max(id), 0) FROM state").fetchone()[0]
        return self._states(con, rows, _words(con, "entity")), int(last)

    def _states(self, con: Connection, rows: Sequence[tuple[object, ...]], entities: dict[str, int]) -> list[StateRow]:
        names: dict[object, str] = {value: name for name, value in entities.items()}
        boots: dict[object, str] = {number: boot for number, boot in _boots(con).items()}  # noqa: C416 - wider keys
        found = []
        for key, number, aspect, boot, mono, utc, state, reason, kept in rows:
            columns = (number, aspect, boot, mono, utc, state, reason)
            if number not in names or not sound(kept, *columns):  # type: ignore[arg-type]
                self._leave_out("state", key)
                continue
            name = names[number]
            found.append(StateRow(name, aspect, boots.get(boot, ""), mono, utc, state, reason))  # type: ignore[arg-type]
        return found

    def incidents(self, con: Connection, from_utc: float, to_utc: float, *, open_only: bool) -> list[Incident]:
        """Incidents that overlap [from_utc, to_utc), oldest first."""
        rows = con.execute(
            "SELECT id, opened_utc, closed_utc, body, seal FROM incident"
            " WHERE opened_utc < ? AND (closed_utc IS NULL OR closed_utc >= ?) ORDER BY opened_utc, id",
            (to_utc, from_utc),
        )
        found = []
        for key, opened, closed, body, kept in rows:
            if not sound(kept, key, opened, closed, body):
                self._leave_out("incident", key)
                continue
            if open_only and closed is not None:
                continue
            kind, entity, cause, hides = json.loads(body)
            found.append(Incident(key, kind, entity, cause, opened, closed, tuple(hides)))
        return found

    def devices(self, con: Connection) -> list[DeviceRow]:
        found = []
        for *columns, kept in con.execute("SELECT id, name, first_seen_utc, keys, about, seal FROM device ORDER BY id"):
            if not sound(kept, *columns):
                self._leave_out("device", columns[0])
                continue
            key, name, first_seen, keys, about = columns
            found.append(DeviceRow(key, json.loads(name), first_seen, json.loads(keys), json.loads(about)))
        return found

    def counters(self, con: Connection, entity: str | None) -> list[CountersRow]:
        """Last readings, of one entity or of all, by name."""
        boots = _boots(con)
        names = {value: name for name, value in _words(con, "entity").items()}
        found = []
        for number, boot, mono, utc, dictionary, body, kept in con.execute(
            "SELECT entity, boot, mono_at, utc_at, dictionary, body, seal FROM counters"
        ):
            name = names.get(number)
            if name is not None and entity is not None and name != entity:
                continue
            good = sound(kept, number, boot, mono, utc, dictionary, body=body)
            plain = self._load(con, dictionary, body) if good else None
            if plain is None or name is None:
                self._leave_out("counters", number)
                continue
            found.append(CountersRow(name, boots.get(boot, ""), mono, utc, plain[0]))
        return sorted(found, key=lambda row: row.entity)

    def waiting(self, con: Connection, above: int, limit: int, up_to: int | None) -> tuple[list[Message], list[int]]:
        """The Outbox's question, by ranges; and the numbers on the way that cannot be read any more."""
        base = con.execute("SELECT base FROM stream ORDER BY number DESC LIMIT 1").fetchone()[0]
        topics = {value: name for name, value in _words(con, "topic").items()}
        found: list[Message] = []
        unread: list[int] = []
        end = base + up_to if up_to is not None else 1 << 62
        for first, last in con.execute(
            "SELECT first, last FROM waiting WHERE last > ? AND first <= ? ORDER BY first", (base + above, end)
        ):
            low, high = max(first, base + above + 1), min(last, end)
            for part in range(low, high + 1, limit):
                to = min(part + limit - 1, high)
                messages = sound_messages(con, self._unpacker, part, to)
                for number in range(part, to + 1):
                    topic, retain, payload = messages.get(number, (-1, False, b""))
                    if topic in topics:
                        found.append(Message(number - base, topics[topic], payload, retain))
                    else:
                        unread.append(number - base)
                        self._leave_out("message", number)
                if len(found) >= limit:
                    return found[:limit], [seq for seq in unread if seq < found[limit - 1].seq]
        return found, unread

    def messages(self, con: Connection, stream: str, first_seq: int, last_seq: int) -> list[StoredMessage]:
        """Digests of the numbers of a stream, with what is kept of topic and payload; for replay and manifest."""
        streams = con.execute("SELECT id, base FROM stream ORDER BY number").fetchall()
        place = next((index for index, row in enumerate(streams) if row[0] == stream), None)
        if place is None:
            return []
        base = streams[place][1]
        end = streams[place + 1][1] if place + 1 < len(streams) else 1 << 62
        topics = {value: name for name, value in _words(con, "topic").items()}
        first, last = base + first_seq, min(base + last_seq, end)
        payloads = sound_messages(con, self._unpacker, first, last)
        rows = con.execute("SELECT id, sha256 FROM digest WHERE id BETWEEN ? AND ? ORDER BY id", (first, last))
        found = []
        for number, sha256 in rows:
            topic, _, payload = payloads.get(number, (-1, False, None))
            found.append(StoredMessage(number - base, topics.get(topic), payload, sha256))
        return found


def replay_from(con: Connection) -> int:
    """The lowest number of the present stream whose payload is kept; one above the last where none is."""
    base = con.execute("SELECT base FROM stream ORDER BY number DESC LIMIT 1").fetchone()[0]
    lowest = con.execute("SELECT min(id) FROM message WHERE id > ?", (base,)).fetchone()[0]
    highest = con.execute("SELECT max(id) FROM digest").fetchone()[0]
    return int(lowest if lowest is not None else max(highest or 0, base) + 1) - int(base)


BEFORE = 2000
"""Changes of one entity that are given from before the time that is asked for: a device may never be up for weeks."""
_ALL = (1 << 26) - 1  # entity and piece bits of a key


def _bound(length_s: int, utc: int) -> int:
    """The lowest key of a start at or after ``utc``."""
    minute = min(max(-(-int(utc) // 60), 0), (1 << 27) - 1)
    return LENGTHS.index(length_s) << 59 | minute << 32


def _words(con: Connection, sort: str) -> dict[str, int]:
    """Numbers by name; a damaged name is left out, and with it the rows that go by its number."""
    rows = con.execute("SELECT text, number, seal FROM word WHERE sort = ?", (sort,))
    return {text: number for text, number, kept in rows if sound(kept, sort, number, text)}


def _boots(con: Connection) -> dict[int, str]:
    rows = con.execute("SELECT number, id, offset_s, seal FROM boot")
    return {0: ""} | {number: boot for number, boot, offset_s, kept in rows if sound(kept, number, boot, offset_s)}


def _when(row: StateRow) -> float:
    return row.utc_at or 0.0


def newest(rows: Sequence[CountersRow]) -> CountersRow | None:
    """The only row there is, or None."""
    return rows[0] if rows else None
