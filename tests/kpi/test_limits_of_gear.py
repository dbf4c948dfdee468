"""Limits of what devices tell beyond their ports: exactly at them, and just on either side."""

import math
from collections import defaultdict
from dataclasses import replace

import pytest

from kpi import climate, gear_figures, power, wireless
from kpi.counters import UptimeTracker
from kpi.gear import Kind, Reading, Readings
from kpi.gear_accumulator import GearAccumulator, GearMemory
from kpi.gear_counts import GearCounts, Level, Mark, Topic
from kpi.gear_figures import known_s, port_used_pct, tells
from kpi.gear_site import gear_site_figures, site_clients, site_ports_used
from kpi.gear_status import statuses
from kpi.levels import HeldLevels, Segments, levels_of
from kpi.links import DAY_S, Links
from kpi.merge import DeviceWindow
from kpi.model import Figure, NullReason, Role, Status
from kpi.port_counts import PortCounts
from kpi.value_counts import ValueCounts
from kpi.worst import beside_worst, worst_of
from tests.kpi.gear_polls import poll, reading, rows


def kinds(kind: Kind, *values: float) -> dict[Kind, list[Reading]]:
    return {kind: rows(kind, *values)}


# single polls


@pytest.mark.parametrize(
    ("kind", "level", "known", "not_known"),
    [
        (Kind.BATTERY_RUNTIME, "runtime", (0, 1, 65_534, 65_536), (-1, 65_535)),
        (Kind.BATTERY_CHARGE, "charge", (0, 1, 99, 100), (-1, 101)),
        (Kind.LOAD, "load", (0, 1, 199, 200), (-1, 201)),
    ],
)
def test_what_a_battery_can_tell(
    kind: Kind, level: str, known: tuple[float, ...], not_known: tuple[float, ...]
) -> None:
    for value in known:
        assert power.battery_levels_of(kinds(kind, value)) == {level: value}
    for value in not_known:
        assert power.battery_levels_of(kinds(kind, value)) == {}
    several = power.battery_levels_of(kinds(kind, 30, 20, 40))
    assert several == {level: 40 if kind is Kind.LOAD else 20}


@pytest.mark.parametrize(
    ("kind", "value", "mark"),
    [
        (Kind.BATTERY_LOW, 1, Mark.BATTERY_LOW), (Kind.BATTERY_LOW, 0, Mark.NONE),
        (Kind.SELF_TEST_FAILED, 1, Mark.SELF_TEST), (Kind.SELF_TEST_FAILED, 0, Mark.NONE),
        (Kind.BATTERY_RUNTIME, 1440, Mark.NONE), (Kind.BATTERY_RUNTIME, 1441, Mark.UNIT),
        (Kind.BATTERY_RUNTIME, 65_535, Mark.NONE), (Kind.BATTERY_RUNTIME, 65_536, Mark.UNIT),
    ],
)  # fmt: skip
def test_marks_of_a_supply(kind: Kind, value: float, mark: Mark) -> None:
    assert power.marks_of(kinds(kind, value)) == mark
    assert power.marks_of({**kinds(kind, 0, value), **kinds(Kind.LOAD, 5)}) == mark


def test_marks_stand_beside_each_other() -> None:
    everything = kinds(Kind.BATTERY_LOW, 1) | kinds(Kind.SELF_TEST_FAILED, 1) | kinds(Kind.BATTERY_RUNTIME, 2000)
    assert power.marks_of(everything) == Mark.BATTERY_LOW | Mark.SELF_TEST | Mark.UNIT


def test_power_over_ethernet_is_that_of_groups_with_a_budget() -> None:
    poe = power.Poe()
    assert poe.take(kinds(Kind.POE_USED, 5)) == {}
    assert poe.take(kinds(Kind.POE_NOMINAL, 100, 0, -1)) == {}
    assert poe.take(kinds(Kind.POE_USED, 30, 40, 50)) == {"poe_nominal": 100, "poe_used": 30}
    assert poe.take(kinds(Kind.POE_USED, 0)) == {"poe_nominal": 100, "poe_used": 0}
    assert poe.take(kinds(Kind.POE_USED, -1)) == {}
    other = {Kind.POE_USED: [reading(Kind.POE_USED, 7, "99"), reading(Kind.POE_USED, 8, "98")]}
    assert poe.take(other) == {"poe_nominal": 100, "poe_used": 15}


@pytest.mark.parametrize(("celsius", "known"), [(-40, True), (-40.1, False), (0, True), (200, True), (200.1, False)])
def test_temperatures_of_devices_that_answer(celsius: float, known: bool) -> None:
    found = climate.temperatures_of({Kind.TEMPERATURE: [reading(Kind.TEMPERATURE, celsius, limit=90.0)]})
    assert found == ({"hottest": celsius, "margin": 90 - celsius} if known else {})


@pytest.mark.parametrize(
    ("name", "limit", "wanted"),
    [
        ("CPU", None, None), ("CPU", 0.0, None), ("CPU", -5.0, None), ("CPU", 0.1, 0.1), ("CPU", 200.0, 200.0),
        ("CPU", 200.1, None), ("Inlet", None, 32.0), ("Inlet", 30.0, 30.0), ("ambient 1", 40.0, 32.0),
        ("INLET", 200.1, 32.0),
    ],
)  # fmt: skip
def test_the_limit_of_a_sensor(name: str, limit: float | None, wanted: float | None) -> None:
    assert climate.limit_of(reading(Kind.TEMPERATURE, 20, name=name, limit=limit)) == wanted


def test_of_several_sensors_the_hottest_the_warmest_inlet_and_the_least_margin() -> None:
    sensors = [
        reading(Kind.TEMPERATURE, 50, "1", name="CPU", limit=90.0), reading(Kind.TEMPERATURE, 60, "2", name="chip"),
        reading(Kind.TEMPERATURE, 20, "3", name="inlet"), reading(Kind.TEMPERATURE, 25, "4", name="Ambient"),
    ]  # fmt: skip
    assert climate.temperatures_of({Kind.TEMPERATURE: sensors}) == {"hottest": 60, "inlet": 25, "margin": 7}


