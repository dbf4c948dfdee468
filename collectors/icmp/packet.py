"""ICMP echo messages and the errors that quote them (RFC 792, RFC 4443): bytes in, values out, no sockets.

An echo is 64 octets of ICMP: an 8-octet header and 56 of data, as ping has it. The data begins with the target's
random token (8 octets) and the running count of echoes on the wire (8 octets); the sequence is the count's low 16
bits. Sequence, token and count stand side by side, so that one slice of a reply is the key of its echo.
"""

import socket
import struct
from dataclasses import dataclass

KEY = struct.Struct("!H8sQ")
"""Sequence, token, count: octets 6 to 24 of the message."""
KEY_START, KEY_END = 6, 6 + KEY.size
TOKEN_OCTETS = 8
HEADER_OCTETS = 8
PADDING = bytes(range(0x10, 0x10 + 40))

ECHO_REPLY = {4: 0, 6: 129}
ECHO_REQUEST = {4: 8, 6: 128}

_PREFIX = struct.Struct("!BBHH")
_UNREACHABLE_4 = {
    0: "net_unreachable",
    1: "host_unreachable",
    2: "protocol_unreachable",
    3: "port_unreachable",
    4: "packet_too_big",
    5: "source_route_failed",
    6: "net_unreachable",
    7: "host_unreachable",
    8: "source_host_isolated",
    9: "admin_prohibited",
    10: "admin_prohibited",
    11: "net_unreachable",
    12: "host_unreachable",
    13: "admin_prohibited",
    14: "host_precedence_violation",
    15: "precedence_cutoff",
}  # RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1
_UNREACHABLE_6 = {
    0: "net_unreachable",
    1: "admin_prohibited",
    2: "beyond_scope",
    3: "host_unreachable",
    4: "port_unreachable",
    5: "admin_prohibited",
    6: "admin_prohibited",
}  # RFC 4443 section 3.1
_SHORTEST_IPV4 = 20
_IPV6_HEADER = 40


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP error that quotes an echo: the echo's destination and sequence, and what became of it."""

    destination: str
    sequence: int
    reason: str
    identifier: int | None = None
    """As quoted; None where the kernel has already matched it to the socket."""


def checksum(message: bytes) -> int:
    """The Internet checksum of ``message`` (RFC 1071): 0 where a correct one is already within.

    A ones' complement sum of 16-bit words is the message as one number, modulo 65535 (with 65535 for a sum of zero
    that is not all zeros).
    """
    if len(message) % 2:
        message += b"\0"
    number = int.from_bytes(message, "big")
    total = number % 0xFFFF or (0xFFFF if number else 0)
    return 0xFFFF - total


def prefix(version: int, identifier: int, check: int = 0) -> bytes:
    """The first six octets of an echo request: type, code, checksum, identifier."""
    return _PREFIX.pack(ECHO_REQUEST[version], 0, check, identifier)


def echo_request(identifier: int, key: bytes) -> bytes:
    """A whole IPv4 echo request with its checksum. Raw IPv4 sockets need it; for datagram sockets and for ICMPv6
    (whose checksum covers a pseudo header) the kernel does it."""
    rest = key + PADDING
    return prefix(4, identifier, checksum(prefix(4, identifier) + rest)) + rest


def header_length(packet: bytes) -> int | None:
    """Octets of the IPv4 header in front of the ICMP message, None where there is none to speak of."""
    if len(packet) < _SHORTEST_IPV4 or packet[0] >> 4 != 4:
        return None
    octets = (packet[0] & 0x0F) * 4
    return octets if _SHORTEST_IPV4 <= octets <= len(packet) else None


def error_reason(version: int, kind: int, code: int) -> str | None:
    """The reason an ICMP error of that type and code gives; None where it ends no echo (redirect, quench, ...)."""
    if version == 4:
        if kind == 3:
            return _UNREACHABLE_4.get(code, "unreachable")
        if kind == 11:
            return "ttl_exceeded" if code == 0 else "reassembly_timeout"
        return "parameter_problem" if kind == 12 else None
    if kind == 1:
        return _UNREACHABLE_6.get(code, "unreachable")
    if kind == 3:
        return "ttl_exceeded" if code == 0 else "reassembly_timeout"
    return {2: "packet_too_big", 4: "parameter_problem"}.get(kind)


def quoted_error(version: int, message: bytes) -> IcmpError | None:
    """The error in an ICMP message (without the IP header in front) that quotes an echo request, else None.

    An error quotes at least the IP header and 8 octets (RFC 792); ICMPv6 as much as fits (RFC 4443 section 2.4 c).
    Only quotes without extension headers are read: our echoes have none.
    """
    if len(message) < HEADER_OCTETS:
        return None
    reason = error_reason(version, message[0], message[1])
    if reason is None:
        return None
    quote = message[8:]
    if version == 4:
        start = header_length(quote)
        if start is None or quote[9] != socket.IPPROTO_ICMP:
            return None
        destination = socket.inet_ntop(socket.AF_INET, quote[16:20])
    else:
        start = _IPV6_HEADER
        if len(quote) < start or quote[0] >> 4 != 6 or quote[6] != socket.IPPROTO_ICMPV6:
            return None
        destination = socket.inet_ntop(socket.AF_INET6, quote[24:40])
    echo = quote[start : start + HEADER_OCTETS]
    if len(echo) < HEADER_OCTETS or echo[0] != ECHO_REQUEST[version]:
        return None
    identifier, sequence = struct.unpack_from("!HH", echo, 4)
    return IcmpError(destination, sequence, reason, identifier)
