"""Wireless figures out of made-up polls: every edge case of kpi/README.md."""

import pytest

from kpi.counters import UptimeTracker
from kpi.gear import Kind, Reading, Readings
from kpi.gear_accumulator import GearAccumulator
from kpi.gear_counts import GearCounts
from kpi.gear_figures import gear_figures
from kpi.links import DAY_S, LINKS_MOST
from kpi.model import Figure, NullReason, Role
from kpi.wireless import Dot11, in_rows
from tests.kpi.gear_polls import poll, reading, rows

Poll = tuple[float, Readings]


def counted(*polls: Poll, end: float = 300.0) -> GearCounts:
    gear = GearAccumulator(UptimeTracker(), 0.0, end)
    for at, readings in polls:
        gear.take(at, readings)
    return gear.close(end)


def figure(kpi: str, counts: GearCounts, role: Role = Role.ACCESS_POINT) -> Figure:
    return next(f for f in gear_figures(counts, role) if f.kpi == kpi)


def one(kpi: str, *readings_of_one_poll: Readings) -> Figure:
    return figure(kpi, counted(*[(60.0 * i, readings) for i, readings in enumerate(readings_of_one_poll)]))


# wifi_clients


def test_clients_are_the_sum_over_radios_their_mean_over_time_and_the_peak() -> None:
    found = figure(
        "wifi_clients", counted((0.0, poll(*rows(Kind.CLIENTS, 10, 5))), (200.0, poll(*rows(Kind.CLIENTS, 20, 10))))
    )
    assert found.value == pytest.approx((15 * 200 + 30 * 100) / 300)
    assert found.parts == {"peak": 30, "busiest": 20, "known_s": 300}
    assert found.n == 2


def test_a_silent_access_point_lowers_coverage_and_not_the_count() -> None:
    found = figure("wifi_clients", counted((0.0, poll(*rows(Kind.CLIENTS, 12))), end=1200.0))
    assert found.value == 12
    assert found.parts["known_s"] == 600


def test_no_clients_at_night_are_0_and_not_null() -> None:
    assert one("wifi_clients", poll(*rows(Kind.CLIENTS, 0, 0))).value == 0


def test_a_controller_has_no_busiest_radio() -> None:
    found = figure("wifi_clients", counted((0.0, poll(*rows(Kind.CLIENTS, 300, 80)))), Role.CONTROLLER)
    assert found.value == 380
    assert "busiest" not in found.parts
    told = one("wifi_clients", poll(*rows(Kind.CLIENTS, 300, 80), reading(Kind.AP_COUNT, 9)))
    assert "busiest" not in told.parts  # whatever its role is said to be


def test_a_whole_table_put_together_is_no_radio() -> None:
    stations = Reading(Kind.CLIENTS, "stations.1", "stations", 60)
    assert one("wifi_clients", poll(stations)).parts == {"peak": 60, "known_s": 300}
    mean = Reading(Kind.CHANNEL_UTILIZATION, "radios.3", "Mean of all radios", 30)
    assert one("wifi_interference_pct", poll(mean)).parts == {"total_pct": 30}


# wifi_signal_dbm, wifi_snr_db


def test_signal_is_a_median_and_what_no_receiver_hears_is_dropped() -> None:
    found = one("wifi_signal_dbm", poll(*rows(Kind.CLIENT_RSSI, -50, -60, -80, 0, 27, -111)))
    assert found.value == pytest.approx(-60, rel=0.01)
    assert found.n == 3
    assert found.parts["weak_share_pct"] == pytest.approx(100 / 3)


def test_minus_75_is_not_weak_and_minus_110_is_heard() -> None:
    found = one("wifi_signal_dbm", poll(*rows(Kind.CLIENT_RSSI, -75, -110)))
    assert (found.n, found.parts["weak_share_pct"]) == (2, 50)


def test_no_clients_heard_is_null() -> None:
    found = one("wifi_signal_dbm", poll(*rows(Kind.CLIENT_RSSI, 0)))
    assert (found.value, found.null_reason) == (None, NullReason.NO_DATA)


def test_snr_is_native_where_there_is_one() -> None:
    found = one(
        "wifi_snr_db",
        poll(*rows(Kind.CLIENT_SNR, 30, 20, 40), *rows(Kind.CLIENT_RSSI, -50), *rows(Kind.NOISE_FLOOR, -95)),
    )
    assert found.value == pytest.approx(30, rel=0.01)
    assert found.n == 3


def test_an_snr_that_no_link_has_is_no_reading() -> None:
    """-128 is what an octet without a value looks like."""
    found = one("wifi_snr_db", poll(*rows(Kind.CLIENT_SNR, -128, 200, 30)))
    assert found.value == pytest.approx(30, rel=0.01)
    assert found.n == 1
    assert one("wifi_snr_db", poll(*rows(Kind.CLIENT_SNR, -3))).n == 1, "a client at the edge"


