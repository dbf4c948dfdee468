"""What one window knows of what a device tells beyond its ports: levels over time, distributions, counts.

A level (clients, percent, watts, degrees) holds from the poll that read it to the next one; its window keeps the
integral, exact in whole hundredths of its unit and milliseconds, so that merging in any grouping gives the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntFlag
from typing import Any

from kpi.echo import Reasons
from kpi.stored import sequence, signed, table, versioned, whole
from kpi.value_counts import NOTHING, ValueCounts

PLAIN_VERSION = 1
HUNDREDTHS = 100


class Topic(IntFlag):
    """What a device has told of lately: where it is silent now, these figures are null and not left out."""

    NONE = 0
    CLIENTS = 1
    SIGNAL = 2
    SNR = 4
    LINK = 8
    CHANNEL = 16
    NOISE = 32
    RETRY = 64
    APS = 128
    LINE_FAILURES = 256
    BATTERY = 512
    BATTERY_SECONDS = 1024
    RUNTIME = 2048
    POE = 4096
    COOLING = 8192
    RESOURCES = 16384


class Mark(IntFlag):
    """What was seen at some time in the window."""

    NONE = 0
    BATTERY_LOW = 1
    SELF_TEST = 2
    """The last self-test failed."""
    UNIT = 4
    """More than a day of battery runtime: the unit is to be doubted."""
    FAN_STOPPED = 8
    UPTIME = 16
    """sysUpTime is absent or not to be trusted: counter intervals are by the probe's own time (kpi/README.md R6)."""


@dataclass(frozen=True, slots=True)
class Level:
    """One quantity over the time it is known, in hundredths of its unit."""

    n: int = 0
    """Readings; what is held from the window before is none."""
    ms: int = 0
    low: int = 0
    high: int = 0
    total: int = 0
    """Integral: hundredths times milliseconds."""

    @property
    def mean(self) -> float:
        """Over the time it is known, in its unit; the middle of the extremes where no time passed."""
        return (self.total / self.ms if self.ms else (self.low + self.high) / 2) / HUNDREDTHS

    @property
    def least(self) -> float:
        """In its unit."""
        return self.low / HUNDREDTHS

    @property
    def most(self) -> float:
        """In its unit."""
        return self.high / HUNDREDTHS


@dataclass(frozen=True, slots=True)
class GearCounts:
    """One device in one window; what it adds up to is in kpi/gear_figures.py."""

    polls: int = 0
    """Answers with readings."""
    have: int = 0
    """The Topics it has."""
    marks: int = 0
    levels: Mapping[str, Level] = field(default_factory=dict)
    """By name: see kpi/wireless.py, kpi/power.py, kpi/climate.py."""
    signal: ValueCounts = NOTHING
    """What the access points hear of clients, in dBm. A reading stands for one poll interval."""
    weak: int = 0
    """Of ``signal``, those below -75 dBm."""
    snr: ValueCounts = NOTHING
    """In dB."""
    links: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By fixed link: readings, and the sum of how far each was below the usual, in hundredths of a dB."""
    silent_channel: int = 0
    """Polls in which all channel use was 0 while there were clients: the device does not measure it."""
    frames: int = 0
    """Transmitted, in intervals where retries are known too (dot11)."""
    retried: int = 0
    tried: int = 0
    """Transmitted and failed, in intervals where failures are known."""
    failed: int = 0
    fragments: int = 0
    """Received whole or damaged."""
    damaged: int = 0
    line_intervals: int = 0
    """Counter intervals behind ``line_failures``."""
    line_failures: int = 0
    supply_reads: int = 0
    """Answers that told whether the output comes from the battery, or for how long it has."""
    battery_starts: int = 0
    """Changes from mains to battery, as polls saw them."""
    battery_ms: int = 0
    """On battery, by the device's own seconds; where it has none, the level ``on_battery`` tells."""
    refused: Reasons = ()
    """Counter intervals that gave nothing, by reason."""

    def to_plain(self) -> dict[str, Any]:
        """Compact JSON types; what is the default is left off."""
        plain: dict[str, Any] = {"v": PLAIN_VERSION}
        for name in _NUMBERS:
            if value := getattr(self, name):
                plain[name] = value
        if self.levels:
            plain["levels"] = {name: _level_to_plain(level) for name, level in self.levels.items()}
        for name, key in _DISTRIBUTIONS.items():
            if packed := getattr(self, name).to_plain():
                plain[key] = packed
        if self.links:
            plain["links"] = {name: list(link) for name, link in self.links.items()}
        if self.refused:
            plain["refused"] = dict(self.refused)
        return plain

    @staticmethod
    def from_plain(plain: Any) -> "GearCounts":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        row = table(versioned(plain, PLAIN_VERSION, "a gear window"))
        numbers: dict[str, Any] = {name: whole(row[name]) for name in _NUMBERS if name in row}
        return GearCounts(
            **numbers,
            levels={name: _level_from_plain(level) for name, level in table(row.get("levels", {})).items()},
            signal=ValueCounts.from_plain(row.get("signal_values", ())),
            snr=ValueCounts.from_plain(row.get("snr_values", ())),
            links={name: _link_from_plain(link) for name, link in table(row.get("links", {})).items()},
            refused=tuple(sorted((name, whole(n)) for name, n in table(row.get("refused", {})).items())),
        )