def test_how_full_things_are() -> None:
    found = climate.resources_of(
        kinds(Kind.CPU_USED, 10, 40, -1) | kinds(Kind.MEMORY_USED, 0, 130) | kinds(Kind.STORAGE_USED, 0)
    )
    assert found == {"cpu": 25, "memory": 100, "storage": 0}
    assert climate.resources_of(kinds(Kind.CPU_USED, -0.1)) == {}


def test_a_fan_stands_still_where_it_did_in_the_poll_before() -> None:
    fans = climate.Fans()
    said = [fans.take(kinds(Kind.FAN_SPEED, *speeds)) for speeds in ((0, 900), (900, 0), (1, 0), (0, 0.5), (0, 9))]
    assert said == [False, False, True, False, True]
    assert not fans.take({})
    assert fans.take(kinds(Kind.FAN_SPEED, 0))


@pytest.mark.parametrize(
    ("dbm", "heard"), [(-110, True), (-110.1, False), (-0.1, True), (0, False), (5, False), (-67, True)]
)
def test_what_a_receiver_hears(dbm: float, heard: bool) -> None:
    assert wireless.is_signal(dbm) is heard
    assert wireless.signals_of(kinds(Kind.CLIENT_RSSI, dbm)) == ([dbm] if heard else [])


@pytest.mark.parametrize(("dbm", "known"), [(-130, True), (-130.1, False), (-0.1, True), (0, False)])
def test_noise(dbm: float, known: bool) -> None:
    assert wireless.noise_of(kinds(Kind.NOISE_FLOOR, dbm)) == ({"noise": dbm, "noise_top": dbm} if known else {})


@pytest.mark.parametrize(("db", "known"), [(-20, True), (-20.1, False), (0, True), (100, True), (100.1, False)])
@pytest.mark.parametrize("kind", [Kind.CLIENT_SNR, Kind.SNR])
def test_signal_above_noise(db: float, known: bool, kind: Kind) -> None:
    assert wireless.snr_of(kinds(kind, db)) == ([db] if known else [])


def test_whose_noise_it_is() -> None:
    def noise(value: float, row: str, port: int | None = None) -> Reading:
        return reading(Kind.NOISE_FLOOR, value, row, port=port)

    def heard(row: str, port: int | None = None) -> list[Reading]:
        return [reading(Kind.RSSI, -60, row, port=port)]

    for floors, signal, wanted in (
        ([noise(-90, "1"), noise(-80, "2")], heard("2"), [20]),
        ([noise(-90, "1", 7), noise(-80, "2", 8)], heard("9", 7), [30]),
        ([noise(-90, "1", 7), noise(-80, "2", 7)], heard("9", 7), []),
        ([noise(-90, "1"), noise(-80, "2")], heard("9"), []),
        ([noise(-90, "1")], heard("9"), [30]),
        ([noise(-90, "1"), noise(0, "9")], heard("9"), [30]),
    ):
        assert wireless.snr_of({Kind.NOISE_FLOOR: floors, Kind.RSSI: signal}) == wanted
    native = {Kind.NOISE_FLOOR: [noise(-90, "1")], Kind.RSSI: heard("1"), Kind.SNR: rows(Kind.SNR, 11)}
    assert wireless.snr_of(native) == [11]


def test_clients_of_radios_and_of_tables() -> None:
    assert wireless.clients_of(kinds(Kind.CLIENTS, 0, 100_000)) == {"clients": 100_000, "busiest": 100_000}
    assert wireless.clients_of(kinds(Kind.CLIENTS, -1, 100_001)) == {}
    whole = {Kind.CLIENTS: [Reading(Kind.CLIENTS, "t.clients", "", 5.0), *rows(Kind.CLIENTS, 3)]}
    assert wireless.clients_of(whole) == {"clients": 8}
    assert [wireless.is_row(Reading(Kind.CLIENTS, text, "", 1.0)) for text in ("t", "t.c", "t.c.1", "t.c.1.2")] == [
        False, False, True, True,
    ]  # fmt: skip
    assert [wireless.row_of(Reading(Kind.CLIENTS, text, "", 1.0)) for text in ("t", "t.c", "t.c.1", "t.c.1.2")] == [
        "t", "t.c", "1", "1.2",
    ]  # fmt: skip


@pytest.mark.parametrize("radios", [1, 4, 5])
def test_the_busiest_channel_is_that_of_an_access_point_of_four_radios_at_most(radios: int) -> None:
    found = wireless.channel_of(kinds(Kind.CHANNEL_UTILIZATION, *range(10, 10 + radios)))
    assert found["channel"] == 10 + (radios - 1) / 2
    assert found.get("channel_top") == (9 + radios if radios <= 4 else None)


def test_channel_use_that_is_not_its_own() -> None:
    total, sent, received = (kinds(kind, *values) for kind, values in (
        (Kind.CHANNEL_UTILIZATION, (50, 100, 101, -1, 0)), (Kind.CHANNEL_SELF_TX, (10, -5, 1, 1, 3)),
        (Kind.CHANNEL_SELF_RX, (5, 20, 1, 1, 4)),
    ))  # fmt: skip
    found = wireless.channel_of(total | sent | received)
    assert found["channel"] == 50
    assert found["other"] == pytest.approx((35 + 80 + 0) / 3)
    assert wireless.channel_of(kinds(Kind.CHANNEL_INTERFERENCE, 0, 100, 101, -1)) == {"other": 50}
    for value, all_zero in ((0, True), (0.1, False), (-1, False)):
        assert wireless.is_all_zero(kinds(Kind.CHANNEL_UTILIZATION, 0, value)) is all_zero
    assert not wireless.is_all_zero({})


