"""From settings to what is watched: devices with their ids, addresses, parents and intervals.

A gateway and the internet targets are devices like any other, whether they are written as devices or named in
[network] alone. Who has no declared parents lies behind the gateway where the routing table says so.
"""

import fnmatch
import hashlib
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from agent.settings.models import CredentialSettings, DeviceSettings, PortsSettings, Settings
from agent.settings.types import slug
from collectors.link import Route, default_gateway, route_to
from kpi.counters import line_rate
from kpi.entities import LINK, UPLINK
from kpi.model import Device, PortIdentity, Role
from kpi.planned import touches
from kpi.states import Change, network_changes

ID_LENGTH = 40
_NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SnmpPlan:
    """How one device is polled."""

    credential: CredentialSettings
    port: int
    status_s: float
    counters_s: float
    timeout_s: float
    retries: int
    answers_from: str | None = None
    """Where its answers come from, where that is another address."""


@dataclass(frozen=True, slots=True)
class Watchable:
    """One device with all that is needed to measure it. ``address`` is numeric, "" while its name does not resolve."""

    device: Device
    address: str
    interface: str
    """The probe's interface towards it, "" where no route is known."""
    echo_s: float | None
    snmp: SnmpPlan | None
    ports: PortsSettings
    derived: bool = False
    """Its parents follow from the links between the devices, nobody has declared them."""


