"""Parents against the truth: trees of cables are made up, devices tell of them what real ones do, and whoever is
called a parent must stand between the probe and the device."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kpi.gear import Neighbor
from kpi.model import PortIdentity, Role
from kpi.parents import parents_of
from kpi.topology import PROBE, Node, links, uplinks

THE_PROBE = 0
ROLES = {"switch": Role.SWITCH, "mute": Role.SWITCH, "access-point": Role.ACCESS_POINT, "end": Role.PRINTER}
"""A "mute" switch is watched and shows nothing; a "dumb" one nobody watches."""
LEADS_ON = ("switch", "mute", "dumb")


@dataclass(slots=True)
class Place:
    """Something with ports; ``beside`` are the numbers of the places on them, port 1 first."""

    kind: str
    tables: bool = False
    lldp: bool = False
    beside: list[int] = field(default_factory=list)


class Site:
    """A tree, the probe at one of its ends."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.floods = random.random() < 0.5
        """LLDP passes unmanaged switches, as it must not (802.1D reserves its address)."""
        self.places = [Place("probe", lldp=random.random() < 0.3)]
        for number in range(1, random.randint(3, 12)):
            kind = "switch" if number == 1 else random.choice([*LEADS_ON, "switch", "end", "access-point"])
            managed = kind == "switch"
            self.places.append(Place(kind, managed and random.random() < 0.7, self._speaks(kind)))
            onward = [n for n in range(1, number) if self.places[n].kind in LEADS_ON]
            front = random.choice(onward) if onward else THE_PROBE
            self.places[front].beside.append(number)
            self.places[number].beside.append(front)

    def _speaks(self, kind: str) -> bool:
        return kind in {"switch", "end", "access-point"} and self.random.random() < 0.6

    def way(self, start: int, end: int, came: int = -1) -> list[int]:
        """The places from ``start`` to ``end``, both among them; empty where there is none."""
        if start == end:
            return [end]
        for following in self.places[start].beside:
            if following != came and (rest := self.way(following, end, start)):
                return [start, *rest]
        return []

    def heard(self, number: int, port: int) -> Iterator[Neighbor]:
        """LLDP goes to the next place that speaks it, and through what does not know it."""
        queue = [(number, self.places[number].beside[port - 1])]
        while queue:
            came, at = queue.pop()
            place = self.places[at]
            if place.lldp:
                remote = place.beside.index(came) + 1
                yield Neighbor("lldp", f"ge{port}", f"n{at}", f"ge{remote}", mac(at))
            elif self.floods and place.kind in {"dumb", "mute"}:
                queue += [(at, following) for following in place.beside if following != came]

    def learnt(self, number: int) -> dict[int, int]:
        """Whoever talks to the probe across a bridge is learnt; of the others, some."""
        found = {}
        for other, place in enumerate(self.places):
            if other != number and place.kind != "dumb":
                across = number in self.way(other, THE_PROBE)
                if across or other == THE_PROBE or self.random.random() < 0.5:
                    port = self.places[number].beside.index(self.way(number, other)[1]) + 1
                    found[value(other)] = port
        return found

    def nodes(self) -> list[Node]:
        found = [Node(PROBE, macs=frozenset({value(THE_PROBE)}))]
        for number, place in enumerate(self.places):
            if place.kind in ROLES:
                shows = place.kind == "switch"
                ports = range(1, len(place.beside) + 1) if shows else ()
                named = [PortIdentity(f"ge{n}", n, f"ge{n}", "", "", 6, 1500, 10**9, None) for n in ports]
                neighbours = [n for port in ports for n in self.heard(number, port)] if place.lldp else []
                table = self.learnt(number) if place.tables else {}
                macs = frozenset({value(number)})
                found.append(Node(str(number), f"n{number}", frozenset(), macs, named, neighbours, table))
        return found


def value(number: int) -> int:
    return 0x020000000000 + number * 0x10000


def mac(number: int) -> str:
    return ":".join(f"{octet:02x}" for octet in value(number).to_bytes(6))


def derived(site: Site) -> dict[str, str]:
    roles = {str(n): ROLES[place.kind] for n, place in enumerate(site.places) if place.kind in ROLES}
    nodes = site.nodes()
    up = {bridge: uplink for bridge, uplink in uplinks(nodes).items() if uplink is not None}
    return parents_of(roles, links(nodes), frozenset(roles), up)


@settings(max_examples=300)
@example(44068)
@given(st.integers(0, 2**32))
def test_whoever_is_called_a_parent_stands_in_the_way(seed: int) -> None:
    site = Site(Random(seed))
    for device, parent in derived(site).items():
        if site.floods and not site.places[int(parent)].tables:
            continue  # nobody could tell: LLDP that passed a switch, and no table
        way = site.way(THE_PROBE, int(device))
        assert int(parent) in way[1:-1], f"{parent} is not on {way}"


def test_many_parents_are_found_though_much_is_not_shown() -> None:
    """Of sites in which a third of the switches show nothing; the nearest place that is watched is the parent."""
    watched = found = 0
    for seed in range(300):
        site = Site(Random(seed))
        parents = derived(site)
        for number, place in enumerate(site.places):
            front = [n for n in site.way(THE_PROBE, number)[1:-1] if site.places[n].kind in ROLES]
            if place.kind in ROLES and front:
                watched += 1
                found += parents.get(str(number)) == str(front[-1])
    assert found / watched > 0.5
