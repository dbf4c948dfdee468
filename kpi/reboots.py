"""Restarts: of the device, or of its SNMP agent alone (KPI.md R7).

sysUpTime counts since the agent began, hrSystemUptime (HOST-RESOURCES-MIB) since the host did, snmpEngineBoots (RFC
3414) goes up with each restart of the engine. All TimeTicks wrap after 497.1 d, which is no restart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kpi.counters import UptimeTracker, runs_on
from kpi.model import SystemReading

PLAIN_VERSION = 1


class Restart(StrEnum):
    """What began anew."""

    AGENT = "agent"
    """The SNMP agent alone: the host's own uptime runs on."""
    DEVICE = "device"


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

    def take(self, at: float, reading: SystemReading) -> Restart | None:
        """What restarted since the reading before."""
        before, self._last = self._last, (at, reading)
        self.uptime.take(at, reading.uptime_cs)
        anew = self._restarts != self.uptime.restarts
        self._restarts = self.uptime.restarts
        if before is None:
            return None
        boots_before, boots = before[1].engine_boots, reading.engine_boots
        if anew or (boots_before is not None and boots is not None and boots > boots_before):
            return what_restarted(before[1], reading, at - before[0])
        return None

    @property
    def last(self) -> tuple[float, SystemReading] | None:
        """When and what was read last."""
        return self._last

    def resume(self, at: float, reading: SystemReading) -> None:
        """What was read before the probe itself restarted, ``at`` on the present monotonic clock."""
        self._last = (at, reading)
        self.uptime.take(at, reading.uptime_cs)


@dataclass(frozen=True, slots=True)
class RestartCounts:
    """Restarts of one device in one window; those in maintenance are counted apart."""

    device: int = 0
    agent: int = 0
    in_maintenance: int = 0
    readings: int = 0
    """System readings behind it: with none, nothing is known."""

    def to_plain(self) -> list[int]:
        """Compact JSON types."""
        return [PLAIN_VERSION, self.device, self.agent, self.in_maintenance, self.readings]

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
    )


def count_restarts(
    events: Iterable[tuple[float, Restart]],
    start: float,
    end: float,
    *,
    readings: int,
    maintenance: Iterable[tuple[float, float]] = (),
) -> RestartCounts:
    """The window [start, end) of one device's restarts, each dated to the reading that showed it."""
    spans = list(maintenance)
    device = agent = maintained = 0
    for at, what in events:
        if not start <= at < end:
            continue
        if any(a <= at < b for a, b in spans):
            maintained += 1
        elif what is Restart.DEVICE:
            device += 1
        else:
            agent += 1
    return RestartCounts(device, agent, maintained, readings)
