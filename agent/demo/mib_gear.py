"""What the simulated devices answer beyond their ports: radios, processors and disks, sensors, UPS, PoE, printer.

IEEE802dot11-MIB; BRIDGE-MIB (RFC 4188) for the stations a radio has learnt; what a make's own MIB says of radios comes
from config/demo-radios.toml. HOST-RESOURCES-MIB (RFC 2790); ENTITY-SENSOR-MIB (RFC 3433); UPS-MIB (RFC 1628);
POWER-ETHERNET-MIB (RFC 3621); Printer-MIB (RFC 3805).
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from agent.demo.behaviour import Wave, filling
from agent.demo.meter import Meter
from agent.demo.site import MAINS_AWAY, WIFI_S, Port, Radio, Sensor, Simulated, Supply
from agent.demo.values import Kind, Object, Reading, Value, always, moving, number, of, text
from kpi.model import Role

RADIOS = Path(__file__).resolve().parents[2] / "config" / "demo-radios.toml"
LEARNED = Value(Kind.INTEGER, 3)
"""dot1dTpFdbStatus."""
SENSOR = 8
"""entPhysicalClass."""
GIBIBYTE_UNITS = 262_144
"""Of 4,096 octets."""
RETRIED, FAILED, DAMAGED = 0.06, 0.002, 0.03
"""Shares of a radio's frames."""
DRAIN_PCT_S, CHARGE_PCT_S = 0.25, 0.05
RUNTIME_MIN, LOAD_PCT = 38.0, 34.0
"""With a full battery at the mean load."""


@dataclass(frozen=True, slots=True)
class Private:
    """A make's own MIB for radios, as config/demo-radios.toml has it."""

    sys_object_id: str
    sys_descr: str
    column: str
    device: Mapping[str, str] = field(default_factory=dict)
    radio: Mapping[str, str] = field(default_factory=dict)


@cache
def private() -> Private:
    """Read once."""
    return Private(**tomllib.loads(RADIOS.read_text(encoding="utf-8")))


def gear(device: Simulated) -> Iterator[Object]:
    """All of it that the device has."""
    if device.radios:
        yield from _private(device)
    for radio in device.radios:
        yield from _radio(device, radio)
    if device.role in {Role.SERVER, Role.GATEWAY}:
        yield from _host(device)
    for place, sensor in enumerate(device.sensors, 10):
        yield from _sensor(place, sensor)
    if device.role is Role.UPS:
        yield from _ups(device)
    if device.poe_w:
        yield from _poe(device)
    if device.supplies:
        yield from _printer(device)


# -- Wi-Fi -------------------------------------------------------------------------------------------------------------


def clients(radio: Radio, t: float) -> int:
    """Guests on a radio at ``t``."""
    return filling(radio.most_clients, WIFI_S, t)


def _private(device: Simulated) -> Iterator[Object]:
    mib, about = private(), {"id": device.id, "model": device.model, "firmware": device.firmware}
    for name, says in mib.device.items():
        yield f"{mib.column}.{_index(name)}", text(says.format(**about))
    for radio in device.radios:
        port = next(p.name for p in device.ports if p.index == radio.port)
        for name, quantity in mib.radio.items():
            yield f"{mib.column}.{_index(name.format(port=port))}", _printed(_QUANTITIES[quantity], radio)


def _index(name: str) -> str:
    """Length, then the octets (RFC 2578 section 7.7)."""
    return ".".join(str(arc) for arc in (len(name), *name.encode()))


def _printed(quantity: Callable[[Radio, float], float], radio: Radio) -> Reading:
    return lambda t: Value(Kind.OCTETS, f"{quantity(radio, t):.0f}".encode())


def _mhz(radio: Radio, _t: float) -> float:
    return 2407 + 5 * radio.channel if radio.channel <= 14 else 5000 + 5 * radio.channel


def _noise(radio: Radio, t: float) -> float:
    return (-95 if radio.channel > 14 else -91) * (1 + Wave(0.01, 70.0).at(t))


def _snr(radio: Radio, t: float) -> float:
    """Those who come last stand furthest away."""
    return 41 - 0.35 * clients(radio, t)


_QUANTITIES: Mapping[str, Callable[[Radio, float], float]] = {
    "clients": clients,
    "frequency_mhz": _mhz,
    "noise_dbm": _noise,
    "snr_db": _snr,
}


