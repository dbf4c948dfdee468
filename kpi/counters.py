"""What two readings of a counter mean: the delta, or why there is none (kpi/README.md R6).

A delta is taken only where the device's own clock says that nothing restarted in between: sysUpTime went on like the
probe's clock, and ifCounterDiscontinuityTime stayed. A delta that cannot be known is a Refusal, never 0.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

COUNTER32 = 32
"""Bits."""
WRAP = 1 << COUNTER32
CS_PER_S = 100
TOLERANCE_CS = 300
TOLERANCE_SHARE = 0.01
OVER_LINE_RATE = 1.05
SMALLEST_FRAME_BITS = 672
"""64 octets of Ethernet with preamble and gap: no line carries more than speed / 672 packets a second."""
MOST_OVER_SPEED = 10
"""A port that carries more than it tells may tell a wrong speed, and is shown; so many times it is a wrong counter."""
SPEED_TOLD_FROM_BPS = 100_000_000
"""Tunnels and virtual ports tell 9 kb/s or 10 Mb/s and carry what the line below them does."""
FASTEST_LINE_BPS = 1_000_000_000_000
"""No line of any speed carries more than 1 Tb/s (800 Gb/s is the fastest Ethernet there is)."""
HELD_BACK_S = 60.0
"""Agents refresh their counters up to so rarely: what rose in a shorter interval may have passed in this time."""
JUDGED_AFTER_S = 10.0
"""Within the tolerance of 3 s, a shorter interval cannot tell a stopped sysUpTime from a running one."""
ODD_TO_DISTRUST = 2
GOOD_TO_TRUST = 3
RATE_TOLERANCE_CS = 10
RATE_TOLERANCE_SHARE = 0.05
"""By how much a clock in the wrong unit seems to change its rate: polls are not asked to the second."""
LEAST_WRAP_BACK = WRAP / 100
"""A counter that goes back by less (42,949,672.96, so at most 42,949,672) stumbled: to go round it would have risen by
nearly all of 2^32."""
ASSUMED_OCTETS_BPS = 20_000_000
"""Speed unknown: RFC 2863 wants 64-bit octets above 20 Mb/s, so a 32-bit wrap is accepted up to that rate only."""
ASSUMED_WRAP_BPS = 100_000_000
"""Speed unknown: polls slower than the wrap at 100 Mb/s (5.7 min) are unknown; 32-bit agents at that speed exist."""


class Refusal(StrEnum):
    """Why a delta is unknown."""

    ABSENT = "absent"
    """The agent does not have the object, or did not answer it."""
    RESTARTED = "restarted"
    """sysUpTime did not go on."""
    DISCONTINUITY = "discontinuity"
    """ifCounterDiscontinuityTime moved."""
    TOO_SLOW = "too_slow"
    """A 32-bit counter may have gone round unseen between the readings."""
    RESET = "reset"
    """It went back and cannot have gone round."""
    STUMBLED = "stumbled"
    """It went back by a little, without a reset."""
    IMPLAUSIBLE = "implausible"
    """Gone round, it would be more than the line carries; or a reading below 0, or of more than its bits hold."""
    TOO_FAST = "too_fast"
    """A 64-bit counter rose by more than any line carries."""
    WIDTH = "width"
    """One reading has 32 bits, the other 64."""


Delta = int | Refusal


@dataclass(frozen=True, slots=True)
class Span:
    """The time between two readings of one agent."""

    seconds: float
    """What rates divide by: the sysUpTime difference, or the probe's own where sysUpTime is not to be trusted."""
    by_uptime: bool
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class LineRate:
    """What a line can carry at most, and in what time a 32-bit counter of it goes round at the earliest."""

    octets_per_s: float
    packets_per_s: float
    octets_wrap_s: float
    packets_wrap_s: float
    octets_most_per_s: float
    packets_most_per_s: float
    """What a 64-bit counter can rise by at most, though the speed that is told be wrong."""
    assumed: bool


