"""The API, the page and /metrics: what they answer, who may ask, and what a browser may do with it."""

import asyncio
import base64
import html
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from pydantic import TypeAdapter
from starlette.types import Message

from agent.api.app import create_app
from agent.api.attempts import MOST_ADDRESSES, Attempts
from agent.api.events import MAX_PAGES, Broadcaster, Document
from agent.api.guard import Access, host_allowed
from agent.api.pages import EventStream
from agent.boundary import Boundary
from agent.history_view import Overview
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
    SpanNow,
    TopologyNow,
    TroubledNow,
)
from collectors.snmp.traps.model import Fate
from tests.doubles import ManualClock

HOSTILE = '<script>alert("1")</script>\u202e'
DEVICE = DeviceNow(
    id="core", name=HOSTILE, role="switch", address="192.0.2.1", parents=(), state="up", reason="answered",
    since="2026-01-01T00:00:00.000Z", rtt_ms=1.25, loss_pct=0.0, snmp=None,
)  # fmt: skip
FIGURE = FigureNow("rtt_ms", "ms", 1.25, None, 300, "good", {}, ())
INCIDENT = IncidentNow(
    id="i", kind="device.down", entity="core", name=HOSTILE, cause="no_reply", opened="2026-01-01T00:00:00.000Z",
    closed=None, seconds=5.0, hides=("a",),
)  # fmt: skip
SITE = SiteNow(
    tenant="t", site="s", probe="p", name=HOSTILE, timezone="UTC", language="en", time="2026-01-01T00:00:05.000Z",
    state="degraded", devices={"up": 1, "down": 0, "unknown": 0, "maintenance": 0}, incidents=(INCIDENT,),
    window=None, figures=(),
)  # fmt: skip
HISTORY = HistoryNow(
    device="core", hours=24.0, start=1_767_225_600, end=1_767_312_000.0, step_s=300, coverage=0.5, available_pct=100.0,
    response=(PointNow(1_767_225_600, 1.0, 0.5, 2.0, 300, 3, 1.0),),
    states=(SpanNow(1_767_225_600.0, 1_767_312_000.0, "up", "answered"),),
)  # fmt: skip
TOPOLOGY = TopologyNow(
    nodes=(NodeNow("core", HOSTILE, "switch", "up", (), derived=False),
           NodeNow("silent", "ap", "access-point", "down", ("core",), derived=True)),
    links=(LinkNow(EndNow("core", "ge7"), EndNow("silent", ""), confirmed=False, by="lldp"),),
    probe=EndNow("core", "ge1"),
)  # fmt: skip
AGENT = AgentNow(
    version="1", boot="b", started="2026-01-01T00:00:00.000Z", uptime_s=5.0, clock={}, icmp={}, snmp={},
    scheduler={"runs": 3, "overlaps": 0, "deadlines": 0, "missed": 0}, store={"bytes_used": 10},
    broker={"backlog_messages": 2, "connected": False}, vitals={"cpu_s": 0.5, "rss_bytes": 9}, settings={},
    traps={"listening": {"host": "::", "port": 162}, **dict.fromkeys(Fate, 0), "dropped_rate": 7,
           "dropped_by_kernel": 1, "by_name": {"linkDown": 2}},
    faults={"total": 4, "by_place": {"fold": 3, "page": 1}, "failing": 0, "now": []},
)  # fmt: skip


class Known:
    """A Live with one device."""

    def __init__(self) -> None:
        self.asked_since: list[float] = []
        self.lacking: str | None = None

    def site(self) -> SiteNow:
        return SITE

    def each_device(self) -> Iterator[DeviceNow]:
        return iter(self.devices())

    def devices(self) -> Sequence[DeviceNow]:
        return [DEVICE, replace(DEVICE, id="silent", state="down", rtt_ms=None, loss_pct=None, since=None)]

    def device(self, device_id: str) -> DeviceDetail | None:
        return DeviceDetail(DEVICE, {"name": None}, None, (), ()) if device_id == "core" else None

    def topology(self) -> TopologyNow:
        return TOPOLOGY

    def kpis(self) -> Sequence[KpiNow]:
        figures = {"core": FIGURE, "site": FIGURE, "silent": replace(FIGURE, value=None, null_reason="no_data")}
        return [KpiNow("rtt_ms", {"en": "Response time"}, "ms", "", "", {}, {}, (), figures)]

    async def incidents(self, since_utc: float) -> Sequence[IncidentNow]:
        self.asked_since.append(since_utc)
        return [INCIDENT]

    async def history(self, device_id: str, hours: float) -> HistoryNow | None:
        return replace(HISTORY, hours=hours) if device_id == "core" else None

    def flapping(self) -> Sequence[FlappingNow]:
        return [FlappingNow("core", HOSTILE, HOSTILE)]

    def troubled(self) -> Sequence[TroubledNow]:
        return []

    async def overview(self) -> Overview:
        return self.overview_read

    @property
    def overview_read(self) -> Overview:
        return Overview()

    async def agent(self) -> AgentNow:
        return AGENT

    def ready(self) -> str | None:
        return self.lacking


