"""What the engine keeps of a target: its token, its running numbers, and the last losses, to know a late answer."""

import errno
import ipaddress
import secrets
import socket
from collections import deque
from dataclasses import dataclass, field

from collectors.icmp import packet
from collectors.icmp.echo import EchoTarget

LOSSES_KEPT = 64
"""Losses remembered one by one; an answer to an older echo is taken for late too."""

SocketAddress = tuple[str, int] | tuple[str, int, int, int]


@dataclass(slots=True)
class Peer:
    """One target on the wire."""

    target: EchoTarget
    address: str
    """As the target had it when this was made."""
    version: int
    host: str
    """The address as the kernel writes it, without zone."""
    zone: str
    token: bytes = field(default_factory=lambda: secrets.token_bytes(packet.TOKEN_OCTETS))
    count: int = field(default_factory=lambda: secrets.randbits(16))
    """Echoes on the wire. Begins anywhere, so that a quoted sequence is hard to guess."""
    first: int = field(init=False)
    echoes: int = 0
    confirms: int = 0
    sockaddr: SocketAddress | None = None
    proven: bool = False
    """It has answered a TCP connect."""
    lost: deque[int] = field(default_factory=lambda: deque(maxlen=LOSSES_KEPT))
    """Counts of the last losses, oldest first."""
    floor: int = 0
    """Counts below this are no longer remembered."""

    def __post_init__(self) -> None:
        self.first = self.count + 1

    def locate(self) -> SocketAddress:
        """The socket address to send to; OSError where the zone names no interface (it may come back later)."""
        if self.sockaddr is None:
            scope = 0
            if self.zone:
                scope = int(self.zone) if self.zone.isdecimal() else _interface(self.zone)
            self.sockaddr = (self.host, 0) if self.version == 4 else (self.host, 0, 0, scope)
        return self.sockaddr

    def lose(self, count: int) -> None:
        """Remember a loss."""
        if len(self.lost) == LOSSES_KEPT:
            self.floor = max(self.floor, self.lost[0] + 1)
        self.lost.append(count)

    def is_late(self, count: int) -> bool:
        """Whether an answer to that echo, which nobody waits for, is late (else it is a duplicate). Asked once."""
        if count in self.lost:
            self.lost.remove(count)
            return True
        return count < self.floor


def _interface(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError as error:  # without an errno of its own
        raise OSError(errno.ENODEV, f"no interface {name}") from error


def meet(target: EchoTarget) -> Peer:
    """The peer of a target; ValueError where its address is not numeric."""
    address = ipaddress.ip_address(target.address)
    zone = (address.scope_id or "") if isinstance(address, ipaddress.IPv6Address) else ""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    host = socket.inet_ntop(family, address.packed)
    return Peer(target, target.address, address.version, host, zone)


@dataclass(slots=True)
class Echo:
    """One echo on its way. Clock readings in ns, both taken right before the send."""

    peer: Peer
    count: int
    number: int
    confirm: bool
    wall: int
    mono: int
    told: bool
    """No overdue signal is due (any more)."""
    fault: str | None = None
    """Why this echo, should it stay unanswered, is our own fault: its answer may have been dropped by our full
    buffer, or nothing proves that this target answers what we may ask."""
