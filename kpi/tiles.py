"""The few parts of a site that a person thinks in (Internet, Wi-Fi, network, servers, power), and how each is now.

A part that the site does not have is not there at all. Wi-Fi is also where any device tells of wireless clients, power
where any tells of a battery: such a device is part of both.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kpi.entry import Part, Words
from kpi.findings import Finding, findings, first_of
from kpi.model import Role, State
from kpi.seen import MAY_SLEEP, NO_GEAR, Gear, Read, Seen, Tone, battery_left, on_battery, parts_of, values_unknown

PART_NAMES = {
    Part.INTERNET: Words("Internet", "Internet"),
    Part.WIFI: Words("Wi-Fi", "Wi-Fi"),
    Part.NETWORK: Words("Network", "Rete"),
    Part.SERVERS: Words("Servers and services", "Server e servizi"),
    Part.POWER: Words("Power", "Alimentazione"),
}

TONE_WORDS = {
    Tone.GOOD: Words("Works", "Funziona"),
    Tone.ATTENTION: Words("Attention", "Attenzione"),
    Tone.PROBLEM: Words("Problem", "Problema"),
    Tone.NONE: Words("No information", "Nessuna informazione"),
    Tone.MAINTENANCE: Words("Maintenance", "Manutenzione"),
}
ALL_GONE = Words("Not reachable", "Non raggiungibile")
PARTLY_KNOWN = Words("Partly known", "Informazioni parziali")
ON_BATTERY = Words("On battery", "A batteria")
BATTERY_LOW = Words("Battery low", "Batteria scarica")


@dataclass(frozen=True, slots=True)
class Tile:
    """How one part is now: ``up`` of ``total`` devices answer (internet targets count for the internet alone).
    ``gear``: of Wi-Fi all clients together, of power the battery that lasts least."""

    part: Part
    tone: Tone
    word: Words
    up: int
    total: int
    gear: Gear = NO_GEAR


def tiles(devices: Iterable[Seen], figures: Iterable[Read] = (), flapping: Collection[str] = ()) -> tuple[Tile, ...]:
    """The parts this site has. ``flapping``: the devices that have a port that goes on and off."""
    seen = list(devices)
    found = findings(seen, figures)
    made = []
    for part in Part:
        members = [d for d in seen if part in parts_of(d)]
        if members:
            flaps = any(d.id in flapping for d in members)
            made.append(_beside(_MAKERS[part](members), first_of(found, part), flaps=flaps))
    return tuple(made)


def _beside(tile: Tile, finding: Finding | None, *, flaps: bool) -> Tile:
    """The tile with what is not as it should be though the devices answer. What is gone weighs more than a figure, a
    figure that is bad more than what is not known, and that more than a figure that is worth attention."""
    if tile.tone is Tone.PROBLEM or tile.tone is Tone.MAINTENANCE:
        return tile
    if finding is not None and finding.tone is Tone.PROBLEM:
        return replace(tile, tone=Tone.PROBLEM, word=finding.word or TONE_WORDS[Tone.PROBLEM])
    if tile.tone is not Tone.GOOD:
        return tile
    if finding is not None:
        return replace(tile, tone=Tone.ATTENTION, word=finding.word or TONE_WORDS[Tone.ATTENTION])
    return replace(tile, tone=Tone.ATTENTION, word=TONE_WORDS[Tone.ATTENTION]) if flaps else tile


def _internet(members: Sequence[Seen]) -> Tile:
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
    return Tile(Part.INTERNET, tone, word, up, len(counted))


def _inside(part: Part, members: Sequence[Seen]) -> Tile:
    """Green is what is known: one device of which nothing is known, also for its first seconds, takes it away, and so
    does one that answers and tells nothing of its values."""
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
    elif any(d.state is State.UNKNOWN or values_unknown(d) for d in members):
        tone = Tone.NONE
    word = TONE_WORDS[tone]
    if down and len(down) == len(members):
        word = ALL_GONE
    elif tone is Tone.NONE and up:
        word = PARTLY_KNOWN
    return Tile(part, tone, word, up, len(members))


def _network(members: Sequence[Seen]) -> Tile:
    return _inside(Part.NETWORK, members)


def _servers(members: Sequence[Seen]) -> Tile:
    return _inside(Part.SERVERS, members)


def _wifi(members: Sequence[Seen]) -> Tile:
    """A controller's clients are those of its access points: of both the greater sum counts (kpi/gear_site.py)."""
    told = [(d.role is Role.CONTROLLER, d.gear.clients) for d in members if d.gear.clients is not None]
    sums = [sum(n for controls, n in told if controls is side) for side in (True, False)]
    return replace(_inside(Part.WIFI, members), gear=Gear(clients=max(sums) if told else None))


def _power(members: Sequence[Seen]) -> Tile:
    tile = _inside(Part.POWER, members)
    told = [d.gear for d in members if d.gear.on_battery is not None]
    weakest = min(told, key=battery_left, default=Gear())
    running = on_battery(members)
    if running and tile.tone is not Tone.PROBLEM:
        low = any(d.gear.battery_low for d in running)
        tile = (
            replace(tile, tone=Tone.PROBLEM, word=BATTERY_LOW)
            if low
            else replace(tile, tone=Tone.ATTENTION, word=ON_BATTERY)
        )
    return replace(tile, gear=weakest)


_MAKERS: Mapping[Part, Callable[[Sequence[Seen]], Tile]] = {
    Part.INTERNET: _internet,
    Part.WIFI: _wifi,
    Part.NETWORK: _network,
    Part.SERVERS: _servers,
    Part.POWER: _power,
}
