"""Readings of access points, controllers and fixed links: clients, signal, channel use, retries (kpi/README.md).

What comes of one poll; the time between polls is kpi/levels.py's. Levels: ``clients``, ``busiest`` (of one radio or
network), ``channel``, ``channel_top``, ``other`` (percent of the time), ``noise``, ``noise_top`` (dBm), ``link`` (dBm),
``aps``, ``aps_known``, ``aps_alone``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from kpi.counters import Refusal, UptimeTracker, delta, span
from kpi.gear import Kind, Reading

ByKind = Mapping[Kind, Sequence[Reading]]

WEAKEST_DBM = -110.0
"""Below it no receiver works: the reading is none (kpi/README.md)."""
WEAK_DBM = -75.0
WEAKEST_SNR_DB, STRONGEST_SNR_DB = -20.0, 100.0
"""What lies outside is no reading [D]: no client stays connected so far below the noise."""
MOST_CLIENTS = 100_000
RADIOS_JUDGED = 4
"""What has more radios is a controller: one full channel of a hundred says nothing of it."""
FRAMES_PER_S = 1_000_000.0
"""No radio sends more; 2^32 of them take an hour, longer than any interval that counts."""
COUNTER_BITS = 32


def row_of(reading: Reading) -> str:
    """What readings of one row of a table have in common: an instance is "table.column.index"."""
    parts = reading.instance.split(".", 2)
    return parts[2] if len(parts) == 3 else reading.instance


def is_row(reading: Reading) -> bool:
    """Whether it is of one radio or network, and not of a whole table put together ("table.column")."""
    return reading.instance.count(".") >= 2


def in_rows(*kinds: Sequence[Reading]) -> list[tuple[Reading, ...]]:
    """The rows that have a reading of each kind. Where rows do not tell, equally many readings stand in order."""
    tables = [{row_of(reading): reading for reading in readings} for readings in kinds]
    common = [row for row in tables[0] if all(row in table for table in tables[1:])]
    if common:
        return [tuple(table[row] for table in tables) for row in common]
    if len({len(readings) for readings in kinds}) == 1:
        return list(zip(*kinds, strict=True))
    return []


def clients_of(kinds: ByKind) -> dict[str, float]:
    """How many clients there are, and on the busiest radio (or network name: the profile gives one level only)."""
    found = [r for r in kinds.get(Kind.CLIENTS, ()) if 0 <= r.value <= MOST_CLIENTS]
    if not found:
        return {}
    busiest = {"busiest": max(r.value for r in found)} if all(is_row(r) for r in found) else {}
    return {"clients": sum(r.value for r in found), **busiest}


class AccessPoints:
    """Those of a controller: connected and registered may come from tables that are not read together."""

    __slots__ = ("_registered",)

    def __init__(self) -> None:
        self._registered: float | None = None

    def take(self, kinds: ByKind) -> dict[str, float]:
        """Both at once, so that they are known for the same time; ``aps_alone`` where nobody says how many."""
        if known := kinds.get(Kind.AP_REGISTERED):
            self._registered = sum(r.value for r in known)
        connected = kinds.get(Kind.AP_COUNT)
        if not connected:
            return {}
        count = sum(r.value for r in connected)
        if self._registered is None:
            return {"aps_alone": count}
        return {"aps": count, "aps_known": self._registered}


def signals_of(kinds: ByKind) -> list[float]:
    """What is heard of clients, in dBm."""
    return [r.value for r in kinds.get(Kind.CLIENT_RSSI, ()) if is_signal(r.value)]


def is_signal(dbm: float) -> bool:
    """0 and above is no reading, and neither is what no receiver hears."""
    return WEAKEST_DBM <= dbm < 0


def snr_of(kinds: ByKind) -> list[float]:
    """In dB: as the device tells it, else signal less noise where it is clear whose noise that is."""
    native = [*kinds.get(Kind.CLIENT_SNR, ()), *kinds.get(Kind.SNR, ())]
    if native:
        found = [r.value for r in native]
    else:
        noise = [r for r in kinds.get(Kind.NOISE_FLOOR, ()) if is_noise(r.value)]
        signals = [r for kind in (Kind.CLIENT_RSSI, Kind.RSSI) for r in kinds.get(kind, ()) if is_signal(r.value)]
        found = [r.value - floor for r in signals if (floor := _noise_for(r, noise)) is not None]
    return [value for value in found if WEAKEST_SNR_DB <= value <= STRONGEST_SNR_DB]


def is_noise(dbm: float) -> bool:
    """A noise floor of 0 or above is no reading."""
    return -130.0 <= dbm < 0


def _noise_for(signal: Reading, noise: Sequence[Reading]) -> float | None:
    for same in (row_of, _port):
        mine = same(signal)
        fits = [r.value for r in noise if mine is not None and same(r) == mine]
        if len(fits) == 1:
            return fits[0]
    return noise[0].value if len(noise) == 1 else None


def _port(reading: Reading) -> int | None:
    return reading.port


def noise_of(kinds: ByKind) -> dict[str, float]:
    """The noise floor over all radios, and the highest."""
    return _mean_and_worst("noise", [r for r in kinds.get(Kind.NOISE_FLOOR, ()) if is_noise(r.value)])


def channel_of(kinds: ByKind) -> dict[str, float]:
    """How busy the channels are, and how much of it is not the access point's own doing."""
    totals = [r for r in kinds.get(Kind.CHANNEL_UTILIZATION, ()) if 0 <= r.value <= 100]
    other = _other(kinds, totals)
    levels = _mean_and_worst("channel", totals)
    return {**levels, "other": fmean(other)} if other else levels