def test_rows_of_several_tables() -> None:
    a, b = rows(Kind.CHANNEL_SELF_TX, 1, 2, 3), rows(Kind.CHANNEL_SELF_RX, 7, 8, 9)
    assert wireless.in_rows(a, b[1:]) == [(a[1], b[1]), (a[2], b[2])]
    strangers = [reading(Kind.CHANNEL_SELF_RX, 5, "x"), reading(Kind.CHANNEL_SELF_RX, 6, "y")]
    assert wireless.in_rows(a[:2], strangers) == [(a[0], strangers[0]), (a[1], strangers[1])]
    assert wireless.in_rows(a, strangers) == []


def test_frames_of_an_interval_and_of_one_that_is_too_long() -> None:
    names = (Kind.DOT11_RETRIES, Kind.DOT11_TRANSMITTED, Kind.DOT11_FAILED, Kind.DOT11_FCS_ERRORS, Kind.DOT11_RECEIVED)

    def radio(*values: int) -> dict[Kind, list[Reading]]:
        return {kind: [reading(kind, value)] for kind, value in zip(names, values, strict=True)}

    for seconds, known in ((60.0, True), (450.0, True), (450.1, False)):
        frames = wireless.Dot11(UptimeTracker())
        frames.take(0.0, radio(0, 0, 0, 0, 0), 5000, 450.0)
        found = frames.take(seconds, radio(3, 50, 7, 11, 100), 5000 + round(100 * seconds), 450.0)
        counted = {"retried": 3, "frames": 50, "failed": 7, "tried": 57, "damaged": 11, "fragments": 111}
        assert found.counts == (counted if known else {})
        assert (found.refused, found.by_uptime) == ((), True)
    restarted = frames.take(500.0, radio(0, 0, 0, 0, 0), 10, 450.0)
    assert (restarted.counts, restarted.refused) == ({}, ("restarted",))


# supplies from poll to poll


def told(
    tracker: power.PowerTracker, at: float, seconds: float, on: int | None = None
) -> tuple[int, int, float | None]:
    """Milliseconds on battery, changes to battery, and since when it is on battery."""
    state = rows(Kind.ON_BATTERY, on) if on is not None else []
    found = tracker.take(
        at, {Kind.ON_BATTERY_SECONDS: rows(Kind.ON_BATTERY_SECONDS, seconds), Kind.ON_BATTERY: state}, None, -100.0
    )
    return found.battery_ms, found.starts, tracker.supply.on_battery_since


def test_seconds_on_battery_poll_by_poll() -> None:
    supply = power.PowerTracker(UptimeTracker())
    assert told(supply, 0.0, 5) == (5000, 0, -5)
    assert told(supply, 10.0, 15) == (10_000, 0, -5)
    assert told(supply, 20.0, 3) == (3000, 0, -5)  # back on mains in between, and off again
    assert told(supply, 139.9, 3) == (0, 0, -5)
    assert told(supply, 140.0, 3) == (0, 0, None)  # what stands still for two minutes is that of the last time
    assert told(supply, 150.0, 0) == (0, 0, None)
    assert told(supply, 160.0, 4) == (4000, 1, 156)
    assert told(supply, 170.0, 2_592_001) == (0, 0, 156)  # no battery lasts for more than 30 days
    longest = power.PowerTracker(UptimeTracker())
    assert told(longest, 0.0, 2_592_000) == (100_000, 0, -2_592_000)


def test_seconds_that_were_counted_before_they_passed_are_owed_up_to_one() -> None:
    for more, owed in ((0, 0), (1, 1000), (2, 1000)):
        supply = power.PowerTracker(UptimeTracker())
        assert told(supply, 0.0, 100 + more) == (100_000, 0, -100 - more)
        assert told(supply, 10.0, 110 + more)[0] == 10_000
        assert told(supply, 20.0, 0)[0] == owed
        assert told(supply, 30.0, 0)[0] == 0
    exactly = power.PowerTracker(UptimeTracker())
    told(exactly, 0.0, 5)
    assert told(exactly, 10.0, 10)[0] == 10_000  # as long as has passed: it was on mains for a moment


def test_a_supply_that_says_itself_whether_it_is_on_battery() -> None:
    stale = power.PowerTracker(UptimeTracker())
    assert told(stale, 0.0, 50, on=0) == (0, 0, None)
    assert told(stale, 10.0, 5, on=1) == (5000, 1, 5)
    assert told(stale, 20.0, 15, on=1) == (10_000, 0, 5)
    assert told(stale, 30.0, 15, on=0) == (0, 0, None)
    running = power.PowerTracker(UptimeTracker())
    assert told(running, 0.0, 50, on=1) == (50_000, 0, -50)
    assert running.supply.seen
    kept = power.Supply.from_plain(running.supply.moved(7.0).to_plain())
    assert kept == power.Supply(None, (7.0, 50), -43.0, seen=True)
    counted = power.Supply((5.0, 3, 4), (6.0, 7), None, seen=True, owed_s=0.5)
    assert power.Supply.from_plain(counted.to_plain()) == counted
    assert counted.moved(1.0) == power.Supply((6.0, 3, 4), (7.0, 7), None, seen=True, owed_s=0.5)


def test_failures_of_the_input_by_the_counters_of_all_lines() -> None:
    supply = power.PowerTracker(UptimeTracker())

    def failures(at: float, *counts: float) -> int | None:
        return supply.take(at, kinds(Kind.LINE_BADS, *counts), round(100 * at) + 5000, 0.0).failures

    assert [failures(60.0 * n, *counts) for n, counts in enumerate([(3, 4), (3, 4), (5, 4), (5, 9)])] == [None, 0, 2, 5]
    assert failures(240.0, 0) is None
    wraps = power.PowerTracker(UptimeTracker())
    assert wraps.take(0.0, kinds(Kind.LINE_BADS, 2**32 - 5), 5000, 0.0).failures is None
    assert wraps.take(60.0, kinds(Kind.LINE_BADS, 594), 11_000, 0.0).failures == 599
    assert wraps.take(120.0, {}, 17_000, 0.0) == power.Said(told=False)
    for rise, known in ((600, 600), (601, None)):  # ten a second: no line fails more often
        most = power.PowerTracker(UptimeTracker())
        most.take(0.0, kinds(Kind.LINE_BADS, 2**32 - 5), 5000, 0.0)
        assert most.take(60.0, kinds(Kind.LINE_BADS, rise - 5), 11_000, 0.0).failures == known


