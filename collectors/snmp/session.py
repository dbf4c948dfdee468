"""SNMPv3 towards a device: messages sealed and opened, the engine found, its time kept (RFC 3412 and 3414).

Time runs by the monotonic clock (section 3.2), so an hour of silence changes nothing. Only an authentic message
moves it. A report that asks for another engine id, or an authentic one that asks for another time, has the request
sealed anew and sent again at once; a few times, then it fails. After any failure the engine is forgotten, so that the
next request starts by discovering, whatever has become of the device.
"""

from dataclasses import dataclass

from collectors.clock import Clock
from collectors.snmp import ber, message, oid, v3
from collectors.snmp.credentials import UsmUser
from collectors.snmp.errors import (
    AuthFailure,
    DecodeError,
    DecryptionError,
    NotInTimeWindow,
    UnknownContext,
    UnknownEngine,
    UnknownUser,
    UnsupportedSecLevel,
    WrongDigest,
)
from collectors.snmp.keys import KeyRing, Keys
from collectors.snmp.message import Pdu, Request
from collectors.snmp.peer import Engine, Peer
from collectors.snmp.v3 import Header

WINDOW_S = 150
"""RFC 3414 section 3.2."""

FAILURES_BEFORE_DOUBT = 3
"""Unanswered requests in a row after which a privacy secret that was right is asked about again."""

REPORTS: dict[bytes, tuple[str, type[AuthFailure]]] = {
    oid.parse("1.3.6.1.6.3.15.1.1.1"): ("report_unsupported_sec_level", UnsupportedSecLevel),
    oid.parse("1.3.6.1.6.3.15.1.1.2"): ("report_not_in_time_window", NotInTimeWindow),
    oid.parse("1.3.6.1.6.3.15.1.1.3"): ("report_unknown_user", UnknownUser),
    oid.parse("1.3.6.1.6.3.15.1.1.4"): ("report_unknown_engine", UnknownEngine),
    oid.parse("1.3.6.1.6.3.15.1.1.5"): ("report_wrong_digest", WrongDigest),
    oid.parse("1.3.6.1.6.3.15.1.1.6"): ("report_decryption_error", DecryptionError),
    oid.parse("1.3.6.1.6.3.12.1.4"): ("report_unknown_context", UnknownContext),
    oid.parse("1.3.6.1.6.3.12.1.5"): ("report_unknown_context", UnknownContext),
}
"""usmStats (RFC 3414 section 5), snmpUnavailableContexts and snmpUnknownContexts (RFC 3413)."""
OTHER_REPORT = ("report_other", AuthFailure)

COUNTERS = (
    *dict.fromkeys(name for name, _ in REPORTS.values()), OTHER_REPORT[0], "report_unauthentic", "wrong_digest",
    "wrong_engine", "downgraded", "not_in_time_window", "engine_discovered", "engine_rediscovered", "engine_time_set",
)  # fmt: skip

_NO_KEYS = Keys(None, None)
_DISCOVERY = Request(message.GET, ())


class Dropped(Exception):  # noqa: N818 -- not an error: what was received counts for nothing
    """A message to be ignored; ``counter`` is the name that it is counted by."""

    def __init__(self, counter: str) -> None:
        super().__init__(counter)
        self.counter = counter


@dataclass(frozen=True, slots=True)
class Resend:
    """The engine is known better now; ``failure`` is what to raise if that was tried often enough."""

    failure: AuthFailure


@dataclass(frozen=True, slots=True)
class Hint:
    """Something that nobody vouches for; ``failure`` is what to raise if nothing better comes."""

    failure: AuthFailure


