"""From closed windows to summaries: kept in memory for page and API, and said to the central servers.

The arithmetic is kpi/summary.py's; here stands what is said when: site and devices every five minutes, ports hourly,
and at once for a port that changed. A status is read on the window that the catalogue names for it (an hour, a day, 30
days), and stands in every summary until the next such window.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.messages import MessageDraft
from agent.polled import PollOutcome
from agent.site import SitePlan, Watchable
from agent.windows import ECHO, FABRIC, FIVE_S, GEAR, NETWORK, PORTS, RESTARTS, STATE, Five
from kpi.catalogue import entry_of
from kpi.echo import EchoCounts
from kpi.fabric_counts import FabricCounts
from kpi.gear_counts import GearCounts
from kpi.gear_site import site_clients
from kpi.merge import DeviceWindow, merge_device, merge_optional
from kpi.model import Figure, NullReason, Outcome, Status, Summary, Window
from kpi.port_counts import PortCounts, ports_window_from_plain
from kpi.port_summary import port_figures, ports_to_plain
from kpi.reboots import RestartCounts
from kpi.states import StateSeconds, merge_states
from kpi.status import Reading, read_on
from kpi.summary import SITE, device_summary, reading_of, site_summary, summary_to_plain

SITE_SCHEMA = "sonda.summary.site.v1"
DEVICE_SCHEMA = "sonda.summary.device.v1"
PORTS_SCHEMA = "sonda.summary.ports.v1"
HOUR_S = 3600
PORTS_A_MESSAGE = 256
"""A port of which every column differs takes 145 octets and its name: a message stays below 128 kB (DESIGN section 7).
"""
REVISIONS_KEPT = 600
"""Two days of five minutes: a clock that is set back by more says them with the same revisions again, flagged."""
BEFORE = 2
"""Windows before the present one that a status looks at (KPI.md R10)."""

Polls = Mapping[str, PollOutcome | None]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A figure's status has changed. ``entity`` is a device, "device/port" or "site"."""

    entity: str
    kpi: str
    was: str
    status: str
    value: float | None
    window_s: int


