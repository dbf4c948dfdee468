"""PDUs and the v1 and v2c messages around them (RFC 1157, 1901, 3416): encoded once, read fast, read leniently.

The steady state asks a device for the same instances again and again. ``Request`` keeps the encoded octets, so that a
send patches the request id in; ``Request.match`` reads an answer by comparing the octets of each identifier in the
order asked. Whatever is odd about an answer goes to ``read_varbinds``, which reads any order and number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakValueDictionary

from collectors.snmp import ber
from collectors.snmp.ber import Value, VarBind
from collectors.snmp.errors import DecodeError

GET = 0xA0
GET_NEXT = 0xA1
RESPONSE = 0xA2
GET_BULK = 0xA5
REPORT = 0xA8

VERSIONS = {"1": 0, "2c": 1, "3": 3}
"""The number on the wire of each version."""

NO_ERROR = 0
TOO_BIG = 1
NO_SUCH_NAME = 2
GEN_ERR = 5
AUTHORIZATION_ERROR = 16
"""error-status of RFC 3416 section 3; the others belong to writes, or stand for themselves."""
_STATUS_LAST = 18

ID_MIN = 0x01000000
ID_MAX = 0x7FFFFFFF
"""Request ids between these take four octets, so that they can be patched in; RFC 3412 wants msgID below 2^31."""

_BEYOND = bytes(ber.UNSIGNED_MAX.get(tag, 0).bit_length() // 8 + (tag in ber.UNSIGNED_MAX) for tag in range(256))
"""By tag: octets that are too many for an unsigned value to be taken as it is; 0 for what is not unsigned."""
_EMPTY = bytes(1 if tag in ber.EMPTY else 0 for tag in range(256))


def status_name(error_status: int) -> str:
    """One of a few names whatever an agent answers, for they are counted by name as long as the process runs."""
    if error_status in {NO_SUCH_NAME, GEN_ERR}:
        return "no_such_name" if error_status == NO_SUCH_NAME else "gen_err"
    return f"error_status_{error_status}" if NO_ERROR < error_status <= _STATUS_LAST else "error_status_unknown"


@dataclass(slots=True)
class Reply:
    """An answer. Of a GET, ``oids``, ``tags`` and ``values`` stand in the order asked, MISSING where an instance was
    left out; of a GETNEXT or GETBULK, and where ``error_status`` is not 0, as the agent sent them.

    ``error_status`` and ``error_index`` (1 is the first) as RFC 3416; ``octets`` the size of the datagram; ``seconds``
    from the send that was answered to the reading of its answer.
    """

    oids: Sequence[bytes]
    tags: bytes | bytearray
    values: list[Value]
    error_status: int
    error_index: int
    octets: int
    seconds: float
    unasked: int = 0
    """Varbinds of a GET's answer that were not asked for, or came twice."""

    @property
    def varbinds(self) -> tuple[VarBind, ...]:
        """What was answered, without the MISSING ones; made anew at each call."""
        return tuple(
            VarBind(oid, tag, value)
            for oid, tag, value in zip(self.oids, self.tags, self.values, strict=True)
            if tag != ber.MISSING
        )


class Pdu(NamedTuple):
    """A PDU's head, and where its list of varbinds stands in ``data``."""

    kind: int
    request_id: int
    error_status: int
    error_index: int
    data: bytes
    start: int
    stop: int

    def read(self) -> tuple[list[bytes], bytearray, list[Value]]:
        """The varbinds as (oids, tags, values). Raises DecodeError."""
        return read_varbinds(self.data, self.start, self.stop)


