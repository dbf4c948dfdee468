"""pysnmp reads what was admitted, and makes the answers to informs. Its owner in the daemon.

It is loaded only where traps are wanted: 9 MB resident and 0.1 s of CPU beside the rest of the agent (measured; alone
it would be 22 MB, but most of what it needs is there already). A trap then costs 0.4 to 0.6 ms. Its engine has no
socket and no timer of its own: datagrams are handed in, and what it would send is handed back.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collectors.snmp import ber, message, oid
from collectors.snmp.ber import Value, VarBind
from collectors.snmp.credentials import AuthProtocol, PrivProtocol, Secret, SecretKind, UsmUser
from collectors.snmp.errors import DecodeError
from collectors.snmp.interfaces import object_id
from collectors.snmp.text import CUT, clean_text
from collectors.snmp.traps.admission import INFORM, Admitted
from collectors.snmp.traps.model import Fate, Trap, Trusted

VARBINDS_MAX = 12
"""Kept of one trap; the richest of the standard ones has nine."""
TEXT_MAX = 120
"""Characters kept of a value."""
OID_MAX = 160
"""Characters kept of an identifier."""
ROWS_MAX = 256
"""Users by engine that pysnmp is told of, at 27 kB and 3 ms each (measured); the oldest goes."""
_ANY_ENGINE = bytes(5)
"""pysnmp's row for whatever engine: of a user without keys there is nothing to localise."""

UPTIME, TRAP_OID = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0"
_OF_EVERY_TRAP = {UPTIME, TRAP_OID, "1.3.6.1.6.3.1.1.4.3.0", "1.3.6.1.6.3.18.1.3.0", "1.3.6.1.6.3.18.1.4.0"}
"""sysUpTime, snmpTrapOID, snmpTrapEnterprise, snmpTrapAddress, and snmpTrapCommunity, which is a secret."""
_EMPTY = {"Null", "UnSpecified", "NoSuchObject", "NoSuchInstance", "EndOfMibView"}
ADDRESS_OCTETS = 6
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_IF_TABLE = "1.3.6.1.2.1.2.2.1."
_IF_INDEX = f"{_IF_TABLE}1."

_AUTH = {
    AuthProtocol.MD5: "USM_AUTH_HMAC96_MD5",
    AuthProtocol.SHA1: "USM_AUTH_HMAC96_SHA",
    AuthProtocol.SHA224: "USM_AUTH_HMAC128_SHA224",
    AuthProtocol.SHA256: "USM_AUTH_HMAC192_SHA256",
    AuthProtocol.SHA384: "USM_AUTH_HMAC256_SHA384",
    AuthProtocol.SHA512: "USM_AUTH_HMAC384_SHA512",
}
_PRIV = {
    PrivProtocol.DES: "USM_PRIV_CBC56_DES",
    PrivProtocol.AES128: "USM_PRIV_CFB128_AES",
    PrivProtocol.AES192: "USM_PRIV_CFB192_AES_BLUMENTHAL",
    PrivProtocol.AES256: "USM_PRIV_CFB256_AES_BLUMENTHAL",
    PrivProtocol.AES192C: "USM_PRIV_CFB192_AES",
    PrivProtocol.AES256C: "USM_PRIV_CFB256_AES",
}
"""Names in pysnmp's entity.config. What it calls plain AES-192 and AES-256 is Cisco's key extension."""


@dataclass(slots=True)
class _Heard:
    """What pysnmp said of one datagram."""

    varbinds: Sequence[tuple[Any, Any]] | None = None
    reply: bytes | None = None
    failure: Any = None


