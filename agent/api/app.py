"""The HTTP application: routes only. What they answer is built behind ``Live``; guard.py says who may ask."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import PlainTextResponse, StreamingResponse
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
from collectors.clock import Clock

NO_DEVICE = "No device has this id; /api/v1/devices lists them."


def create_app(
    live: PageLive, events: Broadcaster, clock: Clock, version: str, access: Access, *, boundary: Boundary
) -> ASGIApp:
    """The application, guarded. ``boundary``: what cannot be put into words on a page costs itself alone."""
    app = FastAPI(
        title="Sonda",
        version=version,
        summary="What this probe knows of its site. Read only.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    _devices(app, live)
    _api(app, live, clock)
    _health(app, live)
    add_pages(app, live, events, clock, boundary)
    return Guard(app, access, clock)


def _api(app: FastAPI, live: Live, clock: Clock) -> None:
    @app.get("/api/v1/site", summary="The site at a glance")
    async def site() -> SiteNow:
        return live.site()

    @app.get("/api/v1/kpis", summary="The catalogue of KPIs with their present values")
    async def kpis() -> list[KpiNow]:
        return list(live.kpis())

    @app.get("/api/v1/incidents", summary="Open incidents, and those that ended lately")
    async def incidents(
        hours: Annotated[float, Query(ge=0, le=24 * 731, description="How far back closed ones are listed.")] = 24.0,
    ) -> list[IncidentNow]:
        return list(await live.incidents(clock.utc() - hours * 3600))

    @app.get("/api/v1/agent", summary="The agent itself: cost, backlog, clock, store")
    async def agent() -> AgentNow:
        return await live.agent()

    @app.get("/metrics", summary="Prometheus exposition", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        text = exposition(live.site(), live.devices(), live.kpis(), await live.agent())
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _devices(app: FastAPI, live: Live) -> None:
    @app.get("/api/v1/devices", summary="All devices with their states")
    async def devices() -> list[DeviceNow]:
        return list(live.devices())

    @app.get("/api/v1/topology", summary="How the devices are connected: links with their ports, and parents")
    async def topology() -> TopologyNow:
        return live.topology()

    @app.get(
        "/api/v1/devices/{device_id}", summary="One device with its figures and ports", response_model=DeviceDetail
    )
    async def device(device_id: str) -> StreamingResponse:
        found = await asyncio.to_thread(live.device, device_id)  # of 6,144 ports the figures take 0.4 s
        if found is None:
            raise HTTPException(404, NO_DEVICE)
        return StreamingResponse(_in_pieces(found), media_type="application/json")

    @app.get("/api/v1/devices/{device_id}/history", summary="One device's last hours: response time, losses, states")
    async def history(
        device_id: str,
        hours: Annotated[
            float, Query(gt=0, le=MOST_HOURS, description="How far back: up to 3 by the minute, up to 48 by five.")
        ] = 24.0,
    ) -> HistoryNow:
        found = await live.history(device_id, hours)
        if found is None:
            raise HTTPException(404, NO_DEVICE)
        return found


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


def _health(app: FastAPI, live: Live) -> None:
    @app.get("/livez", summary="The agent runs", response_class=PlainTextResponse)
    async def livez() -> str:
        return "ok\n"

    @app.get("/readyz", summary="The agent measures and stores; a dead broker is no failure")
    async def readyz() -> PlainTextResponse:
        lacking = live.ready()
        return PlainTextResponse("ok\n" if lacking is None else lacking + "\n", 200 if lacking is None else 503)
