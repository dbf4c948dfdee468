"""What SNMP polls say of one device: its ports, its restarts, and whether its SNMP agent answers at all.

SNMP silent while ICMP answers is the SNMP agent's trouble: the device stays up, its SNMP figures are unknown (R1).
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from agent.latest import Latest
from agent.settings.models import PortsSettings
from agent.site import matches
from kpi.duplex import Verdict
from kpi.fabric import FabricAccumulator, FabricMemory
from kpi.fabric_counts import FabricCounts
from kpi.gear import Duplex, Facts, Inventory, Readings
from kpi.gear_accumulator import GearAccumulator, GearMemory
from kpi.gear_counts import GearCounts
from kpi.levels import HeldLevels, Segments, levels_of
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, Sample, SystemReading
from kpi.planned import REACH_S
from kpi.port_counts import PortCounts
from kpi.ports import LastReading, PortAccumulator
from kpi.reboots import RestartCounts, Restarted, RestartTracker, dated_restarts
from kpi.sessions import Change

_SYSTEM = "system"
"""The level that says for how long a reading of the system group holds."""


log = logging.getLogger("sonda.polled")

MOST_PORTS = 6144
"""Of one device; what is made of so many holds the loop for no more than 20 ms at a stretch (measured)."""

MOST_PORTS_IN_ALL = 24_576
"""Of all devices together: with so many a full collection of garbage takes 31 ms (measured; agent/README.md)."""


class Room:
    """For the ports of all devices together."""

    def __init__(self, most: int = MOST_PORTS_IN_ALL) -> None:
        self.most = self.left = most
        self._said = False

    def take(self) -> bool:
        """Room for one more port, where there is any."""
        if self.left > 0:
            self.left -= 1
            return True
        if not self._said:
            self._said = True
            log.warning(
                "All devices together have more than %d ports; the others are not measured. Choose with `ports` of "
                "each [[device]].",
                self.most,
            )
        return False

    def give_back(self, ports: int) -> None:
        """So many are measured no more."""
        self.left += ports


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """How the last poll went."""

    at: float
    outcome: Outcome
    reason: str | None
    seconds: float | None


class Notices(Protocol):
    """Who hears of what is said at once."""

    def restarted(self, device: str, restarted: Restarted) -> None:
        """The device, or its SNMP agent alone, began anew."""

    def flapping(self, device: str, at: float, port: str, merit: float, *, on: bool) -> None:
        """A port began to flap, or has settled (RFC 2439's figure of merit)."""

    def changed(self, device: str, at: float, what: Change) -> None:
        """A neighbour, a routing session or the root of the spanning tree is another one; ``at`` is when it was
        noticed."""

    def on_battery(self, device: str, at: float, seconds: float, *, on: bool) -> None:
        """A supply went to battery ``seconds`` ago, or back to mains after them; ``at`` is when it was noticed."""


class Polled:
    """One device's SNMP side. Times are monotonic seconds."""

    def __init__(
        self,
        device: str,
        start: float,
        end: float,
        *,
        status_s: float,
        ports: PortsSettings,
        notices: Notices,
        room: Room | None = None,
    ) -> None:
        """[start, end) is the open five-minute window; ``room`` is shared by all devices."""
        self._room = room or Room()
        self._device = device
        self._notices = notices
        self.restarts = RestartTracker()
        self.ports: dict[str, PortAccumulator] = {}
        self._gone: dict[str, PortAccumulator] = {}
        """Ports that the device tells of no more; what they have of the open window is closed with it."""
        self.oper: dict[str, PortStatus] = {}
        self.system: SystemReading | None = None
        self.last: PollOutcome | None = None
        self.first_failure: float | None = None
        self._window = (start, end)
        self._status_s = status_s
        self._access, self._billed = ports.access, ports.billed
        self._system_at: list[float] = []
        """When the system group was read since the last window was closed."""
        self._seen: list[Restarted] = []
        """The restarts that were noticed since."""
        self._held = HeldLevels()
        self._known: Segments = defaultdict(list)
        self._answered: float | None = None
        self._silences: list[tuple[float, float]] = []
        """Polls since that were answered after a long silence: when, and when the one before was."""
        self._before: dict[str, LastReading] = {}
        self.fabric = FabricAccumulator(self.restarts.uptime, start, end, status_s=status_s)
        self.gear: GearAccumulator | None = None
        """None until the device tells of anything beyond its ports."""
        self.latest = Latest()
        self._too_many = False

    def configuring(self, status_s: float, ports: PortsSettings) -> Iterator[None]:
        """New settings, also for ports that are known, a port at a time: each is compared with every pattern."""
        wanted = status_s, ports.access, ports.billed
        if wanted == (self._status_s, self._access, self._billed):
            return
        self._status_s, self._access, self._billed = wanted
        self.fabric.configure(status_s)
        for port in list(self.ports.values()):
            port.status_s = status_s
            self._set_up(port)
            yield

    def resume(
        self,
        readings: Mapping[str, LastReading],
        system: tuple[float, SystemReading, bool] | None,
        fabric: FabricMemory | None = None,
        at: float = 0.0,
        gear: GearMemory | None = None,
    ) -> None:
        """What was read before the probe restarted (rule R8), moved to the present monotonic clock; ``fabric`` as
        last_fabric gave it at ``at``."""
        if gear is not None:
            self.gear = GearAccumulator(self.restarts.uptime, *self._window, gear)
        self._before = dict(readings)
        if system is not None:
            at_, reading, trusted = system
            self.restarts.resume(at_, reading, trusted=trusted)
            self._answered = at_
        if fabric is not None:
            self.fabric.resume(fabric, at)

    def take(self, sample: Sample) -> None:
        """One sample of the SNMP collector. A metric that nobody here takes is left alone."""
        taker = self._TAKERS.get(sample.metric)
        if taker is not None:
            taker(self, sample)

    def _take_poll(self, sample: Sample) -> None:
        value = sample.value
        seconds = value if isinstance(value, float | int) else None
        self.last = PollOutcome(sample.at, sample.outcome, sample.reason, seconds)
        if sample.outcome is Outcome.OK:
            before, self._answered = self._answered, sample.at
            if before is not None and sample.at - before > REACH_S:
                self._silences.append((sample.at, before))
            self.fabric.answered(sample.at)

    def _take_system(self, sample: Sample) -> None:
        value = sample.value
        if not isinstance(value, SystemReading):
            return
        self._system_at.append(sample.at)
        self._held.take(sample.at, {_SYSTEM: 0.0}, self._known)
        self.system = value
        restarted = self.restarts.take(sample.at, value)
        if restarted is not None:
            self._seen.append(restarted)
            self._notices.restarted(self._device, restarted)

    def _take_identity(self, sample: Sample) -> None:
        if isinstance(sample.value, PortIdentity):
            self._identify(sample.at, sample.value)
        else:
            gone = self.ports.pop(sample.instance, None)
            if gone is not None:
                self._gone[sample.instance] = gone
                self._room.give_back(1)
            self.oper.pop(sample.instance, None)

    def _take_port_status(self, sample: Sample) -> None:
        port = self.ports.get(sample.instance)
        if port is not None and isinstance(sample.value, PortStatus):
            self._take_status(port, sample.at, sample.value)
            self.oper[sample.instance] = sample.value

    def _take_counters(self, sample: Sample) -> None:
        port = self.ports.get(sample.instance)
        if port is not None and isinstance(sample.value, PortCounters):
            port.take_counters(sample.at, sample.value)

    def _take_inventory(self, sample: Sample) -> None:
        if isinstance(sample.value, Inventory):
            self.latest.take(sample.at, sample.value)

    def _take_facts(self, sample: Sample) -> None:
        if isinstance(sample.value, Facts):
            self.latest.take(sample.at, sample.value)
            if sample.value.sort == "duplex":
                told = {row.port: row.status for row in sample.value.rows if isinstance(row, Duplex)}
                for port in self.ports.values():
                    port.duplex = told.get(port.identity.index)
            for change in self.fabric.take(sample.at, sample.value):
                self._notices.changed(self._device, sample.at, change)

    def _take_readings(self, sample: Sample) -> None:
        if not isinstance(sample.value, Readings):
            return
        self.latest.take(sample.at, sample.value.numbers())
        if self.gear is None:
            self.gear = GearAccumulator(self.restarts.uptime, *self._window)
        before = self.gear.on_battery_since
        self.gear.take(sample.at, sample.value)
        now = self.gear.on_battery_since
        began = now if now is not None else before
        if began is not None and (before is None or now is None):
            self._notices.on_battery(self._device, sample.at, sample.at - began, on=now is not None)

    def _take_status(self, port: PortAccumulator, at: float, status: PortStatus) -> None:
        before = port.flapping
        port.take_status(at, status)
        if port.flapping is not before:
            self._notices.flapping(self._device, at, port.identity.key, port.merit, on=port.flapping)

    def _identify(self, at: float, identity: PortIdentity) -> None:
        known = self.ports.get(identity.key)
        if known is None and identity.key in self._gone and self._room.take():
            known = self._gone.pop(identity.key)
        if known is not None:
            self.ports[identity.key] = known
            known.take_identity(at, identity)
            self._set_up(known)  # patterns fit the alias too
            return
        if len(self.ports) >= MOST_PORTS:
            if not self._too_many:
                self._too_many = True
                log.warning(
                    "%s has more than %d ports; the others are not measured. Choose with `ports` of its [[device]].",
                    self._device,
                    MOST_PORTS,
                )
            return
        if identity.key in self._gone or not self._room.take():
            return
        start, end = self._window
        port = PortAccumulator(
            identity,
            self.restarts.uptime,
            start,
            end,
            status_s=self._status_s,
        )
        self._set_up(port)
        before = self._before.pop(identity.key, None)
        if before is not None:
            port.resume(before)
        self.ports[identity.key] = port

    def _set_up(self, port: PortAccumulator) -> None:
        port.access = matches(port.identity, self._access)
        port.billed = matches(port.identity, self._billed)

    def reach_s(self, start: float, end: float) -> float:
        """How far before ``start`` the oldest difference begins that counts in the window that ends at ``end``."""
        return max((start - before for at, before in self._silences if at < end), default=0.0)

    def turn(self, end: float, next_end: float) -> list[tuple[str, PortAccumulator]]:
        """The windows that end at ``end`` are over, the next ones end at ``next_end``: the ports that are to be closed
        with both, by key."""
        self._window = (end, next_end)
        self._silences = [(at, before) for at, before in self._silences if at >= end]
        gone, self._gone = self._gone, {}
        return [*self.ports.items(), *gone.items()]

    def close_port(self, port: PortAccumulator, end: float, next_end: float, *, planned: bool) -> PortCounts:
        """One of them. Flaps in ``planned`` work are forgotten afterwards."""
        before = port.flapping
        counts = port.close(end, next_end, planned=planned)
        if before and not port.flapping:
            self._notices.flapping(self._device, end, port.identity.key, port.merit, on=False)
        return counts

    def close_fabric(self, end: float, next_end: float, verdicts: Mapping[str, Verdict]) -> FabricCounts | None:
        """The same of routing and switching; None where the device has nothing of it. ``verdicts`` on duplex by
        port."""
        counts = self.fabric.close(end, next_end, verdicts)
        return counts if counts != FabricCounts() else None

    def close_gear(self, end: float, next_end: float) -> GearCounts | None:
        """The same of what it tells beyond its ports."""
        return self.gear.close(end, next_end) if self.gear is not None else None

    def close_restarts(self, label: float, end: float) -> RestartCounts:
        """The restarts that were noticed before ``end``, dated from ``label`` on."""
        dates = [(one.began - label, one.what) for one in self._seen if one.noticed < end]
        readings = sum(at < end for at in self._system_at)
        self._seen = [one for one in self._seen if one.noticed >= end]
        self._system_at = [at for at in self._system_at if at >= end]
        self._held.pass_to(end, self._known)
        known, self._known = levels_of(self._known), defaultdict(list)
        return dated_restarts(dates, readings, known[_SYSTEM].ms if _SYSTEM in known else 0)

    def last_system(self) -> tuple[float, SystemReading, bool] | None:
        """The same of the system group, with when it was read, and whether its sysUpTime is to be trusted."""
        last = self.restarts.last
        return (*last, self.restarts.uptime.trusted) if last is not None else None

    def last_fabric(self, at: float) -> dict[str, Any] | None:
        """What is to be persisted of routing and switching, with times before ``at``."""
        return self.fabric.to_plain(at)

    _TAKERS: ClassVar[Mapping[str, Callable[["Polled", Sample], None]]] = {
        Metric.SNMP: _take_poll,
        Metric.SYSTEM: _take_system,
        Metric.PORT_IDENTITY: _take_identity,
        Metric.PORT_STATUS: _take_port_status,
        Metric.PORT_COUNTERS: _take_counters,
        Metric.INVENTORY: _take_inventory,
        Metric.FACTS: _take_facts,
        Metric.READINGS: _take_readings,
    }
    """Who takes the samples of a metric."""
