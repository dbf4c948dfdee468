"""Restarts: of the device, or of its SNMP agent alone (KPI.md R7).

sysUpTime counts since the agent began, hrSystemUptime (HOST-RESOURCES-MIB) since the host did, snmpEngineBoots (RFC
3414) goes up with each restart of the engine. All TimeTicks wrap after 497.1 d, which is no restart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kpi.counters import CS_PER_S, UptimeTracker, runs_on
from kpi.model import SystemReading

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

    __slots__ = ("_last", "_restarts", "uptime")

    def __init__(self, uptime: UptimeTracker | None = None) -> None:
        """``uptime`` is the device's one tracker, shared with its ports."""
        self.uptime = uptime or UptimeTracker()
        self._last: tuple[float, SystemReading] | None = None
        self._restarts = self.uptime.restarts

    def take(self, at: float, reading: SystemReading) -> Restarted | None:
        """The restart since the reading before, if there was one."""
        before, self._last = self._last, (at, reading)
        self.uptime.take(at, reading.uptime_cs)
        anew = self._restarts != self.uptime.restarts
        self._restarts = self.uptime.restarts
        if before is None:
            return None
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
    """Restarts of one device in one window; those in maintenance are counted apart."""

    device: int = 0
    agent: int = 0
    in_maintenance: int = 0
    readings: int = 0
    """System readings behind it: with none, nothing is known."""
    known_ms: int = 0
    """Time outside maintenance in which a reading holds."""

    def to_plain(self) -> list[int]:
        """Compact JSON types."""
        return [PLAIN_VERSION, self.device, self.agent, self.in_maintenance, self.readings, self.known_ms]

    @staticmethod
    def from_plain(plain: Sequence[Any]) -> "RestartCounts":
        """The reverse of to_plain. ValueError for a version that this code does not know."""
        if plain[0] != PLAIN_VERSION:
            raise ValueError(f"a restart window of version {plain[0]}; this version of the agent reads {PLAIN_VERSION}")
        return RestartCounts(*plain[1:])


def merge_restarts(a: RestartCounts, b: RestartCounts) -> RestartCounts:
    """Both windows as one."""
    return RestartCounts(
        device=a.device + b.device,
        agent=a.agent + b.agent,
        in_maintenance=a.in_maintenance + b.in_maintenance,
        readings=a.readings + b.readings,
        known_ms=a.known_ms + b.known_ms,
    )


def count_restarts(
    events: Iterable[Restarted],
    start: float,
    end: float,
    *,
    readings: int,
    known_ms: int = 0,
    maintenance: Iterable[tuple[float, float]] = (),
) -> RestartCounts:
    """The window [start, end) of one device's restarts: each counts where it was noticed, and is planned where it began
    in maintenance, be that over by then."""
    spans = list(maintenance)
    device = agent = maintained = 0
    for event in events:
        if not start <= event.noticed < end:
            continue
        if any(a <= event.began < b for a, b in spans):
            maintained += 1
        elif event.what is Restart.DEVICE:
            device += 1
        else:
            agent += 1
    return RestartCounts(device, agent, maintained, readings, known_ms)
