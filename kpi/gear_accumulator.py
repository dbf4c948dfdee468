"""One device's readings turned into windows: levels, distributions and counts of what it tells beyond its ports.

Feed a GearAccumulator what each poll read with the monotonic time at which it was asked; close it at each window's end.
A counter interval counts in the window in which it ends (kpi/ports.py says why).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from kpi import climate, power, wireless
from kpi.counters import UptimeTracker
from kpi.gear import Kind, Reading, Readings
from kpi.gear_counts import GearCounts, Mark, Topic, merge_gear
from kpi.levels import HeldLevels, Segments, levels_of
from kpi.links import Links
from kpi.stored import number, sequence, signed, table, versioned, whole
from kpi.value_counts import ValueCounts, step_of

PLAIN_VERSION = 1
LONGEST_INTERVAL = 1.5
"""In windows, as for ports: frames of a longer interval belong to no window."""
NO_NUMBER = "no_number"
FORGOTTEN_S = 86_400.0
"""What a device that answers has not told of for so long, it does not have any more."""

_TOPICS: Mapping[Kind, Topic] = {
    Kind.CLIENTS: Topic.CLIENTS,
    Kind.CLIENT_RSSI: Topic.SIGNAL,
    Kind.CLIENT_SNR: Topic.SNR,
    Kind.SNR: Topic.SNR,
    Kind.RSSI: Topic.LINK,
    Kind.CHANNEL_UTILIZATION: Topic.CHANNEL,
    Kind.NOISE_FLOOR: Topic.NOISE,
    Kind.DOT11_RETRIES: Topic.RETRY,
    Kind.AP_COUNT: Topic.APS,
    Kind.LINE_BADS: Topic.LINE_FAILURES,
    Kind.ON_BATTERY: Topic.BATTERY,
    Kind.ON_BATTERY_SECONDS: Topic.BATTERY_SECONDS,
    Kind.BATTERY_RUNTIME: Topic.RUNTIME,
    Kind.POE_USED: Topic.POE,
    Kind.TEMPERATURE: Topic.COOLING,
    Kind.FAN_SPEED: Topic.COOLING,
    Kind.CPU_USED: Topic.RESOURCES,
    Kind.MEMORY_USED: Topic.RESOURCES,
    Kind.STORAGE_USED: Topic.RESOURCES,
}
_TOLD: Mapping[Topic, str] = {
    Topic.SIGNAL: "told_signal",
    Topic.SNR: "told_snr",
    Topic.RETRY: "told_retry",
    Topic.LINE_FAILURES: "told_line",
    Topic.BATTERY_SECONDS: "told_seconds",
}
"""What is no level itself is known while a level of this name is held: the polls of its table (kpi/README.md R3)."""
_SUMMED = (Kind.CLIENTS, Kind.AP_COUNT, Kind.AP_REGISTERED, Kind.POE_NOMINAL, Kind.POE_USED)
"""A sum over rows of which some could not be read is no sum."""


@dataclass(frozen=True, slots=True)
class GearMemory:
    """What is persisted of a device with each window, so that totals, and what is usual, survive a restart."""

    topics: Mapping[int, float] = field(default_factory=dict)
    """When each Topic was last told of."""
    supply: power.Supply = power.Supply()  # noqa: RUF009 - frozen
    links: Links = field(default_factory=Links)
    pending: tuple[tuple[float, int, int, int], ...] = ()
    """Of the window that was open: when, input failures, changes to battery, milliseconds on battery. The failure that
    made the probe stop would be lost with its window."""

    def moved(self, by_s: float) -> "GearMemory":
        """The same on another clock, ``by_s`` seconds ahead."""
        topics = {topic: at + by_s for topic, at in self.topics.items()}
        pending = tuple((at + by_s, n, starts, ms) for at, n, starts, ms in self.pending)
        return GearMemory(topics, self.supply.moved(by_s), self.links.moved(by_s), pending)

    def to_plain(self) -> dict[str, Any]:
        """Compact JSON types."""
        plain: dict[str, Any] = {"v": PLAIN_VERSION, "topics": [[t, round(at)] for t, at in self.topics.items()]}
        if self.supply != power.Supply():
            plain["supply"] = self.supply.to_plain()
        if self.links:
            plain["links"] = self.links.to_plain()
        if self.pending:
            plain["pending"] = [[round(at, 3), *rest] for at, *rest in self.pending]
        return plain

    @staticmethod
    def from_plain(plain: Any) -> "GearMemory":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        row = table(versioned(plain, PLAIN_VERSION, "gear memory"))
        supply = power.Supply.from_plain(row["supply"]) if "supply" in row else power.Supply()
        told = [sequence(topic, 2, 2) for topic in sequence(row.get("topics"))]
        topics = {whole(topic): number(at) for topic, at in told}
        pending = []
        for one in sequence(row.get("pending", ())):
            at, failures, starts, ms = sequence(one, 4, 4)
            pending.append((number(at), signed(failures), whole(starts), signed(ms)))
        return GearMemory(topics, supply, Links.from_plain(row.get("links", {})), tuple(pending))


@dataclass(slots=True)
class _Open:
    """A window as it is measured."""

    start: float
    polls: int = 0
    have: int = 0
    segments: Segments = field(default_factory=lambda: defaultdict(list))
    marks: Mark = Mark.NONE
    supply: list[tuple[float, power.Said]] = field(default_factory=list)
    signal: Counter[int] = field(default_factory=Counter)
    weak: int = 0
    snr: Counter[int] = field(default_factory=Counter)
    links: dict[str, tuple[int, int]] = field(default_factory=dict)
    frames: Counter[str] = field(default_factory=Counter)
    silent_channel: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def counts(self) -> GearCounts:
        """What is kept of it."""
        return GearCounts(
            polls=self.polls,
            have=self.have,
            marks=int(self.marks),
            levels=levels_of(self.segments),
            signal=ValueCounts.from_steps(self.signal),
            weak=self.weak,
            snr=ValueCounts.from_steps(self.snr),
            links=self.links,
            silent_channel=self.silent_channel,
            refused=tuple(sorted((reason, n) for reason, n in self.refused.items() if n)),
            **self.frames,
            **_supplied(self.supply),
        )


class GearAccumulator:
    """One device, window after window."""

    __slots__ = (
        "_access_points", "_channel_silent", "_clients", "_closed", "_dot11", "_end", "_fans", "_levels", "_links",
        "_open", "_poe", "_power", "_rows", "_tables", "_topics", "_unread", "_uptime",
    )  # fmt: skip

    def __init__(self, uptime: UptimeTracker, start: float, end: float, memory: GearMemory | None = None) -> None:
        """``uptime`` is the device's one tracker, shared with its ports; [start, end) the first window in monotonic
        seconds; ``memory`` what was known before the probe restarted, on the present monotonic clock."""
        known = memory or GearMemory()
        self._uptime = uptime
        self._open, self._end = _Open(start), end
        self._open.supply += [(at, power.Said(n, starts, ms)) for at, n, starts, ms in known.pending]
        self._closed: list[_Open] = []
        self._levels = HeldLevels()
        self._rows: dict[Kind, frozenset[str]] = {}
        self._tables: dict[str, int] = {}
        """The Topics that each table told of."""
        self._unread = 0
        self._topics: dict[int, float] = dict(known.topics)
        self._links = known.links
        self._power = power.PowerTracker(uptime, known.supply)
        self._dot11 = wireless.Dot11(uptime)
        self._poe = power.Poe()
        self._access_points = wireless.AccessPoints()
        self._fans = climate.Fans()
        self._clients = 0.0
        self._channel_silent = False

    @property
    def on_battery_since(self) -> float | None:
        """Since when its output comes from the battery; None on mains, or where the device does not tell."""
        return self._power.supply.on_battery_since

    def take(self, at: float, readings: Readings) -> None:
        """All readings of one poll, asked for at ``at``."""
        self._window_of(at)
        self._uptime.take(at, readings.uptime_cs)
        kinds = self._by_kind(readings)
        told = {int(_TOPICS[kind]): at for kind in kinds if kind in _TOPICS}
        self._topics = {topic: seen for topic, seen in (self._topics | told).items() if at - seen <= FORGOTTEN_S}
        window = self._open
        window.polls += 1
        self._take_signals(at, kinds)
        self._levels.take(at, self._levels_in(kinds) | self._told_in(readings), window.segments)
        frames = self._take_frames(at, kinds, readings.uptime_cs)
        said = self._power.take(at, kinds, readings.uptime_cs, window.start)
        marks = self._marks_in(kinds)
        window.marks |= marks if frames.by_uptime and said.by_uptime else marks | Mark.UPTIME
        window.supply.append((at, said))
        if said.refused is not None:
            window.refused[said.refused.value] += 1

    def memory(self) -> GearMemory:
        """What is to be persisted."""
        pending = tuple(
            (at, said.failures or 0, said.starts, said.battery_ms)
            for window in (*self._closed, self._open)
            for at, said in window.supply
            if said.failures or said.starts or said.battery_ms
        )
        return GearMemory(dict(self._topics), self._power.supply, self._links, pending)

    def close(self, end: float, next_end: float | None = None) -> GearCounts:
        """The window that ends at ``end`` (its planned end, or now where a clock jump cuts it short), once. The next
        one begins there and ends at ``next_end``, by default as long after as this one was planned."""
        if self._open.start < end:
            self._shut(end)
        counts = reduce(merge_gear, [window.counts() for window in self._closed], GearCounts())
        self._closed = []
        if next_end is not None:
            self._end = next_end
        return counts

    def _window_of(self, at: float) -> None:
        """A reading of the next window may come before this one is closed: it is set aside, whole."""
        while at >= self._end:
            self._shut(self._end)

    def _shut(self, end: float) -> None:
        length = self._end - self._open.start
        self._levels.pass_to(end, self._open.segments)
        self._open.have = sum(self._topics)
        self._closed.append(self._open)
        self._open, self._end = _Open(end), end + length

    def _by_kind(self, readings: Readings) -> dict[Kind, list[Reading]]:
        kinds: dict[Kind, list[Reading]] = defaultdict(list)
        numbers = readings.numbers()
        self._open.refused[NO_NUMBER] += len(readings.readings) - len(numbers.readings)
        for reading in numbers.readings:
            kinds[reading.kind].append(reading)
        for kind in _SUMMED:
            rows = frozenset(reading.instance for reading in kinds.get(kind, ()))
            lacking = self._rows.get(kind, rows) - rows
            if any(row.partition(".")[0] in readings.missed for row in lacking):
                kinds.pop(kind, None)
            elif rows:
                self._rows[kind] = rows
        return dict(kinds)

    def _levels_in(self, kinds: wireless.ByKind) -> dict[str, float]:
        clients = wireless.clients_of(kinds)
        self._clients = clients.get("clients", self._clients)
        levels = {
            **clients,
            **self._access_points.take(kinds),
            **wireless.noise_of(kinds),
            **power.battery_levels_of(kinds),
            **self._poe.take(kinds),
            **climate.temperatures_of(kinds),
            **climate.resources_of(kinds),
        }
        battery = kinds.get(Kind.ON_BATTERY)
        if battery:
            levels["on_battery"] = float(any(r.value > 0 for r in battery))
        heard = [r.value for r in kinds.get(Kind.RSSI, ()) if wireless.is_signal(r.value)]
        if heard:
            levels["link"] = min(heard)
        return levels | self._channel_in(kinds)

    def _told_in(self, readings: Readings) -> dict[str, float]:
        """What was asked for in this poll, or was not due, of what the device has. What a table holds that could not be
        read is not known until it can be."""
        told = 0
        for reading in readings.readings:
            topic = int(_TOPICS.get(reading.kind, Topic.NONE))
            table = reading.instance.partition(".")[0]
            self._tables[table] = self._tables.get(table, 0) | topic
            told |= topic
        for table in readings.missed:
            self._unread |= self._tables.get(table, 0)
        self._unread &= ~told
        return {name: 0.0 for topic, name in _TOLD.items() if topic in self._topics and not self._unread & topic}

    def _channel_in(self, kinds: wireless.ByKind) -> dict[str, float]:
        """Nothing where all is 0 though there are clients, and from there on while it stays so."""
        if wireless.is_all_zero(kinds):
            self._channel_silent = self._channel_silent or self._clients > 0
            if self._channel_silent:
                self._open.silent_channel += 1
                return {}
        elif Kind.CHANNEL_UTILIZATION in kinds:
            self._channel_silent = False
        return wireless.channel_of(kinds)

    def _take_signals(self, at: float, kinds: wireless.ByKind) -> None:
        window = self._open
        for dbm in wireless.signals_of(kinds):
            window.signal[step_of(dbm)] += 1
            window.weak += dbm < wireless.WEAK_DBM
        for db in wireless.snr_of(kinds):
            window.snr[step_of(db)] += 1
            self._topics[int(Topic.SNR)] = at
        for name, fall in self._links.take(at, kinds).items():
            n, below = window.links.get(name, (0, 0))
            window.links[name] = (n + 1, below + fall)

    def _take_frames(self, at: float, kinds: wireless.ByKind, uptime_cs: int | None) -> wireless.Frames:
        window = self._open
        frames = self._dot11.take(at, kinds, uptime_cs, LONGEST_INTERVAL * (self._end - window.start))
        window.frames.update(frames.counts)
        window.refused.update(reason.value for reason in frames.refused)
        return frames

    def _marks_in(self, kinds: wireless.ByKind) -> Mark:
        marks = power.marks_of(kinds)
        return marks | Mark.FAN_STOPPED if self._fans.take(kinds) else marks


def _supplied(said: Sequence[tuple[float, power.Said]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for _, one in said:
        if one.failures is not None:
            sums["line_intervals"] += 1
            sums["line_failures"] += one.failures
        sums["supply_reads"] += one.told
        sums["battery_ms"] += one.battery_ms
        sums["battery_starts"] += one.starts
    return dict(sums)