_DISTRIBUTIONS = {"signal": "signal_values", "snr": "snr_values"}
"""Fields, and what they are called in the plain form; in older windows ``signal`` and ``snr`` were sketches."""
_FLAGS = ("have", "marks")
_NUMBERS = tuple(f.name for f in fields(GearCounts) if f.default == 0 and f.name not in {*_DISTRIBUTIONS, "refused"})
_SUMS = tuple(name for name in _NUMBERS if name not in _FLAGS)


def merge_gear(a: GearCounts, b: GearCounts) -> GearCounts:
    """Both windows as one; also of two devices beside each other, but for ``links``, which go by device. Associative
    and exact; GearCounts() is neutral."""
    sums: dict[str, Any] = {name: getattr(a, name) + getattr(b, name) for name in _SUMS}
    flags: dict[str, Any] = {name: getattr(a, name) | getattr(b, name) for name in _FLAGS}
    return GearCounts(
        **sums,
        **flags,
        levels=_merged(a.levels, b.levels),
        signal=a.signal.merge(b.signal),
        snr=a.snr.merge(b.snr),
        links=_added(a.links, b.links),
        refused=_reasons(a.refused, b.refused),
    )


def merge_level(a: Level, b: Level) -> Level:
    """Both times as one."""
    return Level(a.n + b.n, a.ms + b.ms, min(a.low, b.low), max(a.high, b.high), a.total + b.total)


def _merged(a: Mapping[str, Level], b: Mapping[str, Level]) -> dict[str, Level]:
    both = dict(a)
    for name, level in b.items():
        both[name] = merge_level(both[name], level) if name in both else level
    return both


def _added(a: Mapping[str, tuple[int, int]], b: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    both = dict(a)
    for name, (n, fall) in b.items():
        known = both.get(name, (0, 0))
        both[name] = (known[0] + n, known[1] + fall)
    return both


def _reasons(a: Reasons, b: Reasons) -> Reasons:
    counts = dict(a)
    for reason, n in b:
        counts[reason] = counts.get(reason, 0) + n
    return tuple(sorted(counts.items()))


def _level_to_plain(level: Level) -> list[int]:
    """What does not change is three numbers: readings, time, value."""
    plain = [level.n, level.ms, level.low, level.high - level.low, level.total - level.low * level.ms]
    while len(plain) > 3 and plain[-1] == 0:
        plain.pop()
    return plain


def _level_from_plain(plain: Any) -> Level:
    n, ms, low, spread, above = [*sequence(plain, 3, 5), 0, 0][:5]
    return Level(whole(n), whole(ms), signed(low), low + whole(spread), low * ms + signed(above))


def _link_from_plain(plain: Any) -> tuple[int, int]:
    n, fall = sequence(plain, 2, 2)
    return whole(n), signed(fall)