class Decoder:
    """One pysnmp engine. Making it reads files and digests passwords, 0.1 s and more: do it in a thread."""

    def __init__(self, engine: bytes, boots: int, trusted: Trusted) -> None:
        """``engine`` is our engine id; ``boots`` must be higher each time, for senders of informs remember it."""
        from pyasn1.error import PyAsn1Error  # noqa: PLC0415 - only where traps are wanted
        from pysnmp.carrier.base import AbstractTransportDispatcher  # noqa: PLC0415 - the same
        from pysnmp.entity import config  # noqa: PLC0415 - the same
        from pysnmp.entity.engine import SnmpEngine  # noqa: PLC0415 - the same
        from pysnmp.entity.rfc3413 import ntfrcv  # noqa: PLC0415 - the same
        from pysnmp.error import PySnmpError  # noqa: PLC0415 - the same
        from pysnmp.proto import errind  # noqa: PLC0415 - the same

        self._config = config
        # KeyError: a generic-trap beyond 6. ValueError: an INTEGER of a thousand octets. Found by fuzzing.
        self._failures = (PySnmpError, PyAsn1Error, KeyError, ValueError)
        self._handshake = (errind.NotInTimeWindow, errind.UnknownEngineID)
        self._undecryptable = (errind.DecryptionError,)
        self._engine = SnmpEngine()
        self._dispatcher = AbstractTransportDispatcher()
        self._dispatcher.send_message = self._send
        self._engine.register_transport_dispatcher(self._dispatcher)
        self._identify(engine, boots)
        for number, community in enumerate(trusted.communities):
            config.add_v1_system(self._engine, f"c{number}", community)
        ntfrcv.NotificationReceiver(self._engine, self._receive)
        self._engine.observer.register_observer(self._fail, "rfc3412.prepareDataElements:sm-failure")
        self._rows: OrderedDict[tuple[bytes, str], UsmUser] = OrderedDict()
        self._masters: dict[UsmUser, tuple[bytes | None, bytes | None]] = {}
        self._heard = _Heard()
        for user in trusted.users:  # for informs; and what a password costs is paid here
            self._know(user, engine if user.auth else _ANY_ENGINE)

    def decode(self, octets: bytes, admitted: Admitted, now: float) -> tuple[Trap | Fate, bytes | None]:
        """(the trap, or why there is none; what is to be sent back). ``now`` is monotonic seconds."""
        if admitted.user is not None:
            self._know(admitted.user, admitted.engine if admitted.user.auth else _ANY_ENGINE)
        self._heard = heard = _Heard()
        self._dispatcher.handle_timer_tick(now)
        try:
            self._engine.message_dispatcher.receive_message(self._engine, (1, 3, 6, 1, 6, 1, 1), ("", 0), octets)
        except self._failures:
            return _read_plainly(octets, admitted)
        if heard.varbinds is not None:
            return _trap(admitted.version, heard.varbinds, confirmed=heard.reply is not None), heard.reply
        if isinstance(heard.failure, self._handshake):
            return Fate.HANDSHAKE, heard.reply
        if isinstance(heard.failure, self._undecryptable):
            return Fate.UNDECRYPTABLE, None
        return _read_plainly(octets, admitted)

    # What pysnmp calls.

    def _send(self, octets: bytes, _domain: Any, _address: Any) -> None:
        self._heard.reply = bytes(octets)

    def _receive(
        self, _engine: Any, _state: Any, _context_engine: Any, _context: Any, varbinds: Any, _about: Any
    ) -> None:
        self._heard.varbinds = varbinds

    def _fail(self, _engine: Any, _point: str, variables: dict[str, Any], _about: Any) -> None:
        self._heard.failure = variables["statusInformation"].get("errorIndication")

    def _identify(self, engine: bytes, boots: int) -> None:
        names = ("snmpEngineID", "snmpEngineBoots")
        identity, count = self._engine.get_mib_builder().import_symbols("__SNMP-FRAMEWORK-MIB", *names)
        identity.syntax = self._engine.snmpEngineID = identity.syntax.clone(engine)
        count.syntax = count.syntax.clone(boots)

    def _know(self, user: UsmUser, engine: bytes) -> None:
        """Tell pysnmp of this user at this engine, whose keys are localised for it."""
        at = (engine, user.name)
        if self._rows.get(at) == user:
            self._rows.move_to_end(at)
            return
        config, auth, priv = self._config, user.auth, user.priv
        auth_key, priv_key = self._master_keys(user)
        config.add_v3_user(
            self._engine,
            user.name.encode(),
            getattr(config, _AUTH[auth]) if auth else config.USM_AUTH_NONE,
            auth_key,
            getattr(config, _PRIV[priv]) if priv else config.USM_PRIV_NONE,
            priv_key,
            securityEngineId=self._engine.snmpEngineID.clone(engine),
            authKeyType=config.USM_KEY_TYPE_MASTER,
            privKeyType=config.USM_KEY_TYPE_MASTER,
        )
        self._rows[at] = user
        if len(self._rows) > ROWS_MAX:
            (old, name), _ = self._rows.popitem(last=False)
            config.delete_v3_user(self._engine, name.encode(), self._engine.snmpEngineID.clone(old))

    def _master_keys(self, user: UsmUser) -> tuple[bytes | None, bytes | None]:
        if user not in self._masters:
            self._masters[user] = (_master(user.auth, user.auth_secret), _master(user.auth, user.priv_secret))
        return self._masters[user]


def _master(auth: AuthProtocol | None, secret: Secret | None) -> bytes | None:
    if auth is None or secret is None:
        return None
    from collectors.snmp.usm import master_key  # noqa: PLC0415 - cryptography: 7 MB that SNMPv2c does without

    return secret.octets if secret.kind is SecretKind.MASTER else master_key(auth, secret.octets)


