"""Echo windows: round trip, loss and delay variation of one target, additive from minute to month.

Round trips are kept as whole nanoseconds, so that sums do not depend on the order of adding: merging minutes into
an hour gives, bit for bit, what one accumulator over that hour would have given. Sources: RFC 2681 (round trip,
fixed waiting time), RFC 6673 (loss), RFC 3550 6.4.1 (J), RFC 3393 (IPDV).
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log
from typing import Any

from kpi.model import Metric, Outcome, Sample
from kpi.planned import Halves
from kpi.sketch import BUCKETS_PER_E, EMPTY, LARGEST, ZERO_UP_TO, Sketch
from kpi.stored import optional, sequence, signed, text, versioned, whole

PLAIN_VERSION = 1
J_RESET_AFTER_MISSING = 10
NS_PER_MS = 1_000_000
CLOCK_FLAG = "clock"

Reasons = tuple[tuple[str, int], ...]
"""Counts by reason, sorted by name."""


@dataclass(frozen=True, slots=True)
class EchoCounts:
    """What one window knows of one target's echoes. Faults and skipped ones are in neither ``sent`` nor ``lost``."""

    sent: int = 0
    lost: int = 0
    longest_run: int = 0
    """Most losses in a row, by number; echoes that were never sent neither break a run nor lengthen it."""
    leading_run: int = 0
    """Losses before the first answer (all of them where nothing was answered); with the next one, for the seam."""
    trailing_run: int = 0
    lost_by: Reasons = ()
    faults_by: Reasons = ()
    skipped: int = 0
    clock_flagged: int = 0
    """Answered, but wall and monotonic clock disagreed about them by more than 1 ms (agent/README.md)."""
    sum_ns: int = 0
    min_ns: int | None = None
    max_ns: int | None = None
    abs_d_ns: int = 0
    """Sum of |D|, D = RTT_i - RTT_(i-1) where both numbers were answered."""
    n_d: int = 0
    j_ns: int | None = None
    """RFC 3550's running J as the window ends; carried on, never merged. None before the first D."""
    first_answered: tuple[int, int] | None = None
    """(number, round trip in ns) of the first answered echo; with ``last_answered``, for the D across the seam."""
    last_answered: tuple[int, int] | None = None
    sketch: Sketch = EMPTY
    """Of the round trips, in ms."""

    @property
    def answered(self) -> int:
        """How many have a round trip."""
        return self.sketch.count

    @property
    def faults(self) -> int:
        """Echoes that the probe failed to send."""
        return sum(n for _, n in self.faults_by)

    def rtt_ms(self, q: float) -> float | None:
        """Quantile of the round trip in ms, within 1 %, never outside what was seen."""
        value = self.sketch.quantile(q)
        if value is None or self.min_ns is None or self.max_ns is None:
            return None
        return min(max(value, self.min_ns / NS_PER_MS), self.max_ns / NS_PER_MS)

    def to_plain(self) -> list[Any]:
        """Compact JSON types; trailing defaults are left off. About 120 bytes for 60 echoes on a LAN."""
        first, last = self.first_answered, self.last_answered
        plain: list[Any] = [PLAIN_VERSION, self.sent, self.sketch.to_plain() if self.sketch.counts else 0]
        plain += [self.min_ns, self.max_ns, self.sum_ns, self.abs_d_ns, self.n_d, self.j_ns]
        plain += [first[0], first[1], last[0] - first[0], last[1]] if first and last else [0, None, 0, 0]
        plain += [self.lost, self.longest_run, self.leading_run, self.trailing_run, _flat(self.lost_by)]
        plain += [self.skipped, _flat(self.faults_by), self.clock_flagged, self.sketch.zero]
        while plain[-1] in (0, None):
            plain.pop()
        return plain

    @staticmethod
    def from_plain(plain: Any) -> "EchoCounts":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        row = sequence(versioned(plain, PLAIN_VERSION, "an echo window"), 1, _FIELDS)
        p = [*row, *([0] * (_FIELDS - len(row)))]
        least_ns, most_ns = (optional(row[i], 0) if len(row) > i else None for i in (_MIN, _MIN + 1))
        has_ends = len(row) > _FIRST_RTT and row[_FIRST_RTT] is not None
        zero = whole(p[21])
        sketch = Sketch.from_plain(p[2], zero) if p[2] != 0 else Sketch(zero)
        is_known = sketch.count > 0
        if (least_ns is not None, most_ns is not None) != (is_known, is_known) or (has_ends and not is_known):
            raise ValueError("an echo window has its fastest and slowest answer exactly where it has answers")
        if least_ns is not None and most_ns is not None and least_ns > most_ns:
            raise ValueError("the fastest answer of an echo window is slower than the slowest")
        first = (whole(p[9]), whole(p[10])) if has_ends else None
        return EchoCounts(
            sent=whole(p[1]),
            sketch=sketch,
            min_ns=least_ns,
            max_ns=most_ns,
            sum_ns=whole(p[5]),
            abs_d_ns=whole(p[6]),
            n_d=whole(p[7]),
            j_ns=optional(p[8], 0) if has_ends else None,
            first_answered=first,
            last_answered=(first[0] + signed(p[11]), whole(p[12])) if first is not None else None,
            lost=whole(p[13]),
            longest_run=whole(p[14]),
            leading_run=whole(p[15]),
            trailing_run=whole(p[16]),
            lost_by=_pairs(p[17]),
            skipped=whole(p[18]),
            faults_by=_pairs(p[19]),
            clock_flagged=whole(p[20]),
        )


