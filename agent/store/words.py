"""Names that occur in every row as small numbers, and running totals. Used by the writer thread alone."""

from collections import Counter

from agent.store.db import Connection
from agent.store.keys import ENTITIES, LENGTHS
from agent.store.seals import seal, sound


class Words:
    """Numbers for entities, kinds and topics (each sort counts for itself, from 0) and for boots (from 1)."""

    def __init__(self, con: Connection) -> None:
        self._con = con
        self._numbers: dict[tuple[str, str], int] = {}
        self._next: Counter[str] = Counter()
        self._boots: dict[str, int] = {}
        self.load()

    def load(self) -> None:
        self._numbers.clear()
        self._next.clear()
        for sort, number, text, found in self._con.execute("SELECT sort, number, text, seal FROM word"):
            if sound(found, sort, number, text):
                self._numbers[sort, text] = number
            if isinstance(number, int) and 0 <= number < ENTITIES:  # a damaged name's number is not given again
                self._next[sort] = max(self._next[sort], number + 1)
        self._boots = {
            boot: number
            for number, boot, offset_s, found in self._con.execute("SELECT number, id, offset_s, seal FROM boot")
            if sound(found, number, boot, offset_s)
        }

    def number(self, sort: str, text: str) -> int:
        """The number of a name, given out at its first use."""
        known = self._numbers.get((sort, text))
        if known is None:
            known = self._next[sort]
            self._con.execute(
                "INSERT OR REPLACE INTO word (sort, number, text, seal) VALUES (?, ?, ?, ?)",
                (sort, known, text, seal(sort, known, text)),
            )
            self._next[sort] += 1
            self._numbers[sort, text] = known
        return known

    def boot(self, boot: str) -> int:
        """The number of a boot; 0 for "" (no boot: a folded window)."""
        if not boot:
            return 0
        known = self._boots.get(boot)
        if known is None:
            last = self._con.execute("SELECT coalesce(max(number), 0) FROM boot").fetchone()[0]
            known = self._boots[boot] = int(last) + 1
            self._con.execute(
                "INSERT INTO boot (number, id, seal) VALUES (?, ?, ?)", (known, boot, seal(known, boot, None))
            )
        return known

    def date_boot(self, boot: str, offset_s: float) -> int:
        """Keeps by how much UTC is ahead of the boot's monotonic clock; the boot's number."""
        number = self.boot(boot)
        self._con.execute(
            "UPDATE boot SET offset_s = ?, seal = ? WHERE number = ?",
            (float(offset_s), seal(number, boot, float(offset_s)), number),
        )
        return number


UNSENT_FIRST = "dropped_from/unsent"
"""The total's name under which stands when the first unsent message was given up for lack of space; Unix seconds."""


class Tally:
    """Totals by name, so that nothing has to be scanned to know how much there is. Saved with each transaction."""

    def __init__(self, con: Connection) -> None:
        self._con = con
        self._values: Counter[str] = Counter()
        self._changed: set[str] = set()
        self.load()

    def load(self) -> None:
        self._changed.clear()
        rows = self._con.execute("SELECT name, value, seal FROM tally").fetchall()
        self._values = Counter({name: value for name, value, found in rows if sound(found, name, value)})
        if len(self._values) < len(rows):
            self.recount()

    def recount(self) -> None:
        """The totals of what is held, by going through it; a total was damaged, or rows were carried over."""
        one = self._con.execute
        for length_s in LENGTHS:
            low = LENGTHS.index(length_s) << 59
            rows, bytes_ = one(
                "SELECT count(*), coalesce(sum(length(body)), 0) FROM window WHERE key >= ? AND key < ?",
                (low, low + (1 << 59)),
            ).fetchone()
            self.put(f"window/{length_s}/rows", rows)
            self.put(f"window/{length_s}/bytes", bytes_)
        for table, name in (("undated", "undated"), ("message", "message")):
            rows, bytes_ = one(f"SELECT count(*), coalesce(sum(length(body)), 0) FROM {table}").fetchone()  # noqa: S608 - two literals
            self.put(f"{name}/rows", rows)
            self.put(f"{name}/bytes", bytes_)
        size, bytes_ = one(
            "SELECT coalesce(sum(size), 0), coalesce(sum(length(body)), 0) FROM message JOIN waiting"
            " ON message.id BETWEEN waiting.first AND waiting.last"
        ).fetchone()
        self.put("waiting/size", size)
        self.put("waiting/bytes", bytes_)

    def add(self, name: str, amount: int) -> None:
        if amount:
            self._values[name] += amount
            self._changed.add(name)

    def put(self, name: str, value: int) -> None:
        self.add(name, value - self._values[name])

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def save(self) -> None:
        self._con.executemany(
            "INSERT OR REPLACE INTO tally VALUES (?, ?, ?)",
            [(name, self._values[name], seal(name, self._values[name])) for name in sorted(self._changed)],
        )
        self._changed.clear()
