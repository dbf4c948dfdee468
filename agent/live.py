"""What is known now, as the API, the page and /metrics show it: frozen documents, built on demand by whoever knows.

FastAPI makes the OpenAPI page from these classes. Times are RFC 3339 in UTC, units stand in names, and a null figure
says why. ``Live`` is what the API needs of the running agent; nothing here can change anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent.live_gear import (
    BgpPeerNow,
    ClientNow,
    GearNow,
    InventoryNow,
    ModelNow,
    NeighborNow,
    OspfNeighborNow,
    ReadingNow,
    StpNow,
)
from agent.live_radio import RadioNow


@dataclass(frozen=True, slots=True)
class FigureNow:
    """One KPI of the last closed five-minute window (kpi/catalogue.py has title, formula and thresholds)."""

    kpi: str
    unit: str
    value: float | None
    null_reason: str | None
    n: int
    status: str
    parts: Mapping[str, float | None]
    flags: Sequence[str]


@dataclass(frozen=True, slots=True)
class WindowNow:
    """The window the figures belong to."""

    start: str
    end: str
    revision: int
    coverage: float
    final: bool


@dataclass(frozen=True, slots=True)
class SnmpNow:
    """How the SNMP polls of a device go. ``state``: "up", "down" (it does not answer; the device may), "unknown"."""

    state: str
    reason: str | None
    seconds: float | None
    uptime_s: float | None
    ports: int


@dataclass(frozen=True, slots=True)
class DeviceNow:
    """One device."""

    id: str
    name: str
    role: str
    address: str
    parents: Sequence[str]
    state: str
    reason: str
    since: str | None
    rtt_ms: float | None
    """Of the last echo; null where it was not answered."""
    loss_pct: float | None
    """Of the last closed minute."""
    snmp: SnmpNow | None
    inventory: ModelNow | None = None
    """Null until the device has said who it is."""
    gear: GearNow | None = None
    """Null where it tells nothing beyond its ports, and while it does not answer."""


@dataclass(frozen=True, slots=True)
class PortNow:
    """One port. ``figures`` are those of the last closed window."""

    key: str
    index: int
    name: str
    alias: str
    admin: str | None
    oper: str | None
    speed_bps: int | None
    flapping: bool
    figures: Sequence[FigureNow]
    in_bps: float | None = None
    """Over the last counter interval; null before there was one, and while the device does not answer SNMP."""
    out_bps: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceDetail:
    """One device with its figures and ports, and what it tells beyond them, empty while it does not answer."""

    device: DeviceNow
    system: Mapping[str, str | None]
    window: WindowNow | None
    figures: Sequence[FigureNow]
    ports: Sequence[PortNow]
    inventory: InventoryNow | None = None
    readings: Sequence[ReadingNow] = ()
    clients: Sequence[ClientNow] = ()
    """Empty where [privacy] says that none are told of."""
    neighbors: Sequence[NeighborNow] = ()
    bgp_peers: Sequence[BgpPeerNow] = ()
    ospf_neighbors: Sequence[OspfNeighborNow] = ()
    stp: StpNow | None = None


@dataclass(frozen=True, slots=True)
class IncidentNow:
    """Something wrong, with the devices it hides."""

    id: str
    kind: str
    entity: str
    name: str
    cause: str
    opened: str
    closed: str | None
    seconds: float
    hides: Sequence[str]
    maintenance: bool = False
    """All of it, so far, lies in what is planned for the entity: it is no fault."""


@dataclass(frozen=True, slots=True)
class SiteNow:
    """The site at a glance. ``state``: "up" (every device answers, or is in maintenance), "degraded" (an incident is
    open), "unknown" (nothing is known of some device), "down" and "maintenance" (all of them are)."""

    tenant: str
    site: str
    probe: str
    name: str
    timezone: str
    language: str
    time: str
    state: str
    devices: Mapping[str, int]
    """How many are up, down, unknown, in maintenance."""
    incidents: Sequence[IncidentNow]
    window: WindowNow | None
    figures: Sequence[FigureNow]
    notice: Mapping[str, str] | None = None
    """What whoever looks must know of this site, a sentence by language ("en", "it"): that it is a simulation, or that
    its database was damaged."""
    trouble: Mapping[str, str] | None = None
    """What keeps the probe itself from its work now, in the same form: that the disk takes nothing."""


@dataclass(frozen=True, slots=True)
class WrongNow:
    """Something wrong now, as the page puts it: ``name`` ``says``, ``when``; ``more`` is what to do."""

    id: str
    tone: str
    name: str
    device: str
    says: str
    when: str
    more: str


@dataclass(frozen=True, slots=True)
class SentenceNow:
    """The site in words: the page's sentence, and what stands below it."""

    time: str
    tone: str
    sentence: str
    wrong: Sequence[WrongNow]


@dataclass(frozen=True, slots=True)
class ThresholdNow:
    """Good up to ``good``, attention up to ``warn``, beyond it bad; the other way round where ``better`` is "high".
    With ``strict`` the limits themselves are on the worse side."""

    scope: str
    better: str
    good: float
    warn: float
    strict: bool = False


