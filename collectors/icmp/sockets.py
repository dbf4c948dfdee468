"""Opening one ICMP socket a family: datagram where the kernel permits, else raw; never an exception for want of either.

Options of socket(7), icmp(7), ip(7), raw(7). Sizes and limits are the ones of agent/README.md.
"""

import ctypes
import errno
import os
import secrets
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from collectors.icmp import packet
from collectors.icmp.echo import Mode
from collectors.icmp.errqueue import RECVERR

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
BUFFER_OCTETS = 2 << 20
"""Receive and send buffer asked for. The kernel keeps some 256 small replies in a default one; the send buffer holds
every echo that waits for ARP, three seconds each."""
BUFFER_FLOOR_OCTETS = 1 << 20
"""With less, answers of a busy second can be dropped."""
HOP_LIMIT = 64
"""Of the echoes we send, whatever the system's default: the recommended time to live (RFC 1700)."""

_PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
_SO_ATTACH_FILTER, _SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 26, 32, 33
_SO_TIMESTAMPNS_OLD, _SO_TIMESTAMPNS_NEW = 35, 64
_SO_MEMINFO, _MEMINFO_WORDS = 55, 9
_MEMINFO_SEND, _MEMINFO_SEND_MOST, _MEMINFO_DROPS = 2, 3, 8
_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1
_ERRORS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}
_REFUSED = {errno.EPERM, errno.EACCES}

STAMP = {_SO_TIMESTAMPNS_NEW: struct.Struct("=qq"), _SO_TIMESTAMPNS_OLD: struct.Struct("@ll")}
"""Seconds and nanoseconds of a receive timestamp, by the option that asked for it."""


class EchoSocket(Protocol):
    """The part of ``socket.socket`` that the engine uses."""

    def sendto(self, data: bytes, address: tuple[str, int] | tuple[str, int, int, int], /) -> int: ...
    def recvmsg(
        self, octets: int, ancillary: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, tuple[str, int] | None]: ...
    def getsockopt(self, level: int, option: int, octets: int, /) -> bytes: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Channel:
    """One open ICMP socket and what a message on it looks like."""

    version: int
    mode: Mode
    sock: EchoSocket
    identifier: int
    """Of raw sockets. A datagram socket's is the kernel's and is 0 here."""
    stamp_option: int
    buffer_octets: int
    hop_limit: int = HOP_LIMIT
    prefix: bytes = field(init=False)
    """The first six octets of each echo, without a checksum."""
    reply_type: int = field(init=False)
    checksummed: bool = field(init=False)
    """The checksum is ours to do."""
    headed: bool = field(init=False)
    """Messages arrive behind their IP header."""
    drops: int = 0
    """Replies dropped so far, as last read."""
    unread: int = 0
    """Echoes sent since the socket was last read."""

    def __post_init__(self) -> None:
        self.prefix = packet.prefix(self.version, self.identifier)
        self.reply_type = packet.ECHO_REPLY[self.version]
        self.checksummed = self.headed = self.mode is Mode.RAW and self.version == 4

    def read_drops(self) -> int:
        """Replies that the kernel dropped since the last call (SK_MEMINFO_DROPS, a 32-bit counter)."""
        words = self._memory()
        if words is None:
            return 0
        now = words[_MEMINFO_DROPS]
        rose, self.drops = (now - self.drops) & 0xFFFFFFFF, now
        return rose

    def send_buffer_full(self) -> bool:
        """Whether a send that failed for want of a buffer (ENOBUFS) found this socket's own full. A raw socket's may
        hold twice its size (sock_wmalloc). If there is room, the kernel's table of neighbours is what is full; of that
        a raw socket hears only with IP_RECVERR (raw_sendmsg swallows ENOBUFS without it)."""
        words = self._memory()
        return words is None or words[_MEMINFO_SEND] >= words[_MEMINFO_SEND_MOST]

    def _memory(self) -> tuple[int, ...] | None:
        try:
            words = self.sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_WORDS * 4)
        except OSError:
            return None
        return struct.unpack(f"={_MEMINFO_WORDS}I", words) if len(words) == _MEMINFO_WORDS * 4 else None


@dataclass(frozen=True, slots=True)
class Closed:
    """No ICMP socket of this family: ``reason`` is that of the AGENT_FAULT samples."""

    version: int
    reason: str


def open_channel(version: int, hop_limit: int = HOP_LIMIT) -> Channel | Closed:
    """An ICMP socket of that IP version: datagram, else raw, else why not."""
    reason = "icmp_permission"
    for mode, kind in ((Mode.DATAGRAM, socket.SOCK_DGRAM), (Mode.RAW, socket.SOCK_RAW)):
        try:
            sock = socket.socket(FAMILY[version], kind | socket.SOCK_NONBLOCK, _PROTOCOL[version])
        except OSError as error:
            if error.errno not in _REFUSED:
                reason = f"icmp_{errno.errorcode.get(error.errno or 0, 'unknown').lower()}"
            continue
        try:
            return _configure(version, mode, sock, hop_limit)
        except BaseException:
            sock.close()
            raise
    return Closed(version, reason)


