"""The real application with a made-up Live behind it, served by the real server on a thread of its own.

with Served(Site()) as served:
    served.url ...; served.change(lambda site: ...)
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from agent.api.app import create_app
from agent.api.events import Broadcaster
from agent.api.guard import Access
from agent.api.server import Server, listen
from agent.boundary import Boundary
from agent.history_view import DevicePast, Overview, Point, Stretch
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
    PointNow,
    PortNow,
    SiteNow,
    SnmpNow,
    SpanNow,
    TopologyNow,
    TroubledNow,
)
from collectors.clock import SystemClock
from kpi.entry import Part
from kpi.seen import Tone
from tests.lab.daemon import free_port

HOSTILE = '<img src=x onerror="document.title=1">\u202egnp.exe'
LONG = "Telecamera sopra l'ingresso dell'officina, a sinistra del cancello, quella che guarda verso il parcheggio"
DAY = 86_400


def rfc3339(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def device(device_id: str, name: str, role: str, rtt_ms: float | None = 0.8, state: str = "up") -> DeviceNow:
    return DeviceNow(
        id=device_id, name=name, role=role, address="192.0.2.1", parents=(), state=state, reason="answered",
        since=None, rtt_ms=rtt_ms, loss_pct=0.0, snmp=SnmpNow("up", None, 0.1, 86_400.0 * 12, 2),
    )  # fmt: skip


def plenty() -> list[DeviceNow]:
    return [
        device("gateway", "FRITZ!Box", "gateway", 0.6),
        device("switch", "Switch hall", "switch", 0.4),
        device("ap", "Access point garden", "access-point", 1.9),
        device("server", "File server", "server", 0.3),
        device("printer", HOSTILE, "printer", 2.4),
        device("camera", LONG, "camera", 3.1),
        device("internet-1", "9.9.9.9", "internet", 12.4),
        device("internet-2", "1.1.1.1", "internet", 11.8),
        device("internet-3", "8.8.8.8", "internet", 14.1),
    ]


@dataclass
class Site:
    """A Live that a test changes at will. Everything was measured for 30 days, with a gap and an outage in it."""

    name: str = "Trattoria da Ugo"
    language: str = "en"
    known: list[DeviceNow] = field(default_factory=plenty)
    troubles: list[IncidentNow] = field(default_factory=list)
    over: list[IncidentNow] = field(default_factory=list)
    flaps: list[FlappingNow] = field(default_factory=list)
    bad: list[TroubledNow] = field(default_factory=list)
    figures: list[FigureNow] = field(default_factory=list)
    """The site's."""
    notice: Mapping[str, str] | None = None

    def utc(self) -> float:
        return SystemClock().utc()

    def fail(self, device_id: str, seconds: float, *hides: str) -> None:
        """The device has been down for so long; what it hides is unknown."""
        since = self.utc() - seconds
        for i, d in enumerate(self.known):
            if d.id == device_id:
                self.known[i] = replace(d, state="down", reason="no_reply", rtt_ms=None, since=rfc3339(since))
                self.troubles.append(self.incident(d, seconds, hides))
            elif d.id in hides:
                self.known[i] = replace(d, state="unknown", reason="parent", rtt_ms=None)

    def incident(
        self, d: DeviceNow, seconds: float, hides: Sequence[str] = (), lasted: float | None = None
    ) -> IncidentNow:
        opened = self.utc() - seconds
        closed = rfc3339(opened + lasted) if lasted is not None else None
        return IncidentNow(
            f"i-{d.id}-{seconds}", "device.down", d.id, d.name, "no_reply", rfc3339(opened), closed, lasted or seconds,
            tuple(hides),
        )  # fmt: skip

    def site(self) -> SiteNow:
        states = [d.state for d in self.known]
        return SiteNow(
            tenant="osteria", site="main", probe="probe-1", name=self.name, timezone="Europe/Rome",
            language=self.language, time=rfc3339(self.utc()), state="up",
            devices={s: states.count(s) for s in ("up", "down", "unknown", "maintenance")},
            incidents=tuple(self.troubles), window=None, figures=tuple(self.figures),
            notice=self.notice,
        )  # fmt: skip

    def each_device(self) -> Iterator[DeviceNow]:
        return iter(self.devices())

    def devices(self) -> Sequence[DeviceNow]:
        return list(self.known)

    def device(self, device_id: str) -> DeviceDetail | None:
        found = next((d for d in self.known if d.id == device_id), None)
        if found is None:
            return None
        figures = (
            FigureNow("rtt_ms", "ms", 0.42, None, 300, "good", {}, ()),
            FigureNow("loss_ratio", "%", 1.3, None, 300, "bad", {}, ()),
            FigureNow("reboots", "1", None, "no_data", 0, "none", {}, ()),
        )
        rates = (
            FigureNow("if_in_bps", "bit/s", 12_400_000.0, None, 1, "none", {}, ()),
            FigureNow("if_util_pct", "%", 1.24, None, 1, "good", {}, ()),
        )
        ports = tuple(
            PortNow(
                f"ge{n}", n, f"ge{n}", HOSTILE if n == 2 else "", "up", "up" if n < 4 else "down", 10**9, n == 3, rates
            )
            for n in range(1, 7)
        )
        system = {"name": HOSTILE, "descr": "Example switch", "object_id": None, "location": "Hall", "contact": None}
        return DeviceDetail(found, system, None, figures, ports)

    def topology(self) -> TopologyNow:
        """The switch is next to the probe; everything else hangs on it, the internet on the router."""
        here = {d.id for d in self.known}
        behind = {d.id: "gateway" if d.role == "internet" else "switch" for d in self.known if d.id != "switch"}
        behind = {device: parent for device, parent in behind.items() if parent in here}
        nodes = [
            NodeNow(
                d.id, d.name, d.role, d.state, (behind[d.id],) if d.id in behind else (), derived=d.role != "internet"
            )
            for d in self.known
        ]
        links = [
            LinkNow(EndNow("switch", f"ge{n}"), EndNow(d.id, ""), confirmed=d.role == "access-point", by="lldp")
            for n, d in enumerate(self.known, 1)
            if behind.get(d.id) == "switch"
        ]
        return TopologyNow(nodes, links, EndNow("switch", "ge24") if "switch" in here else None)

    def kpis(self) -> Sequence[KpiNow]:
        return []

    async def incidents(self, since_utc: float) -> Sequence[IncidentNow]:
        return [*self.troubles, *self.over]

    async def history(self, device_id: str, hours: float) -> HistoryNow | None:
        if not any(d.id == device_id for d in self.known):
            return None
        end, step = self.utc(), 300 if hours <= 48 else 3600
        start = int(end - hours * 3600) // step * step
        points = []
        for i, at in enumerate(range(start, int(end), step)):
            if 0.4 < i * step / hours / 3600 < 0.5:
                continue
            wave = 0.6 + 0.3 * ((i * 7) % 11) / 11
            points.append(PointNow(at, wave, wave * 0.7, wave * 2.2, 300, 30 if i % 40 == 3 else 0, 1.0))
        gap = start + 0.45 * hours * 3600
        spans = (
            SpanNow(start, gap, "up", None), SpanNow(gap, gap + 1800, "down", "no_reply"),
            SpanNow(gap + 1800, end, "up", None),
        )  # fmt: skip
        return HistoryNow(device_id, hours, start, end, step, 0.9, 99.2, tuple(points), spans)

    def flapping(self) -> Sequence[FlappingNow]:
        return self.flaps

    def troubled(self) -> Sequence[TroubledNow]:
        return self.bad

    @property
    def overview_read(self) -> Overview:
        now = self.utc()
        begin = int(now) // 300 * 300 - DAY
        lines = {}
        for part, base in ((Part.INTERNET, 12.0), (Part.NETWORK, 0.5), (Part.SERVERS, 0.9)):
            times = [at for i, at in enumerate(range(begin, int(now), 300)) if not 150 < i < 165]
            waves = [base * (1 + 0.4 * ((i * i) % 17) / 17) for i in range(len(times))]
            lines[part] = [
                Point(at, wave, wave * 0.8, wave * 1.6, 300, 9 if i % 90 == 4 else 0)
                for i, (at, wave) in enumerate(zip(times, waves, strict=True))
            ]
        week = now - 7 * DAY
        ribbons = {
            part: [
                Stretch(week + DAY, now - 2 * DAY, Tone.GOOD),
                Stretch(now - 2 * DAY, now - 2 * DAY + 5000 * i, Tone.PROBLEM),
                Stretch(now - 2 * DAY + 5000 * i, now, Tone.GOOD),
                Stretch(now - 4 * DAY, now - 3.5 * DAY, Tone.MAINTENANCE),
            ]
            for i, part in enumerate(Part)
        }
        past = {d.id: DevicePast(50_000, 12 * i, 99.98, 30 * DAY, now) for i, d in enumerate(self.known)}
        return Overview(now, now - 30 * DAY, lines, ribbons=ribbons, devices=past, coverage=0.987)

    async def overview(self) -> Overview:
        return self.overview_read

    async def agent(self) -> AgentNow:
        return AgentNow(
            version="1.2.3", boot="b", started=rfc3339(self.utc() - 5), uptime_s=93_784.0,
            clock={"dated": True, "jumps": 0}, icmp={}, snmp={},
            scheduler={"runs": 3, "overlaps": 0, "deadlines": 0, "missed": 2, "strays": 0},
            store={"bytes_used": 81_000_000, "bytes_limit": 4e9, "days_left": 412, "dropped": [], "trouble": None},
            broker={"configured": True, "connected": False, "backlog_messages": 1234, "backlog_bytes": 456_000,
                    "state": {"last_error": "The broker does not answer."}},
            vitals={"rss_bytes": 83e6, "disk_free_bytes": 9e9, "disk_total_bytes": 3e10, "load_1min": 0.2,
                    "memory_available_bytes": 6e8, "temperature_c": 51.0},
            settings={"reload_faults": None}, traps={"enabled": False, "listening": None},
        )  # fmt: skip

    def ready(self) -> str | None:
        return None

    def now(self) -> dict[str, Any]:
        return {}


class Served:
    """Serves a Site on 127.0.0.1; ``stop`` and ``start`` are the agent ended and begun anew on the same port."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.boundary = Boundary()
        self.port = free_port(address="127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="served")
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join(10)

    def change(self, how: Callable[[Site], None]) -> None:
        """Change the site and tell the pages, in the server's own loop; returns when that is done."""
        done = threading.Event()

        def run() -> None:
            how(self.site)
            self._events.changed()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        clock = SystemClock()
        self._events = Broadcaster(clock, self.site.now, self.boundary)
        app = create_app(self.site, self._events, clock, "1.2.3", Access(), boundary=self.boundary)
        self._server = Server(app, listen("127.0.0.1", self.port, lambda _: None), clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(self._server.run())
            ready.set()

    def _end(self) -> None:
        self._events.close()
        self._server.stop()
