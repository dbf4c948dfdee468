"""Coarser windows out of finer ones: 60 s, 5 min, 1 h, 1 d, month, as pure folds (KPI.md R9).

Every merge is associative with a neutral element, so that an hour out of minutes is the same as one out of
five-minute windows. The earlier window comes first.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

from kpi.echo import EchoCounts, merge_echo
from kpi.fabric_counts import FabricCounts, merge_fabric
from kpi.gear_counts import GearCounts, merge_gear
from kpi.model import Role
from kpi.port_counts import PortCounts, merge_ports
from kpi.reboots import RestartCounts, merge_restarts
from kpi.states import StateSeconds, merge_states

Counts = TypeVar("Counts")


@dataclass(frozen=True, slots=True)
class DeviceWindow:
    """All that one window knows of one device. None is "not measured", not "nothing happened"."""

    device: str
    role: Role
    states: StateSeconds = StateSeconds()  # noqa: RUF009 - frozen
    echo: EchoCounts | None = None
    ports: Mapping[str, PortCounts] = field(default_factory=dict)
    """By PortIdentity.key."""
    restarts: RestartCounts | None = None
    fabric: FabricCounts | None = None
    gear: GearCounts | None = None


def fold(windows: Iterable[Counts], merge: Callable[[Counts, Counts], Counts]) -> Counts | None:
    """The windows as one, the earliest first; None for none."""
    found = list(windows)
    return reduce(merge, found) if found else None


def merge_optional(merge: Callable[[Counts, Counts], Counts], a: Counts | None, b: Counts | None) -> Counts | None:
    """As ``merge``, where either may be missing."""
    if a is None or b is None:
        return b if a is None else a
    return merge(a, b)


def merge_port_maps(a: Mapping[str, PortCounts], b: Mapping[str, PortCounts]) -> dict[str, PortCounts]:
    """Port by port; one that came or went in between keeps what it has."""
    both = dict(a)
    for key, counts in b.items():
        both[key] = merge_ports(both[key], counts) if key in both else counts
    return both


def merge_device(a: DeviceWindow, b: DeviceWindow) -> DeviceWindow:
    """Two windows of one device. ValueError for two devices."""
    if a.device != b.device:
        raise ValueError(f"windows of two devices do not merge: {a.device}, {b.device}")
    return DeviceWindow(
        device=b.device,
        role=b.role,
        states=merge_states(a.states, b.states),
        echo=merge_optional(merge_echo, a.echo, b.echo),
        ports=merge_port_maps(a.ports, b.ports),
        restarts=merge_optional(merge_restarts, a.restarts, b.restarts),
        fabric=merge_optional(merge_fabric, a.fabric, b.fabric),
        gear=merge_optional(merge_gear, a.gear, b.gear),
    )
