"""From what the wire says to text and numbers, by a profile's sources."""

import ipaddress
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.errors import DecodeError
from collectors.snmp.gear.model import Condition, Form, Part, Source, System
from collectors.snmp.gear.patterns import seen
from collectors.snmp.interfaces import number, object_id
from collectors.snmp.text import DESCR_LIMIT, clean_text, mac_text, written_mac

_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_DIGITS = re.compile(rb"[0-9]{1,9}")
_FLOATS = {0x78: ">f", 0x79: ">d"}
"""net-snmp's Opaque Float and Double, behind 9F."""
_INET_OCTETS = {1: 4, 2: 16, 3: 8, 4: 20}
"""Octets of an InetAddress by its InetAddressType (RFC 4001): ipv4, ipv6, and both with a zone index."""
_FAMILY_OCTETS = {b"\1": 4, b"\2": 16}
_ANY = "*"
NUMBER_MOST = 1e18
"""What is larger is no number of any kind; further on, sums and hundredths of it would be none either."""
prefix_of = lru_cache(4096)(oid.parse)
"""Octets of an OID that a profile names."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table while it is read. ``binds`` are its own columns by name ("5", "1.2")."""

    suffix: bytes
    parts: Sequence[int | str]
    binds: Mapping[str, VarBind]
    foreign: Mapping[bytes, VarBind]
    """Instances of other tables, by their OID."""
    known: Mapping[System, str]


def parts_of(suffix: bytes, index: Sequence[Part]) -> tuple[int | str, ...] | None:
    """A row's index as parts; None where it is not made like that."""
    try:
        arcs = oid.subidentifiers(suffix)
    except DecodeError:
        return None
    if not index:
        return arcs
    found: list[int | str] = []
    for part in index:
        taken = _part(part, arcs)
        if taken is None:
            return None
        value, arcs = taken
        found.append(value)
    return tuple(found) if not arcs else None


def _part(part: Part, arcs: tuple[int, ...]) -> tuple[int | str, tuple[int, ...]] | None:
    """One part off the front of ``arcs``, and what is left."""
    match part:
        case Part.INT:
            found: tuple[int | str, tuple[int, ...]] | None = (arcs[0], arcs[1:]) if arcs else None
        case Part.REST:
            found = ".".join(map(str, arcs)), ()
        case Part.IMPLIED:
            found = _words(arcs), ()
        case Part.INET:
            found = _inet(arcs)
        case Part.STRING:
            fits = bool(arcs) and len(arcs) > arcs[0]
            found = (_words(arcs[1 : 1 + arcs[0]]), arcs[1 + arcs[0] :]) if fits else None
        case _:
            found = _octets(part, arcs)
    return found


def _octets(part: Part, arcs: tuple[int, ...]) -> tuple[str, tuple[int, ...]] | None:
    """An address of fixed length, an octet an arc."""
    size = 4 if part is Part.IPV4 else 6
    if len(arcs) < size or max(arcs[:size]) > 0xFF:
        return None
    own = bytes(arcs[:size])
    return (str(ipaddress.IPv4Address(own)) if part is Part.IPV4 else own.hex(":")), arcs[size:]


def _words(arcs: Sequence[int]) -> str:
    return clean_text(bytes(arc & 0xFF for arc in arcs))


def _inet(arcs: tuple[int, ...]) -> tuple[str, tuple[int, ...]] | None:
    """InetAddressType, length, octets; some agents leave the length out."""
    if len(arcs) < 2:
        return None
    octets = _INET_OCTETS.get(arcs[0])
    at = 2 if arcs[1] == octets else 1
    own = arcs[at : at + octets] if octets else ()
    if not own or len(own) < (octets or 0) or max(own) > 0xFF:
        return None
    return address_text(bytes(own)) or "", arcs[at + len(own) :]


