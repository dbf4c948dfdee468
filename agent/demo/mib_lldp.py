"""Who the simulated devices say is at the other end of their cables: LLDP-MIB (IEEE 802.1AB) at both ends; for what
does not speak LLDP the switches' forwarding tables, and their spanning tree (BRIDGE-MIB, RFC 4188)."""

from collections.abc import Iterator, Mapping
from functools import cache

from agent.demo.site import LOWER, SITE, Port, Simulated
from agent.demo.values import Kind, Object, Reading, Value, always, number, text
from kpi.model import Role

SPEAKS = frozenset({Role.GATEWAY, Role.SWITCH, Role.ACCESS_POINT, Role.SERVER})
MAC_ADDRESS, INTERFACE_NAME = 4, 5
"""LldpChassisIdSubtype; LldpPortIdSubtype."""
LEARNED = 3
_BY_ID = {device.id: device for device in SITE}
End = tuple[str, int]
"""A device and a port's index."""


@cache
def cables() -> Mapping[End, End]:
    """By each end the other."""
    found: dict[End, End] = {}
    for device in SITE:
        for port in device.ports:
            if port.far is not None:
                found[device.id, port.index] = port.far
                found[port.far] = device.id, port.index
    return found


def chassis(device: Simulated) -> bytes:
    """The MAC address of its first port that has one."""
    return mac_of(device, next(port for port in device.ports if port.has_mac))


def mac_of(device: Simulated, port: Port) -> bytes:
    """Locally administered, and another for each port."""
    return bytes((2, 0x53, 0x4F, device.number, 0, port.index))


def topology(device: Simulated) -> Iterator[Object]:
    """All that the device says of who is beside it."""
    if device.role in SPEAKS:
        yield from _lldp(device)
    if device.role is Role.SWITCH:
        yield from _bridge(device)


def _lldp(device: Simulated) -> Iterator[Object]:
    links = cables()
    near = [port for port in device.ports if port.has_mac]
    moving = [port.down for port in near if (device.id, port.index) in links and port.down is not None]

    def changed(t: float) -> Value:
        edges = [edge for down in moving if (edge := down.edge_s(t)) is not None]
        return Value(Kind.TICKS, round(100 * (max(edges, default=0.0) - min(device.booted_s(t), 0.0))))

    yield "1.0.8802.1.1.2.1.2.1.0", changed  # lldpStatsRemTablesLastChangeTime
    for port in near:
        yield f"1.0.8802.1.1.2.1.3.7.1.2.{port.index}", number(INTERFACE_NAME)
        yield f"1.0.8802.1.1.2.1.3.7.1.3.{port.index}", text(port.name)
        yield f"1.0.8802.1.1.2.1.3.7.1.4.{port.index}", text(port.descr)
        other, index = links.get((device.id, port.index), ("", 0))
        if other and _BY_ID[other].role in SPEAKS:
            yield from _neighbour(port, _BY_ID[other], index)


def _neighbour(port: Port, other: Simulated, index: int) -> Iterator[Object]:
    far = next(p for p in other.ports if p.index == index)
    columns: dict[int, Reading] = {  # lldpRemTable
        4: number(MAC_ADDRESS),
        5: always(Kind.OCTETS, chassis(other)),
        6: number(INTERFACE_NAME),
        7: text(far.name),
        8: text(far.descr),
        9: text(other.id),
        10: text(other.descr),
    }
    for column, reading in columns.items():
        yield f"1.0.8802.1.1.2.1.4.1.1.{column}.0.{port.index}.1", _linked(port, reading)


def _linked(port: Port, reading: Reading) -> Reading:
    return lambda t: reading(t) if port.has_link(t) else None


def _bridge(device: Simulated) -> Iterator[Object]:
    root = bytes((0x80, 0)) + chassis(LOWER)
    yield "1.3.6.1.2.1.17.2.3.0", lambda t: Value(Kind.TICKS, round(100 * (t + 86_400 * 11)))
    yield "1.3.6.1.2.1.17.2.4.0", always(Kind.COUNTER32, 3)
    yield "1.3.6.1.2.1.17.2.5.0", always(Kind.OCTETS, root)
    for port in device.ports:
        yield f"1.3.6.1.2.1.17.1.4.1.2.{port.index}", number(port.index)  # dot1dBasePortIfIndex
    for port in device.ports:
        for other in _behind(device, port):
            mac = chassis(other)
            row = ".".join(str(octet) for octet in mac)
            columns = {1: always(Kind.OCTETS, mac), 2: number(port.index), 3: number(LEARNED)}
            for column, reading in columns.items():  # dot1dTpFdbTable
                yield f"1.3.6.1.2.1.17.4.3.1.{column}.{row}", _linked(port, reading)


def _behind(device: Simulated, port: Port) -> list[Simulated]:
    """Who is reached through a port: at its cable's other end, and behind that."""
    links, found = cables(), list[Simulated]()
    todo = [(links[device.id, port.index][0], device.id)] if (device.id, port.index) in links else []
    while todo:
        here, came_from = todo.pop()
        found.append(_BY_ID[here])
        if _BY_ID[here].role is Role.SWITCH:
            beyond = (links[here, p.index][0] for p in _BY_ID[here].ports if (here, p.index) in links)
            todo += ((there, here) for there in beyond if there != came_from)
    return [one for one in found if one.ports]
