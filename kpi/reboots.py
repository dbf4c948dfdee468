"""Restarts: of the device, or of its SNMP agent alone (kpi/README.md R7).

sysUpTime counts since the agent began, hrSystemUptime (HOST-RESOURCES-MIB) since the host did, snmpEngineBoots (RFC
3414) goes up with each restart of the engine. All TimeTicks wrap after 497.1 d, which is no restart.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from kpi.counters import CS_PER_S, UptimeTracker, runs_on
from kpi.model import SystemReading
from kpi.planned import Halves, Spans, touches, within
from kpi.stored import number, sequence, versioned, whole

PLAIN_VERSION = 1


class Restart(StrEnum):
    """What began anew."""

    AGENT = "agent"
    """The SNMP agent alone: the host's own uptime runs on."""
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Restarted:
    """A restart that lies between two readings."""

    noticed: float
    """When the reading was asked for that showed it: it counts in the window of that."""
    began: float
    """When it began anew, by its own uptime: whether it was planned is decided by that."""
    what: Restart


def what_restarted(before: SystemReading, after: SystemReading, probe_s: float) -> Restart:
    """Of a restart known to lie between two readings ``probe_s`` apart: where the host's own uptime runs on, it was
    the SNMP agent's alone, else the device's."""
    host_before, host_after = before.host_uptime_cs, after.host_uptime_cs
    if host_before is not None and host_after is not None and runs_on(host_before, host_after, probe_s):
        return Restart.AGENT
    return Restart.DEVICE


class RestartTracker:
    """One device's SystemReadings in order of time. Whether sysUpTime began anew is the UptimeTracker's to say."""

    __slots__ = ("_earlier", "_last", "_restarts", "uptime")

    def __init__(self, uptime: UptimeTracker | None = None) -> None:
        """``uptime`` is the device's one tracker, shared with its ports."""
        self.uptime = uptime or UptimeTracker()
        self._last: tuple[float, SystemReading] | None = None
        self._earlier: tuple[float, SystemReading] | None = None
        """The reading before the last."""
        self._restarts = self.uptime.restarts

    def take(self, at: float, reading: SystemReading) -> Restarted | None:
        """The restart since the reading before, if there was one."""
        before, earlier = self._last, self._earlier
        self._last, self._earlier = (at, reading), before
        self.uptime.take(at, reading.uptime_cs)
        anew = self._restarts != self.uptime.restarts
        self._restarts = self.uptime.restarts
        if before is None:
            return None
        if anew and self.uptime.late and earlier is not None and self.uptime.began <= before[0]:
            what = what_restarted(earlier[1], before[1], before[0] - earlier[0])
            return Restarted(at, max(earlier[0], self.uptime.began), what)
        boots_before, boots = before[1].engine_boots, reading.engine_boots
        if anew or (boots_before is not None and boots is not None and boots > boots_before):
            what = what_restarted(before[1], reading, at - before[0])
            return Restarted(at, self._began(before[0], at, reading), what)
        return None

    def _began(self, before: float, at: float, reading: SystemReading) -> float:
        """What is known of it lies between the two readings."""
        if reading.uptime_cs is None or not self.uptime.usable:
            return at
        return min(at, max(before, at - reading.uptime_cs / CS_PER_S))

    @property
    def last(self) -> tuple[float, SystemReading] | None:
        """When and what was read last."""
        return self._last

    def resume(self, at: float, reading: SystemReading, *, trusted: bool = True) -> None:
        """What was read before the probe itself restarted, ``at`` on the present monotonic clock, and whether sysUpTime
        was to be trusted then."""
        self._last = (at, reading)
        self.uptime.resume(at, reading.uptime_cs, trusted=trusted)


@dataclass(frozen=True, slots=True)
class RestartCounts:
    """Restarts of one device in one window."""

    device: int = 0
    agent: int = 0
    readings: int = 0
    """System readings behind it: with none, nothing is known."""
    known_ms: int = 0
    """Time in which a reading holds."""
    dates: tuple[tuple[float, Restart], ...] = ()
    """When each of them was, in seconds after the start that the window is labelled with (before it where negative).
    Of the finest windows alone; what is merged has none."""

    def to_plain(self) -> list[Any]:
        """Compact JSON types."""
        dates = [part for at, what in self.dates for part in (round(at, 1), _CODES[what])]
        return [PLAIN_VERSION, self.device, self.agent, 0, self.readings, self.known_ms, *dates]

    @staticmethod
    def from_plain(plain: Any) -> "RestartCounts":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        row = sequence(versioned(plain, PLAIN_VERSION, "a restart window"), 5)
        if len(row) > 5 and len(row) % 2:
            raise ValueError("a restart window has a kind beside each date")
        known_ms = whole(row[5]) if len(row) > 5 else 0
        dates = tuple((number(at), _KINDS[whole(code, 0, 1)]) for at, code in zip(row[6::2], row[7::2], strict=True))
        return RestartCounts(whole(row[1]), whole(row[2]), whole(row[4]), known_ms, dates)


_CODES = {Restart.DEVICE: 0, Restart.AGENT: 1}
_KINDS = {code: what for what, code in _CODES.items()}


def merge_restarts(a: RestartCounts, b: RestartCounts) -> RestartCounts:
    """Both windows as one."""
    return RestartCounts(
        device=a.device + b.device,
        agent=a.agent + b.agent,
        readings=a.readings + b.readings,
        known_ms=a.known_ms + b.known_ms,
    )


def dated_restarts(dates: Iterable[tuple[float, Restart]], readings: int = 0, known_ms: int = 0) -> RestartCounts:
    """One window's restarts out of their dates. A restart counts where it was noticed."""
    found = tuple(dates)
    device = sum(what is Restart.DEVICE for _, what in found)
    return RestartCounts(device, len(found) - device, readings, known_ms, found)


def all_restarts(halves: Halves[RestartCounts]) -> RestartCounts:
    """The reverse of split_restarts, their dates kept."""
    counted, planned = halves.counted or RestartCounts(), halves.planned or RestartCounts()
    return replace(merge_restarts(counted, planned), dates=tuple(sorted(counted.dates + planned.dates)))


def split_restarts(counts: RestartCounts, label: float, length_s: float, planned: Spans) -> Halves[RestartCounts]:
    """The window [label, label + length_s) with what fell into planned work apart: a restart by when it began, readings
    with their window (kpi/planned.py). ``planned`` is on the clock of ``label``."""
    if not planned:
        return Halves(counts)
    taken_out = touches(planned, label, label + length_s)
    if counts.device + counts.agent > len(counts.dates):  # of pieces that were merged, or of an older agent
        return Halves.of(counts, planned=taken_out)
    inside = [one for one in counts.dates if within(planned, label + one[0])]
    outside = [one for one in counts.dates if one not in inside]
    if not inside and not taken_out:
        return Halves(counts)
    readings = counts.readings, counts.known_ms
    rest = dated_restarts(outside) if taken_out else dated_restarts(outside, *readings)
    out = dated_restarts(inside, *readings) if taken_out else dated_restarts(inside)
    return Halves(None if rest == RestartCounts() else rest, out)
