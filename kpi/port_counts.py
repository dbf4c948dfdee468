"""What one window knows of one port: additive counts, their merging and their compact form by columns.

Octets and times add; a rate is 8 octets / time, so any coarser window is a sum of finer ones. The 5-minute averages
themselves (``bins``) are kept beside, for percentiles of rates (kpi/README.md p95_rate_bps).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntFlag
from typing import Any

from kpi.echo import Reasons
from kpi.stored import MOST, flag, optional, sequence, table, text, versioned, whole, wholes

PLAIN_VERSION = 1
BIN_S = 300
HALF_DUPLEX, FULL_DUPLEX = "half_duplex", "full_duplex"
"""The flags of a port that tells its duplex (dot3StatsDuplexStatus)."""
BILLED = "billed"
"""The flag of a port that is paid for by its 95th percentile."""

Bin = tuple[int, int, int]
"""A 5-minute average: bit/s in and out, -1 where unknown, and the speed in bit/s, 0 where unknown or changed."""


class Absent(IntFlag):
    """Objects that the agent did not have in any reading of the window."""

    NONE = 0
    IN_OCTETS = 1
    OUT_OCTETS = 2
    IN_PACKETS = 4
    OUT_PACKETS = 8
    IN_ERRORS = 16
    OUT_ERRORS = 32
    IN_DISCARDS = 64
    OUT_DISCARDS = 128
    ALL = 255


@dataclass(frozen=True, slots=True)
class PortCounts:
    """One port in one window. A counter interval counts in the window in which it ends.

    Intervals longer than one and a half windows, and those over a restart of the probe, are in ``gap_*`` alone: they
    belong to totals, never to rates, bins or peaks (kpi/README.md R8).
    """

    polls: int = 0
    """Counter intervals that gave a rate."""
    in_octets: int = 0
    in_ms: int = 0
    """Time that ``in_octets`` passed in, by the agent's clock where that is to be trusted."""
    out_octets: int = 0
    out_ms: int = 0
    in_capacity_bits: int = 0
    """What the line could have carried in the time of ``in_capacity_octets``: intervals of known, unchanged speed."""
    in_capacity_octets: int = 0
    out_capacity_bits: int = 0
    out_capacity_octets: int = 0
    in_max_bps: int = 0
    """Highest 5-minute average."""
    out_max_bps: int = 0
    in_packets: int = 0
    """Delivered, in intervals where errors are known too; unicast, multicast and broadcast."""
    in_errors: int = 0
    in_discards: int = 0
    out_packets: int = 0
    """Requested, those discarded or failed included (RFC 2863)."""
    out_errors: int = 0
    out_discards: int = 0
    in_packet_ms: int = 0
    """Time in which ``in_packets``, errors and discards are known."""
    out_packet_ms: int = 0
    transitions: int = 0
    """Changes of ifOperStatus between up and not up, seen or inferred from ifLastChange."""
    downs: int = 0
    up_ms: int = 0
    down_ms: int = 0
    unknown_ms: int = 0
    off_ms: int = 0
    """Switched off (ifAdminStatus not up)."""
    merit: int = 0
    """Figure of merit as the window ends (RFC 2439), rounded."""
    flapping: bool = False
    """As the window ends."""
    flapped: bool = False
    """At some time in the window."""
    gap_in_octets: int = 0
    gap_out_octets: int = 0
    gap_ms: int = 0
    speed_bps: int | None = None
    """As the window ends; 0 is unknown. None: nothing is known of the port at all."""
    absent: int = int(Absent.ALL)
    refused: Reasons = ()
    """Counter intervals that gave nothing, by reason."""
    flags: tuple[str, ...] = ()
    """``uptime``: sysUpTime is absent or not to be trusted, the probe's own time was used; ``speed_assumed``: a 32-bit
    counter on a line of unknown speed; ``access``: transitions are not counted on an access port; ``billed``: its bins
    are kept for 30 days and the month."""
    bins: tuple[Bin, ...] = ()
    physical: bool = False
    """Something can be plugged into it (kpi/physical.py)."""


_DEFAULTS = {field.name: getattr(PortCounts(), field.name) for field in fields(PortCounts)}
_NO_SUMS = {"in_max_bps", "out_max_bps", "merit", "absent"}
_SUMS = [name for name, default in _DEFAULTS.items() if type(default) is int and name not in _NO_SUMS]