_FIELDS = 22
_MIN = 3
_FIRST_RTT = 10


class EchoAccumulator:
    """The echoes of one target sent in one window. ``add`` costs about 0.3 us, ``snapshot`` about 0.6 us an echo.

    An answer or a loss may come in any order (a loss comes 2 s after its sending, when later echoes are answered
    already), so results are noted as they come, 16 bytes each, and put in order of ``number`` once, by ``snapshot``.
    """

    __slots__ = ("_clock_flagged", "_codes", "_numbers", "_results")

    def __init__(self) -> None:
        self._numbers = array("q")
        self._results = array("d")
        """The round trip in ms, or -(1 + i) where ``_codes`` holds the i-th way in which there was none."""
        self._codes: dict[tuple[Outcome, str], float] = {}
        self._clock_flagged = 0

    def add(self, sample: Sample) -> None:
        """Note one result of Metric.ECHO; confirmation echoes are not counted (they are for the state alone)."""
        if sample.metric != Metric.ECHO:
            return
        if sample.outcome is Outcome.OK:
            value = sample.value
            if not isinstance(value, float | int):
                raise TypeError(f"an answered echo has a round trip in ms, not {value!r}")
            self._results.append(value if value >= 0 else 0.0)
            if sample.reason == CLOCK_FLAG:
                self._clock_flagged += 1
        else:
            kind = (sample.outcome, sample.reason or "")
            code = self._codes.get(kind)
            if code is None:
                code = self._codes[kind] = -1.0 - len(self._codes)
            self._results.append(code)
        self._numbers.append(sample.number)

    def __len__(self) -> int:
        return len(self._numbers)

    def snapshot(self, before: EchoCounts | None = None) -> EchoCounts:
        """The counts so far. ``before`` is the window before this one, which J goes on from; nothing else of it."""
        tally = _Tally(before)
        kinds = [kind for kind, _ in sorted(self._codes.items(), key=lambda item: -item[1])]
        previous: int | None = None
        for number, result in _in_order(self._numbers, self._results):
            if number == previous:
                continue  # one result a number: the first counts
            previous = number
            if result >= 0:
                tally.answered(number, result)
            else:
                tally.missing(*kinds[-1 - int(result)])
        return tally.counts(self._clock_flagged)


