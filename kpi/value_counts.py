"""Quantities that arrive as whole numbers of few values (dBm, dB), counted per value: exact, and merged exactly.

A sketch of 1 % would move -67 dBm to -67.36, across a threshold (rule R9). Some devices tell one decimal, so values
are counted in tenths.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import floor
from typing import Any

from kpi.sketch import RANK_SLACK
from kpi.stored import sequence, signed, whole

STEPS = 10
"""In one unit."""


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """How often each value was seen, as an immutable value."""

    counts: tuple[tuple[int, int], ...] = ()
    """(value in tenths, how often), ascending; nothing that was never seen."""

    @staticmethod
    def of(values: Iterable[float]) -> "ValueCounts":
        """These values, each to the nearest tenth."""
        counts: dict[int, int] = {}
        for value in values:
            step = step_of(value)
            counts[step] = counts.get(step, 0) + 1
        return ValueCounts.from_steps(counts)

    @staticmethod
    def from_steps(counts: Mapping[int, int]) -> "ValueCounts":
        """From counts keyed by value in tenths."""
        return ValueCounts(tuple(sorted((step, n) for step, n in counts.items() if n > 0)))

    @property
    def count(self) -> int:
        """How many values went in."""
        return sum(n for _, n in self.counts)

    def merge(self, other: "ValueCounts") -> "ValueCounts":
        """Both as one: counts of equal values added, exact, order-free."""
        both = dict(self.counts)
        for step, n in other.counts:
            both[step] = both.get(step, 0) + n
        return ValueCounts.from_steps(both)

    def quantile(self, q: float, *, from_top: bool = False) -> float | None:
        """The value with rank floor(q (n - 1)) of the ascending ones (of the descending ones ``from_top``); None where
        nothing was counted. A ``q`` below 0 is 0, one above 1 is 1."""
        n = self.count
        if n == 0:
            return None
        rank = floor(min(max(q, 0.0), 1.0) * (n - 1) + RANK_SLACK)
        counts = self.counts[::-1] if from_top else self.counts
        upto = accumulate(times for _, times in counts)
        return next(step / STEPS for (step, _), seen in zip(counts, upto, strict=True) if rank < seen)

    def to_wire(self) -> tuple[tuple[float, int], ...]:
        """(value in its unit, how often), ascending; whole numbers where all values are."""
        whole = all(step % STEPS == 0 for step, _ in self.counts)
        return tuple((step // STEPS if whole else step / STEPS, n) for step, n in self.counts)

    def to_plain(self) -> list[int]:
        """``[first, n, distance to the next, n, ...]``, values in tenths."""
        if not self.counts:
            return []
        plain = list(self.counts[0])
        for (before, _), (step, n) in pairwise(self.counts):
            plain += [step - before, n]
        return plain

    @staticmethod
    def from_plain(plain: Any) -> "ValueCounts":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        row = sequence(plain)
        if len(row) % 2:
            raise ValueError("values come with their counts")
        counts: dict[int, int] = {}
        step = 0
        for by, n in zip(row[::2], row[1::2], strict=True):
            step += signed(by)
            if step in counts:
                raise ValueError("each value comes once")
            counts[step] = whole(n, 1)
        return ValueCounts.from_steps(counts)


NOTHING = ValueCounts()


def step_of(value: float) -> int:
    """A finite value in tenths."""
    return round(value * STEPS)
