"""What each simulated device answers by SNMP: objects and their values at a moment, from the site's own description.

SNMPv2-MIB (RFC 3418), IF-MIB (RFC 2863), ENTITY-MIB (RFC 6933), HOST-RESOURCES-MIB (RFC 2790); for access points the
stations their bridge has learnt on a radio (BRIDGE-MIB, RFC 4188) and the radio's channel (IEEE802dot11-MIB); UPS-MIB
(RFC 1628); Printer-MIB (RFC 3805). Enterprise number 32473 is the one for documentation (RFC 5612).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.demo.behaviour import Traffic, Wave, filling
from agent.demo.site import RADIO, WIFI_S, Port, Radio, Simulated
from kpi.model import Role

Oid = tuple[int, ...]

EXAMPLE = "1.3.6.1.4.1.32473"
PACKET_OCTETS = 620
"""Mean size of a packet, by which octets become packets."""
BROADCAST_SHARE, MULTICAST_SHARE = 0.004, 0.01
UP, DOWN = 1, 2
WITH_MAC = frozenset({6, 71})
CHASSIS = 3
"""entPhysicalClass."""


class Kind(StrEnum):
    """The SMIv2 types (RFC 2578) that are used."""

    INTEGER = "integer"
    OCTETS = "octets"
    OID = "oid"
    COUNTER32 = "counter32"
    COUNTER64 = "counter64"
    GAUGE = "gauge"
    TICKS = "ticks"


@dataclass(frozen=True, slots=True)
class Value:
    kind: Kind
    value: int | bytes | str


LEARNED = Value(Kind.INTEGER, 3)
"""dot1dTpFdbStatus."""
Reading = Callable[[float], Value | None]
"""The value at a moment; None where the instance does not exist then."""


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


Object = tuple[str, Reading]


def _all(device: Simulated) -> Iterator[Object]:
    yield from _system(device)
    yield from _entity(device)
    for port in device.ports:
        yield from _port(device, port)
    for radio in device.radios:
        yield from _radio(device, radio)
    if device.role is Role.SERVER:
        yield from _server()
    if device.role is Role.UPS:
        yield from _ups(device)
    if device.role is Role.PRINTER:
        yield from _printer()


def uptime_cs(device: Simulated, t: float) -> int:
    """sysUpTime, hundredths of a second; goes round at 2^32 as RFC 2578 says."""
    return int((t - device.booted_s(t)) * 100) % (1 << 32)


def _always(kind: Kind, value: int | bytes | str) -> Reading:
    fixed = Value(kind, value)
    return lambda _t: fixed


def _text(value: str) -> Reading:
    return _always(Kind.OCTETS, value.encode())


def _number(value: int) -> Reading:
    return _always(Kind.INTEGER, value)


def _system(device: Simulated) -> Iterator[Object]:
    def ticks(t: float) -> Value:
        return Value(Kind.TICKS, uptime_cs(device, t))

    yield "1.3.6.1.2.1.1.1.0", _text(f"{device.descr}, software {device.firmware}")
    yield "1.3.6.1.2.1.1.2.0", _always(Kind.OID, f"{EXAMPLE}.1.{device.number}")
    yield "1.3.6.1.2.1.1.3.0", ticks
    yield "1.3.6.1.2.1.1.4.0", _text("nobody@example.com")
    yield "1.3.6.1.2.1.1.5.0", _text(device.id)
    yield "1.3.6.1.2.1.1.6.0", _text(device.location)
    yield "1.3.6.1.2.1.1.7.0", _number(72 if device.role is Role.SERVER else 6)
    yield "1.3.6.1.2.1.2.1.0", _number(len(device.ports))
    yield "1.3.6.1.2.1.31.1.5.0", _always(Kind.TICKS, 0)
    if device.role in {Role.SERVER, Role.PRINTER}:
        yield "1.3.6.1.2.1.25.1.1.0", ticks


def _entity(device: Simulated) -> Iterator[Object]:
    columns: dict[int, Reading] = {
        2: _text(device.descr),
        3: _always(Kind.OID, f"{EXAMPLE}.1.{device.number}"),
        4: _number(0),
        5: _number(CHASSIS),
        6: _number(-1),
        7: _text("Chassis"),
        8: _text("A"),
        9: _text(device.firmware),
        10: _text(device.firmware),
        11: _text(device.serial),
        12: _text("Example"),
        13: _text(device.model),
    }
    for column, reading in columns.items():
        yield f"1.3.6.1.2.1.47.1.1.1.1.{column}.1", reading


class _Meter:
    """The counters of one direction of one port: octets that passed while there was a link, since the last start."""

    def __init__(self, device: Simulated, port: Port, traffic: Traffic) -> None:
        self._device, self._port, self._traffic = device, port, traffic

    def octets(self, t: float) -> int:
        down, mean = self._port.down, self._traffic.mean_bps
        if not mean:
            return 0
        booted = self._device.booted_s(t)
        # A port without link carries nothing: its time stands still meanwhile.
        lived = t - (down.total_s(t) if down else 0.0)
        if booted < 0:
            return int(self._traffic.octets(lived) - booted * mean / 8)
        born = booted - (down.total_s(booted) if down else 0.0)
        return int(self._traffic.octets(lived) - self._traffic.octets(born))

    def packets(self, t: float, share: float = 1.0) -> int:
        return int(self.octets(t) * share / PACKET_OCTETS)

    def reading(self, kind: Kind, share: float | None = None) -> Reading:
        """Octets, or the given share of the packets."""
        count = self.octets if share is None else lambda t: self.packets(t, share)
        if kind is Kind.COUNTER64:
            return lambda t: Value(kind, count(t) % (1 << 64))
        return lambda t: Value(kind, count(t) % (1 << 32))


def _port(device: Simulated, port: Port) -> Iterator[Object]:
    inward, outward = _Meter(device, port, port.inward), _Meter(device, port, port.outward)
    unicast = 1.0 - BROADCAST_SHARE - MULTICAST_SHARE

    def oper(t: float) -> Value:
        linked = port.linked and port.enabled and not (port.down is not None and port.down.active(t))
        return Value(Kind.INTEGER, UP if linked else DOWN)

    def changed(t: float) -> Value:
        booted = device.booted_s(t)
        edge = port.down.edge_s(t) if port.down is not None else None
        return Value(Kind.TICKS, 0 if edge is None or edge < booted else int((edge - booted) * 100))

    narrow, wide = Kind.COUNTER32, Kind.COUNTER64
    table: dict[int, Reading] = {
        1: _number(port.index),
        2: _text(port.descr),
        3: _number(port.kind),
        4: _number(1500),
        5: _always(Kind.GAUGE, min(port.speed_bps, (1 << 32) - 1)),
        6: _always(Kind.OCTETS, bytes((2, 0x53, 0x4F, device.number, 0, port.index)) if port.kind in WITH_MAC else b""),
        7: _number(UP if port.enabled else DOWN),
        8: oper,
        9: changed,
        10: inward.reading(narrow),
        11: inward.reading(narrow, unicast),
        13: inward.reading(narrow, port.error_share / 8),
        14: inward.reading(narrow, port.error_share),
        16: outward.reading(narrow),
        17: outward.reading(narrow, unicast),
        19: _always(narrow, 0),
        20: _always(narrow, 0),
    }
    extension: dict[int, Reading] = {
        1: _text(port.name),
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
        15: _always(Kind.GAUGE, port.speed_bps // 1_000_000),
        17: _number(1 if port.kind in WITH_MAC and port.kind != RADIO else 2),
        18: _text(port.alias),
        19: _always(Kind.TICKS, 0),
    }
    for column, reading in table.items():
        yield f"1.3.6.1.2.1.2.2.1.{column}.{port.index}", reading
    for column, reading in extension.items():
        yield f"1.3.6.1.2.1.31.1.1.1.{column}.{port.index}", reading


def clients(radio: Radio, t: float) -> int:
    """Guests on a radio at ``t``."""
    return filling(radio.most_clients, WIFI_S, t)


def _radio(device: Simulated, radio: Radio) -> Iterator[Object]:
    index = radio.port
    yield f"1.2.840.10036.1.1.1.9.{index}", _text(radio.ssid)  # dot11DesiredSSID
    if radio.channel > 14:
        yield f"1.2.840.10036.4.11.1.1.{index}", _number(radio.channel)  # dot11CurrentFrequency (OFDM: channel number)
    else:
        yield f"1.2.840.10036.4.5.1.1.{index}", _number(radio.channel)  # dot11CurrentChannel (DSSS)
    for guest in range(radio.most_clients):
        mac = bytes((0x0A, 0x53, 0x4F, device.number, index, guest))
        row = ".".join(str(octet) for octet in mac)

        for column, value in enumerate((Value(Kind.OCTETS, mac), Value(Kind.INTEGER, index), LEARNED), 1):
            yield f"1.3.6.1.2.1.17.4.3.1.{column}.{row}", _while_there(radio, guest, value)


def _while_there(radio: Radio, guest: int, value: Value) -> Reading:
    return lambda t: value if guest < clients(radio, t) else None


def _moving(kind: Kind, mean: float, share: float, period_s: float, phase: float = 0.0) -> Reading:
    wave = Wave(share, period_s, phase)
    return lambda t: Value(kind, round(mean * (1 + wave.at(t))))


def _server() -> Iterator[Object]:
    for core in range(1, 5):
        yield f"1.3.6.1.2.1.25.3.3.1.2.{core}", _moving(Kind.INTEGER, 30, 0.6, 110.0, core / 4)  # hrProcessorLoad
    gibibyte_units = 262_144  # of 4,096 octets
    yield "1.3.6.1.2.1.25.2.3.1.3.1", _text("/data")
    yield "1.3.6.1.2.1.25.2.3.1.4.1", _number(4096)
    yield "1.3.6.1.2.1.25.2.3.1.5.1", _number(3600 * gibibyte_units)
    yield "1.3.6.1.2.1.25.2.3.1.6.1", _moving(Kind.INTEGER, 2900 * gibibyte_units, 0.001, 600.0)


def _ups(device: Simulated) -> Iterator[Object]:
    base = "1.3.6.1.2.1.33.1"
    yield f"{base}.1.1.0", _text("Example Power")
    yield f"{base}.1.2.0", _text(device.model)
    yield f"{base}.1.3.0", _text(device.firmware)
    yield f"{base}.1.4.0", _text(device.firmware)
    yield f"{base}.1.5.0", _text(device.id)
    yield f"{base}.1.6.0", _text("rack in the cellar")
    yield f"{base}.2.1.0", _number(2)  # upsBatteryStatus: batteryNormal
    yield f"{base}.2.2.0", _number(0)  # upsSecondsOnBattery
    yield f"{base}.2.3.0", _moving(Kind.INTEGER, 38, 0.05, 300.0, 0.5)  # upsEstimatedMinutesRemaining
    yield f"{base}.2.4.0", _number(100)  # upsEstimatedChargeRemaining, %
    yield f"{base}.2.5.0", _number(273)  # upsBatteryVoltage, 0.1 V
    yield f"{base}.2.7.0", _moving(Kind.INTEGER, 27, 0.06, 400.0)  # upsBatteryTemperature, degrees Celsius
    yield f"{base}.3.1.0", _always(Kind.COUNTER32, 7)  # upsInputLineBads
    yield f"{base}.3.2.0", _number(1)
    yield f"{base}.3.3.1.2.1", _number(500)  # upsInputFrequency, 0.1 Hz
    yield f"{base}.3.3.1.3.1", _moving(Kind.INTEGER, 231, 0.01, 70.0)  # upsInputVoltage, V
    yield f"{base}.4.1.0", _number(3)  # upsOutputSource: normal
    yield f"{base}.4.2.0", _number(500)
    yield f"{base}.4.3.0", _number(1)
    yield f"{base}.4.4.1.2.1", _number(230)  # upsOutputVoltage, V
    yield f"{base}.4.4.1.4.1", _moving(Kind.INTEGER, 410, 0.08, 300.0)  # upsOutputPower, W
    yield f"{base}.4.4.1.5.1", _moving(Kind.INTEGER, 34, 0.08, 300.0)  # upsOutputPercentLoad
    yield f"{base}.6.1.0", _always(Kind.GAUGE, 0)  # upsAlarmsPresent


def _printer() -> Iterator[Object]:
    yield "1.3.6.1.2.1.25.3.5.1.1.1", _number(3)  # hrPrinterStatus: idle
    yield "1.3.6.1.2.1.43.10.2.1.4.1.1", lambda t: Value(Kind.COUNTER32, int(18_204 + t / 20))  # prtMarkerLifeCount
    for supply, (name, level) in enumerate((("Black toner", 62), ("Cyan toner", 18)), 1):
        yield f"1.3.6.1.2.1.43.11.1.1.6.1.{supply}", _text(name)
        yield f"1.3.6.1.2.1.43.11.1.1.8.1.{supply}", _number(100)
        yield f"1.3.6.1.2.1.43.11.1.1.9.1.{supply}", _number(level)