# levels over time


def held(*readings: tuple[float, float], ends: tuple[float, ...], talks: bool = False) -> list[Level | None]:
    """The level "x" window by window; where the device ``talks``, it tells of something else every 100 s."""
    left = sorted([(at, "x", value) for at, value in readings] + [(100.0 * n, "y", 0.0) for n in range(200 * talks)])
    levels, found = HeldLevels(), []
    for end in ends:
        into: Segments = defaultdict(list)
        while left and left[0][0] < end:
            at, name, value = left.pop(0)
            levels.take(at, {name: value}, into)
        levels.pass_to(end, into)
        found.append(levels_of(into).get("x"))
    return found


def test_a_level_is_its_integral_in_hundredths_and_milliseconds() -> None:
    assert held((0.0, 1.5), (100.0, -2.25), ends=(300.0,)) == [
        Level(2, 300_000, -225, 150, 150 * 100_000 - 225 * 200_000)
    ]
    assert Level(1, 0, 3, 6, 0).mean == 0.045
    assert (Level(1, 2, 300, 600, 900).mean, Level(1, 2, 300, 600, 900).least, Level(1, 2, 300, 600).most) == (
        4.5,
        3,
        6,
    )


def test_a_level_holds_two_periods_of_five_minutes_or_what_readings_show() -> None:
    first = held((0.0, 1.0), ends=(300.0, 600.0, 900.0))
    assert [level.ms if level else 0 for level in first] == [300_000, 300_000, 0]
    quick = held(*[(60.0 * i, 1.0) for i in range(6)], ends=(301.0, 420.0, 421.0))
    assert [level.ms if level else 0 for level in quick] == [301_000, 119_000, 0]
    extra = held((0.0, 1.0), (300.0, 1.0), (301.0, 1.0), ends=(600.0, 601.0, 602.0))
    assert [level.ms if level else 0 for level in extra] == [600_000, 1_000, 0]  # half of the period at the least


def test_a_level_that_is_read_once_an_hour_or_more_rarely() -> None:
    hourly = held((0.0, 1.0), (3600.0, 1.0), ends=(3601.0, 10_800.0, 10_900.0), talks=True)
    assert [level.ms if level else 0 for level in hourly] == [601_000, 7_199_000, 0]
    rare = held((0.0, 1.0), (5000.0, 1.0), ends=(5001.0, 12_200.0, 12_300.0), talks=True)
    assert [level.ms if level else 0 for level in rare] == [601_000, 7_199_000, 0]


def test_silence_of_the_whole_device_is_not_the_period_of_a_level() -> None:
    levels, into = HeldLevels(), defaultdict[str, list[tuple[int, int, int, bool]]](list)
    for at in (0.0, 300.0, 2000.0):
        levels.take(at, {"x": 1.0}, into)
    levels.pass_to(9000.0, into)
    assert levels_of(into)["x"] == Level(3, (300 + 600 + 600) * 1000, 100, 100, 100 * 1_500_000)
    talking, into = HeldLevels(), defaultdict[str, list[tuple[int, int, int, bool]]](list)
    for at in range(0, 2100, 100):
        talking.take(float(at), {"x": 1.0} if at in {0, 300, 2000} else {"y": 1.0}, into)
    talking.pass_to(9000.0, into)
    assert levels_of(into)["x"].ms == (300 + 600 + 3400) * 1000  # 1700 s apart, though the device answered


# fixed links


def days_of(link: Links, *medians: float, start: float = 0.0) -> float:
    for day, dbm in enumerate(medians):
        for _ in range(3):
            link.take(start + day * DAY_S, {Kind.RSSI: [reading(Kind.RSSI, dbm)]})
    return start + len(medians) * DAY_S


def fall(link: Links, at: float, dbm: float) -> dict[str, int]:
    return link.take(at, {Kind.RSSI: [reading(Kind.RSSI, dbm)]})


def test_what_is_usual_takes_three_days_and_is_their_median() -> None:
    link = Links()
    assert not link
    at = days_of(link, -50, -60)
    assert link
    assert fall(link, at, -70) == {}
    assert fall(link, at + DAY_S - 1, -70) == {}
    (drop,) = fall(link, at + DAY_S, -63).values()
    assert drop == 300
    restored = Links.from_plain(link.to_plain())
    assert restored.to_plain() == link.to_plain()
    moved = link.moved(-1000.0)
    assert fall(moved, at + DAY_S - 900, -63) == fall(restored, at + DAY_S + 100, -63) == {"t.rssi.1": 300}


def test_fourteen_days_are_remembered() -> None:
    link = Links()
    at = days_of(link, *[-90] * 10, *[-50] * 14)
    assert list(fall(link, at, -51).values()) == [100]
    for silent_days, known in ((11.9, True), (12, False)):
        silent = Links()
        at = days_of(silent, -50, -50, -50)
        assert list(fall(silent, at + silent_days * DAY_S, -55).values()) == ([500] if known else [])


def test_readings_of_a_link_are_kept_by_whole_dbm() -> None:
    link = Links()
    for dbm in (-60, -62, -62, -64.4):
        fall(link, 5.0, dbm)
    ((since, today, days),) = link.to_plain().values()
    assert (since, today, days) == (5, [60, 1, 0, 2, 0, 1], [])
    assert Links.from_plain(link.to_plain()).to_plain() == link.to_plain()


def test_an_access_point_in_all_but_name_is_followed_for_64_links() -> None:
    link = Links()
    many = [reading(Kind.RSSI, -50, str(n)) for n in range(65)]
    link.take(0.0, {Kind.RSSI: many})
    assert len(link.to_plain()) == 64
    link.take(14 * DAY_S - 1, {Kind.RSSI: many[64:]})
    assert "t.rssi.64" not in link.to_plain()
    link.take(14 * DAY_S, {Kind.RSSI: many[64:]})
    assert list(link.to_plain()) == ["t.rssi.64"]