@asynccontextmanager
async def client(
    live: Known, access: Access | None = None, host: str = "localhost:8080"
) -> AsyncIterator[httpx.AsyncClient]:
    clock = ManualClock()
    events = Broadcaster(clock, dict, Boundary())
    app = create_app(live, events, clock, "1.2.3", access or Access(), boundary=Boundary())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as opened:
        yield opened


async def test_documents_and_their_description_agree() -> None:
    async with client(Known()) as http:
        described = (await http.get("/api/v1/openapi.json")).json()["paths"]
        for path in (
            "site",
            "devices",
            "devices/core",
            "devices/core/history",
            "kpis",
            "incidents",
            "agent",
            "topology",
            "now",
        ):
            answer = await http.get(f"/api/v1/{path}")
            assert answer.status_code == 200, path
            assert answer.json() is not None
        assert {"/api/v1/site", "/api/v1/devices/{device_id}", "/metrics", "/livez", "/readyz", "/events"} <= set(
            described
        )
        assert (await http.get("/api/v1/devices")).json()[1]["rtt_ms"] is None


async def test_the_api_says_what_the_page_says() -> None:
    async with client(Known()) as http:
        for language in ("en", "it"):
            said = (await http.get(f"/api/v1/now?lang={language}")).json()
            page = html.unescape((await http.get(f"/?lang={language}")).text)
            assert said["sentence"] in page
            assert len(said["wrong"]) == 2, "the incident, and the port that flaps"
            for item in said["wrong"]:
                assert item["says"] in page
        assert (await http.get("/api/v1/now")).json()["wrong"][0]["says"] == "is not reachable"


async def test_what_is_not_there_says_where_to_look() -> None:
    async with client(Known()) as http:
        answer = await http.get("/api/v1/devices/nobody")
        assert (answer.status_code, answer.json()["detail"]) == (
            404, "No device has this id; /api/v1/devices lists them.",
        )  # fmt: skip
        assert (await http.get("/nothing")).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with client(Known()) as http:
        for path in ("/api/v1/site", "/api/v1/devices/core", "/"):
            assert (await http.request(method, path)).status_code == 405


async def test_incidents_look_back_as_far_as_asked_and_no_further_than_they_may() -> None:
    live = Known()
    async with client(live) as http:
        await http.get("/api/v1/incidents?hours=2")
        assert live.asked_since == [ManualClock().utc() - 7200]
        assert (await http.get("/api/v1/incidents?hours=-1")).status_code == 422
        assert (await http.get("/api/v1/incidents?hours=nan")).status_code == 422


async def test_hostile_names_are_text_everywhere() -> None:
    async with client(Known()) as http:
        for path in ("/", "/api", "/device/core", "/agent", "/device/nobody", "/?lang=it"):
            page = (await http.get(path)).text
            assert "<script>alert" not in page
        for path in ("/", "/device/core"):
            assert "&lt;script&gt;alert" in (await http.get(path)).text
        assert (await http.get("/api/v1/site")).json()["name"] == HOSTILE


async def test_a_browser_may_load_nothing_from_elsewhere() -> None:
    async with client(Known()) as http:
        answer = await http.get("/")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        page = answer.text
        assert "http://" not in page and "https://" not in page
        assert "<style" not in page and "style=" not in page and "onclick" not in page
        for path in ("/static/page.css", "/static/page.js"):
            assert path in page
            assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("localhost", True), ("127.0.0.1:8080", True), ("[::1]:8080", True), ("192.0.2.7", True),
        ("probe.lan:8080", True), ("PROBE.lan", True), ("evil.example", False), ("evil.example:8080", False), ("", False),
        ("localhost.evil.example", False), ("127.0.0.1.evil.example", False),
    ],
)  # fmt: skip
async def test_only_our_own_names_are_answered(header: str, allowed: bool) -> None:
    assert host_allowed(header, frozenset({"probe.lan"})) is allowed
    async with client(Known(), Access(frozenset({"probe.lan"}))) as http:
        answer = await http.get("/api/v1/site", headers={"host": header})
        assert answer.status_code == (200 if allowed else 421)


