"""Whatever fails while a page is put into words costs that one text: every other row, tile, incident and event is
there, the page answers, and the broadcaster goes on."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from agent.api.app import create_app
from agent.api.events import Broadcaster
from agent.api.guard import Access
from agent.boundary import Boundary
from agent.live import FigureNow, FlappingNow, SnmpNow, TroubledNow
from agent.page import details, gear, now, past
from agent.page.now import SiteSeen, page_now
from agent.page.say import Say
from tests.agent.page.served import Site
from tests.doubles import ManualClock

EN = Say("en", ZoneInfo("Europe/Rome"))


class OddError(Exception):
    """What nobody expects."""


def failing(of: Callable[..., Any], entity: str) -> Callable[..., Any]:
    """The same function, which throws for this entity."""

    def run(first: Any, *more: Any, **named: Any) -> Any:
        if entity in {getattr(first, key, None) for key in ("id", "entity", "device", "part", "kpi", "name")}:
            raise OddError(entity)
        return of(first, *more, **named)

    return run


def always(*_: Any, **__: Any) -> Any:
    raise OddError


def troubled() -> Site:
    site = Site()
    site.fail("server", 840)
    site.fail("camera", 90)
    site.flaps.append(FlappingNow("switch", "Switch hall", "ge3"))
    site.bad.append(TroubledNow("ap", "", FigureNow("cooling_margin_c", "°C", -5.0, None, 5, "bad", {}, ())))
    return site


def first_screen(site: Site, boundary: Boundary) -> dict[str, Any]:
    seen = SiteSeen(site.site(), site.devices(), site.flapping(), site.troubled())
    return page_now(seen, site.overview_read, EN, boundary)


@pytest.mark.parametrize(
    ("snmp", "tone"),
    [
        (SnmpNow("up", None, 0.1, 60.0, 2), "good"),
        (SnmpNow("unknown", None, None, None, 0), "good"),  # not asked yet
        (SnmpNow("down", "no_reply", None, None, 2), "none"),
        (SnmpNow("unknown", "wrong_password", None, None, 2), "none"),
        (None, "good"),  # it is not to be asked
    ],
)
def test_a_device_whose_last_poll_gave_nothing_is_not_said_to_work(snmp: SnmpNow | None, tone: str) -> None:
    site = Site()
    site.known[1] = replace(site.known[1], snmp=snmp)
    shown = first_screen(site, Boundary())
    assert (shown["tone"], {tile["id"]: tile["tone"] for tile in shown["tiles"]}["network"]) == (tone, tone)
    said = {
        "good": "Everything works.",
        "none": "Switch hall answers, but its values are not known; everything else works.",
    }
    assert shown["sentence"] == said[tone]


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("_row", "server"), ("_seen", "server"), ("_trouble", "server"), ("_incident", "server"), ("_flap", "switch"),
        ("_tile", "wifi"), ("_finding", "ap"), ("sentence", ""), ("tiles", ""), ("findings", ""),
    ],
)  # fmt: skip
def test_what_throws_on_the_first_screen_costs_that_alone(
    monkeypatch: pytest.MonkeyPatch, name: str, entity: str
) -> None:
    whole = first_screen(troubled(), Boundary())
    monkeypatch.setattr(now, name, failing(getattr(now, name), entity) if entity else always)
    boundary = Boundary()
    shown = first_screen(troubled(), boundary)
    assert boundary.faults["page"] == 1
    assert {row["id"] for row in shown["devices"]} == {row["id"] for row in whole["devices"]}
    rows = {row["id"]: row for row in shown["devices"]}
    assert rows["switch"] == next(row for row in whole["devices"] if row["id"] == "switch")
    assert shown["sentence"]
    if name == "_row":
        assert (rows["server"]["word"], rows["server"]["rtt"]) == ("No information", "–")
    if name != "tiles":
        assert [tile["id"] for tile in shown["tiles"]] == [tile["id"] for tile in whole["tiles"]]
    if name != "findings":
        assert len(shown["wrong"]) == len(whole["wrong"])
    json.dumps(shown)


@pytest.mark.parametrize(
    ("module", "name", "path"),
    [
        (past, "_tile_line", "/"), (past, "_ribbon", "/"), (past, "measured_says", "/"),
        (past, "device_chart", "/device/switch"), (details, "_figure_row", "/device/switch"),
        (details, "_port", "/device/switch"), (details, "facts", "/device/switch"),
        (details, "device_head", "/device/switch"), (gear, "sections", "/device/switch"),
        (gear, "model_says", "/device/switch"), (gear, "neighbour_rows", "/device/switch"),
        (gear, "session_rows", "/device/switch"), (gear, "stp_facts", "/device/switch"),
        (details, "_measuring", "/agent"), (details, "_store", "/agent"), (details, "_broker", "/agent"),
        (details, "_box", "/agent"), (details, "radio_groups", "/agent"), (now, "_row", "/"), (now, "sentence", "/"),
    ],
)  # fmt: skip
async def test_a_page_answers_whatever_part_of_it_throws(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, path: str
) -> None:
    site, clock, boundary = Site(), ManualClock(), Boundary()
    app = create_app(site, Broadcaster(clock, dict, boundary), clock, "1", Access(), boundary=boundary)
    monkeypatch.setattr(module, name, always)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as http:
        answer = await http.get(path)
    assert answer.status_code == 200
    assert "</html>" in answer.text
    assert boundary.faults["page"] >= 1


async def test_a_device_whose_document_throws_is_a_row_without_figures() -> None:
    site, boundary = Site(), Boundary()
    site.known[3] = replace(site.known[3], state="no such state")
    shown = first_screen(site, boundary)
    row = next(row for row in shown["devices"] if row["id"] == "server")
    assert row["word"] == "No information"
    assert len(shown["devices"]) == len(site.known)


async def test_an_event_that_cannot_be_made_is_left_out_and_the_next_one_comes() -> None:
    clock, boundary, broken = ManualClock(), Boundary(), True

    def odd() -> dict[str, int]:
        if broken:
            raise OddError
        return {"n": 2}

    events = Broadcaster(clock, lambda: {"n": 1}, boundary)
    running = asyncio.create_task(events.run())
    pages = [events.enter(odd), events.enter()]
    of_one, of_other = [events.messages(page) for page in pages if page is not None]
    assert "data" not in await anext(of_one)
    assert json.loads((await anext(of_other)).split("data: ")[1]) == {"n": 1}
    events.changed()
    await clock.advance(0)
    assert json.loads((await anext(of_other)).split("data: ")[1]) == {"n": 1}
    broken = False
    await clock.advance(5)
    assert json.loads((await anext(of_one)).split("data: ")[1]) == {"n": 2}
    assert not running.done()
    assert boundary.faults["event"] >= 2
    await of_one.aclose()
    await of_other.aclose()
    events.close()
    await clock.advance(1)
    await running
