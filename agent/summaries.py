"""From closed windows to summaries: kept in memory for page and API, and said to the central servers.

The arithmetic is kpi/summary.py's; here stands what is said when: site and devices every five minutes, ports hourly,
and at once for a port that changed. A status is read on the window that the catalogue names for it (an hour, a day, 30
days), and stands in every summary until the next such window.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from agent.boundary import Boundary
from agent.messages import MessageDraft
from agent.pace import Pace, size_of
from agent.polled import PollOutcome
from agent.site import SitePlan, Watchable
from agent.statuses import Statuses, TroubledPort
from agent.store.packing import compact
from agent.windows import ECHO, FABRIC, FIVE_S, GEAR, PORTS, RESTARTS, STATE, Five
from kpi.catalogue import entry_of
from kpi.echo import EchoCounts
from kpi.entities import INTERNAL, PROBE, SITE, UPLINK, is_internal
from kpi.entry import THIRTY_DAYS_S
from kpi.fabric_counts import FabricCounts
from kpi.gear_counts import GearCounts
from kpi.gear_figures import port_used_pct
from kpi.gear_site import site_clients
from kpi.merge import DeviceWindow, merge_port_maps
from kpi.model import Figure, NullReason, Outcome, Role, Summary, Window
from kpi.planned import Halves, halves_from_plain, halves_to_plain, read_halves
from kpi.port_counts import BILLED, PortCounts, ports_window_from_plain, ports_window_to_plain
from kpi.port_summary import port_figures, ports_to_plain
from kpi.reboots import RestartCounts
from kpi.states import StateSeconds
from kpi.status import read_on
from kpi.summary import (
    History,
    device_summary,
    link_flap_of,
    own_summary,
    site_summary,
    summary_to_plain,
)

SITE_SCHEMA = "sonda.summary.site.v1"
DEVICE_SCHEMA = "sonda.summary.device.v1"
PORTS_SCHEMA = "sonda.summary.ports.v1"
HOUR_S = 3600
P95 = "p95_rate_bps"
"""Its own window is 30 days, or the month."""
PORTS_A_MESSAGE = 256
"""A port of which every column differs takes 145 octets and its name: a message stays below 128 kB (agent/README.md).
"""
PORTS_AT_ONCE = 64
"""Figures of ports that are made at a stretch: 36 us each, and as much to judge them."""
VALUES_A_DEVICE = 50
"""Of the site's summary, about."""
PLACE = "summary"
"""The boundary's name for what is made of one entity."""
REVISIONS_KEPT = 600
"""Two days of five minutes: a clock that is set back by more says them with the same revisions again, flagged."""

Polls = Mapping[str, PollOutcome | None]


class SiteParts:
    """What the site's summary of one window is made of, as it is gathered device by device."""

    def __init__(self, window: Window, history: History) -> None:
        """``history`` is that of the site's statuses before this window."""
        self.window = window
        self.devices: list[DeviceWindow] = []
        """Without their ports: 4,800 would be 3 MB, and the site asks for the sum of their flaps alone."""
        self.ports = _no_ports(), _no_ports()
        """What the site asks for of each device's, planned work left out, and with it."""
        self.network: StateSeconds | None = None
        self.clients: GearCounts | None = None
        self.revision, self.final = 0, True
        self.flags: tuple[str, ...] = ()
        self._history = history

    def summary(self) -> Summary:
        """Not judged beside others yet. 150 us a device: of many it is made aside."""
        (flaps, used), whole = self.ports
        return site_summary(
            self.devices,
            self.network,
            self.window,
            revision=self.revision,
            final=self.final,
            history=self._history,
            clients=self.clients,
            flaps=flaps,
            used=used,
            incl_maint=whole,
        )

    async def summary_aside(self, pace: Pace) -> Summary:
        """The same; see Pace.aside."""
        return await pace.aside(VALUES_A_DEVICE * len(self.devices), self.summary)


