"""Drives the reachability of all devices: confirmations, parents, the probe's own links, and what was not checked.

kpi/reachability.py decides; this file asks the kernel about links, sends what is to be sent, and passes changes on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent.boundary import Boundary
from agent.pace import Pace
from collectors.clock import Clock
from kpi.model import State
from kpi.reachability import Reachability, StateChange

PLACE = "state"
"""The boundary's name for a decision on a state."""
SWEEP_S = 1.0
"""How often links and unchecked devices are looked at."""
TICK_S = 0.05
"""How often confirmations are looked at while there are any."""
IDLE_S = 0.25


@dataclass(slots=True)
class Watched:
    """One device under watch: how to ask it again, and by which interface it is reached ("" where unknown)."""

    device: str
    reach: Reachability
    confirm: Callable[[], None]
    interface: str
    parents: tuple[str, ...]


class Watch:
    """The reachability of every device. Implements kpi.reachability.Upstream."""

    def __init__(
        self,
        clock: Clock,
        *,
        running: Callable[[str], bool],
        changed: Callable[[StateChange], None],
        link_changed: Callable[[str, bool], None],
        boundary: Boundary,
    ) -> None:
        """``running(interface)`` says whether an interface has carrier; ``changed`` gets every change of state,
        ``link_changed(interface, up)`` what was first seen of a link and every change of it."""
        self._clock = clock
        self._running = running
        self._report = changed
        self._link_changed = link_changed
        self._boundary = boundary
        self._devices: dict[str, Watched] = {}
        self._behind: dict[str, dict[str, None]] = {}
        """By device, those that declare it a parent."""
        self._suspects: set[str] = set()
        self._next_sweep = 0.0
        self._links: dict[str, bool] = {}

    def add(
        self,
        device: str,
        *,
        period_s: float,
        confirm: Callable[[], None],
        interface: str = "",
        parents: Sequence[str] = (),
    ) -> Reachability:
        """Watch this device; known again by its id it keeps its state (a reload changes no state)."""
        old = self._devices.get(device)
        if old is not None:
            self._place(device, old.parents, parents)
            old.confirm, old.interface, old.parents = confirm, interface, tuple(parents)
            old.reach.period_s = period_s
            return old.reach
        reach = Reachability(
            device,
            at=self._clock.monotonic(),
            period_s=period_s,
            upstream=self,
            changed=self._changed,
            confirm=self._confirm,
        )
        self._devices[device] = Watched(device, reach, confirm, interface, tuple(parents))
        self._place(device, (), parents)
        return reach

    def remove(self, device: str) -> None:
        """Watch it no more."""
        gone = self._devices.pop(device, None)
        if gone is not None:
            self._place(device, gone.parents, ())
        self._suspects.discard(device)

    def _place(self, device: str, before: Sequence[str], parents: Sequence[str]) -> None:
        """Its parents are these now."""
        for parent in before:
            self._behind[parent].pop(device, None)
            if not self._behind[parent]:
                del self._behind[parent]
        for parent in parents:
            self._behind.setdefault(parent, {})[device] = None

    def __getitem__(self, device: str) -> Reachability:
        return self._devices[device].reach

    def __iter__(self) -> Iterator[Watched]:
        return iter(self._devices.values())

    def link_up(self, device: str) -> bool:
        """Upstream: asks the kernel now."""
        watched = self._devices.get(device)
        return watched is None or not watched.interface or self._running(watched.interface)

    def parents(self, device: str) -> Sequence[Reachability]:
        """Upstream: the parents that are under watch themselves."""
        watched = self._devices.get(device)
        if watched is None:
            return ()
        return [self._devices[p].reach for p in watched.parents if p in self._devices]

    def ancestors(self, device: str) -> set[str]:
        """Everything in front of this device, however far."""
        found: set[str] = set()
        queue = [device]
        while queue:
            watched = self._devices.get(queue.pop())
            for parent in watched.parents if watched else ():
                if parent not in found:
                    found.add(parent)
                    queue.append(parent)
        return found

    def answered(self, device: str, sent_at: float, at: float) -> None:
        """A check of this device sent at ``sent_at`` was answered at ``at``."""
        reach = self._devices[device].reach
        reach.answered(sent_at, at)
        if self._suspects:
            self._suspects.discard(device)

    def unanswered(self, device: str, sent_at: float) -> None:
        """A check sent at ``sent_at`` is overdue or lost."""
        reach = self._devices[device].reach
        reach.unanswered(sent_at, self._clock.monotonic())
        if reach.suspect:
            self._suspects.add(device)

    def not_measured(self, device: str, reason: str) -> None:
        """The probe could not ask. A send that fails because the own link is down is no other fault than that, also
        where it is noticed before the link."""
        if not self.link_up(device):
            reason = "own_link"
        self._devices[device].reach.not_measured(self._clock.monotonic(), reason)
        self._suspects.discard(device)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.tick()
            await self._clock.sleep(TICK_S if self._suspects else IDLE_S)

    async def tick(self) -> None:
        """One look at everything that is due: a link that fails with 1,000 devices on it gives way again and again."""
        now, pace = self._clock.monotonic(), Pace(self._clock)
        for device in tuple(self._suspects):
            if (watched := self._devices.get(device)) is None:  # removed meanwhile
                continue
            with self._boundary.around(PLACE, device):
                watched.reach.tick(self._clock.monotonic())
            if not watched.reach.suspect:
                self._suspects.discard(device)
            await pace.breathe()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_S
            await self._sweep(pace)

    async def _sweep(self, pace: Pace) -> None:
        for interface in {w.interface for w in self._devices.values() if w.interface}:
            with self._boundary.around("own link", interface):
                await self._look_at(interface, pace)
        for watched in list(self._devices.values()):
            if watched.device in self._devices:
                with self._boundary.around(PLACE, watched.device):
                    watched.reach.tick(self._clock.monotonic())
                await pace.breathe()

    async def _look_at(self, interface: str, pace: Pace) -> None:
        up = self._running(interface)
        before, self._links[interface] = self._links.get(interface), up
        if before is not up:
            with self._boundary.around("own link", interface):
                self._link_changed(interface, up)
        if not up and before is not False:
            for watched in list(self._devices.values()):
                if watched.interface == interface and watched.device in self._devices:
                    with self._boundary.around(PLACE, watched.device):
                        self.not_measured(watched.device, "own_link")
                    await pace.breathe()

    def _confirm(self, device: str) -> None:
        watched = self._devices.get(device)
        if watched is not None:
            watched.confirm()

    def _changed(self, change: StateChange) -> None:
        with self._boundary.around("what follows from a state", change.device):
            self._report(change)
        if change.state in {State.DOWN, State.UNKNOWN}:
            self._cut_off(change)

    def _cut_off(self, change: StateChange) -> None:
        """A device that was down behind one that fell is no longer known to be: its way is cut (kpi/README.md R1)."""
        for watched in [self._devices[device] for device in self._behind.get(change.device, ())]:
            if watched.reach.state is State.DOWN:
                others = self.parents(watched.device)
                if all(p.state is not State.UP for p in others):
                    watched.reach.not_measured(max(change.at, watched.reach.since), "parent")
