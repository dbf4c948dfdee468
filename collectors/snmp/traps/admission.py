"""Who may speak: decided on the octets, before pysnmp sees them. Nothing recurses, nothing is allocated by a length.

SNMPv3 is checked here in full because pysnmp 7.1 is lenient with notifications: it takes them at any security level,
and takes its idea of the sender's time from the very message that it judges by it.
"""

import hmac
from collections import OrderedDict
from dataclasses import dataclass

from collectors.clock import Clock
from collectors.snmp import ber, message, v3
from collectors.snmp.credentials import UsmUser
from collectors.snmp.errors import DecodeError
from collectors.snmp.keys import KeyRing
from collectors.snmp.traps.model import Fate, Trusted

TRAP_V1, INFORM, TRAP = 0xA4, 0xA6, 0xA7
"""PDUs (RFC 1157 section 4.1.6, RFC 3416 section 3)."""
WINDOW_S = 150
"""RFC 3414 section 2.2.3."""
ENGINES_MAX = 512
"""Engines whose time is remembered; one each for more devices than a probe watches."""
ENGINE_KEPT_S = 900.0
"""How long the time of a silent engine is remembered. Some agents never count their boots; after a restart theirs would
be taken for recordings until they have run as long as before."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Authentic, or a question that begins SNMPv3's handshake."""

    version: str
    user: UsmUser | None = None
    engine: bytes = b""
    """The authoritative engine of a v3 message: the sender's of a trap, our own of an inform."""


class Admission:
    """Judges datagrams by what is trusted. ``engine`` is our own engine id. Making it costs milliseconds a user."""

    def __init__(self, clock: Clock, engine: bytes, trusted: Trusted) -> None:
        self._clock = clock
        self._engine = engine
        self._communities = trusted.communities
        self._users: dict[bytes, list[UsmUser]] = {}
        for user in trusted.users:
            self._users.setdefault(user.name.encode(), []).append(user)
        self._keys = KeyRing()
        for user in trusted.users:  # what a password costs is paid here
            self._keys.keys(user, engine)
        self._times: OrderedDict[bytes, tuple[int, int, float]] = OrderedDict()

    def admit(self, octets: bytes) -> Admitted | Fate:
        """What it is, or why not."""
        try:
            version, at, stop = message.read_version(octets)
            if version == message.VERSIONS["3"]:
                return self._v3(octets, v3.read_header(octets, at, stop))
            if version in {0, 1}:
                return self._community(octets, version, at, stop)
        except DecodeError:
            pass
        return Fate.UNDECODABLE

    def _community(self, octets: bytes, version: int, at: int, stop: int) -> Admitted | Fate:
        start, end = ber.enter(octets, at, stop, ber.OCTET_STRING)
        given, right = octets[start:end], False
        for community in self._communities:  # all of them, so that time tells nothing
            right |= hmac.compare_digest(community, given)
        if not right:
            return Fate.BAD_COMMUNITY
        kind, _, _ = ber.header(octets, end, stop)
        if kind not in ({TRAP_V1} if version == 0 else {TRAP, INFORM}):
            return Fate.UNDECODABLE
        return Admitted("1" if version == 0 else "2c")

    def _v3(self, octets: bytes, header: v3.Header) -> Admitted | Fate:
        level = header.flags & (v3.AUTH | v3.PRIV)
        if not header.user:  # discovery (RFC 3414 section 4); there is nothing to tell where no user could follow
            asks = (
                self._users and not level and header.flags & v3.REPORTABLE and header.engine_id in {b"", self._engine}
            )
            return Admitted("3") if asks else Fate.UNKNOWN_USER
        users = self._users.get(header.user)
        if not users or not 5 <= len(header.engine_id) <= v3.ENGINE_ID_MAX:
            return Fate.UNKNOWN_USER
        leveled = [user for user in users if level == _level(user)]
        if not leveled:
            return Fate.WRONG_LEVEL
        for user in leveled:
            if self._signed(octets, header, user):
                in_time = header.engine_id == self._engine or not level or self._in_window(header)
                return Admitted("3", user, header.engine_id) if in_time else Fate.NOT_IN_TIME_WINDOW
        return Fate.WRONG_DIGEST

    def _signed(self, octets: bytes, header: v3.Header, user: UsmUser) -> bool:
        signer = self._keys.keys(user, header.engine_id).signer
        if signer is None:
            return True
        if len(header.auth) != signer.octets:
            return False
        end = header.auth_at + signer.octets
        whole = octets[: header.stop]
        return signer.right(whole[: header.auth_at] + bytes(signer.octets) + whole[end:], header.auth)

    def _in_window(self, header: v3.Header) -> bool:
        """RFC 3414 section 3.2 (7b), for an engine whose time it is. Only authentic messages come here. Time within an
        engine may come in any order; its latest is remembered."""
        now = self._clock.monotonic()
        told = (header.boots, header.engine_time)
        boots, time, at = self._times.get(header.engine_id, (0, 0, -ENGINE_KEPT_S))
        if now - at < ENGINE_KEPT_S and (
            header.boots < boots or (header.boots == boots and header.engine_time < time + (now - at) - WINDOW_S)
        ):
            return False
        if header.boots != v3.INT31_MAX and (now - at >= ENGINE_KEPT_S or told > (boots, time)):
            self._times[header.engine_id] = (*told, now)
            self._times.move_to_end(header.engine_id)
            if len(self._times) > ENGINES_MAX:
                self._times.popitem(last=False)
        return header.boots != v3.INT31_MAX


def _level(user: UsmUser) -> int:
    return (v3.AUTH if user.auth else 0) | (v3.PRIV if user.priv else 0)
