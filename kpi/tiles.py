"""The few parts of a site that a person thinks in (Internet, Wi-Fi, network, servers, power), and how each is now.

A part that the site does not have is not there at all. Wi-Fi is also where any device tells of wireless clients, power
where any tells of a battery: such a device is part of both.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kpi.entry import Words
from kpi.model import Role, State, Status


class Tone(StrEnum):
    """What a colour, a shape and a word on the page say together."""

    GOOD = "good"
    ATTENTION = "attention"
    PROBLEM = "problem"
    NONE = "none"
    MAINTENANCE = "maintenance"


class Part(StrEnum):
    """The tiles, in their order."""

    INTERNET = "internet"
    WIFI = "wifi"
    NETWORK = "network"
    SERVERS = "servers"
    POWER = "power"


PART_OF = {
    Role.INTERNET: Part.INTERNET, Role.GATEWAY: Part.INTERNET,
    Role.ACCESS_POINT: Part.WIFI, Role.CONTROLLER: Part.WIFI,
    Role.ROUTER: Part.NETWORK, Role.SWITCH: Part.NETWORK,
    Role.SERVER: Part.SERVERS, Role.PRINTER: Part.SERVERS, Role.CAMERA: Part.SERVERS, Role.ENDPOINT: Part.SERVERS,
    Role.UPS: Part.POWER,
}  # fmt: skip

PART_NAMES = {
    Part.INTERNET: Words("Internet", "Internet"),
    Part.WIFI: Words("Wi-Fi", "Wi-Fi"),
    Part.NETWORK: Words("Network", "Rete"),
    Part.SERVERS: Words("Servers and services", "Server e servizi"),
    Part.POWER: Words("Power", "Corrente"),
}

TONE_WORDS = {
    Tone.GOOD: Words("Works", "Funziona"),
    Tone.ATTENTION: Words("Attention", "Attenzione"),
    Tone.PROBLEM: Words("Problem", "Problema"),
    Tone.NONE: Words("No information", "Nessuna informazione"),
    Tone.MAINTENANCE: Words("Maintenance", "Manutenzione"),
}
ALL_GONE = Words("Not reachable", "Non raggiungibile")
SLOW = Words("Slow", "Rallentamenti")
ON_BATTERY = Words("On battery", "A batteria")
BATTERY_LOW = Words("Battery low", "Batteria scarica")

WIFI_FIGURES = (
    "wifi_ap_up_pct", "wifi_interference_pct", "wifi_clients", "wifi_signal_dbm", "wifi_snr_db", "wifi_retry_pct",
)  # fmt: skip
"""What makes Wi-Fi worth attention though every access point answers, the most telling first."""
POWER_FIGURES = ("ups_runtime_min",)
MAY_SLEEP = frozenset({Role.PRINTER, Role.CAMERA, Role.ENDPOINT})
"""Things that people switch off: worth a look when they are gone, not an alarm."""
_PASSING = frozenset({"starting"})
"""Reasons for unknown that end by themselves within seconds."""


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


@dataclass(frozen=True, slots=True)
class Seen:
    """One device as it is now."""

    id: str
    name: str
    role: Role
    state: State
    reason: str = ""
    gear: Gear = Gear()


@dataclass(frozen=True, slots=True)
class Read:
    """One of the site's figures with its status: ``kpi`` as in a site's summary, such as ``rtt_ms@wan``."""

    kpi: str
    value: float | None
    status: Status
    parts: Mapping[str, float | None] = field(default_factory=dict)
    worst: str = ""
    """The device whose own figure is worst."""


@dataclass(frozen=True, slots=True)
class Tile:
    """How one part is now: ``up`` of ``total`` devices answer (internet targets count for the internet alone).
    ``gear``: of Wi-Fi all clients together, of power the battery that lasts least."""

    part: Part
    tone: Tone
    word: Words
    up: int
    total: int
    gear: Gear = Gear()


def tiles(devices: Iterable[Seen], figures: Iterable[Read] = (), flapping: Collection[str] = ()) -> tuple[Tile, ...]:
    """The parts this site has. ``flapping``: the devices that have a port that goes on and off."""
    found = list(devices)
    read = list(figures)
    made = []
    for part in Part:
        members = [d for d in found if part in parts_of(d)]
        if members:
            flaps = any(d.id in flapping for d in members)
            made.append(_MAKERS[part](members, read, flaps))
    return tuple(made)


def parts_of(device: Seen) -> frozenset[Part]:
    """By its role, and by what it tells."""
    tells = {Part.WIFI: device.gear.wifi, Part.POWER: device.gear.battery}
    return frozenset({PART_OF[device.role], *(part for part, so in tells.items() if so)})


def troubled(figures: Iterable[Read], kpis: Sequence[str]) -> Read | None:
    """Of these figures the first that is worse than it should be; None where all is well or too little is known."""
    bad = [f for f in figures if f.kpi in kpis and f.status in {Status.WARN, Status.BAD}]
    return min(bad, key=lambda f: kpis.index(f.kpi), default=None)


def slow(figures: Iterable[Read], scope: str) -> Read | None:
    """The figure of this scope ("lan", "wan") that is worse than it should be: losses before delays; None where all
    is well or too little is known."""
    bad = [f for f in figures if f.kpi.endswith(f"@{scope}") and f.status in {Status.WARN, Status.BAD}]
    return min(bad, key=lambda f: ("loss_ratio", "rtt_ms", "jitter_ms").index(f.kpi.partition("@")[0]), default=None)


def _internet(members: Sequence[Seen], figures: Sequence[Read], flaps: bool) -> Tile:
    outside = [d for d in members if d.role is Role.INTERNET]
    gateways = [d for d in members if d.role is Role.GATEWAY]
    counted = outside or gateways
    up = sum(d.state is State.UP for d in counted)
    tone, word = Tone.GOOD, TONE_WORDS[Tone.GOOD]
    if any(d.state is State.DOWN for d in gateways) or (outside and all(d.state is State.DOWN for d in outside)):
        tone, word = Tone.PROBLEM, ALL_GONE
    elif all(d.state is State.MAINTENANCE for d in counted):
        tone, word = Tone.MAINTENANCE, TONE_WORDS[Tone.MAINTENANCE]
    elif not up:
        tone, word = Tone.NONE, TONE_WORDS[Tone.NONE]
    elif slow(figures, "wan") is not None:
        tone, word = Tone.ATTENTION, SLOW
    elif flaps:
        tone, word = Tone.ATTENTION, TONE_WORDS[Tone.ATTENTION]
    return Tile(Part.INTERNET, tone, word, up, len(counted))


def _inside(part: Part, members: Sequence[Seen], attention: bool) -> Tile:
    """``attention``: something is not as it should be though all are there."""
    down = [d for d in members if d.state is State.DOWN]
    up = sum(d.state is State.UP for d in members)
    serious = any(d.role not in MAY_SLEEP for d in down)
    tone = Tone.GOOD
    if serious or (down and not up):
        tone = Tone.PROBLEM
    elif down:
        tone = Tone.ATTENTION
    elif all(d.state is State.MAINTENANCE for d in members):
        tone = Tone.MAINTENANCE
    elif any(d.state is State.UNKNOWN and (d.reason not in _PASSING or not up) for d in members):
        tone = Tone.NONE
    elif attention:
        tone = Tone.ATTENTION
    word = ALL_GONE if down and len(down) == len(members) else TONE_WORDS[tone]
    return Tile(part, tone, word, up, len(members))


def _network(members: Sequence[Seen], figures: Sequence[Read], flaps: bool) -> Tile:
    return _inside(Part.NETWORK, members, flaps or slow(figures, "lan") is not None)


def _servers(members: Sequence[Seen], _figures: Sequence[Read], flaps: bool) -> Tile:
    return _inside(Part.SERVERS, members, flaps)


def _wifi(members: Sequence[Seen], figures: Sequence[Read], flaps: bool) -> Tile:
    """A controller's clients are those of its access points: of both the greater sum counts (kpi/gear_site.py)."""
    tile = _inside(Part.WIFI, members, flaps or troubled(figures, WIFI_FIGURES) is not None)
    told = [(d.role is Role.CONTROLLER, d.gear.clients) for d in members if d.gear.clients is not None]
    sums = [sum(n for controls, n in told if controls is side) for side in (True, False)]
    return replace(tile, gear=Gear(clients=max(sums) if told else None))