class Summaries:
    """The figures of the last closed five minutes, and the messages made of them."""

    def __init__(self) -> None:
        self.latest: dict[str, Summary] = {}
        """By entity: device ids, and "site"."""
        self._ports_now: dict[str, tuple[DeviceWindow, Window, NullReason]] = {}
        """By device; figures are made of it when somebody asks: 4,800 ports take 0.3 s and 10 MB (measured)."""
        self._before: dict[tuple[str, int], dict[str, tuple[Reading, ...]]] = {}
        """By entity ("device" or "device/port") and length of the window, then by figure: 4,800 ports are normal, and
        each asks for its own."""
        self._status: dict[str, dict[str, Status]] = defaultdict(dict)
        """By entity and figure."""
        self._crossings: list[Crossing] = []
        self._revisions: dict[int, int] = {}
        """Of the five minutes that were said last, by their label."""
        self._piece: Five | None = None
        """What was said of five minutes of which more is to come."""

    def closed(self, five: Five, polls: Polls) -> list[MessageDraft]:
        """Summaries of five closed minutes; the messages carry the window, so they are for dated ones alone."""
        window = Window(five.label, FIVE_S)
        drafts = []
        self._forget(five.devices)
        revision, five = self._revised(five)
        for device in five.devices.values():
            summary = replace(self._device(device, window, polls), revision=revision, final=five.final)
            self.latest[device.device] = summary
            drafts.append(_device_message(summary))
            self._ports_now[device.device] = device, window, why_unanswered(polls.get(device.device))
            changed = {key: counts for key, counts in device.ports.items() if counts.transitions}
            if changed:
                figures = self._ports(replace(device, ports=changed), window, polls)
                drafts += _ports_messages(device.device, window, figures)
        site = self._site(five.devices.values(), five.network, window, site_clients(five.devices.values()))
        self.latest[SITE] = site = replace(site, revision=revision, final=five.final)
        flags = {"flags": list(five.flags)} if five.flags else {}
        drafts.append(MessageDraft("summary/site", SITE_SCHEMA, {**summary_to_plain(site), **flags}))
        return drafts

    def _revised(self, five: Five) -> tuple[int, Five]:
        """Five minutes are said anew, whole and with a higher revision, where a clock that jumped shows them again; of
        whole ones that no piece tells of, nothing is known."""
        revision = self._revisions.pop(five.label, -1) + 1 if five.dated else 0
        before, self._piece = self._piece, None
        if before is not None and before.label == five.label:
            devices = {
                name: merge_device(before.devices[name], device) if name in before.devices else device
                for name, device in five.devices.items()
            }
            five = replace(five, devices=devices, network=merge_optional(merge_states, before.network, five.network))
        if five.dated:
            self._revisions[five.label] = revision
            if len(self._revisions) > REVISIONS_KEPT:
                del self._revisions[next(iter(self._revisions))]
        if not five.final:
            self._piece = five
            return revision, five
        devices = {name: replace(d, states=d.states.whole(FIVE_S)) for name, d in five.devices.items()}
        network = five.network.whole(FIVE_S) if five.network is not None else None
        return revision, replace(five, devices=devices, network=network)

    def folded(
        self,
        window: Window,
        plains: Mapping[str, Mapping[str, Any]],
        plan: SitePlan,
        polls: Polls,
        *,
        revision: int = 0,
    ) -> Iterator[list[MessageDraft]]:
        """A window out of the store: judge what is read on it. Of an hour, the ports are said; of five minutes that
        got their date only now, or come with a higher ``revision``, what is to be said of them. Device by device (one
        of 48 ports takes 4 ms), the site last, so that others get their turn in between."""
        late = window.length_s == FIVE_S
        devices = []
        for watchable in plan.devices:
            device = _device_window(plains, watchable)
            if device is None:
                continue
            devices.append(_without_bins(device))
            summary = replace(self._device(device, window, polls), revision=revision)
            ports = self._ports(device, window, polls)
            drafts = [_device_message(summary)] if late else []
            if ports and window.length_s == HOUR_S:
                drafts += _ports_messages(device.device, window, ports)
            yield drafts
        if window.length_s == HOUR_S:
            self._forget_ports(devices)
        network = plains.get(STATE, {}).get(NETWORK)
        clients = plains.get(GEAR, {}).get(NETWORK)
        site = self._site(
            devices,
            StateSeconds.from_plain(network) if network is not None else None,
            window,
            GearCounts.from_plain(clients) if clients is not None else None,
        )
        if late and devices:
            yield [MessageDraft("summary/site", SITE_SCHEMA, summary_to_plain(replace(site, revision=revision)))]

    def ports(self, device: str) -> Mapping[str, Sequence[Figure]]:
        """The figures of a device's ports in the last closed five minutes, with the statuses in force."""
        if device not in self._ports_now:
            return {}
        found, window, unanswered = self._ports_now[device]
        return {
            key: self._in_force(f"{device}/{key}", figures)
            for key, figures in port_figures(found.ports, window, unanswered=unanswered).items()
        }

    def crossings(self) -> list[Crossing]:
        """The changes of status since this was asked last. What was never judged counts as good before."""
        crossings, self._crossings = self._crossings, []
        return crossings

    def _device(self, device: DeviceWindow, window: Window, polls: Polls) -> Summary:
        summary = device_summary(
            device,
            window,
            history=self._history(device.device, window),
            unanswered=why_unanswered(polls.get(device.device)),
        )
        return replace(summary, figures=self._judged(device.device, window, summary.figures))

    def _site(
        self,
        devices: Iterable[DeviceWindow],
        network: StateSeconds | None,
        window: Window,
        clients: GearCounts | None,
    ) -> Summary:
        summary = site_summary(devices, network, window, history=self._history(SITE, window), clients=clients)
        return replace(summary, figures=self._judged(SITE, window, summary.figures))

    def _ports(self, device: DeviceWindow, window: Window, polls: Polls) -> dict[str, tuple[Figure, ...]]:
        if not device.ports:
            return {}
        entities = {key: f"{device.device}/{key}" for key in device.ports}
        judged_here = window.length_s != FIVE_S
        found = port_figures(
            device.ports,
            window,
            history={key: self._history(entity, window) for key, entity in entities.items()} if judged_here else None,
            unanswered=why_unanswered(polls.get(device.device)),
        )
        return {key: self._judged(entities[key], window, figures) for key, figures in found.items()}

    def _history(self, entity: str, window: Window) -> Mapping[str, Sequence[Reading]]:
        return self._before.get((entity, window.length_s), {})

    def _judged(self, entity: str, window: Window, figures: Sequence[Figure]) -> tuple[Figure, ...]:
        """Remember what this window said; a figure that has no status of its own shows the one in force."""
        in_force = self._status[entity]
        before = self._before.setdefault((entity, window.length_s), {}) if window.length_s != FIVE_S else None
        for figure in figures:
            if figure.status is not Status.NONE:
                was = in_force.get(figure.kpi, Status.GOOD)
                if was is not figure.status:
                    self._crossings.append(
                        Crossing(entity, figure.kpi, was.value, figure.status.value, figure.value, window.length_s)
                    )
                in_force[figure.kpi] = figure.status
            if before is not None and read_on(entry_of(figure.kpi), window.length_s):
                before[figure.kpi] = (*before.get(figure.kpi, ()), reading_of(figure))[-BEFORE:]
        return self._in_force(entity, figures)

    def _in_force(self, entity: str, figures: Sequence[Figure]) -> tuple[Figure, ...]:
        known = self._status.get(entity, {})
        statuses = [known.get(figure.kpi, figure.status) for figure in figures]
        return tuple(
            figure if status is figure.status else replace(figure, status=status)
            for figure, status in zip(figures, statuses, strict=True)
        )

    def _forget(self, devices: Mapping[str, DeviceWindow]) -> None:
        """Devices that are watched no more."""
        gone = self.latest.keys() - devices.keys() - {SITE}
        for device in gone:
            del self.latest[device]
            self._ports_now.pop(device, None)
        if gone:
            self._keep(lambda entity: entity.partition("/")[0] not in gone)

    def _forget_ports(self, devices: Iterable[DeviceWindow]) -> None:
        """Ports that were not seen for an hour: virtual interfaces come and go by the day."""
        seen = {f"{device.device}/{port}" for device in devices for port in device.ports}
        seen |= {f"{name}/{port}" for name, (device, _, _) in self._ports_now.items() for port in device.ports}
        self._keep(lambda entity: "/" not in entity or entity in seen)

    def _keep(self, wanted: Callable[[str], bool]) -> None:
        self._before = {key: readings for key, readings in self._before.items() if wanted(key[0])}
        for entity in [entity for entity in self._status if not wanted(entity)]:
            del self._status[entity]