def test_snr_is_signal_less_noise_where_it_is_clear_whose() -> None:
    by_port = one(
        "wifi_snr_db",
        poll(
            reading(Kind.CLIENT_RSSI, -60, "a", port=7), reading(Kind.NOISE_FLOOR, -90, "x", port=7),
            reading(Kind.NOISE_FLOOR, -100, "y", port=8),
        ),
    )  # fmt: skip
    assert by_port.value == pytest.approx(30, rel=0.01)
    single = one("wifi_snr_db", poll(reading(Kind.RSSI, -55, "a"), reading(Kind.NOISE_FLOOR, -95, "x")))
    assert single.value == pytest.approx(40, rel=0.01)


def test_snr_is_not_guessed_between_two_radios() -> None:
    found = counted((0.0, poll(*rows(Kind.CLIENT_RSSI, -60, -70, -80), *rows(Kind.NOISE_FLOOR, -90, -100))))
    assert found.snr.count == 2  # rows 1 and 2 have a noise of their own, row 3 has none
    assert "wifi_snr_db" not in {
        f.kpi
        for f in gear_figures(
            counted((0.0, poll(reading(Kind.CLIENT_RSSI, -60, "a"), *rows(Kind.NOISE_FLOOR, -90, -100)))),
            Role.ACCESS_POINT,
        )
    }


# wifi_link_drop_db


def days_of(signal: float, days: int) -> list[Poll]:
    return [(3600.0 * hour, poll(*rows(Kind.RSSI, signal))) for hour in range(24 * days)]


def after(days: int, *signals: float) -> Figure:
    gear, start = GearAccumulator(UptimeTracker(), 0.0, DAY_S), days * DAY_S
    for at, readings in days_of(-55.0, days):
        gear.take(at, readings)
    gear.close(start, start + 3600)
    for i, signal in enumerate(signals):
        gear.take(start + 300 * i, poll(*rows(Kind.RSSI, signal)))
    return figure("wifi_link_drop_db", gear.close(start + 3600))


def test_a_fixed_link_is_measured_by_its_own_fortnight() -> None:
    found = after(14, -60.0, -62.0)
    assert found.value == pytest.approx(6)
    assert found.n == 2
    assert after(14, -55.0).value == 0
    assert after(14, -50.0).value == -5


def test_what_is_usual_is_known_after_three_days() -> None:
    found = after(2, -61.0)
    assert (found.value, found.null_reason) == (None, NullReason.INSUFFICIENT)
    assert found.parts["signal_dbm"] == -61
    assert after(3, -61.0).value == pytest.approx(6)


def test_a_day_of_rain_does_not_move_what_is_usual() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, DAY_S)
    for at, readings in days_of(-55.0, 6):
        gear.take(at, readings)
    for at, readings in days_of(-70.0, 1):
        gear.take(at + 6 * DAY_S, readings)
    gear.close(7 * DAY_S, 7 * DAY_S + 300)
    gear.take(7 * DAY_S + 1, poll(*rows(Kind.RSSI, -55.0)))
    assert figure("wifi_link_drop_db", gear.close(7 * DAY_S + 300)).value == 0


def test_a_link_that_was_taken_down_makes_room_for_another() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    gear.take(0.0, poll(*rows(Kind.RSSI, *[-60.0] * LINKS_MOST)))
    for day in range(14, 18):
        gear.take(day * DAY_S, poll(reading(Kind.RSSI, -60, "new")))
    gear.close(18 * DAY_S)
    gear.take(18.5 * DAY_S, poll(reading(Kind.RSSI, -65, "new")))
    assert figure("wifi_link_drop_db", gear.close(18.5 * DAY_S + 300)).value == pytest.approx(5)


def test_the_worst_of_several_links_counts_and_they_are_bounded() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, DAY_S)
    for hour in range(4 * 24):
        gear.take(3600.0 * hour, poll(*rows(Kind.RSSI, *[-50.0 - i % 20 for i in range(LINKS_MOST + 10)])))
    gear.close(4 * DAY_S, 4 * DAY_S + 300)
    gear.take(4 * DAY_S + 1, poll(*rows(Kind.RSSI, -50.0, -58.0, -52.0)))
    counts = gear.close(4 * DAY_S + 300)
    assert figure("wifi_link_drop_db", counts).value == pytest.approx(7)
    assert len(gear.memory().links.to_plain()) == LINKS_MOST


# wifi_interference_pct, wifi_noise_dbm


def channel(total: float, sent: float, received: float, row: str = "1") -> list[object]:
    return [
        reading(Kind.CHANNEL_UTILIZATION, total, row),
        reading(Kind.CHANNEL_SELF_TX, sent, row),
        reading(Kind.CHANNEL_SELF_RX, received, row),
    ]


