"""DDSketch: a distribution that merges exactly and keeps every quantile within 1 % of a true value (kpi/README.md R9).

Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees" (2019):
gamma = (1 + alpha) / (1 - alpha), a value x falls into bucket ceil(log_gamma x), and the bucket's estimate
2 gamma^i / (gamma + 1) is within alpha of everything in it. The unit is the caller's; 0.05 ms to 10 s takes 611
buckets.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log
from typing import Any

from kpi.stored import sequence, signed, wholes

ALPHA = 0.01
GAMMA = (1 + ALPHA) / (1 - ALPHA)
BUCKETS_PER_E = 1 / log(GAMMA)
"""Buckets in one natural logarithm: bucket = ceil(log(x) * BUCKETS_PER_E)."""
ZERO_UP_TO = 1e-6
"""Values up to here (1 ns where the unit is ms) are counted apart, as zero."""
LARGEST = 1e15
RANK_SLACK = 1e-9
"""0.29 * 100 is 28.999999999999996 in binary; its rank is 29."""
WIDEST = 4096
"""No honest sketch spans more buckets: 1e-6 to 1e15 are 2418."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """Counts a bucket, as an immutable value. Two equal collections of values give equal sketches in any order."""

    zero: int = 0
    first: int = 0
    """Number of the bucket that ``counts[0]`` stands for; 0 where there are none."""
    counts: tuple[int, ...] = ()
    """No zero at either end."""

    @staticmethod
    def of(values: Iterable[float]) -> "Sketch":
        """The sketch of these values."""
        builder = SketchBuilder()
        for value in values:
            builder.add(value)
        return builder.snapshot()

    @staticmethod
    def from_buckets(buckets: Mapping[int, int], zero: int = 0) -> "Sketch":
        """From counts keyed by bucket number; counts are above 0."""
        if not buckets:
            return Sketch(zero)
        first, last = min(buckets), max(buckets)
        return Sketch(zero, first, tuple([buckets.get(i, 0) for i in range(first, last + 1)]))

    @property
    def count(self) -> int:
        """How many values went in."""
        return self.zero + sum(self.counts)

    def merge(self, other: "Sketch") -> "Sketch":
        """Both distributions as one: buckets added, exact, order-free."""
        if not other.counts:
            return Sketch(self.zero + other.zero, self.first, self.counts)
        if not self.counts:
            return Sketch(self.zero + other.zero, other.first, other.counts)
        first = min(self.first, other.first)
        end = max(self.first + len(self.counts), other.first + len(other.counts))
        total = [0] * (end - first)
        at = self.first - first
        total[at : at + len(self.counts)] = self.counts
        at = other.first - first
        for i, n in enumerate(other.counts, at):
            total[i] += n
        return Sketch(self.zero + other.zero, first, tuple(total))

    def quantile(self, q: float) -> float | None:
        """Estimate of the value with rank floor(q (n - 1)), 0 <= q <= 1; None where nothing was counted."""
        n = self.count
        if n == 0:
            return None
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile is between 0 and 1, not {q}")
        left = floor(q * (n - 1) + RANK_SLACK) - self.zero
        if left < 0:
            return 0.0
        for i, count in enumerate(self.counts, self.first):
            left -= count
            if left < 0:
                return estimate(i)
        raise AssertionError("the rank is below the count")

    def to_wire(self) -> tuple[int, tuple[int, ...]]:
        """``(first, counts)`` as it travels (agent/README.md); the zero count goes beside it."""
        return self.first, self.counts

    @staticmethod
    def from_wire(first: int, counts: Sequence[int], zero: int = 0) -> "Sketch":
        """The reverse of to_wire; ValueError where it cannot be a sketch."""
        if zero < 0 or any(n < 0 for n in counts) or len(counts) > WIDEST:
            raise ValueError("a sketch has no negative counts and at most 4096 buckets")
        return Sketch.from_buckets({i: n for i, n in enumerate(counts, first) if n}, zero)

    def to_plain(self) -> list[int]:
        """``[first, count, count, -gap, count, ...]``: a negative number stands for so many empty buckets."""
        plain, gap = [self.first], 0
        for n in self.counts:
            if n == 0:
                gap += 1
                continue
            if gap:
                plain.append(-gap)
                gap = 0
            plain.append(n)
        return plain

    @staticmethod
    def from_plain(plain: Any, zero: int = 0) -> "Sketch":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        row = sequence(plain, 1)
        first, counts = signed(row[0], WIDEST), list[int]()
        for n in wholes(row[1:], -WIDEST):
            counts += [n] if n > 0 else [0] * -n
            if not n or len(counts) > WIDEST:
                raise ValueError(f"a sketch has at most {WIDEST} buckets, and none that is 0")
        if counts and (row[1] < 0 or row[-1] < 0):
            raise ValueError("a sketch begins and ends with a bucket that holds something")
        return Sketch(zero, first if counts else 0, tuple(counts))


EMPTY = Sketch()


class SketchBuilder:
    """Takes values one by one, about 0.2 us each; ``snapshot`` gives the Sketch so far."""

    __slots__ = ("_buckets", "_zero")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._zero = 0

    def add(self, value: float) -> None:
        """Count one value. Up to 1e-6 (and below 0) is zero; ValueError for NaN and above 1e15."""
        if ZERO_UP_TO < value <= LARGEST:
            buckets = self._buckets
            i = ceil(log(value) * BUCKETS_PER_E)
            buckets[i] = buckets.get(i, 0) + 1
        elif value <= ZERO_UP_TO:
            self._zero += 1
        else:
            raise ValueError(f"not a value for a sketch: {value}")

    def snapshot(self) -> Sketch:
        """What was counted so far; the builder goes on."""
        return Sketch.from_buckets(self._buckets, self._zero)


def estimate(bucket: int) -> float:
    """The value that is within 1 % of everything in this bucket."""
    return 2 * float(GAMMA**bucket) / (GAMMA + 1)