class Summaries:
    """The figures of the last closed five minutes, and the messages made of them."""

    def __init__(self, boundary: Boundary | None = None) -> None:
        self._boundary = boundary or Boundary()
        self.latest: dict[str, Summary] = {}
        """By entity: device ids, SITE, and PROBE where the box has a radio."""
        self._ports_now: dict[str, tuple[bytes, Window, NullReason]] = {}
        """By device, the ports' window as it is written; figures are made of it when somebody asks. 4,800 ports take
        0.5 MB so, 2.5 MB unpacked, and 10 MB and 0.3 s as figures (measured)."""
        self.statuses = Statuses()
        self.billed: dict[str, dict[str, Figure]] = {}
        """By device and port, p95_rate_bps of the last 30 days, of ports that are billed."""
        self._revisions: dict[int, int] = {}
        """Of the five minutes that were said last, by their label."""

    def closed(self, five: Five, polls: Polls, written: Mapping[str, bytes] | None = None) -> list[MessageDraft]:
        """What ``closing`` and ``site_closed`` give, at once."""
        site = self.site_parts(Window(five.label, FIVE_S))
        drafts = [draft for said in self.closing(five, polls, written, site) for draft in said]
        return drafts + self.site_closed(site, site.summary())

    def site_parts(self, window: Window) -> SiteParts:
        """For the site's summary of this window."""
        return SiteParts(window, self.statuses.history(SITE, "", window))

    def closing(
        self, five: Five, polls: Polls, written: Mapping[str, bytes] | None, site: SiteParts
    ) -> Iterator[list[MessageDraft]]:
        """Summaries of five closed minutes, a device or some of its ports at a time; the messages carry the window, so
        they are for dated ones alone. ``written``: by device, the window of its ports as it goes into the store;
        ``site`` is filled with what site_closed needs in the end."""
        window = Window(five.label, FIVE_S)
        self._forget(five)
        written = written or {}
        revision = self._revised(five.label) if five.dated else 0
        site.revision, site.flags, site.network = revision, five.flags, five.network
        for device in five.devices.values():
            site.devices.append(_without_ports(device))
            with self._boundary.around(PLACE, device.device) as attempt:
                summary = replace(self.device(device, window, polls), revision=revision)
                self.latest[device.device] = summary
                yield [_message(summary)]
            if attempt.failed:
                self.latest.pop(device.device, None)
            self._ports_now.pop(device.device, None)
            if device.ports or (device.planned is not None and device.planned.ports):
                yield from self._closing_ports(device, window, polls, revision, written.get(device.device))
                if not attempt.failed:
                    _sum_of_ports(device, self.latest[device.device], *site.ports)
            yield []
        if five.own is not None:
            with self._boundary.around(PLACE, PROBE):
                own = replace(self.own(five.own, window), revision=revision)
                self.latest[PROBE] = own
                yield [_message(own)]
        with self._boundary.around("clients of the site", SITE):
            site.clients = site_clients(site.devices)

    def site_closed(self, parts: SiteParts, summary: Summary | None) -> list[MessageDraft]:
        """After ``closing``: ``summary`` is what ``parts`` gave, None where that failed."""
        drafts = []
        with self._boundary.around(PLACE, SITE) as attempt:
            if summary is not None:
                site = self.judged_site(summary)
                self.latest[SITE] = site
                flags = {"flags": list(parts.flags)} if parts.flags else {}
                drafts = [MessageDraft(_topic(SITE), SITE_SCHEMA, {**summary_to_plain(site), **flags})]
        if attempt.failed or summary is None:
            self.latest.pop(SITE, None)
        return drafts

    def judged_site(self, summary: Summary, *, remember: bool = True) -> Summary:
        """The site's, judged, and what is in force; the last of its window."""
        summary = self._stood(summary, remember=remember)
        self.statuses.window_ended()
        return summary

    def _closing_ports(
        self, device: DeviceWindow, window: Window, polls: Polls, revision: int, written: bytes | None
    ) -> Iterator[list[MessageDraft]]:
        name = device.device
        figures: dict[str, tuple[Figure, ...]] = {}
        with self._boundary.around("summary of ports", name):
            ports = written or compact(halves_to_plain(_ports_of(device).each(ports_window_to_plain)))
            self._ports_now[name] = ports, window, why_unanswered(polls.get(name))
            yield []
            for some in self.port_figures_in_parts(device, window, polls, only_changed=True):
                figures |= some
                if len(figures) >= PORTS_A_MESSAGE:
                    yield _ports_messages(name, window, figures, revision)
                    figures = {}
                yield []
            yield _ports_messages(name, window, figures, revision)

    def _revised(self, label: int) -> int:
        """The revision with which these five minutes are said now."""
        revision = self._revisions.pop(label, -1) + 1
        self._revisions[label] = revision
        if len(self._revisions) > REVISIONS_KEPT:
            del self._revisions[next(iter(self._revisions))]
        return revision

    def said(self, label: int) -> int:
        """The highest revision with which these five minutes were said lately."""
        return self._revisions.get(label, 0)

    def said_again(self, summary: Summary, ports: bytes | None = None, polls: Polls | None = None) -> None:
        """Five minutes that were closed out of the store, or came out differently afterwards; unless later ones are
        known they are what is shown."""
        window, known = summary.window, self.latest.get(summary.entity)
        self._revisions[window.start_utc] = max(self._revisions.get(window.start_utc, 0), summary.revision)
        if known is not None and known.window.start_utc > window.start_utc:
            return
        self.latest[summary.entity] = summary
        if ports is not None:
            self._ports_now[summary.entity] = ports, window, why_unanswered((polls or {}).get(summary.entity))

    def ports(self, device: str) -> Mapping[str, Sequence[Figure]]:
        """The figures of a device's ports in the last closed five minutes, with the statuses in force."""
        if device not in self._ports_now:
            return {}
        written, window, unanswered = self._ports_now[device]
        halves = read_halves(ports_window_from_plain, json.loads(written))
        found = port_figures(halves.counted or {}, window, unanswered=unanswered, planned=halves.planned)
        billed = self.billed.get(device, {})
        return {
            key: tuple(
                billed[key] if one.kpi == P95 and key in billed else one
                for one in self.statuses.in_force(device, key, figures)
            )
            for key, figures in found.items()
        }

    def troubled_ports(self) -> Iterator[TroubledPort]:
        """The ports' figures whose status in force is not good."""
        return self.statuses.troubled_ports()

    def device(self, device: DeviceWindow, window: Window, polls: Polls, *, remember: bool = True) -> Summary:
        """Judged, and what is in force. ``remember``: False for a window that is told anew, after later ones."""
        summary = device_summary(
            device,
            window,
            history=self.statuses.history(device.device, "", window),
            unanswered=why_unanswered(polls.get(device.device)),
        )
        return self._stood(summary, remember=remember)

    def own(self, gear: GearCounts, window: Window, *, remember: bool = True) -> Summary:
        """As ``device``, of the probe itself."""
        summary = own_summary(PROBE, gear, window, history=self.statuses.history(PROBE, "", window))
        return self._stood(summary, remember=remember)

    def _stood(self, summary: Summary, *, remember: bool) -> Summary:
        take = self.statuses.judged if remember else self.statuses.corrected
        return replace(summary, figures=take(summary.entity, "", summary.window, summary.figures))

    def port_figures(
        self, device: DeviceWindow, window: Window, polls: Polls, *, remember: bool = True
    ) -> dict[str, tuple[Figure, ...]]:
        """As ``device``, of its ports."""
        name, ports = device.device, _ports_of(device)
        judged_here = window.length_s != FIVE_S
        keys = _keys(ports)
        history = {key: self.statuses.history(name, key, window) for key in keys} if judged_here else None
        unanswered = why_unanswered(polls.get(name))
        due_ms, counted = device.states.expected_ms, ports.counted or {}
        found = port_figures(
            counted, window, due_ms=due_ms, history=history, unanswered=unanswered, planned=ports.planned
        )
        take = self.statuses.judged if remember else self.statuses.corrected
        return {key: take(name, key, window, figures) for key, figures in found.items()}

    def port_figures_in_parts(
        self, device: DeviceWindow, window: Window, polls: Polls, *, only_changed: bool = False, remember: bool = True
    ) -> Iterator[dict[str, tuple[Figure, ...]]]:
        """port_figures of some ports at a time."""
        ports = _ports_of(device)
        keys = [key for key in _keys(ports) if not only_changed or _changed(key, ports)]
        for first in range(0, len(keys), PORTS_AT_ONCE):
            some = set(keys[first : first + PORTS_AT_ONCE])
            yield self.port_figures(_only(device, some), window, polls, remember=remember)

    def _forget(self, five: Five) -> None:
        """Devices that are watched no more; of those whose window was lost by a fault of ours, the figures alone."""
        own = {PROBE} if five.own is not None else set()
        for device in self.latest.keys() - five.devices.keys() - {SITE} - own:
            del self.latest[device]
            self.billed.pop(device, None)
            self._ports_now.pop(device, None)
            if device not in five.plan.by_id():
                self.statuses.forget(device)


