"""Writing messages: numbers, final bytes, digests, delivery marks, gaps and streams.

Ids run on over streams, ``seq = id - base`` of the stream; both are gapless.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent.messages import Backlog, MessageDraft
from agent.store.db import Connection
from agent.store.errors import StoreCorrupt
from agent.store.model import GAP_SCHEMA, GAP_TOPIC, STREAM_SCHEMA, STREAM_TOPIC
from agent.store.packing import Packer, Unpacker, UnreadableError, compact
from agent.store.seals import seal, sound
from agent.store.waiting import Waiting, runs
from agent.store.words import Tally, Words

SAID_AGAIN = "said_again"
"""Why a number will never be sent: what it stood for comes under a number of the new stream."""
ENVELOPE = frozenset({"schema", "probe", "stream", "seq", "boot", "made_at", "made_at_clock"})


@dataclass(frozen=True, slots=True)
class Stream:
    """The life of one database; ``base`` is the id before its first message."""

    id: str
    base: int
    predecessor: str | None
    reason: str | None
    began_utc: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks, and when: what the envelope needs that is not in the draft."""

    probe: str
    boot: str
    utc: Callable[[], float]
    """The wall clock, in seconds since the epoch."""
    synchronised: Callable[[], bool]


class OutboxTable:
    """Used by the writer thread within its transaction; ``load()`` after a rollback."""

    def __init__(self, con: Connection, words: Words, packer: Packer, tally: Tally, identity: Identity) -> None:
        self._con, self._words, self._packer, self._tally, self._identity = con, words, packer, tally, identity
        self.waiting = Waiting(con)
        self._unpacker = Unpacker()
        self._day = 0
        self.last_id = 0
        self.stream = self._present_stream()
        self.load()

    def load(self) -> None:
        self.waiting.load()
        self.stream = self._present_stream()
        self._day = self._con.execute("SELECT coalesce(max(utc_day), -1) FROM day").fetchone()[0]
        # Digests outlive payloads, so that the highest id is always there.
        self.last_id = max(self._con.execute("SELECT coalesce(max(id), 0) FROM digest").fetchone()[0], self.stream.base)

    def _present_stream(self) -> Stream:
        rows = self._con.execute(
            "SELECT number, id, base, predecessor, reason, began_utc, seal FROM stream ORDER BY number"
        ).fetchall()
        if not all(sound(row[-1], *row[:-1]) for row in rows):
            raise StoreCorrupt("The stream's row is damaged in the database. Restart Sonda: it sets it aside.")
        return Stream(*rows[-1][1:-1]) if rows else Stream("", 0, None, None, 0)

    def backlog(self) -> Backlog:
        """Cheap: from the ranges in memory and two totals."""
        base, ranges = self.stream.base, self.waiting.ranges()
        last = self.last_id - base
        if not ranges:
            return Backlog(0, 0, None, last, last)
        below = [(first - base, end - base) for first, end in ranges]
        unsent = tuple(below if below[-1][1] < last else below[:-1])
        return Backlog(self.waiting.count(), self._tally["waiting/size"], below[0][0], last, below[0][0] - 1, unsent)

    def append(self, drafts: Sequence[MessageDraft]) -> tuple[int, int] | None:
        """Numbers the drafts and makes their bytes final; (first seq, last seq). Raises ValueError where a body is no
        JSON or names a key of the envelope."""
        if not drafts:
            return None
        first_id = self.last_id + 1
        rows, digests, size, bytes_ = [], [], 0, 0
        for number, draft in enumerate(drafts, first_id):
            if taken := ENVELOPE & draft.body.keys():
                raise ValueError(f"the body of {draft.topic} has keys of the envelope: {sorted(taken)}")
            payload = self._render(number - self.stream.base, draft.schema, draft.body)
            dictionary, packed = self._packer.pack(f"message/{draft.schema}", payload)
            topic = self._words.number("topic", draft.topic)
            columns = (number, topic, int(draft.retain), len(payload), dictionary)
            rows.append((*columns, packed, seal(*columns, body=packed)))
            digests.append((number, hashlib.sha256(payload).digest()))
            size += len(payload)
            bytes_ += len(packed)
        self._insert(rows, digests, size, bytes_)
        return first_id - self.stream.base, self.last_id - self.stream.base

    def _render(self, seq: int, schema: str, body: Mapping[str, Any]) -> bytes:
        moment = datetime.fromtimestamp(self._identity.utc(), UTC)
        envelope = {
            "schema": schema,
            "probe": self._identity.probe,
            "stream": self.stream.id,
            "seq": seq,
            "boot": self._identity.boot,
            "made_at": moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z",
        }
        if not self._identity.synchronised():
            envelope["made_at_clock"] = "unsynchronised"
        return compact(envelope | dict(body))

    def _insert(self, rows: Sequence[Any], digests: Sequence[Any], size: int, bytes_: int) -> None:
        self._con.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._con.executemany("INSERT INTO digest VALUES (?, ?)", digests)
        day = int(self._identity.utc() // 86400)
        if day > self._day:
            self._con.execute("INSERT OR IGNORE INTO day VALUES (?, ?)", (day, rows[0][0]))
            self._day = day
        self.last_id = rows[-1][0]
        self.waiting.add(rows[0][0], self.last_id)
        self._tally.add("message/rows", len(rows))
        self._tally.add("message/bytes", bytes_)
        self._tally.add("waiting/size", size)
        self._tally.add("waiting/bytes", bytes_)

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """Marks as delivered. Numbers that do not wait are passed over."""
        base = self.stream.base
        for first, last in runs(seqs):
            self._settle(base + first, base + last)

    def _settle(self, first: int, last: int) -> list[tuple[int, int]]:
        """Takes ids off the waiting ones, with their bytes; the ranges that had waited."""
        parts = self.waiting.remove(first, last)
        for part in parts:
            size, bytes_ = self._con.execute(
                "SELECT coalesce(sum(size), 0), coalesce(sum(length(body)), 0) FROM message WHERE id BETWEEN ? AND ?",
                part,
            ).fetchone()
            self._tally.add("waiting/size", -size)
            self._tally.add("waiting/bytes", -bytes_)
        return parts

    def delete(self, first: int, last: int) -> int:
        """Deletes payloads by id; how many."""
        rows, bytes_ = self._con.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM message WHERE id BETWEEN ? AND ?", (first, last)
        ).fetchone()
        self._con.execute("DELETE FROM message WHERE id BETWEEN ? AND ?", (first, last))
        self._tally.add("message/rows", -rows)
        self._tally.add("message/bytes", -bytes_)
        return int(rows)

    def drop_unsent(self, bytes_: int, reason: str) -> int:
        """Gives up the oldest waiting messages, at least ``bytes_`` of packed payload where there is so much, and
        names them in a gap message. Gap messages stay: what they name would be named no more. How many were given up.
        """
        gap_topic = self._words.number("topic", GAP_TOPIC)
        doomed: list[int] = []
        freed = 0
        for first, last in self.waiting.ranges():
            for number, size in self._con.execute(
                "SELECT id, length(body) FROM message WHERE id BETWEEN ? AND ? AND topic <> ? ORDER BY id",
                (first, last, gap_topic),
            ):
                doomed.append(number)
                freed += size
                if freed >= bytes_:
                    break
            if freed >= bytes_:
                break
        ranges = list(runs(doomed))
        for first, last in ranges:
            self._settle(first, last)
            self.delete(first, last)
        if ranges:
            base = self.stream.base
            self.append([gap(self.stream.id, [(first - base, last - base) for first, last in ranges], reason)])
        return len(doomed)

    def give_up(self, seqs: Iterable[int], reason: str) -> int:
        """Numbers that wait and cannot be read any more: named in a gap, waited for no longer. How many there were."""
        base, named = self.stream.base, list[tuple[int, int]]()
        for first, last in runs(seqs):
            for low, high in self._settle(base + first, base + last):
                self.delete(low, high)
                named.append((low - base, high - base))
        if named:
            self.append([gap(self.stream.id, named, reason)])
        return sum(high - low + 1 for low, high in named)

    def begin_stream(self, predecessor: str | None, reason: str, lost: Sequence[tuple[int, int]] = ()) -> None:
        """Starts a stream, whose first message names its predecessor. What waits is said again in the new stream,
        under new numbers, and a gap names the old ones. ``lost``: numbers of the predecessor that will never be sent.
        """
        unsent, of_stream, of_base = self.waiting.ranges(), self.stream.id, self.stream.base
        number = self._con.execute("SELECT coalesce(max(number), 0) FROM stream").fetchone()[0] + 1
        columns = (number, secrets.token_hex(8), self.last_id, predecessor, reason, int(self._identity.utc()))
        self._con.execute("INSERT INTO stream VALUES (?, ?, ?, ?, ?, ?, ?)", (*columns, seal(*columns)))
        self.stream = self._present_stream()
        first: list[MessageDraft] = []
        if predecessor is not None:
            first.append(MessageDraft(STREAM_TOPIC, STREAM_SCHEMA, {"predecessor": predecessor, "reason": reason}))
            if lost:
                first.append(gap(predecessor, lost, reason))
        if unsent:
            named = [(low - of_base, high - of_base) for low, high in unsent]
            first.append(gap(of_stream, named, SAID_AGAIN))
        self.append(first)
        unread: list[int] = []
        for low, high in unsent:
            unread += self._say_again(low, high)
        if unread:
            self.append([gap(of_stream, [(a - of_base, b - of_base) for a, b in runs(unread)], "damaged")])

    def _say_again(self, first: int, last: int) -> list[int]:
        """The ids that could not be read."""
        topics = dict(self._con.execute("SELECT number, text FROM word WHERE sort='topic'").fetchall())
        unread: list[int] = []
        for low in range(first, last + 1, 500):
            high = min(low + 499, last)
            found = sound_messages(self._con, self._unpacker, low, high)
            for number in range(low, high + 1):
                topic, retain, payload = found.get(number, (-1, False, b""))
                if topic in topics:
                    self.append([again(topics[topic], payload, retain=retain)])
                else:
                    unread.append(number)
            self._settle(low, high)
            self.delete(low, high)
        return unread