def channels(*radios: tuple[float, float, float], clients: float | None = None) -> Readings:
    readings = [r for row, radio in enumerate(radios) for r in channel(*radio, str(row))]
    if clients is not None:
        readings += rows(Kind.CLIENTS, clients)
    return poll(*readings)  # type: ignore[arg-type]  # lists of readings, made above


def test_interference_is_what_is_not_ones_own_never_below_0() -> None:
    found = one("wifi_interference_pct", channels((50, 20, 10), (10, 8, 5)))
    assert found.value == pytest.approx(10)  # (20 + 0) / 2
    assert found.parts == {"total_pct": 30, "busiest_pct": 50}


def test_without_its_own_share_interference_is_what_the_device_says_or_null() -> None:
    totals = rows(Kind.CHANNEL_UTILIZATION, 40, 20)
    native = one("wifi_interference_pct", poll(*totals, *rows(Kind.CHANNEL_INTERFERENCE, 9, 3)))
    assert native.value == 6
    none = one("wifi_interference_pct", poll(*totals))
    assert (none.value, none.null_reason) == (None, NullReason.UNSUPPORTED)
    assert none.parts["total_pct"] == 30


def test_all_zero_with_clients_is_not_supported() -> None:
    found = one("wifi_interference_pct", channels((0, 0, 0), (0, 0, 0), clients=18))
    assert (found.value, found.null_reason) == (None, NullReason.UNSUPPORTED)
    assert "total_pct" not in found.parts


def test_what_was_found_out_by_day_holds_at_night_until_something_is_measured() -> None:
    dead = one("wifi_interference_pct", channels((0, 0, 0), clients=18), channels((0, 0, 0), clients=0))
    assert dead.null_reason is NullReason.UNSUPPORTED
    alive = one("wifi_interference_pct", channels((0, 0, 0), clients=18), channels((12, 1, 1), clients=3))
    assert alive.value == 10


def test_all_zero_without_clients_is_a_reading() -> None:
    assert one("wifi_interference_pct", channels((0, 0, 0), clients=0)).value == 0


def test_a_controllers_busiest_radio_is_not_named() -> None:
    found = one("wifi_interference_pct", channels(*[(50, 20, 10)] * 5))
    assert found.parts == {"total_pct": 50}


def test_noise_is_a_mean_over_radios_and_the_noisiest() -> None:
    found = one("wifi_noise_dbm", poll(*rows(Kind.NOISE_FLOOR, -95, -89, 0, 92)))
    assert found.value == -92
    assert found.parts == {"worst_dbm": -89}


def test_rows_are_matched_by_index_then_by_order() -> None:
    same = in_rows(rows(Kind.CHANNEL_UTILIZATION, 1, 2), list(reversed(rows(Kind.CHANNEL_SELF_TX, 3, 4))))
    assert [(a.value, b.value) for a, b in same] == [(1, 3), (2, 4)]
    other = [reading(Kind.CHANNEL_SELF_TX, 5, "x"), reading(Kind.CHANNEL_SELF_TX, 6, "y")]
    assert [(a.value, b.value) for a, b in in_rows(rows(Kind.CHANNEL_UTILIZATION, 1, 2), other)] == [(1, 5), (2, 6)]
    assert in_rows(rows(Kind.CHANNEL_UTILIZATION, 1, 2), other[:1]) == []
    assert in_rows(rows(Kind.CHANNEL_UTILIZATION, 1), []) == []


# wifi_retry_pct


def frames(retried: int, sent: int, *, failed: int = 0, fcs: int = 0, received: int = 0, up: int | None) -> Readings:
    return poll(
        reading(Kind.DOT11_RETRIES, retried), reading(Kind.DOT11_TRANSMITTED, sent), reading(Kind.DOT11_FAILED, failed),
        reading(Kind.DOT11_FCS_ERRORS, fcs), reading(Kind.DOT11_RECEIVED, received), uptime_cs=up,
    )  # fmt: skip


def retried(first: Readings, second: Readings, at: tuple[float, float] = (0.0, 250.0)) -> Figure:
    return figure("wifi_retry_pct", counted((at[0], first), (at[1], second)))


def test_retries_failures_and_damaged_frames() -> None:
    found = retried(
        frames(100, 1000, failed=5, fcs=10, received=500, up=0),
        frames(250, 2000, failed=105, fcs=60, received=950, up=25_000),
    )
    assert (found.value, found.n) == (15, 1000)
    assert found.parts == {"fail_pct": pytest.approx(100 * 100 / 1100), "fcs_pct": 10}


def test_fewer_than_100_frames_say_nothing() -> None:
    few = retried(frames(0, 0, up=0), frames(50, 99, up=25_000))
    assert (few.value, few.null_reason, few.n) == (None, NullReason.INSUFFICIENT, 99)
    assert retried(frames(0, 0, up=0), frames(50, 100, up=25_000)).value == 50


