"""What a device is reached through (KPI.md R1), out of the links between devices and the place of the probe.

Seen from the probe, the links make a tree; the device in front is the parent. Where they make a loop there is more than
one way, and no parent. Of what is not connected with the place of the probe, as far as anybody knows, only those get
one that are at the end of a single cable: wherever the probe is, that cable is the way to them.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping

from kpi.model import Role
from kpi.topology import PROBE, Link

ENDS = frozenset({Role.UPS, Role.PRINTER, Role.CAMERA, Role.ENDPOINT, Role.SERVER, Role.CONTROLLER})
"""Nothing is reached through these, however many cables they have."""
AT_AN_END = ENDS | {Role.ACCESS_POINT}
"""With one cable these are at its end, also where the place of the probe is not known."""

Neighbours = Mapping[str, frozenset[str]]


def parents_of(roles: Mapping[str, Role], links: Iterable[Link], asked: frozenset[str]) -> dict[str, str]:
    """By device, the one in front of it; devices without one are left out. ``roles`` names the devices that may have a
    parent or be one; ``asked`` those that are asked often enough to prove anything of what is behind them: where the
    device in front is not, it is the next one before it."""
    beside = _beside(roles, links)
    front, judged = _from_the_probe(roles, beside) if PROBE in beside else ({}, frozenset())
    front |= {device: other for device, other in _at_ends(roles, beside).items() if device not in judged}
    found = {}
    for device, other in front.items():
        parent = other
        while parent not in asked and parent in front:
            parent = front[parent]
        if parent in asked:
            found[device] = parent
    return found


def _beside(roles: Mapping[str, Role], links: Iterable[Link]) -> Neighbours:
    found: dict[str, set[str]] = defaultdict(set)
    for link in links:
        a, b = link.devices
        if (a in roles or a == PROBE) and (b in roles or b == PROBE):
            found[a].add(b)
            found[b].add(a)
    return {device: frozenset(others) for device, others in found.items()}


def _from_the_probe(roles: Mapping[str, Role], beside: Neighbours) -> tuple[dict[str, str], frozenset[str]]:
    """Breadth first: who is in front of whom, and who was judged. An end with several cables has no parent; nor has
    what lies on a loop, though what hangs on it has."""
    left_out = {d for d, others in beside.items() if roles.get(d) in ENDS and len(others) > 1}
    front: dict[str, str] = {}
    depth = {PROBE: 0}
    queue = deque([PROBE])
    loops = []
    while queue:
        device = queue.popleft()
        for other in sorted(beside[device] - left_out):
            if other not in depth:
                front[other], depth[other] = device, depth[device] + 1
                queue.append(other)
            elif other != front.get(device) and device < other:
                loops.append((device, other))
    looped = {device for pair in loops for device in _round(*pair, front, depth)}
    parents = {device: parent for device, parent in front.items() if device not in looped and parent != PROBE}
    return parents, frozenset(depth) | left_out


def _round(a: str, b: str, front: Mapping[str, str], depth: Mapping[str, int]) -> set[str]:
    """The devices of the loop that a link between ``a`` and ``b`` closes, up to where the two ways part."""
    found: set[str] = set()
    while a != b:
        if depth[a] < depth[b]:
            a, b = b, a
        found.add(a)
        a = front[a]
    return found


def _at_ends(roles: Mapping[str, Role], beside: Neighbours) -> dict[str, str]:
    alone = {d: next(iter(o)) for d, o in beside.items() if len(o) == 1 and roles.get(d) in AT_AN_END}
    return {d: other for d, other in alone.items() if roles.get(other, Role.SERVER) not in ENDS and other not in alone}
