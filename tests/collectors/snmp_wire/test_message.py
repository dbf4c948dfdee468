from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import api

from collectors.snmp import ber, message, oid
from collectors.snmp.ber import MISSING, VarBind
from collectors.snmp.errors import DecodeError
from collectors.snmp.message import Pdu
from tests.collectors.snmp_wire.strategies import IDENTIFIERS, IDS, VARBINDS

SYS_UPTIME = oid.parse("1.3.6.1.2.1.1.3.0")
DESCRIPTION = oid.parse("1.3.6.1.2.1.1.1.0")
COUNTERS = tuple(oid.parse(f"1.3.6.1.2.1.31.1.1.1.{column}.{index}") for index in (1, 2, 300) for column in (6, 10))


def read(data: bytes) -> tuple[int, bytes, Pdu]:
    version, at, stop = message.read_version(data)
    return (version, *message.read_community(data, at, stop))


def answer(varbinds: list[VarBind] | tuple[VarBind, ...], status: int = 0, index: int = 0) -> Pdu:
    return read(
        message.encode_community("2c", b"x", message.encode_pdu(message.RESPONSE, 0x01020304, status, index, varbinds))
    )[2]


def counters(start: int = 10) -> list[VarBind]:
    return [VarBind(name, ber.COUNTER64, start + number) for number, name in enumerate(COUNTERS)]


@given(st.sampled_from(("1", "2c")), st.binary(max_size=40), IDS, st.lists(VARBINDS, max_size=8), st.integers(0, 18))
def test_messages_come_back_as_they_went(
    version: str, community: bytes, number: int, varbinds: list[VarBind], status: int
) -> None:
    data = message.encode_community(
        version, community, message.encode_pdu(message.RESPONSE, number, status, 3, varbinds)
    )
    found_version, found_community, pdu = read(data)
    assert (found_version, found_community) == (message.VERSIONS[version], community)
    assert (pdu.kind, pdu.request_id, pdu.error_status, pdu.error_index) == (message.RESPONSE, number, status, 3)
    oids, tags, values = pdu.read()
    assert [VarBind(*each) for each in zip(oids, tags, values, strict=True)] == varbinds


@given(IDS, st.lists(IDENTIFIERS.filter(bool), max_size=70), st.binary(max_size=200))
def test_prepared_requests_are_the_same_octets_as_any_other(number: int, oids: list[bytes], community: bytes) -> None:
    plain = message.encode_pdu(message.GET, number, 0, 0, [VarBind(name, ber.NULL, None) for name in oids])
    request = message.prepare("2c", oids)
    assert request.pdu(number) == plain
    for version in ("1", "2c", "1"):
        assert request.message(version, community, number) == message.encode_community(version, community, plain)
    engine, name = b"\x80\x00\x00\x00\x01", b"context"
    assert request.scoped(engine, name, number) == message.scoped_pdu(engine, name, plain)
    assert request.message("2c", community, number) == message.encode_community("2c", community, plain)


def test_a_version_nobody_has_is_refused() -> None:
    with pytest.raises(ValueError, match="2u"):
        message.prepare("2u", [SYS_UPTIME])


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("kind", [message.GET, message.GET_NEXT, message.GET_BULK])
@settings(max_examples=30)
@given(number=IDS, oids=st.lists(IDENTIFIERS.filter(bool), min_size=1, max_size=5))
def test_pysnmp_reads_our_requests(version: str, kind: int, number: int, oids: list[bytes]) -> None:
    if (version, kind) == ("1", message.GET_BULK):
        return
    theirs = api.PROTOCOL_MODULES[api.SNMP_VERSION_1 if version == "1" else api.SNMP_VERSION_2C]
    data = message.Request(kind, oids, *((2, 30) if kind == message.GET_BULK else (0, 0))).message(
        version, b"secret", number
    )
    read_back, rest = decoder.decode(data, asn1Spec=theirs.Message())
    assert not rest
    assert bytes(theirs.apiMessage.get_community(read_back)) == b"secret"
    pdu = theirs.apiMessage.get_pdu(read_back)
    if kind == message.GET_BULK:
        assert int(theirs.apiBulkPDU.get_non_repeaters(pdu)) == 2
        assert int(theirs.apiBulkPDU.get_max_repetitions(pdu)) == 30
        names = [name for name, _ in theirs.apiBulkPDU.get_varbinds(pdu)]
    else:
        assert int(theirs.apiPDU.get_request_id(pdu)) == number
        names = [name for name, _ in theirs.apiPDU.get_varbinds(pdu)]
    assert [tuple(name) for name in names] == [oid.arcs(each) for each in oids]


