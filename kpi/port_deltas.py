"""What passed a port between two readings of its counters, direction by direction (kpi/README.md R6)."""

from collections.abc import Callable
from operator import attrgetter

from kpi.counters import Delta, LineRate, Refusal, Span, delta
from kpi.model import PortCounters
from kpi.port_counts import Absent

ERROR_BITS = 32
"""ifInErrors and its like are Counter32 whatever the octets are: on 10 Gb/s they may go round in 288 s."""

_Columns = Callable[[PortCounters], tuple[int | None, ...]]

_NEEDED = frozenset({0, 3})
"""Unicast and errors; where an agent has no multicast, broadcast or discards, those are not missed."""
_FIRST_ERROR = 3
_IN: _Columns = attrgetter("in_unicast", "in_multicast", "in_broadcast", "in_errors", "in_discards")
_OUT: _Columns = attrgetter("out_unicast", "out_multicast", "out_broadcast", "out_errors", "out_discards")
_PACKETS = (
    ("in_packet_ms", ("in_packets", "in_errors", "in_discards"), _IN),
    ("out_packet_ms", ("out_packets", "out_errors", "out_discards"), _OUT),
)
_OBJECTS = (
    Absent.IN_OCTETS, Absent.OUT_OCTETS, Absent.IN_PACKETS, Absent.OUT_PACKETS, Absent.IN_ERRORS, Absent.OUT_ERRORS,
    Absent.IN_DISCARDS, Absent.OUT_DISCARDS,
)  # fmt: skip
_counted: _Columns = attrgetter(
    "in_octets", "out_octets", "in_unicast", "out_unicast", "in_errors", "out_errors", "in_discards", "out_discards"
)


def absent_objects(counters: PortCounters) -> int:
    """The flags of Absent for what this reading lacks."""
    values = _counted(counters)
    if None not in values:
        return 0
    return sum(int(flag) for flag, value in zip(_OBJECTS, values, strict=True) if value is None)


def octets_between(first: PortCounters, second: PortCounters, over: Span, rate: LineRate) -> tuple[Delta, Delta]:
    """Octets in and out, each by itself."""
    if first.octet_bits != second.octet_bits:
        return Refusal.WIDTH, Refusal.WIDTH
    bits, per_s, wrap_s, most = second.octet_bits, rate.octets_per_s, rate.octets_wrap_s, rate.octets_most_per_s
    return (
        delta(first.in_octets, second.in_octets, bits, over, per_s=per_s, wrap_s=wrap_s, most_per_s=most),
        delta(first.out_octets, second.out_octets, bits, over, per_s=per_s, wrap_s=wrap_s, most_per_s=most),
    )


def packets_between(first: PortCounters, second: PortCounters, over: Span, rate: LineRate) -> dict[str, int] | Refusal:
    """Packets, errors and discards by the field of PortCounts, and the time in which they are known. Shares are made
    of them, so those of one direction are known together or not at all; what did not rise may be left out."""
    if first.packet_bits != second.packet_bits:
        return Refusal.WIDTH
    rises: dict[str, int] = {}
    bits, per_s, wrap_s = second.packet_bits, rate.packets_per_s, rate.packets_wrap_s
    ms = round(over.seconds * 1000)
    for way, names, columns in _PACKETS:
        before, after = columns(first), columns(second)
        if before == after and None not in after and over.refused is None and over.seconds <= wrap_s:
            rises[way] = ms  # nothing passed: all deltas are 0
            continue
        parts: list[int] = []
        for place, (a, b) in enumerate(zip(before, after, strict=True)):
            if a is None and b is None and place not in _NEEDED:
                parts.append(0)
                continue
            width = ERROR_BITS if place >= _FIRST_ERROR else bits
            change = delta(a, b, width, over, per_s=per_s, wrap_s=wrap_s, most_per_s=rate.packets_most_per_s)
            if not isinstance(change, int):
                break
            parts.append(change)
        else:
            rises |= zip(names, (parts[0] + parts[1] + parts[2], parts[3], parts[4]), strict=True)
            rises[way] = ms
    return rises


def bps(octets: Delta, ms: int) -> float | None:
    """The rate over ``ms`` milliseconds in bit/s; None where the octets are not known."""
    return 8000.0 * octets / ms if isinstance(octets, int) else None