# the figures


@pytest.mark.parametrize(("n", "known"), [(99, False), (100, True)])
def test_shares_of_frames_are_of_a_hundred_at_least(n: int, known: bool) -> None:
    counts = GearCounts(polls=1, have=int(Topic.RETRY), frames=n, retried=9, tried=n, failed=8, fragments=n, damaged=7)
    found = gear_figures.wifi_retry_pct(counts)
    assert found.value == (9 if known else None)
    assert dict(found.parts) == ({"fail_pct": 8, "fcs_pct": 7} if known else {})
    assert found.n == n
    assert gear_figures.wifi_retry_pct(replace(counts, frames=5)).null_reason is NullReason.INSUFFICIENT
    assert gear_figures.wifi_retry_pct(replace(counts, frames=5, polls=0)).null_reason is NullReason.NO_DATA


def test_power_over_ethernet_that_is_free() -> None:
    def free(nominal: int, used: int) -> Figure:
        return gear_figures.poe_headroom_pct(
            GearCounts(
                levels={
                    "poe_nominal": Level(1, 1, nominal, nominal, nominal),
                    "poe_used": Level(2, 1, used, used, used),
                }
            )
        )

    assert (free(20_000, 5000).value, free(20_000, 5000).n) == (75, 2)
    assert (free(100, 200).value, free(0, 5).value) == (0, 0)
    assert dict(free(20_000, 5000).parts) == {"used_w": 50, "nominal_w": 200}
    assert gear_figures.poe_headroom_pct(GearCounts()).null_reason is NullReason.NO_DATA
    assert gear_figures.poe_headroom_pct(GearCounts(polls=1)).null_reason is NullReason.UNSUPPORTED


def test_which_readings_a_figure_is_known_by() -> None:
    def level(ms: int, value: int = 0) -> Level:
        return Level(1, ms, value, value, value * ms)

    told = {"told_line": level(10_000), "told_seconds": level(20_000), "on_battery": level(30_000)}
    for have, events, battery in (
        (Topic.LINE_FAILURES | Topic.BATTERY, 10, 30), (Topic.BATTERY_SECONDS | Topic.BATTERY, 30, 20),
        (Topic.LINE_FAILURES | Topic.BATTERY_SECONDS, 10, 20), (Topic.BATTERY, 30, 30),
    ):  # fmt: skip
        counts = GearCounts(have=int(have), levels=told)
        assert (known_s(counts, "power_events"), known_s(counts, "on_battery_s")) == (events, battery)
    used = GearCounts(levels={"cpu": level(5000, 10), "memory": level(7000, 90), "storage": level(9000, 50)})
    assert known_s(used, "resource_used_pct") == 7
    assert known_s(GearCounts(levels={"aps": level(4000)}), "resource_used_pct") == 4
    assert known_s(GearCounts(), "wifi_clients") is None
    assert known_s(used, "rtt_ms") is None
    assert tells(GearCounts(have=int(Topic.POE)), "poe_headroom_pct")
    for have in (Topic.NONE, Topic.CLIENTS, Topic.COOLING):
        assert not tells(GearCounts(have=int(have)), "poe_headroom_pct")
        assert not tells(GearCounts(have=int(have)), "rtt_ms")


@pytest.mark.parametrize("topic", [t for t in Topic if t])
def test_each_topic_makes_its_figures_and_no_others(topic: Topic) -> None:
    by_topic = {
        Topic.CLIENTS: {"wifi_clients"}, Topic.SIGNAL: {"wifi_signal_dbm"}, Topic.SNR: {"wifi_snr_db"},
        Topic.LINK: {"wifi_link_drop_db"}, Topic.CHANNEL: {"wifi_interference_pct"}, Topic.NOISE: {"wifi_noise_dbm"},
        Topic.RETRY: {"wifi_retry_pct"}, Topic.APS: {"wifi_ap_up_pct"}, Topic.LINE_FAILURES: {"power_events"},
        Topic.BATTERY: {"power_events", "on_battery_s"}, Topic.BATTERY_SECONDS: {"power_events", "on_battery_s"},
        Topic.RUNTIME: {"ups_runtime_min"}, Topic.POE: {"poe_headroom_pct"}, Topic.COOLING: {"cooling_margin_c"},
        Topic.RESOURCES: {"resource_used_pct"},
    }  # fmt: skip
    found = gear_figures.gear_figures(GearCounts(have=int(topic)), Role.SWITCH, NullReason.AUTH)
    assert {figure.kpi for figure in found} == by_topic[topic]
    assert {figure.value for figure in found} == {None}


def test_time_on_battery_by_the_device_or_by_the_level() -> None:
    level = {"on_battery": Level(3, 300_000, 0, 100, 100 * 1499)}
    own = GearCounts(have=int(Topic.BATTERY_SECONDS), levels=level, battery_ms=2600, supply_reads=4)
    assert (gear_figures.on_battery_s(own).value, gear_figures.on_battery_s(own).n) == (3, 4)
    assert gear_figures.on_battery_s(replace(own, supply_reads=0)).value is None
    by_level = replace(own, have=int(Topic.BATTERY))
    assert gear_figures.on_battery_s(by_level).value == 1
    assert gear_figures.on_battery_s(replace(by_level, levels={})).null_reason is NullReason.NO_DATA


def test_runtime_of_a_doubtful_unit_has_no_number_of_readings() -> None:
    counts = GearCounts(
        levels={"runtime": Level(3, 9, 500, 700, 9), "charge": Level(1, 1, 9000, 9500), "load": Level(1, 1, 20, 40)}
    )
    found = gear_figures.ups_runtime_min(counts)
    assert (found.value, found.n, dict(found.parts)) == (5, 3, {"charge_pct": 90, "load_pct": 0.4})
    for marks, flags, n in (
        (Mark.UNIT, ("unit",), 0), (Mark.BATTERY_LOW, ("battery_low",), 3), (Mark.SELF_TEST, ("self_test_failed",), 3),
        (Mark.FAN_STOPPED | Mark.UPTIME, (), 3),
    ):  # fmt: skip
        marked = gear_figures.ups_runtime_min(replace(counts, marks=int(marks)))
        assert (marked.flags, marked.n) == (flags, n)
    from_before = replace(counts, levels={"runtime": Level(0, 9, 500, 700, 9)})
    assert gear_figures.ups_runtime_min(from_before).n == 1


