"""Who is connected to whom: links between known devices, out of what they say of their neighbours (LLDP, CDP) and,
where those say nothing, of their forwarding tables.

A neighbour is a known device by its chassis' or port's MAC address, else by its address, else by its name, where only
one device has it. A link that both ends tell of is confirmed. By forwarding tables a device is at the port of the
bridge that is nearest to it: no other bridge that learnt it lies between. In doubt there is no link.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from kpi.forwarding import number
from kpi.gear import Neighbor
from kpi.model import PortIdentity

Key = TypeVar("Key", str, int)

FORWARDING = "forwarding"
PROBE = ""
"""The probe itself among the devices."""
SAME_BLOCK = 1024
"""The MAC addresses of one device lie this close together: a chassis address is often that of none of its ports."""


@dataclass(frozen=True, slots=True, order=True)
class End:
    """One end of a link. ``port`` is the port's key, else what the devices call it, "" where nothing is known of it."""

    device: str
    port: str


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """Two ends, that of the device whose id comes first first. ``by``: "lldp", "cdp", ... or "forwarding"."""

    a: End
    b: End
    by: str
    confirmed: bool
    """Both ends tell of it."""

    @property
    def devices(self) -> tuple[str, str]:
        """The ids of both."""
        return self.a.device, self.b.device