def pysnmp_value(theirs: Any, varbind: VarBind) -> Any:
    exceptions = {
        ber.NO_SUCH_OBJECT: "NoSuchObject",
        ber.NO_SUCH_INSTANCE: "NoSuchInstance",
        ber.END_OF_MIB_VIEW: "EndOfMibView",
        ber.NULL: "Null",
    }
    if varbind.tag in exceptions:
        kind = getattr(theirs, exceptions[varbind.tag])
        return kind("") if varbind.tag == ber.NULL else kind()
    names = {
        ber.INTEGER: "Integer32", ber.OCTET_STRING: "OctetString", ber.IP_ADDRESS: "IpAddress", ber.OPAQUE: "Opaque",
        ber.COUNTER32: "Counter32", ber.GAUGE32: "Gauge32", ber.TIME_TICKS: "TimeTicks", ber.COUNTER64: "Counter64",
    }  # fmt: skip
    if varbind.tag == ber.OBJECT_IDENTIFIER:
        assert isinstance(varbind.value, bytes)
        return theirs.ObjectIdentifier(oid.arcs(varbind.value))
    return getattr(theirs, names[varbind.tag])(varbind.value)


@given(
    st.lists(VARBINDS.filter(lambda v: v.oid and not (v.tag == ber.OBJECT_IDENTIFIER and not v.value)), max_size=6), IDS
)
def test_we_read_what_pysnmp_writes(varbinds: list[VarBind], number: int) -> None:
    theirs = api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]
    pdu = theirs.ResponsePDU()
    theirs.apiPDU.set_defaults(pdu)
    theirs.apiPDU.set_request_id(pdu, number)
    theirs.apiPDU.set_varbinds(pdu, [(oid.arcs(each.oid), pysnmp_value(theirs, each)) for each in varbinds])
    whole = theirs.Message()
    theirs.apiMessage.set_defaults(whole)
    theirs.apiMessage.set_community(whole, b"public")
    theirs.apiMessage.set_pdu(whole, pdu)
    data = encoder.encode(whole)
    _, community, ours = read(data)
    assert (community, ours.request_id) == (b"public", number)
    oids, tags, values = ours.read()
    assert [VarBind(*each) for each in zip(oids, tags, values, strict=True)] == varbinds


@given(st.lists(VARBINDS, max_size=12))
def test_the_fast_reading_and_the_general_one_agree(varbinds: list[VarBind]) -> None:
    request = message.prepare("2c", [each.oid for each in varbinds])
    pdu = answer(varbinds)
    matched = request.match(pdu.data, pdu.start, pdu.stop)
    short = all(len(each.oid) + len(ber.encode_value(each.tag, each.value)) < 0x7E for each in varbinds)
    assert (matched is not None) == short
    oids, tags, values = pdu.read()
    assert oids == list(request.oids)
    if matched:
        assert matched == (tags, values)


def test_an_answer_in_order_takes_the_fast_way() -> None:
    request = message.prepare("2c", COUNTERS)
    pdu = answer(counters())
    assert request.match(pdu.data, pdu.start, pdu.stop) is not None
    reply = request.reply(pdu, 200, 0.25)
    assert reply.values == [10, 11, 12, 13, 14, 15]
    assert reply.varbinds == tuple(counters())
    assert (reply.octets, reply.seconds, reply.unasked) == (200, 0.25, 0)


def test_another_order_is_put_right() -> None:
    reply = message.prepare("2c", COUNTERS).reply(answer(counters()[::-1]), 1, 0)
    assert reply.values == [10, 11, 12, 13, 14, 15]
    assert list(reply.oids) == list(COUNTERS)
    assert reply.unasked == 0


def test_fewer_varbinds_leave_missing_ones() -> None:
    reply = message.prepare("2c", COUNTERS).reply(answer([counters()[0], *counters()[2:]]), 1, 0)
    assert reply.values == [10, None, 12, 13, 14, 15]
    assert reply.tags[1] == MISSING
    assert len(reply.varbinds) == 5


def test_more_varbinds_are_counted_and_left_out() -> None:
    more = [*counters(), VarBind(SYS_UPTIME, ber.TIME_TICKS, 7), counters(90)[0]]
    reply = message.prepare("2c", COUNTERS).reply(answer(more), 1, 0)
    assert reply.values == [10, 11, 12, 13, 14, 15]
    assert reply.unasked == 2


def test_an_instance_asked_twice_is_answered_twice() -> None:
    request = message.prepare("2c", [COUNTERS[0], COUNTERS[0]])
    assert request.reply(answer([counters()[0]]), 1, 0).values == [10, 10]
    assert request.reply(answer([counters()[0]] * 2), 1, 0).values == [10, 10]


