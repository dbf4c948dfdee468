"""The pages for people: rendered here whole, so that they work with scripts late or dead; kept live by /events."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from zoneinfo import ZoneInfo

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from agent.api.events import Broadcaster
from agent.history_view import RIBBON_S, Overview
from agent.live import Live
from agent.page import details, gear, past
from agent.page.gear_words import TEXT as GEAR_TEXT
from agent.page.map import site_map
from agent.page.now import SiteSeen, ended, page_now, seconds
from agent.page.say import LANGUAGES, Say

WEB = Path(__file__).resolve().parent.parent / "web"
MOST_ENDED = 12
HOURS = (1, 6, 24, 168)
Lang = Annotated[str | None, Query(max_length=8, description="en or it; else the setting.")]


class PageLive(Live, Protocol):
    """What the pages need beside the API: the site's past, as far as it was read."""

    async def overview(self) -> Overview:
        """At most some seconds old."""

    @property
    def overview_read(self) -> Overview:
        """As it was read last; touches no disk."""


def add_pages(app: FastAPI, live: PageLive, events: Broadcaster) -> None:
    """Pages, what they load, and the stream that keeps them live."""
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")
    pages = _Pages(live)
    _first_screen(app, pages)
    _deeper(app, pages)
    _stream(app, pages, events)
    _errors(app, pages)


class _Pages:
    def __init__(self, live: PageLive) -> None:
        self.live = live
        self._templates = Jinja2Templates(directory=WEB / "templates")
        self._templates.env.trim_blocks = self._templates.env.lstrip_blocks = True
        self.document = cache(self._document)  # one function a language: the broadcaster makes each document once

    def say(self, lang: str | None) -> Say:
        site = self.live.site()
        return Say(lang if lang in LANGUAGES else site.language, ZoneInfo(site.timezone))

    def seen(self) -> SiteSeen:
        return SiteSeen(self.live.site(), self.live.devices(), self.live.flapping())

    def render(self, request: Request, name: str, say: Say, status: int = 200, **context: Any) -> Response:
        site = self.live.site()
        other = next(language for language in LANGUAGES if language != say.language)
        notice = site.notice or {}
        query = f"?lang={say.language}" if say.language != site.language else ""
        shared = {
            "say": say,
            "site": site,
            "lang": say.language,
            "other_lang": other,
            "other_name": say("other_language"),
            "query": query,
            "notice": notice.get(say.language) or notice.get("en"),
            "clock": say.clock(seconds(site.time), seconds=True),
        }
        return self._templates.TemplateResponse(request, name, {**shared, **context}, status_code=status)

    def _document(self, language: str) -> Callable[[], dict[str, Any]]:
        return lambda: page_now(self.seen(), self.live.overview_read, self.say(language))


def _first_screen(app: FastAPI, pages: _Pages) -> None:
    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page(request: Request, lang: Lang = None) -> Response:
        say, overview = pages.say(lang), await pages.live.overview()
        seen = pages.seen()
        now = seconds(seen.site.time)
        over = ended(await pages.live.incidents(now - RIBBON_S), {d.id: d.name for d in seen.devices}, now, say)
        return pages.render(
            request,
            "page.html",
            say,
            now=page_now(seen, overview, say),
            lines=past.tile_lines(overview, say),
            ribbons=past.ribbons(overview, say),
            ended=over[:MOST_ENDED],
            ended_more=max(0, len(over) - MOST_ENDED),
            coverage=overview.coverage,
            map=site_map(pages.live.topology(), say),
        )


def _deeper(app: FastAPI, pages: _Pages) -> None:
    live = pages.live

    @app.get("/device/{device_id}", response_class=HTMLResponse, include_in_schema=False)
    async def device(request: Request, device_id: str, lang: Lang = None, hours: int = 0) -> Response:
        say, detail = pages.say(lang), live.device(device_id)
        overview = await live.overview()
        if hours not in HOURS:  # a day, or what there is
            age_h = (overview.end_utc - (overview.since_utc or overview.end_utc)) / 3600
            hours = next((h for h in HOURS if age_h <= h), 24) if age_h < 24 else 24
        history = await live.history(device_id, hours)
        if detail is None or history is None:
            return pages.render(request, "missing.html", say, 404, text=say("not_found"))
        names = {d.id: d.name for d in live.devices()}
        now = seconds(live.site().time)
        troubles = [i for i in await live.incidents(now - RIBBON_S) if device_id == i.entity or device_id in i.hides]
        return pages.render(
            request,
            "device.html",
            say,
            head=details.device_head(detail.device, now, say),
            hours=history.hours,
            all_hours=HOURS,
            chart=past.device_chart(history, say, scope=details.scope(detail)),
            figures=details.figure_rows(detail.figures, say),
            ports=details.port_rows(detail.ports, say),
            facts=details.facts(detail, names, say),
            model=gear.model_says(detail.inventory, say),
            gear=gear.sections(detail, say),
            neighbours=gear.neighbour_rows(detail.neighbors, names, say),
            sessions=gear.session_rows(detail.bgp_peers, detail.ospf_neighbors, say),
            tree=gear.stp_facts(detail, names, say),
            gear_text={key: say.of(words) for key, words in GEAR_TEXT.items()},
            ended=ended(troubles, names, now, say)[:MOST_ENDED],
        )

    @app.get("/agent", response_class=HTMLResponse, include_in_schema=False)
    async def agent(request: Request, lang: Lang = None) -> Response:
        say = pages.say(lang)
        groups = details.agent_groups(await live.agent(), await live.overview(), say)
        return pages.render(request, "agent.html", say, groups=groups)

    @app.get("/api", response_class=HTMLResponse, include_in_schema=False)
    async def api_page(request: Request, lang: Lang = None) -> Response:
        routes = [
            (path, operation["summary"], sorted(p["name"] for p in operation.get("parameters", [])))
            for path, operations in app.openapi()["paths"].items()
            for operation in operations.values()
        ]
        return pages.render(request, "api.html", pages.say(lang), routes=routes)


def _stream(app: FastAPI, pages: _Pages, events: Broadcaster) -> None:
    @app.get("/events", summary="Server-sent events: the site and its devices at every change")
    async def stream(
        page: Annotated[
            Literal["en", "it"] | None, Query(description="What the page shows, in that language, in place of it.")
        ] = None,
    ) -> StreamingResponse:
        if events.full:
            raise HTTPException(503, "Too many pages are open; close one.")
        document = pages.document(page) if page is not None else None
        return StreamingResponse(events.stream(document), media_type="text/event-stream")


def _errors(app: FastAPI, pages: _Pages) -> None:
    @app.exception_handler(404)
    async def not_found(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith("/api/v1/") or "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"detail": error.detail}, 404)
        say = pages.say(request.query_params.get("lang"))
        return pages.render(request, "missing.html", say, 404, text=say("no_page"))
