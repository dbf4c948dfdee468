"""Rows of IF-MIB: speeds, states, identities, and the choice between two widths. Pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.interfaces import (
    COLUMNS,
    OPER_STATES,
    Row,
    column_of,
    identify,
    object_id,
    reported_speed_bps,
    speed_bps,
    state,
    text,
    unsigned,
)
from collectors.snmp.walk import instance, instance_of
from collectors.snmp.widths import PAIRS as WIDTH_PAIRS
from collectors.snmp.widths import Reading, Width, best, choose


def gauge(number: int) -> VarBind:
    return VarBind(b"", ber.GAUGE32, number)


def octets(raw: bytes) -> VarBind:
    return VarBind(b"", ber.OCTET_STRING, raw)


@pytest.mark.parametrize(
    ("high", "low", "said", "reckoned"),
    [
        (1000, 1_000_000_000, 1_000_000_000, 1_000_000_000),
        (10_000, 4_294_967_295, 10_000_000_000, 10_000_000_000),
        (None, 4_294_967_295, None, None),
        (0, 4_294_967_295, None, None),
        (4_294, 4_294_967_295, None, None),
        (4_295, 4_294_967_295, None, None),
        (4_294_967_295, 4_294_967_295, None, None),
        (4_294_967_295, None, None, None),
        (1_000, 1_000, 1_000_000_000, 1_000_000_000),
        (100, 100, 100_000_000, 100_000_000),
        (10, 10, 10_000_000, 10_000_000),
        (10_000, 10_000, 10_000_000_000, 10_000_000_000),
        (10_000, 1_410_065_408, 10_000_000_000, 10_000_000_000),
        (100_000, 1_215_752_192, 100_000_000_000, 100_000_000_000),
        (10_000_000, 10_000_000, 10_000_000, 10_000_000),
        (2_500_000, 2_500_000, 2_500_000, 2_500_000),
        (0, 100_000_000, 100_000_000, 100_000_000),
        (100_000_000, 0, 100_000_000, 100_000_000),
        (100_000_000, None, 100_000_000, 100_000_000),
        (0, 64_000, 64_000, 64_000),
        (0, 0, 0, None),
        (0, None, 0, None),
        (None, None, None, None),
        (100_000_000, 100_000_000, 100_000_000, 100_000_000),
        (1_000_000_000, None, 1_000_000_000, 1_000_000_000),
        (400_000, 4_294_967_295, 400_000_000_000, 400_000_000_000),
    ],
)
def test_speeds(high: int | None, low: int | None, said: int | None, reckoned: int | None) -> None:
    row = {n: gauge(v) for n, v in (("ifHighSpeed", high), ("ifSpeed", low)) if v is not None}
    assert (reported_speed_bps(row), speed_bps(row)) == (said, reckoned)


@pytest.mark.parametrize(
    ("if_type", "low", "said", "reckoned"),
    [
        (6, 1_000, 1_000_000_000, 1_000_000_000),
        (117, 10, 10_000_000, 10_000_000),
        (6, 1, 1, None),
        (6, 64_000, 64_000, None),
        (6, 0, 0, None),
        (22, 64_000, 64_000, 64_000),
        (22, 1_000, 1_000, 1_000),
    ],
)
def test_an_ethernet_port_is_not_slower_than_ethernet(if_type: int, low: int, said: int, reckoned: int | None) -> None:
    row = {"ifType": VarBind(b"", ber.INTEGER, if_type), "ifSpeed": gauge(low)}
    assert (reported_speed_bps(row), speed_bps(row)) == (said, reckoned)


def test_states_and_numbers_in_other_types() -> None:
    assert state(gauge(7), OPER_STATES) == "lowerLayerDown"
    assert state(octets(b"dormant"), OPER_STATES) == "dormant"
    assert state(octets(b"up(1)"), OPER_STATES) == "up"
    assert state(gauge(99), OPER_STATES) is None
    assert state(None, OPER_STATES) is None
    assert unsigned(VarBind(b"", ber.INTEGER, -1)) == 2**32 - 1
    assert unsigned(VarBind(b"", ber.INTEGER, -(2**40))) is None
    assert unsigned(octets(b"99999999999999999999")) is None
    assert unsigned(VarBind(b"", ber.IP_ADDRESS, b"\x0a\0\0\1")) is None


def test_texts_in_other_types() -> None:
    assert text(gauge(7)) == "7"
    assert text(VarBind(b"", ber.OBJECT_IDENTIFIER, oid.parse("1.3.6"))) == "1.3.6"
    assert object_id(VarBind(b"", ber.OBJECT_IDENTIFIER, b"\x2b\x86")) is None
    assert object_id(VarBind(b"", ber.OBJECT_IDENTIFIER, b"\x2b" + b"\x01" * 60_000)) is None
    assert object_id(octets(b".1.3.6.1")) == "1.3.6.1"
    assert object_id(octets(b"nothing")) is None


@given(st.integers(0, 2**31 - 1))
def test_instances_read_as_they_are_written(index: int) -> None:
    for name in ("ifDescr", "ifHCInOctets"):
        written = instance(COLUMNS[name].prefix, index)
        assert written == oid.parse(f"{oid.text(COLUMNS[name].prefix)}.{index}")
        assert instance_of(written, COLUMNS[name].prefix) == index
        assert column_of(written) is COLUMNS[name]


@given(st.binary(max_size=12))
def test_no_octets_break_an_instance(rest: bytes) -> None:
    index = instance_of(COLUMNS["ifDescr"].prefix + rest, COLUMNS["ifDescr"].prefix)
    assert index is None or 0 <= index < 2**31


NAMES = st.sampled_from([b"", b"eth", b"eth #2", b"lan", b"\xff", b"eth [02:00:00:00:00:01]"])
MACS = st.sampled_from([b"", bytes(6), b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2"])


@given(st.dictionaries(st.integers(1, 40), st.tuples(NAMES, NAMES, MACS), max_size=12))
def test_every_port_has_a_key_of_its_own(ports: dict[int, tuple[bytes, bytes, bytes]]) -> None:
    rows: dict[int, Row] = {
        index: {"ifName": octets(name), "ifDescr": octets(descr), "ifPhysAddress": octets(mac)}
        for index, (name, descr, mac) in ports.items()
    }
    found = identify(rows)
    assert set(found) == set(rows)
    assert len({identity.key for identity in found.values()}) == len(rows)
    assert all(identity.key for identity in found.values())


def test_identity_by_name_else_descr_else_index() -> None:
    rows: dict[int, Row] = {
        1: {"ifName": octets(b"ge1"), "ifDescr": octets(b"Port")},
        2: {"ifDescr": octets(b"Port")},
        3: {"ifName": octets(b"\0\0")},
        4: {"ifDescr": octets(b"VLAN")},
        5: {"ifDescr": octets(b"VLAN"), "ifPhysAddress": octets(b"\x02\0\0\0\0\5")},
    }
    found = identify(rows)
    assert [found[i].key for i in sorted(found)] == ["ge1", "Port", "if3", "VLAN #4", "VLAN [02:00:00:00:00:05]"]


@pytest.mark.parametrize(
    ("now", "before", "kept", "width"),
    [
        (Reading(None, None), None, None, Width.NEITHER),
        (Reading(None, 5), None, None, Width.SHORT),
        (Reading(5, None), None, None, Width.LONG),
        (Reading(5, 5), None, None, Width.LONG),
        (Reading(2**32 + 5, 5), None, None, Width.LONG),
        (Reading(0, 5), None, None, Width.SHORT),
        (Reading(0, 5), Reading(0, 5), Width.LONG, Width.SHORT),
        (Reading(0, 0), None, None, Width.BOTH),
        (Reading(0, 0), Reading(0, 0), Width.BOTH, Width.BOTH),
        (Reading(0, 7), Reading(0, 0), Width.BOTH, Width.SHORT),
        (Reading(7, 7), Reading(0, 0), Width.BOTH, Width.LONG),
        (Reading(4, 3_000_000_000), None, None, Width.BOTH),
        (Reading(4, 3_000_000_900), Reading(4, 3_000_000_000), Width.BOTH, Width.SHORT),
        (Reading(9, 3_000_000_000), Reading(4, 3_000_000_000), Width.BOTH, Width.LONG),
        (Reading(9, 9), Reading(9, 9), Width.LONG, Width.LONG),
        (Reading(9, 12), Reading(9, 9), Width.LONG, Width.SHORT),
        (Reading(12, 12), Reading(9, 9), Width.SHORT, Width.LONG),
    ],
)
def test_widths_by_evidence(now: Reading, before: Reading | None, kept: Width | None, width: Width) -> None:
    assert choose(now, before, kept) is width


def test_the_better_of_one_reading() -> None:
    pair = WIDTH_PAIRS["in_octets"]
    counter = VarBind(b"", ber.COUNTER32, 77)
    stuck = VarBind(b"", ber.COUNTER64, 0)
    assert best({"ifHCInOctets": stuck, "ifInOctets": counter}, pair) == 77
    assert best({"ifHCInOctets": stuck}, pair) == 0
    assert best({"ifInOctets": counter}, pair) == 77
    assert best({}, pair) is None
