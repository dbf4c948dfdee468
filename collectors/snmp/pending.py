"""A request on its way: what was sent for it, and who waits."""

import asyncio
import socket

from collectors.snmp.errors import SnmpError
from collectors.snmp.message import Reply, Request
from collectors.snmp.peer import Peer, Source


class Pending:
    """``sent`` has, by id, when each try went out and its octets; ``probes`` the ids of session.py's probes.
    ``trouble`` is what to raise in the end instead of Timeout."""

    __slots__ = (
        "blocked", "destination", "future", "peer", "probes", "request", "resends", "sent", "source", "timeout_s",
        "timer", "tries", "trouble", "watch",
    )  # fmt: skip

    def __init__(
        self,
        peer: Peer,
        source: Source,
        request: Request,
        *,
        destination: Source | None = None,
        future: asyncio.Future[Reply],
        timeout_s: float,
        tries: int,
    ) -> None:
        self.peer = peer
        self.destination = source if destination is None else destination
        self.source = source
        self.request = request
        self.future = future
        self.timeout_s = timeout_s
        self.tries = tries
        self.sent: dict[int, tuple[float, bytes]] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.watch: asyncio.TimerHandle | None = None
        self.probes: set[int] = set()
        self.trouble: SnmpError | None = None
        self.blocked = 0
        self.resends = 0

    @property
    def family(self) -> int:
        return socket.AF_INET if len(self.destination) == 2 else socket.AF_INET6

    def fail(self, error: SnmpError) -> None:
        if not self.future.done():
            self.future.set_exception(error)
