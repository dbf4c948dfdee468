"""Uninterruptible power supplies and power over Ethernet (kpi/README.md).

What comes of one poll, and what has to be remembered from the one before. Levels: ``on_battery`` (0 or 1),
``runtime`` (minutes), ``charge``, ``load`` (percent), ``poe_nominal``, ``poe_used`` (W).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kpi.counters import Refusal, UptimeTracker, delta, span
from kpi.gear import Kind, Reading
from kpi.gear_counts import Mark
from kpi.stored import flag, number, optional, optional_number, sequence, signed
from kpi.wireless import ByKind, row_of

RUNTIME_UNKNOWN_MIN = 65535
RUNTIME_SUSPECT_MIN = 1440
"""More than a day: some agents count seconds where minutes are due (kpi/README.md)."""
FAILURES_PER_S = 10.0
"""No line fails more often: a counter that went back did not go round, it began anew."""
LONGEST_ON_BATTERY_S = 30 * 86_400.0
"""No battery lasts longer: more is no reading [D]."""
MOST_LOAD_PCT = 200.0
"""A supply may be overloaded; what is more is no reading [D]."""
COUNTER_BITS = 32
STILL_S = 120.0
"""Seconds on battery that stand still for so long are those of the last time; some agents count in steps."""


def battery_levels_of(kinds: ByKind) -> dict[str, float]:
    """What the battery can still do, and the load."""
    runtimes = [r.value for r in kinds.get(Kind.BATTERY_RUNTIME, ()) if 0 <= r.value != RUNTIME_UNKNOWN_MIN]
    charges = [r.value for r in kinds.get(Kind.BATTERY_CHARGE, ()) if 0 <= r.value <= 100]
    loads = [r.value for r in kinds.get(Kind.LOAD, ()) if 0 <= r.value <= MOST_LOAD_PCT]
    levels = {}
    if runtimes:
        levels["runtime"] = min(runtimes)
    if charges:
        levels["charge"] = min(charges)
    if loads:
        levels["load"] = max(loads)
    return levels


def marks_of(kinds: ByKind) -> Mark:
    """What the device says of its battery."""
    marks = Mark.NONE
    if any(r.value for r in kinds.get(Kind.BATTERY_LOW, ())):
        marks |= Mark.BATTERY_LOW
    if any(r.value for r in kinds.get(Kind.SELF_TEST_FAILED, ())):
        marks |= Mark.SELF_TEST
    runtimes = [r.value for r in kinds.get(Kind.BATTERY_RUNTIME, ()) if r.value != RUNTIME_UNKNOWN_MIN]
    if any(value > RUNTIME_SUSPECT_MIN for value in runtimes):
        marks |= Mark.UNIT
    return marks


class Poe:
    """Budgets of power over Ethernet: nominal and used may come from tables that are not read together."""

    __slots__ = ("_budgets",)

    def __init__(self) -> None:
        self._budgets: dict[str, float] = {}

    def take(self, kinds: ByKind) -> dict[str, float]:
        """Sums over the groups that have a budget, both at once, so that they are known for the same time. Where no
        row of the one is a row of the other, all that is used is taken from all there is."""
        nominal = kinds.get(Kind.POE_NOMINAL, ())
        if nominal:
            self._budgets = {row_of(r): r.value for r in nominal}
        used = [r for r in kinds.get(Kind.POE_USED, ()) if r.value >= 0]
        if any(row_of(r) in self._budgets for r in used):
            used = [r for r in used if self._budgets.get(row_of(r), 0) > 0]
        budget = sum(watts for watts in self._budgets.values() if watts > 0)
        if not used or not budget:
            return {}
        return {"poe_nominal": budget, "poe_used": sum(r.value for r in used)}


@dataclass(frozen=True, slots=True)
class Said:
    """What one poll adds to the window."""

    failures: int | None = None
    """Input failures since the poll before; None where that is not known."""
    starts: int = 0
    battery_ms: int = 0
    told: bool = True
    """The poll told of the battery's use."""
    refused: Refusal | None = None
    by_uptime: bool = True


