"""Devices whose numbers are read wrongly by other tools, by the shipped profiles: what they mean, or nothing."""

import pytest

from kpi.gear import Kind
from tests.agent.profiles.told import gauge, told

NUT = "1.3.6.1.4.1.8072.1.3.2.4.1.2.7." + ".".join(str(ord(letter)) for letter in "ups-nut")
MIKROTIK = "1.3.6.1.4.1.14988.1"
SENSORS = "1.3.6.1.2.1.99.1.1.1"
STORAGE = "1.3.6.1.2.1.25.2.3.1"


@pytest.mark.parametrize(("said", "minutes"), [("65535", {}), ("-1", {}), ("1800", {"Battery": 30.0})])
async def test_65535_seconds_of_a_nut_are_no_runtime(said: str, minutes: dict[str, float]) -> None:
    lines = ("100", "20", said, "54.2", "48", "230", "231", "7")
    found = await told({f"{NUT}.{at}": line for at, line in enumerate(lines, 1)}, "1.3.6.1.4.1.8072.3.2.10", "Linux a")
    assert found.profile == "linux-ups-nut"
    assert found.values(Kind.BATTERY_RUNTIME) == minutes
    assert found.values(Kind.BATTERY_CHARGE) == {"Battery": 100.0}


@pytest.mark.parametrize(("said", "minutes"), [(65535, {}), (5400, {"Battery": 90.0})])
async def test_65535_seconds_of_an_xups_are_no_runtime(said: int, minutes: dict[str, float]) -> None:
    xups = "1.3.6.1.4.1.534.1"
    values: dict[str, int | str] = {
        f"{xups}.1.2.0": "5PX",
        f"{xups}.2.1.0": said,
        f"{xups}.2.2.0": 54,
        f"{xups}.2.4.0": 100,
    }
    found = await told(values, xups)
    assert found.values(Kind.BATTERY_RUNTIME) == minutes
    assert found.values(Kind.VOLTAGE) == {"Battery": 54.0}


@pytest.mark.parametrize("ticks", [65535, 6_553_500, 393_210_000, 2**32 - 1])
async def test_the_end_of_16_bits_in_ticks_is_no_runtime(ticks: int) -> None:
    apc = "1.3.6.1.4.1.318.1.1.1"
    found = await told({f"{apc}.2.2.3.0": ticks, f"{apc}.2.2.1.0": 100}, "1.3.6.1.4.1.318.1.3.27")
    assert found.values(Kind.BATTERY_RUNTIME) == {}
    found = await told({f"{apc}.2.2.3.0": 84_000, f"{apc}.2.2.1.0": 100}, "1.3.6.1.4.1.318.1.3.27")
    assert list(found.values(Kind.BATTERY_RUNTIME).values()) == [14.0]


async def test_degrees_below_zero_in_a_gauge_and_an_empty_cage() -> None:
    gauges, optics = f"{MIKROTIK}.1.3.100.1", f"{MIKROTIK}.1.19.1.1"
    found = await told(
        {
            f"{gauges}.2.14": "temperature", f"{gauges}.3.14": gauge(4294967294), f"{gauges}.4.14": 1,
            f"{gauges}.2.15": "cpu-temperature", f"{gauges}.3.15": gauge(37), f"{gauges}.4.15": 1,
            f"{optics}.2.5": "sfp1", f"{optics}.6.5": gauge(4294967168), f"{optics}.7.5": gauge(0),
            f"{optics}.8.5": gauge(0),
            f"{optics}.2.6": "sfp2", f"{optics}.6.6": gauge(41), f"{optics}.7.6": gauge(3290),
            f"{optics}.8.6": gauge(12),
        },
        MIKROTIK,
        "RouterOS",
    )  # fmt: skip
    assert found.values(Kind.TEMPERATURE) == {"temperature": -2.0, "cpu-temperature": 37.0, "sfp2": 41.0}
    assert found.values(Kind.VOLTAGE) == {"sfp2": 3.29}
    assert found.values(Kind.CURRENT) == {"sfp2": 0.012}


@pytest.mark.parametrize(("status", "values"), [(1, {"Fan 1": 0.0}), (2, {}), (3, {})])
async def test_a_sensor_that_is_marked_unavailable_is_null_and_not_0(status: int, values: dict[str, float]) -> None:
    columns = {1: 10, 2: 9, 3: 0, 4: 0, 5: status}
    found = await told(
        {f"{SENSORS}.{column}.9": said for column, said in columns.items()} | {"1.3.6.1.2.1.47.1.1.1.1.2.9": "Fan 1"}
    )
    assert found.values(Kind.FAN_SPEED) == values


async def test_inlets_of_a_pdu_that_are_marked_unavailable_are_null() -> None:
    pdu = "1.3.6.1.4.1.13742.6"
    cells = {f"{pdu}.3.3.4.1.7.1.{inlet}.5": 0 for inlet in (1, 2)}
    for inlet, available, watts in ((1, 1, 420), (2, 2, 0)):
        cells |= {f"{pdu}.5.2.3.1.2.1.{inlet}.5": available, f"{pdu}.5.2.3.1.4.1.{inlet}.5": watts}
    found = await told(cells, pdu)
    assert found.values(Kind.POWER) == {"Inlet 1": 420.0}


async def test_a_disk_of_more_than_2_31_blocks() -> None:
    disk = "1.3.6.1.2.1.25.2.1.4"
    cells: dict[str, int | str] = {}
    for row, name, size, used in ((1, "/", -294_967_296, -1_294_967_296), (2, "/big", 2**31 - 1, 2**31 - 1)):
        cells |= {f"{STORAGE}.2.{row}": disk, f"{STORAGE}.3.{row}": name, f"{STORAGE}.4.{row}": 4096}
        cells |= {f"{STORAGE}.5.{row}": size, f"{STORAGE}.6.{row}": used}
    found = await told(cells)
    assert found.values(Kind.STORAGE_USED) == {"/": 75.0}