def test_an_error_status_shows_what_the_agent_sent() -> None:
    nulls = [VarBind(name, ber.NULL, None) for name in COUNTERS]
    reply = message.prepare("2c", COUNTERS).reply(answer(nulls, message.NO_SUCH_NAME, 2), 1, 0)
    assert (reply.error_status, reply.error_index, reply.varbinds) == (2, 2, tuple(nulls))
    empty = message.prepare("2c", COUNTERS).reply(answer([], message.GEN_ERR, 0), 1, 0)
    assert (empty.error_status, empty.varbinds) == (message.GEN_ERR, ())


def test_long_strings_and_long_form_lengths_go_the_general_way() -> None:
    request = message.prepare("2c", [DESCRIPTION])
    assert request.reply(answer([VarBind(DESCRIPTION, ber.OCTET_STRING, b"x" * 5000)]), 1, 0).values == [b"x" * 5000]
    name = ber.element(ber.OBJECT_IDENTIFIER, DESCRIPTION)
    long_form = bytes((0x30, 0x82, 0, len(name) + 4)) + name + bytes.fromhex("04810141")
    assert request.match(long_form, 0, len(long_form)) is None
    assert message.read_varbinds(long_form, 0, len(long_form)) == ([DESCRIPTION], bytearray([ber.OCTET_STRING]), [b"A"])


@pytest.mark.parametrize("octets", [120, 125, 126, 250, 251, 252, 253, 254, 400])
def test_names_of_any_length_are_read(octets: int) -> None:
    names = [DESCRIPTION, b"\x2b" + b"\x01" * (octets - 1)]
    varbinds = [VarBind(name, ber.GAUGE32, number) for number, name in enumerate(names)]
    request, pdu = message.prepare("2c", names), answer(varbinds)
    assert (request.match(pdu.data, pdu.start, pdu.stop) is not None) == (octets < 123)
    assert request.reply(pdu, 1, 0).varbinds == tuple(varbinds)


@given(st.sampled_from([*ber.UNSIGNED_MAX, ber.INTEGER, ber.OCTET_STRING]), st.binary(max_size=12))
def test_values_of_any_length_are_what_the_general_way_says(tag: int, content: bytes) -> None:
    data = ber.element(ber.SEQUENCE, ber.element(ber.OBJECT_IDENTIFIER, DESCRIPTION) + ber.element(tag, content))
    matched = message.prepare("2c", [DESCRIPTION]).match(data, 0, len(data))
    assert matched is None or matched == (bytearray([tag]), [ber.value(tag, content)])
    assert (matched is not None) == (tag == ber.OCTET_STRING or len(content) <= ber.INTEGER_OCTETS_MAX)


def test_octets_after_the_message_are_let_be() -> None:
    data = message.encode_community("2c", b"x", message.encode_pdu(message.RESPONSE, 1, 0, 0, counters()))
    assert len(read(data + b"\x00" * 12)[2].read()[0]) == 6


@pytest.mark.parametrize("kind", [0xA3, 0xA4, 0xA6, 0xA7, 0x30])
def test_writes_and_traps_are_no_answers(kind: int) -> None:
    data = message.encode_community("2c", b"x", message.encode_pdu(kind, 1, 0, 0, counters()))
    with pytest.raises(DecodeError):
        read(data)


def test_one_value_that_cannot_be_read_costs_one_value() -> None:
    bad = ber.element(
        ber.SEQUENCE, ber.element(ber.OBJECT_IDENTIFIER, COUNTERS[0]) + ber.element(ber.COUNTER64, b"1" * 12)
    )
    good = ber.element(
        ber.SEQUENCE, ber.element(ber.OBJECT_IDENTIFIER, COUNTERS[1]) + ber.encode_integer(5, ber.GAUGE32)
    )
    request = message.prepare("2c", COUNTERS[:2])
    assert request.match(bad + good, 0, len(bad + good)) is None
    pdu = Pdu(message.RESPONSE, 1, 0, 0, bad + good, 0, len(bad + good))
    reply = request.reply(pdu, 1, 0)
    assert (list(reply.tags), reply.values) == ([ber.COUNTER64, ber.GAUGE32], [None, 5])


def test_a_request_does_not_show_its_community() -> None:
    request = message.prepare("2c", COUNTERS)
    request.message("2c", b"top-secret", message.ID_MIN)
    assert "top-secret" not in repr(request)
    assert "6 instances" in repr(request)
