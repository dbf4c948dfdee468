"""The SNMP client: every device over one UDP socket a family, answers matched by id and source.

A request is a Future and a timer, no task. Each try has an id of its own, and an answer to an earlier try still counts.
What nobody asked for is counted by name and dropped. SNMPv3 stands in session.py.
"""

import asyncio
import contextlib
import errno
import random
import socket
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from collectors.clock import Clock
from collectors.snmp import message, v3
from collectors.snmp.credentials import UsmUser
from collectors.snmp.errors import (
    AnsweredElsewhere,
    AuthFailure,
    Busy,
    DecodeError,
    NotInTimeWindow,
    Refused,
    SendFault,
    Timeout,
    TooBig,
    Unreachable,
)
from collectors.snmp.message import Pdu, Reply, Request
from collectors.snmp.peer import Peer, Source
from collectors.snmp.pending import Pending
from collectors.snmp.session import Dropped, Hint, Resend, Session
from collectors.snmp.transport import IcmpError, UdpSocket

OUTSTANDING_MAX = 4096
"""Requests at a time, all devices together: some 10 MB at worst, twenty times what 200 devices need."""
RECENT_MAX = 4096
"""Ids of finished requests that are remembered, to tell late and double answers from foreign ones."""
BLOCKED_WAIT_S = 0.01
BLOCKED_MAX = 100
"""A full send buffer is waited for this often before it is our fault."""
MAX_REPETITIONS_MAX = 2**16
RESENDS_MAX = 5
"""SNMPv3 reports that one request is sent again for: new engine id, its time, both anew, and one to spare."""

COUNTERS = (
    "sent", "retries", "answered", "timeouts", "late", "duplicate", "foreign", "wrong_id", "wrong_version",
    "wrong_pdu", "undecodable", "too_big", "unasked", "other_source", "refused", "unreachable", "icmp_foreign",
    "send_blocked", "send_fault", "socket_dropped", "probes",
)  # fmt: skip
"""Names in ``SnmpClient.counters``; session.py adds its own."""

_REASONS = {
    errno.EHOSTUNREACH: "host_unreachable",
    errno.ENETUNREACH: "net_unreachable",
    errno.EACCES: "admin_prohibited",
    errno.EHOSTDOWN: "host_unreachable",
    errno.ENONET: "host_unreachable",
}


