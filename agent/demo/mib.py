"""What each simulated device answers by SNMP: objects and their values at a moment, from the site's own description.

SNMPv2-MIB (RFC 3418), IF-MIB (RFC 2863), ENTITY-MIB (RFC 6933); mib_gear.py and mib_lldp.py have the rest. Enterprise
number 32473 is the one for documentation (RFC 5612).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from agent.demo.meter import Meter
from agent.demo.mib_gear import gear, private
from agent.demo.mib_lldp import mac_of, topology
from agent.demo.site import RADIO, Port, Simulated
from agent.demo.values import Kind, Object, Oid, Reading, Value, always, number, text
from kpi.model import Role

EXAMPLE = "1.3.6.1.4.1.32473"
BROADCAST_SHARE, MULTICAST_SHARE = 0.004, 0.01
UP, DOWN = 1, 2
CHASSIS = 3
"""entPhysicalClass."""


class View:
    """The objects of one device, in order."""

    def __init__(self, objects: Mapping[Oid, Reading]) -> None:
        self._objects = objects
        self._order = sorted(objects)

    def get(self, name: Oid, t: float) -> Value | None:
        """The value of exactly this instance, None where there is none."""
        reading = self._objects.get(name)
        return reading(t) if reading is not None else None

    def following(self, name: Oid, t: float) -> tuple[Oid, Value] | None:
        """The first instance behind ``name``, None at the end."""
        for at in range(bisect_right(self._order, name), len(self._order)):
            value = self._objects[self._order[at]](t)
            if value is not None:
                return self._order[at], value
        return None


def view_of(device: Simulated) -> View:
    """All objects of one device."""
    objects: dict[Oid, Reading] = {}
    for dotted, reading in _all(device):
        objects[tuple(int(arc) for arc in dotted.split("."))] = reading
    return View(objects)


def _all(device: Simulated) -> Iterator[Object]:
    yield from _system(device)
    yield from _entity(device)
    for port in device.ports:
        yield from _port(device, port)
    yield from gear(device)
    yield from topology(device)


def uptime_cs(device: Simulated, t: float) -> int:
    """sysUpTime, hundredths of a second; goes round at 2^32 as RFC 2578 says."""
    return int((t - device.booted_s(t)) * 100) % (1 << 32)


def _system(device: Simulated) -> Iterator[Object]:
    def ticks(t: float) -> Value:
        return Value(Kind.TICKS, uptime_cs(device, t))

    descr, object_id = f"{device.descr}, software {device.firmware}", f"{EXAMPLE}.1.{device.number}"
    if device.radios:
        descr = private().sys_descr.format(id=device.id, firmware=device.firmware)
        object_id = private().sys_object_id
    yield "1.3.6.1.2.1.1.1.0", text(descr)
    yield "1.3.6.1.2.1.1.2.0", always(Kind.OID, object_id)
    yield "1.3.6.1.2.1.1.3.0", ticks
    yield "1.3.6.1.2.1.1.4.0", text("nobody@example.com")
    yield "1.3.6.1.2.1.1.5.0", text(device.id)
    yield "1.3.6.1.2.1.1.6.0", text(device.location)
    yield "1.3.6.1.2.1.1.7.0", number(72 if device.role is Role.SERVER else 6)
    yield "1.3.6.1.2.1.2.1.0", number(len(device.ports))
    yield "1.3.6.1.2.1.31.1.5.0", always(Kind.TICKS, 0)
    if device.role in {Role.SERVER, Role.PRINTER}:
        yield "1.3.6.1.2.1.25.1.1.0", ticks


def _entity(device: Simulated) -> Iterator[Object]:
    columns: dict[int, Reading] = {
        2: text(device.descr),
        3: always(Kind.OID, f"{EXAMPLE}.1.{device.number}"),
        4: number(0),
        5: number(CHASSIS),
        6: number(-1),
        7: text("Chassis"),
        8: text("A"),
        9: text(device.firmware),
        10: text(device.firmware),
        11: text(device.serial),
        12: text("Example"),
        13: text(device.model),
    }
    for column, reading in columns.items():
        yield f"1.3.6.1.2.1.47.1.1.1.1.{column}.1", reading


def _port(device: Simulated, port: Port) -> Iterator[Object]:
    inward, outward = Meter(device, port, port.inward), Meter(device, port, port.outward)
    unicast = 1.0 - BROADCAST_SHARE - MULTICAST_SHARE

    def oper(t: float) -> Value:
        return Value(Kind.INTEGER, UP if port.has_link(t) else DOWN)

    def changed(t: float) -> Value:
        booted = device.booted_s(t)
        edge = port.down.edge_s(t) if port.down is not None else None
        return Value(Kind.TICKS, 0 if edge is None or edge < booted else int((edge - booted) * 100))

    narrow, wide = Kind.COUNTER32, Kind.COUNTER64
    table: dict[int, Reading] = {
        1: number(port.index),
        2: text(port.descr),
        3: number(port.kind),
        4: number(1500),
        5: always(Kind.GAUGE, min(port.speed_bps, (1 << 32) - 1)),
        6: always(Kind.OCTETS, mac_of(device, port) if port.has_mac else b""),
        7: number(UP if port.enabled else DOWN),
        8: oper,
        9: changed,
        10: inward.reading(narrow),
        11: inward.reading(narrow, unicast),
        13: inward.reading(narrow, port.error_share / 8),
        14: inward.reading(narrow, port.error_share),
        16: outward.reading(narrow),
        17: outward.reading(narrow, unicast),
        19: always(narrow, 0),
        20: always(narrow, 0),
    }
    extension: dict[int, Reading] = {
        1: text(port.name),
        2: inward.reading(narrow, MULTICAST_SHARE),
        3: inward.reading(narrow, BROADCAST_SHARE),
        4: outward.reading(narrow, MULTICAST_SHARE),
        5: outward.reading(narrow, BROADCAST_SHARE),
        6: inward.reading(wide),
        7: inward.reading(wide, unicast),
        8: inward.reading(wide, MULTICAST_SHARE),
        9: inward.reading(wide, BROADCAST_SHARE),
        10: outward.reading(wide),
        11: outward.reading(wide, unicast),
        12: outward.reading(wide, MULTICAST_SHARE),
        13: outward.reading(wide, BROADCAST_SHARE),
        15: always(Kind.GAUGE, port.speed_bps // 1_000_000),
        17: number(1 if port.has_mac and port.kind != RADIO else 2),
        18: text(port.alias),
        19: always(Kind.TICKS, 0),
    }
    for column, reading in table.items():
        yield f"1.3.6.1.2.1.2.2.1.{column}.{port.index}", reading
    for column, reading in extension.items():
        yield f"1.3.6.1.2.1.31.1.1.1.{column}.{port.index}", reading
