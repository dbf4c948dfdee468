"""An SNMP v1/v2c agent in the test's own loop whose every fault is a switch. Its BER is written apart from the
client's on purpose."""

import asyncio
import bisect
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

Arcs = tuple[int, ...]
Typed = tuple[int, int | bytes | Arcs]

INT, OCTETS, OID, COUNTER32, GAUGE, TICKS, OPAQUE, COUNTER64 = 2, 4, 6, 0x41, 0x42, 0x43, 0x44, 0x46
NO_OBJECT, NO_INSTANCE, END_OF_MIB = b"\x80\x00", b"\x81\x00", b"\x82\x00"
TOO_BIG, NO_SUCH_NAME, GEN_ERR, AUTHORIZATION_ERROR = 1, 2, 5, 16
GET, GET_NEXT, GET_BULK = 0xA0, 0xA1, 0xA5


def arcs(text: str) -> Arcs:
    return tuple(int(x) for x in text.split("."))


def tlv(tag: int, body: bytes) -> bytes:
    n = len(body)
    if n < 0x80:
        return bytes((tag, n)) + body
    size = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def encode_oid(oid: Arcs) -> bytes:
    out = bytearray()
    for arc in (oid[0] * 40 + oid[1], *oid[2:]):
        part = [arc & 0x7F]
        rest = arc >> 7
        while rest:
            part.append(0x80 | (rest & 0x7F))
            rest >>= 7
        out += bytes(reversed(part))
    return bytes(out)