def _radio(device: Simulated, radio: Radio) -> Iterator[Object]:
    index = radio.port
    port: Port = next(p for p in device.ports if p.index == index)
    yield f"1.2.840.10036.1.1.1.9.{index}", text(radio.ssid)  # dot11DesiredSSID
    if radio.channel > 14:
        yield f"1.2.840.10036.4.11.1.1.{index}", number(radio.channel)  # dot11CurrentFrequency (OFDM: channel number)
    else:
        yield f"1.2.840.10036.4.5.1.1.{index}", number(radio.channel)  # dot11CurrentChannel (DSSS)
    inward, outward = Meter(device, port, port.inward), Meter(device, port, port.outward)
    frames = {3: (outward, FAILED), 4: (outward, RETRIED), 10: (inward, 1.0), 12: (inward, DAMAGED), 13: (outward, 1.0)}
    for column, (meter, share) in frames.items():  # dot11CountersTable
        yield f"1.2.840.10036.2.2.1.{column}.{index}", meter.reading(Kind.COUNTER32, share)
    for guest in range(radio.most_clients):
        mac = bytes((0x0A, 0x53, 0x4F, device.number, index, guest))
        row = ".".join(str(octet) for octet in mac)
        for column, value in enumerate((Value(Kind.OCTETS, mac), Value(Kind.INTEGER, index), LEARNED), 1):
            yield f"1.3.6.1.2.1.17.4.3.1.{column}.{row}", _while_there(radio, guest, value)


def _while_there(radio: Radio, guest: int, value: Value) -> Reading:
    return lambda t: value if guest < clients(radio, t) else None


# -- processors, memory, disks; sensors --------------------------------------------------------------------------------


def _host(device: Simulated) -> Iterator[Object]:
    for core in range(1, 5):
        yield f"1.3.6.1.2.1.25.3.3.1.2.{core}", moving(Kind.INTEGER, 30, 0.6, 110.0, core / 4)  # hrProcessorLoad
    for place, disk in enumerate(device.disks, 1):
        ram = disk.name == "Physical memory"
        used = disk.size_gib * GIBIBYTE_UNITS * disk.used
        columns: dict[int, Reading] = {  # hrStorageTable
            1: number(place),
            2: always(Kind.OID, f"1.3.6.1.2.1.25.2.1.{2 if ram else 4}"),  # hrStorageRam, hrStorageFixedDisk
            3: text(disk.name),
            4: number(4096),
            5: number(round(disk.size_gib * GIBIBYTE_UNITS)),
            6: moving(Kind.INTEGER, used, 0.03 if ram else 0.001, 600.0),
        }
        for column, reading in columns.items():
            yield f"1.3.6.1.2.1.25.2.3.1.{column}.{place}", reading


def _sensor(place: int, sensor: Sensor) -> Iterator[Object]:
    name, none = text(sensor.name), always(Kind.OID, "0.0")
    entity = {2: name, 3: none, 4: number(1), 5: number(SENSOR), 6: number(place), 7: name}
    for column, reading in entity.items():
        yield f"1.3.6.1.2.1.47.1.1.1.1.{column}.{place}", reading
    celsius = sensor.unit == "celsius"
    value = moving(Kind.INTEGER, sensor.mean * (10 if celsius else 1), sensor.share, sensor.period_s, place / 7)
    measured: dict[int, Reading] = {
        1: number(8 if celsius else 10),
        2: number(9),
        3: number(int(celsius)),
        4: value,
        5: number(1),
    }
    for column, reading in measured.items():  # entPhySensorTable: type, scale, precision, value, status
        yield f"1.3.6.1.2.1.99.1.1.1.{column}.{place}", reading


# -- power -------------------------------------------------------------------------------------------------------------


def charge_pct(t: float) -> float:
    """Of the UPS's battery: falls while the mains is away, and comes back slowly."""
    float_charge = 99.0 + Wave(1.0, 420.0).at(t)
    if MAINS_AWAY.active(t):
        since = MAINS_AWAY.edge_s(t)
        return float_charge - DRAIN_PCT_S * (t - (since if since is not None else t))
    ended = MAINS_AWAY.ended_s(t)
    if ended is None:
        return float_charge
    return float_charge - max(0.0, DRAIN_PCT_S * MAINS_AWAY.lasts_s - CHARGE_PCT_S * (t - ended))


