"""Stored forms carry the version 1, and every other one is refused, be it older or newer than this code."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from kpi.counters import UptimeTracker
from kpi.echo import EchoCounts
from kpi.fabric import FabricAccumulator, FabricMemory
from kpi.fabric_counts import FabricCounts
from kpi.gear import Bridge, Facts
from kpi.gear_accumulator import GearMemory
from kpi.gear_counts import GearCounts
from kpi.port_counts import PortCounts, ports_window_from_plain, ports_window_to_plain
from kpi.port_summary import ports_to_plain
from kpi.ports import LastReading
from kpi.reboots import RestartCounts
from kpi.states import StateSeconds
from tests.kpi.port_readings import ZERO


def _facts() -> Mapping[str, Any]:
    fabric = FabricAccumulator(UptimeTracker(), 0.0, 300.0)
    fabric.take(1.0, Facts("bridge", (Bridge("02:00:00:00:00:01", 5, 100),), complete=True, uptime_cs=100))
    plain = fabric.to_plain(2.0)
    assert plain is not None
    return plain


ROWS: list[tuple[list[Any], Callable[[Any], object]]] = [
    (EchoCounts(1).to_plain(), EchoCounts.from_plain),
    (StateSeconds(1).to_plain(), StateSeconds.from_plain),
    (RestartCounts(1).to_plain(), RestartCounts.from_plain),
    (LastReading(1, 2.0, ZERO, 3).to_plain(), LastReading.from_plain),
]
TABLES: list[tuple[Mapping[str, Any], Callable[[Any], object]]] = [
    (FabricCounts().to_plain(), FabricCounts.from_plain),
    (GearCounts().to_plain(), GearCounts.from_plain),
    (GearMemory().to_plain(), GearMemory.from_plain),
    (ports_window_to_plain({"p": PortCounts(polls=1)}), ports_window_from_plain),
    (_facts(), FabricMemory.from_plain),
]


@pytest.mark.parametrize("version", [-1, 0, 2, 9])
def test_another_version_is_refused_and_named(version: int) -> None:
    for row, read in ROWS:
        assert row[0] == 1
        read(row)
        with pytest.raises(ValueError, match=rf"version {version};.* reads 1$"):
            read([version, *row[1:]])
    for table, read in TABLES:
        assert table["v"] == 1
        read(table)
        with pytest.raises(ValueError, match=rf"version {version};.* reads 1$"):
            read({**table, "v": version})


def test_published_ports_are_of_version_1() -> None:
    assert ports_to_plain({})["v"] == 1