def _trap(version: str, varbinds: Sequence[tuple[Any, Any]], *, confirmed: bool) -> Trap | Fate:
    """What pysnmp read. Values are made plain where they are kept: each costs 60 us."""
    pairs = [(_oid(name), value) for name, value in varbinds]
    kept = [(name, _value(value)) for name, value in pairs if name == TRAP_OID]
    others = [(name, value) for name, value in pairs if name not in _OF_EVERY_TRAP]
    kept += ((name, _value(value)) for name, value in others[:VARBINDS_MAX])
    return _told(version, kept, confirmed=confirmed, more=len(others[VARBINDS_MAX:]))


def _told(version: str, pairs: Sequence[tuple[str, int | str]], *, confirmed: bool, more: int = 0) -> Trap | Fate:
    named = next((str(value) for name, value in pairs if name == TRAP_OID), "")
    if not named:
        return Fate.UNDECODABLE
    told = [(name, value) for name, value in pairs if name not in _OF_EVERY_TRAP]
    kept = tuple((_oid(name), value) for name, value in told[:VARBINDS_MAX])
    return Trap(version, confirmed, named, kept, more + len(told) - len(kept), _ifindex(kept))


def _read_plainly(octets: bytes, admitted: Admitted) -> tuple[Trap | Fate, bytes | None]:
    """A notification of SNMPv2c that pysnmp does not take, for it has a varbind of a type that SNMPv2 does not know
    (UInteger32 of RFC 1442, BIT STRING): read by our own code, so that it costs that varbind alone."""
    if admitted.version != "2c":
        return Fate.UNDECODABLE, None
    try:
        _, at, stop = message.read_version(octets)
        _, pdu_at = ber.enter(octets, at, stop, ber.OCTET_STRING)
        kind, at, end = ber.header(octets, pdu_at, stop)
        for _ in range(3):  # request-id, error-status, error-index
            _, at = ber.integer(octets, at, end)
        names, tags, values = message.read_varbinds(octets, *ber.enter(octets, at, end, ber.SEQUENCE))
        pairs = [(oid.text(name), _plain(tag, value)) for name, tag, value in zip(names, tags, values, strict=True)]
    except DecodeError:
        return Fate.UNDECODABLE, None
    confirmed = kind == INFORM
    trap = _told(admitted.version, pairs, confirmed=confirmed)
    answer = octets[:pdu_at] + bytes((message.RESPONSE,)) + octets[pdu_at + 1 : stop]  # RFC 3416 section 4.2.7
    return trap, answer if confirmed and isinstance(trap, Trap) else None


def _plain(tag: int, value: Value) -> int | str:
    if isinstance(value, int):
        return value
    if value is None:
        return ""
    if tag == ber.OBJECT_IDENTIFIER:
        return _oid(object_id(VarBind(b"", tag, value)) or "")
    if tag == ber.IP_ADDRESS and len(value) == 4:
        return ".".join(map(str, value))
    return _text(value) if tag == ber.OCTET_STRING else _hex(value)


def _oid(value: Any) -> str:
    text = str(value)
    return text if len(text) <= OID_MAX else text[: OID_MAX - 1] + CUT


def _value(value: Any) -> int | str:
    """A pysnmp value as JSON can have it; octets that are no text as hexadecimal digits, and what has no value (NULL
    and the exceptions of RFC 3416) as no text. One varbind that cannot be read never costs the trap."""
    kind = type(value).__name__
    if kind in _EMPTY:
        return ""
    if kind in {"ObjectIdentifier", "ObjectName"}:
        return _oid(value)
    if kind == "IpAddress":
        return str(value.prettyPrint())
    if kind in {"OctetString", "Opaque", "Bits"}:
        return _text(bytes(value))
    try:
        return int(value)
    except (TypeError, ValueError):
        return ""


def _text(octets: bytes) -> str:
    """Clean text where it is text (UTF-8, or Latin-1 that is mostly ASCII); other octets as hexadecimal digits. Six
    octets of which one is no printable ASCII are an address: as text it would be neither readable nor recognised."""
    content = octets.rstrip(b"\0")
    address = len(octets) == ADDRESS_OCTETS and not all(0x20 <= octet < 0x7F for octet in octets)
    if (
        not address
        and not _CONTROLS.search(content)
        and (_is_utf8(content) or 2 * sum(o < 0x80 for o in content) >= len(content))
    ):
        return clean_text(octets, TEXT_MAX)
    return _hex(octets)


def _hex(octets: bytes) -> str:
    shown = octets[: TEXT_MAX // 2].hex()
    return shown if len(octets) <= TEXT_MAX // 2 else shown[:-1] + CUT


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ifindex(varbinds: Sequence[tuple[str, int | str]]) -> int | None:
    """ifIndex itself, else the index of any other column of ifTable."""
    for name, value in varbinds:
        if name.startswith(_IF_INDEX) and isinstance(value, int):
            return value
    for name, _ in varbinds:
        last = name.rpartition(".")[2]
        if name.startswith(_IF_TABLE) and last.isdigit():
            return int(last)
    return None
