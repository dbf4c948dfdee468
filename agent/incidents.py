"""From changes of state to incidents: one for each cause, with the devices it hides.

A dead gateway is one incident, not one for each device behind it; so is the probe's own link. An incident is known by
what is wrong and with whom, so that the same trouble after a restart of the agent is the same incident.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from kpi.entities import PROBE
from kpi.model import Incident, State
from kpi.reachability import StateChange

KIND_DOWN, KIND_LINK, KIND_FAULT = "device.down", "probe.link", "probe.fault"
WRITTEN_KEPT = 256
_NOT_A_FAULT = ("starting", "not_checked", "agent_stopped", "parent", "own_link")


class Incidents:
    """The open incidents, and what a change of state does to them."""

    def __init__(
        self,
        still_open: Iterable[Incident],
        *,
        utc: Callable[[float], float],
        ancestors: Callable[[str], set[str]],
        write: Callable[[Incident], None],
    ) -> None:
        """``still_open`` comes from the store; ``utc`` dates monotonic times; ``write`` gets each incident that began,
        ended or grew."""
        self._open = {(i.kind, i.entity): i for i in still_open}
        self._opened_before = {i.id for i in self._open.values()}
        self._held_back: dict[str, float] = {}
        """Ended by a clock that lay behind their beginning: by how many seconds that end was moved onto it."""
        self._utc = utc
        self._ancestors = ancestors
        self._write = write
        self.written: deque[Incident] = deque(maxlen=WRITTEN_KEPT)
        """What was written last, oldest first: the store may be a moment behind."""
        self._hidden = {d: i.cause for i in self._open.values() if i.entity == PROBE for d in i.hides}
        """Devices whose state is unknown, with the reason; what a trouble of ours hid when the agent stopped is hidden
        still."""

    def __iter__(self) -> Iterator[Incident]:
        return iter(sorted(self._open.values(), key=lambda i: i.opened_utc))

    def state_changed(self, change: StateChange) -> None:
        """Take one change of a device's state into account."""
        self._hidden.pop(change.device, None)
        at = self._utc(change.at)
        if change.state is State.DOWN:
            hides = tuple(d for d, why in sorted(self._hidden.items()) if why == "parent" and self._behind(d, change))
            self.begin(KIND_DOWN, change.device, change.reason, at, hides)
        elif change.state is State.UP:
            self.end(KIND_DOWN, change.device, at)
            link = self._open.get((KIND_LINK, PROBE))
            if link is not None and change.device in link.hides:  # what another link reaches proves nothing of this one
                self.end(KIND_LINK, PROBE, at)
        elif change.state is State.UNKNOWN:
            self._hide(change)
        self._end_fault(at)

    def forget(self, device: str, at: float) -> None:
        """It is watched no more: what is open with it ends."""
        self._hidden.pop(device, None)
        self.end(KIND_DOWN, device, self._utc(at))
        if (KIND_LINK, PROBE) in self._open and "own_link" not in self._hidden.values():
            self.end(KIND_LINK, PROBE, self._utc(at))
        self._end_fault(self._utc(at))

    def begin(self, kind: str, entity: str, cause: str, opened_utc: float, hides: tuple[str, ...] = ()) -> None:
        """Open an incident, or let an open one hide more."""
        old = self._open.get((kind, entity))
        if old is None:
            new = Incident(f"{kind}:{entity}:{round(opened_utc * 1000)}", kind, entity, cause, opened_utc, None, hides)
        else:
            new = replace(old, hides=_with(old.hides, hides))
        if new != old:
            self._open[kind, entity] = new
            self._put(new)

    def end(self, kind: str, entity: str, closed_utc: float) -> None:
        """Close it, where it is open."""
        old = self._open.pop((kind, entity), None)
        if old is not None:
            if old.opened_utc > closed_utc:
                self._held_back[old.id] = old.opened_utc - closed_utc
            self._put(replace(old, closed_utc=max(closed_utc, old.opened_utc)))

    def dated(self, by_s: float) -> list[Incident]:
        """The clock is set: provisional dates move by so much. What there is to write again."""
        moved = [self._moved(incident, by_s) for incident in {i.id: i for i in self.written}.values()]
        self._open |= {(i.kind, i.entity): i for i in moved if i.closed_utc is None}
        self.written.clear()
        self.written.extend(moved)
        return moved

    def _moved(self, incident: Incident, by_s: float) -> Incident:
        opened = incident.opened_utc + (0 if incident.id in self._opened_before else by_s)
        closed = incident.closed_utc
        if closed is not None:
            closed = max(closed - self._held_back.get(incident.id, 0.0) + by_s, opened)
        return replace(incident, opened_utc=opened, closed_utc=closed)

    def _put(self, incident: Incident) -> None:
        self.written.append(incident)
        self._write(incident)

    def _end_fault(self, closed_utc: float) -> None:
        """A fault of ours is over once it hides nobody any more; another device's answer proves nothing."""
        if (KIND_FAULT, PROBE) in self._open and all(why in _NOT_A_FAULT for why in self._hidden.values()):
            self.end(KIND_FAULT, PROBE, closed_utc)

    def _behind(self, device: str, change: StateChange) -> bool:
        return change.device in self._ancestors(device)

    def _hide(self, change: StateChange) -> None:
        self._hidden[change.device] = change.reason
        at = self._utc(change.at)
        if change.reason == "own_link":
            self.begin(KIND_LINK, PROBE, "own_link", at, (change.device,))
        elif change.reason == "parent":
            for ancestor in sorted(self._ancestors(change.device)):
                if (KIND_DOWN, ancestor) in self._open:
                    self.begin(KIND_DOWN, ancestor, "", at, (change.device,))
        elif change.reason not in _NOT_A_FAULT:
            self.begin(KIND_FAULT, PROBE, change.reason, at, (change.device,))


def _with(hides: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    """In order, each once. Of 1,000 devices that are hidden one by one each is put in its place."""
    for device in more:
        at = bisect_left(hides, device)
        if hides[at : at + 1] != (device,):
            hides = (*hides[:at], device, *hides[at:])
    return hides