def address_text(raw: bytes) -> str | None:
    """4 or 16 octets (with or without four of a zone index) as an address, else one that is written out: "10.0.0.1" has
    8 octets, too."""
    if len(raw) == 4:
        return str(ipaddress.ip_address(raw))
    written = raw.decode("latin-1").strip("\0 ").partition("%")[0]  # a zone index may be any text
    try:
        return str(ipaddress.ip_address(written))
    except ValueError:
        own = {8: 4, 16: 16, 20: 16}.get(len(raw))
        return str(ipaddress.ip_address(raw[:own])) if own is not None else None


def text_of(source: Source, row: Row) -> str | None:
    """What the source says in this row; None where it says nothing."""
    if source.join:
        said = [text_of(part, row) for part in source.join]
        if None in said:
            return None
        return _mapped(source, _filled(source.template, [str(part) for part in said]))
    return shaped(source, _raw(source, row))


def shaped(source: Source, raw: str | None) -> str | None:
    """``raw`` through the source's pattern, template and map."""
    if raw is None:
        return None
    if source.pattern is not None:
        found = source.pattern.search(seen(source.pattern, raw, whole=source.system is not None))
        if found is None:
            return None
        groups = [group or "" for group in found.groups()]
        raw = _filled(source.template, groups) if source.template else (groups[0] if groups else found[0])
        raw = raw.strip()
    return _mapped(source, raw) or None


def number_of(source: Source, row: Row) -> float | None:
    """The number that the source says in this row."""
    if source.pattern is None and source.map is None and source.form is None:
        bind = _bind(source, row)
        if bind is not None and (found := _number(bind)) is not None:
            return found if abs(found) <= NUMBER_MOST else None
    said = text_of(source, row)
    digits = _NUMBER.search(said) if said is not None else None
    found = float(digits[0]) if digits is not None else None
    return found if found is not None and abs(found) <= NUMBER_MOST else None


def _number(bind: VarBind) -> float | None:
    if bind.tag == ber.OPAQUE and isinstance(bind.value, bytes):
        return _opaque_float(bind.value)
    if isinstance(bind.value, int):
        return float(bind.value)
    return None


def _opaque_float(raw: bytes) -> float | None:
    if len(raw) >= 3 and raw[0] == 0x9F and (layout := _FLOATS.get(raw[1])) and len(raw) - 3 == struct.calcsize(layout):
        found = float(struct.unpack(layout, raw[3:])[0])
        return found if math.isfinite(found) else None
    whole = number(VarBind(b"", ber.OPAQUE, raw))
    return None if whole is None else float(whole)


def holds(condition: Condition, row: Row) -> bool:
    """Whether the condition is met in this row."""
    said = text_of(condition.source, row)
    if condition.within is not None and said not in condition.within:
        return False
    if condition.outside is not None and said in condition.outside:
        return False
    if condition.pattern is None or said is None:
        return condition.pattern is None
    whole = condition.source.system is not None
    return condition.pattern.search(seen(condition.pattern, said, whole=whole)) is not None


def instance_of(source: Source, row: Row) -> bytes | None:
    """The instance of another table that an ``oid`` source means in this row."""
    assert source.oid is not None
    if not source.at:
        return prefix_of(source.oid) + row.suffix
    behind = b""
    for at in source.at:
        arcs = _arcs(at, row)
        if arcs is None:
            return None
        behind += arcs
    return prefix_of(source.oid) + behind


def _arcs(source: Source, row: Row) -> bytes | None:
    """What a source of an index says, as arcs."""
    said = text_of(source, row)
    if said is None:
        return None
    try:
        return oid.from_arcs((1, 3, *(int(arc) for arc in said.strip(".").split("."))))[1:]
    except ValueError:
        return None


def _bind(source: Source, row: Row) -> VarBind | None:
    if source.column is not None:
        return row.binds.get(source.column)
    if source.oid is not None:
        instance = instance_of(source, row)
        return None if instance is None else row.foreign.get(instance)
    return None


def _raw(source: Source, row: Row) -> str | None:
    """The source's words before pattern and map."""
    if source.text is not None:
        return source.text
    if source.index is not None:
        return str(row.parts[source.index - 1]) if source.index <= len(row.parts) else None
    if source.system is not None:
        return row.known.get(source.system)
    bind = _bind(source, row)
    return None if bind is None else formed(bind, source.form)


