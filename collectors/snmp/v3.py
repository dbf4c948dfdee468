"""The SNMPv3 message: header, security parameters, scoped PDU (RFC 3412 section 6, RFC 3414 section 2.4)."""

from typing import NamedTuple

from collectors.snmp import ber, message
from collectors.snmp.errors import DecodeError
from collectors.snmp.message import Pdu

AUTH = 0x01
PRIV = 0x02
REPORTABLE = 0x04
"""msgFlags."""
USM = 3
"""msgSecurityModel."""
MAX_SIZE = 65507
"""msgMaxSize that we offer: the largest UDP payload of IPv4."""
INT31_MAX = 2**31 - 1
"""Largest snmpEngineBoots and snmpEngineTime (RFC 3414 section 2.2)."""
ENGINE_ID_MAX = 32
"""RFC 3411, SnmpEngineID."""


class Header(NamedTuple):
    """What stands outside the encryption. ``auth_at`` is where the digest begins in the datagram."""

    msg_id: int
    flags: int
    engine_id: bytes
    boots: int
    engine_time: int
    user: bytes
    auth_at: int
    auth: bytes
    salt: bytes
    body_at: int
    stop: int


def _global_data(flags: int) -> tuple[bytes, bytes]:
    """Version and global data: what stands before the four octets of msgID, and what after."""
    after = ber.encode_integer(MAX_SIZE) + ber.element(ber.OCTET_STRING, bytes((flags,))) + ber.encode_integer(USM)
    whole = ber.encode_integer(message.VERSIONS["3"]) + ber.element(
        ber.SEQUENCE, ber.element(ber.INTEGER, bytes(4)) + after
    )
    return whole[: -4 - len(after)], after


_GLOBAL = tuple(_global_data(flags) for flags in range(8))


def security_head(engine_id: bytes, boots: int, engine_time: int, user: bytes) -> bytes:
    """The first four of the security parameters; the same for every message of one second."""
    return (
        ber.element(ber.OCTET_STRING, engine_id)
        + ber.encode_integer(boots)
        + ber.encode_integer(engine_time)
        + ber.element(ber.OCTET_STRING, user)
    )


def encode(
    msg_id: int, flags: int, *, security: bytes, auth_octets: int, salt: bytes, body: bytes
) -> tuple[bytes, int]:
    """(message with zeros for its digest, where the digest begins). ``msg_id`` between message.ID_MIN and ID_MAX;
    ``security`` from ``security_head``; ``body`` the scoped PDU, as it is or as the OCTET STRING of its ciphertext."""
    head, tail = _GLOBAL[flags]
    parameters = b"%b\x04%c%b\x04%c%b" % (security, auth_octets, bytes(auth_octets), len(salt), salt)
    parameters = ber.element(ber.OCTET_STRING, ber.element(ber.SEQUENCE, parameters))
    whole = ber.element(ber.SEQUENCE, b"".join((head, msg_id.to_bytes(4, "big"), tail, parameters, body)))
    return whole, len(whole) - len(body) - len(salt) - 2 - auth_octets


def read_header(data: bytes, at: int, stop: int) -> Header:
    """From what ``message.read_version`` found. Raises DecodeError; what it gives can be handed to any cipher."""
    start, after = ber.enter(data, at, stop, ber.SEQUENCE)
    msg_id, start = ber.integer(data, start, after)
    _size, start = ber.integer(data, start, after)
    flags_at, start = ber.enter(data, start, after, ber.OCTET_STRING)
    if start - flags_at != 1:
        raise DecodeError("msgFlags have not one octet")
    model, _ = ber.integer(data, start, after)
    if model != USM:
        raise DecodeError(f"security model {model}")
    at, body_at = ber.enter(data, after, stop, ber.OCTET_STRING)
    at, after = ber.enter(data, at, body_at, ber.SEQUENCE)
    at, end = ber.enter(data, at, after, ber.OCTET_STRING)
    engine_id = data[at:end]
    boots, end = ber.integer(data, end, after)
    engine_time, end = ber.integer(data, end, after)
    at, end = ber.enter(data, end, after, ber.OCTET_STRING)
    user = data[at:end]
    auth_at, end = ber.enter(data, end, after, ber.OCTET_STRING)
    at, salt_end = ber.enter(data, end, after, ber.OCTET_STRING)
    if not (0 <= boots <= INT31_MAX and 0 <= engine_time <= INT31_MAX):
        raise DecodeError("snmpEngineBoots or snmpEngineTime out of range")
    if len(engine_id) > ENGINE_ID_MAX:
        raise DecodeError("an engine id of more than 32 octets")
    return Header(
        msg_id, data[flags_at], engine_id, boots, engine_time, user, auth_at, data[auth_at:end], data[at:salt_end],
        body_at, stop,
    )  # fmt: skip


def read_scoped(data: bytes, at: int, stop: int) -> tuple[bytes, bytes, Pdu]:
    """(contextEngineID, contextName, PDU) of the scoped PDU at ``at``; padding after it is let be.

    Raises DecodeError.
    """
    at, stop = ber.enter(data, at, stop, ber.SEQUENCE)
    engine_at, at = ber.enter(data, at, stop, ber.OCTET_STRING)
    engine = data[engine_at:at]
    name_at, at = ber.enter(data, at, stop, ber.OCTET_STRING)
    return engine, data[name_at:at], message.read_pdu(data, at, stop)