def merge_ports(a: PortCounts, b: PortCounts) -> PortCounts:
    """Both windows as one; ``a`` is the earlier. Associative and exact; PortCounts() is neutral."""
    if b.speed_bps is None:
        return a
    if a.speed_bps is None:
        return b
    sums: dict[str, Any] = {name: getattr(a, name) + getattr(b, name) for name in _SUMS}
    return PortCounts(
        **sums,
        in_max_bps=max(a.in_max_bps, b.in_max_bps),
        out_max_bps=max(a.out_max_bps, b.out_max_bps),
        merit=b.merit,
        flapping=b.flapping,
        flapped=a.flapped or b.flapped,
        speed_bps=b.speed_bps,
        absent=a.absent & b.absent,
        refused=_added(a.refused, b.refused),
        flags=a.flags if a.flags == b.flags else tuple(sorted({*a.flags, *b.flags})),
        bins=a.bins + b.bins,
        physical=b.physical,
    )


def _added(a: Reasons, b: Reasons) -> Reasons:
    if not a or not b:
        return a or b
    counts = dict(a)
    for reason, n in b:
        counts[reason] = counts.get(reason, 0) + n
    return tuple(sorted(counts.items()))


_DERIVED = {
    "in_capacity_bits", "in_capacity_octets", "out_capacity_bits", "out_capacity_octets", "in_max_bps", "out_max_bps",
    "in_packet_ms", "out_packet_ms",
}  # fmt: skip
_WHOLE = frozenset(name for name, default in _DEFAULTS.items() if type(default) is int)
_OWN_BIN = 1
"""In the column of bins: the one that octets, time and speed give."""


def ports_window_to_plain(ports: Mapping[str, PortCounts]) -> dict[str, Any]:
    """All ports of a device in one window, by columns: ``{"v": 1, "port": [keys], column: [values], ...}``.

    A column that is the default in every port is left off; one that is the same in every port is a single value in
    a list of its own. Capacities, peaks and the time of packets are kept as differences from what octets, speed and
    time say, which is none in a window of 5 minutes; so is its one bin.
    """
    rows = list(ports.values())
    plain: dict[str, Any] = {"v": PLAIN_VERSION, "port": list(ports)}
    for name, default in _DEFAULTS.items():
        column = [_packed(row, name) for row in rows]
        if not column or all(value == _plain(default) for value in column):
            continue
        plain[name] = column[:1] if len(column) > 1 and column.count(column[0]) == len(column) else column
    return plain


def ports_window_from_plain(plain: Any) -> dict[str, PortCounts]:
    """The reverse of ports_window_to_plain. ValueError for everything else (kpi/stored.py)."""
    keys, columns = _columns(plain)
    return {key: _row({name: column[i] for name, column in columns.items()}) for i, key in enumerate(keys)}


def plain_without_bins(plain: Any) -> dict[str, Any]:
    """For windows that are kept for ever; p95 of such a window is then no longer to be had, but for billed ports.
    ValueError as above."""
    return {name: column for name, column in table(plain).items() if name != "bins"}


def billed_ports(plain: Any) -> tuple[str, ...]:
    """The keys of the ports of a packed window that are billed. ValueError as above."""
    keys, columns = _columns(plain)
    return tuple(key for key, flags in zip(keys, columns.get("flags", ()), strict=False) if BILLED in sequence(flags))


def bins_of(plain: Any, wanted: Collection[str]) -> dict[str, tuple[Bin, ...]]:
    """The bins of some ports of a packed window; the others are not unpacked. ValueError as above."""
    keys, columns = _columns(plain)
    places = [(place, key) for place, key in enumerate(keys) if key in wanted]
    return {key: _row({name: column[i] for name, column in columns.items()}).bins for i, key in places}


def _columns(plain: Any) -> tuple[Sequence[str], dict[str, Sequence[Any]]]:
    """The keys, and the columns that are there, each with a value for every port. What is whole numbers is looked at
    here, the rest in its row."""
    packed = table(versioned(plain, PLAIN_VERSION, "a port window"))
    keys = [text(key) for key in sequence(packed.get("port"))]
    if len(set(keys)) < len(keys):
        raise ValueError("a port window has each port once")
    columns = {}
    for name in _DEFAULTS.keys() & packed.keys():
        column = sequence(packed[name], 1)
        if len(column) not in {1, len(keys)}:
            raise ValueError(f"a port window of {len(keys)} ports has {len(column)} times {name}")
        if name in _WHOLE:
            wholes(column, -MOST if name in _DERIVED else 0)
        columns[name] = column if len(column) == len(keys) else list(column) * len(keys)
    return keys, columns