@dataclass(frozen=True, slots=True)
class SitePlan:
    """All devices of the site in the order of the settings, and which of them make up the way to the internet."""

    devices: tuple[Watchable, ...]
    gateway: str | None
    internet: tuple[str, ...]
    maintenance: tuple[tuple[frozenset[str], float, float], ...]
    """(device ids, start_utc, end_utc)."""
    _by_id: dict[str, Watchable] = field(init=False, repr=False, compare=False)
    _planned: dict[str, tuple[tuple[float, float], ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {w.device.id: w for w in self.devices})

    def by_id(self) -> Mapping[str, Watchable]:
        """The devices by their ids."""
        return self._by_id

    def maintenance_of(self, device: str) -> tuple[tuple[float, float], ...]:
        """(start_utc, end_utc) of what is planned for this device, and for the site's way to the internet (UPLINK),
        which goes by its gateway."""
        if device == UPLINK:
            device = self.gateway or ""
        if device not in self._planned:
            self._planned[device] = tuple((a, b) for devices, a, b in self.maintenance if device in devices)
        return self._planned[device]

    def planned_in(self, start_utc: float, end_utc: float) -> frozenset[str]:
        """The devices that something is planned for in this time."""
        return frozenset().union(
            *(devices for devices, start, end in self.maintenance if touches([(start, end)], start_utc, end_utc))
        )


def devices_in_words(plan: SitePlan, settings: Settings) -> str:
    """How many devices are watched, and which of them the settings do not list: "12 devices: 8 listed in the settings,
    the gateway and 3 internet targets"."""
    listed = {device.id for device in settings.devices}
    added = [w.device for w in plan.devices if w.device.id not in listed]
    targets = sum(device.role is Role.INTERNET for device in added)
    count = f"{len(plan.devices)} device{'' if len(plan.devices) == 1 else 's'}"
    if not added:
        return count
    parts = [f"{len(listed)} listed in the settings"]
    if targets < len(added):
        parts.append("the gateway")
    if targets:
        parts.append(f"{targets} internet target{'' if targets == 1 else 's'}")
    return f"{count}: {', '.join(parts[:-1])} and {parts[-1]}"


def uplink_changes(plan: SitePlan, changes_of: Callable[[str], Sequence[Change]]) -> Sequence[Change] | None:
    """The states of the site's way to the internet, out of those of the probe's link, the gateway and the internet
    targets. None where too few targets are set up."""
    gateway = changes_of(plan.gateway) if plan.gateway else None
    return network_changes(changes_of(LINK), gateway, [changes_of(target) for target in plan.internet])


def host_names(settings: Settings) -> set[str]:
    """Every address in the settings that is a name and must be resolved."""
    wanted = {d.address for d in settings.devices} | set(settings.network.internet)
    if settings.network.gateway not in {"auto", "none"}:
        wanted.add(settings.network.gateway)
    return {a for a in wanted if not is_numeric(a)}


def is_numeric(address: str) -> bool:
    """Whether it is an IP address (with or without a scope) and not a name."""
    try:
        ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return True


def plan_site(
    settings: Settings, routes: Sequence[Route], resolved: Mapping[str, str], derived: Mapping[str, str] = _NOBODY
) -> SitePlan:
    """What is watched, given the routing table and the addresses that names have now. ``derived``: by device, the one
    that it is reached through by the links between the devices; it counts for devices on the probe's own network that
    declare no parents, where the settings want it."""
    if settings.topology.parents == "declared":
        derived = _NOBODY
    drafts = list(settings.devices)
    gateway = _gateway(settings, drafts, default_gateway(list(routes)), resolved)
    for address in settings.network.internet:
        if all(d.address != address for d in drafts):
            drafts.append(_implied(_own_id(f"internet-{slug(address)}", drafts), address, Role.INTERNET, address))
    ids = {d.name: d.id for d in drafts}
    known = set(ids.values())
    watchables = []
    for draft in drafts:
        address = draft.address if is_numeric(draft.address) else resolved.get(draft.address, "")
        route = route_to(list(routes), address) if address else None
        interface = settings.network.interface
        if interface == "auto":
            interface = route.interface if route else ""
        elif route is not None and route.interface == "lo":
            interface = "lo"
        parents = tuple(ids[p] for p in draft.parents)
        behind = route is None or route.gateway is not None
        if not parents and gateway is not None and draft.id != gateway and behind and interface != "lo":
            parents = (gateway,)
        follows = not parents and not behind and draft.role is not Role.INTERNET and derived.get(draft.id) in known
        watchables.append(
            Watchable(
                device=Device(
                    draft.id, draft.name, draft.role, draft.address, (derived[draft.id],) if follows else parents
                ),
                address=address,
                interface=interface,
                echo_s=_echo_s(settings, draft),
                snmp=_snmp(settings, draft),
                ports=draft.ports,
                derived=follows,
            )
        )
    internet = tuple(w.device.id for w in watchables if w.device.role is Role.INTERNET)
    return SitePlan(_without_circles(watchables), gateway, internet, _maintenance(settings, ids))


def _without_circles(watchables: Sequence[Watchable]) -> tuple[Watchable, ...]:
    """Derived parents may contradict declared ones: who would be its own ancestor keeps none."""
    parents = {w.device.id: w.device.parents for w in watchables}
    kept = []
    for watchable in watchables:
        device = watchable.device
        if watchable.derived and device.id in _ancestors(device.id, parents):
            parents[device.id] = ()
            kept.append(replace(watchable, device=replace(device, parents=()), derived=False))
        else:
            kept.append(watchable)
    return tuple(kept)


def _ancestors(device: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    queue = [device]
    while queue:
        for parent in parents.get(queue.pop(), ()):
            if parent not in found:
                found.add(parent)
                queue.append(parent)
    return found


def _gateway(
    settings: Settings, drafts: list[DeviceSettings], found: str | None, resolved: Mapping[str, str]
) -> str | None:
    """The id of the gateway, which joins ``drafts`` where the settings do not write it as a device."""
    wanted = settings.network.gateway
    if wanted == "none":
        return None
    if wanted == "auto":
        declared = [d for d in drafts if d.role is Role.GATEWAY]
        if declared:
            return declared[0].id
        wanted = found or ""
    if not wanted:
        return None
    for draft in drafts:
        if wanted in {draft.address, resolved.get(draft.address)}:
            return draft.id
    taken = {d.id for d in drafts} | {d.name for d in drafts}
    own = "gateway" if "gateway" not in taken else _own_id(f"gateway-{slug(wanted)}", drafts)
    drafts.append(_implied(own, wanted, Role.GATEWAY, own))
    return own


def _own_id(wanted: str, drafts: Sequence[DeviceSettings]) -> str:
    """This id; where it is too long or taken, one that its address alone gives: the same after every start."""
    if len(wanted) <= ID_LENGTH and all(d.id != wanted for d in drafts):
        return wanted
    digest = hashlib.blake2b(wanted.encode(), digest_size=4).hexdigest()
    return f"{wanted[: ID_LENGTH - 1 - len(digest)].strip('-')}-{digest}"


def _implied(device_id: str, address: str, role: Role, name: str) -> DeviceSettings:
    return DeviceSettings(name=name, id=device_id, role=role, address=address)


def _echo_s(settings: Settings, draft: DeviceSettings) -> float | None:
    if not draft.echo:
        return None
    return draft.echo_s if draft.echo_s is not None else settings.echo.seconds_of(draft.role)


def _snmp(settings: Settings, draft: DeviceSettings) -> SnmpPlan | None:
    if draft.snmp is None:
        return None
    return SnmpPlan(
        credential=settings.credential(draft.snmp),
        port=draft.snmp_port,
        status_s=draft.status_s if draft.status_s is not None else settings.snmp.status_s,
        counters_s=draft.counters_s if draft.counters_s is not None else settings.snmp.counters_s,
        timeout_s=settings.snmp.timeout_s,
        retries=settings.snmp.retries,
        answers_from=draft.snmp_answers_from,
    )


def _maintenance(settings: Settings, ids: Mapping[str, str]) -> tuple[tuple[frozenset[str], float, float], ...]:
    zone = settings.site.zone

    def utc(when: datetime) -> float:
        return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()

    every = frozenset(ids.values())
    return tuple(
        (frozenset(ids[n] for n in m.devices) if m.devices else every, utc(m.start), utc(m.end))
        for m in settings.maintenance
    )


@dataclass(frozen=True, slots=True)
class PortFilter:
    """Picks ports by patterns against ifName, ifDescr and ifAlias, whatever the case: those polled, those fast."""

    include: tuple[str, ...]
    """Empty: all."""
    exclude: tuple[str, ...] = ()

    def __call__(self, port: PortIdentity) -> bool:
        return (not self.include or matches(port, self.include)) and not matches(port, self.exclude)


@dataclass(frozen=True, slots=True)
class FastPorts:
    """Picks the ports whose counters are read as often as status: those named, and those so fast that their 32-bit
    error counters may go round between two readings of counters (kpi/README.md R6: 288 s at 10 Gb/s)."""

    patterns: tuple[str, ...]
    status_s: float
    counters_s: float

    def __call__(self, port: PortIdentity) -> bool:
        limit_s = line_rate(port.speed_bps).packets_wrap_s if port.speed_bps else float("inf")
        return self.status_s < limit_s <= self.counters_s or (bool(self.patterns) and matches(port, self.patterns))


def matches(port: PortIdentity, patterns: Sequence[str]) -> bool:
    """Whether any pattern fits one of the port's names."""
    names = [n.casefold() for n in (port.name, port.descr, port.alias) if n]
    return any(fnmatch.fnmatchcase(name, pattern.casefold()) for pattern in patterns for name in names)