class FoldedWindow:
    """A window out of the store, judged an entity at a time (a device of 48 ports takes 4 ms). Of an hour, the ports
    are said; of five minutes that got their date only now, or come with a higher revision, devices and site."""

    def __init__(
        self,
        summaries: Summaries,
        window: Window,
        plan: SitePlan,
        polls: Polls,
        *,
        revision: int = 0,
        judged: Callable[[], Sequence[MessageDraft]],
    ) -> None:
        """``judged()`` gives what is to be said of the statuses that changed, in the commit of the window."""
        self._summaries = summaries
        self._window = window
        self._plan = plan.by_id()
        self._polls = polls
        self._revision = revision
        self._judged = judged
        self._remember = revision == 0
        self._site = summaries.site_parts(window)
        self._site.revision = revision

    async def take(self, entity: str, plains: Mapping[str, Any], pace: Pace) -> list[MessageDraft]:
        """The windows of one entity, by kind; what is to be said of it."""
        if entity == UPLINK:
            self._site.network = StateSeconds.from_plain(plains[STATE])
        if entity == SITE:
            self._site.clients = GearCounts.from_plain(plains[GEAR])
        summaries, window = self._summaries, self._window
        if entity == PROBE:
            own = summaries.own(GearCounts.from_plain(plains[GEAR]), window, remember=self._remember)
            own = replace(own, revision=self._revision)
            if window.length_s == FIVE_S:
                summaries.said_again(own)
            return [_message(own)] if window.length_s == FIVE_S else []
        if entity not in self._plan:
            return []
        device = await pace.aside(size_of(plains), partial(_device_window, plains, self._plan[entity]))
        summary = summaries.device(device, window, self._polls, remember=self._remember)
        summary = replace(summary, revision=self._revision)
        drafts = [_message(summary)] if window.length_s == FIVE_S else []
        if drafts:
            summaries.said_again(summary, compact(plains[PORTS]) if PORTS in plains else None, self._polls)
        if _keys(_ports_of(device)):
            drafts += await self._take_ports(device, pace)
            _sum_of_ports(device, summary, *self._site.ports)
            await pace.breathe()
        self._site.devices.append(_without_ports(device))
        return drafts

    async def _take_ports(self, device: DeviceWindow, pace: Pace) -> list[MessageDraft]:
        entity, window, halves = device.device, self._window, _ports_of(device)
        drafts: list[MessageDraft] = []
        ports: dict[str, tuple[Figure, ...]] = {}
        own_window = read_on(entry_of(P95), window.length_s)
        for some in self._summaries.port_figures_in_parts(device, window, self._polls, remember=self._remember):
            ports |= some
            if own_window:
                ports = {key: figures for key, figures in ports.items() if any(BILLED in one.flags for one in figures)}
            if window.length_s == HOUR_S and len(ports) >= PORTS_A_MESSAGE:
                drafts += _ports_messages(entity, window, ports, self._revision)
                ports = {}
            await pace.breathe()
        if window.length_s == HOUR_S:
            drafts += _ports_messages(entity, window, ports, self._revision)
            self._summaries.statuses.keep_ports(entity, [*_keys(halves), *self._not_to_forget(entity)])
        elif window.length_s == FIVE_S:
            again = {key: figures for key, figures in ports.items() if _changed(key, halves)}
            drafts += _ports_messages(entity, window, again, self._revision)
        elif own_window:
            drafts += _ports_messages(entity, window, ports, self._revision)
            if window.length_s == THIRTY_DAYS_S:
                self._summaries.billed[entity] = {key: _p95_of(figures, window) for key, figures in ports.items()}
        await pace.breathe()
        return drafts

    def _not_to_forget(self, device: str) -> Collection[str]:
        """Ports that came after a window that is told anew."""
        return () if self._remember else self._summaries.statuses.ports_of(device)

    async def end(self, pace: Pace) -> list[MessageDraft]:
        """That was all; what is to be said of the site."""
        made = await self._site.summary_aside(pace)
        site = self._summaries.judged_site(made, remember=self._remember)
        said = list(self._judged())
        if self._window.length_s != FIVE_S or not self._site.devices:
            return said
        self._summaries.said_again(site)
        return [*said, MessageDraft(_topic(SITE), SITE_SCHEMA, summary_to_plain(site))]


