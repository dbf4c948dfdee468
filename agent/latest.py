"""What one device said last beyond its ports, for whoever looks: its identity, its readings, its neighbours and routes.

Nothing here is a figure of a window (kpi/gear_accumulator.py makes those), and nothing of it is stored: an agent that
begins asks anew. What tells of one client alone, and MAC addresses of clients, are left out (DESIGN section 7).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

from kpi.fabric import is_end_station
from kpi.gear import BgpPeer, Bridge, Fact, Facts, Inventory, Kind, Neighbor, OspfNeighbor, Reading, Readings
from kpi.levels import LONGEST_PERIOD_S
from kpi.states import VALID_PERIODS

MOST_READINGS = 4096
"""Of one device; so that no agent can fill the memory."""
MOST_FACTS = 4096
INTERVALS = 2
SHOWN = frozenset({"neighbors", "bgp_peers", "ospf_neighbors", "bridge"})
"""Sorts of facts that are kept. Those that name clients (stations, forwarding tables) are not among them."""
PER_CLIENT = (Kind.CLIENT_RSSI, Kind.CLIENT_SNR)
"""Each reading is of one client: of all of them together the median is told."""
COUNTERS = frozenset({
    Kind.DOT11_RETRIES, Kind.DOT11_TRANSMITTED, Kind.DOT11_FAILED, Kind.DOT11_FCS_ERRORS, Kind.DOT11_RECEIVED,
    Kind.LINE_BADS,
})  # fmt: skip
"""Counters that say nothing by themselves; figures are made of them."""
_MAC = re.compile(
    r"(?:[0-9a-f]{2}[:-]){4}([0-9a-f]{2}[:-][0-9a-f]{2})|(?:[0-9a-f]{4}\.){2}([0-9a-f]{4})"
    r"|[0-9a-f]{8}([0-9a-f]{4})",
    re.IGNORECASE,
)
_ARCS = re.compile(r"(?:\d{1,3}\.){5,}\d{1,3}")
"""An index that nobody named, and that may well be a MAC address."""
Row = TypeVar("Row", bound=Fact)


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading, and when it was read (monotonic seconds)."""

    reading: Reading
    at: float


@dataclass(frozen=True, slots=True)
class _Table:
    """What one table of a profile told last. It is read whole: with the states, with the counters, or once an hour;
    the longer of its last two intervals shows which (an extra poll shortens one of them)."""

    at: float
    rows: tuple[Seen, ...]
    intervals: tuple[float, ...] = ()

    def valid_at(self, now: float) -> bool:
        """Whether it is not older than two of its periods."""
        period = max(self.intervals) if len(self.intervals) == INTERVALS else LONGEST_PERIOD_S
        return now - self.at <= VALID_PERIODS * min(period, LONGEST_PERIOD_S)


class Latest:
    """One device. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.inventory: Inventory | None = None
        self.at: float | None = None
        """When it said anything last."""
        self.told: frozenset[Kind] = frozenset()
        """Of what kinds it has ever had readings."""
        self._tables: dict[str, _Table] = {}
        self._facts: dict[str, Facts] = {}

    def take(self, at: float, value: Inventory | Readings | Facts) -> None:
        """What one poll found, asked for at ``at``."""
        self.at = at
        if isinstance(value, Inventory):
            self.inventory = value
        elif isinstance(value, Readings):
            self._take_readings(at, value)
        elif value.sort in SHOWN and (value.complete or value.sort not in self._facts):
            self._facts[value.sort] = replace(value, rows=value.rows[:MOST_FACTS])

    def readings(self, now: float) -> list[Seen]:
        """What still holds at ``now``, in the order of the device."""
        return [seen for table in self._tables.values() if table.valid_at(now) for seen in table.rows]

    @property
    def neighbors(self) -> Sequence[Neighbor]:
        """As they were told last. What is no part of the network's own gear (a telephone, a computer) keeps its name
        alone: its port and chassis are its MAC addresses."""
        return [_without_macs(row) for row in self._rows("neighbors", Neighbor)]

    @property
    def bgp_peers(self) -> Sequence[BgpPeer]:
        return self._rows("bgp_peers", BgpPeer)

    @property
    def ospf_neighbors(self) -> Sequence[OspfNeighbor]:
        return self._rows("ospf_neighbors", OspfNeighbor)

    @property
    def bridge(self) -> Bridge | None:
        return next(iter(self._rows("bridge", Bridge)), None)

    def _rows(self, sort: str, of: type[Row]) -> list[Row]:
        facts = self._facts.get(sort)
        return [row for row in facts.rows if isinstance(row, of)] if facts is not None else []

    def _take_readings(self, at: float, readings: Readings) -> None:
        told: dict[str, list[Reading]] = defaultdict(list)
        self.told |= {reading.kind for reading in readings.readings}
        for reading in readings.readings[:MOST_READINGS]:
            if reading.kind not in COUNTERS:
                told[table_of(reading)].append(reading)
        for name, rows in told.items():
            before = self._tables.get(name)
            found = tuple(Seen(row, at) for row in _without_clients(rows))
            if before is None:
                self._tables[name] = _Table(at, found)
                continue
            if name in readings.missed:  # not read to its end: what it said before may still hold
                new = {seen.reading.instance for seen in found}
                found += tuple(seen for seen in before.rows if seen.reading.instance not in new)
            self._tables[name] = _Table(at, found, (*before.intervals, at - before.at)[-INTERVALS:])


def table_of(reading: Reading) -> str:
    """An instance is "table.column.index"."""
    return reading.instance.partition(".")[0]


def public_name(name: str) -> str:
    """A name without the whole of a MAC address: its last octets tell the rows of a table apart as well."""
    if _ARCS.search(name):
        return ""
    return _MAC.sub(lambda found: "…" + (found[1] or found[2] or found[3]), name)


def _without_clients(rows: Iterable[Reading]) -> list[Reading]:
    """The readings as they may be shown."""
    found: list[Reading] = []
    clients: dict[Kind, list[Reading]] = defaultdict(list)
    for row in rows:
        if row.kind in PER_CLIENT:
            clients[row.kind].append(row)
        else:
            found.append(replace(row, name=public_name(row.name)))
    for kind, each in clients.items():
        middle = median(row.value for row in each)
        found.append(Reading(kind, f"{table_of(each[0])}.{kind}", "", round(middle, 1)))
    return found


def _without_macs(neighbor: Neighbor) -> Neighbor:
    if not is_end_station(neighbor):
        return replace(neighbor, remote_end="")
    return replace(
        neighbor,
        remote_name=public_name(neighbor.remote_name),
        remote_descr=public_name(neighbor.remote_descr),
        remote_port="",
        remote_chassis="",
        remote_end="",
    )