@dataclass(frozen=True, slots=True)
class Node:
    """One known device as far as it matters here."""

    device: str
    name: str = ""
    """sysName."""
    addresses: frozenset[str] = frozenset()
    macs: frozenset[int] = frozenset()
    ports: Sequence[PortIdentity] = ()
    neighbours: Sequence[Neighbor] = ()
    learnt: Mapping[int, int] = field(default_factory=dict)
    """Of the MAC addresses of known devices, the ifIndex they were learnt on."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """Where a bridge has learnt the probe. What it has learnt there as well is not behind it."""

    end: End
    ports: Mapping[str, str] = field(default_factory=dict)
    """By device, the port it was learnt on; those that were learnt on several are left out."""

    def denies(self, front: str, device: str) -> bool:
        """Whether ``front`` cannot be in front of ``device``: the bridge is ``front`` and has that on its way to the
        probe, or has the two behind different ports of its own."""
        there = self.ports.get(device)
        if front == self.end.device:
            return there == self.end.port
        return there is not None and self.ports.get(front, self.end.port) not in {there, self.end.port}


@dataclass(frozen=True, slots=True)
class _Half:
    """What one end says: its own port, and the other end as it sees it."""

    near: End
    far: End
    by: str


def links(nodes: Sequence[Node]) -> tuple[Link, ...]:
    """All links between these devices; the probe is one of them, with the id PROBE."""
    told = _told(nodes)
    return tuple(sorted([*told, *_learnt(nodes, told)]))


def uplinks(nodes: Sequence[Node]) -> dict[str, Uplink | None]:
    """Of each bridge that shows its table, the way to the probe; None where it has learnt it on no port, or several."""
    owners = _unique((mac, node.device) for node in nodes for mac in node.macs)
    found: dict[str, Uplink | None] = {}
    for node in nodes:
        if node.learnt:
            ports = _seen(node, owners)
            own = ports.get(PROBE)
            found[node.device] = Uplink(End(node.device, own), ports) if own is not None else None
    return found


# -- what devices say of their neighbours ------------------------------------------------------------------------------


def _told(nodes: Sequence[Node]) -> list[Link]:
    find = _finder(nodes)
    by_id = {node.device: node for node in nodes}
    halves: dict[tuple[str, str], dict[tuple[End, str], _Half]] = defaultdict(dict)
    for node in nodes:
        for neighbour in node.neighbours:
            other = find(neighbour)
            if other is None or other == node.device:
                continue
            near = End(node.device, _port(node, neighbour.local_port))
            far = End(other, _port(by_id[other], neighbour.remote_port, neighbour.remote_port_descr))
            key = near, far.port if not near.port else ""
            held = halves[node.device, other].get(key)
            if held is None or held.by != "lldp":
                halves[node.device, other][key] = _Half(near, far, neighbour.protocol)
    found: list[Link] = []
    for a, b in sorted({(min(pair), max(pair)) for pair in halves}):
        found += _joined(list(halves[a, b].values()), list(halves[b, a].values()))
    return found


def _joined(from_a: list[_Half], from_b: list[_Half]) -> list[Link]:
    """The halves of two devices put together: those that agree on both ports, on one, at last the only ones left."""
    found: list[Link] = []
    agree: Sequence[Callable[[_Half, _Half], bool]] = (
        lambda x, y: x.near == y.far and x.far == y.near,
        lambda x, y: x.near == y.far or x.far == y.near,
        lambda _x, _y: len(from_a) == len(from_b) == 1,
    )
    for same in agree:
        for x in list(from_a):
            fitting = [y for y in from_b if same(x, y)]
            if len(fitting) == 1:
                found.append(_link(x.near, fitting[0].near, x.by, confirmed=True))
                from_a.remove(x)
                from_b.remove(fitting[0])
    return found + [_link(half.near, half.far, half.by, confirmed=False) for half in (*from_a, *from_b)]


def _link(one: End, other: End, by: str, *, confirmed: bool) -> Link:
    return Link(min(one, other), max(one, other), by, confirmed)


def _finder(nodes: Sequence[Node]) -> Callable[[Neighbor], str | None]:
    """Which device a neighbour is. What several devices share tells none of them, nor does a name that neighbours of
    several chassis have; an address or a name of a device counts only where the chassis is none of somebody else."""
    macs = _unique((mac, node.device) for node in nodes for mac in node.macs)
    addresses = _unique((address, node.device) for node in nodes for address in node.addresses)
    names = _unique((node.name.casefold(), node.device) for node in nodes if node.name)
    short = _unique((_short(node.name), node.device) for node in nodes if node.name)
    whole = {node.device: node.name.casefold() for node in nodes}
    owned = {node.device: node.macs for node in nodes}
    chassis_of: dict[str, set[int]] = defaultdict(set)
    for heard in (neighbour for node in nodes for neighbour in node.neighbours):
        if (mac := number(heard.remote_chassis)) is not None:
            chassis_of[_name(heard)].add(mac)

    def by_name(name: str) -> str | None:
        if len(chassis_of.get(name, ())) > 1:
            return None
        device = names.get(name) or short.get(_short(name))
        alike = device is not None and (whole[device] == name or "." not in name or "." not in whole[device])
        return device if alike else None  # of another domain

    def find(neighbour: Neighbor) -> str | None:
        chassis = number(neighbour.remote_chassis)
        for mac in (chassis, number(neighbour.remote_port)):
            if mac is not None and mac in macs:
                return macs[mac]
        told = (neighbour.remote_address, neighbour.remote_chassis)
        device = next((addresses[address] for address in told if address and address in addresses), None)
        device = device or by_name(_name(neighbour))
        if device is None or chassis is None or not owned[device]:
            return device
        near = any(abs(mac - chassis) <= SAME_BLOCK for mac in owned[device])
        return device if near else None  # somebody else of the same name, or of the factory's address

    return find


def _name(neighbour: Neighbor) -> str:
    return neighbour.remote_name.partition("(")[0].casefold()  # CDP puts a serial number behind it


def _unique(pairs: Iterable[tuple[Key, str]]) -> dict[Key, str]:
    owners: dict[Key, set[str]] = defaultdict(set)
    for key, device in pairs:
        owners[key].add(device)
    return {key: next(iter(devices)) for key, devices in owners.items() if len(devices) == 1}


def _short(name: str) -> str:
    """Without the domain."""
    return name.partition(".")[0].casefold()


def _port(node: Node, *texts: str) -> str:
    """The key of the port that somebody calls so; what they call it first where there is none, or several are."""
    for text in filter(None, texts):
        wanted, mac = text.casefold(), number(text)
        for named in (
            [p for p in node.ports if text == p.key],
            [p for p in node.ports if wanted in {p.name.casefold(), p.descr.casefold()}],
            [p for p in node.ports if wanted == p.alias.casefold()],
            [p for p in node.ports if mac is not None and mac == number(p.mac or "")],
            [p for p in node.ports if text == str(p.index)],
        ):
            if len(named) == 1:
                return named[0].key
    return next(filter(None, texts), "")


# -- what bridges have learnt ------------------------------------------------------------------------------------------


class _Bridges:
    """On which of its ports each bridge has learnt or heard each device."""

    def __init__(self, nodes: Sequence[Node], told: Iterable[Link]) -> None:
        owners = _unique((mac, node.device) for node in nodes for mac in node.macs)
        self.ports: dict[str, dict[str, str]] = {}
        """By bridge and device; a device that was learnt on several ports is on none."""
        for node in nodes:
            if node.learnt:
                self.ports[node.device] = _seen(node, owners)
        self._complete()
        self._linked: dict[End, set[str]] = defaultdict(set)
        self._beside: dict[str, set[str]] = defaultdict(set)
        for link in told:
            for near, far in ((link.a, link.b), (link.b, link.a)):
                self._linked[near].add(far.device)
                self._beside[near.device].add(far.device)
                if near.device in self.ports:
                    self.ports[near.device][far.device] = near.port
        self._at: dict[End, set[str]] = defaultdict(set)
        for bridge, seen in self.ports.items():
            for device, port in seen.items():
                if device in self.ports:
                    self._at[End(bridge, port)].add(device)

    def _complete(self) -> None:
        """A bridge that has another one elsewhere than the probe is between the two: the other one has it where it has
        the probe, also where they never met."""
        for bridge, seen in self.ports.items():
            for other in seen.keys() & self.ports.keys():
                theirs = self.ports[other]
                if bridge not in theirs and PROBE in theirs and seen.get(PROBE, seen[other]) != seen[other]:
                    theirs[bridge] = theirs[PROBE]

    def end(self, device: str, towards: str) -> End | None:
        """The port of ``device`` to ``towards``. None for a bridge that has not learnt it, as it may be any."""
        if device not in self.ports:
            return End(device, "")
        port = self.ports[device].get(towards)
        return End(device, port) if port is not None else None

    def nearest(self, device: str) -> list[End]:
        """The ports that this device is connected to. What is no bridge itself has one, and in doubt none; a bridge
        has one for each of its own ports, and none where several others are behind that. What has a neighbour that
        shows no table either may be in front of that, or behind it."""
        own = self.ports.get(device, {})
        if not own and not self._beside[device] <= self.ports.keys():
            return []
        found: dict[str | None, list[End]] = defaultdict(list)
        for bridge, seen in self.ports.items():
            if device in seen and not self._between(End(bridge, seen[device]), device):
                found[own.get(bridge)].append(End(bridge, seen[device]))
        return [end for ends in found.values() for end in ends if len(ends) == 1]

    def _between(self, near: End, device: str) -> bool:
        """Whether another device lies between: one that is linked to this port and has not learnt ``device`` on the
        same link, or a bridge that was learnt on this port and has learnt ``device`` elsewhere than ``near``."""
        linked = self._linked.get(near, set())
        if device in linked:
            return False
        for other in (linked | self._at.get(near, set())) - {device, near.device}:
            seen = self.ports.get(other, {})
            there = seen.get(device)
            if there is None and other in linked:
                return True
            if there is not None and there != seen.get(near.device):
                return True
        return False


def _seen(node: Node, owners: Mapping[int, str]) -> dict[str, str]:
    keys = {port.index: port.key for port in node.ports}
    ports: dict[str, set[int]] = defaultdict(set)
    for mac, index in node.learnt.items():
        device = owners.get(mac)
        if device is not None and device != node.device:
            ports[device].add(index)
    return {device: keys.get(index, str(index)) for device, (index, *more) in ports.items() if not more}


def _learnt(nodes: Sequence[Node], told: Sequence[Link]) -> list[Link]:
    """Links of pairs of devices that neither LLDP nor its kin tells of."""
    bridges = _Bridges(nodes, told)
    known = {link.devices for link in told}
    halves: dict[tuple[str, str], dict[str, End]] = defaultdict(dict)
    for node in nodes:
        for end in bridges.nearest(node.device):
            pair = min(end.device, node.device), max(end.device, node.device)
            if pair not in known:
                halves[pair][end.device] = end
    found: list[Link] = []
    for (a, b), ends in halves.items():
        one = ends.get(a) or bridges.end(a, b)
        other = ends.get(b) or bridges.end(b, a)
        if one is not None and other is not None:
            found.append(Link(one, other, FORWARDING, confirmed=len(ends) == 2))
    return found
