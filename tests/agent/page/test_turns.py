"""What the page shows of many devices is made in several turns of the loop, and the long part of it in a thread."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

import agent.api.events
import agent.api.pages
from agent.api.app import ROWS_AT_ONCE, create_app
from agent.api.events import ROWS_AT_ONCE as ROWS_OF_EVENT
from agent.api.events import Broadcaster
from agent.api.guard import Access
from agent.api.pages import VALUES_A_ROW, _Pages
from agent.boundary import Boundary
from agent.live import DeviceNow
from agent.pace import LARGE, SLICE_S
from agent.page.now import page_now
from tests.agent.page.served import Site
from tests.doubles import ManualClock

MANY = LARGE // VALUES_A_ROW


class CostlyClock(ManualClock):
    """What is done between two looks at it takes a slice."""

    def monotonic(self) -> float:
        self._mono_ns += round(1.01 * SLICE_S * 1e9)
        return super().monotonic()


@pytest.mark.parametrize("count", [MANY, 3])
async def test_an_event_of_many_devices_is_made_in_turns_and_aside(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    turn, turns, aside = 0, dict[str, int](), list[bool]()

    async def watch() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any) -> Any:
            turns[name] = turn
            return call(*args)

        return made

    def shown(*args: Any) -> Any:
        aside.append(threading.current_thread() is not threading.main_thread())
        return page_now(*args)

    for name in ("troubled", "site", "devices"):
        monkeypatch.setattr(Site, name, counted(name, getattr(Site, name)))
    monkeypatch.setattr(agent.api.pages, "page_now", shown)
    site = Site()
    site.known = [replace(site.known[0], id=f"d{number}") for number in range(count)]
    document = _Pages(site, CostlyClock(), Boundary()).document("en")
    watching = asyncio.create_task(watch())
    made = document()
    assert not isinstance(made, dict)
    assert len((await made)["devices"]) == count
    watching.cancel()
    assert aside == [count == MANY]
    assert turns["troubled"] < turns["site"] < turns["devices"]


ROWS = 600


class Counting(Site):
    """A site of so many devices that says how many rows were made between two turns of the loop, at most."""

    def __init__(self) -> None:
        super().__init__()
        self.known = [replace(self.known[0], id=f"d{number}") for number in range(ROWS)]
        self.most, self._now = 0, 0

    async def watch(self) -> None:
        while True:
            self._now = 0
            await asyncio.sleep(0)

    def each_device(self) -> Iterator[DeviceNow]:
        for device in self.known:
            self._now += 1
            self.most = max(self.most, self._now)
            yield device


@pytest.mark.parametrize("path", ["/api/v1/devices", "/metrics", "/device/d7", "/", "/api/v1/now"])
async def test_no_request_makes_all_devices_at_a_stretch(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    live, clock, written = Counting(), CostlyClock(), list[int]()
    dump = TypeAdapter.dump_json

    def counted(adapter: TypeAdapter[Any], found: Any, **named: Any) -> bytes:
        written.append(len(found) if isinstance(found, list) else 1)
        return dump(adapter, found, **named)

    monkeypatch.setattr(TypeAdapter, "dump_json", counted)
    app = create_app(live, Broadcaster(clock, dict, Boundary()), clock, "1", Access(), boundary=Boundary())
    watching = asyncio.create_task(live.watch())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as http:
        answer = await http.get(path)
    watching.cancel()
    assert answer.status_code == 200
    assert 0 < live.most <= 2
    assert max(written, default=0) <= ROWS_AT_ONCE
    if path == "/api/v1/devices":
        assert [row["id"] for row in answer.json()] == [device.id for device in live.known]


BODY = {"n": 1, "none": [], "rows": [{"id": number, "name": f"à {number}"} for number in range(ROWS)], "of": {"a": [2]}}


@pytest.mark.parametrize("body", [BODY, {}, {"rows": []}, {"rows": [1]}, {"a": "[]", "b": [[], []]}])
async def test_the_text_of_an_event_is_written_some_rows_at_a_time(
    monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]
) -> None:
    now = most = 0
    dumps = agent.api.events._dumps

    def counted(value: Any) -> str:
        nonlocal now, most
        now += len(value) if isinstance(value, list) else 0
        most = max(most, now)
        return dumps(value)

    async def watch() -> None:
        nonlocal now
        while True:
            now = 0
            await asyncio.sleep(0)

    monkeypatch.setattr(agent.api.events, "_dumps", counted)
    events = Broadcaster(CostlyClock(), lambda: body, Boundary())
    watching = asyncio.create_task(watch())
    page = events.enter()
    assert page is not None
    message = await anext(events.messages(page))
    watching.cancel()
    assert message == f"retry: 2000\n\nevent: now\ndata: {dumps(body)}\n\n"
    assert most <= ROWS_OF_EVENT


@pytest.mark.parametrize("path", ["/api", "/api/v1/openapi.json"])
async def test_the_description_of_the_api_is_made_aside(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    aside, make = list[bool](), FastAPI.openapi

    def made(app: FastAPI) -> dict[str, Any]:
        aside.append(threading.current_thread() is not threading.main_thread())
        return make(app)

    monkeypatch.setattr(FastAPI, "openapi", made)
    clock = ManualClock()
    app = create_app(Site(), Broadcaster(clock, dict, Boundary()), clock, "1", Access(), boundary=Boundary())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as http:
        answer = await http.get(path)
    assert answer.status_code == 200
    assert aside == [True]
