"""Real HTTP in front of the simulated devices that have a page. One short answer a connection, whatever is asked."""

import asyncio
import contextlib
import html
import socket
from collections.abc import Callable, Sequence
from http import HTTPStatus

from agent.demo.site import Simulated

READ_S = 10.0
HEAD_OCTETS = 16_384


async def serve(
    devices: Sequence[tuple[Simulated, socket.socket]], seconds: Callable[[], float]
) -> list[asyncio.Server]:
    """A server for each device on its listening socket; ``seconds()`` are those since the demo began."""
    servers = []
    for device, listening in devices:

        async def answer(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, device: Simulated = device
        ) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
                async with asyncio.timeout(READ_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    if device.answers(seconds()):
                        writer.write(reply(device, head))
                        await writer.drain()
            writer.close()

        servers.append(await asyncio.start_server(answer, sock=listening, limit=HEAD_OCTETS))
    return servers


def reply(device: Simulated, head: bytes) -> bytes:
    """The octets that answer a request with this head (RFC 9112)."""
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0]
    status = HTTPStatus.OK if path in {b"/", b"/index.html"} else HTTPStatus.NOT_FOUND
    if method not in {b"GET", b"HEAD"}:
        status = HTTPStatus.METHOD_NOT_ALLOWED
    name = html.escape(device.name)
    body = f"<!doctype html><title>{name}</title><h1>{name}</h1><p>{status.phrase}. A simulated device.</p>\n".encode()
    fields = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join(fields).encode() + b"\r\n\r\n" + (b"" if method == b"HEAD" else body)
