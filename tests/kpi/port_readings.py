"""A gigabit port and what SNMP reads of it."""

from dataclasses import replace
from typing import Any

from kpi.counters import UptimeTracker
from kpi.model import PortCounters, PortIdentity, PortStatus
from kpi.ports import PortAccumulator

GE0 = PortIdentity("ge0", 1, "ge0", "", "uplink", 6, 1500, 1_000_000_000, None)
ZERO = PortCounters(0, 0, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def port(identity: PortIdentity = GE0, *, access: bool = False) -> PortAccumulator:
    return PortAccumulator(identity, UptimeTracker(), 0.0, 300.0, access=access)


def reading(at: float, **changed: int | None) -> PortCounters:
    values: dict[str, Any] = {"uptime_cs": round(at * 100), **changed}
    return replace(ZERO, **values)


def status(at: float, oper: str = "up", last_change_cs: int | None = 5, admin: str = "up") -> PortStatus:
    return PortStatus(admin, oper, last_change_cs, round(at * 100))
