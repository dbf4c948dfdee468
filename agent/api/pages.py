"""The pages for people: rendered here whole, so that they work with scripts late or dead; kept live by /events."""

import asyncio
import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar
from zoneinfo import ZoneInfo

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.types import Receive, Scope, Send

from agent.api.events import Broadcaster, Document
from agent.boundary import Boundary
from agent.history_view import RIBBON_S, Overview
from agent.live import Live, SentenceNow, WrongNow
from agent.pace import Pace
from agent.page import details, gear, past
from agent.page.gear_words import TEXT as GEAR_TEXT
from agent.page.map import site_map
from agent.page.now import SiteSeen, ended, notice_says, page_now, seconds
from agent.page.say import LANGUAGES, Say
from agent.view import PLACE
from collectors.clock import Clock

WEB = Path(__file__).resolve().parent.parent / "web"
MOST_ENDED = 12
HOURS = (1, 6, 24, 168)
VALUES_A_ROW = 10
"""What a device's row costs, in values (agent/pace.py): 18 us."""
Lang = Annotated[
    str | None, Query(alias="lang", max_length=8, description="en or it; else the browser's language, else the site's.")
]
T = TypeVar("T")


class PageLive(Live, Protocol):
    """What the pages need beside the API: the site's past, as far as it was read."""

    async def overview(self) -> Overview:
        """At most some seconds old."""

    @property
    def overview_read(self) -> Overview:
        """As it was read last; touches no disk."""


def add_pages(app: FastAPI, live: PageLive, events: Broadcaster, clock: Clock, boundary: Boundary) -> None:
    """Pages, what they load, and the stream that keeps them live."""
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")
    pages = _Pages(live, clock, boundary)
    _first_screen(app, pages)
    _deeper(app, pages)
    _words(app, pages)
    _stream(app, pages, events)
    _errors(app, pages)


def wished(header: str) -> str | None:
    """The language that a browser asks for (RFC 9110, 12.5.4), of those there are; None where it asks for none."""
    found = []
    for place, wish in enumerate(header.split(",")):
        tag, _, quality = wish.partition(";")
        language = tag.strip().partition("-")[0].casefold()
        weight = _quality(quality)
        if language in LANGUAGES and weight > 0:
            found.append((-weight, place, language))
    return min(found)[2] if found else None


def _quality(text: str) -> float:
    """ "q=0.8"; 1 where there is none, 0 for what is no number between 0 and 1."""
    if not text.strip():
        return 1.0
    found = re.fullmatch(r"\s*[qQ]=([01](?:\.[0-9]{0,3})?)\s*", text)
    return float(found[1]) if found is not None else 0.0