async def test_the_access_code_is_asked_for_everywhere_but_in_health_checks() -> None:
    async with client(Known(), Access(code="correct horse")) as http:
        for path in ("/", "/api/v1/site", "/metrics", "/events", "/static/page.css", "/api/v1/openapi.json"):
            answer = await http.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Basic")
            assert "correct" not in answer.text
        for headers in (basic("wrong"), basic(""), {"authorization": "Basic !!"}, {"authorization": "Bearer x"}):
            assert (await http.get("/", headers=headers)).status_code == 401
        assert (await http.get("/", headers=basic("correct horse"))).status_code == 200
        assert (await http.get("/livez")).status_code == 200
    assert "correct" not in repr(Access(code="correct horse"))


def basic(code: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"anybody:{code}".encode()).decode()}


@asynccontextmanager
async def guarded(clock: ManualClock, address: str) -> AsyncIterator[Callable[..., Awaitable[httpx.Response]]]:
    """Asks a page that has an access code, from that address."""
    app = create_app(
        Known(), Broadcaster(clock, dict, Boundary()), clock, "1", Access(code="correct horse"), boundary=Boundary()
    )

    async def ask(code: str, source: str = address) -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=(source, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await http.get("/api/v1/site", headers=basic(code) if code else {})

    yield ask


async def test_after_ten_wrong_codes_an_address_waits_and_it_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    async with guarded(clock, "192.0.2.7") as ask:
        assert [(await ask("wrong code")).status_code for _ in range(10)] == [401] * 10
        refused = await ask("wrong code")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert (await ask("correct horse")).status_code == 429, "no guess is looked at meanwhile, right ones neither"
        assert (await ask("")).status_code == 401, "a browser that gave no code is asked for it as ever"
        assert (await ask("correct horse", "192.0.2.8")).status_code == 200, "nobody else waits"
        for _ in range(300):
            assert (await ask("wrong code")).status_code in {401, 429}
            await asyncio.sleep(0)
        for _ in range(20):
            await clock.advance(61)
            assert (await ask("wrong code")).status_code == 401
        assert int((await ask("wrong code")).headers["retry-after"]) == 60
        await clock.advance(61)
        assert (await ask("correct horse")).status_code == 200
        assert (await ask("wrong code")).status_code == 401, "it begins anew"
    lines = [record.getMessage() for record in caplog.records if record.name == "sonda.http"]
    assert lines == ["192.0.2.7 gave 10 wrong access codes, and waits before each further one."]


async def test_wrong_codes_are_counted_by_network_of_ipv6_and_for_a_bounded_number_of_addresses() -> None:
    clock = ManualClock()
    async with guarded(clock, "2001:db8::1") as ask:
        for number in range(10):
            await ask("wrong code", f"2001:db8::{number}")
        assert (await ask("wrong code", "2001:db8::99")).status_code == 429
        assert (await ask("wrong code", "2001:db8:0:1::1")).status_code == 401
    attempts = Attempts(clock)
    for number in range(3 * MOST_ADDRESSES):
        attempts.was_wrong(f"10.{number >> 8}.{number & 255}.1")
    assert len(attempts._wrong) == MOST_ADDRESSES


async def test_health_tells_alive_from_ready() -> None:
    live = Known()
    async with client(live) as http:
        assert (await http.get("/readyz")).status_code == 200
        live.lacking = "The disk is full."
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "The disk is full.\n")
        assert (await http.get("/livez")).status_code == 200


async def test_a_device_of_thousands_of_ports_is_told_of_whole_and_piece_by_piece() -> None:
    ports = [
        PortNow(
            key=f"ge{n}", index=n, name=HOSTILE, alias='"ports":[]', admin="up", oper="up", speed_bps=10**9,
            flapping=False, figures=[FIGURE], in_bps=1.0, out_bps=None,
        )
        for n in range(1000)
    ]  # fmt: skip
    whole = DeviceDetail(DEVICE, {"name": '"ports":[]'}, None, (FIGURE,), ports)

    class Large(Known):
        def device(self, device_id: str) -> DeviceDetail | None:
            return whole if device_id == "core" else None

    async with client(Large()) as http, http.stream("GET", "/api/v1/devices/core") as answer:
        pieces = [piece async for piece in answer.aiter_bytes()]
    assert json.loads(b"".join(pieces)) == TypeAdapter(DeviceDetail).dump_python(whole, mode="json")
    async with client(Known()) as http:
        assert (await http.get("/api/v1/devices/core")).json()["ports"] == []


async def test_metrics_are_prometheus_text_in_base_units() -> None:
    async with client(Known()) as http:
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'sonda_device_rtt_seconds{device="core"} 0.00125' in lines
    assert not [line for line in lines if line.startswith('sonda_device_rtt_seconds{device="silent"}')]
    assert 'sonda_device_state{device="silent",state="down"} 1' in lines
    assert [line for line in lines if line.startswith("sonda_device_kpi")] == [
        'sonda_device_kpi{device="core",kpi="rtt_ms"} 1.25'
    ]
    assert "sonda_backlog_messages 2" in lines
    assert "sonda_broker_connected 0" in lines
    assert 'sonda_traps_total{fate="dropped_rate"} 7' in lines
    assert 'sonda_traps_total{fate="kernel"} 1' in lines
    assert 'sonda_traps_accepted_total{trap="linkDown"} 2' in lines
    assert 'sonda_faults_total{place="fold"} 3' in lines
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert HOSTILE not in answer.text


