"""The HTTP application: routes only. What they answer is built behind ``Live``; guard.py says who may ask."""

from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.types import ASGIApp

from agent.api.events import Broadcaster
from agent.api.guard import Access, Guard
from agent.api.metrics import exposition
from agent.history_view import MOST_HOURS
from agent.live import AgentNow, DeviceDetail, DeviceNow, HistoryNow, IncidentNow, KpiNow, Live, SiteNow
from collectors.clock import Clock

WEB = Path(__file__).resolve().parent.parent / "web"
NO_DEVICE = "No device has this id; /api/v1/devices lists them."


def create_app(live: Live, events: Broadcaster, clock: Clock, version: str, access: Access) -> ASGIApp:
    """The application, guarded."""
    app = FastAPI(
        title="Sonda",
        version=version,
        summary="What this probe knows of its site. Read only.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")
    _devices(app, live)
    _api(app, live, clock)
    _health(app, live)
    _pages(app, live, events)
    return Guard(app, access)


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
        text = exposition(live.site(), live.devices(), await live.agent())
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _devices(app: FastAPI, live: Live) -> None:
    @app.get("/api/v1/devices", summary="All devices with their states")
    async def devices() -> list[DeviceNow]:
        return list(live.devices())

    @app.get("/api/v1/devices/{device_id}", summary="One device with its figures and ports")
    async def device(device_id: str) -> DeviceDetail:
        found = live.device(device_id)
        if found is None:
            raise HTTPException(404, NO_DEVICE)
        return found

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


def _health(app: FastAPI, live: Live) -> None:
    @app.get("/livez", summary="The agent runs", response_class=PlainTextResponse)
    async def livez() -> str:
        return "ok\n"

    @app.get("/readyz", summary="The agent measures and stores; a dead broker is no failure")
    async def readyz() -> PlainTextResponse:
        lacking = live.ready()
        return PlainTextResponse("ok\n" if lacking is None else lacking + "\n", 200 if lacking is None else 503)


def _pages(app: FastAPI, live: Live, events: Broadcaster) -> None:
    templates = Jinja2Templates(directory=WEB / "templates")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        return templates.TemplateResponse(request, "page.html", {"site": live.site(), "devices": live.devices()})

    @app.get("/api", response_class=HTMLResponse, include_in_schema=False)
    async def api_page(request: Request) -> HTMLResponse:
        routes = [
            (path, operation["summary"], sorted(p["name"] for p in operation.get("parameters", [])))
            for path, operations in app.openapi()["paths"].items()
            for operation in operations.values()
        ]
        return templates.TemplateResponse(request, "api.html", {"routes": routes})

    @app.get("/events", summary="Server-sent events: the site and its devices at every change")
    async def stream() -> StreamingResponse:
        if events.full:
            raise HTTPException(503, "Too many pages are open; close one.")
        return StreamingResponse(events.stream(), media_type="text/event-stream")

    @app.exception_handler(404)
    async def not_found(_request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"detail": error.detail}, 404)