def is_all_zero(kinds: ByKind) -> bool:
    """No channel carries nothing at all: what shows 0 everywhere does not measure."""
    readings = [r for kind in _CHANNEL for r in kinds.get(kind, ())]
    return bool(readings) and all(r.value == 0 for r in readings)


_CHANNEL = (Kind.CHANNEL_UTILIZATION, Kind.CHANNEL_SELF_TX, Kind.CHANNEL_SELF_RX, Kind.CHANNEL_INTERFERENCE)


def _other(kinds: ByKind, totals: Sequence[Reading]) -> list[float]:
    own = in_rows(totals, kinds.get(Kind.CHANNEL_SELF_TX, ()), kinds.get(Kind.CHANNEL_SELF_RX, ()))
    if own:
        return [
            max(0.0, total.value - max(sent.value, 0.0) - max(received.value, 0.0)) for total, sent, received in own
        ]
    return [r.value for r in kinds.get(Kind.CHANNEL_INTERFERENCE, ()) if 0 <= r.value <= 100]


def _mean_and_worst(name: str, readings: Sequence[Reading]) -> dict[str, float]:
    if not readings:
        return {}
    levels = {name: fmean(r.value for r in readings)}
    radios = len(readings) <= RADIOS_JUDGED and all(is_row(r) for r in readings)
    return {**levels, f"{name}_top": max(r.value for r in readings)} if radios else levels


@dataclass(frozen=True, slots=True)
class Frames:
    """The changes of one counter interval, by name as in GearCounts; ``refused``: why there are none."""

    counts: Mapping[str, int]
    refused: tuple[Refusal, ...] = ()
    by_uptime: bool = True


class Dot11:
    """Frame counters (IEEE802dot11-MIB dot11CountersTable) of one device's radios, poll after poll."""

    __slots__ = ("_before", "_uptime")

    def __init__(self, uptime: UptimeTracker) -> None:
        self._uptime = uptime
        self._before: dict[str, tuple[float, int | None, dict[Kind, int]]] = {}

    def take(self, at: float, kinds: ByKind, uptime_cs: int | None, longest_s: float) -> Frames:
        """One poll. Intervals of more than ``longest_s`` belong to no window (kpi/README.md R8)."""
        counts: dict[str, int] = {}
        refused: list[Refusal] = []
        by_uptime = True
        self._before = {row: before for row, before in self._before.items() if at - before[0] <= longest_s}
        for row, values in _counters(kinds).items():
            before = self._before.get(row)
            self._before[row] = (at, uptime_cs, values)
            if before is None:
                continue
            over = span(before[1], uptime_cs, at - before[0], trusted=self._uptime.trusted)
            by_uptime = by_uptime and over.by_uptime
            changes = {
                kind: delta(before[2].get(kind), value, COUNTER_BITS, over, per_s=FRAMES_PER_S)
                for kind, value in values.items()
            }
            refused += [c for c in changes.values() if isinstance(c, Refusal) and c is not Refusal.ABSENT][:1]
            for name, change in _shares(changes):
                counts[name] = counts.get(name, 0) + change
        return Frames(counts, tuple(refused), by_uptime)


def _counters(kinds: ByKind) -> dict[str, dict[Kind, int]]:
    rows: dict[str, dict[Kind, int]] = {}
    for kind in DOT11:
        readings = kinds.get(kind, ())
        for reading in readings:
            row = row_of(reading) if len(readings) > 1 or reading.instance.count(".") > 1 else ""
            rows.setdefault(row, {})[kind] = int(reading.value)
    return rows


DOT11 = (
    Kind.DOT11_RETRIES, Kind.DOT11_TRANSMITTED, Kind.DOT11_FAILED, Kind.DOT11_FCS_ERRORS, Kind.DOT11_RECEIVED,
)  # fmt: skip


def _shares(changes: Mapping[Kind, int | Refusal]) -> Iterable[tuple[str, int]]:
    """Numerators with their denominators, where both are known."""
    known = {kind: change for kind, change in changes.items() if isinstance(change, int)}
    for part, whole, add in _PAIRS:
        if part in known and whole in known:
            yield from add(known[part], known[whole])


_Add = Callable[[int, int], tuple[tuple[str, int], tuple[str, int]]]
_PAIRS: tuple[tuple[Kind, Kind, _Add], ...] = (
    (Kind.DOT11_RETRIES, Kind.DOT11_TRANSMITTED, lambda part, whole: (("retried", part), ("frames", whole))),
    (Kind.DOT11_FAILED, Kind.DOT11_TRANSMITTED, lambda part, whole: (("failed", part), ("tried", whole + part))),
    (Kind.DOT11_FCS_ERRORS, Kind.DOT11_RECEIVED, lambda part, whole: (("damaged", part), ("fragments", whole + part))),
)
