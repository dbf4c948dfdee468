"""Temperatures against their limits, fans, and how full processors, memory and disks are (kpi/README.md).

What comes of one poll. Levels: ``margin``, ``hottest``, ``inlet`` (degrees Celsius), ``cpu``, ``memory``, ``storage``
(percent).
"""

import re
from statistics import fmean

from kpi.gear import Kind, Reading
from kpi.wireless import ByKind

INLET = re.compile(r"inlet|ambient", re.IGNORECASE)
INLET_LIMIT_C = 32.0
"""ASHRAE A1 allowable (27 recommended): 5 degrees of margin are what is recommended."""
COLDEST_C, HOTTEST_C = -40.0, 200.0
"""What lies outside is no temperature of a device that answers."""


def temperatures_of(kinds: ByKind) -> dict[str, float]:
    """The hottest sensor, the warmest inlet, and the least that a sensor is below its limit."""
    sensors = [r for r in kinds.get(Kind.TEMPERATURE, ()) if COLDEST_C <= r.value <= HOTTEST_C]
    if not sensors:
        return {}
    levels = {"hottest": max(r.value for r in sensors)}
    inlets = [r.value for r in sensors if INLET.search(r.name)]
    if inlets:
        levels["inlet"] = max(inlets)
    margins = [limit - r.value for r in sensors if (limit := limit_of(r)) is not None]
    if margins:
        levels["margin"] = min(margins)
    return levels


def limit_of(sensor: Reading) -> float | None:
    """What it must not exceed: its own limit, for the air that goes in at most ASHRAE's; None where nobody says."""
    own = sensor.limit if sensor.limit is not None and 0 < sensor.limit <= HOTTEST_C else None
    if INLET.search(sensor.name):
        return min(own, INLET_LIMIT_C) if own is not None else INLET_LIMIT_C
    return own


def resources_of(kinds: ByKind) -> dict[str, float]:
    """The mean of the processors, the fullest memory, the fullest disk."""
    levels = {}
    for name, kind, together in (
        ("cpu", Kind.CPU_USED, fmean),
        ("memory", Kind.MEMORY_USED, max),
        ("storage", Kind.STORAGE_USED, max),
    ):
        used = [min(r.value, 100.0) for r in kinds.get(kind, ()) if r.value >= 0]
        if used:
            levels[name] = float(together(used))
    return levels


class Fans:
    """Which fans stand still. The device answers, so it is powered; one reading of 0 rpm may be a slip."""

    __slots__ = ("_still",)

    def __init__(self) -> None:
        self._still: frozenset[str] = frozenset()

    def take(self, kinds: ByKind) -> bool:
        """Whether a fan stands still in this poll and stood still in the one before."""
        if Kind.FAN_SPEED not in kinds:
            return False
        before, self._still = self._still, frozenset(r.instance for r in kinds[Kind.FAN_SPEED] if r.value == 0)
        return bool(before & self._still)
