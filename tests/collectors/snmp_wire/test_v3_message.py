"""The SNMPv3 message: written and read, by us and by pysnmp, and what a changed bit does to a signed one."""

import functools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto.mpmod.rfc3412 import SNMPv3Message
from pysnmp.proto.secmod.rfc3414.service import UsmSecurityParameters

from collectors.snmp import ber, message, oid, v3
from collectors.snmp.ber import VarBind
from collectors.snmp.credentials import AuthProtocol, PrivProtocol, UsmUser
from collectors.snmp.errors import DecodeError, DecryptionError
from collectors.snmp.message import Pdu
from collectors.snmp.session import Dropped, Hint, Resend, Session
from tests.collectors.snmp_wire.scripted import V3Agent
from tests.collectors.snmp_wire.strategies import IDS, VARBINDS
from tests.collectors.snmp_wire.test_fuzz import known_peer
from tests.doubles import ManualClock

INT31 = st.integers(0, v3.INT31_MAX)
ENGINES = st.binary(min_size=5, max_size=32)
NUMBER = 0x41424344
USERS = [
    UsmUser("u", AuthProtocol.MD5, "authpassword"),
    UsmUser("u", AuthProtocol.SHA512, "authpassword", PrivProtocol.AES256C, "privpassword"),
    UsmUser("u", AuthProtocol.SHA1, "authpassword", PrivProtocol.DES, "privpassword"),
]


def header_of(data: bytes) -> v3.Header:
    version, at, stop = message.read_version(data)
    assert version == 3
    return v3.read_header(data, at, stop)


@given(st.data())
def test_messages_come_back_as_they_went_and_pysnmp_reads_them(data_: st.DataObject) -> None:
    number, flags = data_.draw(IDS), data_.draw(st.sampled_from((0, 1, 3, 4, 5, 7)))
    engine, boots, engine_time = data_.draw(ENGINES), data_.draw(INT31), data_.draw(INT31)
    name, octets = data_.draw(st.binary(max_size=32)), data_.draw(st.binary(max_size=300))
    security = v3.security_head(engine, boots, engine_time, name)
    body = ber.element(ber.OCTET_STRING, octets)
    data, at = v3.encode(number, flags, security=security, auth_octets=24, salt=b"saltsalt", body=body)
    assert data[at : at + 24] == bytes(24)
    header = header_of(data)
    assert (header.msg_id, header.flags, header.engine_id) == (number, flags, engine)
    assert (header.boots, header.engine_time, header.user, header.salt) == (boots, engine_time, name, b"saltsalt")
    assert (header.auth_at, header.auth, data[header.body_at : header.stop]) == (at, bytes(24), body)

    theirs, rest = decoder.decode(data, asn1Spec=SNMPv3Message())
    assert not rest
    assert int(theirs["msgGlobalData"]["msgID"]) == number
    assert int(theirs["msgGlobalData"]["msgMaxSize"]) == v3.MAX_SIZE
    assert bytes(theirs["msgGlobalData"]["msgFlags"]) == bytes((flags,))
    assert int(theirs["msgGlobalData"]["msgSecurityModel"]) == 3
    assert bytes(theirs["msgData"]["encryptedPDU"]) == octets
    parameters, rest = decoder.decode(bytes(theirs["msgSecurityParameters"]), asn1Spec=UsmSecurityParameters())
    assert not rest
    assert bytes(parameters["msgAuthoritativeEngineId"]) == engine
    assert int(parameters["msgAuthoritativeEngineBoots"]) == boots
    assert bytes(parameters["msgUserName"]) == name
    assert header_of(encoder.encode(theirs)) == header


@given(IDS, ENGINES, st.binary(max_size=40), st.lists(VARBINDS, max_size=5))
def test_scoped_pdus_come_back_as_they_went(
    number: int, engine: bytes, context: bytes, varbinds: list[VarBind]
) -> None:
    pdu = message.encode_pdu(message.RESPONSE, number, 0, 0, varbinds)
    data = message.scoped_pdu(engine, context, pdu) + b"\x00" * 7  # what DES pads with
    found_engine, found_context, found = v3.read_scoped(data, 0, len(data))
    assert (found_engine, found_context, found.request_id) == (engine, context, number)
    oids, tags, values = found.read()
    assert [VarBind(*each) for each in zip(oids, tags, values, strict=True)] == varbinds


@pytest.mark.parametrize(("engine", "boots", "engine_time"), [(b"e", 2**31, 1), (b"e", 1, -1), (bytes(33), 1, 1)])
def test_headers_out_of_range_are_refused(engine: bytes, boots: int, engine_time: int) -> None:
    security = v3.security_head(engine, boots, engine_time, b"u")
    data, _ = v3.encode(NUMBER, 0, security=security, auth_octets=0, salt=b"", body=b"\x30\x00")
    with pytest.raises(DecodeError):
        header_of(data)


def test_another_security_model_is_refused() -> None:
    data, _ = v3.encode(
        NUMBER, 0, security=v3.security_head(b"e", 1, 1, b"u"), auth_octets=0, salt=b"", body=b"\x30\x00"
    )
    changed = data.replace(b"\x04\x01\x00\x02\x01\x03", b"\x04\x01\x00\x02\x01\x04")
    assert changed != data
    with pytest.raises(DecodeError, match="security model 4"):
        header_of(changed)


@functools.cache
def signed_answer(user: UsmUser) -> tuple[Session, bytes]:
    clock = ManualClock()
    peer = known_peer(user)
    agent = V3Agent(clock, user, peer.engine.engine_id)
    agent.boots, agent.booted_at = 3, clock.monotonic() - 1000
    session = Session(clock, {})
    (answer,) = agent(session.seal(peer, user, message.prepare("3", [oid.parse("1.3.6.1.2.1.1.3.0")]), NUMBER))
    return session, answer


@pytest.mark.parametrize("user", USERS, ids=lambda user: f"{user.auth}-{user.priv}")
@settings(max_examples=300)
@given(bit=st.integers(0, 2**16))
def test_a_signed_message_with_any_bit_changed_is_never_taken(user: UsmUser, bit: int) -> None:
    session, answer = signed_answer(user)
    peer = known_peer(user)
    assert isinstance(session.open(peer, user, header_of(answer), answer), Pdu)
    changed = bytearray(answer)
    changed[bit // 8 % len(answer)] ^= 1 << bit % 8
    data = bytes(changed)
    try:
        opened: object = session.open(peer, user, header_of(data), data)
    except (DecodeError, Dropped, DecryptionError, AssertionError):
        return
    assert isinstance(opened, Resend | Hint)  # a changed flag makes it look like a report, and that shifts nothing
    assert (peer.engine.boots, peer.engine.authentic) == (3, True)


def test_every_message_is_encrypted_with_a_salt_of_its_own() -> None:
    user = USERS[1]
    peer = known_peer(user)
    session = Session(ManualClock(), {})
    request = message.prepare("3", [oid.parse("1.3.6.1.2.1.1.3.0")])
    sealed = [session.seal(peer, user, request, NUMBER) for _ in range(50)]
    assert len({header_of(data).salt for data in sealed}) == 50
    assert len({data[header_of(data).body_at :] for data in sealed}) == 50
    assert not any(b"privpassword" in data or b"authpassword" in data for data in sealed)
    random.Random(1).shuffle(sealed)
    agent = V3Agent(ManualClock(), user, peer.engine.engine_id)
    agent.boots, agent.booted_at = 3, 0.0
    assert all(len(list(agent(data))) == 1 for data in sealed)
