"""The labelled fallback where no ICMP socket may be opened: a TCP connect, answered or refused, proves life.

What it cannot prove is the opposite: many devices drop what comes to a closed port. Until a target has answered one
connect its silence is therefore AGENT_FAULT ``icmp_permission`` and never a loss. Samples carry ``reason="tcp"`` or
``"tcp_timeout"``; the round trip is of the handshake, timed in this process.
"""

import asyncio
import errno
import socket
import struct

from collectors.clock import Clock
from collectors.icmp.errqueue import MSG_ERRQUEUE, RECVERR
from collectors.icmp.ledger import Ledger, new_key
from collectors.icmp.peer import Echo, Peer
from collectors.icmp.sockets import FAMILY

MAX_OPEN = 200
"""Connects on their way at once: one descriptor each."""

_ANSWERED = {0, errno.ECONNREFUSED}
_LOST = {
    errno.EHOSTUNREACH: "host_unreachable",
    errno.ENETUNREACH: "net_unreachable",
    errno.EACCES: "admin_prohibited",
    errno.ETIMEDOUT: "tcp_timeout",
}
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close with RST, leave no TIME_WAIT behind


class TcpConnects:
    """Connects on their way. Their echoes stand in the ledger like any other."""

    def __init__(self, clock: Clock, ledger: Ledger, port: int) -> None:
        self._clock = clock
        self._ledger = ledger
        self._port = port
        self._open: dict[bytes, socket.socket] = {}

    def send(self, peer: Peer, number: int, loop: asyncio.AbstractEventLoop, *, confirm: bool) -> None:
        """Begin one connect; a failure is told to the sink before this returns."""
        reason = "tcp_limit"
        if len(self._open) < MAX_OPEN:
            try:
                self._begin(peer, number, loop, confirm=confirm)
            except OSError as error:
                reason = f"send_{errno.errorcode.get(error.errno or 0, 'failed').lower()}"
            else:
                return
        self._ledger.fault(peer.target.id, number, reason, self._clock.monotonic_ns(), confirm=confirm)

    def _begin(self, peer: Peer, number: int, loop: asyncio.AbstractEventLoop, *, confirm: bool) -> None:
        address = (peer.host, self._port, *peer.locate()[2:])
        sock = socket.socket(FAMILY[peer.version], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        wall, mono = self._clock.utc_ns(), self._clock.monotonic_ns()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            sock.setsockopt(*RECVERR[peer.version], 1)
            sock.connect(address)
            result = 0
        except (BlockingIOError, ConnectionRefusedError) as soon:
            result = soon.errno or 0
        except OSError:
            sock.close()
            raise
        key = new_key(peer)
        echo = Echo(peer, peer.count, number, confirm, wall, mono, told=confirm or not peer.proven)
        echo.fault = None if peer.proven else "icmp_permission"
        self._ledger.waiting[key] = echo
        self._ledger.counters.sent += 1
        self._open[key] = sock
        if result in _ANSWERED:
            self._end(key, result)
        else:
            loop.add_writer(sock.fileno(), self._ready, key, loop)

    def _ready(self, key: bytes, loop: asyncio.AbstractEventLoop) -> None:
        sock = self._open[key]
        loop.remove_writer(sock.fileno())
        result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result == errno.ECONNREFUSED and _by_icmp(sock):
            result = errno.EACCES
        self._end(key, result)

    def _end(self, key: bytes, result: int) -> None:
        self._open.pop(key).close()
        echo = self._ledger.waiting.get(key)
        if echo is None:
            return
        if result in _ANSWERED:
            now = self._clock.monotonic_ns()
            echo.peer.proven = True
            self._ledger.answered(key, now - echo.mono, "tcp", now)
        else:
            self._ledger.lost(key, _LOST.get(result, "tcp_failed"))

    def expire(self, key: bytes, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Give up a connect whose waiting time is over; False where that key is none of ours."""
        sock = self._open.pop(key, None)
        if sock is None:
            return False
        if loop is not None:
            loop.remove_writer(sock.fileno())
        sock.close()
        return True

    def close(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Give up all."""
        for key in list(self._open):
            self.expire(key, loop)


def _by_icmp(sock: socket.socket) -> bool:
    """Whether a refusal is an ICMP error, which any firewall on the way sends, and not the target's own reset."""
    try:
        sock.recvmsg(0, 512, MSG_ERRQUEUE)
    except OSError:
        return False
    return True
