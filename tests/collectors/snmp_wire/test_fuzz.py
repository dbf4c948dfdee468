"""Hostile octets: valid messages taken apart and put together wrongly, by a fixed seed. Only DecodeError may come out."""

import asyncio
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from collectors.snmp import ber, message, oid, v3
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import AuthProtocol, Community, PrivProtocol, UsmUser
from collectors.snmp.errors import AuthFailure, DecodeError
from collectors.snmp.message import Pdu
from collectors.snmp.peer import Peer
from collectors.snmp.pending import Pending
from collectors.snmp.session import Dropped, Session
from tests.doubles import ManualClock

COUNT = 20000
"""Mutants of each seed: some seconds in all."""
ONE_S = 0.25
"""No message of a few hundred octets may take longer; they take 0.05 ms, two noisy cores stall a thread at times."""

NUMBER = 0x41424344
OIDS = tuple(oid.parse(f"1.3.6.1.2.1.31.1.1.1.{column}.4294967295") for column in range(1, 13))
VARBINDS = [
    ber.VarBind(OIDS[0], ber.COUNTER64, 2**64 - 1),
    ber.VarBind(OIDS[1], ber.COUNTER32, 2**31),
    ber.VarBind(OIDS[2], ber.INTEGER, -5),
    ber.VarBind(OIDS[3], ber.OCTET_STRING, b"x" * 200),
    ber.VarBind(OIDS[4], ber.OBJECT_IDENTIFIER, OIDS[5]),
    ber.VarBind(OIDS[5], ber.NO_SUCH_INSTANCE, None),
    ber.VarBind(OIDS[6], ber.IP_ADDRESS, b"\x0a\x00\x00\x01"),
    ber.VarBind(OIDS[7], ber.TIME_TICKS, 0),
]
REQUEST = message.prepare("2c", OIDS[:8])
PDU = message.encode_pdu(message.RESPONSE, NUMBER, 0, 0, VARBINDS)
V2C = message.encode_community("2c", b"public", PDU)
ENGINE_ID = b"\x80\x00\x1f\x88\x80abcdefgh"


def v3_message(user: UsmUser) -> bytes:
    peer = known_peer(user)
    request = message.Request(message.RESPONSE, OIDS[:8])
    request.pdu_tail = PDU[-len(PDU) + PDU.index(NUMBER.to_bytes(4, "big")) + 4 :]
    request.pdu_head = PDU[: PDU.index(NUMBER.to_bytes(4, "big"))]
    return Session(ManualClock(), {}).seal(peer, user, request, NUMBER)


def known_peer(user: UsmUser) -> Peer:
    peer = Peer("127.0.0.1", 161, user)
    peer.engine.engine_id = ENGINE_ID
    peer.engine.boots, peer.engine.engine_time, peer.engine.at, peer.engine.authentic = 3, 1000, 1000.0, True
    return peer


OPEN = UsmUser("u")
SEALED = UsmUser("u", AuthProtocol.SHA256, "authpassword", PrivProtocol.AES128, "privpassword")
V3_OPEN = v3_message(OPEN)
V3_SEALED = v3_message(SEALED)