def with_bins(plain: Mapping[str, Any], bins: Mapping[str, Sequence[Bin]]) -> dict[str, Any]:
    """A packed window with these bins by port, and no others."""
    return {**plain_without_bins(plain), "bins": [list(bins.get(key, ())) for key in plain["port"]]}


def _packed(row: PortCounts, name: str) -> Any:
    value = getattr(row, name)
    if name == "bins" and value and value == own_bins(row):
        return _OWN_BIN
    return value - _expected(row, name) if name in _DERIVED else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return list(value) if isinstance(value, tuple) else value  # pairs and bins stay tuples: JSON writes them as arrays


def _row(values: dict[str, Any]) -> PortCounts:
    bins = values.pop("bins", ())
    values["refused"] = tuple(_reason(part) for part in sequence(values.get("refused", ())))
    values["bins"] = () if bins == _OWN_BIN else tuple(_bin(part) for part in sequence(bins))
    values["flags"] = tuple(text(part) for part in sequence(values.get("flags", ())))
    values["speed_bps"] = optional(values.get("speed_bps"), 0)
    for name in ("flapping", "flapped", "physical"):
        values[name] = flag(values.get(name, 0))
    row = PortCounts(**values)
    derived: dict[str, Any] = {name: max(getattr(row, name) + _expected(row, name), 0) for name in _DERIVED}
    row = replace(row, **derived)
    return replace(row, bins=own_bins(row)) if bins == _OWN_BIN else row


def _reason(plain: Any) -> tuple[str, int]:
    name, n = sequence(plain, 2, 2)
    return text(name), whole(n)


def _bin(plain: Any) -> Bin:
    into, out, speed = sequence(plain, 3, 3)
    return whole(into, -1), whole(out, -1), whole(speed)


def _expected(row: PortCounts, name: str) -> int:
    way = name[: name.index("_")]
    if name.endswith("max_bps"):
        return max(average_bps(getattr(row, f"{way}_octets"), getattr(row, f"{way}_ms")), 0)
    if name.endswith("packet_ms"):
        return int(getattr(row, f"{way}_ms"))
    if not row.speed_bps:
        return 0
    if name.endswith("octets"):
        return int(getattr(row, f"{way}_octets"))
    return capacity_bits(row.speed_bps, getattr(row, f"{way}_ms"))


def capacity_bits(speed_bps: int, ms: int) -> int:
    """What a line carries in this time."""
    return speed_bps * ms // 1000


def average_bps(octets: int, ms: int) -> int:
    """bit/s, -1 where there was no time."""
    return round(8000 * octets / ms) if ms > 0 else -1


def own_bins(row: PortCounts) -> tuple[Bin, ...]:
    """The bin of a 5-minute window out of its sums; none where it has no interval. The speed is 0 where it changed."""
    if not row.polls:
        return ()
    speed = row.speed_bps or 0
    for octets, ms, capacity_octets, capacity in (
        (row.in_octets, row.in_ms, row.in_capacity_octets, row.in_capacity_bits),
        (row.out_octets, row.out_ms, row.out_capacity_octets, row.out_capacity_bits),
    ):
        # each interval is rounded down by less than a bit; an idle one at another speed shows in the capacity alone
        if capacity_octets != octets or abs(capacity_bits(speed, ms) - capacity) > row.polls:
            speed = 0
    return ((average_bps(row.in_octets, row.in_ms), average_bps(row.out_octets, row.out_ms), speed),)


def p95_bps(rates: Iterable[int]) -> tuple[int, int] | None:
    """Element ceil(0.95 n) of the ascending rates, and n; None for none (burstable-billing practice)."""
    ordered = sorted(rates)
    if not ordered:
        return None
    return ordered[-(-95 * len(ordered) // 100) - 1], len(ordered)


def p95_across_links(links: Iterable[Mapping[int, Bin]]) -> tuple[int, int] | None:
    """p95 over the sum of several links, bins keyed by their start: summed before ranking, in and out apart, then the
    greater one. A bin that one link lacks is left out. The rate in bit/s and the number of bins, None for none."""
    tracks = list(links)
    if not tracks:
        return None
    common = set(tracks[0]).intersection(*tracks[1:])
    ways = [p95_bps(sum(t[at][way] for t in tracks) for at in common if all(t[at][way] >= 0 for t in tracks))
            for way in (0, 1)]  # fmt: skip
    known = [way for way in ways if way is not None]
    return max(known) if known else None