def line_rate(speed_bps: int | None) -> LineRate:
    """The bounds for a line of this speed; cautious ones where it is unknown or 0."""
    bound, wrap = (speed_bps, speed_bps) if speed_bps else (ASSUMED_OCTETS_BPS, ASSUMED_WRAP_BPS)
    told = speed_bps is not None and speed_bps >= SPEED_TOLD_FROM_BPS
    most = MOST_OVER_SPEED * bound if told else FASTEST_LINE_BPS
    return LineRate(
        octets_per_s=OVER_LINE_RATE * bound / 8,
        packets_per_s=bound / SMALLEST_FRAME_BITS,
        octets_wrap_s=WRAP * 8 / wrap,
        packets_wrap_s=WRAP * SMALLEST_FRAME_BITS / wrap,
        octets_most_per_s=most / 8,
        packets_most_per_s=most / SMALLEST_FRAME_BITS,
        assumed=not speed_bps,
    )


def uptime_drift_cs(before_cs: int, after_cs: int, probe_s: float) -> float:
    """By how much sysUpTime went on more than the probe's clock; modulo 2^32, signed (it wraps after 497.1 d)."""
    drift = (after_cs - before_cs - CS_PER_S * probe_s) % WRAP
    return drift - WRAP if drift >= WRAP / 2 else drift


def runs_on(before_cs: int, after_cs: int, probe_s: float) -> bool:
    """Whether the agent's clock went on like the probe's: within 3 s or 1 %, whichever is more."""
    drift = abs(uptime_drift_cs(before_cs, after_cs, probe_s))
    return drift <= max(TOLERANCE_CS, TOLERANCE_SHARE * CS_PER_S * probe_s)


def stepped_back(before_cs: int, after_cs: int, probe_s: float) -> bool:
    """Whether sysUpTime went back to what can have passed since the reading before: a restart. A clock that stands
    still, hurries or is set back by an hour is a fault of the clock, not a restart."""
    passed_cs = CS_PER_S * max(probe_s, 0.0)
    return (
        after_cs < before_cs
        and after_cs <= passed_cs + max(TOLERANCE_CS, TOLERANCE_SHARE * passed_cs)
        and not runs_on(before_cs, after_cs, probe_s)
    )


def span(
    before_cs: int | None,
    after_cs: int | None,
    probe_s: float,
    *,
    discontinuity: tuple[int | None, int | None] = (None, None),
    trusted: bool = True,
) -> Span:
    """The time between two readings with these sysUpTimes, ``probe_s`` apart by the probe's monotonic clock.

    ``discontinuity`` are the two ifCounterDiscontinuityTimes, not tested where one is None. ``trusted`` is what the
    agent's UptimeTracker says; where it is False, or sysUpTime is absent, the probe's own time is what counts.
    """
    first, second = discontinuity
    moved = first is not None and second is not None and first != second
    if before_cs is None or after_cs is None or not trusted:
        return Span(probe_s, by_uptime=False, refused=Refusal.DISCONTINUITY if moved else None)
    if not runs_on(before_cs, after_cs, probe_s):
        return Span(probe_s, by_uptime=True, refused=Refusal.RESTARTED)
    seconds = (after_cs - before_cs) % WRAP / CS_PER_S
    if seconds > probe_s + WRAP / CS_PER_S / 2:  # two readings at once, the second a tick older
        seconds = 0.0
    return Span(seconds, by_uptime=True, refused=Refusal.DISCONTINUITY if moved else None)


def delta(
    before: int | None,
    after: int | None,
    bits: int,
    over: Span,
    *,
    per_s: float,
    wrap_s: float | None = None,
    most_per_s: float = math.inf,
) -> Delta:
    """``after`` - ``before`` of a counter with 32 or 64 ``bits``, or why it is unknown.

    ``per_s`` is the most it can rise in a second, ``wrap_s`` the shortest time in which 32 bits go round (both of
    LineRate); without one it is what ``per_s`` says. ``most_per_s`` is what 64 bits cannot rise beyond. A counter that
    went back went round only where it has 32 bits, sysUpTime vouches for the time between, it went back by nearly all
    of its range and the line could carry it.
    """
    if before is None or after is None:
        return Refusal.ABSENT
    if over.refused is not None:
        return over.refused
    if not (0 <= before < 1 << bits and 0 <= after < 1 << bits):
        return Refusal.IMPLAUSIBLE
    if bits == COUNTER32 and over.seconds > (WRAP / per_s if wrap_s is None else wrap_s):
        return Refusal.TOO_SLOW
    if bits != COUNTER32 and after - before > most_per_s * max(over.seconds, HELD_BACK_S):
        return Refusal.TOO_FAST
    return after - before if after >= before else _gone_round(before, after, bits, over, per_s)