class Mutator:
    """Changes a message element by element, so that what holds it often still holds."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def mutants(self, data: bytes, count: int) -> Iterator[bytes]:
        for _ in range(count):
            changed = data
            for _ in range(self.random.choice((1, 1, 1, 2, 5))):
                changed = self.random.choice((self.element, self.element, self.element, self.octet, self.cut))(changed)
            yield changed

    def octet(self, data: bytes) -> bytes:
        if not data:
            return b"\x30"
        at = self.random.randrange(len(data))
        return (
            data[:at] + bytes((self.random.choice((0, 0x7F, 0x80, 0xFF, self.random.randrange(256))),)) + data[at + 1 :]
        )

    def cut(self, data: bytes) -> bytes:
        return data[: self.random.randrange(len(data) + 1)]

    def element(self, data: bytes) -> bytes:
        """Parses down a random way and replaces one element; sometimes the lengths above follow, sometimes not."""
        try:
            tag, start, stop = ber.header(data, 0, len(data))
        except DecodeError:
            return self.octet(data)
        content, rest = data[start:stop], data[stop:]
        if tag & 0x20 and content and self.random.random() < 0.85:
            parts = []
            at = 0
            while at < len(content):
                try:
                    _, _, end = ber.header(content, at, len(content))
                except DecodeError:
                    break
                parts.append(content[at:end])
                at = end
            tail = content[at:]
            if parts:
                index = self.random.randrange(len(parts))
                parts[index] = self.element(parts[index])
                return ber.element(tag, b"".join(parts) + tail) + rest
        return self.random.choice(self._changes())(tag, content) + rest

    def _changes(self) -> tuple[Callable[[int, bytes], bytes], ...]:
        pick = self.random
        return (
            lambda tag, content: ber.element(pick.choice((2, 4, 5, 6, 0x30, 0x41, 0x46, 0x80, 0x82, 0xA2, 0xA8, pick.randrange(256))), content),
            lambda tag, content: bytes((tag, min(127, len(content) + pick.choice((-1, 1, 40)) if content else 1))) + content,
            lambda tag, content: bytes((tag, 0x84)) + pick.choice((2**31 - 1, 2**32 - 1, len(content), 0)).to_bytes(4, "big") + content,
            lambda tag, content: bytes((tag, pick.choice((0x80, 0xFF, 0x88, 0x89, 0x81)))) + content,
            lambda tag, content: ber.element(tag, b""),
            lambda tag, content: ber.element(tag, content * pick.choice((2, 30))),
            lambda tag, content: ber.element(tag, pick.randbytes(pick.choice((1, 8, 9, 10, 33, 200)))),
            lambda tag, content: ber.element(tag, ber.element(tag, content)),
            lambda tag, content: ber.element(tag, content) * 2,
            lambda tag, content: b"",
            lambda tag, content: bytes.fromhex("3082ffff") * 40 + ber.element(tag, content),
        )  # fmt: skip


def decode_community(data: bytes) -> None:
    _version, at, stop = message.read_version(data)
    _, pdu = message.read_community(data, at, stop)
    matched = REQUEST.match(pdu.data, pdu.start, pdu.stop)
    oids, tags, values = pdu.read()
    if matched:
        assert matched == (tags, values)
        assert tuple(oids) == REQUEST.oids
    assert len(REQUEST.reply(pdu, len(data), 0).values) == (len(oids) if pdu.error_status else len(REQUEST.oids))
    for name in oids:
        oid.text(name)


def decode_v3_with(user: UsmUser) -> Callable[[bytes], None]:
    session = Session(ManualClock(), {})

    def decode(data: bytes) -> None:
        _version, at, stop = message.read_version(data)
        header = v3.read_header(data, at, stop)
        try:
            opened = session.open(known_peer(user), user, header, data)
        except (Dropped, AuthFailure):
            return
        if isinstance(opened, Pdu):
            opened.read()

    return decode


@pytest.mark.may_block
@pytest.mark.parametrize(
    ("seed", "valid", "decode"),
    [
        (1, V2C, decode_community),
        (2, V3_OPEN, decode_v3_with(OPEN)),
        (3, V3_SEALED, decode_v3_with(SEALED)),
    ],
    ids=["v2c", "v3", "v3-sealed"],
)
def test_a_mangled_message_is_a_decode_error_and_nothing_else(
    seed: int, valid: bytes, decode: Callable[[bytes], None]
) -> None:
    decode(valid)
    refused = slowest = 0.0
    for data in Mutator(seed).mutants(valid, COUNT):
        began = time.thread_time()
        try:
            decode(data)
        except DecodeError:
            refused += 1
        slowest = max(slowest, time.thread_time() - began)
    assert refused > COUNT / 5, "the mutants are too tame"
    assert slowest < ONE_S


@pytest.mark.may_block
def test_an_authentic_message_with_a_mangled_body_is_told_from_a_wrong_privacy_secret() -> None:
    session = Session(ManualClock(), {})
    outcomes = set()
    peer = known_peer(SEALED)
    session.seal(peer, SEALED, REQUEST, NUMBER)
    keys = peer.engine.keys
    assert keys and keys.signer and keys.cipher
    body = REQUEST.scoped(ENGINE_ID, b"", NUMBER).replace(b"\xa0", b"\xa2", 1)
    for plain in (body, *Mutator(4).mutants(body, 1000)):
        octets, salt = keys.cipher.encrypt(plain, 3, 1000)
        data, at = v3.encode(
            NUMBER, 3, security=v3.security_head(ENGINE_ID, 3, 1000, b"u"), auth_octets=24, salt=salt,
            body=ber.element(ber.OCTET_STRING, octets),
        )  # fmt: skip
        data = data[:at] + keys.signer.sign(data) + data[at + 24 :]
        _version, start, stop = message.read_version(data)
        try:
            outcomes.add(type(session.open(peer, SEALED, v3.read_header(data, start, stop), data)).__name__)
        except (AuthFailure, DecodeError) as error:
            outcomes.add(type(error).__name__)
    assert outcomes >= {"Pdu", "DecryptionError"}


HOSTILE = {
    "nested": b"\x30\x84\x00\x00\xff\xf0" * 10000,
    "empty varbinds": message.encode_community(
        "2c", b"", ber.element(message.RESPONSE, bytes.fromhex("020441424344020100020100") + ber.element(0x30, b"\x30\x04\x06\x00\x05\x00" * 10000))
    ),
    "one long arc": message.encode_community(
        "2c", b"", message.encode_pdu(message.RESPONSE, NUMBER, 0, 0, [ber.VarBind(b"\x2b" + b"\xff" * 60000 + b"\x7f", 5, None)])
    ),
    "huge integer": ber.element(0x30, b"\x02\x82\xf0\x00" + b"\x7f" * 0xF000),
    "zeros": bytes(65000),
    "long lengths": b"\x30\xfe" + b"\xff" * 65000,
}  # fmt: skip


@pytest.mark.may_block
@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_large_hostile_messages_cost_what_they_are_long(data: bytes) -> None:
    tracemalloc.start()
    began = time.thread_time()
    try:
        for decode in (decode_community, decode_v3_with(OPEN)):
            try:
                decode(data)
            except DecodeError:
                continue
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.thread_time() - began < 1
    assert peak < 8 << 20


async def test_the_client_takes_any_datagram() -> None:
    async with SnmpClient(ManualClock()) as client:
        for user, valid, seed in ((Community("2c", b"public"), V2C, 11), (OPEN, V3_OPEN, 12), (SEALED, V3_SEALED, 13)):
            for number, data in enumerate(Mutator(seed).mutants(valid, 2000)):
                peer = Peer("127.0.0.1", 161, user) if isinstance(user, Community) else known_peer(user)
                future: asyncio.Future[message.Reply] = asyncio.get_running_loop().create_future()
                pending = Pending(peer, peer.source(), REQUEST, future=future, timeout_s=1, tries=0)
                pending.resends = 1000  # a resend would go out on the wire
                pending.sent[NUMBER] = (0.0, b"")
                client._pending[peer.source()] = {NUMBER: pending}
                client._take(data, peer.source())
                client._finish(pending)
                if future.done():
                    future.exception()
                if number % 100 == 0:
                    await asyncio.sleep(0)
        assert client.counters["answered"] > 100
        assert client.counters["undecodable"] > 1000
        assert client.counters["wrong_digest"] > 100
        assert client.outstanding == 0
