"""What is known now, put into the documents of agent/live.py. Reads the monitor and the last summaries in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from agent.boundary import Boundary
from agent.gear_view import Beyond, beyond_ports, gear_now, model_of, sessions_now
from agent.history_view import Overview, OverviewKeeper, Past, device_history, floored, no_history
from agent.incidents import Incidents
from agent.live import (
    AgentNow,
    DeviceDetail,
    DeviceNow,
    EndNow,
    FigureNow,
    FlappingNow,
    HistoryNow,
    IncidentNow,
    KpiNow,
    LinkNow,
    NodeNow,
    PortNow,
    SiteNow,
    SnmpNow,
    ThresholdNow,
    TopologyNow,
    TroubledNow,
    WindowNow,
)
from agent.monitor import Monitor, Track
from agent.pace import Pace
from agent.polled import Polled
from agent.privacy import Privacy
from agent.settings.models import Settings
from agent.site import SitePlan
from agent.statuses import TROUBLED, TroubledPort
from agent.timeline import Timeline
from collectors.clock import Clock
from kpi.catalogue import CATALOGUE, entry_of
from kpi.entities import INTERNAL, SITE
from kpi.model import Figure, Incident, Outcome, State, Status, Summary
from kpi.planned import covers
from kpi.topology import PROBE, Link

PLACE = "page"
"""The boundary's name for what is shown."""
UNSHOWN = "unshown"
"""The reason of a device whose document could not be made."""


class Figures(Protocol):
    """The summaries of the last closed five minutes."""

    @property
    def latest(self) -> Mapping[str, Summary]:
        """By entity: device ids, and those of kpi.entities that have a summary."""

    def ports(self, device: str) -> Mapping[str, Sequence[Figure]]:
        """By port key; empty where nothing is known of the device's ports."""

    def troubled_ports(self) -> Iterable[TroubledPort]:
        """The ports' figures whose status in force is not good."""


class Wiring(Protocol):
    """The links between the devices."""

    @property
    def links(self) -> Sequence[Link]:
        """As they are known now, those of the probe among them."""


class History(Past, Protocol):
    """What the view asks the store."""

    async def incidents(self, from_utc: float, to_utc: float) -> Sequence[Incident]:
        """See agent.store.store.Store.incidents."""


