"""The few parts of a site that a person thinks in (Internet, network, servers), and how each of them is now.

A part that the site does not have is not there at all; Wi-Fi and power come with what measures them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
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
    NETWORK = "network"
    SERVERS = "servers"


PART_OF = {
    Role.INTERNET: Part.INTERNET, Role.GATEWAY: Part.INTERNET,
    Role.ROUTER: Part.NETWORK, Role.SWITCH: Part.NETWORK, Role.ACCESS_POINT: Part.NETWORK,
    Role.CONTROLLER: Part.NETWORK,
    Role.SERVER: Part.SERVERS, Role.UPS: Part.SERVERS, Role.PRINTER: Part.SERVERS, Role.CAMERA: Part.SERVERS,
    Role.ENDPOINT: Part.SERVERS,
}  # fmt: skip

PART_NAMES = {
    Part.INTERNET: Words("Internet", "Internet"),
    Part.NETWORK: Words("Network", "Rete"),
    Part.SERVERS: Words("Servers and services", "Server e servizi"),
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

MAY_SLEEP = frozenset({Role.PRINTER, Role.CAMERA, Role.ENDPOINT})
"""Things that people switch off: worth a look when they are gone, not an alarm."""
_PASSING = frozenset({"starting"})
"""Reasons for unknown that end by themselves within seconds."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One device as it is now."""

    id: str
    name: str
    role: Role
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """One of the site's figures with its status: ``kpi`` as in a site's summary, such as ``rtt_ms@wan``."""

    kpi: str
    value: float | None
    status: Status


@dataclass(frozen=True, slots=True)
class Tile:
    """How one part is now: ``up`` of ``total`` devices answer (internet targets count for the internet alone)."""

    part: Part
    tone: Tone
    word: Words
    up: int
    total: int


def tiles(devices: Iterable[Seen], figures: Iterable[Read] = (), flapping: Collection[str] = ()) -> tuple[Tile, ...]:
    """The parts this site has. ``flapping``: the devices that have a port that goes on and off."""
    found = list(devices)
    read = list(figures)
    made = []
    for part in Part:
        members = [d for d in found if PART_OF[d.role] is part]
        if members:
            flaps = any(d.id in flapping for d in members)
            made.append(
                _internet(members, read, flaps) if part is Part.INTERNET else _inside(part, members, read, flaps)
            )
    return tuple(made)


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


def _inside(part: Part, members: Sequence[Seen], figures: Sequence[Read], flaps: bool) -> Tile:
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
    elif flaps or (part is Part.NETWORK and slow(figures, "lan") is not None):
        tone = Tone.ATTENTION
    word = ALL_GONE if down and len(down) == len(members) else TONE_WORDS[tone]
    return Tile(part, tone, word, up, len(members))
