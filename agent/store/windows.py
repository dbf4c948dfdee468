"""Writing windows: packing, keys, replacing on revision, and the dates that come with the first clock sync."""

from collections.abc import Sequence

from agent.store.db import Connection
from agent.store.keys import PIECES, key_parts, window_key
from agent.store.model import DAY, FIVE_MINUTES, HOUR, MINUTE, MONTH, WindowRow, Withdrawal
from agent.store.packing import Packer, compact
from agent.store.seals import seal, sound
from agent.store.words import Tally, Words

_Packed = tuple[int, float, int, int, bytes]  # boot, mono_start, revision, dictionary, body


class WindowTable:
    """Used by the writer thread within its transaction."""

    def __init__(self, con: Connection, words: Words, packer: Packer, tally: Tally) -> None:
        self._con, self._words, self._packer, self._tally = con, words, packer, tally

    def write(self, rows: Sequence[WindowRow]) -> int:
        """Writes or replaces; the packed bytes. Raises ValueError where a row is none (length, start, payload)."""
        new: list[tuple[int, int, float, int, int, bytes]] = []
        placed: set[int] = set()
        total = 0
        for row in rows:
            label = f"window/{row.kind}/{row.length_s}"
            packed = (
                self._words.boot(row.boot),
                float(row.mono_start),
                row.revision,
                *self._packer.pack(label, row.plain if isinstance(row.plain, bytes) else compact(row.plain)),
            )
            total += len(packed[4])
            kind, entity = self._words.number("kind", row.kind), self._words.number("entity", row.entity)
            if row.start_utc is None:
                self._write_undated(row.length_s, kind, entity, packed)
                continue
            lowest = window_key(row.length_s, row.start_utc, kind, entity)
            if lowest in placed:  # two pieces in one batch: the second has to see the first
                self._insert(new)
            placed.add(lowest)
            key = self._place(row.length_s, lowest, packed)
            if key is not None:
                new.append((key, *packed))
        self._insert(new)
        return total

    def _insert(self, new: list[tuple[int, int, float, int, int, bytes]]) -> None:
        new.sort()  # ascending keys fill pages to the brim
        self._con.executemany(
            "INSERT OR REPLACE INTO window VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(*row, seal(*row[:5], body=row[5])) for row in new],
        )
        new.clear()

    def _place(self, length_s: int, lowest: int, packed: _Packed) -> int | None:
        """The key to write to: of the same window, or of a new piece; None where a higher revision stands there."""
        boot, mono_start, revision, _, body = packed
        piece = 0
        for key, old_boot, old_mono, old_revision, dictionary, old, found in self._con.execute(
            "SELECT key, boot, mono_start, revision, dictionary, body, seal FROM window WHERE key BETWEEN ? AND ?",
            (lowest, lowest + PIECES - 1),
        ):
            damaged = not sound(found, key, old_boot, old_mono, old_revision, dictionary, body=old)
            if damaged or (old_boot, old_mono) == (boot, mono_start):
                if old_revision > revision and not damaged:
                    return None
                self._tally.add(f"window/{length_s}/bytes", len(body) - len(old or b""))
                return int(key)
            piece = key - lowest + 1
        if piece >= PIECES:
            return None  # 256 pieces of one window: a clock gone mad; what is there already is kept
        self._tally.add(f"window/{length_s}/rows", 1)
        self._tally.add(f"window/{length_s}/bytes", len(body))
        return lowest + piece

    def _write_undated(self, length_s: int, kind: int, entity: int, packed: _Packed) -> None:
        self._con.execute(
            "INSERT INTO undated (length_s, kind, entity, boot, mono_start, revision, dictionary, body, seal)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (length_s, kind, entity, *packed, seal(length_s, kind, entity, *packed[:4], body=packed[4])),
        )
        self._tally.add("undated/rows", 1)
        self._tally.add("undated/bytes", len(packed[4]))

    def relabel(self, boot: str, offset_s: float, from_utc: float) -> int:
        """Dates the boot's undated windows, each to the aligned window that holds its beginning (utc = mono + offset),
        so that no two come to lie in one; how many. What begins before ``from_utc`` stays as it is. A month has no
        fixed length: its row is dated to the minute."""
        number = self._words.date_boot(boot, offset_s)
        found = self._con.execute(
            "SELECT length_s, kind, entity, mono_start, revision, dictionary, body, seal FROM undated"
            " WHERE boot = ? AND mono_start >= ? ORDER BY length_s, mono_start, kind, entity, id",
            (number, from_utc - offset_s),
        ).fetchall()
        for length_s, kind, entity, mono_start, revision, dictionary, body, kept in found:
            packed = (number, mono_start, revision, dictionary, body)
            if not sound(kept, length_s, kind, entity, *packed[:4], body=body):
                continue
            grid = 60 if length_s == MONTH else length_s
            start = round((mono_start + offset_s) * 1000) // (1000 * grid) * grid
            key = self._place(length_s, window_key(length_s, start, kind, entity), packed)
            if key is not None:
                self._insert([(key, *packed)])
        self._con.execute("DELETE FROM undated WHERE boot = ? AND mono_start >= ?", (number, from_utc - offset_s))
        self._tally.add("undated/rows", -len(found))
        self._tally.add("undated/bytes", -sum(len(row[6]) for row in found))
        return len(found)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Windows that reach into these seconds lose their dates. Those of state over five minutes keep theirs, and
        with it the revision that was said, until they are closed anew; folds are made anew."""
        own, folded = self._words.boot(withdrawal.boot), self._words.boot("")
        state = self._words.number("kind", "state")
        start, end = int(withdrawal.start_utc), -int(-withdrawal.end_utc // 1)
        for length_s, reach_s in ((MINUTE, MINUTE), (FIVE_MINUTES, FIVE_MINUTES), (HOUR, HOUR), (DAY, DAY), (MONTH, 0)):
            first = (start - (reach_s or 31 * DAY) + 60) // 60 * 60
            rows = self._con.execute(
                "SELECT key, boot, mono_start, revision, dictionary, body, seal FROM window WHERE key >= ? AND key < ?",
                (window_key(length_s, max(0, first), 0, 0), window_key(length_s, -(-end // 60) * 60, 0, 0)),
            ).fetchall()
            for key, boot, mono_start, revision, dictionary, body, kept in rows:
                _, label, kind, entity, _ = key_parts(key)
                if length_s == FIVE_MINUTES and kind == state:
                    continue
                if label + (reach_s or 31 * DAY) <= withdrawal.start_utc or (
                    boot == own and mono_start >= withdrawal.from_mono
                ):
                    continue
                if boot != folded and sound(kept, key, boot, mono_start, revision, dictionary, body=body):
                    self._write_undated(length_s, kind, entity, (boot, mono_start, revision, dictionary, body))
                self._con.execute("DELETE FROM window WHERE key = ?", (key,))
                self._tally.add(f"window/{length_s}/rows", -1)
                self._tally.add(f"window/{length_s}/bytes", -len(body or b""))
