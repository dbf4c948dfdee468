"""What is known of a site at one moment, as the sentence and the tiles see it: devices, figures, tones."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kpi.entry import Part, Words
from kpi.model import Role, State, Status


class Tone(StrEnum):
    """What a colour, a shape and a word on the page say together."""

    GOOD = "good"
    ATTENTION = "attention"
    PROBLEM = "problem"
    NONE = "none"
    MAINTENANCE = "maintenance"


PART_OF = {
    Role.INTERNET: Part.INTERNET, Role.GATEWAY: Part.INTERNET,
    Role.ACCESS_POINT: Part.WIFI, Role.CONTROLLER: Part.WIFI,
    Role.ROUTER: Part.NETWORK, Role.SWITCH: Part.NETWORK,
    Role.SERVER: Part.SERVERS, Role.PRINTER: Part.SERVERS, Role.CAMERA: Part.SERVERS, Role.ENDPOINT: Part.SERVERS,
    Role.UPS: Part.POWER,
}  # fmt: skip

MAY_SLEEP = frozenset({Role.PRINTER, Role.CAMERA, Role.ENDPOINT})
"""Things that people switch off: worth a look when they are gone, not an alarm."""
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Gear:
    """What a device tells of clients and of its battery now; None: it does not tell, or does not answer."""

    wifi: bool = False
    """It has told of wireless clients at some time."""
    battery: bool = False
    """The same of whether it runs on battery."""
    clients: int | None = None
    on_battery: bool | None = None
    battery_low: bool = False
    runtime_min: float | None = None
    charge_pct: float | None = None
    since: Words | None = None
    """Since when it is on battery, as a phrase."""


NO_GEAR = Gear()


@dataclass(frozen=True, slots=True)
class Seen:
    """One device as it is now."""

    id: str
    name: str
    role: Role
    state: State
    reason: str = ""
    gear: Gear = NO_GEAR
    snmp_failed: bool = False
    """It is to be asked by SNMP, and the last poll gave nothing."""


@dataclass(frozen=True, slots=True)
class Read:
    """A figure of the site, of a device or of a port with its status. ``kpi`` as in a summary: ``rtt_ms@wan``."""

    kpi: str
    value: float | None
    status: Status
    parts: Mapping[str, float | None] = field(default_factory=dict)
    worst: str = ""
    """The device whose own figure is worst."""
    device: str = ""
    """Whose figure it is; "" for the site's."""
    port: str = ""
    """The name of the port whose figure it is; "" for a device's or the site's."""
    flags: tuple[str, ...] = ()


def parts_of(device: Seen) -> frozenset[Part]:
    """By its role, and by what it tells."""
    tells = {Part.WIFI: device.gear.wifi, Part.POWER: device.gear.battery}
    return frozenset({PART_OF[device.role], *(part for part, so in tells.items() if so)})


def values_unknown(device: Seen) -> bool:
    """It answers echoes, and that is all that is known of it now: its SNMP is silent, or no longer tells of the battery
    that it told of."""
    battery_silent = device.gear.battery and device.gear.on_battery is None
    return device.state is State.UP and (device.snmp_failed or battery_silent)


def on_battery(devices: Iterable[Seen]) -> list[Seen]:
    """Those whose output comes from the battery, outside planned work; the one that lasts least first."""
    return sorted(
        (d for d in devices if d.gear.on_battery and d.state is not State.MAINTENANCE),
        key=lambda d: battery_left(d.gear),
    )


def battery_left(gear: Gear) -> tuple[float, float]:
    """For sorting: who lasts least comes first."""
    many = float("inf")
    return (
        gear.runtime_min if gear.runtime_min is not None else many,
        gear.charge_pct if gear.charge_pct is not None else many,
    )


def plain_name(name: str) -> str:
    """A name as it may stand within a sentence: what would turn the writing direction of the rest is taken out, and a
    name that is written from right to left is set apart (UAX #9, FSI and PDI)."""
    bare = bare_name(name)
    turned = any(unicodedata.bidirectional(c) in {"R", "AL", "AN"} for c in bare)
    return f"\u2068{bare}\u2069" if turned else bare


def bare_name(name: str) -> str:
    """A name without the characters that turn the writing direction round ("gnp.exe" would read "exe.png")."""
    return "".join(c for c in name if c not in _BIDI)