@dataclass(frozen=True, slots=True)
class KpiNow:
    """One entry of the catalogue with its present value for the site and for each device that has one."""

    id: str
    title: Mapping[str, str]
    unit: str
    formula: str
    source: str
    says: Mapping[str, str]
    do: Mapping[str, str]
    thresholds: Sequence[ThresholdNow]
    values: Mapping[str, FigureNow]


@dataclass(frozen=True, slots=True)
class AgentNow:
    """The agent itself: what it costs, what it could not measure, what still waits to be sent."""

    version: str
    boot: str
    started: str
    uptime_s: float
    clock: Mapping[str, Any]
    icmp: Mapping[str, Any]
    snmp: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    store: Mapping[str, Any]
    broker: Mapping[str, Any]
    vitals: Mapping[str, Any]
    settings: Mapping[str, Any]
    traps: Mapping[str, Any]
    faults: Mapping[str, Any] = field(default_factory=dict)
    """What went wrong by a fault of the agent's own, by place (agent/boundary.py)."""
    names: Mapping[str, Any] = field(default_factory=dict)
    """Names in the settings: how many, which do not resolve and why, which have an address of before the start."""
    radio: RadioNow | None = None
    """The probe's own radio; null where it has none."""


@dataclass(frozen=True, slots=True)
class PointNow:
    """One window of echoes. ``start`` is UTC in seconds since the epoch; null times: nothing was answered in it."""

    start: int
    median_ms: float | None
    p5_ms: float | None
    p95_ms: float | None
    sent: int
    lost: int
    coverage: float
    """How much of the window is known, 0 to 1."""


@dataclass(frozen=True, slots=True)
class SpanNow:
    """The device was in ``state`` over [start, end), UTC in seconds since the epoch; before the first span nothing is
    known."""

    start: float
    end: float
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class HistoryNow:
    """One device over its last hours. ``response`` has one point for each window of ``step_s`` in which echoes were
    sent: where there is no point there is a gap. ``coverage`` is the share of the whole span that is known: what was
    before the first start is not."""

    device: str
    hours: float
    start: int
    end: float
    step_s: int
    coverage: float
    available_pct: float | None
    response: Sequence[PointNow]
    states: Sequence[SpanNow]


@dataclass(frozen=True, slots=True)
class FlappingNow:
    """A port that goes on and off."""

    device: str
    name: str
    port: str


@dataclass(frozen=True, slots=True)
class TroubledNow:
    """A figure of a device that answers, or of one of its ports ("" where it is the device's own), that is not good."""

    device: str
    port: str
    figure: FigureNow


@dataclass(frozen=True, slots=True)
class EndNow:
    """One end of a link. ``port`` is "" where it is not known."""

    device: str
    port: str


@dataclass(frozen=True, slots=True)
class LinkNow:
    """A link between two devices. ``confirmed``: both ends tell of it. ``by``: "lldp", "cdp", or "forwarding" where it
    follows from forwarding tables."""

    a: EndNow
    b: EndNow
    confirmed: bool
    by: str


@dataclass(frozen=True, slots=True)
class NodeNow:
    """One device in the topology. ``parents``: what the probe reaches it through; ``derived``: nobody has declared
    them, they follow from the links."""

    id: str
    name: str
    role: str
    state: str
    parents: Sequence[str]
    derived: bool


@dataclass(frozen=True, slots=True)
class TopologyNow:
    """How the devices are connected. ``probe``: the port that the probe itself is connected to, null where nobody
    knows."""

    nodes: Sequence[NodeNow]
    links: Sequence[LinkNow]
    probe: EndNow | None


class Live(Protocol):
    """What the API reads. Every call is quick and touches no disk, but those that are awaited."""

    def site(self) -> SiteNow:
        """The site at a glance."""

    def each_device(self) -> Iterator[DeviceNow]:
        """What ``devices`` gives, one at a time: 1,000 take 20 ms."""

    def devices(self) -> Sequence[DeviceNow]:
        """All devices, in the order of the settings."""

    def device(self, device_id: str) -> DeviceDetail | None:
        """One device, None where there is none of that id."""

    def topology(self) -> TopologyNow:
        """How the devices are connected."""

    def kpis(self) -> Sequence[KpiNow]:
        """The catalogue with values."""

    async def incidents(self, since_utc: float) -> Sequence[IncidentNow]:
        """Open ones, and those closed since then, newest first."""

    async def history(self, device_id: str, hours: float) -> HistoryNow | None:
        """The last hours of one device, None where there is none of that id."""

    def flapping(self) -> Sequence[FlappingNow]:
        """The ports that go on and off now."""

    def troubled(self) -> Sequence[TroubledNow]:
        """The figures of devices and of ports that are not good now."""

    async def agent(self) -> AgentNow:
        """The agent itself."""

    def ready(self) -> str | None:
        """None where everything needed runs; else what does not, as a sentence."""
