"""The HTTP application: routes only. What they answer is built behind ``Live``; guard.py says who may ask."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Annotated, TypeVar

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import TypeAdapter
from starlette.types import ASGIApp

from agent.api.events import Broadcaster
from agent.api.guard import Access, Guard
from agent.api.metrics import exposition
from agent.api.pages import PageLive, add_pages
from agent.boundary import Boundary
from agent.history_view import MOST_HOURS
from agent.live import (
    AgentNow,
    DeviceDetail,
    DeviceNow,
    HistoryNow,
    IncidentNow,
    KpiNow,
    Live,
    PortNow,
    SiteNow,
    TopologyNow,
)
from agent.pace import Pace
from collectors.clock import Clock

T = TypeVar("T")

NO_DEVICE = "No device has this id; /api/v1/devices lists them."


def create_app(
    live: PageLive, events: Broadcaster, clock: Clock, version: str, access: Access, *, boundary: Boundary
) -> ASGIApp:
    """The application, guarded. ``boundary``: what cannot be put into words on a page costs itself alone."""
    app = FastAPI(
        title="Sonda",
        version=version,
        summary="What this probe knows of its site. Read only.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    _devices(app, live, clock)
    _api(app, live, clock)
    _health(app, live)
    _description(app)
    add_pages(app, live, events, clock, boundary)
    return Guard(app, access, clock)


def _api(app: FastAPI, live: Live, clock: Clock) -> None:
    @app.get("/api/v1/site", summary="The site at a glance", response_model=SiteNow)
    async def site() -> Response:
        return await _whole(_SITE, live.site())

    @app.get("/api/v1/kpis", summary="The catalogue of KPIs with their present values", response_model=list[KpiNow])
    async def kpis() -> StreamingResponse:
        return _list(_KPIS, await asyncio.to_thread(live.kpis), KPIS_AT_ONCE)

    @app.get(
        "/api/v1/incidents", summary="Open incidents, and those that ended lately", response_model=list[IncidentNow]
    )
    async def incidents(
        hours: Annotated[float, Query(ge=0, le=24 * 731, description="How far back closed ones are listed.")] = 24.0,
    ) -> StreamingResponse:
        return _list(_INCIDENTS, await live.incidents(clock.utc() - hours * 3600), ROWS_AT_ONCE)

    @app.get("/api/v1/agent", summary="The agent itself: cost, backlog, clock, store")
    async def agent() -> AgentNow:
        return await live.agent()

    @app.get("/metrics", summary="Prometheus exposition", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        site = live.site()
        devices, agent = await Pace(clock).all_of(live.each_device()), await live.agent()
        text = await asyncio.to_thread(lambda: exposition(site, devices, live.kpis(), agent))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _devices(app: FastAPI, live: Live, clock: Clock) -> None:
    @app.get("/api/v1/devices", summary="All devices with their states", response_model=list[DeviceNow])
    async def devices() -> StreamingResponse:
        return _list(_DEVICES, await Pace(clock).all_of(live.each_device()), ROWS_AT_ONCE)

    @app.get(
        "/api/v1/topology",
        summary="How the devices are connected: links with their ports, and parents",
        response_model=TopologyNow,
    )
    async def topology() -> Response:
        return await _whole(_TOPOLOGY, live.topology())

    @app.get(
        "/api/v1/devices/{device_id}", summary="One device with its figures and ports", response_model=DeviceDetail
    )
    async def device(device_id: str) -> StreamingResponse:
        found = await asyncio.to_thread(live.device, device_id)  # of 6,144 ports the figures take 0.4 s
        if found is None:
            raise HTTPException(404, NO_DEVICE)
        return StreamingResponse(_in_pieces(found), media_type="application/json")

    @app.get(
        "/api/v1/devices/{device_id}/history",
        summary="One device's last hours: response time, losses, states",
        response_model=HistoryNow,
    )
    async def history(
        device_id: str,
        hours: Annotated[
            float, Query(gt=0, le=MOST_HOURS, description="How far back: up to 3 by the minute, up to 48 by five.")
        ] = 24.0,
    ) -> Response:
        found = await live.history(device_id, hours)
        if found is None:
            raise HTTPException(404, NO_DEVICE)
        return await _whole(_HISTORY, found)


async def _whole(adapter: TypeAdapter[T], found: T) -> Response:
    """A document as JSON, made aside, and not by FastAPI, which builds it anew before it writes it."""
    return Response(await asyncio.to_thread(adapter.dump_json, found), media_type="application/json")


def _list(adapter: TypeAdapter[list[T]], found: Sequence[T], at_once: int) -> StreamingResponse:
    """A list as JSON, some rows at a time."""
    return StreamingResponse(_rows(adapter, found, at_once), media_type="application/json")


async def _rows(adapter: TypeAdapter[list[T]], found: Sequence[T], at_once: int) -> AsyncIterator[bytes]:
    yield b"["
    for first in range(0, len(found), at_once):
        if first:
            yield b","
        yield adapter.dump_json(list(found[first : first + at_once]))[1:-1]
        await asyncio.sleep(0)
    yield b"]"


async def _in_pieces(found: DeviceDetail) -> AsyncIterator[bytes]:
    """The document as JSON, some ports at a time: those of 6,144 are 11 MB, and 0.2 s in one call."""
    head, tail = _DETAIL.dump_json(replace(found, ports=())).split(NO_PORTS, 1)
    yield head + NO_PORTS[:-1]
    for first in range(0, len(found.ports), PORTS_AT_ONCE):
        if first:
            yield b","
        yield _PORTS.dump_json(list(found.ports[first : first + PORTS_AT_ONCE]))[1:-1]
        await asyncio.sleep(0)
    yield NO_PORTS[-1:] + tail


_DETAIL, _PORTS = TypeAdapter(DeviceDetail), TypeAdapter(list[PortNow])
NO_PORTS = b'"ports":[]'
PORTS_AT_ONCE = 128
ROWS_AT_ONCE, KPIS_AT_ONCE = 128, 2
"""What takes some 2 ms: a KPI has a figure of each of 1,000 devices."""
_SITE, _TOPOLOGY, _HISTORY = TypeAdapter(SiteNow), TypeAdapter(TopologyNow), TypeAdapter(HistoryNow)
_DEVICES, _KPIS, _INCIDENTS = TypeAdapter(list[DeviceNow]), TypeAdapter(list[KpiNow]), TypeAdapter(list[IncidentNow])


def _health(app: FastAPI, live: Live) -> None:
    @app.get("/livez", summary="The agent runs", response_class=PlainTextResponse)
    async def livez() -> str:
        return "ok\n"

    @app.get("/readyz", summary="The agent measures and stores; a dead broker is no failure")
    async def readyz() -> PlainTextResponse:
        lacking = live.ready()
        return PlainTextResponse("ok\n" if lacking is None else lacking + "\n", 200 if lacking is None else 503)


def _description(app: FastAPI) -> None:
    @app.get("/api/v1/openapi.json", include_in_schema=False)
    async def description() -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(app.openapi))  # in 40 ms the first time, then at once