class _Pages:
    def __init__(self, live: PageLive, clock: Clock, boundary: Boundary) -> None:
        self.live = live
        self._clock = clock
        self.boundary = boundary
        self._templates = Jinja2Templates(directory=WEB / "templates")
        self._templates.env.trim_blocks = self._templates.env.lstrip_blocks = True
        self.document = cache(self._document)  # one function a language: the broadcaster makes each document once

    def say(self, request: Request) -> Say:
        """The language that was chosen on the page, else the browser's, else the site's."""
        chosen, site = request.query_params.get("lang"), self.live.site()
        language = chosen if chosen in LANGUAGES else wished(request.headers.get("accept-language", ""))
        return Say(language or site.language, ZoneInfo(site.timezone))

    async def now(self, say: Say, past: Overview) -> tuple[SiteSeen, dict[str, Any]]:
        """What is seen now, and as it is shown. At 1,000 devices that takes 50 ms: the loop has its turn in between,
        and what is pure is done aside."""
        live, pace = self.live, Pace(self._clock)
        troubled = self.boundary.value(PLACE, "figures", live.troubled, lambda: ())
        await pace.breathe()
        site, flapping = live.site(), live.flapping()
        await pace.breathe()
        seen = SiteSeen(site, await pace.all_of(live.each_device()), flapping, troubled)
        size = VALUES_A_ROW * len(seen.devices)
        return seen, await pace.aside(size, lambda: page_now(seen, past, say, self.boundary))

    def pace(self) -> Pace:
        return Pace(self._clock)

    def part(self, entity: str, make: Callable[[], T], otherwise: Callable[[], T]) -> T:
        """A part of a page; what fails in it costs that part."""
        return self.boundary.value(PLACE, entity, make, otherwise)

    async def render(self, request: Request, name: str, say: Say, status: int = 200, **context: Any) -> Response:
        """In a thread: a page of 1,000 devices takes 70 ms of Jinja, which holds the loop for no more than 5 there."""
        site = self.live.site()
        other = next(language for language in LANGUAGES if language != say.language)
        chosen = request.query_params.get("lang") in LANGUAGES
        shared = {
            "say": say,
            "site": site,
            "lang": say.language,
            "other_lang": other,
            "other_name": say("other_language"),
            "query": f"?lang={say.language}" if chosen else "",
            "notice": notice_says(site, say),
            "clock": say.clock(seconds(site.time), seconds=True),
        }
        answer = await asyncio.to_thread(
            self._templates.TemplateResponse, request, name, {**shared, **context}, status_code=status
        )
        answer.headers["Vary"] = "Accept-Language"
        return answer

    def _document(self, language: str) -> Document:
        async def document() -> dict[str, Any]:
            _, shown = await self.now(self.saying(language), self.live.overview_read)
            return shown

        return document

    def saying(self, language: str) -> Say:
        """That language, at this site."""
        return Say(language, ZoneInfo(self.live.site().timezone))


def _first_screen(app: FastAPI, pages: _Pages) -> None:
    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page(request: Request, _lang: Lang = None) -> Response:
        say, overview = pages.say(request), await pages.live.overview()
        (seen, shown), part = await pages.now(say, overview), pages.part
        now = seconds(seen.site.time)
        names = {d.id: d.name for d in seen.devices}
        closed = [i for i in await pages.live.incidents(now - RIBBON_S) if i.closed is not None]
        drawn = part("map", pages.live.topology, lambda: None)
        return await pages.render(
            request,
            "page.html",
            say,
            now=shown,
            lines=past.tile_lines(overview, say, pages.boundary),
            ribbons=past.ribbons(overview, say, pages.boundary),
            ended=ended(closed[:MOST_ENDED], names, now, say, pages.boundary),
            ended_more=max(0, len(closed) - MOST_ENDED),
            measured=part("measured", lambda: past.measured_says(overview, say), str),
            map=await asyncio.to_thread(part, "map", lambda: drawn and site_map(drawn, say), lambda: None),
        )