def test_access_points_of_a_controller() -> None:
    def points(connected: Level, known: Level) -> Figure:
        return gear_figures.wifi_ap_up_pct(GearCounts(levels={"aps": connected, "aps_known": known}))

    found = points(Level(2, 10, 700, 900, 8000), Level(2, 10, 1000, 1200, 10_000))
    assert (found.value, found.n, dict(found.parts)) == (80, 2, {"connected": 7, "registered": 12})
    assert points(Level(1, 1), Level(1, 1)).null_reason is NullReason.INSUFFICIENT
    alone = gear_figures.wifi_ap_up_pct(GearCounts(levels={"aps_alone": Level(1, 1, 500, 600)}))
    assert (alone.null_reason, dict(alone.parts)) == (NullReason.UNSUPPORTED, {"connected": 5})


def ports_that(name: str) -> PortCounts:
    return replace(PortCounts(physical=True), **{name: 1})  # type: ignore[arg-type]


def test_ports_in_use_are_those_that_were_up_for_any_time() -> None:
    up, down, off = (ports_that(name) for name in ("up_ms", "down_ms", "off_ms"))
    unread, bridge = PortCounts(physical=True), PortCounts(up_ms=5)
    found = port_used_pct([up, up, down, off, unread, bridge])
    assert found is not None
    assert (found.value, found.n, dict(found.parts)) == (40, 5, {"up": 2})
    for one in (down, off):
        nobody = port_used_pct([one, unread])
        assert nobody is not None
        assert nobody.value == 0
    assert port_used_pct([bridge]) is None
    nothing = port_used_pct([unread], NullReason.AUTH)
    assert nothing is not None
    assert nothing.null_reason is NullReason.AUTH


def test_the_worst_of_several_by_value_or_by_a_companion() -> None:
    slow = {
        name: Figure("rtt_ms", value, parts={"p95_ms": p95}) for name, value, p95 in (("a", 5.0, 9.0), ("b", 7.0, 8.0))
    }
    assert worst_of(slow, "value") == ("b", 7)
    assert worst_of(slow, "p95_ms") == ("a", 9)
    assert worst_of(slow, "zero") is None
    high = {
        name: Figure("availability_pct", value, parts={"up_s": value}) for name, value in (("a", 99.0), ("b", 98.0))
    }
    assert worst_of(high, "value") == ("b", 98)
    assert worst_of(high, "up_s") == ("b", 98)
    assert worst_of({**slow, "c": Figure("rtt_ms", None, NullReason.NO_DATA)}, "value") == ("b", 7)
    figure = Figure("rtt_ms", 1.0, flags=("clock",))
    assert beside_worst(figure, "worst", None) is figure
    assert beside_worst(figure, "worst", ("a", 9.0)).flags == ("clock", "worst:a")


# one moment


@pytest.mark.parametrize(
    ("kind", "good", "warn", "bad"),
    [
        (Kind.CLIENT_RSSI, (-67, -50), (-75, -67.1), (-75.1, -90)), (Kind.CLIENT_SNR, (25, 40), (15, 24.9), (14.9, 0)),
        (Kind.SNR, (25, 40), (15, 24.9), (14.9, 0)), (Kind.CHANNEL_UTILIZATION, (0, 40), (40.1, 50), (50.1, 100)),
        (Kind.BATTERY_CHARGE, (50, 100), (20, 49.9), (19.9, 0)), (Kind.LOAD, (0, 80), (80.1, 100), (100.1, 150)),
        (Kind.SUPPLY_LEVEL, (15, 100), (1, 14.9), (0.9, 0)), (Kind.CPU_USED, (0, 90), (90.1, 100), ()),
        (Kind.MEMORY_USED, (0, 70), (70.1, 90), (90.1, 100)), (Kind.STORAGE_USED, (0, 70), (70.1, 90), (90.1, 100)),
        (Kind.ON_BATTERY, (0,), (1,), ()), (Kind.BATTERY_LOW, (0,), (), (1,)), (Kind.SELF_TEST_FAILED, (0,), (), (1,)),
        (Kind.BATTERY_RUNTIME, (15, 1440), (5, 14.9), (4.9, 0)), (Kind.CLIENTS, (0, 25), (26, 50), (51, 90)),
    ],
)  # fmt: skip
def test_a_reading_of_this_moment(
    kind: Kind, good: tuple[float, ...], warn: tuple[float, ...], bad: tuple[float, ...]
) -> None:
    for status, values in ((Status.GOOD, good), (Status.WARN, warn), (Status.BAD, bad)):
        assert statuses(rows(kind, *values)) == [status] * len(values)


def test_readings_of_this_moment_that_need_more_than_a_limit() -> None:
    nominal, used = rows(Kind.POE_NOMINAL, 100, 0), rows(Kind.POE_USED, 80, 5)
    assert statuses([*nominal, *used, reading(Kind.POE_USED, 5, "9")])[2:] == [Status.GOOD, Status.NONE, Status.NONE]
    assert statuses([nominal[0], *rows(Kind.POE_USED, 80.1)])[1] is Status.WARN
    assert statuses([nominal[0], *rows(Kind.POE_USED, 90.1)])[1] is Status.BAD
    assert statuses(rows(Kind.FAN_SPEED, 0, 1, 900)) == [Status.WARN, Status.NONE, Status.NONE]
    assert statuses(rows(Kind.BATTERY_RUNTIME, 1441)) == [Status.NONE]
    assert statuses([Reading(Kind.CLIENTS, "t.clients", "", 500.0)]) == [Status.NONE]
    assert statuses(rows(Kind.VOLTAGE, 0)) == [Status.NONE]
    for margin, status in ((5, Status.GOOD), (4.9, Status.WARN), (0, Status.WARN), (-0.1, Status.BAD)):
        hot = reading(Kind.TEMPERATURE, 90 - margin, limit=90.0)
        assert statuses([hot]) == [status], margin
    assert statuses([reading(Kind.TEMPERATURE, 90)]) == [Status.NONE]