def _in_order(numbers: "array[int]", results: "array[float]") -> Sequence[tuple[int, float]]:
    pairs = list(zip(numbers, results, strict=True))
    pairs.sort(key=_number)
    return pairs


def _number(pair: tuple[int, float]) -> int:
    return pair[0]


class _Tally:
    """One pass over results in order of number."""

    __slots__ = (
        "abs_d_ns",
        "buckets",
        "faults",
        "first",
        "j",
        "last",
        "last_ns",
        "last_number",
        "leading",
        "longest",
        "lost",
        "max_ns",
        "min_ns",
        "n_d",
        "run",
        "sent",
        "skipped",
        "sum_ns",
        "zero",
    )  # fmt: skip

    def __init__(self, before: EchoCounts | None) -> None:
        self.buckets: dict[int, int] = {}
        self.lost: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.first: tuple[int, int] | None = None
        self.min_ns, self.max_ns = 1 << 62, -1
        self.sent = self.skipped = self.zero = self.sum_ns = self.abs_d_ns = self.n_d = 0
        self.run = self.longest = self.leading = 0
        tail = before.last_answered if before else None
        self.j: float | None = before.j_ns if before else None
        self.last_number, self.last_ns = tail or (-1 << 62, 0)

    def answered(self, number: int, rtt_ms: float) -> None:
        ns = round(rtt_ms * NS_PER_MS)
        gap = number - self.last_number
        if gap == 1:
            d = abs(ns - self.last_ns)
            self.j = (self.j or 0.0) + (d - (self.j or 0.0)) / 16
            if self.first is not None:  # the D across the seam is merge_echo's
                self.abs_d_ns += d
                self.n_d += 1
        elif gap > J_RESET_AFTER_MISSING or gap < 0:
            self.j = None
        self.last_number, self.last_ns = number, ns
        if self.first is None:
            self.first = (number, ns)
        if self.run:
            self._answer_ends_run()
        self.sent += 1
        self.sum_ns += ns
        if ns < self.min_ns:  # noqa: PLR1730 - min() costs 60 ns more, 500 times a second
            self.min_ns = ns
        if ns > self.max_ns:  # noqa: PLR1730 - as above
            self.max_ns = ns
        if ZERO_UP_TO < rtt_ms <= LARGEST:
            i = ceil(log(rtt_ms) * BUCKETS_PER_E)
            self.buckets[i] = self.buckets.get(i, 0) + 1
        else:
            self.zero += 1

    def missing(self, outcome: Outcome, reason: str) -> None:
        if outcome is Outcome.NO_REPLY:
            self.sent += 1
            self.run += 1
            self.lost[reason] += 1
        elif outcome is Outcome.REFUSED:  # it answered: sent, not lost, without a round trip
            self._answer_ends_run()
            self.sent += 1
        elif outcome is Outcome.SKIPPED:
            self.skipped += 1
        else:
            self.faults[reason] += 1

    def _answer_ends_run(self) -> None:
        if self.run == self.sent:
            self.leading = self.run
        self.longest = max(self.longest, self.run)
        self.run = 0

    def counts(self, clock_flagged: int) -> EchoCounts:
        all_lost = self.run == self.sent
        return EchoCounts(
            sent=self.sent,
            lost=self.lost.total(),
            longest_run=max(self.longest, self.run),
            leading_run=self.run if all_lost else self.leading,
            trailing_run=self.run,
            lost_by=_reasons(self.lost),
            faults_by=_reasons(self.faults),
            skipped=self.skipped,
            clock_flagged=clock_flagged,
            sum_ns=self.sum_ns,
            min_ns=self.min_ns if self.first else None,
            max_ns=self.max_ns if self.first else None,
            abs_d_ns=self.abs_d_ns,
            n_d=self.n_d,
            j_ns=round(self.j) if self.first and self.j is not None else None,
            first_answered=self.first,
            last_answered=(self.last_number, self.last_ns) if self.first else None,
            sketch=Sketch.from_buckets(self.buckets, self.zero),
        )