def sound_messages(
    con: Connection, unpacker: Unpacker, first: int, last: int, limit: int = -1
) -> dict[int, tuple[int, bool, bytes]]:
    """By id the (number of the topic, retain, payload) of the messages [first, last] that are as they were written: by
    the row's checksum and by the payload's SHA-256."""
    found = {}
    for number, topic, retain, size, dictionary, body, kept, digest in con.execute(
        "SELECT message.id, topic, retain, size, dictionary, body, message.seal, sha256 FROM message"
        " LEFT JOIN digest USING (id) WHERE message.id BETWEEN ? AND ? ORDER BY message.id LIMIT ?",
        (first, last, limit),
    ):
        if sound(kept, number, topic, retain, size, dictionary, body=body):
            with suppress(UnreadableError):
                payload = unpacker.unpack(con, dictionary, body)
                if hashlib.sha256(payload).digest() == digest:
                    found[number] = (topic, bool(retain), payload)
    return found


def again(topic: str, payload: bytes, *, retain: bool) -> MessageDraft:
    """A message of an earlier stream, to be said under a new number."""
    envelope = json.loads(payload)
    body = {key: value for key, value in envelope.items() if key not in ENVELOPE}
    body.setdefault("made_first_at", envelope["made_at"])
    return MessageDraft(topic, envelope["schema"], body, retain)


def gap(stream: str, ranges: Sequence[tuple[int, int]], reason: str) -> MessageDraft:
    """Names inclusive ranges of numbers that will never be sent, of which stream, and why."""
    return MessageDraft(
        GAP_TOPIC, GAP_SCHEMA, {"of_stream": stream, "ranges": [list(r) for r in ranges], "reason": reason}
    )