class Request:
    """A PDU encoded but for its request id, for any number of sends to any number of peers.

    ``first`` and ``second`` are error-status and error-index, or non-repeaters and max-repetitions of a GETBULK.
    """

    __slots__ = ("__weakref__", "_for", "_head", "_names", "_sizes", "kind", "oids", "pdu_head", "pdu_tail")

    def __init__(self, kind: int, oids: Sequence[bytes], first: int = 0, second: int = 0) -> None:
        self.kind = kind
        self.oids = tuple(oids)
        tails = [ber.element(ber.OBJECT_IDENTIFIER, oid) for oid in self.oids]
        null = ber.encode_value(ber.NULL, None)
        varbinds = ber.element(ber.SEQUENCE, b"".join(ber.element(ber.SEQUENCE, tail + null) for tail in tails))
        self.pdu_tail = ber.encode_integer(first) + ber.encode_integer(second) + varbinds
        whole = ber.element(kind, bytes((ber.INTEGER, 4, 0, 0, 0, 0)) + self.pdu_tail)
        self.pdu_head = whole[: -4 - len(self.pdu_tail)]
        self._names = tuple(tails)
        self._sizes = bytes(min(len(tail) + 2, 255) for tail in tails)  # a longer one matches nothing
        self._for: tuple[str | bytes, bytes] | None = None
        self._head = b""

    def __repr__(self) -> str:
        return f"Request(kind={self.kind:#04x}, {len(self.oids)} instances)"

    def pdu(self, request_id: int) -> bytes:
        """The PDU alone. ``request_id`` between ID_MIN and ID_MAX."""
        return self.pdu_head + request_id.to_bytes(4, "big") + self.pdu_tail

    def message(self, version: str, community: bytes, request_id: int) -> bytes:
        """The whole message for "1" or "2c"; its head is kept for the next send with the same community."""
        if self._for != (version, community):
            envelope = ber.encode_integer(VERSIONS[version]) + ber.element(ber.OCTET_STRING, community)
            whole = ber.element(ber.SEQUENCE, envelope + self.pdu(ID_MIN))
            self._head = whole[: -4 - len(self.pdu_tail)]
            self._for = (version, community)
        return self._head + request_id.to_bytes(4, "big") + self.pdu_tail

    def scoped(self, context_engine: bytes, context: bytes, request_id: int) -> bytes:
        """The ScopedPDU of RFC 3412 section 6.8; its head is kept as that of ``message`` is."""
        if self._for != (context_engine, context):
            whole = scoped_pdu(context_engine, context, self.pdu(ID_MIN))
            self._head = whole[: -4 - len(self.pdu_tail)]
            self._for = (context_engine, context)
        return self._head + request_id.to_bytes(4, "big") + self.pdu_tail

    def match(  # noqa: C901 -- in one piece, because a call a varbind would double its cost
        self, data: bytes, at: int, stop: int
    ) -> tuple[bytearray, list[Value]] | None:
        """(tags, values) where data[at:stop] are exactly the instances asked, in order, in short lengths; else None.

        None says nothing about right or wrong: ``read_varbinds`` decides. This loop is where a poller spends its life.
        """
        tags = bytearray()
        values: list[Value] = []
        beyond, empty, limits = _BEYOND, _EMPTY, ber.UNSIGNED_MAX
        number = int.from_bytes
        try:
            for wanted, size in zip(self._names, self._sizes, strict=True):
                begin = at + size
                tag = data[begin]
                length = data[begin + 1]
                if data[at + 2 : begin] != wanted or data[at] != 0x30 or length > 0x7F or data[at + 1] != size + length:
                    return None
                begin += 2
                at = begin + length
                tags.append(tag)
                if length < beyond[tag]:
                    values.append(number(data[begin:at]))
                elif beyond[tag]:
                    if length > ber.INTEGER_OCTETS_MAX:
                        return None
                    values.append(number(data[begin:at]) & limits[tag])
                elif tag == 0x02:
                    if length > ber.INTEGER_OCTETS_MAX:
                        return None
                    values.append(number(data[begin:at], signed=True))
                elif empty[tag]:
                    values.append(None)
                elif tag & 0x1F == 0x1F:
                    return None
                else:
                    values.append(data[begin:at])
        except IndexError:
            return None
        return (tags, values) if at == stop else None

    def align(self, pdu: Pdu) -> tuple[bytearray, list[Value], int]:
        """(tags, values, unasked) in the order asked, of an answer in any order. Raises DecodeError."""
        oids, tags, values = pdu.read()
        found: dict[bytes, int] = {}
        unasked = 0
        for index, oid in enumerate(oids):
            if found.setdefault(oid, index) != index:
                unasked += 1
        out_tags, out_values = bytearray(), list[Value]()
        for oid in self.oids:
            index = found.get(oid, -1)
            out_tags.append(tags[index] if index >= 0 else ber.MISSING)
            out_values.append(values[index] if index >= 0 else None)
        return out_tags, out_values, unasked + len(found.keys() - set(self.oids))

    def reply(self, pdu: Pdu, octets: int, seconds: float) -> Reply:
        """The Reply that a response PDU makes. Raises DecodeError."""
        if self.kind != GET or pdu.error_status:
            oids, tags, values = pdu.read()
            return Reply(oids, tags, values, pdu.error_status, pdu.error_index, octets, seconds)
        matched = self.match(pdu.data, pdu.start, pdu.stop)
        if matched is not None:
            return Reply(self.oids, matched[0], matched[1], 0, pdu.error_index, octets, seconds)
        tags, values, unasked = self.align(pdu)
        return Reply(self.oids, tags, values, 0, pdu.error_index, octets, seconds, unasked)


