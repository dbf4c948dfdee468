"""Server-sent events: every page gets the present figures when it opens, then again at every change and every 2 s.

A page that does not read is dropped, never waited for.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from functools import partial
from inspect import isawaitable
from typing import Any

from agent.boundary import Boundary
from agent.pace import Pace
from collectors.clock import Clock

EVERY_S = 2.0
AT_MOST_EVERY_S = 0.25
"""A hundred devices that go down together are one document, not a hundred."""
MAX_PAGES = 32
"""Open pages at once; one costs a connection and some kilobytes."""
QUEUE = 8
ROWS_AT_ONCE = 16
"""Of a list in a document, between two looks at the clock."""

Document = Callable[[], dict[str, Any] | Awaitable[dict[str, Any]]]
"""The present state as JSON types, awaited where it is long; asked only while a page that shows it is open."""
Page = asyncio.Queue[str | None]
"""What is to be sent to one open page; None ends it."""


class Broadcaster:
    """Sends a document to all open pages: every page one of its own kind, made once for all that show it."""

    def __init__(self, clock: Clock, document: Document, boundary: Boundary) -> None:
        """``document`` is for whoever asks for no other. One that cannot be made is left out this time: ``boundary``
        keeps it from ending the others, or whoever runs this."""
        self._boundary = boundary
        self._clock = clock
        self._document = document
        self._pages: dict[Page, Document] = {}
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()

    def enter(self, document: Document | None = None) -> Page | None:
        """Counts one more open page, from now until ``leave``; None where there are as many as may be."""
        if len(self._pages) >= MAX_PAGES or self._closing.is_set():
            return None
        page: Page = asyncio.Queue(QUEUE)
        self._pages[page] = document or self._document
        return page

    def leave(self, page: Page) -> None:
        """That page is closed."""
        self._pages.pop(page, None)

    def changed(self) -> None:
        """Something a person would notice has changed: tell the pages now."""
        self._changed.set()

    def close(self) -> None:
        """End all streams, and let ``run`` return."""
        self._closing.set()
        for page in self._pages:
            if page.full():
                page.get_nowait()
            page.put_nowait(None)

    async def run(self) -> None:
        """Until closed or cancelled."""
        while not self._closing.is_set():
            await self._first(self._clock.sleep(EVERY_S), self._changed.wait(), self._closing.wait())
            self._changed.clear()
            if self._pages and not self._closing.is_set():
                await self._send()
                await self._first(self._clock.sleep(AT_MOST_EVERY_S), self._closing.wait())

    @staticmethod
    async def _first(*waits: Coroutine[Any, Any, object]) -> None:
        """Until one of them is done."""
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def messages(self, page: Page) -> AsyncGenerator[str, None]:
        """The events of one page that has entered."""
        document = self._pages.get(page)
        if document is None:  # closed meanwhile
            return
        yield "retry: 2000\n\n" + (await self._message(document) or "")
        while (message := await page.get()) is not None:
            yield message

    async def _send(self) -> None:
        messages = {document: await self._message(document) for document in set(self._pages.values())}
        for page, document in tuple(self._pages.items()):
            if page.full():  # it does not read: close it, the browser comes back by itself
                del self._pages[page]
                page.get_nowait()
                page.put_nowait(None)
            elif message := messages.get(document):
                page.put_nowait(message)

    async def _message(self, document: Document) -> str | None:
        """None where the document could not be made; the page keeps what it shows, and the next one follows."""
        with self._boundary.around("event"):
            made = document()
            body = await made if isawaitable(made) else made
            pieces = await Pace(self._clock).all_of(_pieces(body))
            return "event: now\ndata: " + "".join(pieces) + "\n\n"
        return None


def _pieces(body: dict[str, Any]) -> Iterator[str]:
    """The body as JSON, some rows at a time: of 1,000 devices the whole takes 35 ms of C at a stretch."""
    mark = "{"
    for key, value in body.items():
        yield f"{mark}{_dumps(key)}:"
        mark = ","
        if not isinstance(value, list):
            yield _dumps(value)
            continue
        for first in range(0, len(value), ROWS_AT_ONCE):
            yield ("," if first else "[") + _dumps(value[first : first + ROWS_AT_ONCE])[1:-1]
        yield "]" if value else "[]"
    yield "}" if body else "{}"


_dumps = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))
