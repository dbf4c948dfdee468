"""The questions the store answers, each a function of a read-only connection."""

import json
from collections.abc import Sequence

from agent.messages import Message
from agent.store.db import Connection
from agent.store.keys import LENGTHS, PIECES, key_parts, window_key
from agent.store.model import CountersRow, DeviceRow, StateRow, StoredMessage, WindowRow
from agent.store.packing import Unpacker
from kpi.model import Incident


class Reading:
    """Holds the unpacker, which caches dictionaries; used by all reader threads."""

    def __init__(self) -> None:
        self._unpacker = Unpacker()

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
        load = self._unpacker.opener(con)
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
            for key, boot, mono_start, revision, dictionary, body in con.execute(
                "SELECT key, boot, mono_start, revision, dictionary, body FROM window WHERE key BETWEEN ? AND ?",
                (first_key, last_key),
            ):
                name = names[key_parts(key)[3]]
                plain = load(dictionary, body)
                found.append(WindowRow(name, kind, length_s, boots[boot], mono_start, start, plain, revision))
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

    def undated(self, con: Connection, boot: str) -> list[WindowRow]:
        """Windows of a boot whose clock was not synchronised yet, by arrival."""
        kinds = {value: name for name, value in _words(con, "kind").items()}
        entities = {value: name for name, value in _words(con, "entity").items()}
        load = self._unpacker.opener(con)
        rows = con.execute(
            "SELECT entity, kind, length_s, mono_start, dictionary, body, revision FROM undated"
            " WHERE boot = (SELECT number FROM boot WHERE id = ?) ORDER BY id",
            (boot,),
        )
        return [
            WindowRow(entities[entity], kinds[kind], length, boot, mono, None, load(dictionary, body), revision)
            for entity, kind, length, mono, dictionary, body, revision in rows
        ]

    def states(self, con: Connection, entity: str | None, from_utc: float, to_utc: float) -> list[StateRow]:
        """Dated changes with from_utc <= at < to_utc, in order, and before them for each entity and aspect the one
        that was in force at ``from_utc``."""
        entities = _words(con, "entity")
        names = {value: name for name, value in entities.items()}
        wanted = list(entities.values()) if entity is None else [entities[entity]] if entity in entities else []
        boots = _boots(con)
        rows: list[tuple[int, str, int, float, float, str, str | None]] = []
        columns = "entity, aspect, boot, mono_at, utc_at, state, reason"
        for number in wanted:
            rows += con.execute(
                f"SELECT {columns} FROM (SELECT *, row_number() OVER"  # noqa: S608 - column names only
                " (PARTITION BY aspect ORDER BY utc_at DESC, id DESC) AS place"
                " FROM state WHERE entity = ? AND utc_at < ?) WHERE place = 1 ORDER BY aspect",
                (number, from_utc),
            )
            rows += con.execute(
                f"SELECT {columns} FROM state WHERE entity = ? AND utc_at >= ? AND utc_at < ? ORDER BY utc_at, id",  # noqa: S608 - column names only
                (number, from_utc, to_utc),
            )
        rows.sort(key=lambda row: row[4])
        return [
            StateRow(names[number], aspect, boots[boot], mono, utc, state, reason)
            for number, aspect, boot, mono, utc, state, reason in rows
        ]

    def incidents(self, con: Connection, from_utc: float, to_utc: float, *, open_only: bool) -> list[Incident]:
        """Incidents that overlap [from_utc, to_utc), oldest first."""
        rows = con.execute(
            "SELECT id, opened_utc, closed_utc, body FROM incident"
            " WHERE opened_utc < ? AND (closed_utc IS NULL OR closed_utc >= ?) ORDER BY opened_utc, id",
            (to_utc, from_utc),
        )
        found = []
        for key, opened, closed, body in rows:
            if open_only and closed is not None:
                continue
            kind, entity, cause, hides = json.loads(body)
            found.append(Incident(key, kind, entity, cause, opened, closed, tuple(hides)))
        return found

    def devices(self, con: Connection) -> list[DeviceRow]:
        rows = con.execute("SELECT id, name, first_seen_utc, keys, about FROM device ORDER BY id")
        return [
            DeviceRow(key, json.loads(name), first_seen, json.loads(keys), json.loads(about))
            for key, name, first_seen, keys, about in rows
        ]

    def counters(self, con: Connection, entity: str | None) -> list[CountersRow]:
        """Last readings, of one entity or of all."""
        boots = _boots(con)
        load = self._unpacker.opener(con)
        rows = con.execute(
            "SELECT word.text, counters.boot, mono_at, utc_at, dictionary, body FROM counters"
            " JOIN word ON word.sort = 'entity' AND word.number = counters.entity"
            " WHERE ?1 IS NULL OR word.text = ?1 ORDER BY word.text",
            (entity,),
        )
        return [
            CountersRow(name, boots[boot], mono, utc, load(dictionary, body))
            for name, boot, mono, utc, dictionary, body in rows
        ]

    def waiting(self, con: Connection, above: int, limit: int, up_to: int | None) -> list[Message]:
        """The Outbox's question, by ranges."""
        base = con.execute("SELECT base FROM stream ORDER BY number DESC LIMIT 1").fetchone()[0]
        topics = {value: name for name, value in _words(con, "topic").items()}
        found: list[Message] = []
        end = base + up_to if up_to is not None else 1 << 62
        for first, last in con.execute(
            "SELECT first, last FROM waiting WHERE last > ? AND first <= ? ORDER BY first", (base + above, end)
        ):
            rows = con.execute(
                "SELECT id, topic, retain, dictionary, body FROM message WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                (max(first, base + above + 1), min(last, end), limit - len(found)),
            )
            for number, topic, retain, dictionary, body in rows:
                payload = self._unpacker.unpack(con, dictionary, body)
                found.append(Message(number - base, topics[topic], payload, bool(retain)))
            if len(found) >= limit:
                break
        return found

    def messages(self, con: Connection, stream: str, first_seq: int, last_seq: int) -> list[StoredMessage]:
        """Digests of the numbers of a stream, with what is kept of topic and payload; for replay and manifest."""
        streams = con.execute("SELECT id, base FROM stream ORDER BY number").fetchall()
        place = next((index for index, row in enumerate(streams) if row[0] == stream), None)
        if place is None:
            return []
        base = streams[place][1]
        end = streams[place + 1][1] if place + 1 < len(streams) else 1 << 62
        topics = {value: name for name, value in _words(con, "topic").items()}
        rows = con.execute(
            "SELECT digest.id, sha256, topic, dictionary, body FROM digest LEFT JOIN message USING (id)"
            " WHERE digest.id BETWEEN ? AND ? ORDER BY digest.id",
            (base + first_seq, min(base + last_seq, end)),
        )
        return [
            StoredMessage(
                number - base,
                topics[topic] if topic is not None else None,
                self._unpacker.unpack(con, dictionary, body) if body is not None else None,
                sha256,
            )
            for number, sha256, topic, dictionary, body in rows
        ]