def _power(members: Sequence[Seen], figures: Sequence[Read], flaps: bool) -> Tile:
    tile = _inside(Part.POWER, members, flaps or troubled(figures, POWER_FIGURES) is not None)
    told = [d.gear for d in members if d.gear.on_battery is not None]
    weakest = min(told, key=_left, default=Gear())
    running = on_battery(members)
    if running and tile.tone is not Tone.PROBLEM:
        low = any(d.gear.battery_low for d in running)
        tile = (
            replace(tile, tone=Tone.PROBLEM, word=BATTERY_LOW)
            if low
            else replace(tile, tone=Tone.ATTENTION, word=ON_BATTERY)
        )
    return replace(tile, gear=weakest)


def on_battery(devices: Iterable[Seen]) -> list[Seen]:
    """Those whose output comes from the battery, outside planned work; the one that lasts least first."""
    return sorted(
        (d for d in devices if d.gear.on_battery and d.state is not State.MAINTENANCE), key=lambda d: _left(d.gear)
    )


def _left(gear: Gear) -> tuple[float, float]:
    many = float("inf")
    return (
        gear.runtime_min if gear.runtime_min is not None else many,
        gear.charge_pct if gear.charge_pct is not None else many,
    )


_MAKERS: Mapping[Part, Callable[[Sequence[Seen], Sequence[Read], bool], Tile]] = {
    Part.INTERNET: _internet,
    Part.WIFI: _wifi,
    Part.NETWORK: _network,
    Part.SERVERS: _servers,
    Part.POWER: _power,
}
