"""What a number off the wire can be: signs, the ends of types, and the range of each kind."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import ber
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.model import Part, Source, Table, ValueSpec
from collectors.snmp.gear.numbers import meant, possible
from collectors.snmp.gear.reading import facts_of, readings_of, rows_of
from kpi.gear import RANGES, Kind, Reading, Station
from tests.collectors.gear.test_reading import ENTRY, number, said, suffix, value_of, words

WORD = 2**32


@pytest.mark.parametrize(
    ("kind", "raw", "scale", "expected"),
    [
        (Kind.TEMPERATURE, number(WORD - 2, ber.GAUGE32), 1.0, -2.0),
        (Kind.TEMPERATURE, number(WORD - 2), 1.0, -2.0),
        (Kind.TEMPERATURE, words(b"4294967294"), 1.0, -2.0),
        (Kind.TEMPERATURE, number(WORD - 1, ber.GAUGE32), 1.0, -1.0),
        (Kind.TEMPERATURE, number(WORD - 35, ber.COUNTER32), 0.1, -3.5),
        (Kind.TEMPERATURE, number(2**64 - 20, ber.COUNTER64), 0.1, None),  # a float does not hold it
        (Kind.TEMPERATURE, number(WORD - 128, ber.GAUGE32), 1.0, None),
        (Kind.TEMPERATURE, number(-128), 1.0, None),
        (Kind.TEMPERATURE, number(-128), 0.1, -12.8),
        (Kind.TEMPERATURE, number(65535), 0.1, None),
        (Kind.TEMPERATURE, number(-32768), 0.1, None),
        (Kind.TEMPERATURE, number(2**31 - 1), 1e-9, None),
        (Kind.TEMPERATURE, number(2**31, ber.GAUGE32), 1e-9, None),
        (Kind.RSSI, number(WORD - 67, ber.GAUGE32), 1.0, -67.0),
        (Kind.RSSI, number(-128), 1.0, None),
        (Kind.VOLTAGE, number(WORD - 48_000, ber.GAUGE32), 0.001, -48.0),
        (Kind.CURRENT, number(WORD - 5), 0.1, -0.5),
        (Kind.BATTERY_RUNTIME, words(b"65535"), 1 / 60, None),
        (Kind.BATTERY_RUNTIME, number(65535), 1.0, None),
        (Kind.BATTERY_RUNTIME, number(65535, ber.TIME_TICKS), 1 / 6000, None),
        (Kind.BATTERY_RUNTIME, number(6_553_500, ber.TIME_TICKS), 1 / 6000, None),
        (Kind.BATTERY_RUNTIME, number(393_210_000, ber.TIME_TICKS), 1 / 6000, None),
        (Kind.BATTERY_RUNTIME, number(-1), 1.0, None),
        (Kind.BATTERY_RUNTIME, number(WORD - 1, ber.TIME_TICKS), 1 / 6000, None),
        (Kind.BATTERY_RUNTIME, number(84_000, ber.TIME_TICKS), 1 / 6000, 14.0),
        (Kind.BATTERY_RUNTIME, number(1902), 1.0, 1902.0),
        (Kind.CLIENTS, number(-1), 1.0, None),
        (Kind.CLIENTS, number(WORD - 1, ber.COUNTER32), 1.0, None),
        (Kind.CLIENTS, number(7, ber.COUNTER32), 1.0, 7.0),
        (Kind.HUMIDITY, number(-1), 0.1, None),
        (Kind.FAN_SPEED, number(65535), 1.0, None),
        (Kind.LOAD, number(255), 1.0, 255.0),
        (Kind.FREQUENCY, number(2_412_000_000, ber.GAUGE32), 1e-6, 2412.0),
        (Kind.FREQUENCY, number(WORD - 2, ber.GAUGE32), 1e-6, None),
        (Kind.BITRATE, number(3_000_000_000, ber.GAUGE32), 1.0, 3e9),
        (Kind.BITRATE, number(65535), 1000.0, 65_535_000.0),
        (Kind.DOT11_RETRIES, number(65535, ber.COUNTER32), 1.0, 65535.0),
        (Kind.LINE_BADS, number(-2), 1.0, WORD - 2.0),
        (Kind.CHANNEL_UTILIZATION, number(101), 1.0, None),
    ],
)
def test_a_number_is_read_by_what_its_kind_can_be(
    kind: Kind, raw: VarBind, scale: float, expected: float | None
) -> None:
    assert value_of(ValueSpec(kind, Source(column="1"), scale=scale), c1=raw) == (
        None if expected is None else pytest.approx(expected)
    )


STORAGE = ValueSpec(Kind.STORAGE_USED, Source(column="6"), scale=100.0, divide_by=(Source(column="5"),))


@pytest.mark.parametrize(
    ("used", "size", "expected"),
    [
        (1_000, 4_000, 25.0),
        (3_000_000_000 - WORD, 4_000_000_000 - WORD, 75.0),
        (1_000_000_000, 4_000_000_000 - WORD, 25.0),
        (65_535, 262_140, 25.0),
        (2**31 - 1, 2**31 - 1, None),
        (1_000, 2**31 - 1, None),
        (1_000, 0, None),
        (5_000, 4_000, None),
    ],
)
def test_storage_of_more_than_2_31_units(used: int, size: int, expected: float | None) -> None:
    """hrStorageUsed and hrStorageSize are Integer32 (RFC 2790): what is larger looks negative, or ends at the limit."""
    assert value_of(STORAGE, c6=number(used), c5=number(size)) == (expected and pytest.approx(expected))
    shares = dataclasses.replace(STORAGE, divide_by=(), share_with=(Source(column="5"),))
    assert value_of(shares, c6=number(used), c5=number(2**31 - 1)) is None


def test_a_negative_number_of_decimals_without_its_sign() -> None:
    spec = ValueSpec(Kind.POWER, Source(column="1"), decimals_by=Source(column="2"))
    assert value_of(spec, c1=number(12), c2=number(WORD - 2, ber.GAUGE32)) == 1200.0
    assert value_of(spec, c1=number(12), c2=number(-2)) == 1200.0


@pytest.mark.parametrize(("raw", "limit"), [(WORD - 10, -10.0), (65535, None), (2**31 - 1, None), (70, 70.0)])
def test_a_limit_is_read_as_a_value(raw: int, limit: float | None) -> None:
    table = Table("t", ENTRY, values=(ValueSpec(Kind.TEMPERATURE, Source(column="1"), limit=Source(column="2")),))
    found = said(table, {suffix(1): {"1": number(20), "2": number(raw, ber.GAUGE32)}})
    assert [one.limit for one in found] == [limit]


def test_a_number_that_is_dropped_is_dropped_with_and_without_its_sign() -> None:
    spec = ValueSpec(Kind.TEMPERATURE, Source(column="1"), drop=frozenset({-100.0}))
    assert value_of(spec, c1=number(-100)) is value_of(spec, c1=number(WORD - 100, ber.GAUGE32)) is None


def test_the_signal_of_a_station_is_read_alike() -> None:
    fields = {"mac": (Source(index=1),), "rssi_dbm": (Source(column="1"),), "snr_db": (Source(column="2"),)}
    table = Table("t", ENTRY, index=(Part.MAC,), sort="stations", fields=fields)
    row = {"1": number(WORD - 70, ber.GAUGE32), "2": number(65535)}
    rows = rows_of(table, {suffix(2, 0, 0, 0, 0, 1): row}, {}, {})
    assert facts_of(table, rows) == [Station("02:00:00:00:00:01", -70.0, None)]


NUMBERS = st.one_of(
    st.integers(-(2**64), 2**64),
    st.sampled_from([0, -1, 65535, 32767, -32768, 2**31 - 1, 2**31, -(2**31), WORD - 2, WORD - 1, WORD - 128]),
)


@given(st.sampled_from(Kind), NUMBERS, st.floats(-1e6, 1e6), st.booleans())
def test_no_reading_is_beyond_what_its_kind_can_be(kind: Kind, raw: int, scale: float, absolute: bool) -> None:
    spec = ValueSpec(kind, Source(column="1"), scale=scale, absolute=absolute)
    table = Table("t", ENTRY, values=(spec,))
    rows = rows_of(table, {suffix(1): {"1": words(str(raw).encode())}}, {}, {})
    found: list[Reading] = readings_of(table, rows, witnessed=False, whole=True)
    least, most = RANGES[kind]
    assert all(least <= one.value <= most for one in found)
    assert meant(kind, float(raw)) is None or isinstance(meant(kind, float(raw)), float)


def test_every_kind_has_a_range_and_zero_lies_in_it() -> None:
    assert RANGES.keys() == set(Kind)
    assert all(least < most and possible(kind, 0.0) for kind, (least, most) in RANGES.items())
