import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import rfc1902

from collectors.snmp import ber, oid
from collectors.snmp.errors import DecodeError
from tests.collectors.snmp_wire.strategies import VALUES

ORACLE = {
    ber.INTEGER: rfc1902.Integer32,
    ber.COUNTER32: rfc1902.Counter32,
    ber.GAUGE32: rfc1902.Gauge32,
    ber.TIME_TICKS: rfc1902.TimeTicks,
    ber.COUNTER64: rfc1902.Counter64,
    ber.OCTET_STRING: rfc1902.OctetString,
    ber.OPAQUE: rfc1902.Opaque,
    ber.IP_ADDRESS: rfc1902.IpAddress,
}


@given(VALUES)
def test_values_come_back_as_they_went(typed: tuple[int, ber.Value]) -> None:
    tag, value = typed
    octets = ber.encode_value(tag, value)
    found, start, stop = ber.header(octets, 0, len(octets))
    assert (found, stop) == (tag, len(octets))
    assert ber.value(tag, octets[start:stop]) == value


@given(VALUES.filter(lambda typed: typed[0] in ORACLE))
def test_pyasn1_writes_the_same_octets_and_reads_ours(typed: tuple[int, ber.Value]) -> None:
    tag, value = typed
    theirs = ORACLE[tag](value)
    ours = ber.encode_value(tag, value)
    if not isinstance(value, int) or value >= 0:  # pyasn1 writes -128 in two octets
        assert encoder.encode(theirs) == ours
    read, rest = decoder.decode(ours, asn1Spec=ORACLE[tag]())
    assert (bytes(read) if isinstance(value, bytes) else int(read)) == value
    assert not rest


@pytest.mark.parametrize(
    ("tag", "content", "value"),
    [
        (ber.INTEGER, "", 0),
        (ber.INTEGER, "00000005", 5),  # not minimal
        (ber.INTEGER, "ffffffff", -1),
        (ber.INTEGER, "7fffffffffffffff", 2**63 - 1),  # eight octets
        (ber.INTEGER, "00ffffffffffffffff", 2**64 - 1),
        (ber.INTEGER, "01" * 10, None),
        (ber.COUNTER32, "00ffffffff", 2**32 - 1),  # five octets, as it should be
        (ber.COUNTER32, "ffffffff", 2**32 - 1),  # its leading zero left out, or -1: the same modulo 2^32
        (ber.COUNTER32, "fffffffffe", 2**32 - 2),  # a negative number in five octets
        (ber.COUNTER32, "c8", 200),  # its leading zero left out
        (ber.COUNTER32, "0000000000000007", 7),
        (ber.COUNTER32, "0100000001", 1),  # more than 32 bits: modulo, as a counter counts
        (ber.COUNTER32, "", 0),
        (ber.COUNTER32, "01" * 10, None),
        (ber.COUNTER64, "00ffffffffffffffff", 2**64 - 1),
        (ber.COUNTER64, "ffffffffffffffff", 2**64 - 1),
        (ber.IP_ADDRESS, "0a000001", bytes((10, 0, 0, 1))),
        (ber.NULL, "", None),
        (ber.NO_SUCH_OBJECT, "00", None),
        (ber.OBJECT_IDENTIFIER, "", b""),
        (0x9F, "aa", b"\xaa"),  # a type nobody knows keeps its octets
    ],
)
def test_values_are_read_leniently(tag: int, content: str, value: ber.Value) -> None:
    assert ber.value(tag, bytes.fromhex(content)) == value


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        ("0201ff", (2, 2, 3)),
        ("028101ff", (2, 3, 4)),  # long form where the short one would do
        ("02820001ff", (2, 4, 5)),
        ("0288" + "00" * 7 + "01ff", (2, 10, 11)),
    ],
)
def test_lengths_in_long_form_are_read(octets: str, found: tuple[int, int, int]) -> None:
    data = bytes.fromhex(octets)
    assert ber.header(data, 0, len(data)) == found


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "02",
        "0201",
        "0281",
        "028101",
        "02847fffffff00",
        "0280000000",
        "02ff00",
        "0289" + "00" * 8 + "0100",
        "1f0100",
        "bf010100",
    ],
)
def test_structure_that_does_not_hold_is_refused(octets: str) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(DecodeError):
        ber.header(data, 0, len(data))


def test_an_element_may_not_pass_its_container() -> None:
    data = bytes.fromhex("30030204010203")
    start, stop = ber.enter(data, 0, len(data), ber.SEQUENCE)
    with pytest.raises(DecodeError):
        ber.integer(data, start, stop)


def test_another_tag_than_wanted_is_refused() -> None:
    with pytest.raises(DecodeError, match="0x04 where 0x02"):
        ber.integer(bytes.fromhex("040101"), 0, 3)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_are_written_in_the_fewest_octets(number: int) -> None:
    octets = ber.encode_integer(number)
    content = octets[2:]
    assert ber.integer(octets, 0, len(octets)) == (number, len(octets))
    assert len(content) == 1 or not (
        (content[0] == 0 and content[1] < 0x80) or (content[0] == 0xFF and content[1] >= 0x80)
    )


@given(st.integers(0, 70000))
def test_lengths_are_written_in_the_fewest_octets(length: int) -> None:
    octets = ber.element(ber.OCTET_STRING, bytes(length))
    assert octets == encoder.encode(rfc1902.univ.OctetString(bytes(length)))
    assert ber.header(octets, 0, len(octets))[2] == len(octets)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (ber.COUNTER32, -1),
        (ber.COUNTER32, 2**32),
        (ber.COUNTER64, 2**64),
        (ber.OCTET_STRING, 5),
        (ber.INTEGER, b"5"),
        (ber.NULL, b""),
        (ber.INTEGER, None),
    ],
)
def test_values_that_a_type_does_not_have_are_not_written(tag: int, value: ber.Value) -> None:
    with pytest.raises(ValueError):
        ber.encode_value(tag, value)


def test_an_identifier_is_no_different_as_a_value() -> None:
    name = oid.parse("1.3.6.1.4.1.8072")
    assert decoder.decode(ber.encode_value(ber.OBJECT_IDENTIFIER, name))[0] == (1, 3, 6, 1, 4, 1, 8072)