def _no_ports() -> tuple[dict[str, Figure], dict[str, Figure]]:
    return {}, {}


def _sum_of_ports(
    device: DeviceWindow,
    summary: Summary,
    apart: tuple[dict[str, Figure], dict[str, Figure]],
    whole: tuple[dict[str, Figure], dict[str, Figure]],
) -> None:
    """What the site asks for of all ports of one device: as its own summary says it, and with planned work."""
    name, figures = summary.entity, {figure.kpi: figure for figure in summary.figures}
    if "port_used_pct" in figures:
        apart[1][name] = whole[1][name] = figures["port_used_pct"]
    if device.role is not Role.INTERNET and "link_flap" in figures:
        apart[0][name] = whole[0][name] = figures["link_flap"]
    if device.planned is None or not device.planned.ports:
        return
    together = merge_port_maps(device.ports, device.planned.ports)
    used = port_used_pct(together.values())
    if name in whole[1] and used is not None:
        whole[1][name] = used
    if name in whole[0]:
        whole[0][name] = link_flap_of(together.values())


def _ports_of(device: DeviceWindow) -> Halves[Mapping[str, PortCounts]]:
    planned = device.planned.ports if device.planned is not None else None
    return Halves(device.ports or None, planned or None)


def _p95_of(figures: Sequence[Figure], window: Window) -> Figure:
    """It stands beside figures of five minutes, and so it says of how long it is."""
    figure = next(one for one in figures if one.kpi == P95)
    return replace(figure, parts={**figure.parts, "window_s": window.length_s})