class View:
    """Implements agent.live.Live."""

    def __init__(
        self,
        *,
        clock: Clock,
        timeline: Timeline,
        monitor: Monitor,
        incidents: Incidents,
        figures: Figures,
        history: History,
        settings: Callable[[], Settings],
        plan: Callable[[], SitePlan],
        agent: Callable[[], Any],
        lacking: Callable[[], str | None],
        in_maintenance: Callable[[str], bool],
        topology: Wiring,
        privacy: Privacy,
        boundary: Boundary,
        notice: Callable[[], Mapping[str, str] | None] = lambda: None,
        trouble: Callable[[], Mapping[str, str] | None] = lambda: None,
    ) -> None:
        """``agent()`` awaits the agent's own document; ``lacking()`` says what keeps it from being ready;
        ``in_maintenance(device)`` whether what it does now does not count; ``notice()`` and
        ``trouble()`` are SiteNow's."""
        self._clock = clock
        self._timeline = timeline
        self._monitor = monitor
        self._incidents = incidents
        self._figures = figures
        self._history = history
        self._settings = settings
        self._plan = plan
        self._overview = OverviewKeeper(history, clock, plan, lambda: settings().site.zone, boundary)
        self._agent = agent
        self._lacking = lacking
        self._notice, self._trouble = notice, trouble
        self._in_maintenance = in_maintenance
        self._topology = topology
        self._privacy = privacy
        self._boundary = boundary

    def site(self) -> SiteNow:
        site = self._settings().site
        counts = dict.fromkeys(State, 0)
        for track in self._monitor:
            state = track.reach.state
            with self._boundary.around(PLACE, track.id):
                state = self._state(track)
            counts[state] += 1
        incidents = self._shown(self._incidents)
        troubled = any(
            not self._boundary.value(PLACE, i.entity, partial(self._in_maintenance, i.entity), bool)
            for i in self._incidents
        )
        summary = self._figures.latest.get(SITE)
        return SiteNow(
            tenant=site.tenant,
            site=site.site,
            probe=site.probe,
            name=site.name,
            timezone=site.timezone,
            language=site.language,
            time=rfc3339(self._clock.utc()),
            state=_site_state(counts, troubled),
            devices={state.value: n for state, n in counts.items()},
            incidents=incidents,
            window=_window(summary),
            figures=_figures(summary.figures if summary else ()),
            notice=self._notice(),
            trouble=self._trouble(),
        )

    def each_device(self) -> Iterator[DeviceNow]:
        """What fails of one device costs that device its document, and nobody else."""
        for track in self._monitor:
            yield self._boundary.value(PLACE, track.id, partial(self._device, track), partial(_unshown, track))

    def devices(self) -> Sequence[DeviceNow]:
        return list(self.each_device())

    def device(self, device_id: str) -> DeviceDetail | None:
        track = self._monitor.tracks.get(device_id)
        if track is None:
            return None
        summary = self._figures.latest.get(device_id)
        system = track.polled.system if track.polled else None
        beyond = partial(
            beyond_ports,
            track,
            self._monitor,
            self._clock.monotonic(),
            stamp=self._stamp,
            links=self._topology.links,
            privacy=self._privacy,
        )
        return DeviceDetail(
            device=self._boundary.value(PLACE, track.id, partial(self._device, track), partial(_unshown, track)),
            system={
                name: getattr(system, name) if system else None
                for name in ("name", "descr", "object_id", "location", "contact")
            },
            window=_window(summary),
            figures=_figures(summary.figures if summary else ()),
            ports=self._boundary.value(PLACE, device_id, partial(self._ports, device_id, track.polled), list)
            if track.polled
            else [],
            **self._boundary.value(PLACE, device_id, beyond, Beyond),
        )

    def topology(self) -> TopologyNow:
        links = self._topology.links
        own = [link.b for link in links if link.a.device == PROBE]
        return TopologyNow(
            nodes=[
                NodeNow(
                    id=track.id,
                    name=track.watchable.device.name,
                    role=track.watchable.device.role.value,
                    state=self._state(track).value,
                    parents=track.watchable.device.parents,
                    derived=track.watchable.derived,
                )
                for track in self._monitor
            ],
            links=[
                LinkNow(EndNow(x.a.device, x.a.port), EndNow(x.b.device, x.b.port), x.confirmed, x.by)
                for x in links
                if x.a.device != PROBE
            ],
            probe=EndNow(own[0].device, own[0].port) if len(own) == 1 else None,
        )

    def kpis(self) -> Sequence[KpiNow]:
        """May be called in a thread: 1,000 devices have 15,000 figures."""
        values: dict[str, dict[str, FigureNow]] = {name: {} for name in CATALOGUE}
        for entity, summary in dict(self._figures.latest).items():
            with self._boundary.around(PLACE, entity):
                for figure in summary.figures:
                    name = entry_of(figure.kpi).id
                    values[name][entity + figure.kpi[len(name) :]] = _figure(figure)
        return [
            KpiNow(
                id=entry.id,
                title=asdict(entry.title),
                unit=entry.unit,
                formula=entry.formula,
                source=entry.source,
                says=asdict(entry.says),
                do=asdict(entry.do),
                thresholds=[
                    ThresholdNow(t.scope.value, entry.better.value if entry.better else "", t.good, t.warn, t.strict)
                    for t in entry.thresholds
                ],
                values=values[entry.id],
            )
            for entry in CATALOGUE.values()
        ]

    async def incidents(self, since_utc: float) -> Sequence[IncidentNow]:
        found: dict[str, Incident] = {}
        with self._boundary.around(PLACE, "incidents"):  # those in memory are there whatever the store does
            found = {i.id: i for i in await self._history.incidents(since_utc, self._clock.utc() + 1)}
        found |= {i.id: i for i in self._incidents.written if i.closed_utc is None or i.closed_utc >= since_utc}
        found |= {i.id: i for i in self._incidents}
        newest_first = sorted(found.values(), key=lambda i: i.opened_utc, reverse=True)
        shown = await Pace(self._clock).all_of(self._each_shown(newest_first))
        return [incident for incident in shown if incident is not None]

    async def history(self, device_id: str, hours: float) -> HistoryNow | None:
        if device_id not in self._monitor.tracks:
            return None
        planned = [(a, b) for devices, a, b in self._plan().maintenance if device_id in devices]
        with self._boundary.around(PLACE, device_id):
            return await device_history(
                self._history, device_id, hours, self._clock.utc(), planned, boundary=self._boundary
            )
        return no_history(device_id, hours, self._clock.utc())

    async def overview(self) -> Overview:
        """The site's past, for the page; read anew where it is too old."""
        return await self._overview.fresh()

    @property
    def overview_read(self) -> Overview:
        """As it was read last."""
        return self._overview.latest

    def flapping(self) -> Sequence[FlappingNow]:
        return [
            FlappingNow(track.id, track.watchable.device.name, port.identity.name or port.identity.descr)
            for track in self._monitor
            if track.polled is not None
            for port in track.polled.ports.values()
            if port.flapping
        ]

    def troubled(self) -> Sequence[TroubledNow]:
        found: list[TroubledNow] = []
        for track in self._monitor:
            found += self._boundary.value(PLACE, track.id, partial(self._troubled, track), list)
        for one in self._figures.troubled_ports():
            found += self._boundary.value(PLACE, one.device, partial(self._troubled_port, one), list)
        return found

    def _troubled(self, track: Track) -> list[TroubledNow]:
        if self._state(track) is not State.UP:
            return []
        summary = self._figures.latest.get(track.id)
        found = [
            TroubledNow(track.id, "", _figure(figure))
            for figure in (summary.figures if summary is not None else ())
            if figure.status in TROUBLED and figure.value is not None
        ]
        sessions = sessions_now(track)
        return found if sessions is None else [*found, TroubledNow(track.id, "", sessions)]

    def _troubled_port(self, one: TroubledPort) -> list[TroubledNow]:
        polled = self._monitor.tracks[one.device].polled if one.device in self._monitor.tracks else None
        port = polled.ports.get(one.port) if polled is not None else None
        if port is None or one.reading is None or one.reading.value is None:
            return []
        return [TroubledNow(one.device, port.identity.name or port.identity.descr, _judged(one))]

    async def agent(self) -> AgentNow:
        document: AgentNow = await self._agent()
        return document

    def ready(self) -> str | None:
        return self._lacking()

    async def now(self) -> dict[str, Any]:
        """What is told at every change to whoever asks for no page."""
        site, pace = asdict(self.site()), Pace(self._clock)
        await pace.breathe()
        return {"site": site, "devices": await pace.all_of(asdict(device) for device in self.each_device())}

    def _state(self, track: Track) -> State:
        return State.MAINTENANCE if self._in_maintenance(track.id) else track.reach.state

    def _device(self, track: Track) -> DeviceNow:
        device, reach = track.watchable.device, track.reach
        sent = track.minute.sent
        return DeviceNow(
            id=device.id,
            name=device.name,
            role=device.role.value,
            address=device.address,
            parents=device.parents,
            state=self._state(track).value,
            reason=reach.reason,
            since=rfc3339(self._timeline.utc(reach.since)) if self._timeline.dated else None,
            rtt_ms=round(track.last_rtt_ms, 3) if track.last_rtt_ms is not None else None,
            loss_pct=round(100 * track.minute.lost / sent, 2) if sent else None,
            snmp=_snmp(track.polled) if track.polled else None,
            inventory=model_of(track.polled),
            gear=gear_now(track, self._clock.monotonic(), self._stamp),
        )

    def _stamp(self, at: float) -> str:
        return rfc3339(self._timeline.utc(at))

    def _ports(self, device_id: str, polled: Polled) -> list[PortNow]:
        figures = self._figures.ports(device_id)
        ports = []
        for key, port in sorted(polled.ports.items(), key=lambda item: item[1].identity.index):
            identity, status = port.identity, polled.oper.get(key)
            answers = polled.last is not None and polled.last.outcome is Outcome.OK
            into, out = (port.latest_bps if answers else None) or (None, None)
            ports.append(
                PortNow(
                    key=key,
                    index=identity.index,
                    name=identity.name or identity.descr,
                    alias=identity.alias,
                    admin=status.admin if status else None,
                    oper=status.oper if status else None,
                    speed_bps=identity.speed_bps,
                    flapping=port.flapping,
                    figures=_figures(figures.get(key, ())),
                    in_bps=into,
                    out_bps=out,
                )
            )
        return ports

    def _shown(self, incidents: Iterable[Incident]) -> list[IncidentNow]:
        """One that cannot be shown is left out."""
        return [incident for incident in self._each_shown(incidents) if incident is not None]

    def _each_shown(self, incidents: Iterable[Incident]) -> Iterator[IncidentNow | None]:
        for incident in incidents:
            yield self._boundary.value(PLACE, incident.entity, partial(self._incident, incident), lambda: None)

    def _incident(self, incident: Incident) -> IncidentNow:
        track = self._monitor.tracks.get(incident.entity)
        end = incident.closed_utc if incident.closed_utc is not None else self._clock.utc()
        return IncidentNow(
            id=incident.id,
            kind=incident.kind,
            entity=incident.entity,
            name=track.watchable.device.name if track else incident.entity.removeprefix(INTERNAL),
            cause=incident.cause,
            opened=rfc3339(incident.opened_utc),
            closed=rfc3339(incident.closed_utc) if incident.closed_utc is not None else None,
            seconds=round(max(0.0, end - incident.opened_utc), 1),
            hides=incident.hides,
            maintenance=covers(self._plan().maintenance_of(incident.entity), incident.opened_utc, end),
        )


