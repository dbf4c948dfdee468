"""One port's readings turned into windows: traffic, errors, state time and link flaps.

Feed a PortAccumulator what SNMP answered with the monotonic time at which it was asked; close it at each window's end.

A counter interval counts in the window in which it ends, whole. Polls lie anywhere in their window, so that a bin of
300 s shows the 300 s up to its last poll; to share an interval out would mean to open a closed window again. Totals are
conserved, and no interval longer than a window and a half (silence in between) is in a bin: it gives totals only, as
does one over a restart of the probe (rule R5, R8). Nothing knows how often a port is polled: whatever intervals end
in a window make its one bin, one of 300 s or five of 60 s. After silence a bin of short intervals spans that interval
and its own window; it is an average over more than 5 minutes, never a peak. An answer that comes after its window was
closed counts in the one that is open.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

from kpi.counters import LineRate, Refusal, Span, UptimeTracker, line_rate, span
from kpi.flap import FigureOfMerit
from kpi.model import PortCounters, PortIdentity, PortStatus, State
from kpi.physical import is_physical
from kpi.port_counts import (
    BILLED,
    FULL_DUPLEX,
    HALF_DUPLEX,
    Absent,
    PortCounts,
    average_bps,
    capacity_bits,
    merge_ports,
    own_bins,
)
from kpi.port_deltas import ERROR_BITS, absent_objects, bps, octets_between, packets_between
from kpi.states import VALID_PERIODS
from kpi.stored import flag, number, optional, sequence, signed, versioned

PLAIN_VERSION = 1
RENUMBERED = "renumbered"
LONGEST_INTERVAL = 1.5
"""In windows: what is longer belongs to totals alone."""
DOWN = frozenset({"down", "lowerLayerDown", "notPresent"})


@dataclass(frozen=True, slots=True)
class LastReading:
    """What is persisted of a port with each window, so that totals survive a restart of the probe (rule R8)."""

    index: int
    at: float
    """Monotonic seconds; in the plain form on the clock that the caller moved it to."""
    counters: PortCounters
    speed_bps: int | None
    merit: float = 0.0
    flapping: bool = False

    def moved(self, by_s: float) -> "LastReading":
        """The same on another clock, ``by_s`` seconds ahead."""
        return replace(self, at=self.at + by_s)

    def to_plain(self) -> list[Any]:
        """Compact JSON types."""
        values = [getattr(self.counters, name) for name in PortCounters.__slots__]
        head = [PLAIN_VERSION, self.index, round(self.at, 3), self.speed_bps, round(self.merit, 1), int(self.flapping)]
        return [*head, *values]

    @staticmethod
    def from_plain(plain: Any) -> "LastReading":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        length = _COUNTERS_FROM + len(PortCounters.__slots__)
        row = sequence(versioned(plain, PLAIN_VERSION, "a port reading"), length, length)
        counters: dict[str, Any] = {
            name: optional(value) for name, value in zip(PortCounters.__slots__, row[_COUNTERS_FROM:], strict=True)
        }
        if not {counters["octet_bits"], counters["packet_bits"]} <= {32, 64}:
            raise ValueError("a port's counters have 32 or 64 bits")
        index, at, speed_bps, merit, flapping = row[1:_COUNTERS_FROM]
        port = signed(index), number(at), PortCounters(**counters), optional(speed_bps)
        return LastReading(*port, number(merit), flag(flapping))


_COUNTERS_FROM = 6


class PortAccumulator:
    """One port, window after window. A counter reading costs about 7 us, a status about 2 us."""

    __slots__ = (
        "_absent", "_closed", "_counters", "_definite", "_end", "_flags", "_flapped", "_gap", "_last_change",
        "_merit", "_merit_before", "_raised", "_rate", "_refused", "_restarts", "_speed_steady", "_start", "_state",
        "_state_from", "_status_at", "_sums", "access", "billed", "duplex", "identity", "latest_bps", "status_s",
        "uptime",
    )  # fmt: skip

    def __init__(
        self,
        identity: PortIdentity,
        uptime: UptimeTracker,
        start: float,
        end: float,
        *,
        status_s: float = 60.0,
        access: bool = False,
        billed: bool = False,
    ) -> None:
        """``uptime`` is the device's one tracker, shared by its ports; [start, end) the first window in monotonic
        seconds; ``status_s`` the period of the status columns; transitions of an ``access`` port are not counted, one
        that is ``billed`` says so in its windows. All three may be set anew."""
        self.identity = identity
        self.latest_bps: tuple[float | None, float | None] | None = None
        """In and out over the last counter interval; None before there was one."""
        self.uptime = uptime
        self.access, self.billed, self.status_s = access, billed, status_s
        self.duplex: str | None = None
        """ "half" or "full", as the device tells; None where it does not."""
        self._start, self._end = start, end
        self._closed: PortCounts | None = None
        self._counters: tuple[float, PortCounters] | None = None
        self._gap = False
        self._rate: LineRate = line_rate(identity.speed_bps)
        self._speed_steady = True
        self._state: State | None = State.UNKNOWN
        """None: switched off."""
        self._state_from = _ms(start)
        self._status_at = start
        self._definite: State | None = None
        self._last_change: int | None = None
        self._restarts = uptime.restarts
        self._merit = FigureOfMerit(at=start)
        self._raised: tuple[float, float, bool] | None = None
        """Of the window that is over: by how much its downs raised the figure of merit, as of when, and whether the
        port was flapping before them."""
        self._begin()

    def _begin(self) -> None:
        # 4,800 ports are normal and most of them idle: only what is not 0 takes memory
        self._sums: defaultdict[str, int] = defaultdict(int)
        self._refused: dict[str, int] | None = None
        self._flags = _ACCESS if self.access else _NO_FLAGS
        self._absent = int(Absent.ALL)
        self._flapped = self._merit.flapping
        self._merit_before: FigureOfMerit | None = None
        """As it was before the window's first down."""

    def _refuse(self, reason: str) -> None:
        self._refused = self._refused or {}
        self._refused[reason] = self._refused.get(reason, 0) + 1

    @property
    def flapping(self) -> bool:
        """Between more than 2000 and less than 750 of the figure of merit."""
        return self._merit.flapping

    @property
    def merit(self) -> float:
        """The figure of merit as of the last event."""
        return self._merit.value

    @property
    def state(self) -> State | None:
        """The last state read; None where the port is switched off."""
        return self._state

    def take_identity(self, at: float, identity: PortIdentity) -> None:
        """The static columns, at first contact and whenever they changed; a new ifIndex breaks the deltas (R12)."""
        self._window_of(at)
        if identity.index != self.identity.index:
            if self._counters is not None:
                self._refuse(RENUMBERED)
            self._counters = None
            self._last_change = None
        if identity.speed_bps != self.identity.speed_bps:
            self._speed_steady = False
            self._rate = line_rate(identity.speed_bps)
        self.identity = identity

    def take_status(self, at: float, status: PortStatus) -> None:
        """ifAdminStatus, ifOperStatus and ifLastChange, asked for at ``at``."""
        self._window_of(at)
        self._pass(_ms(at))
        self.uptime.take(at, status.uptime_cs)
        restarted = self._restarts != self.uptime.restarts
        self._restarts = self.uptime.restarts
        changed_before, self._last_change = self._last_change, status.last_change_cs
        off = status.admin is not None and status.admin != "up"
        self._state = None if off else _state(status.oper)
        self._status_at = max(at, self._status_at)
        before = self._definite
        if self._state not in (State.UP, State.DOWN):
            if off:
                self._definite = None
            return
        self._definite = self._state
        if before is None or self.access:
            return
        if before is not self._state:
            self._transit(at, 1, went_down=self._state is State.DOWN)
        elif not restarted and self.uptime.usable and _changed_unseen(changed_before, status):
            self._transit(at, 2, went_down=True)

    def _transit(self, at: float, transitions: int, *, went_down: bool) -> None:
        self._sums["transitions"] += transitions
        if went_down:
            self._sums["downs"] += 1
            if self._merit_before is None:
                self._merit_before = replace(self._merit)
            self._merit.went_down(at)
            self._flapped = self._flapped or self._merit.flapping

    def take_counters(self, at: float, counters: PortCounters) -> None:
        """Counter readings of one PDU, asked for at ``at``."""
        self._window_of(at)
        self.uptime.take(at, counters.uptime_cs)
        before, self._counters = self._counters, (at, counters)
        gap, self._gap = self._gap, False
        steady, self._speed_steady = self._speed_steady, True
        self._absent &= absent_objects(counters)
        self.latest_bps = None
        if before is None:
            return
        first = before[1]
        over = span(
            first.uptime_cs,
            counters.uptime_cs,
            at - before[0],
            discontinuity=(first.discontinuity_cs, counters.discontinuity_cs),
            trusted=self.uptime.trusted,
        )
        if not over.by_uptime:
            self._flags |= {"uptime"}
        if self._rate.assumed and counters.octet_bits == ERROR_BITS:
            self._flags |= {"speed_assumed"}
        if over.refused is not None:
            self._refuse(over.refused.value)
        elif gap or over.seconds > LONGEST_INTERVAL * (self._end - self._start):
            self._take_gap(first, counters, over)
        else:
            self._take_octets(first, counters, over, steady=steady)
            self._take_packets(first, counters, over)

    def _take_gap(self, first: PortCounters, second: PortCounters, over: Span) -> None:
        into, out = octets_between(first, second, over, self._rate)
        sums = self._sums
        if isinstance(into, int):
            sums["gap_in_octets"] += into
        if isinstance(out, int):
            sums["gap_out_octets"] += out
        if isinstance(into, int) or isinstance(out, int):
            sums["gap_ms"] += round(over.seconds * 1000)

    def _take_octets(self, first: PortCounters, second: PortCounters, over: Span, *, steady: bool) -> None:
        ms = round(over.seconds * 1000)
        into, out = octets_between(first, second, over, self._rate)
        speed = max(self.identity.speed_bps or 0, 0) if steady else None
        if ms <= 0:
            return
        self.latest_bps = _IDLE if into == out == 0 else (bps(into, ms), bps(out, ms))
        sums = self._sums
        counted = False
        for (octets, time, capacity_octets, capacity), change in zip(_TRAFFIC, (into, out), strict=True):
            if not isinstance(change, int):
                if change is not Refusal.ABSENT:
                    self._refuse(change.value)
                if change is Refusal.TOO_FAST:
                    self._flags |= {Refusal.TOO_FAST.value}
                continue
            counted = True
            sums[octets] += change
            sums[time] += ms
            if speed:
                sums[capacity_octets] += change
                sums[capacity] += capacity_bits(speed, ms)
        sums["polls"] += counted

    def _take_packets(self, first: PortCounters, second: PortCounters, over: Span) -> None:
        rises = packets_between(first, second, over, self._rate)
        if isinstance(rises, Refusal):
            self._refuse(rises.value)
            return
        for name, rise in rises.items():
            if rise:
                self._sums[name] += rise

    def resume(self, reading: LastReading) -> None:
        """The last reading before the probe restarted, moved to the present monotonic clock: the interval from there
        gives totals only, and the figure of merit decays on."""
        self._merit = FigureOfMerit(reading.merit, reading.at, flapping=reading.flapping)
        self._merit.settle(self._start)
        self._flapped = self._merit.flapping
        if reading.index == self.identity.index:
            self._counters = (reading.at, reading.counters)
            self._gap = True

    def last_reading(self) -> LastReading | None:
        """What to persist; None before the first counters."""
        if self._counters is None:
            return None
        at, counters = self._counters
        merit = FigureOfMerit(self._merit.value, self._merit.at, flapping=self._merit.flapping)
        merit.settle(at)
        return LastReading(
            self.identity.index, at, counters, self.identity.speed_bps, merit.value, flapping=merit.flapping
        )

    def snapshot(self, at: float) -> PortCounts:
        """The open window up to ``at``; it stays open."""
        self._pass(_ms(min(at, self._end)))
        self._merit.settle(at)
        sums: dict[str, Any] = self._sums
        get = self._sums.get
        counts = PortCounts(
            **sums,
            in_max_bps=max(average_bps(get("in_octets", 0), get("in_ms", 0)), 0),
            out_max_bps=max(average_bps(get("out_octets", 0), get("out_ms", 0)), 0),
            merit=round(self._merit.value),
            flapping=self._merit.flapping,
            flapped=self._flapped,
            speed_bps=max(self.identity.speed_bps or 0, 0),
            absent=self._absent,
            refused=tuple(sorted(self._refused.items())) if self._refused else (),
            flags=tuple(sorted(self._flags | self._told())),
            physical=is_physical(self.identity),
        )
        return replace(counts, bins=own_bins(counts)) if counts.polls else counts

    def _told(self) -> set[str]:
        duplex = {"half": HALF_DUPLEX, "full": FULL_DUPLEX}.get(self.duplex or "")
        return ({BILLED} if self.billed else set()) | ({duplex} if duplex else set())

    def close(self, end: float, next_end: float | None = None, *, planned: bool = False) -> PortCounts:
        """The window that ends at ``end`` (its planned end, or now where a clock jump cuts it short), once. The next
        one begins there and ends at ``next_end``, by default as long after as this one was planned. Where it was
        ``planned`` work, its flaps make nobody flapping afterwards."""
        if self._start >= end:  # it went on by itself, or began later
            counts, self._closed = self._closed or PortCounts(), None
        else:
            counts = self._shut(end, self._end - self._start)
            if self._closed is not None:
                counts, self._closed = merge_ports(self._closed, counts), None
        raised, self._raised = self._raised, None
        if planned and raised is not None:
            self._merit.take_back(raised[0], raised[1], flapping=raised[2])
            self._flapped = self._flapped and self._merit_before is not None
        if next_end is not None:
            self._end = next_end
        return counts

    def _window_of(self, at: float) -> None:
        """A reading of the next window may come before this one is closed: it is set aside, whole."""
        while at >= self._end:
            counts = self._shut(self._end, self._end - self._start)
            self._closed = merge_ports(self._closed, counts) if self._closed is not None else counts

    def _shut(self, end: float, length: float) -> PortCounts:
        self._end = end
        counts = self.snapshot(end)
        if self._merit_before is not None:
            self._raised = self._merit.raised_since(self._merit_before), end, self._merit_before.flapping
        self._start, self._end = end, end + length
        self._begin()
        return counts

    def _pass(self, to: int) -> None:
        """Let the state hold up to ``to`` (ms), at most two periods after it was read; from there on it is unknown."""
        since = self._state_from
        if to <= since:
            return
        valid = min(max(_ms(self._status_at + VALID_PERIODS * self.status_s), since), to)
        if valid > since:
            self._sums[_STATE_MS[self._state]] += valid - since
        if to > valid:
            self._sums["unknown_ms"] += to - valid
        self._state_from = to


_NO_FLAGS: frozenset[str] = frozenset()
_ACCESS = frozenset({"access"})
_STATE_MS = {State.UP: "up_ms", State.DOWN: "down_ms", State.UNKNOWN: "unknown_ms", None: "off_ms"}
_IDLE = (0.0, 0.0)
_TRAFFIC = (
    ("in_octets", "in_ms", "in_capacity_octets", "in_capacity_bits"),
    ("out_octets", "out_ms", "out_capacity_octets", "out_capacity_bits"),
)


def _state(oper: str | None) -> State:
    if oper == "up":
        return State.UP
    return State.DOWN if oper in DOWN else State.UNKNOWN


def _changed_unseen(before_cs: int | None, status: PortStatus) -> bool:
    """ifLastChange moved though the status is the same: it went and came back in between. An agent that gives its
    sysUpTime for ifLastChange says nothing."""
    after = status.last_change_cs
    return before_cs is not None and after is not None and after not in {before_cs, status.uptime_cs}


def _ms(at: float) -> int:
    return round(at * 1000)