# the site


def window(name: str, role: Role, gear: GearCounts | None) -> DeviceWindow:
    return DeviceWindow(name, role, gear=gear)


def clients(mean: int, *, busiest: int | None = None, known_ms: int = 300_000, **levels: Level) -> GearCounts:
    value = 100 * mean
    named = {"busiest": Level(1, 1, 100 * busiest, 100 * busiest)} if busiest is not None else {}
    return GearCounts(
        polls=1, have=int(Topic.CLIENTS),
        levels={"clients": Level(1, known_ms, value, value + 300, value * known_ms), **named, **levels},
    )  # fmt: skip


def test_clients_of_a_site_are_those_of_its_access_points_or_of_its_controllers() -> None:
    points = [
        window("a", Role.ACCESS_POINT, clients(7, busiest=4)),
        window("b", Role.ACCESS_POINT, clients(9, busiest=8)),
    ]
    controller = window("c", Role.CONTROLLER, clients(15))
    crowd = window("d", Role.SWITCH, clients(30, aps=Level(1, 1)))
    silent = window("e", Role.ACCESS_POINT, GearCounts(have=int(Topic.CLIENTS)))
    for devices, total, n in (
        (points, 16, 2), ([*points, controller], 16, 2), ([*points, controller, crowd], 45, 2), ([controller], 15, 1),
        ([*points, silent], 16, 2),
    ):  # fmt: skip
        whole = site_clients(devices)
        assert whole is not None
        assert whole.levels["clients"] == Level(1, 300_000, total * 100, total * 100, total * 100 * 300_000)
        assert whole.have == Topic.CLIENTS
        (figure,) = [f for f in gear_site_figures(devices, whole) if f.kpi == "wifi_clients"]
        assert (figure.value, figure.n, figure.parts["peak"]) == (total, n, total)
    (figure,) = [f for f in gear_site_figures([*points, silent], None) if f.kpi == "wifi_clients"]
    assert (figure.parts["busiest"], figure.parts["known_s"], figure.flags) == (8, 200, ("worst:b",))
    (peak,) = gear_site_figures(points, clients(40))
    assert peak.parts["peak"] == 43
    assert site_clients([silent, window("x", Role.SERVER, None)]) is None
    (nothing,) = gear_site_figures([silent], None)
    assert nothing.value is None


@pytest.mark.parametrize("marks", [Mark.NONE, Mark.BATTERY_LOW, Mark.SELF_TEST | Mark.FAN_STOPPED, Mark.UNIT])
def test_a_runtime_in_a_doubtful_unit_does_not_hide_another(marks: Mark) -> None:
    def supply(minutes: int, marks: Mark = Mark.NONE) -> GearCounts:
        level = Level(1, 300_000, 100 * minutes, 100 * minutes, 100 * minutes * 300_000)
        return GearCounts(polls=1, have=int(Topic.RUNTIME), marks=int(marks), levels={"runtime": level})

    devices = [window("a", Role.UPS, supply(30)), window("b", Role.UPS, supply(4, marks))]
    (figure,) = gear_site_figures(devices, None)
    assert figure.value == (30 if marks is Mark.UNIT else 4)
    assert ("unit" in figure.flags) is False
    (alone,) = gear_site_figures(devices[1:], None)
    assert (alone.value, "unit" in alone.flags) == (4, marks is Mark.UNIT)


def test_the_site_adds_what_its_supplies_counted_in_their_own_ways() -> None:
    own = GearCounts(polls=1, have=int(Topic.LINE_FAILURES | Topic.BATTERY), line_intervals=3, line_failures=7,
                     supply_reads=3, levels={"on_battery": Level(1, 1000, 0, 100, 100 * 5000)})  # fmt: skip
    seen = GearCounts(polls=1, have=int(Topic.BATTERY_SECONDS), supply_reads=9, battery_starts=9, battery_ms=9000)
    found = {f.kpi: f for f in gear_site_figures([window("a", Role.UPS, own), window("b", Role.UPS, seen)], None)}
    assert (found["power_events"].value, found["power_events"].n) == (16, 12)
    assert (found["on_battery_s"].value, found["on_battery_s"].n) == (14, 12)
    assert (found["on_battery_s"].parts["worst_s"], found["on_battery_s"].flags) == (9, ("worst:b",))


def test_the_worst_link_of_a_site_is_its_devices() -> None:
    def linked(fall: int, n: int) -> GearCounts:
        return GearCounts(
            polls=1, have=int(Topic.LINK), links={"l": (n, fall * n)}, levels={"link": Level(1, 1, -6000, -6000, -6000)}
        )

    (figure,) = gear_site_figures(
        [window("a", Role.ROUTER, linked(250, 3)), window("b", Role.ROUTER, linked(400, 5))], None
    )
    assert (figure.value, figure.n, dict(figure.parts), figure.flags) == (4, 8, {"worst_db": 4}, ("worst:b",))


def test_ports_of_all_switches() -> None:
    a, b = (Figure("port_used_pct", 100 * up / n, n=n, parts={"up": up}) for up, n in ((7, 10), (9, 30)))
    none = Figure("port_used_pct", None, NullReason.AUTH)
    found = site_ports_used({"a": a, "b": b, "c": none})
    assert found is not None
    assert (found.value, found.n, dict(found.parts)) == (40, 40, {"up": 16, "worst_pct": 70})
    assert site_ports_used({}) is None
    assert site_ports_used({"c": none}) is none