def open_spare(full: Channel) -> Channel | None:
    """One more socket like ``full``, for when that one's send buffer is; None where no more can be had.

    A datagram socket gets the answers to what it sent. A raw one only sends, with the identifier of the first, and
    hears nothing: the answers come to the first.
    """
    kind = socket.SOCK_DGRAM if full.mode is Mode.DATAGRAM else socket.SOCK_RAW
    try:
        sock = socket.socket(FAMILY[full.version], kind | socket.SOCK_NONBLOCK, _PROTOCOL[full.version])
    except OSError:
        return None
    try:
        return _configure(full.version, full.mode, sock, full.hop_limit, full.identifier)
    except BaseException:
        sock.close()
        raise


def _configure(
    version: int, mode: Mode, sock: socket.socket, hop_limit: int, sender_only: int | None = None
) -> Channel:
    identifier = 0
    if version == 4:
        sock.setsockopt(socket.SOL_IP, socket.IP_TTL, hop_limit)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hop_limit)
    _enlarge(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF)
    _enlarge(sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF)
    sock.setsockopt(*RECVERR[version], 1)  # on a raw one for the errors of its own sends: see Channel.send_buffer_full
    if mode is Mode.RAW:
        identifier = secrets.randbits(16) if sender_only is None else sender_only
        _filter_types(version, sock, () if sender_only is not None else (packet.ECHO_REPLY[version], *_ERRORS[version]))
        _filter_identifier(version, identifier, sock)
    return Channel(
        version=version,
        mode=mode,
        sock=sock,
        identifier=identifier,
        stamp_option=_ask_for_stamps(sock),
        buffer_octets=sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        hop_limit=hop_limit,
    )


def _enlarge(sock: socket.socket, force: int, option: int) -> None:
    """2 MiB, past the system's maximum where CAP_NET_ADMIN permits, else as near as it goes."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, BUFFER_OCTETS)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_OCTETS)


def _ask_for_stamps(sock: socket.socket) -> int:
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS_NEW, 1)
    except OSError:  # before Linux 5.1
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS_OLD, 1)
        return _SO_TIMESTAMPNS_OLD
    return _SO_TIMESTAMPNS_NEW


def _filter_types(version: int, sock: socket.socket, wanted: Sequence[int]) -> None:
    """Let these ICMP types pass, nothing else: a set bit blocks a type (raw(7), linux/icmpv6.h)."""
    if version == 4:
        mask = 0xFFFFFFFF & ~sum(1 << kind for kind in wanted)
        sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", mask))
    else:
        words = [0xFFFFFFFF] * 8
        for kind in wanted:
            words[kind >> 5] &= ~(1 << (kind & 31)) & 0xFFFFFFFF
        sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *words))


# Classic BPF (linux/filter.h), just enough of it.
_LD_B_X, _LD_H_X = 0x50, 0x48
_LDX_HEADER, _LDX_IMM, _AND, _LSH, _ADD_X, _TAX, _JEQ, _RETURN = 0xB1, 0x01, 0x54, 0x64, 0x0C, 0x07, 0x15, 0x06


def _filter_identifier(version: int, identifier: int, sock: socket.socket) -> None:
    """Have the kernel drop replies to other identifiers and errors that quote them: every raw socket is handed every
    reply of the machine, which cost icmplib 79 % of its replies in a burst (measured). An IPv4 filter sees the IP
    header, an ICMPv6 one begins at the ICMP message."""
    into_quote = [(_LD_B_X, 0, 0, 8), (_AND, 0, 0, 0x0F), (_LSH, 0, 0, 2), (_ADD_X, 0, 0, 0), (_TAX, 0, 0, 0)]
    if version == 6:
        into_quote = []
    program = [
        (_LDX_HEADER, 0, 0, 0) if version == 4 else (_LDX_IMM, 0, 0, 0),  # x = octets in front of the message
        (_LD_B_X, 0, 0, 0),
        (_JEQ, 0, 2, packet.ECHO_REPLY[version]),
        (_LD_H_X, 0, 0, 4),
        (_JEQ, len(into_quote) + 2, len(into_quote) + 3, identifier),
        *into_quote,
        (_LD_H_X, 0, 0, 12 if version == 4 else 8 + 40 + 4),
        (_JEQ, 0, 1, identifier),
        (_RETURN, 0, 0, 0xFFFF),
        (_RETURN, 0, 0, 0),
    ]
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    held = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(held)))


def permission_help(user: str | None = None) -> str:
    """The exact mend for a machine that lets this process open no ICMP socket, as one sentence for the doctor."""
    group = os.getgid()
    who = user or f"group {group}"
    return (
        f"The kernel lets {who} open no ICMP socket: either run "
        f'`sysctl -w net.ipv4.ping_group_range="{group} {group}"` (and keep it in /etc/sysctl.d/60-sonda.conf), or '
        "give the service CAP_NET_RAW with `AmbientCapabilities=CAP_NET_RAW` in its systemd unit. A capability on the "
        "file of Python itself would open raw sockets to every user's programs."
    )


def buffer_help(octets: int) -> str | None:
    """The mend for a receive buffer the kernel made smaller than asked; None where it is large enough."""
    if octets >= BUFFER_FLOOR_OCTETS:
        return None
    return (
        f"The kernel allows this process a receive buffer of {octets} octets, and answers may be dropped: run "
        f"`sysctl -w net.core.rmem_max={BUFFER_OCTETS} net.core.wmem_max={BUFFER_OCTETS}` "
        "(and keep it in /etc/sysctl.d/60-sonda.conf)."
    )