def merge_echo(a: EchoCounts, b: EchoCounts) -> EchoCounts:
    """Both windows as one; ``a`` is the earlier. Associative, exact, EchoCounts() is neutral."""
    abs_d_ns, n_d = a.abs_d_ns + b.abs_d_ns, a.n_d + b.n_d
    if a.last_answered and b.first_answered and b.first_answered[0] == a.last_answered[0] + 1:
        abs_d_ns += abs(b.first_answered[1] - a.last_answered[1])
        n_d += 1
    return EchoCounts(
        sent=a.sent + b.sent,
        lost=a.lost + b.lost,
        longest_run=max(a.longest_run, b.longest_run, a.trailing_run + b.leading_run),
        leading_run=a.sent + b.leading_run if _one_run(a) else a.leading_run,
        trailing_run=a.trailing_run + b.sent if _one_run(b) else b.trailing_run,
        lost_by=_sum(a.lost_by, b.lost_by),
        faults_by=_sum(a.faults_by, b.faults_by),
        skipped=a.skipped + b.skipped,
        clock_flagged=a.clock_flagged + b.clock_flagged,
        sum_ns=a.sum_ns + b.sum_ns,
        min_ns=_least(a.min_ns, b.min_ns),
        max_ns=_most(a.max_ns, b.max_ns),
        abs_d_ns=abs_d_ns,
        n_d=n_d,
        j_ns=b.j_ns if b.first_answered else a.j_ns,
        first_answered=a.first_answered or b.first_answered,
        last_answered=b.last_answered or a.last_answered,
        sketch=a.sketch.merge(b.sketch),
    )


def beside_echo(a: EchoCounts, b: EchoCounts) -> EchoCounts:
    """Two windows of which neither follows the other (two targets, or planned work and what is around it): nothing goes
    on from the one to the other, neither runs of losses nor D nor J."""
    merged = merge_echo(replace(a, last_answered=None), replace(b, first_answered=None))
    return replace(
        merged,
        longest_run=max(a.longest_run, b.longest_run),
        leading_run=0,
        trailing_run=0,
        j_ns=None,
        first_answered=None,
        last_answered=None,
    )


def merge_echo_halves(a: Halves[EchoCounts], b: Halves[EchoCounts]) -> Halves[EchoCounts]:
    """Both windows as one, half by half; ``a`` is the earlier. A run of losses does not go on over what lies in the
    other half."""
    counted = _half(a.counted, b.counted, gap_before=a.planned is not None, gap_after=b.planned is not None)
    planned = _half(a.planned, b.planned, gap_before=a.counted is not None, gap_after=b.counted is not None)
    return Halves(counted, planned)


def _half(a: EchoCounts | None, b: EchoCounts | None, *, gap_before: bool, gap_after: bool) -> EchoCounts | None:
    """One half of two windows. Where only one of them has it, the other window lies wholly beside: a gap."""
    if a is None or b is None:
        if b is not None and gap_before:
            return replace(b, leading_run=0)
        return replace(a, trailing_run=0) if a is not None and gap_after else a or b
    return merge_echo(a, b)


def _one_run(counts: EchoCounts) -> bool:
    """Nothing but losses, from beginning to end, and no gap at either."""
    return counts.leading_run == counts.trailing_run == counts.sent


def _least(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)


def _most(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)


def _reasons(counts: Counter[str]) -> Reasons:
    return tuple(sorted(counts.items()))


def _sum(a: Reasons, b: Reasons) -> Reasons:
    if not a or not b:
        return a or b
    return _reasons(Counter(dict(a)) + Counter(dict(b)))


def _flat(reasons: Reasons) -> list[str | int] | int:
    return [part for pair in reasons for part in pair] or 0


def _pairs(flat: Any) -> Reasons:
    if flat == 0:
        return ()
    row = sequence(flat, 2)
    if len(row) % 2:
        raise ValueError("reasons come with their counts")
    return tuple((text(name), whole(n)) for name, n in zip(row[::2], row[1::2], strict=True))