def scoped_pdu(context_engine: bytes, context: bytes, pdu: bytes) -> bytes:
    """ScopedPDU (RFC 3412 section 6.8)."""
    return ber.element(
        ber.SEQUENCE, ber.element(ber.OCTET_STRING, context_engine) + ber.element(ber.OCTET_STRING, context) + pdu
    )


_prepared: WeakValueDictionary[tuple[bytes, ...], Request] = WeakValueDictionary()
"""Devices of one make ask the same: 100 switches of 48 ports share 0.1 MB instead of holding 10 (measured)."""


def prepare(version: str, oids: Sequence[bytes]) -> Request:
    """A GET of known instances, encoded once and shared by all who ask the same. ``version`` is "1", "2c" or "3";
    raises ValueError for another."""
    if version not in VERSIONS:
        raise ValueError(f"SNMP version {version!r} is none of {', '.join(VERSIONS)}")
    key = tuple(oids)
    found = _prepared.get(key)
    if found is None:
        found = _prepared[key] = Request(GET, key)
    return found


def read_varbinds(data: bytes, at: int, stop: int) -> tuple[list[bytes], bytearray, list[Value]]:
    """(oids, tags, values) of the varbinds in data[at:stop], whatever they are. Raises DecodeError."""
    oids: list[bytes] = []
    tags = bytearray()
    values: list[Value] = []
    while at < stop:
        start, at_next = ber.enter(data, at, stop, ber.SEQUENCE)
        name, name_stop = ber.enter(data, start, at_next, ber.OBJECT_IDENTIFIER)
        tag, begin, end = ber.header(data, name_stop, at_next)
        oids.append(data[name:name_stop])
        tags.append(tag)
        values.append(ber.value(tag, data[begin:end]))
        at = at_next
    return oids, tags, values


def read_pdu(data: bytes, at: int, end: int) -> Pdu:
    """The head of the PDU at ``at``. Raises DecodeError; the varbinds are read later."""
    kind, at, stop = ber.header(data, at, end)
    if kind not in (GET, GET_NEXT, RESPONSE, GET_BULK, REPORT):
        raise DecodeError(f"a PDU of type {kind:#04x}")
    request_id, at = ber.integer(data, at, stop)
    status, at = ber.integer(data, at, stop)
    index, at = ber.integer(data, at, stop)
    start, end = ber.enter(data, at, stop, ber.SEQUENCE)
    return Pdu(kind, request_id, status, index, data, start, end)


def read_version(data: bytes) -> tuple[int, int, int]:
    """(version number, where what follows it begins, where the message ends). Octets after the message are let be.

    Raises DecodeError.
    """
    at, stop = ber.enter(data, 0, len(data), ber.SEQUENCE)
    version, at = ber.integer(data, at, stop)
    return version, at, stop


def read_community(data: bytes, at: int, stop: int) -> tuple[bytes, Pdu]:
    """Community and PDU of a v1 or v2c message, from what ``read_version`` found. Raises DecodeError."""
    start, at = ber.enter(data, at, stop, ber.OCTET_STRING)
    return data[start:at], read_pdu(data, at, stop)


def encode_pdu(kind: int, request_id: int, first: int, second: int, varbinds: Sequence[VarBind]) -> bytes:
    """Any PDU of this shape, values included; for an agent, and so for tests. Raises ValueError."""
    pairs = (
        ber.element(ber.OBJECT_IDENTIFIER, varbind.oid) + ber.encode_value(varbind.tag, varbind.value)
        for varbind in varbinds
    )
    head = ber.encode_integer(request_id) + ber.encode_integer(first) + ber.encode_integer(second)
    return ber.element(kind, head + ber.element(ber.SEQUENCE, b"".join(ber.element(ber.SEQUENCE, p) for p in pairs)))


def encode_community(version: str, community: bytes, pdu: bytes) -> bytes:
    """The v1 or v2c message around a PDU."""
    head = ber.encode_integer(VERSIONS[version]) + ber.element(ber.OCTET_STRING, community)
    return ber.element(ber.SEQUENCE, head + pdu)
