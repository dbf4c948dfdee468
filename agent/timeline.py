"""Where monotonic time lies on the calendar, which of its seconds have a date, and where windows begin and end
(kpi/README.md R3, R5).

Windows are aligned in UTC; everything inside is monotonic. A wall clock that jumps by more than JUMP_S closes the open
window and starts another; less than that is left alone, so that no window is bent. While the clock is not to be
believed, windows carry no date: they are keyed by boot and monotonic time, and dated at the first synchronisation.

A second of the calendar counts once. Where a clock that was set back shows seconds again, the pass with the trusted
clock counts, else the first; what is measured in the other one has no date. A pass is trusted once a time daemon has
vouched for its clock. What passes that are not have counted of the seconds that a trusted one comes to is taken over
from them at once: it lies in the future of a clock that is right.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from collectors.clock import Clock, ClockTrust
from kpi.states import whole_ms
from kpi.stored import flag, sequence, signed, table

JUMP_S = 2.0
HOLD_S = 1800.0
"""A clock that nobody sets for this long is believed all the same, and said to be unverified."""
PASSES_KEPT = 64
STRETCHES_KEPT = 256
"""A clock that jumps every second does not fill the memory: what is older is taken together."""


class ClockEvent(Enum):
    """What the last look at the clocks found."""

    NOTHING = auto()
    JUMPED = auto()
    DATED = auto()
    COUNTS = auto()
    """The seconds begin to count, or cease to: the calendar leaves or enters what an earlier pass has counted."""


@dataclass(frozen=True, slots=True)
class Span:
    """One window in monotonic seconds. ``label`` is its aligned beginning in UTC, provisional unless ``dated``;
    ``length_s`` is the nominal length; a span that a clock jump cut is shorter."""

    start: float
    end: float
    length_s: int
    label: int
    dated: bool

    @property
    def start_utc(self) -> int | None:
        """The label, None while it is provisional."""
        return self.label if self.dated else None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Monotonic time from ``start`` to the next stretch: one offset, and seconds that count or do not."""

    start: float
    offset_s: float
    counts: bool


