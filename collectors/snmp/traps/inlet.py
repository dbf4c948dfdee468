"""One UDP socket for traps, bound by whoever gives it: datagrams in, answers to informs out.

An answer leaves from the address that was asked (IP_PKTINFO): a sender whose inform went to one of the probe's
addresses does not take an answer from another.
"""

import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import Any

OCTETS_MAX = 2048
"""RFC 3417 asks for 484 and advises 1,472. pysnmp needs 60 us a varbind (measured): what one datagram costs is bounded
by this, at 17 ms."""
RECEIVE_BUFFER = 512 * 1024
"""Room for a thousand small datagrams while the loop is busy; the kernel counts each with some 800 octets."""

_IP_PKTINFO = 8  # linux/in.h; Python names the IPv6 one only
_SO_MEMINFO, _MEMINFO_WORDS, _MEMINFO_DROPS = 55, 9, 8
_ANCILLARY = socket.CMSG_SPACE(20)


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram; ``source`` is its sender's address as text, IPv4 where it is IPv4."""

    octets: bytes
    whole: bool
    """False where it was longer than OCTETS_MAX."""
    source: str
    sender: Any
    """Address and port as the kernel gave them."""
    asked: tuple[tuple[int, int, bytes], ...]
    """Ancillary data that makes the answer leave from the address that was asked."""


class Inlet:
    """Reads and answers on a bound datagram socket of AF_INET or AF_INET6, which it closes in the end."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        bound.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        if bound.family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    @property
    def address(self) -> tuple[str, int]:
        """Where it is bound."""
        found = self._socket.getsockname()
        return str(found[0]), int(found[1])

    @property
    def dropped(self) -> int:
        """Datagrams that the kernel dropped because nobody read them in time."""
        words = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_WORDS * 4)
        return int(struct.unpack(f"@{_MEMINFO_WORDS}I", words)[_MEMINFO_DROPS])

    def read(self) -> Datagram | None:
        """The next datagram, None where none waits. An error that belongs to an answer sent before is passed over."""
        try:
            octets, ancillary, flags, sender = self._socket.recvmsg(OCTETS_MAX, _ANCILLARY)
        except OSError:
            return None
        return Datagram(octets, not flags & socket.MSG_TRUNC, _plain(sender[0]), sender, _back(ancillary))

    def answer(self, to: Datagram, octets: bytes) -> bool:
        """Whether it could be sent."""
        try:
            self._socket.sendmsg((octets,), to.asked, 0, to.sender)
        except OSError:
            return False
        return True


def canonical(address: str) -> str:
    """An address as ``Datagram.source`` has it. Raises ValueError for what is none."""
    found = ipaddress.ip_address(address)
    return str(getattr(found, "ipv4_mapped", None) or found)


def _plain(address: str) -> str:
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _back(ancillary: list[tuple[int, int, bytes]]) -> tuple[tuple[int, int, bytes], ...]:
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return ((level, kind, data),)
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(data) == 12:
            interface, local, _header = struct.unpack("@i4s4s", data)
            return ((level, kind, struct.pack("@i4s4s", interface, local, bytes(4))),)
    return ()