class SnmpClient:
    """``async with SnmpClient(clock) as client``; then any number of requests at once.

    Every request raises, of errors.py: Timeout, Unreachable, Refused, SendFault, Busy, DecodeError (the answer to this
    request is unreadable), TooBig, and the AuthFailure family. Any other error-status stands in the Reply.
    """

    def __init__(self, clock: Clock, *, loopback: bool = False) -> None:
        """``loopback``: the sockets are bound to this machine alone."""
        self._clock = clock
        self._loopback = loopback
        self._counters = dict.fromkeys(COUNTERS, 0)
        self._sockets: dict[int, UdpSocket] = {}
        self._pending: dict[Source, dict[int, Pending]] = {}
        self._by_number: dict[int, Pending] = {}
        self._outstanding = 0
        self._recent: dict[int, tuple[Source, bool]] = {}
        self._session = Session(clock, self._counters)
        self._random = random.Random()  # noqa: S311 -- ids need to be hard to guess from off the path, not secret
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened since the start, by name; a live view."""
        return self._counters

    @property
    def outstanding(self) -> int:
        """Requests on their way."""
        return self._outstanding

    async def __aenter__(self) -> Self:
        """Raises OSError where not even an IPv4 socket is to be had."""
        self._loop = asyncio.get_running_loop()
        self._sockets[socket.AF_INET] = UdpSocket(socket.AF_INET, self._icmp, loopback=self._loopback)
        with contextlib.suppress(OSError):  # a host without IPv6; a peer with such an address gets SendFault
            self._sockets[socket.AF_INET6] = UdpSocket(socket.AF_INET6, self._icmp, loopback=self._loopback)
        for udp in self._sockets.values():
            self._loop.add_reader(udp.fileno(), udp.read, self._take)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for udp in self._sockets.values():
            if self._loop:
                self._loop.remove_reader(udp.fileno())
            udp.close()
        self._sockets.clear()
        for pending in [pending for table in self._pending.values() for pending in table.values()]:
            pending.fail(SendFault("the SNMP client was closed"))

    async def get(
        self, peer: Peer, oids: Sequence[bytes] | Request, *, timeout_s: float = 2.0, retries: int = 1
    ) -> Reply:
        """GET; the Reply stands in the order asked, whatever the order of the answer. ``prepare`` makes a Request."""
        request = oids if isinstance(oids, Request) else Request(message.GET, oids)
        return await self._ask(peer, request, timeout_s, retries)

    async def get_next(self, peer: Peer, oids: Sequence[bytes], *, timeout_s: float = 2.0, retries: int = 1) -> Reply:
        """GETNEXT; the Reply is as the agent sent it."""
        return await self._ask(peer, Request(message.GET_NEXT, oids), timeout_s, retries)

    async def get_bulk(
        self,
        peer: Peer,
        oids: Sequence[bytes],
        *,
        non_repeaters: int = 0,
        max_repetitions: int = 20,
        timeout_s: float = 2.0,
        retries: int = 1,
    ) -> Reply:
        """GETBULK (RFC 3416 section 4.2.3); the Reply is as the agent sent it. Raises ValueError for a v1 peer."""
        if peer.credential.version == "1":
            raise ValueError("SNMPv1 has no GETBULK")
        if not 0 <= non_repeaters <= len(oids) or not 0 <= max_repetitions <= MAX_REPETITIONS_MAX:
            raise ValueError("non_repeaters or max_repetitions out of range")
        request = Request(message.GET_BULK, oids, non_repeaters, max_repetitions)
        return await self._ask(peer, request, timeout_s, retries)

    async def _ask(self, peer: Peer, request: Request, timeout_s: float, retries: int) -> Reply:
        if self._outstanding >= OUTSTANDING_MAX:
            raise Busy(f"{OUTSTANDING_MAX} requests are on their way already")
        if self._loop is None:
            raise SendFault("the SNMP client is not open")
        try:
            destination, source = peer.destination(), peer.source()
        except OSError as error:
            raise SendFault(f"{peer.address}: {error.strerror}") from error
        future: asyncio.Future[Reply] = self._loop.create_future()
        pending = Pending(
            peer, source, request, destination=destination, future=future, timeout_s=timeout_s, tries=retries
        )
        self._outstanding += 1
        try:
            self._send(pending)
            return await pending.future
        finally:
            self._outstanding -= 1
            self._finish(pending)

    def _send(self, pending: Pending) -> None:
        """One try, with a new id and a new timer. What goes wrong lands in the future."""
        assert self._loop
        udp = self._sockets.get(pending.family)
        if udp is None:
            self._send_fault(pending, "no socket of that family")
            return
        number = self._number(pending)
        octets = self._encode(pending, number)
        pending.sent[number] = (self._clock.monotonic(), octets)
        try:
            gone = udp.send(octets, pending.destination)
        except OSError as error:
            self._send_fault(pending, error.strerror or str(error))
            return
        if gone:
            self._counters["sent"] += 1
            pending.timer = self._loop.call_later(pending.timeout_s, self._expire, pending)
            if pending.watch is None:
                self._watch(pending)
        else:
            del self._pending[pending.source][number], self._by_number[number], pending.sent[number]
            self._blocked(pending)

    def _number(self, pending: Pending) -> int:
        """An id that nobody uses or used lately, registered for this request."""
        table = self._pending.setdefault(pending.source, {})
        number = self._random.getrandbits(30) | 0x40000000
        while number in self._by_number or number in self._recent:
            number = self._random.getrandbits(30) | 0x40000000
        table[number] = self._by_number[number] = pending
        return number

    def _send_fault(self, pending: Pending, what: str) -> None:
        self._counters["send_fault"] += 1
        pending.fail(SendFault(f"{pending.peer.address}: {what}"))

    def _watch(self, pending: Pending) -> None:
        """Where it is not known whether privacy is right: if half the waiting time passes, ask without."""
        assert self._loop
        user = pending.peer.credential
        if isinstance(user, UsmUser) and user.priv and self._session.unproven(pending.peer, user):
            pending.watch = self._loop.call_later(pending.timeout_s / 2, self._probe, pending)

    def _probe(self, pending: Pending) -> None:
        user = pending.peer.credential
        if pending.future.done() or not isinstance(user, UsmUser) or not self._session.unproven(pending.peer, user):
            return
        number = self._number(pending)
        octets = self._session.probe(pending.peer, user, number)
        pending.probes.add(number)
        self._counters["probes"] += 1
        with contextlib.suppress(OSError):  # the request itself says so if we cannot send
            self._sockets[pending.family].send(octets, pending.destination)

    def _blocked(self, pending: Pending) -> None:
        assert self._loop
        self._counters["send_blocked"] += 1
        pending.blocked += 1
        if pending.blocked > BLOCKED_MAX:
            self._send_fault(pending, "the send buffer stays full")
        else:
            pending.timer = self._loop.call_later(BLOCKED_WAIT_S, self._send, pending)

    def _encode(self, pending: Pending, number: int) -> bytes:
        credential = pending.peer.credential
        if isinstance(credential, UsmUser):
            return self._session.seal(pending.peer, credential, pending.request, number)
        return pending.request.message(credential.version, credential.community, number)

    def _expire(self, pending: Pending) -> None:
        """The waiting time of a try is over."""
        if pending.future.done():
            return
        if pending.tries > 0:
            pending.tries -= 1
            self._counters["retries"] += 1
            if isinstance(pending.trouble, NotInTimeWindow):  # of a report that nobody signed: see for ourselves
                pending.peer.engine.forget()
            self._send(pending)
            return
        self._counters["timeouts"] += 1
        self._counters["socket_dropped"] = sum(udp.dropped() for udp in self._sockets.values())
        pending.fail(pending.trouble or Timeout(f"{pending.peer.address}: no answer to {len(pending.sent)} tries"))

    def _finish(self, pending: Pending) -> None:
        """Whatever became of it: no timer, no table entry is left, and its ids are remembered for a while."""
        for timer in (pending.timer, pending.watch):
            if timer:
                timer.cancel()
        table = self._pending.get(pending.source, {})
        future = pending.future
        failure = asyncio.CancelledError() if not future.done() or future.cancelled() else future.exception()
        for number in (*pending.sent, *pending.probes):
            table.pop(number, None)
            self._by_number.pop(number, None)
            self._recent[number] = (pending.source, failure is None)
        if not table:
            self._pending.pop(pending.source, None)
            if failure and not isinstance(failure, TooBig):
                pending.peer.engine.forget()  # SNMPv3 heals: the next request starts by discovering
                pending.peer.engine.failures += 1
        while len(self._recent) > RECENT_MAX:
            del self._recent[next(iter(self._recent))]

    def _take(self, octets: bytes, source: Source) -> None:
        """One datagram. Never raises."""
        table = self._pending.get(source, {})
        try:
            version, at, stop = message.read_version(octets)
            if version == message.VERSIONS["3"]:
                header = v3.read_header(octets, at, stop)
                number = header.msg_id
            else:
                header = None
                _community, pdu = message.read_community(octets, at, stop)
                number = pdu.request_id
        except DecodeError as error:
            self._counters["undecodable"] += 1
            for pending in table.values():
                pending.trouble = error
            return
        found = table.get(number)
        if found is None:
            self._stray(number, source, known=bool(table))
        elif found.future.done():
            self._counters["duplicate"] += 1
        elif version != message.VERSIONS[found.peer.credential.version]:
            self._counters["wrong_version"] += 1
        elif header:
            self._open(found, header, octets)
        else:
            self._answer(found, pdu, number, len(octets))

    def _open(self, pending: Pending, header: v3.Header, octets: bytes) -> None:
        """An SNMPv3 message for this request."""
        user = pending.peer.credential
        assert isinstance(user, UsmUser)
        try:
            probe = header.msg_id in pending.probes
            opened = self._session.open(pending.peer, user, header, octets, probe=probe)
        except Dropped as dropped:
            self._counters[dropped.counter] += 1
        except DecodeError as error:
            self._counters["undecodable"] += 1
            pending.trouble = error
        except AuthFailure as error:
            pending.fail(error)
        else:
            if isinstance(opened, Hint):
                pending.trouble = opened.failure
            elif isinstance(opened, Resend):
                self._again(pending, opened.failure)
            elif opened.request_id != header.msg_id or probe:
                self._counters["wrong_id"] += 1
            else:
                self._answer(pending, opened, header.msg_id, len(octets))

    def _again(self, pending: Pending, failure: AuthFailure) -> None:
        pending.resends += 1
        if pending.resends > RESENDS_MAX:
            pending.fail(failure)
            return
        if pending.timer:
            pending.timer.cancel()
        self._send(pending)

    def _answer(self, pending: Pending, pdu: Pdu, number: int, octets: int) -> None:
        """The PDU that belongs to this try of this request."""
        if pdu.kind != message.RESPONSE:
            self._counters["wrong_pdu"] += 1
            return
        if pdu.error_status == message.TOO_BIG:
            self._counters["too_big"] += 1
            pending.fail(TooBig(f"{pending.peer.address}: the answer would be too big"))
            return
        try:
            reply = pending.request.reply(pdu, octets, self._clock.monotonic() - pending.sent[number][0])
        except DecodeError as error:
            self._counters["undecodable"] += 1
            pending.fail(error)
            return
        pending.peer.engine.failures = 0
        self._counters["answered"] += 1
        self._counters["unasked"] += reply.unasked
        pending.future.set_result(reply)

    def _stray(self, number: int, source: Source, *, known: bool) -> None:
        """An answer that nobody waits for there: count what it is. One with the id of a request to another address
        tells where that device answers from."""
        ours = self._recent.get(number)
        elsewhere = self._by_number.get(number)
        if elsewhere is not None:
            self._counters["other_source"] += 1
            if elsewhere.trouble is None:
                elsewhere.trouble = AnsweredElsewhere(elsewhere.peer.address, source[0], source[1])
        if ours and ours[0] == source:
            self._counters["duplicate" if ours[1] else "late"] += 1
        elif known:
            self._counters["wrong_id"] += 1
        else:
            self._counters["foreign"] += 1

    def _icmp(self, error: IcmpError) -> None:
        """An ICMP error: only requests whose own octets it quotes are meant."""
        meant = {
            pending
            for pending in self._by_number.values()
            if pending.destination == error.source
            and any(octets.startswith(error.quote) for _, octets in pending.sent.values())
        }
        if not meant:
            self._counters["icmp_foreign"] += 1
        for pending in meant:
            if error.code == errno.ECONNREFUSED:
                self._counters["refused"] += 1
                pending.fail(Refused(f"{pending.peer.address}: nobody listens on UDP port {pending.peer.port}"))
            elif reason := _REASONS.get(error.code):
                self._counters["unreachable"] += 1
                pending.trouble = Unreachable(f"{pending.peer.address}: {reason.replace('_', ' ')}", reason)
