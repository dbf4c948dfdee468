"""Connections to the page: how many there may be, and how long each may keep the server waiting."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from agent.api.door import HANDSHAKE_S, HEADERS_S, LOOK_S, UNREAD_S, Door, Limits, plain_address
from agent.api.server import Server, _Server, listen
from tests.doubles import ManualClock
from tests.lab.certificates import Authority

LARGE = 20_000_000
"""Octets that no socket buffer of loopback takes."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = b"x" * LARGE if scope["path"] == "/large" else b"ok"
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    if scope["path"] == "/open":
        assert (await receive())["type"] == "http.request"
        await receive()
    await send({"type": "http.response.body", "body": body})


class Served:
    """A server with a clock that the test moves."""

    def __init__(self, clock: ManualClock, server: Server, port: int) -> None:
        self.clock, self.server, self.port = clock, server, port
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def door(self) -> Door:
        return self.server.door

    async def connect(self, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        sock.bind((source, 0))
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        """All connections that the test has made, and the server."""
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)
        self.server.stop()

    async def has(self, connections: int) -> None:
        for _ in range(1000):
            if self.door.connections == connections:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{self.door.connections} connections are open, and not {connections}")


@asynccontextmanager
async def served(limits: Limits | None = None, folder: Path | None = None) -> AsyncIterator[Served]:
    clock = ManualClock()
    listening = listen("127.0.0.1", 0, lambda _: None)
    port = listening.getsockname()[1]
    issued = Authority(folder).server() if folder is not None else None
    cert, key = (issued.certificate, issued.key) if issued else (None, None)
    server = Server(app, listening, clock, cert=cert, key=key, limits=limits)
    running = asyncio.create_task(server.run())
    page = Served(clock, server, port)
    try:
        yield page
    finally:
        await page.close()
        await running


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other side closes the connection."""
    try:
        async with asyncio.timeout(10):
            await reader.read()
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str = "/") -> bytes:
    """The first part of an answer."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    async with asyncio.timeout(10):
        return await reader.read(65536)


async def test_an_address_has_so_many_connections_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async with served(Limits(total=20, of_one_address=5)) as page:
        crowd = [await page.connect("127.0.0.2") for _ in range(50)]
        await page.has(5)
        assert all([await ended(reader) for reader, _ in crowd[5:]])
        assert b"200 OK" in await get(*await page.connect())
        assert page.door.refused == 45
        for _, writer in crowd[:5]:
            writer.close()
        await page.has(1)
        assert b"200 OK" in await get(*await page.connect("127.0.0.2"))
    lines = [record.getMessage() for record in caplog.records if record.name == "sonda.http"]
    assert lines == ["The page has as many connections as it may; one from 127.0.0.2 was refused."]


async def test_where_all_are_taken_the_one_that_waits_longest_makes_room() -> None:
    async with served(Limits(total=6, of_one_address=5)) as page:
        answering = await page.connect("127.0.0.9")
        assert b"200 OK" in await get(*answering, "/open")
        idle = []
        for number in range(5):
            idle.append(await page.connect(f"127.0.0.1{number}"))
            await page.has(number + 2)
            await page.clock.advance(0.5)
        assert b"200 OK" in await get(*await page.connect("127.0.0.20"))
        assert await ended(idle[0][0])
        assert page.door.connections == 6
        answering[1].close()


async def test_where_all_are_answered_nobody_is_sent_away_for_a_newcomer() -> None:
    async with served(Limits(total=3, of_one_address=5)) as page:
        for number in range(3):
            assert b"200 OK" in await get(*await page.connect(f"127.0.0.1{number}"), "/open")
        reader, _ = await page.connect("127.0.0.20")
        assert await ended(reader)
        assert page.door.connections == 3


async def test_headers_that_come_a_letter_at_a_time_have_as_long_as_any() -> None:
    async with served() as page:
        reader, writer = await page.connect()
        await page.has(1)
        for letter in "GET / HTTP/1.1\r\n":
            writer.write(letter.encode())
            await writer.drain()
            await page.clock.advance(HEADERS_S / 20)
        assert page.door.connections == 1
        await page.clock.advance(HEADERS_S / 5 + 2 * LOOK_S)
        assert await ended(reader)
        await page.has(0)


