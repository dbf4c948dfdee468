"""The site's links as they are known now, and the parents that follow from them (kpi/README.md R1).

kpi/topology.py finds links in what the devices told last, kpi/parents.py what each is reached through. Here stands what
time does to it: who is away takes no link along, and parents are others only when two polls running have said so.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.boundary import Boundary
from agent.monitor import Monitor, Track
from agent.pace import Pace
from collectors.clock import Clock
from collectors.link import Surroundings
from kpi.duplex import End as DuplexEnd
from kpi.duplex import PortDuplex, Verdict, verdicts
from kpi.forwarding import ForwardingTable, number
from kpi.gear import Neighbor
from kpi.model import Outcome, Role, State
from kpi.parents import parents_of
from kpi.stored import flag, sequence, table, text, versioned
from kpi.topology import FORWARDING, PROBE, End, Link, Node, Uplink, links, uplinks

log = logging.getLogger("sonda.topology")

PLACE = "topology"
"""The boundary's name for what one device tells of its neighbours."""

LOOK_S = 60.0
"""How often the links are looked at: once a status poll."""
MISSED_S = 900.0
"""A link that nobody tells of any more is gone after so long with both ends up: a device that comes back is heard by
its neighbours when they are asked the next time, every 5 minutes."""
TOLD_S = 3600.0
"""What a device that is up said of its neighbours is believed for so long after it was last read or confirmed."""
LEARNT_S = 86_400.0
"""Where an address was learnt is believed for so long: a bridge forgets who is silent for 5 minutes."""
PASSED_S = 10.0
"""So long after a device fell silent nothing behind it answers any more, where it stands in the way."""
PLAIN_VERSION = 1
Cable = tuple[End, End]


