"""Which counter of a pair is read: the 64-bit one of ifXTable or the 32-bit one of ifTable (RFC 2863 section 3.1.6).

Agents exist whose 64-bit counter stands at 0 beside a 32-bit one that counts, in one direction only or on some ports
only. So the choice is by evidence, a port and direction, and is kept until evidence speaks against it.
"""

from array import array
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from collectors.snmp.interfaces import Row, unsigned

_WORD = 1 << 32
_NEAR = 1 << 28
"""Two counters of one pair that are read seconds apart differ by less (2^28 octets are 2 s at 1 Gb/s)."""


class Width(StrEnum):
    """What is read of a pair."""

    LONG = "64"
    SHORT = "32"
    BOTH = "both"
    """Nothing speaks for either yet: both are read until one of them moves."""
    NEITHER = "none"


@dataclass(frozen=True, slots=True)
class Pair:
    """The columns that hold one figure."""

    long: str
    short: str


PAIRS: Mapping[str, Pair] = {
    "in_octets": Pair("ifHCInOctets", "ifInOctets"),
    "out_octets": Pair("ifHCOutOctets", "ifOutOctets"),
    "in_unicast": Pair("ifHCInUcastPkts", "ifInUcastPkts"),
    "out_unicast": Pair("ifHCOutUcastPkts", "ifOutUcastPkts"),
    "in_multicast": Pair("ifHCInMulticastPkts", "ifInMulticastPkts"),
    "out_multicast": Pair("ifHCOutMulticastPkts", "ifOutMulticastPkts"),
    "in_broadcast": Pair("ifHCInBroadcastPkts", "ifInBroadcastPkts"),
    "out_broadcast": Pair("ifHCOutBroadcastPkts", "ifOutBroadcastPkts"),
}
"""The figures of PortCounters that exist in both widths."""

SINGLES: Mapping[str, str] = {
    "in_errors": "ifInErrors",
    "out_errors": "ifOutErrors",
    "in_discards": "ifInDiscards",
    "out_discards": "ifOutDiscards",
}
"""The figures that exist in 32 bits only."""

FALLBACK = {"in_multicast": "ifInNUcastPkts", "out_multicast": "ifOutNUcastPkts"}
"""Multicast and broadcast in one, for agents without ifXTable; deprecated in RFC 2863, and all they have."""

COUNTER_COLUMNS = tuple(
    dict.fromkeys(
        [column for pair in PAIRS.values() for column in (pair.long, pair.short)]
        + list(SINGLES.values())
        + list(FALLBACK.values())
        + ["ifCounterDiscontinuityTime"]
    )
)


@dataclass(frozen=True, slots=True)
class Reading:
    """Both counters of a pair at one time."""

    long: int | None
    short: int | None


_NOTHING = 2**64 - 1


def pack(readings: Iterable[Reading]) -> "array[int]":
    """Readings to keep for an hour, in 16 octets each."""
    return array("Q", [_NOTHING if n is None else n for found in readings for n in (found.long, found.short)])


def unpack(packed: "array[int]", position: int) -> Reading:
    """The reading at a position of ``pack``."""
    long, short = packed[2 * position : 2 * position + 2]
    return Reading(None if long == _NOTHING else long, None if short == _NOTHING else short)


def reading(row: Row, pair: Pair) -> Reading:
    """The pair's readings in ``row``."""
    return Reading(unsigned(row.get(pair.long)), unsigned(row.get(pair.short)))


def choose(now: Reading, before: Reading | None = None, kept: Width | None = None) -> Width:
    """Which counter to read, from a reading, an earlier one (None: there is none) and the choice so far."""
    if now.long is None:
        return Width.NEITHER if now.short is None else Width.SHORT
    if now.short is None:
        return Width.LONG
    if now.long == 0 and now.short > 0:
        return Width.SHORT
    moved = _moved(now, before)
    if moved is not None:
        return moved
    if kept is Width.LONG or kept is Width.SHORT:
        return kept
    return Width.LONG if now.long > 0 and _near(now.long, now.short) else Width.BOTH


def _moved(now: Reading, before: Reading | None) -> Width | None:
    """The counter that counted between two readings; the long one where both did."""
    if before is None or before.long is None or before.short is None:
        return None
    if now.long != before.long:
        return Width.LONG
    return Width.SHORT if now.short != before.short else None


def _near(long: int, short: int) -> bool:
    apart = (long - short) % _WORD
    return min(apart, _WORD - apart) < _NEAR


def best(row: Row, pair: Pair) -> int | None:
    """The pair's value from one reading alone, for a poll that has no memory."""
    now = reading(row, pair)
    return now.short if choose(now) is Width.SHORT else now.long


def columns_of(figure: str, width: Width, columns: AbstractSet[str]) -> tuple[str, ...]:
    """Which of a port's ``columns`` to read for a figure of PAIRS."""
    pair = PAIRS[figure]
    if width is Width.BOTH:
        return pair.long, pair.short
    if width is Width.NEITHER:
        spare = FALLBACK.get(figure)
        return (spare,) if spare is not None and spare in columns else ()
    return (pair.long,) if width is Width.LONG else (pair.short,)
