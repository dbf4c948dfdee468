"""What one device said last beyond its ports, for whoever looks: its identity, its readings, its neighbours and routes.

Nothing here is a figure of a window (kpi/gear_accumulator.py makes those), and nothing of it is stored: an agent that
begins asks anew. It is as the device said it: what leaves the box passes agent/privacy.py first (agent/README.md).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

from kpi.gear import (
    PER_CLIENT,
    BgpPeer,
    Bridge,
    Fact,
    Facts,
    Inventory,
    Kind,
    Neighbor,
    OspfNeighbor,
    Reading,
    Readings,
)
from kpi.levels import LONGEST_PERIOD_S
from kpi.states import VALID_PERIODS

MOST_READINGS = 4096
"""Of one device; so that no agent can fill the memory."""
MOST_FACTS = 4096
INTERVALS = 2
SHOWN = frozenset({"neighbors", "bgp_peers", "ospf_neighbors", "bridge"})
"""Sorts of facts that are kept. Those that name clients (stations, forwarding tables) are not among them."""
FIRST_SCREEN = frozenset({
    Kind.CLIENTS, Kind.ON_BATTERY, Kind.ON_BATTERY_SECONDS, Kind.BATTERY_LOW, Kind.BATTERY_RUNTIME, Kind.BATTERY_CHARGE,
})  # fmt: skip
"""Kinds that are asked for every two seconds while a page is open."""
COUNTERS = frozenset({
    Kind.DOT11_RETRIES, Kind.DOT11_TRANSMITTED, Kind.DOT11_FAILED, Kind.DOT11_FCS_ERRORS, Kind.DOT11_RECEIVED,
    Kind.LINE_BADS,
})  # fmt: skip
"""Counters that say nothing by themselves; figures are made of them."""
Row = TypeVar("Row", bound=Fact)


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading, and when it was read (monotonic seconds)."""

    reading: Reading
    at: float


@dataclass(frozen=True, slots=True)
class Client:
    """One wireless client: ``identity`` is its MAC address, or what else its access point knows it by."""

    identity: str
    rssi_dbm: float | None
    snr_db: float | None
    at: float


@dataclass(frozen=True, slots=True)
class _Table:
    """What one table of a profile told last. It is read whole: with the states, with the counters, or once an hour;
    the longer of its last two intervals shows which (an extra poll shortens one of them)."""

    at: float
    rows: tuple[Seen, ...]
    intervals: tuple[float, ...] = ()
    glance: tuple[Reading, ...] = ()
    """Those of FIRST_SCREEN."""

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
        """What still holds at ``now``, in the order of the device; of its clients' signals the median."""
        found: list[Seen] = []
        for name, table in self._tables.items():
            if table.valid_at(now):
                found += (seen for seen in table.rows if seen.reading.kind not in PER_CLIENT)
                found += _medians(name, table)
        return found

    def clients(self, now: float) -> list[Client]:
        """Its clients one by one, as far as it tells of each."""
        found: dict[str, dict[Kind, Seen]] = defaultdict(dict)
        for table in self._tables.values():
            for seen in table.rows if table.valid_at(now) else ():
                if seen.reading.kind in PER_CLIENT:
                    found[seen.reading.client or seen.reading.instance][seen.reading.kind] = seen
        return [
            Client(
                identity,
                kinds[Kind.CLIENT_RSSI].reading.value if Kind.CLIENT_RSSI in kinds else None,
                kinds[Kind.CLIENT_SNR].reading.value if Kind.CLIENT_SNR in kinds else None,
                max(seen.at for seen in kinds.values()),
            )
            for identity, kinds in found.items()
        ]

    def first_screen(self, now: float) -> list[Reading]:
        """The same of the kinds in FIRST_SCREEN alone."""
        return [r for table in self._tables.values() if table.glance and table.valid_at(now) for r in table.glance]

    @property
    def neighbors(self) -> Sequence[Neighbor]:
        """As they were told last."""
        return self._rows("neighbors", Neighbor)

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
            found = tuple(Seen(row, at) for row in rows)
            if before is not None and name in readings.missed:  # not read to its end: what was there may still hold
                new = {seen.reading.instance for seen in found}
                found += tuple(seen for seen in before.rows if seen.reading.instance not in new)
            intervals = (*before.intervals, at - before.at)[-INTERVALS:] if before is not None else ()
            glance = tuple(seen.reading for seen in found if seen.reading.kind in FIRST_SCREEN)
            self._tables[name] = _Table(at, found, intervals, glance)


def table_of(reading: Reading) -> str:
    """An instance is "table.column.index"."""
    return reading.instance.partition(".")[0]


def _medians(name: str, table: _Table) -> Iterable[Seen]:
    """Of each kind that is told of single clients, one reading of all of them."""
    for kind in PER_CLIENT:
        values = [seen.reading.value for seen in table.rows if seen.reading.kind is kind]
        if values:
            yield Seen(Reading(kind, f"{name}.{kind}", "", round(median(values), 1)), table.at)