@dataclass(frozen=True, slots=True)
class Supply:
    """What is remembered of a supply between polls, and over a restart of the probe (kpi/README.md R8)."""

    failures: tuple[float, int | None, int] | None = None
    """When, sysUpTime, and the counter."""
    seconds: tuple[float, int] | None = None
    """When, and how long on battery then."""
    on_battery_since: float | None = None
    """None while on mains, or where it is not known."""
    seen: bool = False
    """``on_battery_since`` is known."""
    owed_s: float = 0.0
    """Of the present time on battery, what the device counted before it had passed since the reading before: devices
    count whole seconds, and polls are not asked to the second. At most one second."""

    def moved(self, by_s: float) -> "Supply":
        """The same on another clock, ``by_s`` seconds ahead."""
        return replace(
            self,
            failures=(self.failures[0] + by_s, *self.failures[1:]) if self.failures else None,
            seconds=(self.seconds[0] + by_s, self.seconds[1]) if self.seconds else None,
            on_battery_since=self.on_battery_since + by_s if self.on_battery_since is not None else None,
        )

    def to_plain(self) -> list[Any]:
        """Compact JSON types."""
        failures = [round(self.failures[0], 3), *self.failures[1:]] if self.failures else None
        seconds = [round(self.seconds[0], 3), self.seconds[1]] if self.seconds else None
        return [failures, seconds, self.on_battery_since, int(self.seen), round(self.owed_s, 3)]

    @staticmethod
    def from_plain(plain: Any) -> "Supply":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        failures, seconds, since, seen, *owed = sequence(plain, 4, 5)
        counted = sequence(failures, 3, 3) if failures is not None else None
        spent = sequence(seconds, 2, 2) if seconds is not None else None
        return Supply(
            (number(counted[0]), optional(counted[1]), signed(counted[2])) if counted is not None else None,
            (number(spent[0]), signed(spent[1])) if spent is not None else None,
            optional_number(since),
            flag(seen),
            number(owed[0]) if owed else 0.0,
        )


class PowerTracker:
    """One supply, poll after poll."""

    __slots__ = ("_uptime", "supply")

    def __init__(self, uptime: UptimeTracker, supply: Supply = Supply()) -> None:
        self._uptime = uptime
        self.supply = supply

    def take(self, at: float, kinds: ByKind, uptime_cs: int | None, start: float) -> Said:
        """One poll; ``start`` is when the open window began: of the time before it a first reading says nothing."""
        counted = self._failures(at, kinds.get(Kind.LINE_BADS, ()), uptime_cs)
        spent, seconds = self._seconds(at, kinds, start)
        state = self._state(kinds, seconds)
        starts = 0
        if state is not None:
            before = self.supply
            starts = int(before.seen and before.on_battery_since is None and state)
            since = before.on_battery_since
            if state and since is None:
                since = at - (seconds or 0)
            self.supply = replace(self.supply, on_battery_since=since if state else None, seen=True)
        return replace(counted, starts=starts, battery_ms=spent, told=state is not None)

    def _failures(self, at: float, readings: Sequence[Reading], uptime_cs: int | None) -> Said:
        if not readings:
            return Said()
        count = int(sum(r.value for r in readings))
        before = self.supply.failures
        self.supply = replace(self.supply, failures=(at, uptime_cs, count))
        if before is None:
            return Said()
        over = span(before[1], uptime_cs, at - before[0], trusted=self._uptime.trusted)
        change = delta(before[2], count, COUNTER_BITS, over, per_s=FAILURES_PER_S)
        refused = change if isinstance(change, Refusal) else None
        return Said(None if isinstance(change, Refusal) else change, refused=refused, by_uptime=over.by_uptime)

    def _seconds(self, at: float, kinds: ByKind, start: float) -> tuple[int, int | None]:
        """Milliseconds spent on battery since the poll before, and how long the present time on battery lasts."""
        readings = [r.value for r in kinds.get(Kind.ON_BATTERY_SECONDS, ()) if r.value <= LONGEST_ON_BATTERY_S]
        if not readings:
            return 0, None
        now = int(max(readings))
        before = self.supply.seconds
        if before is not None and now == before[1]:
            return 0, now if at - before[0] < STILL_S else 0
        self.supply = replace(self.supply, seconds=(at, now))
        stale = before is None and bool(kinds.get(Kind.ON_BATTERY)) and not _on(kinds)
        if now <= 0 or stale:
            owed_s = 0.0 if stale else self.supply.owed_s
            self.supply = replace(self.supply, owed_s=0.0)
            return round(1000 * owed_s), 0
        last_at, last = before if before is not None else (min(start, at), 0)
        passed = max(at - last_at, 0.0)
        same = passed < now and now > last  # else it went back to mains in between
        spent = (now - last if same else now) + self.supply.owed_s
        counted = min(spent, passed)
        self.supply = replace(self.supply, owed_s=min(spent - counted, 1.0))
        return round(1000 * counted), now

    @staticmethod
    def _state(kinds: ByKind, seconds: int | None) -> bool | None:
        if kinds.get(Kind.ON_BATTERY):
            return _on(kinds)
        return seconds > 0 if seconds is not None else None


def _on(kinds: ByKind) -> bool:
    return any(r.value > 0 for r in kinds.get(Kind.ON_BATTERY, ()))
