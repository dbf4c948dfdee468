"""Object identifiers as the octets the wire carries (X.690 section 8.19): content only, without tag and length.

Octets compare for equality and for prefixes as identifiers do; they do not sort as identifiers do (arcs of several
octets), so order goes through ``after``.
"""

from collections.abc import Iterable

from collectors.snmp.errors import DecodeError

ARC_MAX = 2**32 - 1
"""RFC 2578 section 3.5."""
ARCS_MAX = 128
"""RFC 2578 section 3.5; an identifier from the wire may have more, what we write may not."""


def parse(dotted: str) -> bytes:
    """Octets of "1.3.6.1.2.1" (a leading dot is allowed, "" is the empty identifier).

    Raises ValueError where it is not dotted decimal or an arc is out of range.
    """
    stripped = dotted.removeprefix(".")
    if not stripped:
        return b""
    parts = stripped.split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"{dotted!r} is not an object identifier: dotted decimal is wanted")
    return from_arcs(int(part) for part in parts)


def from_arcs(numbers: Iterable[int]) -> bytes:
    """Octets of the arcs. A single arc is written as "n.0". Raises ValueError for arcs out of range."""
    arcs_ = tuple(numbers)
    if not arcs_:
        return b""
    if len(arcs_) > ARCS_MAX:
        raise ValueError(f"an object identifier has at most {ARCS_MAX} arcs, not {len(arcs_)}")
    first, second = arcs_[0], arcs_[1] if len(arcs_) > 1 else 0
    if not 0 <= first <= 2 or not 0 <= second <= (39 if first < 2 else ARC_MAX - 80):
        raise ValueError(f"{first}.{second} cannot begin an object identifier")
    out = bytearray()
    for arc in (first * 40 + second, *arcs_[2:]):
        if not 0 <= arc <= ARC_MAX:
            raise ValueError(f"arc {arc} is not between 0 and {ARC_MAX}")
        if arc > 0x7F:
            shift = (arc.bit_length() - 1) // 7 * 7
            while shift:
                out.append(0x80 | arc >> shift & 0x7F)
                shift -= 7
        out.append(arc & 0x7F)
    return bytes(out)


def subidentifiers(oid: bytes) -> tuple[int, ...]:
    """The numbers on the wire: as the arcs, but the first two packed into one (40 a + b).

    Raises DecodeError where an arc has no end or is larger than 2^32-1.
    """
    if not oid:
        return ()
    if oid[-1] & 0x80:
        raise DecodeError("the last arc of an object identifier has no end")
    if oid.isascii():
        return tuple(oid)
    found = []
    arc = 0
    for octet in oid:
        if octet & 0x80:
            arc = (arc | octet & 0x7F) << 7
            if arc > ARC_MAX:
                raise DecodeError("an arc of an object identifier is larger than 2^32-1")
        else:
            arc |= octet
            if arc > ARC_MAX:
                raise DecodeError("an arc of an object identifier is larger than 2^32-1")
            found.append(arc)
            arc = 0
    return tuple(found)


def arcs(oid: bytes) -> tuple[int, ...]:
    """The arcs; () for the empty identifier. Raises DecodeError as ``subidentifiers``."""
    numbers = subidentifiers(oid)
    if not numbers:
        return ()
    top = min(numbers[0] // 40, 2)
    return (top, numbers[0] - 40 * top, *numbers[1:])


def text(oid: bytes) -> str:
    """Dotted decimal. Raises DecodeError as ``subidentifiers``."""
    return ".".join(map(str, arcs(oid)))


def starts_with(oid: bytes, root: bytes) -> bool:
    """Is this the root itself or below it? Well-formed octets never split an arc, so the prefix decides."""
    return oid.startswith(root)


def after(oid: bytes, other: bytes) -> bool:
    """Does ``oid`` come strictly after ``other`` in lexicographic order? Raises DecodeError as ``subidentifiers``."""
    return subidentifiers(oid) > subidentifiers(other)
