"""From rows to readings and facts: scales, conditions, groups, indexes."""

import dataclasses

import pytest

from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.model import Condition, Form, Part, Reduce, Source, Table, ValueSpec
from collectors.snmp.gear.reading import facts_of, readings_of, rows_of
from collectors.snmp.gear.values import formed, parts_of
from kpi.gear import BgpPeer, Kind, Neighbor, Reading

ENTRY = "1.3.6.1.4.1.99999.1"


def suffix(*arcs: int) -> bytes:
    return oid.from_arcs((1, 3, *arcs))[1:]


def number(value: int, tag: int = ber.INTEGER) -> VarBind:
    return VarBind(b"", tag, value)


def words(value: bytes) -> VarBind:
    return VarBind(b"", ber.OCTET_STRING, value)


def said(table: Table, rows: dict[bytes, dict[str, VarBind]], *, whole: bool = True) -> list[Reading]:
    return readings_of(table, rows_of(table, rows, {}, {}), witnessed=False, whole=whole)


def value_of(spec: ValueSpec, **columns: VarBind) -> float | None:
    row = {name.removeprefix("c"): bind for name, bind in columns.items()}
    found = said(Table("t", ENTRY, values=(spec,)), {suffix(1): row})
    return found[0].value if found else None


SPEC = ValueSpec(Kind.TEMPERATURE, Source(column="1"))


@pytest.mark.parametrize(
    ("spec", "columns", "expected"),
    [
        (SPEC, {"c1": number(215)}, 215.0),
        (dataclasses.replace(SPEC, scale=0.1, offset=-1.0), {"c1": number(215)}, 20.5),
        (dataclasses.replace(SPEC, negate=True), {"c1": number(95)}, -95.0),
        (dataclasses.replace(SPEC, absolute=True), {"c1": number(-3)}, 3.0),
        (dataclasses.replace(SPEC, mask=0xFF), {"c1": number(388)}, 132.0),
        (dataclasses.replace(SPEC, drop=frozenset({65535.0})), {"c1": number(65535)}, None),
        (dataclasses.replace(SPEC, least=0.0), {"c1": number(-1)}, None),
        (dataclasses.replace(SPEC, most=100.0), {"c1": number(101)}, None),
        (dataclasses.replace(SPEC, decimals_by=Source(column="2")), {"c1": number(215), "c2": number(1)}, 21.5),
        (dataclasses.replace(SPEC, decimals_by=Source(column="2")), {"c1": number(215)}, 215.0),
        (
            dataclasses.replace(SPEC, scale=100.0, divide_by=(Source(column="2"),)),
            {"c1": number(50), "c2": number(200)},
            25.0,
        ),
        (dataclasses.replace(SPEC, divide_by=(Source(column="2"),)), {"c1": number(50), "c2": number(0)}, None),
        (dataclasses.replace(SPEC, divide_by=(Source(column="2"),)), {"c1": number(50)}, None),
        (
            dataclasses.replace(SPEC, scale=100.0, share_with=(Source(column="2"),)),
            {"c1": number(50), "c2": number(150)},
            25.0,
        ),
        (dataclasses.replace(SPEC, share_with=(Source(column="2"),)), {"c1": number(0), "c2": number(0)}, None),
        (
            dataclasses.replace(
                SPEC,
                plus=(Source(column="2"), Source(column="3")),
                divide_by=(Source(column="4"),),
                scale=-100.0,
                offset=100.0,
            ),
            {"c1": number(20), "c2": number(30), "c4": number(200)},
            75.0,
        ),
        (dataclasses.replace(SPEC, share_with=(Source(column="2"),)), {"c1": number(50)}, None),
        (
            dataclasses.replace(SPEC, scale_by=(Source(column="2", map={"8": "0.001"}),)),
            {"c1": number(21_500), "c2": number(8)},
            21.5,
        ),
        (
            dataclasses.replace(SPEC, scale_by=(Source(column="2", map={"8": "0.001"}),)),
            {"c1": number(21_500), "c2": number(9)},
            None,
        ),
        (SPEC, {"c1": words(b"36.5 C")}, 36.5),
        (SPEC, {"c1": words(b"n/a")}, None),
        (SPEC, {"c1": VarBind(b"", ber.OPAQUE, b"\x9f\x78\x04\x42\x10\x00\x00")}, 36.0),
        (SPEC, {"c1": VarBind(b"", ber.OPAQUE, b"\x9f\x78\x04\x7f\xc0\x00\x00")}, None),
        (SPEC, {}, None),
        (
            dataclasses.replace(SPEC, where=(Condition(Source(column="2"), within=frozenset({"1"})),)),
            {"c1": number(5), "c2": number(2)},
            None,
        ),
        (
            dataclasses.replace(SPEC, where=(Condition(Source(column="2"), outside=frozenset({"2"})),)),
            {"c1": number(5)},
            5.0,
        ),
    ],
)
def test_a_value_in_the_unit_of_its_kind(spec: ValueSpec, columns: dict[str, VarBind], expected: float | None) -> None:
    assert value_of(spec, **columns) == expected