def _keys(ports: Halves[Mapping[str, PortCounts]]) -> list[str]:
    return list({**(ports.counted or {}), **(ports.planned or {})})


def _changed(key: str, ports: Halves[Mapping[str, PortCounts]]) -> bool:
    """Whether its state changed, be it in planned work."""
    return any(half is not None and key in half and half[key].transitions for half in (ports.counted, ports.planned))


def _only(device: DeviceWindow, keys: Collection[str]) -> DeviceWindow:
    """The device with these of its ports."""
    planned = device.planned
    if planned is not None:
        planned = replace(planned, ports={key: one for key, one in planned.ports.items() if key in keys})
    return replace(device, ports={key: one for key, one in device.ports.items() if key in keys}, planned=planned)


def _without_ports(device: DeviceWindow) -> DeviceWindow:
    return _only(device, ())


def why_unanswered(poll: PollOutcome | None) -> NullReason:
    """Why SNMP figures are missing: the device refuses our credentials, or there is simply nothing."""
    if poll is not None and poll.outcome is Outcome.REFUSED and poll.reason not in {None, "port_unreachable"}:
        return NullReason.AUTH
    return NullReason.NO_DATA


def _device_window(plains: Mapping[str, Any], watchable: Watchable) -> DeviceWindow:
    halves = {kind: halves_from_plain(plain) for kind, plain in plains.items()}
    counted = _half({kind: half.counted for kind, half in halves.items()}, watchable)
    planned = _half({kind: half.planned for kind, half in halves.items()}, watchable)
    nothing = DeviceWindow(watchable.device.id, watchable.device.role)
    return counted if planned == nothing else replace(counted, planned=planned)


def _half(plains: Mapping[str, Any], watchable: Watchable) -> DeviceWindow:
    states, echo, ports, restarts = (plains.get(kind) for kind in (STATE, ECHO, PORTS, RESTARTS))
    fabric, gear = plains.get(FABRIC), plains.get(GEAR)
    return DeviceWindow(
        device=watchable.device.id,
        role=watchable.device.role,
        states=StateSeconds.from_plain(states) if states is not None else StateSeconds(),
        echo=EchoCounts.from_plain(echo) if echo is not None else None,
        ports=ports_window_from_plain(ports) if ports is not None else {},
        restarts=RestartCounts.from_plain(restarts) if restarts is not None else None,
        fabric=FabricCounts.from_plain(fabric) if fabric is not None else None,
        gear=GearCounts.from_plain(gear) if gear is not None else None,
    )


def _message(summary: Summary) -> MessageDraft:
    return MessageDraft(_topic(summary.entity), DEVICE_SCHEMA, summary_to_plain(summary))


def _topic(entity: str) -> str:
    """What is no device has a topic of its own beside those of the devices: summary/site, summary/probe."""
    return f"summary/{entity.removeprefix(INTERNAL)}" if is_internal(entity) else f"summary/device/{entity}"


def _ports_messages(
    device: str, window: Window, figures: Mapping[str, Sequence[Figure]], revision: int
) -> list[MessageDraft]:
    """All ports of a device, at most PORTS_A_MESSAGE in one."""
    span = {"start": window.start_utc, "length_s": window.length_s}
    head = {"entity": device, "window": span, "revision": revision}
    ports = list(figures.items())
    return [
        MessageDraft(
            f"summary/ports/{device}",
            PORTS_SCHEMA,
            {**head, **ports_to_plain(dict(ports[first : first + PORTS_A_MESSAGE]))},
        )
        for first in range(0, len(ports), PORTS_A_MESSAGE)
    ]
