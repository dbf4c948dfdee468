"""The ranges of message ids that wait for a PUBACK, in memory and in the table ``waiting``.

A delivery mark costs a row or two and never a scan: with nothing wrong there is one range, with live sent before
history two, and one more for each message a broker refuses.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from agent.store.db import Connection
from agent.store.errors import StoreCorrupt
from agent.store.seals import seal, sound


def runs(ids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ids, in any order and perhaps more than once, as ascending inclusive ranges."""
    first = last = None
    for number in sorted(set(ids)):
        if first is None or last is None:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last


class Waiting:
    """Ascending, disjoint, inclusive ranges. Used by the writer thread alone."""

    def __init__(self, con: Connection) -> None:
        self._con = con
        self._first: list[int] = []
        self._last: list[int] = []
        self.load()

    def load(self) -> None:
        rows = self._con.execute("SELECT first, last, seal FROM waiting ORDER BY first").fetchall()
        if not all(sound(found, first, last) for first, last, found in rows):
            raise StoreCorrupt("What waits to be sent is damaged in the database. Restart Sonda: it sets it aside.")
        self._first = [row[0] for row in rows]
        self._last = [row[1] for row in rows]

    def ranges(self) -> Sequence[tuple[int, int]]:
        return list(zip(self._first, self._last, strict=True))

    def count(self) -> int:
        return sum(self._last) - sum(self._first) + len(self._first)

    def add(self, first: int, last: int) -> None:
        """A range above all others."""
        if self._last and self._last[-1] == first - 1:
            self._last[-1] = last
            self._save(len(self._last) - 1)
        else:
            self._first.append(first)
            self._last.append(last)
            self._save(len(self._last) - 1)

    def remove(self, first: int, last: int) -> list[tuple[int, int]]:
        """Takes [first, last] out; the parts of it that were waiting."""
        removed = []
        at = max(bisect_right(self._first, first) - 1, 0)
        while at < len(self._first) and self._first[at] <= last:
            low, high = self._first[at], self._last[at]
            if high < first:
                at += 1
                continue
            removed.append((max(low, first), min(high, last)))
            kept = [part for part in ((low, first - 1), (last + 1, high)) if part[0] <= part[1]]
            self._first[at : at + 1] = [part[0] for part in kept]
            self._last[at : at + 1] = [part[1] for part in kept]
            if not kept or kept[0][0] != low:
                self._con.execute("DELETE FROM waiting WHERE first = ?", (low,))
            for index in range(at, at + len(kept)):
                self._save(index)
            at += len(kept)
        return removed

    def _save(self, index: int) -> None:
        self._con.execute(
            "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?)",
            (self._first[index], self._last[index], seal(self._first[index], self._last[index])),
        )
