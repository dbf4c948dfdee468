"""What statuses came out of past windows: the readings that a next one is judged beside, and the ones in force.

A status is read on the window that the catalogue names for its figure (an hour, a day, 30 days), and stands until the
next such window. 4,800 ports are normal and most of them say the same, so that equal memories are one object.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kpi.catalogue import entry_of
from kpi.model import Figure, Status, Window
from kpi.status import Reading, read_on, remembered
from kpi.summary import History, reading_of

BEFORE = 2
"""Windows before the present one that a status looks at (KPI.md R10)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Crossing:
    """A figure's status has changed. ``entity`` is a device, "device/port" or one of kpi.entities."""

    entity: str
    kpi: str
    was: str
    status: str
    value: float | None
    window_s: int


@dataclass(frozen=True, slots=True)
class TroubledPort:
    """A port's figure whose status in force is not good. ``reading``: the last that was judged; None where it is not
    remembered."""

    device: str
    port: str
    kpi: str
    status: Status
    reading: Reading | None


TROUBLED = frozenset({Status.WARN, Status.BAD})


class Statuses:
    """Of devices, of their ports, and of the site; ``port`` is "" for what is no port."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, int], dict[str, History]] = {}
        """By device and length of the window, then by port and figure."""
        self._status: dict[str, dict[str, Mapping[str, Status]]] = {}
        """By device, port and figure."""
        self._crossings: list[Crossing] = []
        self._alike: dict[Any, Any] = {}

    def history(self, device: str, port: str, window: Window) -> History:
        """The windows of this length before this one, by figure."""
        return self._before.get((device, window.length_s), {}).get(port, {})

    def judged(self, device: str, port: str, window: Window, figures: Sequence[Figure]) -> tuple[Figure, ...]:
        """Remember what this window said; a figure that has no status of its own shows the one in force."""
        in_force = dict(self._status.get(device, {}).get(port, {}))
        before = dict(self.history(device, port, window))
        for figure in figures:
            if figure.status is not Status.NONE:
                was = in_force.get(figure.kpi, Status.GOOD)
                if was is not figure.status:
                    entity = f"{device}/{port}" if port else device
                    self._crossings.append(
                        Crossing(entity, figure.kpi, was.value, figure.status.value, figure.value, window.length_s)
                    )
                in_force[figure.kpi] = figure.status
            entry = entry_of(figure.kpi)
            if entry.thresholds and read_on(entry, window.length_s):
                reading = remembered(entry, reading_of(figure))
                before[figure.kpi] = self._one((*before.get(figure.kpi, ()), reading)[-BEFORE:])
        port = self._one(port)
        if in_force:
            self._status.setdefault(device, {})[port] = self._one_mapping(in_force)
        if before:
            self._before.setdefault((device, window.length_s), {})[port] = self._one_mapping(before)
        return self.in_force(device, port, figures)

    def in_force(self, device: str, port: str, figures: Sequence[Figure]) -> tuple[Figure, ...]:
        """The figures with the statuses that stand now."""
        known = self._status.get(device, {}).get(port, {})
        statuses = [known.get(figure.kpi, figure.status) for figure in figures]
        return tuple(
            figure if status is figure.status else replace(figure, status=status)
            for figure, status in zip(figures, statuses, strict=True)
        )

    def troubled_ports(self) -> Iterator[TroubledPort]:
        """Of all devices. 4,800 ports that are well are looked at once for all that are alike."""
        well: set[int] = set()
        for device, ports in self._status.items():
            for port, statuses in ports.items():
                if not port or id(statuses) in well:
                    continue
                if TROUBLED.isdisjoint(statuses.values()):
                    well.add(id(statuses))
                    continue
                for kpi, status in statuses.items():
                    if status in TROUBLED:
                        due = entry_of(kpi).status_window_s or 0
                        before = self._before.get((device, due), {}).get(port, {}).get(kpi, ())
                        yield TroubledPort(device, port, kpi, status, before[-1] if before else None)

    def crossings(self) -> list[Crossing]:
        """The changes of status since this was asked last. What was never judged counts as good before."""
        crossings, self._crossings = self._crossings, []
        return crossings

    def forget(self, device: str) -> None:
        """It is watched no more."""
        self._status.pop(device, None)
        self._before = {key: ports for key, ports in self._before.items() if key[0] != device}

    def keep_ports(self, device: str, ports: Collection[str]) -> None:
        """Of this device's, forget the others: virtual interfaces come and go by the day."""
        wanted = {*ports, ""}
        held: list[dict[str, Any]] = [of for key, of in self._before.items() if key[0] == device]
        for of_port in (*held, self._status.get(device, {})):
            for port in of_port.keys() - wanted:
                del of_port[port]

    def window_ended(self) -> None:
        """All of a window is judged. What the next one says is alike among itself again."""
        self._alike.clear()

    def _one(self, found: T) -> T:
        """Of what is equal, one and the same."""
        same: T = self._alike.setdefault(found, found)
        return same

    def _one_mapping(self, found: Mapping[str, T]) -> Mapping[str, T]:
        """As ``_one``; what it gives must not be changed."""
        same: Mapping[str, T] = self._alike.setdefault(tuple(found.items()), found)
        return same
