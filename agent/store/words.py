"""Names that occur in every row as small numbers, and running totals. Used by the writer thread alone."""

from collections import Counter

from agent.store.db import Connection


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
        for sort, number, text in self._con.execute("SELECT sort, number, text FROM word"):
            self._numbers[sort, text] = number
            self._next[sort] = max(self._next[sort], number + 1)
        self._boots = dict(self._con.execute("SELECT id, number FROM boot").fetchall())

    def number(self, sort: str, text: str) -> int:
        """The number of a name, given out at its first use."""
        known = self._numbers.get((sort, text))
        if known is None:
            known = self._next[sort]
            self._con.execute("INSERT INTO word (sort, number, text) VALUES (?, ?, ?)", (sort, known, text))
            self._next[sort] += 1
            self._numbers[sort, text] = known
        return known

    def boot(self, boot: str) -> int:
        """The number of a boot; 0 for "" (no boot: a folded window)."""
        if not boot:
            return 0
        known = self._boots.get(boot)
        if known is None:
            cursor = self._con.execute("INSERT INTO boot (id) VALUES (?)", (boot,))
            assert cursor.lastrowid is not None
            known = self._boots[boot] = cursor.lastrowid
        return known


class Tally:
    """Totals by name, so that nothing has to be scanned to know how much there is. Saved with each transaction."""

    def __init__(self, con: Connection) -> None:
        self._con = con
        self._values: Counter[str] = Counter()
        self._changed: set[str] = set()
        self.load()

    def load(self) -> None:
        self._values = Counter(dict(self._con.execute("SELECT name, value FROM tally").fetchall()))
        self._changed.clear()

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
            "INSERT INTO tally VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [(name, self._values[name]) for name in sorted(self._changed)],
        )
        self._changed.clear()