def decode_oid(body: bytes) -> Arcs:
    found, value = [], 0
    for octet in body:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            found.append(value)
            value = 0
    return (found[0] // 40, found[0] % 40, *found[1:])


def encode(value: Typed) -> bytes:
    tag, content = value
    if isinstance(content, tuple):
        return tlv(tag, encode_oid(content))
    return tlv(tag, integer(content) if isinstance(content, int) else content)


def elements(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        tag, n = body[at], body[at + 1]
        at += 2
        if n & 0x80:
            k = n & 0x7F
            n, at = int.from_bytes(body[at : at + k], "big"), at + k
        yield tag, body[at : at + n]
        at += n


def _unchanged(_pdu: int, binds: list[bytes]) -> list[bytes]:
    return binds


def _nothing(_agent: "ScriptedAgent") -> None:
    return


@dataclass
class Asked:
    """One request as it came."""

    version: int
    pdu: int
    oids: list[Arcs]


@dataclass
class ScriptedAgent(asyncio.DatagramProtocol):
    """Serves ``values``; the other fields are its faults."""

    values: dict[Arcs, Typed]
    community: bytes = b"public"
    silent: bool = False
    silent_on: set[Arcs] = field(default_factory=set)
    """A request that names one of these is not answered."""
    garbage_on: set[Arcs] = field(default_factory=set)
    """A request that names one of these gets bytes that are no SNMP message."""
    fails_on: dict[Arcs, int] = field(default_factory=dict)
    """OID to the error status that a GET naming it gets."""
    blames_nobody: bool = False
    """Error indices are 0."""
    denies: bool = False
    """Everything is answered with authorizationError."""
    most_varbinds: int = 1000
    """A GET with more is answered with tooBig."""
    most_octets: int = 60_000
    """A GETBULK reply stops before it grows beyond."""
    most_rows: int = 1000
    """A GETBULK for more repetitions is answered with tooBig."""
    swallows_over: int = 1000
    """A request with more varbinds is not answered."""
    frozen_next: bool = False
    """GETNEXT and GETBULK give the OID that was asked, for ever."""
    endless: Arcs | None = None
    """Below this prefix there is always one more row, as there is one more after every row."""
    mangle: Callable[[int, list[bytes]], list[bytes]] = _unchanged
    """Last hand at the encoded varbinds of a reply."""
    answered: Callable[["ScriptedAgent"], None] = _nothing
    unheard: Callable[["ScriptedAgent"], None] = _nothing
    """Called where a request gets no answer."""
    log: list[Asked] = field(default_factory=list)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.last_from = addr
        reply = self.reply(data)
        if reply is not None:
            self.transport.sendto(reply, addr)

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def column(self, prefix: str, values: dict[int, Typed]) -> None:
        for index, value in values.items():
            self.values[*arcs(prefix), index] = value

    def set(self, oid: str, tag: int, content: int | bytes) -> None:
        self.values[arcs(oid)] = (tag, content)

    def reply(self, data: bytes) -> bytes | None:
        (_, message), *_ = elements(data)
        (_, version), (_, community), (pdu, body) = elements(message)
        (_, request_id), (_, first), (_, second), (_, binds) = elements(body)
        oids = [decode_oid(next(elements(bind))[1]) for _, bind in elements(binds)]
        self.log.append(Asked(version[0], pdu, oids))
        if community != self.community or self.silent or self.silent_on & set(oids) or len(oids) > self.swallows_over:
            self.unheard(self)
            return None
        if self.garbage_on & set(oids):
            return tlv(0x30, tlv(2, version) + tlv(4, community) + tlv(0xA2, tlv(2, request_id) + b"\x02\x7f\x01"))
        self.last_bounds = first[-1], int.from_bytes(second, "big")
        status, index, out = self._answer(version[0], pdu, oids, *self.last_bounds)
        out = self.mangle(pdu, out)
        answer = tlv(2, request_id) + tlv(2, integer(status)) + tlv(2, integer(index)) + tlv(0x30, b"".join(out))
        self.answered(self)
        return tlv(0x30, tlv(2, version) + tlv(4, community) + tlv(0xA2, answer))

    def _answer(
        self, version: int, pdu: int, oids: list[Arcs], non_repeaters: int, repetitions: int
    ) -> tuple[int, int, list[bytes]]:
        echo = [bind(oid, tlv(5, b"")) for oid in oids]
        if self.denies:
            return AUTHORIZATION_ERROR, 0, echo
        if len(oids) > self.most_varbinds:
            return TOO_BIG, 0, echo if version == 0 else []
        if pdu == GET_BULK and repetitions > self.most_rows:
            return TOO_BIG, 0, []
        if pdu == GET:
            for number, oid in enumerate(oids, 1):
                if oid in self.fails_on:
                    return self.fails_on[oid], 0 if self.blames_nobody else number, echo
        found = self._bulk(oids, non_repeaters, repetitions) if pdu == GET_BULK else [self._one(pdu, o) for o in oids]
        if version == 0:
            for number, (_, value) in enumerate(found, 1):
                if value[0] & 0x80:
                    return NO_SUCH_NAME, 0 if self.blames_nobody else number, echo
        return 0, 0, [bind(oid, value) for oid, value in found]

    def _one(self, pdu: int, oid: Arcs) -> tuple[Arcs, bytes]:
        if pdu != GET:
            return self._next(oid)
        if oid in self.values:
            return oid, encode(self.values[oid])
        return oid, NO_INSTANCE

    def _next(self, oid: Arcs) -> tuple[Arcs, bytes]:
        if self.frozen_next and oid in self.values:
            return oid, encode(self.values[oid])
        if self.endless is not None and self.endless <= oid and oid[: len(self.endless)] == self.endless:
            return (*self.endless, (*oid, 0)[len(self.endless)] + 1), encode((INT, 1))
        ordered = sorted(self.values)
        at = bisect.bisect_right(ordered, oid)
        return (ordered[at], encode(self.values[ordered[at]])) if at < len(ordered) else (oid, END_OF_MIB)

    def _bulk(self, oids: list[Arcs], non_repeaters: int, repetitions: int) -> list[tuple[Arcs, bytes]]:
        out = [self._next(oid) for oid in oids[:non_repeaters]]
        cursors, size = oids[non_repeaters:], 0
        for _ in range(repetitions):
            row = [self._next(oid) for oid in cursors]
            size += sum(len(bind(*pair)) for pair in row)
            if out and size > self.most_octets:
                break
            out += row
            cursors = [oid for oid, _ in row]
        return out


def bind(oid: Arcs, value: bytes) -> bytes:
    return tlv(0x30, tlv(6, encode_oid(oid)) + value)


@contextlib.asynccontextmanager
async def serving(agent: ScriptedAgent) -> AsyncIterator[ScriptedAgent]:
    """``agent`` on a free port of 127.0.0.1 until the block ends."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: agent, ("127.0.0.1", 0))
    try:
        yield agent
    finally:
        transport.close()
        await asyncio.sleep(0)  # the socket closes in the loop's next round
        await asyncio.sleep(0)


IF, IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
UPTIME = "1.3.6.1.2.1.1.3.0"


def switch(ports: int = 4, *, uptime: int = 100_000) -> ScriptedAgent:
    """A plain, correct switch: every column that is read, ports ge1 and on."""
    agent = ScriptedAgent({})
    agent.set("1.3.6.1.2.1.1.1.0", OCTETS, b"Scripted switch")
    agent.values[arcs("1.3.6.1.2.1.1.2.0")] = (OID, arcs("1.3.6.1.4.1.99999.1"))
    agent.set(UPTIME, TICKS, uptime)
    agent.set("1.3.6.1.2.1.1.4.0", OCTETS, b"noc@example.net")
    agent.set("1.3.6.1.2.1.1.5.0", OCTETS, b"sw1")
    agent.set("1.3.6.1.2.1.1.6.0", OCTETS, b"rack 1")
    agent.set("1.3.6.1.2.1.2.1.0", INT, ports)
    agent.set("1.3.6.1.2.1.31.1.5.0", TICKS, 5)
    for index in range(1, ports + 1):
        agent.values.update(port(index))
    return agent


def port(index: int, name: str | None = None) -> dict[Arcs, Typed]:
    name = name or f"ge{index}"
    table: dict[tuple[str, int], Typed] = {
        (IF, 1): (INT, index),
        (IF, 2): (OCTETS, f"Port {index}".encode()),
        (IF, 3): (INT, 6),
        (IF, 4): (INT, 1500),
        (IF, 5): (GAUGE, 1_000_000_000),
        (IF, 6): (OCTETS, bytes((2, 0, 0, 0, 0, index % 256))),
        (IF, 7): (INT, 1),
        (IF, 8): (INT, 1),
        (IF, 9): (TICKS, 500),
        (IF, 10): (COUNTER32, 1000 * index),
        (IF, 11): (COUNTER32, 10 * index),
        (IF, 13): (COUNTER32, 0),
        (IF, 14): (COUNTER32, 1),
        (IF, 16): (COUNTER32, 2000 * index),
        (IF, 17): (COUNTER32, 20 * index),
        (IF, 19): (COUNTER32, 0),
        (IF, 20): (COUNTER32, 2),
        (IFX, 1): (OCTETS, name.encode()),
        (IFX, 6): (COUNTER64, 1000 * index),
        (IFX, 7): (COUNTER64, 10 * index),
        (IFX, 8): (COUNTER64, 3),
        (IFX, 9): (COUNTER64, 4),
        (IFX, 10): (COUNTER64, 2000 * index),
        (IFX, 11): (COUNTER64, 20 * index),
        (IFX, 12): (COUNTER64, 5),
        (IFX, 13): (COUNTER64, 6),
        (IFX, 15): (GAUGE, 1000),
        (IFX, 18): (OCTETS, f"to desk {index}".encode()),
        (IFX, 19): (TICKS, 0),
    }
    return {(*arcs(entry), column, index): value for (entry, column), value in table.items()}