def test_one_reading_is_no_difference() -> None:
    found = one("wifi_retry_pct", frames(5, 1000, up=0))
    assert (found.value, found.null_reason) == (None, NullReason.INSUFFICIENT)


def test_frame_counters_go_round_at_32_bits() -> None:
    found = retried(frames(2**32 - 50, 2**32 - 500, up=0), frames(50, 500, up=25_000))
    assert (found.value, found.n) == (10, 1000)


def test_a_restart_makes_frames_unknown_and_not_0() -> None:
    counts = counted((0.0, frames(100, 9000, up=900_000)), (250.0, frames(2000, 9000, up=100)))
    assert figure("wifi_retry_pct", counts).value is None
    assert counts.refused == (("restarted", 1),)


def test_without_sysuptime_a_counter_that_went_back_is_a_reset() -> None:
    counts = counted((0.0, frames(100, 9000, up=None)), (250.0, frames(200, 8000, up=None)))
    assert (counts.frames, counts.refused) == (0, (("reset", 1),))
    forward = retried(frames(100, 8000, up=None), frames(200, 9000, up=None))
    assert (forward.value, forward.flags) == (10, ("uptime",))
    assert retried(frames(100, 8000, up=0), frames(200, 9000, up=25_000)).flags == ()


def test_an_interval_over_silence_is_in_no_window() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    gear.take(10.0, frames(0, 0, up=1000))
    gear.close(300.0, 600.0)
    gear.close(600.0, 900.0)
    gear.take(650.0, frames(100, 1000, up=65_000))
    gear.take(800.0, frames(300, 2000, up=80_000))
    assert figure("wifi_retry_pct", gear.close(900.0)).n == 1000


def test_radios_that_come_and_go_do_not_fill_the_memory() -> None:
    counters = Dot11(UptimeTracker())
    for minute in range(1000):
        one_radio = {Kind.DOT11_RETRIES: [reading(Kind.DOT11_RETRIES, minute, str(minute))]}
        counters.take(60.0 * minute, one_radio, None, 450.0)
    assert len(counters._before) <= 9, "those of the longest interval that counts"


def test_radios_are_counted_each_on_its_own_and_a_share_is_at_most_all() -> None:
    def both(a: int, b: int, up: int) -> Readings:
        return poll(*rows(Kind.DOT11_RETRIES, a, 2 * b), *rows(Kind.DOT11_TRANSMITTED, 10 * a, b), uptime_cs=up)

    found = retried(both(0, 0, 0), both(100, 1000, 25_000))
    assert (found.value, found.n) == (100, 2000)  # some agents count repetitions and not repeated frames


# wifi_ap_up_pct


def test_access_points_connected_of_those_registered() -> None:
    found = figure(
        "wifi_ap_up_pct",
        counted(
            (0.0, poll(reading(Kind.AP_COUNT, 10), reading(Kind.AP_REGISTERED, 10))),
            (150.0, poll(reading(Kind.AP_COUNT, 8), reading(Kind.AP_REGISTERED, 10))),
        ),
    )
    assert found.value == 90
    assert found.parts == {"connected": 8, "registered": 10}


def test_registered_may_be_read_less_often() -> None:
    found = figure(
        "wifi_ap_up_pct",
        counted(
            (0.0, poll(reading(Kind.AP_COUNT, 4), reading(Kind.AP_REGISTERED, 4))),
            (200.0, poll(reading(Kind.AP_COUNT, 1))),
        ),
    )
    assert found.value == 75


def test_without_a_registered_number_there_is_no_share() -> None:
    found = one("wifi_ap_up_pct", poll(reading(Kind.AP_COUNT, 4)))
    assert (found.value, found.null_reason, found.parts) == (None, NullReason.UNSUPPORTED, {"connected": 4})
    empty = one("wifi_ap_up_pct", poll(reading(Kind.AP_COUNT, 0), reading(Kind.AP_REGISTERED, 0)))
    assert (empty.value, empty.null_reason) == (None, NullReason.INSUFFICIENT)
    more = one("wifi_ap_up_pct", poll(reading(Kind.AP_COUNT, 5), reading(Kind.AP_REGISTERED, 4)))
    assert more.value == 100


def test_what_is_not_the_access_points_own_is_never_more_than_all_there_is() -> None:
    readings = poll(
        *rows(Kind.CHANNEL_UTILIZATION, 40, 30),
        *rows(Kind.CHANNEL_SELF_TX, -70, 50),
        *rows(Kind.CHANNEL_SELF_RX, 10, 0),
    )
    assert one("wifi_interference_pct", readings).value == 15  # 30 of the one, 0 of the other
