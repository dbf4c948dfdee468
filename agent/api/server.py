"""uvicorn inside the agent's loop: no signal handlers of its own, a busy port is said before anything starts, and
whoever connects comes through door.py."""

import asyncio
import contextlib
import errno
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from agent.api.door import Door, Limits, Stage
from collectors.clock import Clock

BACKLOG = 128
"""Connections that the kernel keeps for us until they are accepted."""
TLS_BUFFER_OCTETS = 16 << 10
"""One TLS record. asyncio gives each connection 256 KiB, which 128 of them would make 32 MiB."""


class PortBusyError(Exception):
    """The page's address cannot be listened on; the text says what to do."""


class _Server(uvicorn.Server):
    """uvicorn, but whoever connects comes through a door."""

    def __init__(self, config: uvicorn.Config, door: Door) -> None:
        super().__init__(config)
        self._door = door

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the agent."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - as uvicorn has it
        """In place of asyncio's own servers, which take whoever comes."""
        self.servers: list[Any] = [self._door]  # closed, and waited for, as they would be
        self._door.open(self._make_connection, self.config.ssl)
        self.started = True

    def _make_connection(self) -> "_Connection":
        return _Connection(self._door, self.config, self.server_state, self.lifespan.state)


def listen(host: str, port: int, holder: Callable[[int], str | None]) -> socket.socket:
    """A listening socket. ``holder(port)`` names who has a busy port, where that can be known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0]
    try:
        return _bound(found[0], found[4])
    except OSError as error:
        raise PortBusyError(_sentence(host, port, error, holder)) from error


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _sentence(host: str, port: int, error: OSError, holder: Callable[[int], str | None]) -> str:
    if error.errno == errno.EADDRINUSE:
        who = holder(port)
        by = f" by {who}" if who else ""
        return (
            f"Port {port} on {host} is in use{by}. Stop that, or choose another with --http-port or `port` in [http]."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} may not be opened without privileges. Choose one above 1023 with `port` in [http]."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine. Set `host` in [http] to one that is, or to 127.0.0.1."
    return f"The page cannot be served on {host} port {port}: {error.strerror}."


class _Connection(H11Protocol):
    """uvicorn's connection, which tells the door how far it has come."""

    def __init__(self, door: Door, config: uvicorn.Config, shared: ServerState, state: dict[str, Any]) -> None:
        super().__init__(config, shared, state)
        self._door = door
        self._descriptor = -1

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The handshake is done, where there is one."""
        self._descriptor = transport.get_extra_info("socket").fileno()
        self._door.made(self._descriptor, transport.get_write_buffer_size)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """What refers to what in a circle is taken apart: a connection by TLS leaves 60 kB (measured), of so few
        objects that the collector would leave it for an hour."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.transport = self.flow = self.cycle = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._tell()

    def on_response_complete(self) -> None:
        self._door.reached(self._descriptor, Stage.HEADERS)
        super().on_response_complete()  # and begins the next, where its request has come already
        self._tell()

    def _tell(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._door.reached(self._descriptor, Stage.ANSWER)


class Server:
    """Serves one application on one listening socket until ``stop``. Where a fault has ended ``run``, which closes the
    socket, the next ``run`` opens it anew."""

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        clock: Clock,
        *,
        cert: Path | None = None,
        key: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        SSLProtocol.max_size = TLS_BUFFER_OCTETS
        self._family, self._address = listening.family, listening.getsockname()
        self._clock, self._limits = clock, limits
        self._stopping = False
        self._make_config = partial(
            uvicorn.Config,
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            http="h11",
            ws="none",
            timeout_graceful_shutdown=2,
            ssl_certfile=cert,
            ssl_keyfile=key,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )
        self._open(listening)

    def _open(self, listening: socket.socket) -> None:
        self.door = Door(listening, self._clock, self._limits)
        self._server = _Server(self._make_config(), self.door)

    async def run(self) -> None:
        """Until ``stop``. Raises OSError where the socket is to be opened anew and cannot be."""
        if self._stopping:
            return
        if self.door.closed:
            self._open(_bound(self._family, self._address))
        watching = asyncio.create_task(self.door.watch(), name="http connections")
        try:
            await self._server.serve()
        except Exception:
            self.door.end_all()  # nobody watches over them any more
            raise
        finally:
            watching.cancel()
            self.door.close()

    def stop(self) -> None:
        """Let the requests under way end, then ``run`` returns."""
        self._stopping = self._server.should_exit = True
