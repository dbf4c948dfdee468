import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import oid
from collectors.snmp.errors import DecodeError
from tests.collectors.snmp_wire.strategies import IDENTIFIERS


@pytest.mark.parametrize(
    ("dotted", "octets"),
    [
        ("1.3.6.1.2.1", "2b06010201"),
        (".1.3.6.1.4.1.2636", "2b060104019" + "44c"),
        ("0.0", "00"),
        ("2.999.3", "883703"),  # X.690 section 8.19.5, the example
        ("1.3.4294967295", "2b8fffffff7f"),
        ("", ""),
    ],
)
def test_identifiers_have_the_octets_of_x690(dotted: str, octets: str) -> None:
    assert oid.parse(dotted).hex() == octets
    assert oid.text(bytes.fromhex(octets)) == dotted.removeprefix(".")


@given(IDENTIFIERS)
def test_text_and_octets_say_the_same(octets: bytes) -> None:
    assert oid.parse(oid.text(octets)) == octets
    assert oid.from_arcs(oid.arcs(octets)) == octets


@given(IDENTIFIERS, IDENTIFIERS)
def test_order_and_prefix_are_those_of_the_arcs(one: bytes, other: bytes) -> None:
    assert oid.after(one, other) == (oid.arcs(one) > oid.arcs(other))
    assert oid.starts_with(one, other) == (oid.arcs(one)[: len(oid.arcs(other))] == oid.arcs(other))


def test_octets_do_not_sort_as_identifiers_do() -> None:
    assert oid.after(oid.parse("1.3.16384"), oid.parse("1.3.16383"))
    assert oid.parse("1.3.16384") < oid.parse("1.3.16383")


@given(st.binary(max_size=64))
def test_any_octets_are_arcs_or_a_decode_error(octets: bytes) -> None:
    try:
        numbers = oid.arcs(octets)
    except DecodeError:
        return
    assert all(0 <= number <= oid.ARC_MAX for number in numbers)


@pytest.mark.parametrize("octets", [b"\x2b\x86", b"\x2b\x90\x80\x80\x80\x00", b"\x2b" + b"\xff" * 60000 + b"\x7f"])
def test_arcs_without_end_or_beyond_32_bits_are_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        oid.arcs(octets)


@pytest.mark.parametrize(
    "dotted", ["1.3.x", "1..3", "1.3.-1", "1.3.4294967296", "3.1", "1.40", "1.3.٣", "1." * 200 + "1"]
)
def test_what_is_no_identifier_is_refused(dotted: str) -> None:
    with pytest.raises(ValueError):
        oid.parse(dotted)
