"""One UDP socket of a family for all devices, and its error queue (ip(7), IP_RECVERR).

On a shared socket an ICMP error for one peer makes the next call for another peer fail. So every failed call drains the
error queue, which names the peer, and is made again.
"""

import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from collectors.snmp.peer import Source

RECEIVE_BUFFER = 4 << 20
"""Octets asked for; without CAP_NET_ADMIN the kernel grants net.core.rmem_max, twice over."""
SEND_BUFFER = 1 << 20
DATAGRAM_MAX = 65535
READS_MAX = 32
"""Datagrams taken in one go, so that a flood of them shares the loop with everybody else."""
ERRORS_MAX = 64

_IP_RECVERR, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT = 11, 10, 0
_IPV6_RECVERR, _IPV6_MTU_DISCOVER = 25, 23
_SO_RCVBUFFORCE, _SO_MEMINFO = 33, 55
_MEMINFO_DROPS = 8
"""linux/in.h, linux/in6.h, asm-generic/socket.h, linux/sock_diag.h: names that Python's socket does not have."""
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
"""struct sock_extended_err: errno, origin, type, code, pad, info, data."""
_ORIGIN_LOCAL, _ORIGIN_ICMP = 1, 2
_PROHIBITED = {(3, 9), (3, 10), (3, 13)}
"""ICMP type and codes of RFC 1812 for "administratively prohibited", which Linux calls EHOSTUNREACH."""

_DRAIN = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPROTO, errno.EOPNOTSUPP,
          errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET)  # fmt: skip
"""What ICMP errors for other peers make of our calls; a fault of our own gives some of them as well, again."""


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP error (or a local one, such as no answer to ARP) about a datagram to ``source``.

    ``quote`` is as much of that datagram as came back, from its first octet on; it may be empty.
    """

    source: Source
    code: int
    """errno: ECONNREFUSED is port unreachable, EACCES administratively prohibited."""
    quote: bytes


class UdpSocket:
    """A non-blocking UDP socket. ``on_icmp`` is called from within ``send`` and ``read``."""

    def __init__(self, family: int, on_icmp: Callable[[IcmpError], None], *, loopback: bool = False) -> None:
        """``loopback``: bound to this machine alone. Raises OSError where the family is not to be had."""
        self._family = family
        self._on_icmp = on_icmp
        self._loopback = loopback
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._prepare()
        except OSError:
            self._socket.close()
            raise

    def _prepare(self) -> None:
        udp = self._socket
        udp.setblocking(False)
        try:
            udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if self._family == socket.AF_INET:
            udp.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            udp.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
            # answers may come in by any interface; the kernel picks the port
            udp.bind(("127.0.0.1" if self._loopback else "0.0.0.0", 0))  # noqa: S104 -- as just said
        else:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _IP_PMTUDISC_DONT)
            udp.bind(("::1" if self._loopback else "::", 0))

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, octets: bytes, source: Source) -> bool:
        """False where the send buffer is full. Raises OSError where sending fails and fails again after draining."""
        try:
            self._socket.sendto(octets, source)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _DRAIN:
                raise
            self.drain()
            try:
                self._socket.sendto(octets, source)
            except BlockingIOError:
                return False
        return True

    def read(self, take: Callable[[bytes, Source], None]) -> None:
        """Give every waiting datagram to ``take``, up to READS_MAX of them; then whatever the error queue holds."""
        receive = self._socket.recvfrom
        for taken in range(READS_MAX):
            try:
                octets, source = receive(DATAGRAM_MAX)
            except BlockingIOError:
                if not taken:
                    self.drain()
                return
            except OSError:
                self.drain()
                continue
            take(octets, source)

    def drain(self) -> None:
        """Empty the error queue, up to ERRORS_MAX of it."""
        for _ in range(ERRORS_MAX):
            try:
                quote, ancillary, _flags, source = self._socket.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            for level, option, body in ancillary:
                if (level, option) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                    code, origin, kind, detail, *_rest = _EXTENDED_ERROR.unpack_from(body)
                    if origin == _ORIGIN_ICMP and (kind, detail) in _PROHIBITED:
                        code = errno.EACCES
                    self._on_icmp(IcmpError(source, code, b"" if origin == _ORIGIN_LOCAL else quote))

    def dropped(self) -> int:
        """Datagrams the kernel has thrown away for want of room, since the socket was opened."""
        info = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_MEMINFO_DROPS + 1))
        return struct.unpack_from("=I", info, 4 * _MEMINFO_DROPS)[0] if len(info) > 4 * _MEMINFO_DROPS else 0