def formed(bind: VarBind, form: Form | None) -> str | None:
    """A value as text in the form asked for; None where it has none."""
    if bind.value is None:
        return None
    if isinstance(bind.value, int):
        return _channel_mhz(str(bind.value).encode()) if form is Form.CHANNEL_MHZ else str(bind.value)
    if bind.tag == ber.OBJECT_IDENTIFIER:
        return object_id(bind)
    if bind.tag == ber.OPAQUE:
        found = _opaque_float(bind.value)
        return None if found is None else f"{found:g}"
    return _FORMS.get(Form.IP if bind.tag == ber.IP_ADDRESS else form, _text)(bind.value)


def _text(raw: bytes) -> str | None:
    return clean_text(raw, DESCR_LIMIT) or None


def _bridge(raw: bytes) -> str | None:
    if len(raw) > 8 and raw.isascii():  # "32768/18:E8:29:BA:73:BE", "8000001e081042d2", "8000-001e.0810.42d2"
        digits = bytes(octet for octet in raw.lower() if octet in b"0123456789abcdef")[-12:]
        raw = bytes.fromhex(digits.decode()) if len(digits) == 12 else b""
    return raw[-6:].hex(":") if len(raw) >= 6 else None


def _octets_said(raw: bytes) -> str | None:
    is_text = all(0x20 <= octet < 0x7F for octet in raw.rstrip(b"\0"))
    return _text(raw) if is_text else raw[:32].hex(" ").upper()


def _chassis(raw: bytes) -> str | None:
    """A MAC address where six octets are no text, or one is written out; else text; octets that are none as such."""
    if len(raw) == 6 and not all(0x20 <= octet < 0x7F for octet in raw):
        return raw.hex(":")
    if _CONTROLS.search(raw.rstrip(b"\0")):
        return raw[:32].hex(":")
    return written_mac(raw) or clean_text(raw) or None


def _family_address(raw: bytes) -> str | None:
    """ianaAddressFamilyNumber ipV4(1) or ipV6(2) and its octets; some agents leave the family out, or write it all."""
    octets = _FAMILY_OCTETS.get(raw[:1])
    return address_text(raw[1:] if octets is not None and len(raw) == octets + 1 else raw)


def _channel_mhz(raw: bytes) -> str | None:
    """IEEE 802.11-2020 annex E, channels of 2.4 and 5 GHz: "6", "36+", 161; above the low octet stand flags.

    An odd number between those of 2.4 GHz and 149 is one of 6 GHz, of which the number alone does not tell."""
    digits = _DIGITS.search(raw)
    channel = int(digits[0]) & 0xFF if digits is not None else 0
    if 1 <= channel <= 13:
        return str(2407 + 5 * channel)
    if channel == 14:
        return "2484"
    if 183 <= channel <= 196:
        return str(4000 + 5 * channel)
    known = channel % 2 == 0 if 32 <= channel <= 144 else 149 <= channel <= 177
    return str(5000 + 5 * channel) if known else None


_FORMS: Mapping[Form | None, Callable[[bytes], str | None]] = {
    Form.IP: address_text,
    Form.MAC: mac_text,
    Form.HEX: lambda raw: raw[:32].hex() or None,
    Form.OCTETS: _octets_said,
    Form.BRIDGE_ID: _bridge,
    Form.CHASSIS: _chassis,
    Form.FAMILY_ADDRESS: _family_address,
    Form.CHANNEL_MHZ: _channel_mhz,
}


def _mapped(source: Source, said: str) -> str | None:
    if source.map is None:
        return said
    found = source.map.get(said, source.map.get(_ANY))
    return None if found is None else found.replace("{}", said)


def _filled(template: str | None, parts: Sequence[str]) -> str:
    """The template with {1}, {2}, ... filled in; runs of spaces made one."""
    if template is None:
        return " ".join(part for part in parts if part)
    for at, part in enumerate(parts, 1):
        template = template.replace(f"{{{at}}}", part)
    return " ".join(template.split())
