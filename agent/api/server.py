"""uvicorn inside the agent's loop: no signal handlers of its own, and a busy port is said before anything starts."""

import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp


class PortBusyError(Exception):
    """The page's address cannot be listened on; the text says what to do."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the agent."""
        yield


def listen(host: str, port: int, holder: Callable[[int], str | None]) -> socket.socket:
    """A listening socket. ``holder(port)`` names who has a busy port, where that can be known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0]
    listening = socket.socket(found[0], socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(found[4])
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise PortBusyError(_sentence(host, port, error, holder)) from error
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


class Server:
    """Serves one application on one listening socket until ``stop``."""

    def __init__(
        self, app: ASGIApp, listening: socket.socket, cert: Path | None = None, key: Path | None = None
    ) -> None:
        self._socket = listening
        self._server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=2,
                ssl_certfile=cert,
                ssl_keyfile=key,
                ssl_version=ssl.PROTOCOL_TLS_SERVER,
            )
        )

    async def run(self) -> None:
        """Until ``stop``."""
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Let the requests under way end, then ``run`` returns."""
        self._server.should_exit = True