def replay_from(con: Connection) -> int:
    """The lowest number of the present stream whose payload is kept; one above the last where none is."""
    base = con.execute("SELECT base FROM stream ORDER BY number DESC LIMIT 1").fetchone()[0]
    lowest = con.execute("SELECT min(id) FROM message WHERE id > ?", (base,)).fetchone()[0]
    highest = con.execute("SELECT max(id) FROM digest").fetchone()[0]
    return int(lowest if lowest is not None else max(highest or 0, base) + 1) - int(base)


_ALL = (1 << 26) - 1  # entity and piece bits of a key


def _bound(length_s: int, utc: int) -> int:
    """The lowest key of a start at or after ``utc``."""
    minute = min(max(-(-int(utc) // 60), 0), (1 << 27) - 1)
    return LENGTHS.index(length_s) << 59 | minute << 32


def _words(con: Connection, sort: str) -> dict[str, int]:
    return dict(con.execute("SELECT text, number FROM word WHERE sort = ?", (sort,)).fetchall())


def _boots(con: Connection) -> dict[int, str]:
    return {0: ""} | dict(con.execute("SELECT number, id FROM boot").fetchall())


def newest(rows: Sequence[CountersRow]) -> CountersRow | None:
    """The only row there is, or None."""
    return rows[0] if rows else None