def _gone_round(before: int, after: int, bits: int, over: Span, per_s: float) -> Delta:
    if bits != COUNTER32 or not over.by_uptime:
        return Refusal.RESET
    if before - after < LEAST_WRAP_BACK:
        return Refusal.STUMBLED
    wrapped = after - before + WRAP
    return wrapped if wrapped <= per_s * over.seconds else Refusal.IMPLAUSIBLE


class UptimeTracker:
    """Judges whether one agent's sysUpTime runs like the probe's clock; a third of agents have something of the kind.

    A step back to what can have passed since the reading before is a restart, and so is a clock that was good and
    shows less than has passed. Of a clock that was never good the next interval decides: where it runs on, or at
    another rate, it restarted; where it goes on at the same wrong rate, its unit is wrong. Anything else that does not
    run on is odd (frozen, in the wrong unit, coarse): the first odd interval gives unknown, two in a row end the trust,
    three good ones in a row give it back.
    """

    __slots__ = ("_at", "_doubted", "_good", "_odd", "_uptime_cs", "absent", "began", "late", "restarts", "trusted")

    def __init__(self) -> None:
        self.trusted = True
        self.absent = False
        """The last reading had no sysUpTime."""
        self.restarts = 0
        """How many were seen; whoever remembers the number knows that there was one since."""
        self.began = 0.0
        """When the last of them began anew, by its own uptime."""
        self.late = False
        """The last of them was known for one only by an interval after it."""
        self._at: float | None = None
        self._uptime_cs = 0
        self._doubted: _Doubted | None = None
        self._odd = 0
        self._good = 0

    @property
    def usable(self) -> bool:
        """Whether sysUpTime is there and to be trusted; else figures are flagged "uptime"."""
        return self.trusted and not self.absent

    def resume(self, at: float, uptime_cs: int | None, *, trusted: bool) -> None:
        """The last reading before the probe itself restarted. Where sysUpTime was to be trusted, less of it than has
        passed since is a restart in the gap, be it more than it was before (kpi/README.md R8)."""
        self.take(at, uptime_cs)
        self.trusted = trusted
        self._good = int(trusted)

    def take(self, at: float, uptime_cs: int | None) -> None:
        """A reading asked for at ``at``, monotonic seconds; a poll's many PDUs may all be given."""
        self.absent = uptime_cs is None
        if uptime_cs is None:
            return
        if self._at is None:
            self._at, self._uptime_cs = at, uptime_cs
            return
        probe_s = at - self._at
        back = uptime_cs < self._uptime_cs and stepped_back(self._uptime_cs, uptime_cs, probe_s)
        if probe_s < JUDGED_AFTER_S and not back:
            return
        before, self._at, self._uptime_cs = self._uptime_cs, at, uptime_cs
        doubted, self._doubted = self._doubted, None
        if runs_on(before, uptime_cs, probe_s):
            if doubted is not None:
                self._restarted(doubted.began, late=True)
            self._odd = 0
            self._good += 1
            self.trusted = self.trusted or self._good >= GOOD_TO_TRUST
            return
        short = before < uptime_cs <= CS_PER_S * probe_s
        if back or (self._good and short):
            self._restarted(at - uptime_cs / CS_PER_S, late=False)
            return
        self._good = 0
        self._odd += 1
        if short:
            self._doubted = _Doubted(at - uptime_cs / CS_PER_S, uptime_cs - before, probe_s)
            if doubted is not None and not doubted.goes_on_as(self._doubted):
                self._restarted(doubted.began, late=True)
                self._odd = 1
        self.trusted = self.trusted and self._odd < ODD_TO_DISTRUST

    def _restarted(self, began: float, *, late: bool) -> None:
        self.restarts += 1
        self.began, self.late = began, late


@dataclass(frozen=True, slots=True)
class _Doubted:
    """An interval at whose end sysUpTime was less than had passed, of a clock that was not good before: a restart, or a
    wrong unit."""

    began: float
    """When it restarted, where it did."""
    rise_cs: int
    passed_s: float

    def goes_on_as(self, after: "_Doubted") -> bool:
        """Whether the clock went at one rate in both intervals, as one in the wrong unit does."""
        expected_cs = self.rise_cs * after.passed_s / self.passed_s
        return abs(after.rise_cs - expected_cs) <= RATE_TOLERANCE_CS + RATE_TOLERANCE_SHARE * expected_cs