async def test_a_connection_that_is_kept_for_later_is_closed_after_a_while() -> None:
    async with served() as page:
        reader, writer = await page.connect()
        assert b"200 OK" in await get(reader, writer)
        await page.clock.advance(HEADERS_S - LOOK_S)
        assert b"200 OK" in await get(reader, writer), "it is used again"
        await page.clock.advance(HEADERS_S - LOOK_S)
        assert page.door.connections == 1
        await page.clock.advance(3 * LOOK_S)
        assert await ended(reader)


async def test_a_page_that_stays_open_is_not_slow() -> None:
    async with served() as page:
        reader, writer = await page.connect()
        assert b"200 OK" in await get(reader, writer, "/open")
        await page.clock.advance(20 * UNREAD_S)
        assert page.door.connections == 1
        writer.close()
        await page.has(0)


async def test_whoever_reads_nothing_of_an_answer_is_closed_and_whoever_reads_slowly_is_not() -> None:
    async with served() as page:
        deaf, slow = await page.connect("127.0.0.2"), await page.connect("127.0.0.3")
        for reader, writer in (deaf, slow):
            reader._transport.pause_reading()  # type: ignore[attr-defined]  # asyncio would read ahead
            writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await page.has(2)
        await asyncio.sleep(0.1)
        taken = 0
        for _ in range(6):
            for _ in range(10):
                taken += await _read_some(slow[0])
            await page.clock.advance(UNREAD_S / 3)
        assert page.door.connections == 1
        while taken < LARGE:
            taken += await _read_some(slow[0])
        for _, writer in (deaf, slow):
            writer.close()


async def _read_some(reader: asyncio.StreamReader) -> int:
    reader._transport.resume_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        got = len(await reader.read(1_000_000))
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    return got


async def test_a_connection_without_its_tls_handshake_is_closed_in_time(tmp_path: Path) -> None:
    async with served(folder=tmp_path) as page:
        silent = [await page.connect() for _ in range(5)]
        await page.has(5)
        await page.clock.advance(HANDSHAKE_S + 2 * LOOK_S)
        assert all([await ended(reader) for reader, _ in silent])
        await page.has(0)


async def test_without_a_free_descriptor_connections_are_refused_and_the_loop_does_not_spin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as page:
        waiting = [socket.socket() for _ in range(20)]
        for one in waiting:
            one.setblocking(False)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = socket.socket()
        lowest.close()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_lowest_free(), before[1]))
            for one in waiting:
                one.connect_ex(("127.0.0.1", page.port))
            for one in waiting:
                async with asyncio.timeout(10):
                    await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", page.port))
                    assert await asyncio.get_running_loop().sock_recv(one, 1) == b""
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for one in waiting:
                one.close()
        assert b"200 OK" in await get(*await page.connect())
    assert len(caplog.records) == 1


def _lowest_free() -> int:
    with socket.socket() as one:
        return one.fileno()


def test_an_address_is_the_same_by_either_socket() -> None:
    assert plain_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain_address("2001:db8::1") == "2001:db8::1"


async def test_a_server_that_failed_opens_its_port_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(app, listen("127.0.0.1", 0, lambda _: None), ManualClock())
    page = Served(ManualClock(), server, server._address[1])
    fail, whole = asyncio.Event(), _Server.main_loop

    async def odd(_server: _Server) -> None:
        await fail.wait()
        raise ZeroDivisionError

    monkeypatch.setattr(_Server, "main_loop", odd)
    running = asyncio.create_task(server.run())
    before = await page.connect()
    assert b"200 OK" in await get(*before)
    fail.set()
    with pytest.raises(ZeroDivisionError):
        await running
    assert await ended(before[0]), "nobody watches over it any more"
    monkeypatch.setattr(_Server, "main_loop", whole)
    running = asyncio.create_task(server.run())
    await asyncio.sleep(0)
    assert not server.door.closed
    assert b"200 OK" in await get(*await page.connect())
    await page.close()
    await running
    await server.run()
    assert server.door.closed, "stopped is stopped"
