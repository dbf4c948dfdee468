"""One poll's dealings with one device: what time is left, how long a request may take, and what was counted."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from collectors.clock import Clock
from collectors.snmp import oid
from collectors.snmp.errors import AccessDenied, DecodeError, SnmpError, Timeout, TooBig
from collectors.snmp.message import AUTHORIZATION_ERROR, Reply, Request
from collectors.snmp.peer import Peer
from collectors.snmp.watch import Watch

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
    """Wrong answers by name: too_big, gen_err, not_increasing, repeated, endless, wrong_type, missing, unasked, ...
    The names are ours, and few; none is a device's to choose."""

    def document(self) -> dict[str, int | dict[str, int]]:
        """For /api/v1/agent."""
        return {
            "requests": self.requests,
            "varbinds": self.varbinds,
            "octets": self.octets,
            "odd": dict(sorted(self.odd.items())),
        }


Question = tuple[int | bytes, ...]
"""Repetitions of a GETBULK or GETNEXT, 0 for a GET, and the OIDs."""


@dataclass(slots=True)
class Memo:
    """What a device answered while it was learnt, so that a poll in which time ran out is not lost: the next one asks
    the same questions, and goes on where the answers end."""

    answers: dict[Question, Reply | SnmpError] = field(default_factory=dict)
    unanswered: tuple[Question, Timeout] | None = None
    """The last question that had no answer; where the device answers another one, it will have none."""


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
        self.watch: Watch | None = None
        """Looks at the sysUpTime of every answer that begins with one; then every request raises RestartedMeanwhile."""
        self.memo: Memo | None = None
        """Answers that need not be asked for again."""
        self._client = client
        self._ends_at = ends_at

    @property
    def version(self) -> str:
        """ "1", "2c" or "3"."""
        return self.peer.credential.version

    async def get(self, request: Request | Sequence[bytes], *, retries: int | None = None) -> Reply:
        """The answer to a GET, in the order asked."""
        names = request.oids if isinstance(request, Request) else request
        return await self._recalled((0, *names), lambda: self._get(request, retries))

    async def _get(self, request: Request | Sequence[bytes], retries: int | None) -> Reply:
        timeout_s, tries = self._allowance(retries)
        reply = await self._client.get(self.peer, request, timeout_s=timeout_s, retries=tries - 1)
        if reply.unasked:
            self.tally.odd["unasked"] += reply.unasked
        return self._counted(reply)

    async def following(self, oids: Sequence[bytes], repetitions: int, *, once: int = 0) -> Reply:
        """What comes after ``oids``: by GETBULK, of the first ``once`` of them one each; in v1 by GETNEXT."""
        return await self._recalled((repetitions, *oids), lambda: self._following(oids, repetitions, once))

    async def _following(self, oids: Sequence[bytes], repetitions: int, once: int) -> Reply:
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

    async def _recalled(self, asked: Question, ask: Callable[[], Awaitable[Reply]]) -> Reply:
        """The answer from memory, else from the device."""
        if self.memo is None:
            return await ask()
        if asked in self.memo.answers:
            await self.clock.sleep(0)  # the loop's turn, as if it had been asked
            known = self.memo.answers[asked]
            if isinstance(known, SnmpError):
                raise known
            return known
        try:
            reply = await ask()
        except (TooBig, DecodeError) as error:
            self.memo.answers[asked] = error
            raise
        except Timeout as error:
            self.memo.unanswered = (asked, error)
            raise
        self.memo.answers[asked] = reply
        return reply

    async def alive(self) -> bool:
        """Whether the agent answers the smallest question there is, asked once."""
        try:
            await self._get((SYS_UPTIME,), 0)
        except Timeout:
            return False
        except SnmpError:
            pass
        if self.memo is not None and self.memo.unanswered is not None:
            asked, error = self.memo.unanswered
            self.memo.answers[asked], self.memo.unanswered = error, None
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
        """The reply, which counts as one. Raises AccessDenied where all that the agent says is that we may not read."""
        if reply.error_status == AUTHORIZATION_ERROR and not self.replies:
            raise AccessDenied(f"{self.peer.address}: authorizationError")
        self.replies += 1
        if self.watch is not None and reply.oids and reply.oids[0] == SYS_UPTIME:
            self.watch.saw(reply.values[0])
        self.tally.varbinds += len(reply.values)
        self.tally.octets += reply.octets
        return reply
