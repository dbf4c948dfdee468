"""Payloads as compact JSON, deflated against a dictionary made of the first payloads of their label.

Payloads are small and alike, so that most of what a dictionary holds never needs to be written. Measured on realistic
payloads: an echo window 124 bytes of JSON, 75 deflated, 46 with a dictionary; a 48-port window 6241, 1714, 1606; a
device summary 1160, 430, 190.
"""

import json
import zlib
from typing import Any

from agent.store.db import Connection
from agent.store.seals import seal, sound


class UnreadableError(Exception):
    """A packed payload, or the dictionary that it was packed with, is damaged."""


ENOUGH_BYTES = 16_384
"""A dictionary is made when this much was seen of a label; deflate can look back 32 kB, payload included."""
_ENOUGH_SAMPLES = 400
MOST_BYTES = 256 << 20
"""No payload of ours is so large; what damage makes of one might be."""
_RAW = -15  # deflate without zlib's header and checksum: SHA-256 digests prove messages, quick_check the pages


def compact(value: Any) -> bytes:
    """JSON in UTF-8 without spaces. A lone surrogate (a name that was never text) becomes its JSON escape, so that
    the bytes are valid UTF-8. Raises ValueError or TypeError where the value is not JSON (NaN, infinity, an object)."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


class Packer:
    """Used by the writer thread alone; forgets what a rolled back transaction had learnt by ``load()``."""

    def __init__(self, con: Connection) -> None:
        self._con = con
        self._current: dict[str, tuple[int, bytes]] = {}
        self._seen: dict[str, list[bytes]] = {}
        self.load()

    def load(self) -> None:
        rows = self._con.execute("SELECT number, label, body, seal FROM dictionary ORDER BY number")
        self._current = {
            label: (number, body) for number, label, body, found in rows if sound(found, number, label, body=body)
        }
        self._seen = {}

    def pack(self, label: str, raw: bytes) -> tuple[int, bytes]:
        """(number of the dictionary, or 0 for none; deflated bytes)."""
        known = self._current.get(label)
        if known is None:
            self._learn(label, raw)
            return 0, _deflate(zlib.compressobj(6, zlib.DEFLATED, _RAW), raw)
        number, dictionary = known
        return number, _deflate(zlib.compressobj(6, zlib.DEFLATED, _RAW, zdict=dictionary), raw)

    def _learn(self, label: str, raw: bytes) -> None:
        seen = self._seen.setdefault(label, [])
        seen.append(raw[:ENOUGH_BYTES])
        if sum(map(len, seen)) < ENOUGH_BYTES and len(seen) < _ENOUGH_SAMPLES:
            return
        body = b"".join(seen)[-ENOUGH_BYTES:]
        number = self._con.execute("SELECT coalesce(max(number), 0) FROM dictionary").fetchone()[0] + 1
        self._con.execute(
            "INSERT INTO dictionary (number, label, body, seal) VALUES (?, ?, ?, ?)",
            (number, label, body, seal(number, label, body=body)),
        )
        self._current[label] = (number, body)
        del self._seen[label]


def _deflate(packer: Any, raw: bytes) -> bytes:
    packed: bytes = packer.compress(raw) + packer.flush()
    return packed


class Unpacker:
    """Dictionaries never change once written, so that they may be cached for ever."""

    def __init__(self) -> None:
        self._bodies: dict[int, bytes] = {}

    def unpack(self, con: Connection, number: int, packed: bytes) -> bytes:
        """The bytes that were packed. Raises UnreadableError where they cannot be had."""
        try:
            inflater = zlib.decompressobj(_RAW, zdict=self._body(con, number)) if number else zlib.decompressobj(_RAW)
            raw = inflater.decompress(packed, MOST_BYTES) + inflater.flush()
        except (zlib.error, TypeError, OverflowError) as error:
            raise UnreadableError(f"a payload in the database cannot be unpacked: {error}") from error
        if not inflater.eof:
            raise UnreadableError("a payload in the database is cut short")
        return raw

    def load(self, con: Connection, number: int, packed: bytes) -> Any:
        """The JSON value that was packed. Raises UnreadableError."""
        try:
            return json.loads(self.unpack(con, number, packed))
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"a payload in the database is no JSON: {error}") from error

    def _body(self, con: Connection, number: int) -> bytes:
        body = self._bodies.get(number)
        if body is None:
            row = con.execute("SELECT label, body, seal FROM dictionary WHERE number = ?", (number,)).fetchone()
            if row is None or not sound(row[2], number, row[0], body=row[1]):
                raise UnreadableError(f"the dictionary {number} of packed payloads is missing or damaged")
            body = self._bodies[number] = bytes(row[1])
        return body
