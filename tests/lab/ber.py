"""The least of BER that a lab needs to speak SNMPv1 and v2c (RFC 1157, RFC 3416), apart from the code under test.

OIDs are tuples of arcs, values are ``Value(tag, content)`` with int, bytes, an OID or None by the tag.
"""

from collections.abc import Sequence
from typing import NamedTuple

Oid = tuple[int, ...]

INTEGER, OCTET_STRING, NULL, OBJECT_IDENTIFIER, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
IP_ADDRESS, COUNTER32, GAUGE32, TIME_TICKS, OPAQUE, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x44, 0x46
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW = 0x80, 0x81, 0x82
GET, GET_NEXT, RESPONSE, SET, GET_BULK = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5
_NUMBERS = {INTEGER, COUNTER32, GAUGE32, TIME_TICKS, COUNTER64}
_EMPTY = {NULL, NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW}


class Value(NamedTuple):
    tag: int
    content: int | bytes | Oid | None


class Message(NamedTuple):
    """``error_status`` and ``error_index`` are non-repeaters and max-repetitions in a GET_BULK."""

    version: int
    community: bytes
    pdu: int
    request_id: int
    error_status: int
    error_index: int
    varbinds: tuple[tuple[Oid, Value], ...]


def oid(dotted: str) -> Oid:
    return tuple(int(arc) for arc in dotted.strip(".").split("."))


def dotted(arcs: Oid) -> str:
    return ".".join(map(str, arcs))


def integer(content: int) -> Value:
    return Value(INTEGER, content)


def octets(content: bytes | str) -> Value:
    return Value(OCTET_STRING, content.encode() if isinstance(content, str) else content)


def counter32(content: int) -> Value:
    return Value(COUNTER32, content)


def counter64(content: int) -> Value:
    return Value(COUNTER64, content)


def gauge32(content: int) -> Value:
    return Value(GAUGE32, content)


def ticks(content: int) -> Value:
    """Hundredths of a second."""
    return Value(TIME_TICKS, content)


def pack(tag: int, content: bytes) -> bytes:
    """Tag, definite length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def pack_number(tag: int, number: int) -> bytes:
    """Two's complement in the fewest octets. Also numbers that do not fit the tag: a lying agent needs that."""
    return pack(tag, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def pack_oid(arcs: Oid) -> bytes:
    content = bytearray()
    for arc in (arcs[0] * 40 + arcs[1], *arcs[2:]):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return pack(OBJECT_IDENTIFIER, bytes(content))


def pack_value(value: Value) -> bytes:
    tag, content = value
    if content is None:
        return pack(tag, b"")
    if isinstance(content, tuple):
        return pack_oid(content)
    return pack_number(tag, content) if isinstance(content, int) else pack(tag, content)


def pack_message(message: Message) -> bytes:
    varbinds = b"".join(pack(SEQUENCE, pack_oid(name) + pack_value(value)) for name, value in message.varbinds)
    head = b"".join(pack_number(INTEGER, n) for n in (message.request_id, message.error_status, message.error_index))
    pdu = pack(message.pdu, head + pack(SEQUENCE, varbinds))
    return pack(SEQUENCE, pack_number(INTEGER, message.version) + pack(OCTET_STRING, message.community) + pdu)


def request(pdu: int, names: Sequence[Oid], *, community: bytes, version: int = 1, number: int = 1) -> bytes:
    """A GET or GET_NEXT. ``version`` as on the wire: 0 is v1, 1 is v2c."""
    nulls = tuple((name, Value(NULL, None)) for name in names)
    return pack_message(Message(version, community, pdu, number, 0, 0, nulls))


def unpack(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Tag, content, and where the next one begins. ValueError where it is cut short."""
    if at + 2 > len(data):
        raise ValueError("cut short")
    tag, size, at = data[at], data[at + 1], at + 2
    if size & 0x80:
        octet_count = size & 0x7F
        size, at = int.from_bytes(data[at : at + octet_count], "big"), at + octet_count
    if at + size > len(data):
        raise ValueError("cut short")
    return tag, data[at : at + size], at + size


def unpack_message(data: bytes) -> Message:
    """ValueError on what is not SNMPv1 or v2c."""
    _, body, _ = unpack(data, 0)
    _, version, at = unpack(body, 0)
    _, community, at = unpack(body, at)
    pdu, content, _ = unpack(body, at)
    numbers, at = [], 0
    for _ in range(3):
        _, number, at = unpack(content, at)
        numbers.append(int.from_bytes(number, "big", signed=True))
    _, listed, _ = unpack(content, at)
    varbinds, at = [], 0
    while at < len(listed):
        _, pair, at = unpack(listed, at)
        _, name, middle = unpack(pair, 0)
        tag, value, _ = unpack(pair, middle)
        varbinds.append((_arcs(name), _value(tag, value)))
    return Message(int.from_bytes(version, "big"), community, pdu, numbers[0], numbers[1], numbers[2], tuple(varbinds))


def _value(tag: int, content: bytes) -> Value:
    if tag in _NUMBERS:
        return Value(tag, int.from_bytes(content, "big", signed=True))
    if tag == OBJECT_IDENTIFIER:
        return Value(tag, _arcs(content))
    return Value(tag, None if tag in _EMPTY else content)


def _arcs(content: bytes) -> Oid:
    arcs, arc = [], 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs:
        return ()
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - 40 * first, *arcs[1:])