class Counted:
    """The seconds of the calendar that have been counted, as spans in whole milliseconds of UTC, each with whether the
    clock was trusted."""

    def __init__(self, spans: Iterable[tuple[int, int, bool]] = ()) -> None:
        self._spans = sorted(spans)

    def add(self, start_ms: int, end_ms: int, *, trusted: bool) -> None:
        """One pass; spans that touch and are trusted alike are one."""
        if start_ms >= end_ms:
            return
        merged: list[tuple[int, int, bool]] = []
        for start, end, kind in sorted([*self._spans, (start_ms, end_ms, trusted)]):
            if merged and start <= merged[-1][1] and kind is merged[-1][2]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1]), kind
            else:
                merged.append((start, end, kind))
        while len(merged) > PASSES_KEPT:
            merged[:2] = [(merged[0][0], merged[1][1], True)]
        self._spans = merged

    def take_over(self, from_ms: int) -> list[tuple[int, int]]:
        """What passes that are not trusted have counted from there on; it is counted no more."""
        taken = [(max(start, from_ms), end) for start, end, kind in self._spans if not kind and end > from_ms]
        self._spans = [
            (start, end if kind else min(end, from_ms), kind)
            for start, end, kind in self._spans
            if kind or start < from_ms
        ]
        return taken

    def at(self, ms: int) -> tuple[int, int] | None:
        """From when to when everything is counted around this millisecond; None where it is not."""
        found: tuple[int, int] | None = None
        for start, end, _ in self._spans:
            if found is not None and start == found[1]:
                found = found[0], end
            elif start <= ms < end:
                found = start, end
        return found

    def next_start(self, ms: int) -> int | None:
        """Where the next span begins."""
        return next((start for start, *_ in self._spans if start > ms), None)

    def end_before(self, ms: int) -> int | None:
        """Where the last span that ends at or before this has ended."""
        return max((end for _, end, _ in self._spans if end <= ms), default=None)

    def within(self, start_ms: int, end_ms: int) -> int:
        """How many of these milliseconds are counted."""
        return sum(max(0, min(end, end_ms) - max(start, start_ms)) for start, end, _ in self._spans)

    def to_plain(self) -> list[list[int]]:
        """JSON types."""
        return [[start, end, int(trusted)] for start, end, trusted in self._spans]


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Milliseconds of UTC that a pass which is not trusted had counted, and that the present one counts anew.
    ``follows``: somebody counts up to ``start``, so that nothing is known from there on. ``with_end``: nobody counts
    from ``end`` on, so that it is not so any more either that the pass ended there."""

    start: int
    end: int
    follows: bool
    with_end: bool
    from_mono: float
    """Where the present pass began, monotonic."""


class Timeline:
    """The calendar of one run of the agent."""

    def __init__(
        self,
        clock: Clock,
        *,
        not_before_utc: float,
        trust: Callable[[float, float], ClockTrust],
        counted: Iterable[Sequence[int]] = (),
        taken_before: Iterable[Sequence[int]] = (),
    ) -> None:
        """``trust(utc, not_before_utc)`` judges the wall clock; ``counted`` is what the runs before have counted, as
        ``counted_plain`` gave it, ``taken_before`` what they have taken over, as ``taken_plain`` did."""
        self._clock = clock
        self._not_before = not_before_utc
        self._judge = trust
        self.began = whole_ms(clock.monotonic())
        self.jumps = 0
        self.last_jump_s = 0.0
        self.last_twice_s = 0.0
        """How many seconds the last jump shows a second time."""
        self.last_later_s = 0.0
        """How many of these count in the later pass."""
        self.dated_by_s = 0.0
        """By how much the first date moved the provisional ones."""
        self.before_utc: float | None = None
        """Up to when the runs before have counted, as the first date shows it."""
        self.cut_at = self.began
        """Where the last event cuts the open windows, monotonic."""
        self.ended_utc: float | None = None
        """Up to when the seconds before it have counted; None where they did not."""
        self._counted = Counted((int(start), int(end), bool(trusted)) for start, end, trusted in counted)
        self._taken = Counted((int(start), int(end), True) for start, end, *_ in taken_before)
        self._to_tell: list[TakenOver] = []
        self._offset = whole_ms(clock.utc() - self.began)
        self.trust = trust(clock.utc(), not_before_utc)
        self.dated = self.trust is not ClockTrust.UNSET
        self._trusted = self.trust is ClockTrust.SYNCHRONISED
        """A time daemon has vouched for the present pass."""
        self._edge = float("inf")
        self._stretches: list[_Stretch] = []
        self._take_over(self.began, since=self.began)
        self._begin(self.began)

    @property
    def offset_s(self) -> float:
        """UTC minus monotonic time, as the open window uses it."""
        return self._offset

    @property
    def counts(self) -> bool:
        """The clock is set, and the present seconds are counted for the first time."""
        return self._stretches[-1].counts

    @property
    def began_counting(self) -> float:
        """Where the present stretch began, monotonic."""
        return self._stretches[-1].start

    def counted_to(self, at: float) -> float | None:
        """The UTC time up to which an earlier pass has counted, as seen from the monotonic time ``at``: the end of what
        it has counted last, or of what holds ``at``. None where nothing was counted before."""
        ms = _ms(at + self._offset)
        held = self._counted.at(ms)
        end = held[1] if held is not None else self._counted.end_before(ms)
        return end / 1000 if end is not None else None

    def remembered(self, seconds: float) -> tuple[float, float]:
        """From when to when, in UTC, the states are wanted that the runs before have stored: the last ``seconds``
        before now and before they ended, and what the calendar comes to later."""
        now = self.began + self._offset
        last = max((end / 1000 for _, end, _ in self._counted.to_plain()), default=now)
        return (min(now, last) if self.dated else last) - seconds, max(now, last) + 1.0

    def counted_plain(self, at: float) -> list[list[int]]:
        """What is counted up to the monotonic time ``at``, to be persisted."""
        counted = Counted((start, end, bool(trusted)) for start, end, trusted in self._counted.to_plain())
        stretch = self._stretches[-1]
        if stretch.counts:
            counted.add(_ms(stretch.start + self._offset), _ms(at + self._offset), trusted=self._trusted)
        return counted.to_plain()

    def taken_plain(self) -> list[list[int]]:
        """What was taken over, to be persisted."""
        return [[start, end] for start, end, _ in self._taken.to_plain()]

    def taken_over(self, start_utc: float, length_s: float) -> bool:
        """Something of this window was taken over from a pass that may have closed it."""
        return self._taken.within(_ms(start_utc), _ms(start_utc + length_s)) > 0

    def not_yet(self, start_utc: int, end_utc: int) -> list[tuple[float, float]]:
        """The parts of this window that lie ahead of the calendar, and that no pass has counted."""
        if not self.dated:
            return []
        now = self._clock.monotonic()
        return uncounted(self.counted_plain(now), max(_ms(now + self._offset), 1000 * start_utc), 1000 * end_utc)

    def counts_on(self, utc: float) -> bool:
        """An earlier pass counts from there on; a millisecond that rounding adds is no time."""
        return self._counted.at(_ms(utc) + 1) is not None

    @property
    def has_taken_over(self) -> bool:
        """There is something that ``told_taken_over`` has not given yet."""
        return bool(self._to_tell)

    def told_taken_over(self) -> list[TakenOver]:
        """What was taken over since the last call."""
        told, self._to_tell = self._to_tell, []
        return told

    def utc(self, at: float) -> float:
        """The UTC time of a monotonic one, as the clock had it then; a provisional one while ``dated`` is False."""
        return at + self._at(at).offset_s

    def date(self, at: float) -> float | None:
        """The UTC time of a state that begins at ``at``: of what does not count, that of the next moment that does.
        None where there is none yet."""
        index = self._index(at)
        if self._stretches[index].counts:
            return at + self._stretches[index].offset_s
        return next((s.start + s.offset_s for s in self._stretches[index + 1 :] if s.counts), None)

    def counting_since(self, at: float) -> list[float]:
        """The UTC times at which seconds have begun to count after the monotonic time ``at``."""
        return [s.start + s.offset_s for s in self._stretches[self._index(at) + 1 :] if s.counts]

    def look(self) -> ClockEvent:
        """Compare the clocks; call once a second, and at ``edge``. After any event but NOTHING the open windows are to
        be cut at ``cut_at``."""
        now = self._clock.monotonic()
        offset = self._clock.utc() - now
        self.trust = self._judge(now + offset, self._not_before)
        moved = offset - self._offset
        if not self.dated:
            if self.trust is ClockTrust.UNSET and now - self.began < HOLD_S:
                return (
                    ClockEvent.NOTHING
                )  # provisional dates keep one offset: the first date moves them all by the same
            self.dated_by_s = moved
            self._offset = whole_ms(offset)
            self._trusted = self.trust is ClockTrust.SYNCHRONISED
            self._date_all(whole_ms(now))
            return ClockEvent.DATED
        if abs(moved) > JUMP_S:
            self.jumps += 1
            self.last_jump_s = moved
            self._end(whole_ms(now))
            self._offset = whole_ms(offset)
            from_ms = _ms(self.cut_at + self._offset)
            to_ms = from_ms + max(0, -_ms(moved))
            twice_ms = self._counted.within(from_ms, to_ms)
            self._trusted = self.trust is ClockTrust.SYNCHRONISED
            self._take_over(self.cut_at, since=self.cut_at)
            self.last_twice_s = twice_ms / 1000
            self.last_later_s = (twice_ms - self._counted.within(from_ms, to_ms)) / 1000
            if self.ended_utc is not None and self._counted.at(_ms(self.ended_utc) - 1) is None:  # taken over just now
                self.ended_utc = None
            self._begin(self.cut_at)
            return ClockEvent.JUMPED
        if self.trust is ClockTrust.SYNCHRONISED and not self._trusted:
            self._trusted = True
            self._take_over(whole_ms(now), since=self.began_counting if self.counts else whole_ms(now))
            if not self.counts and self._counted.at(_ms(now + self._offset)) is None:
                self._end(whole_ms(now))
                self._begin(self.cut_at)
                return ClockEvent.COUNTS
            self._edge = self._next_edge(_ms(now + self._offset), counts=self.counts)
        if now >= self._edge:
            self._end(self._edge)
            self._begin(self.cut_at)
            return ClockEvent.COUNTS
        return ClockEvent.NOTHING

    @property
    def edge(self) -> float:
        """When the seconds begin to count, or cease to; monotonic, infinity where they go on as they are."""
        return self._edge

    def span(self, at: float, length_s: int) -> Span:
        """The aligned window that holds the monotonic time ``at``, from its aligned beginning."""
        label = _ms(at + self._offset) // (1000 * length_s) * length_s
        start = whole_ms(label - self._offset)
        return Span(start, whole_ms(start + length_s), length_s, label, self.counts)

    def _date_all(self, now: float) -> None:
        """All that was measured since the start gets its date, but for what the runs before have counted."""
        self.dated = True
        self._take_over(self.began, since=self.began)
        self.before_utc = self.counted_to(self.began)
        self._stretches.clear()
        self._begin(self.began)
        while self._edge < now:
            self._end(self._edge)
            self._begin(self.cut_at)
        self._end(now)
        self._begin(now)

    def _begin(self, at: float) -> None:
        """A stretch of the present offset: does it count, and for how long?"""
        ms = _ms(at + self._offset)
        held = self._counted.at(ms)
        counts = self.dated and held is None
        self._edge = self._next_edge(ms, counts=counts)
        self._stretches.append(_Stretch(at, self._offset, counts))
        if len(self._stretches) > STRETCHES_KEPT:
            del self._stretches[0]

    def _next_edge(self, ms: int, *, counts: bool) -> float:
        """When the seconds from ``ms`` on cease to count, or begin to."""
        held = self._counted.at(ms)
        until = self._counted.next_start(ms) if counts else held[1] if self.dated and held is not None else None
        return whole_ms(until / 1000 - self._offset) if until is not None else float("inf")

    def _take_over(self, at: float, *, since: float) -> None:
        """A pass that began at the monotonic time ``since`` is trusted from ``at`` on."""
        if not (self._trusted and self.dated):
            return
        for start, end in self._counted.take_over(_ms(at + self._offset)):
            self._taken.add(start, end, trusted=True)
            follows, with_end = self._counted.end_before(start) == start, self._counted.at(end) is None
            self._to_tell.append(TakenOver(start, end, follows, with_end, since))

    def _end(self, at: float) -> None:
        """The present stretch is over; what counted is counted."""
        self.cut_at = at
        stretch = self._stretches[-1]
        self.ended_utc = whole_ms(at + self._offset) if stretch.counts else None
        if stretch.counts:
            self._counted.add(_ms(stretch.start + self._offset), _ms(at + self._offset), trusted=self._trusted)

    def _index(self, at: float) -> int:
        return max(0, bisect_right(self._stretches, at, key=lambda s: s.start) - 1)

    def _at(self, at: float) -> _Stretch:
        return self._stretches[self._index(at)]


def uncounted(counted: Iterable[Sequence[int]], start_ms: int, end_ms: int) -> list[tuple[float, float]]:
    """In seconds, the parts of [start, end) that are not within ``counted``, spans in order."""
    found, at = [], start_ms
    for start, end, *_ in counted:
        if at < min(start, end_ms):
            found.append((at / 1000, min(start, end_ms) / 1000))
        at = max(at, end)
    return [*found, (at / 1000, end_ms / 1000)] if at < end_ms else found


def counted_of(plain: Any, alive_utc: float | None) -> list[tuple[int, int, bool]]:
    """What the runs before have counted, out of the agent's own "last counters"; of an agent that did not keep it,
    everything up to when it was alive. Where it was not kept whether the clock was trusted, it was not. ValueError for
    what cannot be read."""
    if "counted" in table(plain):
        spans = [sequence(span, 2, 3) for span in sequence(plain["counted"])]
        return [(signed(start), signed(end), bool(trusted) and flag(trusted[0])) for start, end, *trusted in spans]
    return [(0, _ms(alive_utc), False)] if alive_utc is not None else []


def taken_of(plain: Any) -> list[tuple[int, int]]:
    """What the runs before have taken over, out of the same. ValueError for what cannot be read."""
    spans = [sequence(span, 2, 2) for span in sequence(table(plain).get("taken_over", ()))]
    return [(signed(start), signed(end)) for start, end in spans]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