def why_unanswered(poll: PollOutcome | None) -> NullReason:
    """Why SNMP figures are missing: the device refuses our credentials, or there is simply nothing."""
    if poll is not None and poll.outcome is Outcome.REFUSED and poll.reason not in {None, "port_unreachable"}:
        return NullReason.AUTH
    return NullReason.NO_DATA


def _device_window(plains: Mapping[str, Mapping[str, Any]], watchable: Watchable) -> DeviceWindow | None:
    """A device of the plan, where there is anything of it in this window."""
    device = watchable.device.id
    states, echo = plains.get(STATE, {}).get(device), plains.get(ECHO, {}).get(device)
    ports, restarts = plains.get(PORTS, {}).get(device), plains.get(RESTARTS, {}).get(device)
    fabric, gear = plains.get(FABRIC, {}).get(device), plains.get(GEAR, {}).get(device)
    if states is None:
        return None
    return DeviceWindow(
        device=device,
        role=watchable.device.role,
        states=StateSeconds.from_plain(states),
        echo=EchoCounts.from_plain(echo) if echo is not None else None,
        ports=_port_counts(ports),
        restarts=RestartCounts.from_plain(restarts) if restarts is not None else None,
        fabric=FabricCounts.from_plain(fabric) if fabric is not None else None,
        gear=GearCounts.from_plain(gear) if gear is not None else None,
    )


def _without_bins(device: DeviceWindow) -> DeviceWindow:
    """For the sum over the site, which needs none: an hour's bins of 4,800 ports are 10 MB."""
    if not device.ports:
        return device
    return replace(device, ports={key: counts.without_bins() for key, counts in device.ports.items()})


def _port_counts(plain: Any) -> dict[str, PortCounts]:
    return ports_window_from_plain(plain) if plain is not None else {}


def _device_message(summary: Summary) -> MessageDraft:
    return MessageDraft(f"summary/device/{summary.entity}", DEVICE_SCHEMA, summary_to_plain(summary))


def _ports_messages(device: str, window: Window, figures: Mapping[str, Sequence[Figure]]) -> list[MessageDraft]:
    """All ports of a device, at most PORTS_A_MESSAGE in one."""
    span = {"start": window.start_utc, "length_s": window.length_s}
    ports = list(figures.items())
    return [
        MessageDraft(
            f"summary/ports/{device}",
            PORTS_SCHEMA,
            {"entity": device, "window": span, **ports_to_plain(dict(ports[first : first + PORTS_A_MESSAGE]))},
        )
        for first in range(0, len(ports), PORTS_A_MESSAGE)
    ]