class Session:
    """SNMPv3 for all peers of a client; what is known of each stands in its Engine."""

    def __init__(self, clock: Clock, counters: dict[str, int]) -> None:
        self._clock = clock
        self._counters = counters
        self._counters.update(dict.fromkeys(COUNTERS, 0))
        self._ring = KeyRing()

    def unproven(self, peer: Peer, user: UsmUser) -> bool:
        """Is the engine known, but not (or no longer) whether the privacy secret is right?"""
        engine = peer.engine
        return bool(engine.engine_id) and not (
            self._keys(engine, user).proven and engine.failures < FAILURES_BEFORE_DOUBT
        )

    def probe(self, peer: Peer, user: UsmUser, number: int) -> bytes:
        """A question for nothing, signed but not encrypted.

        net-snmp says nothing to what it cannot decrypt. Where it answers this one, privacy is what is wrong.
        """
        return self.seal(peer, user, _DISCOVERY, number, encrypt=False)

    def seal(self, peer: Peer, user: UsmUser, request: Request, number: int, *, encrypt: bool = True) -> bytes:
        """The message, msgID and request-id being ``number``; a discovery where the engine is not known yet."""
        engine = peer.engine
        if not engine.engine_id:
            security = v3.security_head(b"", 0, 0, b"")
            body = _DISCOVERY.scoped(b"", b"", number)
            return v3.encode(number, v3.REPORTABLE, security=security, auth_octets=0, salt=b"", body=body)[0]
        keys = self._keys(engine, user)
        boots = engine_time = 0
        if keys.signer:
            boots, engine_time = engine.boots, engine.now(self._clock.monotonic())
        security = v3.security_head(engine.engine_id, boots, engine_time, user.name.encode())
        context_engine = engine.engine_id if user.context_engine is None else user.context_engine
        body = request.scoped(context_engine, user.context.encode(), number)
        if keys.signer is None:
            return v3.encode(number, v3.REPORTABLE, security=security, auth_octets=0, salt=b"", body=body)[0]
        flags, salt = v3.REPORTABLE | v3.AUTH, b""
        if keys.cipher and encrypt:
            flags |= v3.PRIV
            body, salt = keys.cipher.encrypt(body, boots, engine_time)
            body = ber.element(ber.OCTET_STRING, body)
        signer = keys.signer
        whole, at = v3.encode(number, flags, security=security, auth_octets=signer.octets, salt=salt, body=body)
        return whole[:at] + signer.sign(whole) + whole[at + signer.octets :]

    def open(
        self, peer: Peer, user: UsmUser, header: Header, data: bytes, *, probe: bool = False
    ) -> Pdu | Resend | Hint:
        """What the datagram is for the request with its msgID: its response, or what a report makes of it.
        ``probe`` tells that it answers one.

        Raises Dropped where it counts for nothing, DecodeError where it cannot be read, AuthFailure where the agent
        says no.
        """
        engine = peer.engine
        keys = self._keys(engine, user) if engine.engine_id else _NO_KEYS
        authentic = bool(header.flags & v3.AUTH)
        if authentic:
            self._authenticate(engine, keys, header, data)
        at, stop = header.body_at, header.stop
        if header.flags & v3.PRIV:
            data, at, stop = self._decrypt(keys, header, data)
        try:
            _context_engine, _context, pdu = v3.read_scoped(data, at, stop)
        except DecodeError:
            if header.flags & v3.PRIV:
                raise DecryptionError(f"{peer.address}: the answer does not decrypt") from None
            raise
        if pdu.kind == message.REPORT:
            return self._report(peer, header, pdu, authentic=authentic, probe=probe)
        if probe and authentic:
            return Hint(DecryptionError(f"{peer.address}: answers what is not encrypted, and nothing else"))
        if (keys.signer and not authentic) or (keys.cipher and not header.flags & v3.PRIV):
            raise Dropped("downgraded")
        if header.engine_id != engine.engine_id:
            raise Dropped("wrong_engine")
        if authentic and not self._in_time(engine, header):
            self._counters["not_in_time_window"] += 1
            engine.forget()
            return Resend(NotInTimeWindow(f"{peer.address}: its answers are outside the time window"))
        keys.proven = True
        return pdu

    def _keys(self, engine: Engine, user: UsmUser) -> Keys:
        if engine.keys is None or engine.keys_of is not user:
            engine.keys = self._ring.keys(user, engine.engine_id)
            engine.keys_of = user
        return engine.keys

    @staticmethod
    def _authenticate(engine: Engine, keys: Keys, header: Header, data: bytes) -> None:
        """RFC 3414 sections 3.2 (5) and 6.3.2."""
        signer = keys.signer
        if signer is None or header.engine_id != engine.engine_id:
            raise Dropped("wrong_engine")
        at, stop = header.auth_at, header.auth_at + signer.octets
        if len(header.auth) != signer.octets or not signer.right(
            b"".join((data[:at], bytes(signer.octets), data[stop : header.stop])), header.auth
        ):
            raise Dropped("wrong_digest")

    @staticmethod
    def _decrypt(keys: Keys, header: Header, data: bytes) -> tuple[bytes, int, int]:
        if keys.cipher is None or not header.flags & v3.AUTH:
            raise Dropped("undecodable")
        at, stop = ber.enter(data, header.body_at, header.stop, ber.OCTET_STRING)
        plain = keys.cipher.decrypt(data[at:stop], header.salt, header.boots, header.engine_time)
        return plain, 0, len(plain)

    def _in_time(self, engine: Engine, header: Header) -> bool:
        """RFC 3414 section 3.2 (7 b): take the time of an authentic message that is ahead, refuse one far behind."""
        now = self._clock.monotonic()
        ahead = (header.boots, header.engine_time) > (engine.boots, engine.engine_time)
        if ahead or not engine.authentic:
            if not engine.authentic or header.boots != engine.boots:
                self._counters["engine_time_set"] += 1
            engine.boots, engine.engine_time, engine.at = header.boots, header.engine_time, now
            engine.authentic = True
        return (
            header.boots == engine.boots
            and engine.boots != v3.INT31_MAX
            and header.engine_time >= engine.now(now) - WINDOW_S
        )

    def _report(self, peer: Peer, header: Header, pdu: Pdu, *, authentic: bool, probe: bool) -> Resend | Hint:
        """RFC 3412 section 7.2 (11) and RFC 3414 sections 3.2 and 4."""
        oids, _tags, _values = pdu.read()
        counter, kind = REPORTS.get(oids[0][:-1], OTHER_REPORT) if oids else OTHER_REPORT
        self._counters[counter] += 1
        failure = kind(f"{peer.address}: {kind.__name__}")
        engine = peer.engine
        if kind is UnknownEngine or not engine.engine_id:  # some answer a discovery with another report
            if not header.engine_id:
                raise failure
            if header.engine_id != engine.engine_id:
                self._counters["engine_rediscovered" if engine.found else "engine_discovered"] += 1
                engine.forget()
                engine.engine_id = header.engine_id
                engine.boots, engine.engine_time = header.boots, header.engine_time
                engine.at = self._clock.monotonic()
                engine.found = True
            return Resend(failure)
        if kind is NotInTimeWindow:
            if not authentic:
                self._counters["report_unauthentic"] += 1
                return Hint(failure)
            if not self._in_time(engine, header):
                # The agent lost its boots count or set its clock back. Its digest over our own msgID shows that this
                # is no replay, yet RFC 3414 has no way back: start as a manager does that was started just now.
                engine.forget()
            return Resend(failure)
        if probe and kind is UnsupportedSecLevel:  # the agent is right: this user encrypts
            return Hint(DecryptionError(f"{peer.address}: refuses what is not encrypted, is silent to what is"))
        raise failure
