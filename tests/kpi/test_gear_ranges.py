"""What a reading of each kind can be at most, as a person wrote it down from the units that devices use: whoever widens
or narrows a range does it here as well."""

from kpi import gear
from kpi.gear import RANGES, UNITS, Kind, Reading, Readings

CHECKED: dict[tuple[float, float], str] = {
    (0, 100_000): "clients ap_count ap_registered",
    (-127, 60): "rssi client_rssi noise_floor tx_power rx_power",
    (-60, 120): "snr client_snr sinr",
    (0, 100): (
        "channel_utilization channel_self_tx channel_self_rx channel_interference quality ccq humidity battery_charge "
        "cpu_used memory_used storage_used supply_level"
    ),
    (0, 350_000): "frequency",
    (0, 3_300_000): "channel",
    (0, 10_000_000_000_000): "bitrate tx_bitrate rx_bitrate",
    (0, 50_000): "distance",
    (-160, 0): "rsrp",
    (-60, 30): "rsrq",
    (0, 18_446_744_073_709_551_616): (
        "dot11_retries dot11_transmitted dot11_failed dot11_fcs_errors dot11_received on_battery_seconds line_bads"
    ),
    (-120, 1000): "temperature",
    (-50_000, 50_000): "voltage current",
    (-10_000_000, 10_000_000): "power",
    (0, 60_000): "fan_speed",
    (0, 43_200): "battery_runtime",
    (0, 500): "load",
    (0, 1): "on_battery battery_low self_test_failed",
    (0, 1_000_000): "poe_nominal poe_used",
}


def test_every_kind_has_the_range_that_was_checked() -> None:
    assert dict(RANGES) == {Kind(name): limits for limits, names in CHECKED.items() for name in names.split()}
    assert set(RANGES) == set(UNITS) == set(Kind)


def test_what_is_larger_than_any_reading_is_left_out_on_both_sides() -> None:
    assert gear.LARGEST == 10.0**15
    values = (1e15, -1e15, 1.1e15, -1.1e15, float("inf"), float("nan"), 0.0)
    readings = Readings(
        5, tuple(Reading(Kind.POWER, str(n), "", value) for n, value in enumerate(values)), {"t": "auth"}
    )
    kept = readings.numbers()
    assert [reading.value for reading in kept.readings] == [1e15, -1e15, 0.0]
    assert (kept.uptime_cs, kept.missed) == (5, {"t": "auth"})
    assert kept.numbers() is kept


def test_the_number_that_stands_for_a_longer_one() -> None:
    assert gear.AS_TRANS == 23456