def _unshown(track: Track) -> DeviceNow:
    """What stands for a device whose document cannot be made: who it is, and that nothing is known."""
    device = track.watchable.device
    return DeviceNow(
        id=device.id,
        name=device.name,
        role=device.role.value,
        address=device.address,
        parents=device.parents,
        state=State.UNKNOWN.value,
        reason=UNSHOWN,
        since=None,
        rtt_ms=None,
        loss_pct=None,
        snmp=None,
    )


def rfc3339(utc: float) -> str:
    """UTC with milliseconds: 2026-01-31T12:00:00.000Z."""
    return datetime.fromtimestamp(utc, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _site_state(counts: Mapping[State, int], troubled: bool) -> str:
    if counts[State.UP] == 0:
        return next((s.value for s in (State.DOWN, State.UNKNOWN, State.MAINTENANCE) if counts[s]), "unknown")
    if troubled or counts[State.DOWN]:
        return "degraded"
    return "unknown" if counts[State.UNKNOWN] else "up"


def _snmp(polled: Polled) -> SnmpNow:
    last = polled.last
    state = "unknown"
    if last is not None and last.outcome is Outcome.OK:
        state = "up"
    elif last is not None and last.outcome in {Outcome.NO_REPLY, Outcome.REFUSED}:
        state = "down"
    uptime = polled.system.uptime_cs if polled.system else None
    return SnmpNow(
        state=state,
        reason=last.reason if last else None,
        seconds=round(last.seconds, 4) if last and last.seconds is not None else None,
        uptime_s=uptime / 100 if uptime is not None else None,
        ports=len(polled.ports),
    )


def _window(summary: Summary | None) -> WindowNow | None:
    if summary is None:
        return None
    return WindowNow(
        start=rfc3339(summary.window.start_utc),
        end=rfc3339(summary.window.end_utc),
        revision=summary.revision,
        coverage=floored(summary.coverage),
        final=summary.final,
    )


def _figures(figures: Sequence[Figure]) -> list[FigureNow]:
    return [_figure(figure) for figure in figures]


def _judged(one: TroubledPort) -> FigureNow:
    """A port's figure as it was when its status was read."""
    entry, value = entry_of(one.kpi), one.reading.value if one.reading is not None else None
    parts = {} if entry.status_on == "value" else {entry.status_on: value}
    return FigureNow(one.kpi, entry.unit, value, None, 0, one.status.value, parts, ())


def _figure(figure: Figure) -> FigureNow:
    """A status belongs to a value (kpi/README.md R10): where there is none now, none is shown."""
    return FigureNow(
        kpi=figure.kpi,
        unit=entry_of(figure.kpi).unit,
        value=figure.value,
        null_reason=figure.null_reason.value if figure.null_reason else None,
        n=figure.n,
        status=(figure.status if figure.value is not None else Status.NONE).value,
        parts=dict(figure.parts),
        flags=figure.flags,
    )
