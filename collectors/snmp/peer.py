"""A device as the client sees it: where it is, what it is asked with, and what SNMPv3 knows of its engine."""

import ipaddress
import socket
from dataclasses import dataclass, field

from collectors.snmp.credentials import Credential, UsmUser
from collectors.snmp.keys import Keys

ENGINE_TIME_MAX = 2**31 - 1
"""RFC 3414 section 2.2; an engine that gets there counts a boot more."""

Source = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as ``recvfrom`` gives it: IPv4 by two, IPv6 by four."""


@dataclass(slots=True)
class Engine:
    """The agent's authoritative engine (RFC 3414 section 2.3), as far as it is known.

    ``engine_time`` (seconds since its boot) was true at ``at`` of our monotonic clock. ``authentic`` tells whether
    boots and time came in an authentic message; until then they are a hint that discovery gave.
    """

    engine_id: bytes = b""
    boots: int = 0
    engine_time: int = 0
    at: float = 0.0
    authentic: bool = False
    found: bool = False
    """Was it ever known before? Tells finding it again from finding it."""
    failures: int = 0
    """Requests in a row that had no answer."""
    keys: Keys | None = field(default=None, repr=False)
    keys_of: UsmUser | None = field(default=None, repr=False)
    """Whose keys those are; a changed credential makes new ones."""

    def now(self, monotonic: float) -> int:
        """snmpEngineTime as it should be by now, in seconds."""
        return min(self.engine_time + int(monotonic - self.at), ENGINE_TIME_MAX) if self.at else self.engine_time

    def forget(self) -> None:
        """Back to knowing nothing but that it was known: the next request discovers."""
        self.engine_id = b""
        self.boots = self.engine_time = 0
        self.at = 0.0
        self.authentic = False
        self.keys = self.keys_of = None


@dataclass(slots=True, eq=False)
class Peer:
    """``address`` is numeric, IPv4 or IPv6 (a link-local one with its interface: "fe80::1%eth0")."""

    address: str
    port: int
    credential: Credential
    engine: Engine = field(default_factory=Engine)
    answers_from: str | None = None
    """Where its answers come from, where that is another address than the one it is asked at."""
    _destination: Source | None = field(default=None, repr=False)
    _source: Source | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError for a name or a port out of range."""
        for address in (self.address, self.answers_from):
            ipaddress.ip_address(address or self.address)
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is not a port")

    def destination(self) -> Source:
        """Where it is asked. Raises OSError where a link-local address names no interface of ours."""
        if self._destination is None:
            self._destination = _source(self.address, self.port)
        return self._destination

    def source(self) -> Source:
        """Where its answers come from. Raises OSError as ``destination``."""
        if self.answers_from is None:
            return self.destination()
        if self._source is None:
            self._source = _source(self.answers_from, self.port)
        return self._source


def _source(address: str, port: int) -> Source:
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    if isinstance(parsed, ipaddress.IPv4Address):
        return (str(parsed), port)
    scope = parsed.scope_id
    index = 0
    if scope:
        index = int(scope) if scope.isdigit() else socket.if_nametoindex(scope)
    return (socket.inet_ntop(socket.AF_INET6, parsed.packed), port, 0, index)