class Topology:
    """Links and parents of the devices that the monitor watches."""

    def __init__(
        self, monitor: Monitor, clock: Clock, keep: Callable[[Mapping[str, Any]], None], boundary: Boundary
    ) -> None:
        """``keep(plain)`` persists what is known, after each change of it."""
        self.links: tuple[Link, ...] = ()
        """Those of the probe itself among them (PROBE)."""
        self.parents: Mapping[str, str] = {}
        """By device, the one in front of it, for devices whose parents nobody has declared."""
        self._monitor = monitor
        self._clock = clock
        self._keep = keep
        self._boundary = boundary
        self._told_at: dict[Cable, float] = {}
        """When each link was told of last, or could not be because an end was away."""
        self._learnt: dict[str, dict[int, tuple[int, float]]] = defaultdict(dict)
        """By bridge and MAC address: the ifIndex, and when its table said so."""
        self._scanned: dict[str, tuple[ForwardingTable, frozenset[int], float]] = {}
        """By bridge: its table, the addresses that were looked for in it, and when the table was new."""
        self._uplinks: dict[str, Uplink] = {}
        self._macs: frozenset[int] = frozenset()
        self._other: tuple[dict[str, str], float] | None = None
        """Other parents than those in force, and since when."""

    async def look(self, around: Surroundings) -> bool:
        """Look at everything once, and say whether the parents are others now. The comparison of all with all is done
        beside the loop: 0.3 s for 100 switches and 400 hosts."""
        now = self._clock.monotonic()
        nodes = await self._nodes(around, now)
        found, ways = await asyncio.to_thread(lambda: (links(nodes), uplinks(nodes)))
        before, self.links = self.links, self._held(found, now)
        self._follow(ways)
        changed = await self._judge(now)
        if changed or self.links != before:
            self._keep(self._to_plain())
        return changed

    # -- what is known of each device ----------------------------------------------------------------------------------

    async def _nodes(self, around: Surroundings, now: float) -> list[Node]:
        pace = Pace(self._clock)
        tracks = {track.id: track for track in self._monitor}
        own = frozenset(value for mac in around.own if (value := number(mac)) is not None)
        macs: dict[str, frozenset[int]] = {}
        for device, track in tracks.items():
            macs[device] = frozenset()
            with self._boundary.around(PLACE, device):
                macs[device] = _macs(track, around) - own
            await pace.breathe()
        known = own.union(*macs.values())
        if known != self._macs:
            self._macs = known
        for gone in [device for device in self._learnt if device not in tracks]:
            del self._learnt[gone]
            self._scanned.pop(gone, None)
        nodes = [Node(PROBE, macs=own)]
        for device, track in tracks.items():
            with self._boundary.around(PLACE, device):
                nodes.append(self._node(track, macs[device], now))
            await pace.breathe()
        return nodes

    def _node(self, track: Track, macs: frozenset[int], now: float) -> Node:
        polled = track.polled
        return Node(
            device=track.id,
            name=(polled.system.name or "") if polled is not None and polled.system is not None else "",
            addresses=frozenset({track.watchable.address, track.watchable.device.address} - {""}),
            macs=macs,
            ports=tuple(port.identity for port in polled.ports.values()) if polled is not None else (),
            neighbours=self._neighbours(track, now),
            learnt=self._table(track.id, polled.fabric.forwarding, now) if polled is not None else {},
        )

    def _neighbours(self, track: Track, now: float) -> Sequence[Neighbor]:
        """As it told them last, unless it has been up without telling of them for too long."""
        if track.polled is None or (track.reach.state is State.UP and now - track.polled.fabric.heard_at > TOLD_S):
            return ()
        return track.polled.fabric.neighbours

    def _table(self, device: str, table: ForwardingTable, now: float) -> dict[int, int]:
        """Of the known addresses, where this bridge has learnt them."""
        learnt = self._learnt[device]
        scanned = self._scanned.get(device)
        since = now if scanned is None or scanned[0] is not table else scanned[2]
        if scanned is None or scanned[0] is not table or scanned[1] is not self._macs:
            self._scanned[device] = table, self._macs, since
            learnt.update({mac: (port, since) for mac, port in table if mac in self._macs})
        for mac in [mac for mac, (_, at) in learnt.items() if now - at > LEARNT_S]:
            del learnt[mac]
        return {mac: port for mac, (port, _) in learnt.items()}

    # -- what holds ----------------------------------------------------------------------------------------------------

    def _held(self, found: Sequence[Link], now: float) -> tuple[Link, ...]:
        """The links found, and those before that nobody has contradicted yet."""
        before = {(link.a, link.b): link for link in self.links}
        held = {(link.a, link.b): link for link in found}
        new = {device for cable, link in held.items() if cable not in before for device in link.devices}
        told_at = dict.fromkeys(held, now)
        for cable, link in before.items():
            if cable in held or not all(self._watched(device) for device in link.devices):
                continue
            away = not all(self._up(device) for device in link.devices)
            since = now if away else self._told_at.get(cable, now)
            if away or (now - since < MISSED_S and new.isdisjoint(link.devices)):
                held[cable], told_at[cable] = link, since
        self._told_at = told_at
        return tuple(sorted(held.values()))

    def _follow(self, ways: Mapping[str, Uplink | None]) -> None:
        """The way of each bridge to the probe; one whose table is not known now keeps the one it had."""
        held = {bridge: way for bridge, way in self._uplinks.items() if self._watched(bridge) and bridge not in ways}
        self._uplinks = held | {bridge: way for bridge, way in ways.items() if way is not None}

    async def _judge(self, now: float) -> bool:
        roles = {t.id: t.watchable.device.role for t in self._monitor if t.watchable.device.role is not Role.INTERNET}
        asked = frozenset(t.id for t in self._monitor if t.watchable.echo_s is not None and t.watchable.address)
        links, ways = self.links, self._uplinks
        found = await asyncio.to_thread(parents_of, roles, links, asked, ways)
        while passed := {parent for device, parent in found.items() if self._passes(device, parent)}:
            asked -= passed
            found = await asyncio.to_thread(parents_of, roles, links, asked, ways)
        if found == self.parents:
            self._other = None
        elif self._other is None or self._other[0] != found:
            self._other = found, now
        elif self._polled_since(self._other[1]):
            self.parents, self._other = found, None
            log.info("Devices whose parents follow from the links between devices: %d.", len(found))
            return True
        return False

    def _passes(self, device: str, parent: str) -> bool:
        """Whether this device answers though its parent has not for a while: that one does not stand in the way, or
        is silent and forwards, and has nothing to prove."""
        if not (self._watched(device) and self._watched(parent)):  # a reload has removed one meanwhile
            return False
        behind, front = self._monitor[device].reach, self._monitor[parent].reach
        silent_since = front.since + max(PASSED_S, 2 * front.period_s)
        return front.state is not State.UP and behind.state is State.UP and behind.answered_sent_at > silent_since

    def _polled_since(self, at: float) -> bool:
        """Whether each device that answers has been asked once more."""
        lasts = [track.polled.last for track in self._monitor if track.polled is not None]
        return all(last.at > at for last in lasts if last is not None and last.outcome is Outcome.OK)

    def _watched(self, device: str) -> bool:
        return device == PROBE or device in self._monitor.tracks

    def _up(self, device: str) -> bool:
        return device == PROBE or self._monitor[device].reach.state is State.UP

    # -- duplex --------------------------------------------------------------------------------------------------------

    async def duplex(self, at: float, pace: Pace) -> dict[str, dict[str, Verdict]]:
        """By device and port, whether the two ends of its cable agree on duplex."""
        ends: dict[DuplexEnd, PortDuplex] = {}
        for track in list(self._monitor):
            if track.polled is None:
                continue
            with self._boundary.around("duplex", track.id):
                keys = {port.identity.index: key for key, port in track.polled.ports.items()}
                for index, port in track.polled.fabric.duplex.now(at).items():
                    ends[track.id, keys.get(index, str(index))] = port
            await pace.breathe()
        pairs = [
            ((link.a.device, link.a.port), (link.b.device, link.b.port)) for link in self.links if link.by != FORWARDING
        ]
        return await pace.aside(len(ends) + len(pairs), lambda: _by_device(verdicts(ends, pairs)))

    # -- over a restart ------------------------------------------------------------------------------------------------

    def _to_plain(self) -> dict[str, Any]:
        rows = [[x.a.device, x.a.port, x.b.device, x.b.port, x.by, int(x.confirmed)] for x in self.links]
        ways = [[way.end.device, way.end.port] for way in self._uplinks.values()]
        return {"v": PLAIN_VERSION, "links": rows, "uplinks": ways, "parents": dict(self.parents)}

    def resume(self, plain: Any) -> None:
        """What the run before has kept. ValueError for what cannot be read, as what another version wrote: it is found
        anew within minutes."""
        row = table(versioned(plain, PLAIN_VERSION, "a topology"))
        found = []
        for kept in sequence(row.get("links")):
            a, port_a, b, port_b, by, confirmed = sequence(kept, 6, 6)
            ends = End(text(a), text(port_a)), End(text(b), text(port_b))
            found.append(Link(*ends, text(by), flag(confirmed)))
        ways = [sequence(way, 2, 2) for way in sequence(row.get("uplinks", ()))]
        uplinks = {text(device): Uplink(End(device, text(port))) for device, port in ways}
        parents = {device: text(parent) for device, parent in table(row.get("parents")).items()}
        self.links, self._uplinks, self.parents = tuple(found), uplinks, parents
        self._told_at = dict.fromkeys([(link.a, link.b) for link in self.links], self._clock.monotonic())


def _macs(track: Track, around: Surroundings) -> frozenset[int]:
    """The MAC addresses of its ports, and the one that answers at its address on the probe's own link."""
    found = [port.identity.mac or "" for port in track.polled.ports.values()] if track.polled is not None else []
    found.append(around.macs.get(track.watchable.address, ""))
    return frozenset(value for mac in found if (value := number(mac)) is not None)


def _by_device(found: Mapping[DuplexEnd, Verdict]) -> dict[str, dict[str, Verdict]]:
    by_device: dict[str, dict[str, Verdict]] = defaultdict(dict)
    for (device, name), verdict in found.items():
        by_device[device][name] = verdict
    return by_device
