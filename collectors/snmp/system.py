"""The system group (SNMPv2-MIB, RFC 3418) and the scalars that tell a restart (kpi/README.md R7) or a changed table."""

from collections.abc import Mapping
from dataclasses import dataclass

from collectors.snmp import oid
from collectors.snmp.batch import Group
from collectors.snmp.ber import VarBind
from collectors.snmp.interfaces import object_id, text, unsigned
from collectors.snmp.text import DESCR_LIMIT
from kpi.counters import CS_PER_S, JUDGED_AFTER_S, runs_on
from kpi.model import SystemReading

SCALARS: Mapping[str, bytes] = {
    name: oid.parse(dotted)
    for name, dotted in {
        "sysUpTime": "1.3.6.1.2.1.1.3.0",
        "sysObjectID": "1.3.6.1.2.1.1.2.0",
        "sysDescr": "1.3.6.1.2.1.1.1.0",
        "sysContact": "1.3.6.1.2.1.1.4.0",
        "sysName": "1.3.6.1.2.1.1.5.0",
        "sysLocation": "1.3.6.1.2.1.1.6.0",
        "hrSystemUptime": "1.3.6.1.2.1.25.1.1.0",
        "snmpEngineBoots": "1.3.6.1.6.3.10.2.1.2.0",
        "ifNumber": "1.3.6.1.2.1.2.1.0",
        "ifTableLastChange": "1.3.6.1.2.1.31.1.5.0",
    }.items()
}

NAMES = {name: scalar for scalar, name in SCALARS.items()}
"""The scalars' names by OID."""

HELLO = ("sysUpTime", "sysObjectID")
"""The cheapest question: does anybody answer?"""

WATCHED = ("sysUpTime", "hrSystemUptime", "snmpEngineBoots", "ifNumber", "ifTableLastChange")
"""Asked in every poll; the others with the static columns."""


def groups(names: tuple[str, ...]) -> list[Group]:
    """Each scalar as a group of its own."""
    return [Group(0, (SCALARS[name],)) for name in names]


def read_system(scalars: Mapping[str, VarBind]) -> SystemReading:
    """What the scalars say; one that is missing is None."""
    return SystemReading(
        uptime_cs=unsigned(scalars.get("sysUpTime")),
        engine_boots=unsigned(scalars.get("snmpEngineBoots")),
        host_uptime_cs=unsigned(scalars.get("hrSystemUptime")),
        object_id=object_id(scalars.get("sysObjectID")),
        descr=_text(scalars, "sysDescr", DESCR_LIMIT),
        name=_text(scalars, "sysName"),
        location=_text(scalars, "sysLocation"),
        contact=_text(scalars, "sysContact"),
    )


def _text(scalars: Mapping[str, VarBind], name: str, limit: int = 255) -> str | None:
    return text(scalars[name], limit) if name in scalars else None


def restarted(before: Mapping[str, VarBind], now: Mapping[str, VarBind]) -> bool:
    """Whether agent or device began anew between two readings: sysUpTime or hrSystemUptime went back (at 497 days
    they do so by themselves, and nothing is lost by looking again), or snmpEngineBoots moved."""
    for name in ("sysUpTime", "hrSystemUptime"):
        earlier, later = unsigned(before.get(name)), unsigned(now.get(name))
        if earlier is not None and later is not None and later < earlier:
            return True
    return _moved(before, now, "snmpEngineBoots")


@dataclass(slots=True)
class Uptimes:
    """The sysUpTimes of one device's polls, judged against the probe's clock (rule R7), so that a restart is seen
    also where the device was silent for longer than it had been up before."""

    _last: tuple[float, int] | None = None
    """When one was asked for, in seconds of the monotonic clock, and what it was."""
    _runs: bool = False
    """Whether it ran like the probe's clock at last: a clock that stands still has not begun anew."""

    def restarted(self, before: Mapping[str, VarBind], now: Mapping[str, VarBind], at: float, *, silent: bool) -> bool:
        """As ``restarted``, or sysUpTime has run for no longer than has passed since the reading before where it should
        have run on. ``silent`` is a device that did not answer in between. Give it every poll's scalars once."""
        return self._began_anew(at, unsigned(now.get("sysUpTime")), silent=silent) or restarted(before, now)

    def _began_anew(self, at: float, uptime_cs: int | None, *, silent: bool) -> bool:
        before = self._last
        if uptime_cs is None or (before is not None and at - before[0] < JUDGED_AFTER_S):
            return False
        self._last = (at, uptime_cs)
        if before is None:
            return False
        passed_s, believed = at - before[0], self._runs or silent
        self._runs = runs_on(before[1], uptime_cs, passed_s)
        return believed and not self._runs and uptime_cs <= CS_PER_S * passed_s


def table_changed(before: Mapping[str, VarBind], now: Mapping[str, VarBind]) -> bool:
    """Whether interfaces came, went or were renumbered: ifTableLastChange or ifNumber moved (RFC 2863)."""
    return _moved(before, now, "ifTableLastChange") or _moved(before, now, "ifNumber")


def _moved(before: Mapping[str, VarBind], now: Mapping[str, VarBind], name: str) -> bool:
    earlier, later = unsigned(before.get(name)), unsigned(now.get(name))
    return earlier is not None and later is not None and earlier != later