def test_the_kind_may_stand_in_the_row() -> None:
    kinds = Source(column="2", map={"8": "temperature", "10": "fan_speed"})
    table = Table("t", ENTRY, values=(ValueSpec(None, Source(column="1"), kind_by=kinds),))
    rows = {
        suffix(1): {"1": number(40), "2": number(8)},
        suffix(2): {"1": number(5000), "2": number(10)},
        suffix(3): {"1": number(7), "2": number(12)},
    }
    assert [(one.kind, one.value) for one in said(table, rows)] == [(Kind.TEMPERATURE, 40), (Kind.FAN_SPEED, 5000)]


ROWS = {suffix(1, 1): {"1": number(3)}, suffix(1, 2): {"1": number(5)}, suffix(2, 1): {"1": number(10)}}


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [(Reduce.SUM, 18.0), (Reduce.MEAN, 6.0), (Reduce.MAX, 10.0), (Reduce.MIN, 3.0), (Reduce.COUNT, 3.0)],
)
def test_rows_made_one(reduce: Reduce, expected: float) -> None:
    table = Table("t", ENTRY, values=(ValueSpec(Kind.CLIENTS, Source(column="1"), reduce=reduce),))
    assert [one.value for one in said(table, ROWS)] == [expected]
    assert said(table, ROWS, whole=False) == [], "a sum of some rows is no sum"


def test_rows_made_one_a_group() -> None:
    spec = ValueSpec(Kind.CLIENTS, Source(column="1"), reduce=Reduce.SUM, group_by=Source(index=1))
    assert {one.instance: one.value for one in said(Table("t", ENTRY, values=(spec,)), ROWS)} == {
        "t.1.1": 8.0,
        "t.1.2": 10.0,
    }


@pytest.mark.parametrize(
    ("index", "arcs", "expected"),
    [
        ((), (1, 7), (1, 7)),
        ((Part.INT, Part.MAC), (4, 0, 1, 2, 3, 4, 255), (4, "00:01:02:03:04:ff")),
        ((Part.IPV4, Part.INT), (10, 0, 0, 1, 0), ("10.0.0.1", 0)),
        ((Part.STRING, Part.INT), (3, 97, 98, 99, 2), ("abc", 2)),
        ((Part.IMPLIED,), (97, 98), ("ab",)),
        ((Part.INET,), (1, 4, 10, 0, 0, 1), ("10.0.0.1",)),
        ((Part.INET,), (1, 10, 0, 0, 1), ("10.0.0.1",)),
        ((Part.INET,), (2, 16, 0x20, 1, 0xD, 0xB8, *([0] * 11), 1), ("2001:db8::1",)),
        ((Part.INT, Part.REST), (5, 1, 2, 3), (5, "1.2.3")),
        ((Part.MAC,), (1, 2, 3), None),
        ((Part.MAC,), (0, 1, 2, 3, 4, 256), None),
        ((Part.STRING,), (9, 97), None),
        ((Part.INT,), (1, 2), None),
        ((Part.INET,), (9, 4, 10, 0, 0, 1), None),
    ],
)
def test_the_parts_of_an_index(
    index: tuple[Part, ...], arcs: tuple[int, ...], expected: tuple[int | str, ...] | None
) -> None:
    assert parts_of(suffix(*arcs), index) == expected