def opened(events: Broadcaster, document: Document | None = None) -> AsyncGenerator[str, None]:
    """The events of one more page."""
    page = events.enter(document)
    assert page is not None
    return events.messages(page)


async def test_a_page_hears_of_changes_at_once_and_every_two_seconds() -> None:
    clock = ManualClock()
    number = 0

    def document() -> dict[str, int]:
        nonlocal number
        number += 1
        return {"n": number}

    events = Broadcaster(clock, document, Boundary())
    running = asyncio.create_task(events.run())
    stream = opened(events)
    first = await anext(stream)
    assert json.loads(first.split("data: ")[1]) == {"n": 1}
    events.changed()
    await clock.advance(0)
    assert json.loads((await anext(stream)).split("data: ")[1]) == {"n": 2}
    await clock.advance(2.4)
    assert json.loads((await anext(stream)).split("data: ")[1]) == {"n": 3}
    events.close()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await running


async def test_a_storm_of_changes_is_a_few_documents() -> None:
    clock = ManualClock()
    made = 0

    def document() -> dict[str, int]:
        nonlocal made
        made += 1
        return {}

    events = Broadcaster(clock, document, Boundary())
    running = asyncio.create_task(events.run())
    stream = opened(events)
    await anext(stream)
    for _ in range(100):
        events.changed()
        await clock.advance(0.01)
    assert 4 <= made <= 7
    await stream.aclose()
    events.close()
    await clock.advance(1)
    await running


async def test_a_page_that_does_not_read_is_dropped_and_asks_nothing_of_anybody() -> None:
    clock = ManualClock()
    events = Broadcaster(clock, dict, Boundary())
    running = asyncio.create_task(events.run())
    deaf = opened(events)
    await anext(deaf)
    await clock.advance(60)
    read = [message async for message in deaf]
    assert len(read) < 10
    events.close()
    await running


async def test_there_is_an_end_to_how_many_pages_may_be_open() -> None:
    events = Broadcaster(ManualClock(), dict, Boundary())
    pages = [events.enter() for _ in range(MAX_PAGES)]
    assert all(pages)
    assert events.enter() is None
    assert pages[0] is not None
    events.leave(pages[0])
    assert events.enter() is not None


async def test_pages_that_come_at_once_are_counted_before_the_first_of_them_is_served() -> None:
    events = Broadcaster(ManualClock(), dict, Boundary())
    statuses: list[int] = []

    async def ask(gone: asyncio.Event) -> None:
        async def receive() -> Message:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await asyncio.sleep(0)

        await EventStream(events, None)({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)

    gone = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(MAX_PAGES + 20):
            group.create_task(ask(gone))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (statuses.count(200), statuses.count(503)) == (MAX_PAGES, 20)
        gone.set()
    again = events.enter()
    assert again is not None, "whoever has gone is no longer counted"


async def test_history_goes_back_as_far_as_asked_and_no_further_than_it_may() -> None:
    async with client(Known()) as http:
        answer = await http.get("/api/v1/devices/core/history?hours=6")
        assert answer.json()["hours"] == 6
        assert answer.json()["response"][0]["p95_ms"] == 2.0
        assert (await http.get("/api/v1/devices/nobody/history")).status_code == 404
        for hours in ("0", "745", "nan"):
            assert (await http.get(f"/api/v1/devices/core/history?hours={hours}")).status_code == 422


async def test_pages_that_show_the_same_share_one_document() -> None:
    clock, made = ManualClock(), []

    def italian() -> dict[str, str]:
        made.append("it")
        return {"sentence": "Funziona tutto."}

    events = Broadcaster(clock, dict, Boundary())
    running = asyncio.create_task(events.run())
    streams = [opened(events, italian), opened(events, italian), opened(events)]
    for stream in streams:
        await anext(stream)
    made.clear()
    events.changed()
    await clock.advance(0)
    texts = [json.loads((await anext(stream)).split("data: ")[1]) for stream in streams]
    assert texts == [{"sentence": "Funziona tutto."}, {"sentence": "Funziona tutto."}, {}]
    assert made == ["it"]
    events.close()
    await running


async def test_the_stream_of_a_page_is_in_a_language_we_have() -> None:
    async with client(Known()) as http:
        assert (await http.get("/events?page=fr")).status_code == 422
