"""Values of objects at a moment, and the few ways in which the simulated ones move."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from agent.demo.behaviour import Wave

Oid = tuple[int, ...]


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


Reading = Callable[[float], Value | None]
"""The value at a moment; None where the instance does not exist then."""
Object = tuple[str, Reading]


def always(kind: Kind, value: int | bytes | str) -> Reading:
    """The same at all times."""
    fixed = Value(kind, value)
    return lambda _t: fixed


def text(value: str) -> Reading:
    return always(Kind.OCTETS, value.encode())


def number(value: int) -> Reading:
    return always(Kind.INTEGER, value)


def moving(kind: Kind, mean: float, share: float, period_s: float, phase: float = 0.0) -> Reading:
    """Around its mean, ``share`` of it up and down."""
    wave = Wave(share, period_s, phase)
    return lambda t: Value(kind, round(mean * (1 + wave.at(t))))


def of(kind: Kind, say: Callable[[float], float]) -> Reading:
    """Whole numbers of a function of time."""
    return lambda t: Value(kind, round(say(t)))