def _ups(device: Simulated) -> Iterator[Object]:
    load = Wave(0.08, 300.0, 0.3)
    away = MAINS_AWAY.active

    def load_pct(t: float) -> float:
        return LOAD_PCT * (1 + load.at(t))

    def seconds(t: float) -> float:
        since = MAINS_AWAY.edge_s(t)
        return t - since if away(t) and since is not None else 0.0

    base = "1.3.6.1.2.1.33.1"
    yield f"{base}.1.1.0", text("Example Power")
    yield f"{base}.1.2.0", text(device.model)
    yield f"{base}.1.3.0", text(device.firmware)
    yield f"{base}.1.4.0", text(device.firmware)
    yield f"{base}.1.5.0", text(device.id)
    yield f"{base}.1.6.0", text("rack in the cellar")
    yield f"{base}.2.1.0", number(2)  # upsBatteryStatus: batteryNormal
    yield f"{base}.2.2.0", of(Kind.INTEGER, seconds)  # upsSecondsOnBattery
    yield f"{base}.2.3.0", of(Kind.INTEGER, lambda t: RUNTIME_MIN * charge_pct(t) / 100 * LOAD_PCT / load_pct(t))
    yield f"{base}.2.4.0", of(Kind.INTEGER, charge_pct)  # upsEstimatedChargeRemaining, %
    yield f"{base}.2.5.0", of(Kind.INTEGER, lambda t: 240 + 0.33 * charge_pct(t))  # upsBatteryVoltage, 0.1 V
    yield f"{base}.2.7.0", moving(Kind.INTEGER, 27, 0.06, 400.0)  # upsBatteryTemperature, degrees Celsius
    yield f"{base}.3.1.0", of(Kind.COUNTER32, lambda t: 7 + MAINS_AWAY.times(t))  # upsInputLineBads
    yield f"{base}.3.2.0", number(1)
    yield f"{base}.3.3.1.2.1", of(Kind.INTEGER, lambda t: 0 if away(t) else 500)  # upsInputFrequency, 0.1 Hz
    yield f"{base}.3.3.1.3.1", of(Kind.INTEGER, lambda t: 0 if away(t) else 231 * (1 + Wave(0.01, 70.0).at(t)))
    yield f"{base}.4.1.0", of(Kind.INTEGER, lambda t: 5 if away(t) else 3)  # upsOutputSource: battery, normal
    yield f"{base}.4.2.0", number(500)
    yield f"{base}.4.3.0", number(1)
    yield f"{base}.4.4.1.2.1", number(230)  # upsOutputVoltage, V
    yield f"{base}.4.4.1.4.1", of(Kind.INTEGER, lambda t: 12 * load_pct(t))  # upsOutputPower, W
    yield f"{base}.4.4.1.5.1", of(Kind.INTEGER, load_pct)  # upsOutputPercentLoad
    yield f"{base}.6.1.0", always(Kind.GAUGE, 0)  # upsAlarmsPresent
    yield f"{base}.7.3.0", number(1)  # upsTestResultsSummary: donePass


def _poe(device: Simulated) -> Iterator[Object]:
    """pethMainPseTable: what a port gives is given while it has a link."""
    giving = [port for port in device.ports if port.poe_w]
    breath = Wave(0.07, 150.0)

    def given(t: float) -> float:
        return sum(p.poe_w for p in giving if p.has_link(t)) * (1 + breath.at(t))

    yield "1.3.6.1.2.1.105.1.3.1.1.2.1", always(Kind.GAUGE, device.poe_w)
    yield "1.3.6.1.2.1.105.1.3.1.1.3.1", number(1)
    yield "1.3.6.1.2.1.105.1.3.1.1.4.1", of(Kind.GAUGE, given)
    yield "1.3.6.1.2.1.105.1.3.1.1.5.1", number(90)


# -- the printer -------------------------------------------------------------------------------------------------------


def _printer(device: Simulated) -> Iterator[Object]:
    yield "1.3.6.1.2.1.25.3.5.1.1.1", number(3)  # hrPrinterStatus: idle
    yield "1.3.6.1.2.1.43.5.1.1.17.1", text(device.serial)  # prtGeneralSerialNumber
    yield "1.3.6.1.2.1.43.10.2.1.4.1.1", of(Kind.COUNTER32, lambda t: 18_204 + t // 20)  # prtMarkerLifeCount
    for place, supply in enumerate(device.supplies, 1):
        yield f"1.3.6.1.2.1.43.11.1.1.6.1.{place}", text(supply.name)
        yield f"1.3.6.1.2.1.43.11.1.1.8.1.{place}", number(100)
        yield f"1.3.6.1.2.1.43.11.1.1.9.1.{place}", of(Kind.INTEGER, _left(supply))


def _left(supply: Supply) -> Callable[[float], float]:
    """Half a percent an hour, until it is empty."""
    return lambda t: max(0.0, supply.left_pct - t / 7200)
