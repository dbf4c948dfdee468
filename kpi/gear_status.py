"""Readings of this moment judged one by one: good, attention, bad, or nothing that could be said of them.

The limits are the catalogue's, whose own statuses are read on an hour or longer; where it has none they stand here [D].
What jumps about by nature (a processor's load) is judged by its bad limit alone, and then is worth attention.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kpi.catalogue import CATALOGUE
from kpi.climate import limit_of
from kpi.entry import Better, Scope
from kpi.gear import Kind, Reading
from kpi.model import Status
from kpi.power import RUNTIME_SUSPECT_MIN
from kpi.wireless import is_row, row_of


@dataclass(frozen=True, slots=True)
class _Limits:
    """Good up to (or, where low is bad, from) ``good``, worth attention up to ``warn``, bad beyond."""

    good: float
    warn: float
    low_is_bad: bool = False

    def status(self, value: float) -> Status:
        if self.low_is_bad:
            return Status.GOOD if value >= self.good else Status.WARN if value >= self.warn else Status.BAD
        return Status.GOOD if value <= self.good else Status.WARN if value <= self.warn else Status.BAD


def _of(kpi: str) -> _Limits:
    entry = CATALOGUE[kpi]
    limits = entry.threshold(Scope.ANY)
    assert limits is not None, kpi
    return _Limits(limits.good, limits.warn, entry.better is Better.HIGH)


COOLING, HEADROOM = _of("cooling_margin_c"), _of("poe_headroom_pct")
LIMITS: Mapping[Kind, _Limits] = {
    Kind.CLIENT_RSSI: _of("wifi_signal_dbm"),
    Kind.CLIENT_SNR: _of("wifi_snr_db"),
    Kind.SNR: _of("wifi_snr_db"),
    Kind.CHANNEL_UTILIZATION: _of("wifi_interference_pct"),
    Kind.BATTERY_RUNTIME: _of("ups_runtime_min"),
    Kind.BATTERY_CHARGE: _Limits(50, 20, low_is_bad=True),
    Kind.LOAD: _Limits(80, 100),
    Kind.MEMORY_USED: _of("resource_used_pct"),
    Kind.STORAGE_USED: _of("resource_used_pct"),
    Kind.CPU_USED: _Limits(_of("resource_used_pct").warn, float("inf")),
    Kind.SUPPLY_LEVEL: _Limits(15, 1, low_is_bad=True),
    Kind.ON_BATTERY: _Limits(0, float("inf")),
    Kind.BATTERY_LOW: _Limits(0, 0),
    Kind.SELF_TEST_FAILED: _Limits(0, 0),
}
CROWD = _of("wifi_clients")
_NEVER_JUDGED_ABOVE = {Kind.BATTERY_RUNTIME: RUNTIME_SUSPECT_MIN}


def statuses(readings: Sequence[Reading]) -> list[Status]:
    """One for each reading, in their order."""
    budgets = {row_of(r): r.value for r in readings if r.kind is Kind.POE_NOMINAL}
    special: Mapping[Kind, Callable[[Reading], Status]] = {
        Kind.TEMPERATURE: _temperature,
        Kind.CLIENTS: _clients,
        Kind.FAN_SPEED: lambda fan: Status.WARN if fan.value == 0 else Status.NONE,
        Kind.POE_USED: lambda used: _poe(used, budgets.get(row_of(used))),
    }
    return [special.get(reading.kind, _status)(reading) for reading in readings]


def _status(reading: Reading) -> Status:
    limits = LIMITS.get(reading.kind)
    doubted = reading.value > _NEVER_JUDGED_ABOVE.get(reading.kind, float("inf"))
    return Status.NONE if limits is None or doubted else limits.status(reading.value)


def _temperature(sensor: Reading) -> Status:
    limit = limit_of(sensor)
    return Status.NONE if limit is None else COOLING.status(limit - sensor.value)


def _clients(reading: Reading) -> Status:
    """Of one radio or network name; a whole table put together says nothing of a radio."""
    return CROWD.status(reading.value) if is_row(reading) else Status.NONE


def _poe(used: Reading, budget: float | None) -> Status:
    return HEADROOM.status(100 * (budget - used.value) / budget) if budget else Status.NONE
