"""One poll's dealings with one device: what time is left, how long a request may take, and what was counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from collectors.clock import Clock
from collectors.snmp import oid
from collectors.snmp.errors import SnmpError, Timeout
from collectors.snmp.message import Reply, Request
from collectors.snmp.peer import Peer

SHORTEST_S = 0.02
"""Less than this before the deadline is too little to ask anything more."""

SYS_UPTIME = oid.parse("1.3.6.1.2.1.1.3.0")


class DeadlineReached(Exception):  # noqa: N818 -- not an error: the poll keeps what it has
    """The device's time for this poll is used up."""


class Client(Protocol):
    """What is needed of collectors/snmp/client.py:SnmpClient. Every call raises SnmpError."""

    async def get(self, peer: Peer, oids: Sequence[bytes] | Request, *, timeout_s: float, retries: int) -> Reply: ...

    async def get_next(self, peer: Peer, oids: Sequence[bytes], *, timeout_s: float, retries: int) -> Reply: ...

    async def get_bulk(
        self,
        peer: Peer,
        oids: Sequence[bytes],
        *,
        non_repeaters: int,
        max_repetitions: int,
        timeout_s: float,
        retries: int,
    ) -> Reply: ...


@dataclass(slots=True)
class Tally:
    """What polling cost and what was wrong with the answers, since the start."""

    requests: int = 0
    varbinds: int = 0
    """Varbinds answered."""
    octets: int = 0
    """Octets of the answers."""
    odd: Counter[str] = field(default_factory=Counter)
    """Wrong answers by name: too_big, gen_err, not_increasing, endless, wrong_type, missing, unasked, ..."""


class Contact:
    """Requests to ``peer`` until ``ends_at`` (seconds of the monotonic clock).

    Every request raises SnmpError as the client does, and DeadlineReached where no time is left.
    """

    def __init__(
        self, client: Client, peer: Peer, clock: Clock, tally: Tally, *, ends_at: float, timeout_s: float, retries: int
    ) -> None:
        self.peer = peer
        self.clock = clock
        self.tally = tally
        self.timeout_s = timeout_s
        self.retries = retries
        self.replies = 0
        """Answers of any kind in this poll."""
        self._client = client
        self._ends_at = ends_at

    @property
    def version(self) -> str:
        """ "1", "2c" or "3"."""
        return self.peer.credential.version

    async def get(self, request: Request | Sequence[bytes], *, retries: int | None = None) -> Reply:
        """The answer to a GET, in the order asked."""
        timeout_s, tries = self._allowance(retries)
        reply = await self._client.get(self.peer, request, timeout_s=timeout_s, retries=tries - 1)
        if reply.unasked:
            self.tally.odd["unasked"] += reply.unasked
        return self._counted(reply)

    async def following(self, oids: Sequence[bytes], repetitions: int, *, once: int = 0) -> Reply:
        """What comes after ``oids``: by GETBULK, of the first ``once`` of them one each; in v1 by GETNEXT."""
        timeout_s, tries = self._allowance(None)
        if self.version == "1":
            return self._counted(
                await self._client.get_next(self.peer, oids, timeout_s=timeout_s, retries=tries - 1),
            )
        return self._counted(
            await self._client.get_bulk(
                self.peer,
                oids,
                non_repeaters=once,
                max_repetitions=repetitions,
                timeout_s=timeout_s,
                retries=tries - 1,
            )
        )

    async def alive(self) -> bool:
        """Whether the agent answers the smallest question there is, asked once."""
        try:
            await self.get((SYS_UPTIME,), retries=0)
        except Timeout:
            return False
        except SnmpError:
            return True
        return True

    def _allowance(self, retries: int | None) -> tuple[float, int]:
        """(seconds a try, tries) that fit before the deadline."""
        left = self._ends_at - self.clock.monotonic()
        if left < SHORTEST_S:
            raise DeadlineReached
        self.tally.requests += 1
        tries = 1 + (self.retries if retries is None else retries)
        if left >= self.timeout_s * tries:
            return self.timeout_s, tries
        return min(self.timeout_s, left), max(1, int(left / self.timeout_s))

    def _counted(self, reply: Reply) -> Reply:
        self.replies += 1
        self.tally.varbinds += len(reply.values)
        self.tally.octets += reply.octets
        return reply