def test_weak_signals_and_the_accumulators_seams() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    gear.take(10.0, poll(*rows(Kind.CLIENT_RSSI, -75, -75.1, -80, -60)))
    counts = gear.close(300.0)
    assert (counts.weak, counts.signal) == (2, ValueCounts.of([-75, -75.1, -80, -60]))
    figure = gear_figures.wifi_signal_dbm(counts)
    assert (figure.value, figure.n, dict(figure.parts)) == (-75, 4, {"weak_share_pct": 50})
    gear.take(86_400.0 + 10.0, poll(*rows(Kind.CPU_USED, 5)))
    assert gear.memory().topics == {Topic.SIGNAL: 10.0, Topic.RESOURCES: 86_410.0}
    gear.take(86_400.0 + 10.1, poll(*rows(Kind.CPU_USED, 5)))
    assert gear.memory().topics == {Topic.RESOURCES: 86_410.1}


def test_what_is_pending_is_remembered_by_what_it_holds() -> None:
    memory = GearMemory(pending=((5.0004, 7, 0, 0), (6.0, 0, 1, 0), (7.0, 0, 0, 9)))
    assert memory.to_plain()["pending"] == [[5.0, 7, 0, 0], [6.0, 0, 1, 0], [7.0, 0, 0, 9]]
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0, memory)
    assert gear.memory().pending == memory.pending
    counts = gear.close(300.0)
    assert (counts.line_failures, counts.line_intervals, counts.battery_starts, counts.battery_ms) == (7, 3, 1, 9)
    assert counts.supply_reads == 3
    assert gear.memory().pending == ()


def test_numbers_that_are_none_are_counted() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    gear.take(0.0, poll(*rows(Kind.CPU_USED, 5, math.inf, math.nan)))
    assert gear.close(300.0).refused == (("no_number", 2),)


# windows of what devices tell


def test_a_poll_at_a_windows_end_is_of_the_next_and_windows_close_once() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    for at in (299.9, 300.0, 599.9):
        gear.take(at, poll(*rows(Kind.CPU_USED, 5)))
    assert [gear.close(end).polls for end in (300.0, 600.0, 600.0, 900.0)] == [1, 2, 0, 0]
    cut = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    cut.close(100.0)
    for at in (399.9, 400.0):
        cut.take(at, poll(*rows(Kind.CPU_USED, 5)))
    assert cut.close(400.0).polls == 1
    told = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    told.close(100.0, 350.0)
    for at in (349.9, 350.0):
        told.take(at, poll(*rows(Kind.CPU_USED, 5)))
    assert told.close(350.0).polls == 1


def test_what_a_table_holds_is_not_known_until_it_is_read_again() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 600.0)
    cpu = Reading(Kind.CPU_USED, "u.cpu.1", "", 5.0)
    signal = reading(Kind.CLIENT_RSSI, -60)
    for at, readings in (
        (0.0, poll(signal, cpu)), (60.0, poll(cpu)), (120.0, poll(cpu, missed={"t": "timeout"})), (180.0, poll(cpu)),
        (240.0, poll(cpu, missed={"u": "timeout"})), (300.0, poll(signal, cpu)),
    ):  # fmt: skip
        gear.take(at, readings)
    counts = gear.close(600.0)
    assert counts.levels["told_signal"].n == 3
    assert counts.levels["cpu"].n == 6
    assert "told_snr" not in counts.levels


def test_a_channel_that_shows_nothing_while_there_are_clients_is_not_measured() -> None:
    def busy(percent: float, clients: int) -> list[Reading]:
        return [*rows(Kind.CHANNEL_UTILIZATION, percent), *rows(Kind.CLIENTS, clients)]

    gear = GearAccumulator(UptimeTracker(), 0.0, 600.0)
    for n, (percent, clients) in enumerate([(0, 0), (0, 1), (0, 0), (5, 0), (0, 0)]):
        gear.take(60.0 * n, poll(*busy(percent, clients)))
    counts = gear.close(600.0)
    assert counts.silent_channel == 2
    assert counts.levels["channel"].n == 3


def test_marks_and_refusals_of_a_window_are_kept_together() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 600.0)
    gear.take(0.0, poll(reading(Kind.BATTERY_LOW, 1), reading(Kind.LINE_BADS, 5), uptime_cs=5000))
    gear.take(60.0, poll(reading(Kind.SELF_TEST_FAILED, 1), reading(Kind.LINE_BADS, 3), uptime_cs=11_000))
    counts = gear.close(600.0)
    assert counts.marks == Mark.BATTERY_LOW | Mark.SELF_TEST
    assert (counts.line_intervals, counts.line_failures) == (0, 0)
    assert counts.refused == (("stumbled", 1),)
    gear.take(610.0, poll(reading(Kind.LINE_BADS, 3)))
    gear.take(660.0, poll(reading(Kind.LINE_BADS, 4)))
    later = gear.close(1200.0)
    assert (later.marks, later.line_failures, later.line_intervals) == (Mark.UPTIME, 1, 2)


@pytest.mark.parametrize(("seconds", "known"), [(450.0, True), (451.0, False)])
def test_frames_of_a_window_and_a_half_count(seconds: float, known: bool) -> None:
    def radio(retries: int, sent: int, at: float) -> tuple[float, Readings]:
        return at, poll(
            reading(Kind.DOT11_RETRIES, retries),
            reading(Kind.DOT11_TRANSMITTED, sent),
            uptime_cs=round(100 * at) + 10**6,
        )

    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    for at, readings in (radio(0, 0, 10.0), radio(5, 50, 10.0 + seconds)):
        gear.take(at, readings)
    counts = gear.close(600.0)
    assert (counts.retried, counts.frames) == ((5, 50) if known else (0, 0))


def test_links_of_a_window_are_added_up() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    for day in range(3):
        gear.take(day * DAY_S, poll(*rows(Kind.RSSI, -50)))
    gear.close(3 * DAY_S, 3 * DAY_S + 300)
    for n, dbm in enumerate((-52, -55, 5)):
        gear.take(3 * DAY_S + n, poll(*rows(Kind.RSSI, dbm)))
    counts = gear.close(3 * DAY_S + 300)
    assert counts.links == {"t.rssi.1": (2, 700)}
    assert counts.levels["link"].low == -5500
    assert gear_figures.wifi_link_drop_db(counts).value == 3.5
