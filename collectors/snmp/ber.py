"""BER as SNMP uses it (X.690, RFC 3417 section 8): strict where a reading would be a guess, lenient as agents need.

Structure is strict: a length that passes its container is a DecodeError, and so are indefinite lengths and tags of
several octets, which SNMP does not have. Values are lenient: long-form lengths, integers that are not minimal, unsigned
values with or without their leading zero, Counter32 in five octets. A value that its type cannot hold is read as None
beside its tag, so that one bad value costs one value.

Nothing recurses and nothing is allocated by a length that was read, so hostile octets cost what they are long.
"""

from dataclasses import dataclass

from collectors.snmp.errors import DecodeError

INTEGER = 0x02
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
IP_ADDRESS = 0x40
COUNTER32 = 0x41
GAUGE32 = 0x42
TIME_TICKS = 0x43
OPAQUE = 0x44
COUNTER64 = 0x46
UINTEGER32 = 0x47
"""RFC 1442; obsolete, still sent."""
NO_SUCH_OBJECT = 0x80
NO_SUCH_INSTANCE = 0x81
END_OF_MIB_VIEW = 0x82
MISSING = 0x00
"""Not on the wire: an instance asked for that the answer left out."""

Value = int | bytes | None

UNSIGNED_MAX = {
    COUNTER32: 2**32 - 1,
    GAUGE32: 2**32 - 1,
    TIME_TICKS: 2**32 - 1,
    UINTEGER32: 2**32 - 1,
    COUNTER64: 2**64 - 1,
}
"""The range of each unsigned type; more octets than it needs are read modulo it, as counters count."""
EMPTY = frozenset({NULL, NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW})
"""Types that have no value."""
INTEGER_OCTETS_MAX = 9
"""Eight octets and a leading zero; 64 bits are all that any agent has been seen to send."""


@dataclass(frozen=True, slots=True)
class VarBind:
    """One instance and its value as the wire gave them.

    ``value`` is an int for the integer types, the content octets for the others (an object identifier stays in the
    form of oid.py, an address too), None for NULL, the three exceptions of RFC 3416, MISSING, and for
    octets that no value of the type has.
    """

    oid: bytes
    tag: int
    value: Value


def header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """(tag, start, stop) of the element at ``at``; its content is data[start:stop]. ``end`` is its container's.

    Raises DecodeError where it does not fit. ``end`` must not pass len(data).
    """
    start = at + 2
    if start > end:
        raise DecodeError("an element is cut short")
    tag = data[at]
    length = data[at + 1]
    if tag & 0x1F == 0x1F:
        raise DecodeError("a tag of several octets")
    if length > 0x7F:
        octets = length & 0x7F
        if not 1 <= octets <= 8:
            raise DecodeError("an indefinite or absurd length")
        start += octets
        if start > end:
            raise DecodeError("a length is cut short")
        length = int.from_bytes(data[start - octets : start], "big")
    stop = start + length
    if stop > end:
        raise DecodeError("an element is longer than what holds it")
    return tag, start, stop


def enter(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """(start, stop) of the element at ``at``, which must have that tag. Raises DecodeError."""
    start = at + 2
    if start <= end and data[at] == tag and data[at + 1] < 0x80:  # the common case, at half the cost
        stop = start + data[at + 1]
        if stop <= end:
            return start, stop
    found, start, stop = header(data, at, end)
    if found != tag:
        raise DecodeError(f"tag {found:#04x} where {tag:#04x} belongs")
    return start, stop


def integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(number, stop) of the INTEGER at ``at``; no octets at all read as 0. Raises DecodeError."""
    start = at + 2
    if start <= end and data[at] == INTEGER and data[at + 1] <= INTEGER_OCTETS_MAX:  # the common case, as above
        stop = start + data[at + 1]
        if stop <= end:
            return int.from_bytes(data[start:stop], "big", signed=True), stop
    start, stop = enter(data, at, end, INTEGER)
    if stop - start > INTEGER_OCTETS_MAX:
        raise DecodeError("an INTEGER of more than 64 bits")
    return int.from_bytes(data[start:stop], "big", signed=True), stop


def value(tag: int, content: bytes) -> Value:
    """What the content octets of a value mean, see VarBind. Never raises."""
    if tag == INTEGER:
        return int.from_bytes(content, "big", signed=True) if len(content) <= INTEGER_OCTETS_MAX else None
    limit = UNSIGNED_MAX.get(tag)
    if limit is not None:
        return int.from_bytes(content, "big") & limit if len(content) <= INTEGER_OCTETS_MAX else None
    if tag in EMPTY:
        return None
    return content


def element(tag: int, content: bytes) -> bytes:
    """Tag, shortest definite length, content."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | octets)) + length.to_bytes(octets, "big") + content


def encode_integer(number: int, tag: int = INTEGER) -> bytes:
    """Shortest two's complement, as X.690 section 8.3 demands; unsigned types take their numbers as they are."""
    return element(tag, number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True))


def encode_value(tag: int, content: Value) -> bytes:
    """The element of a value in the form VarBind has it. Raises ValueError where tag and value disagree."""
    if content is None:
        if tag not in EMPTY:
            raise ValueError(f"a value of type {tag:#04x} is wanted")
        return element(tag, b"")
    if isinstance(content, int):
        if tag != INTEGER and not 0 <= content <= UNSIGNED_MAX.get(tag, -1):
            raise ValueError(f"{content} is no value of type {tag:#04x}")
        return encode_integer(content, tag)
    if tag == INTEGER or tag in UNSIGNED_MAX or tag in EMPTY:
        raise ValueError(f"octets are no value of type {tag:#04x}")
    return element(tag, content)
