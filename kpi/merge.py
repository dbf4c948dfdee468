"""Coarser windows out of finer ones: 60 s, 5 min, 1 h, 1 d, month, as pure folds (kpi/README.md R9).

Every merge is associative with a neutral element, so that an hour out of minutes is the same as one out of
five-minute windows. The earlier window comes first.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TypeVar

from kpi.echo import EchoCounts, beside_echo, merge_echo_halves
from kpi.fabric_counts import FabricCounts, merge_fabric
from kpi.gear_counts import GearCounts, merge_gear
from kpi.model import Role
from kpi.planned import Halves
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
    reach_s: int = 0
    """How far before its start the oldest difference between two polls begins, where that is further than usual. Of the
    finest windows alone."""
    planned: "DeviceWindow | None" = None
    """What fell into planned work, and is in none of the counts above (kpi/planned.py). States are not in it: they have
    planned work apart themselves."""


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
    echo = merge_echo_halves(echo_halves(a), echo_halves(b))
    merged = _merge_parts(a, b, echo.counted)
    if a.planned is None and b.planned is None:
        return merged
    none = DeviceWindow(b.device, b.role)
    return replace(merged, planned=_merge_parts(a.planned or none, b.planned or none, echo.planned))


def echo_halves(device: DeviceWindow) -> Halves[EchoCounts]:
    """Its echoes, those in planned work apart."""
    return Halves(device.echo, device.planned.echo if device.planned is not None else None)


def with_planned(device: DeviceWindow) -> DeviceWindow:
    """The window as if nothing had been planned, but for its states; for ``incl_maint``."""
    if device.planned is None:
        return device
    echo = merge_optional(beside_echo, device.echo, device.planned.echo)
    return _merge_parts(device, replace(device.planned, states=StateSeconds()), echo)


def _merge_parts(a: DeviceWindow, b: DeviceWindow, echo: EchoCounts | None) -> DeviceWindow:
    return DeviceWindow(
        device=b.device,
        role=b.role,
        states=merge_states(a.states, b.states),
        echo=echo,
        ports=merge_port_maps(a.ports, b.ports),
        restarts=merge_optional(merge_restarts, a.restarts, b.restarts),
        fabric=merge_optional(merge_fabric, a.fabric, b.fabric),
        gear=merge_optional(merge_gear, a.gear, b.gear),
    )
