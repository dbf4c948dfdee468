"""One device's routing and switching, poll by poll turned into windows: spanning tree, neighbours, BGP, OSPF, duplex.

Feed a FabricAccumulator the Facts that SNMP found, with the monotonic time at which they were asked for; close it at
each window's end. A difference between two polls counts in the window in which the second lies, whole; an answer that
comes after its window was closed counts in the one that is open.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kpi.counters import TOLERANCE_CS, UptimeTracker, delta, span
from kpi.duplex import DuplexReadings, Verdict
from kpi.fabric_counts import DuplexCounts, FabricCounts, NeighbourCounts, StpCounts, added, merge_fabric
from kpi.forwarding import ForwardingTable
from kpi.gear import Bridge, Facts, Neighbor
from kpi.levels import HeldLevels, Segments, levels_of
from kpi.sessions import Bgp, Change, Ospf, Seen, Sessions
from kpi.stored import number, optional, sequence, table, text, versioned

PLAIN_VERSION = 1
MOST_CHANGES_A_S = 100.0
"""Topology changes a second; more is no wrap of dot1dStpTopChanges but another counter."""
MOST_NEIGHBOURS = 4096
"""Neighbours of one device that are remembered, so that no agent can fill the memory."""
_STP, _NEIGHBOURS = "stp", "neighbours"
"""The levels that say for how long a reading of the spanning tree, or of the neighbours, holds (kpi/README.md R3)."""
_COUNTED = frozenset({"bgp_peers", "ospf_neighbors", "bridge"})
"""What has counters."""
NO_BRIDGE = "00:00:00:00:00:00"

Key = tuple[str, str, str]
"""(local port, chassis id, remote port)."""


@dataclass(frozen=True, slots=True)
class _BridgeSeen:
    at: float
    uptime_cs: int | None
    bridge: Bridge


class FabricAccumulator:
    """One device, window after window."""

    __slots__ = (
        "_bgp", "_bridge", "_bridge_held", "_closed", "_end", "_known", "_neighbours", "_odd_clock", "_ospf",
        "_partial", "_routers", "_start", "_stp", "_walks", "_walks_held", "duplex", "forwarding", "heard_at", "uptime",
    )  # fmt: skip

    def __init__(self, uptime: UptimeTracker, start: float, end: float, *, status_s: float = 60.0) -> None:
        """``uptime`` is the device's one tracker; [start, end) the first window in monotonic seconds; ``status_s`` the
        period in which sessions are asked for."""
        self.uptime = uptime
        self.duplex = DuplexReadings(uptime)
        self.forwarding = ForwardingTable()
        """As the last whole walk found it, or a later one that came as far: tables longer than a walk never end."""
        self.heard_at = start
        """When ``neighbours`` were last walked to their end, or said to be as they were."""
        self._start, self._end = start, end
        self._bgp = Sessions(Bgp(), uptime, start, status_s)
        self._routers = Ospf()
        self._ospf = Sessions(self._routers, uptime, start, status_s)
        self._bridge: _BridgeSeen | None = None
        self._neighbours: dict[Key, Neighbor] | None = None
        self._partial = False
        self._bridge_held, self._walks_held = HeldLevels(), HeldLevels()
        self._closed = FabricCounts()
        self._begin()

    def _begin(self) -> None:
        self._stp = StpCounts()
        self._walks = NeighbourCounts()
        self._known: Segments = defaultdict(list)
        self._odd_clock = 0

    def configure(self, status_s: float) -> None:
        """Another period of status polls."""
        self._bgp.status_s = self._ospf.status_s = status_s

    @property
    def neighbours(self) -> Sequence[Neighbor]:
        """As the last whole walk found them."""
        return tuple(self._neighbours.values()) if self._neighbours is not None else ()

    def take(self, at: float, facts: Facts) -> Sequence[Change]:
        """One sort of facts of one poll, asked for at ``at``: what is to be said of it at once."""
        self._window_of(at)
        self.uptime.take(at, facts.uptime_cs)
        if facts.sort in _COUNTED:
            self._odd_clock += not self.uptime.usable
        if facts.sort == "neighbors":
            return self._take_neighbours(at, facts)
        if facts.sort == "bgp_peers":
            return self._bgp.take(at, facts)
        if facts.sort == "ospf_neighbors":
            return self._ospf.take(at, facts)
        if facts.sort == "bridge":
            return self._take_bridge(at, facts)
        if facts.sort == "ospf_interfaces":
            self._routers.take_interfaces(facts)
        elif facts.sort == "duplex":
            self.duplex.take(at, facts)
        elif facts.sort == "forwarding":
            found = ForwardingTable(facts.rows)
            if facts.complete or len(found) >= len(self.forwarding):
                self.forwarding = found
        return ()

    def answered(self, at: float) -> None:
        """The device answered a poll: neighbours that are not walked anew are as they were."""
        self._window_of(at)
        if self._neighbours is not None and not self._partial:
            self._walks = added(self._walks, NeighbourCounts(polls=1))
            self._walks_held.take(at, {_NEIGHBOURS: 0.0}, self._known)
            self.heard_at = at

    def _take_bridge(self, at: float, facts: Facts) -> Sequence[Change]:
        bridge = next((row for row in facts.rows if isinstance(row, Bridge)), None)
        if bridge is None:
            return ()
        before, self._bridge = self._bridge, _BridgeSeen(at, facts.uptime_cs, bridge)
        self._bridge_held.take(at, {_STP: 0.0}, self._known)
        counted = int(bridge.topology_changes is not None)
        self._stp = added(self._stp, StpCounts(readings=1, counted=counted))
        if before is None:
            return ()
        rise = self._topology_changes(before, self._bridge)
        if rise is not None:
            self._stp = added(self._stp, StpCounts(intervals=1, changes=rise))
        was, root = before.bridge.designated_root, bridge.designated_root
        if root == was or NO_BRIDGE in {was, root} or not was or not root:
            return ()
        self._stp = added(self._stp, StpCounts(roots=1))
        return (Change("stp.root_changed", {"was": was, "root": root}),)

    def _topology_changes(self, before: _BridgeSeen, after: _BridgeSeen) -> int | None:
        """The difference of dot1dStpTopChanges; 1 where it stayed though the last change lies after the reading
        before. None where it is not known (kpi/README.md R6)."""
        over = span(before.uptime_cs, after.uptime_cs, after.at - before.at, trusted=self.uptime.trusted)
        rise = delta(
            before.bridge.topology_changes,
            after.bridge.topology_changes,
            32,
            over,
            per_s=MOST_CHANGES_A_S,
        )
        if not isinstance(rise, int):
            return None
        then, since = before.bridge.since_change_cs, after.bridge.since_change_cs
        if rise or since is None:
            return rise
        passed_cs = 100 * over.seconds
        known = then is not None and then + passed_cs - since <= TOLERANCE_CS  # the same change as before
        return int(since < passed_cs and not known)

    def _take_neighbours(self, at: float, facts: Facts) -> Sequence[Change]:
        if not facts.complete:
            self._partial = True
            self._walks = added(self._walks, NeighbourCounts(partial=1))
            return ()
        self.heard_at = at
        found = {key_of(row): row for row in facts.rows if isinstance(row, Neighbor)}
        now = dict(list(found.items())[:MOST_NEIGHBOURS])
        before, self._neighbours, self._partial = self._neighbours, now, False
        if before is None:
            if not now:
                self._neighbours = None  # a device that never had one is not asked about churn
                return ()
            self._walks_held.take(at, {_NEIGHBOURS: 0.0}, self._known)
            return ()
        self._walks_held.take(at, {_NEIGHBOURS: 0.0}, self._known)
        heard_twice = _heard_twice([*before.values(), *now.values()])
        old, new = ({key: n for key, n in each.items() if key not in heard_twice} for each in (before, now))
        came = [n for key, n in new.items() if key not in old]
        removed = [n for key, n in old.items() if key not in new]
        main = [("neighbour.new", n) for n in came if not is_end_station(n)]
        main += [("neighbour.lost", n) for n in removed if not is_end_station(n)]
        walk = NeighbourCounts(
            added=len(came),
            removed=len(removed),
            infrastructure=len(main),
            kept=len(old.keys() & new.keys()),
            either=len(old.keys() | new.keys()),
        )
        self._walks = added(self._walks, walk)
        return tuple(Change(kind, _about(neighbour)) for kind, neighbour in main)

    def close(
        self,
        end: float,
        next_end: float | None = None,
        verdicts: Mapping[str, Verdict] | None = None,
    ) -> FabricCounts:
        """The window that ends at ``end`` (its planned end, or now where a clock jump cuts it short), once. The next
        one begins there and ends at ``next_end``, by default as long after as this one was planned. ``verdicts``: by
        port, of those whose duplex could be judged. What the device has nothing of is left out."""
        if self._start < end:  # else it went on by itself, or began later
            self._shut(end, self._end - self._start, verdicts)
        counts, self._closed = self._closed, FabricCounts()
        if next_end is not None:
            self._end = next_end
        return counts

    def _window_of(self, at: float) -> None:
        """A reading of the next window may come before this one is closed: it is set aside, whole."""
        while at >= self._end:
            self._shut(self._end, self._end - self._start, None)

    def _shut(self, end: float, length: float, verdicts: Mapping[str, Verdict] | None) -> None:
        found = verdicts or {}
        wrong = {port: int(verdict) for port, verdict in found.items() if verdict is not Verdict.AGREED}
        seen = len(self.duplex.now(end))
        self._bridge_held.pass_to(end, self._known)
        self._walks_held.pass_to(end, self._known)
        over = FabricCounts(
            stp=self._stp if self._bridge is not None else None,
            neighbours=self._walks if self._neighbours is not None else None,
            duplex=DuplexCounts(len(found), seen, wrong) if self.duplex.known else None,
            ospf=self._ospf.close(end).counts(),
            bgp=self._bgp.close(end).counts(),
            known_ms={part: level.ms for part, level in levels_of(self._known).items()},
            odd_clock=self._odd_clock,
        )
        self._closed = merge_fabric(self._closed, over)
        self._start, self._end = end, end + length
        self._begin()

    def to_plain(self, at: float) -> dict[str, Any] | None:
        """What is to be persisted with each window, so that what changed over a restart of the probe is seen: times
        before ``at``. None for a device of which nothing is known."""
        plain: dict[str, Any] = {}
        if self._bridge is not None:
            seen, bridge = self._bridge, self._bridge.bridge
            plain["stp"] = [
                round(seen.at - at, 3),
                seen.uptime_cs,
                bridge.designated_root,
                bridge.topology_changes,
                bridge.since_change_cs,
            ]
        if self._neighbours is not None:
            plain["neighbours"] = [_neighbour_to_plain(n) for n in self._neighbours.values()]
        for name, sessions in (("bgp", self._bgp), ("ospf", self._ospf)):
            if rows := sessions.to_plain(at):
                plain[name] = rows
        return {"v": PLAIN_VERSION, **plain} if plain else None

    def resume(self, memory: "FabricMemory", at: float) -> None:
        """Go on from what was kept, ``at`` on the present clock."""
        if memory.bridge is not None:
            self._bridge = replace(memory.bridge, at=at + memory.bridge.at)
        if memory.neighbours is not None:
            self._neighbours = {key_of(row): row for row in memory.neighbours}
        self._bgp.resume(memory.bgp, at)
        self._ospf.resume(memory.ospf, at)


@dataclass(frozen=True, slots=True)
class FabricMemory:
    """What FabricAccumulator.to_plain keeps, with times before those of its keeping."""

    bridge: _BridgeSeen | None = None
    neighbours: tuple[Neighbor, ...] | None = None
    bgp: Mapping[str, Seen] = field(default_factory=dict)
    ospf: Mapping[str, Seen] = field(default_factory=dict)

    @staticmethod
    def from_plain(plain: Any) -> "FabricMemory":
        """Of FabricAccumulator.to_plain. ValueError for everything else (kpi/stored.py)."""
        row = table(versioned(plain, PLAIN_VERSION, "facts"))
        bridge = None
        if "stp" in row:
            seen_at, uptime_cs, root, changes, since = sequence(row["stp"], 5, 5)
            found = Bridge(text(root), optional(changes), optional(since))
            bridge = _BridgeSeen(number(seen_at), optional(uptime_cs), found)
        neighbours = None
        if "neighbours" in row:
            rows = [sequence(one, 2, len(Neighbor.__slots__)) for one in sequence(row["neighbours"])]
            neighbours = tuple(Neighbor(*map(text, one)) for one in rows)
        sessions = [
            {key: Seen.from_plain(one) for key, one in table(row.get(name, {})).items()} for name in ("bgp", "ospf")
        ]
        return FabricMemory(bridge, neighbours, *sessions)


def key_of(neighbour: Neighbor) -> Key:
    """What makes a neighbour the same one: lldpRemChassisId, lldpRemPortId, and where it is heard."""
    return neighbour.local_port, neighbour.remote_chassis, neighbour.remote_port


def is_end_station(neighbour: Neighbor) -> bool:
    """Telephones and computers name their port by its MAC address (the default of ANSI/TIA-1057 endpoints [K]), what
    forwards for others by a name or number. Telephones that CDP tells of are called by three letters and theirs."""
    return is_mac(neighbour.remote_port) or _TELEPHONE.fullmatch(neighbour.remote_name) is not None


def is_mac(text: str) -> bool:
    """Whether it is written as "00:11:22:33:44:55"."""
    parts = text.split(":")
    return len(parts) == 6 and all(len(p) == 2 and p.isalnum() and set(p.lower()) <= _HEX for p in parts)


_HEX = frozenset("0123456789abcdef")
_TELEPHONE = re.compile(r"[A-Z]{3}[0-9A-F]{12}", re.IGNORECASE)


def _heard_twice(neighbours: Iterable[Neighbor]) -> set[Key]:
    """What CDP or another kin tells of somebody whom LLDP hears on the same port."""
    everybody = list(neighbours)
    by_lldp = {(n.local_port, _short(n.remote_name)) for n in everybody if n.protocol == "lldp"}
    return {key_of(n) for n in everybody if n.protocol != "lldp" and (n.local_port, _short(n.remote_name)) in by_lldp}


def _short(name: str) -> str:
    """Without the domain, and without the serial number that CDP puts behind it in brackets."""
    return name.partition("(")[0].partition(".")[0].casefold()


def _about(neighbour: Neighbor) -> dict[str, str]:
    return {
        "protocol": neighbour.protocol,
        "local_port": neighbour.local_port,
        "remote_name": neighbour.remote_name,
        "remote_port": neighbour.remote_port,
        "remote_chassis": neighbour.remote_chassis,
    }


def _neighbour_to_plain(neighbour: Neighbor) -> list[str]:
    """Without the description, which may be long."""
    return [
        neighbour.protocol,
        neighbour.local_port,
        neighbour.remote_name,
        neighbour.remote_port,
        neighbour.remote_chassis,
        neighbour.remote_address,
        "",
        neighbour.remote_port_descr,
    ]
