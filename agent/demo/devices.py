"""The process of the simulated devices: `python -m agent.demo.devices BEGAN`, the community in $SONDA_DEMO_COMMUNITY.

It binds every device's address, at the port that the devices usually have or else at any that is free on all of
them, says which in one line of JSON, and ends with the process that started it.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from agent.demo.children import COMMUNITY, follow_parent, parent_ended, say
from agent.demo.pages import serve
from agent.demo.site import SITE
from agent.demo.snmp import Responder
from collectors.clock import SystemClock

SNMP_PORT, HTTP_PORT = 1161, 8180
"""The usual ones: a person finds the same devices at the same place each time."""
ATTEMPTS = 20


class NoPortError(OSError):
    """No port is free at all addresses."""


@contextmanager
def bound(addresses: list[str], kind: socket.SocketKind, wanted: int) -> Iterator[list[socket.socket]]:
    """A socket at each address, all at one port: ``wanted`` or another that is free. Raises NoPortError."""
    for attempt in range(ATTEMPTS):
        with ExitStack() as stack:
            port = wanted if attempt == 0 else 0
            made = []
            try:
                for address in addresses:
                    one = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    if kind is socket.SOCK_STREAM:
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind((address, port))
                    port = one.getsockname()[1]
                    if kind is socket.SOCK_STREAM:
                        one.listen()  # two that reuse an address may both be bound to it; one of them may listen
                    one.setblocking(False)
                    made.append(one)
            except OSError:
                continue
            yield made
            return
    raise NoPortError(f"no port is free at all of {', '.join(addresses)}")


async def main(began: float, community: str) -> None:
    """Answer until the parent ends."""
    clock = SystemClock()

    def seconds() -> float:
        return clock.monotonic() - began

    polled, paged = [d for d in SITE if d.snmp], [d for d in SITE if d.page]
    with (
        bound([d.address for d in polled], socket.SOCK_DGRAM, SNMP_PORT) as sockets,
        bound([d.address for d in paged], socket.SOCK_STREAM, HTTP_PORT) as listening,
        Responder(list(zip(polled, sockets, strict=True)), community, seconds),
    ):
        servers = await serve(list(zip(paged, listening, strict=True)), seconds)
        say(snmp_port=sockets[0].getsockname()[1], http_port=listening[0].getsockname()[1])
        await parent_ended()
        for server in servers:
            server.close()


if __name__ == "__main__":
    follow_parent()
    asyncio.run(main(float(sys.argv[1]), os.environ[COMMUNITY]))
