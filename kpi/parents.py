"""What a device is reached through (kpi/README.md R1), out of the links between devices and the place of the probe.

Links that share a port are one cable as far as anybody can see: an unmanaged switch, or one that shows nothing, stands
between, and nobody on it is in front of the others. Seen from the probe, devices and cables make a tree; the device in
front is the parent. Where they make a loop there is more than one way, and no parent. Of what is not connected with the
place of the probe, as far as anybody knows, only those get one that are at the end of a single cable: wherever the
probe is, that cable is the way to them.

What a bridge has learnt on its way to the probe is not behind it, and in which order it lies there the bridge cannot
know. Behind it is what it has learnt elsewhere: all of it, as everything answers the probe.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType

from kpi.model import Role
from kpi.topology import FORWARDING, PROBE, End, Link, Uplink

ENDS = frozenset({Role.UPS, Role.PRINTER, Role.CAMERA, Role.ENDPOINT, Role.SERVER, Role.CONTROLLER})
"""Nothing is reached through these, however many cables they have."""
AT_AN_END = ENDS | {Role.ACCESS_POINT}
"""With one cable these are at its end, also where the place of the probe is not known. Where it is known, an access
point without a cable to it may be the far end of a radio link, and in front of what its own cable leads to."""

Cable = frozenset[str]
"""The devices on it, two at least."""
_NONE: Mapping[str, Uplink] = MappingProxyType({})
Place = str | int
"""A device, or a cable by its number."""


def parents_of(
    roles: Mapping[str, Role],
    links: Iterable[Link],
    asked: frozenset[str],
    uplinks: Mapping[str, Uplink] = _NONE,
) -> dict[str, str]:
    """By device, the one in front of it; devices without one are left out. ``roles`` names the devices that may have a
    parent or be one; ``asked`` those that are asked often enough to prove anything of what is behind them: where the
    device in front is not, it is the next one before it. ``uplinks``: by bridge, its way to the probe where known."""
    upward = {uplink.end for uplink in uplinks.values()}
    known = [x for x in links if all(d in roles or d == PROBE for d in x.devices) and _leads(x, upward)]
    cables, towards = _cables(known, upward)
    placed = any(PROBE in cable for cable in cables)
    front, judged = _from_the_probe(roles, cables) if placed else ({}, frozenset())
    at_ends = _at_ends(roles, cables, ENDS if placed else AT_AN_END)
    front |= {device: other for device, other in at_ends.items() if device not in judged}
    doubtful = {
        d
        for d, behind in _in_front_of(known, upward).items()
        if not towards[d] and any(front.get(other) == front.get(d) for other in behind)
    }
    front = {
        device: other
        for device, other in front.items()
        if device not in towards[other]
        and other not in doubtful
        and other in (towards[device] or {other})
        and not any(way.denies(other, device) for way in uplinks.values())
    }
    found = {}
    for device, other in front.items():
        parent = other
        while parent not in asked and parent in front:
            parent = front[parent]
        if parent in asked:
            found[device] = parent
    return found


def _in_front_of(links: Iterable[Link], upward: AbstractSet[End]) -> dict[str, set[str]]:
    """By device, those whose uplink it is plugged into, as one of the two tells. Where both seem to be on one cable of
    another device it was reached from below, and what lies beyond it may be the way to the probe."""
    found: dict[str, set[str]] = defaultdict(set)
    for link in links:
        for one, other in ((link.a, link.b), (link.b, link.a)):
            if link.by != FORWARDING and other in upward:
                found[one.device].add(other.device)
    return found


def _leads(link: Link, upward: AbstractSet[End]) -> bool:
    """Whether a link tells of an order. One by a forwarding table does where it leads away from the probe."""
    told = link.by != FORWARDING or PROBE in link.devices
    return told or any(end.port and end not in upward for end in (link.a, link.b))


def _cables(links: Iterable[Link], upward: AbstractSet[End]) -> tuple[list[Cable], dict[str, set[str]]]:
    """Several cables between the same devices are one. A port that is not known is not that of another link. Also by
    device, what is on the cable of its uplink."""
    joined: dict[tuple[End, int], set[tuple[End, int]]] = defaultdict(set)
    for number, link in enumerate(links, 1):
        one, other = ((end, 0 if end.port else number) for end in (link.a, link.b))
        joined[one].add(other)
        joined[other].add(one)
    found: set[Cable] = set()
    towards: dict[str, set[str]] = defaultdict(set)
    while joined:
        ends, more = set(), [next(iter(joined))]
        while more:
            end = more.pop()
            ends.add(end)
            more += joined.pop(end, ())
        cable = frozenset(end.device for end, _ in ends)
        found.add(cable)
        for way in upward & {end for end, _ in ends}:
            towards[way.device] |= cable
    return sorted(found, key=sorted), towards


def _places(cables: Sequence[Cable]) -> dict[Place, set[Place]]:
    """What is beside what: cables beside devices."""
    beside: dict[Place, set[Place]] = {number: set(cable) for number, cable in enumerate(cables)}
    for number, cable in enumerate(cables):
        for device in cable:
            beside.setdefault(device, set()).add(number)
    return beside


def _from_the_probe(roles: Mapping[str, Role], cables: Sequence[Cable]) -> tuple[dict[str, str], frozenset[Place]]:
    """Breadth first: who is in front of whom, and who was judged. An end with several cables has no parent; nor has
    what lies on a loop, though what hangs on it has."""
    beside = _places(cables)
    left_out = {d for d in beside if isinstance(d, str) and roles.get(d) in ENDS and len(beside[d]) > 1}
    front: dict[Place, Place] = {}
    depth: dict[Place, int] = {PROBE: 0}
    queue: deque[Place] = deque([PROBE])
    looped: set[Place] = set()
    loops = []
    while queue:
        place = queue.popleft()
        for other in beside[place] - left_out:
            if other not in depth:
                front[other], depth[other] = place, depth[place] + 1
                queue.append(other)
            elif other != front.get(place):
                loops.append((place, other))
    for one, other in loops:
        looped |= _round(one, other, front, depth)
    parents = {}
    for device, cable in front.items():
        parent = front.get(cable, PROBE)
        if isinstance(device, str) and isinstance(parent, str) and parent and looped.isdisjoint({device, cable}):
            parents[device] = parent
    return parents, frozenset(depth) | left_out


def _round(a: Place, b: Place, front: Mapping[Place, Place], depth: Mapping[Place, int]) -> set[Place]:
    """What lies on the loop that a link between ``a`` and ``b`` closes, up to where the two ways part."""
    found: set[Place] = set()
    while a != b:
        if depth[a] < depth[b]:
            a, b = b, a
        found.add(a)
        a = front[a]
    return found


def _at_ends(roles: Mapping[str, Role], cables: Sequence[Cable], ends: frozenset[Role]) -> dict[str, str]:
    """Those at the end of their only cable, with the one device on it that leads on."""
    beside = _places(cables)
    alone = {d for d in beside if isinstance(d, str) and len(beside[d]) == 1 and roles.get(d) in AT_AN_END}
    found: dict[str, str] = {}
    for cable in cables:
        onward = [d for d in cable if roles.get(d, Role.SERVER) not in ENDS and d not in alone]
        if len(onward) == 1:
            found |= dict.fromkeys((d for d in cable & alone if roles.get(d) in ends), onward[0])
    return found