@pytest.mark.parametrize(
    ("form", "raw", "expected"),
    [
        (Form.BRIDGE_ID, bytes.fromhex("8000001122334455"), "00:11:22:33:44:55"),
        (Form.BRIDGE_ID, b"32768/18:E8:29:BA:73:BE", "18:e8:29:ba:73:be"),
        (Form.BRIDGE_ID, b"8000001e081042d2", "00:1e:08:10:42:d2"),
        (Form.BRIDGE_ID, b"", None),
        (Form.CHASSIS, bytes.fromhex("001122334455"), "00:11:22:33:44:55"),
        (Form.CHASSIS, b"core-1", "core-1"),
        (Form.CHASSIS, b"e4 f0 04 fb 1f fb", "e4:f0:04:fb:1f:fb"),
        (Form.OCTETS, bytes.fromhex("b8a44f1be21d"), "B8 A4 4F 1B E2 1D"),
        (Form.OCTETS, b"port12", "port12"),
        (Form.IP, bytes((10, 0, 0, 1)), "10.0.0.1"),
        (Form.IP, b"2001:db8::1", "2001:db8::1"),
        (Form.IP, b"no address", None),
        (Form.HEX, b"\x01\xff", "01ff"),
        (None, b"  two  words ", "two words"),
    ],
)
def test_octets_in_a_form(form: Form | None, raw: bytes, expected: str | None) -> None:
    assert formed(words(raw), form) == expected


def test_a_peer_out_of_its_row() -> None:
    table = Table(
        "bgp",
        ENTRY,
        index=(Part.IPV4,),
        sort="bgp_peers",
        fields={
            "remote_address": (Source(index=1),),
            "remote_as": (Source(column="9"),),
            "state": (Source(column="2", map={"6": "established"}),),
            "admin_up": (Source(column="3", map={"1": "false", "2": "true"}),),
        },
    )
    rows = {
        suffix(10, 0, 0, 1): {"9": number(-94_967_296), "2": number(6), "3": number(2)},
        suffix(10, 0, 0, 2): {"9": number(65_000), "2": number(9)},
    }
    assert facts_of(table, rows_of(table, rows, {}, {})) == [
        BgpPeer("10.0.0.1", 4_200_000_000, "established", admin_up=True)
    ], "an AS number of 32 bits read as signed; a state nobody knows is no peer"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"x" * 255, "x" * 255),
        (b"x" * 1024, "x" * 252 + "…"),
        ("ü".encode() * 400, "ü" * 126 + "…"),
        (b"\xf0\x9f\x92\xa1" * 100, "\N{ELECTRIC LIGHT BULB}" * 63 + "…"),
    ],
)
def test_a_text_of_a_fact_has_no_more_octets_than_lldp_gives_it(name: bytes, told: str) -> None:
    table = Table(
        "n",
        ENTRY,
        sort="neighbors",
        fields={
            "protocol": (Source(text="lldp"),),
            "local_port": (Source(column="1"),),
            "remote_name": (Source(column="1"),),
            "remote_end": (Source(join=(Source(column="1"), Source(column="1"))),),
        },
    )
    (found,) = facts_of(table, rows_of(table, {suffix(1): {"1": words(name)}}, {}, {}))
    assert isinstance(found, Neighbor)
    assert (found.local_port, found.remote_name) == (told, told)
    assert len(found.remote_end.encode()) <= 255


def test_two_readings_of_a_table_never_share_kind_and_instance() -> None:
    twice = (SPEC, dataclasses.replace(SPEC, scale=0.1), ValueSpec(Kind.VOLTAGE, Source(column="1")))
    rows = {suffix(1): {"1": number(215)}, suffix(2): {"1": number(300)}}
    found = said(Table("t", ENTRY, values=twice), rows)
    assert [(one.kind, one.instance, one.value) for one in found] == [
        (Kind.TEMPERATURE, "t.1.1", 215.0),
        (Kind.TEMPERATURE, "t.1.2", 300.0),
        (Kind.VOLTAGE, "t.1.1", 215.0),
        (Kind.VOLTAGE, "t.1.2", 300.0),
    ]
