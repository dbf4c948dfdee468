"""Where monotonic time lies on the calendar, and where the open window begins and ends (kpi/README.md R3, R5).

Windows are aligned in UTC; everything inside is monotonic. A wall clock that jumps by more than JUMP_S closes the open
window and starts another. While the clock is not to be believed, windows carry no date: they are keyed by boot and
monotonic time, and dated at the first synchronisation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from collectors.clock import Clock, ClockTrust

JUMP_S = 2.0
HOLD_S = 1800.0
"""A clock that nobody sets for this long is believed all the same, and said to be unverified."""


class ClockEvent(Enum):
    """What the last look at the clocks found."""

    NOTHING = auto()
    JUMPED = auto()
    DATED = auto()


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


class Timeline:
    """The calendar of one run of the agent."""

    def __init__(self, clock: Clock, *, not_before_utc: float, trust: Callable[[float, float], ClockTrust]) -> None:
        """``trust(utc, not_before_utc)`` judges the wall clock."""
        self._clock = clock
        self._not_before = not_before_utc
        self._judge = trust
        self.began = clock.monotonic()
        self.jumps = 0
        self.last_jump_s = 0.0
        self.dated_by_s = 0.0
        """By how much the first date moved the provisional ones."""
        self._offset = clock.utc() - self.began
        self.trust = trust(clock.utc(), not_before_utc)
        self.dated = self.trust is not ClockTrust.UNSET

    @property
    def offset_s(self) -> float:
        """UTC minus monotonic time, as the open window uses it."""
        return self._offset

    def utc(self, at: float) -> float:
        """The UTC time of a monotonic one; a provisional one while ``dated`` is False."""
        return at + self._offset

    def look(self) -> ClockEvent:
        """Compare the clocks; call once a second. After JUMPED or DATED the open windows are to be cut at now."""
        now = self._clock.monotonic()
        offset = self._clock.utc() - now
        self.trust = self._judge(now + offset, self._not_before)
        moved = offset - self._offset
        if not self.dated:
            if self.trust is ClockTrust.UNSET and now - self.began < HOLD_S:
                self._offset = offset
                return ClockEvent.NOTHING
            self._offset, self.dated, self.dated_by_s = offset, True, moved
            return ClockEvent.DATED
        if abs(moved) > JUMP_S:
            self.jumps += 1
            self.last_jump_s = moved
            self._offset = offset
            return ClockEvent.JUMPED
        return ClockEvent.NOTHING

    def settle(self) -> None:
        """Take over a small drift between the clocks; called at a window's end, so that no window is bent."""
        offset = self._clock.utc() - self._clock.monotonic()
        if abs(offset - self._offset) <= JUMP_S:
            self._offset = offset

    def span(self, at: float, length_s: int) -> Span:
        """The aligned window that holds the monotonic time ``at``, from its aligned beginning."""
        label = int((at + self._offset) // length_s) * length_s
        start = label - self._offset
        return Span(start, start + length_s, length_s, label, self.dated)