def _deeper(app: FastAPI, pages: _Pages) -> None:
    live = pages.live

    @app.get("/device/{device_id}", response_class=HTMLResponse, include_in_schema=False)
    async def device(request: Request, device_id: str, _lang: Lang = None, hours: int = 0) -> Response:
        say, detail = pages.say(request), await asyncio.to_thread(live.device, device_id)
        overview = await live.overview()
        if hours not in HOURS:  # a day, or what there is
            age_h = (overview.end_utc - (overview.since_utc or overview.end_utc)) / 3600
            hours = next((h for h in HOURS if age_h <= h), 24) if age_h < 24 else 24
        history = await live.history(device_id, hours)
        if detail is None or history is None:
            return await pages.render(request, "missing.html", say, 404, text=say("not_found"))
        names = {d.id: d.name for d in await pages.pace().all_of(live.each_device())}
        now = seconds(live.site().time)
        troubles = [i for i in await live.incidents(now - RIBBON_S) if device_id == i.entity or device_id in i.hides]
        part, boundary = partial(pages.part, device_id), pages.boundary
        return await pages.render(
            request,
            "device.html",
            say,
            head=part(
                lambda: details.device_head(detail.device, now, say), lambda: details.no_head(detail.device, say)
            ),
            hours=history.hours,
            all_hours=HOURS,
            chart=part(lambda: past.device_chart(history, say, scope=details.scope(detail)), lambda: None),
            figures=details.figure_rows(detail.figures, say, device_id, boundary),
            window=part(lambda: details.window_says(detail.window, say), str),
            ports=await asyncio.to_thread(details.port_rows, detail.ports, say, device_id, boundary),
            facts=part(lambda: details.facts(detail, names, say), list),
            model=part(lambda: gear.model_says(detail.inventory, say), list),
            gear=part(lambda: gear.sections(detail, say), dict),
            neighbours=part(lambda: gear.neighbour_rows(detail.neighbors, names, say), list),
            sessions=part(lambda: gear.session_rows(detail.bgp_peers, detail.ospf_neighbors, say), list),
            tree=part(lambda: gear.stp_facts(detail, names, say), list),
            gear_text={key: say.of(words) for key, words in GEAR_TEXT.items()},
            ended=ended(troubles, names, now, say, boundary)[:MOST_ENDED],
        )

    @app.get("/agent", response_class=HTMLResponse, include_in_schema=False)
    async def agent(request: Request, _lang: Lang = None) -> Response:
        say = pages.say(request)
        groups = details.agent_groups(await live.agent(), await live.overview(), say, pages.boundary)
        return await pages.render(request, "agent.html", say, groups=groups)

    @app.get("/api", response_class=HTMLResponse, include_in_schema=False)
    async def api_page(request: Request, _lang: Lang = None) -> Response:
        document = await asyncio.to_thread(app.openapi)  # in 40 ms the first time, then at once
        routes = [
            (path, operation["summary"], sorted(p["name"] for p in operation.get("parameters", [])))
            for path, operations in document["paths"].items()
            for operation in operations.values()
        ]
        return await pages.render(request, "api.html", pages.say(request), routes=routes)


def _words(app: FastAPI, pages: _Pages) -> None:
    live = pages.live

    @app.get("/api/v1/now", summary="The page's sentence, and its list of what is wrong now")
    async def now(
        lang: Annotated[Literal["en", "it"], Query(description="The language of the words.")] = "en",
    ) -> SentenceNow:
        _, shown = await pages.now(pages.saying(lang), live.overview_read)
        wrong = [WrongNow(**item) for item in shown["wrong"]]
        return SentenceNow(shown["time"], shown["tone"], shown["sentence"], wrong)


def _stream(app: FastAPI, pages: _Pages, events: Broadcaster) -> None:
    @app.get("/events", summary="Server-sent events: the site and its devices at every change")
    async def stream(
        page: Annotated[
            Literal["en", "it"] | None, Query(description="What the page shows, in that language, in place of it.")
        ] = None,
    ) -> StreamingResponse:
        return EventStream(events, pages.document(page) if page is not None else None)


class EventStream(StreamingResponse):
    """The events of one page. It counts as open from before its first octet until its connection has ended."""

    def __init__(self, events: Broadcaster, document: Document | None) -> None:
        super().__init__((), media_type="text/event-stream")
        self._events = events
        self._document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = self._events.enter(self._document)
        if page is None:
            full = JSONResponse({"detail": "Too many pages are open; close one."}, 503, {"retry-after": "10"})
            await full(scope, receive, send)
            return
        try:
            self.body_iterator = self._events.messages(page)
            await super().__call__(scope, receive, send)
        finally:
            self._events.leave(page)


def _errors(app: FastAPI, pages: _Pages) -> None:
    @app.exception_handler(404)
    async def not_found(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith("/api/v1/") or "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"detail": error.detail}, 404)
        say = pages.say(request)
        return await pages.render(request, "missing.html", say, 404, text=say("no_page"))
