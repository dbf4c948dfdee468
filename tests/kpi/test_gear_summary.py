"""Which figures of power, cooling and wireless a device and a site have, and how they are judged."""

import json
from dataclasses import replace

import pytest

from kpi.catalogue import CATALOGUE
from kpi.gear import Kind
from kpi.gear_counts import GearCounts, Level, Mark, Topic, merge_gear
from kpi.gear_figures import gear_figures
from kpi.gear_site import site_clients
from kpi.merge import DeviceWindow, merge_device
from kpi.model import Figure, NullReason, Role, Status, Summary, Window
from kpi.port_counts import PortCounts
from kpi.reboots import RestartCounts
from kpi.states import StateSeconds
from kpi.summary import device_summary, site_summary, summary_to_plain
from kpi.value_counts import ValueCounts
from tests.kpi.gear_polls import poll, reading, rows
from tests.kpi.test_gear_counts import windows

FIVE, HOUR, DAY = Window(0, 300), Window(0, 3600), Window(0, 86_400)
UP = StateSeconds(up_ms=300_000, checks=300)
HOUR_UP = StateSeconds(up_ms=3_600_000, checks=3600)
DAY_UP = StateSeconds(up_ms=86_400_000, checks=86_400)
ASKED = RestartCounts(readings=5)


def device(name: str, role: Role, gear: GearCounts | None, states: StateSeconds = UP) -> DeviceWindow:
    return DeviceWindow(name, role, states, restarts=ASKED, gear=gear)


def level(value: float, ms: int = 300_000, most: float | None = None) -> Level:
    low, high = round(100 * value), round(100 * (most if most is not None else value))
    return Level(1, ms, low, high, low * ms)


def clients(value: float, ms: int = 300_000, most: float | None = None) -> GearCounts:
    return GearCounts(1, int(Topic.CLIENTS), levels={"clients": level(value, ms, most), "busiest": level(value)})


def figure(summary: Summary, name: str) -> Figure:
    return next(f for f in summary.figures if f.kpi == name)


def names(summary: Summary) -> set[str]:
    return {f.kpi for f in summary.figures}


def test_a_device_that_tells_nothing_has_no_such_figures() -> None:
    bare = names(device_summary(DeviceWindow("sw", Role.SWITCH, UP, restarts=ASKED), FIVE))
    assert bare == {"availability_pct", "reboots"}
    assert names(device_summary(device("sw", Role.SWITCH, GearCounts(polls=5)), FIVE)) == bare
    assert names(device_summary(DeviceWindow("ups", Role.UPS, UP), FIVE)) == {"availability_pct"}  # no SNMP at all


def test_what_a_device_should_tell_is_null_with_the_reason() -> None:
    silent = device_summary(
        DeviceWindow("ups", Role.UPS, UP, restarts=RestartCounts()), FIVE, unanswered=NullReason.AUTH
    )
    assert {f.kpi: f.null_reason for f in silent.figures if f.value is None} == {
        "reboots": NullReason.AUTH, "on_battery_s": NullReason.AUTH, "ups_runtime_min": NullReason.AUTH,
    }  # fmt: skip
    mute = device_summary(device("ap", Role.ACCESS_POINT, GearCounts(polls=5)), FIVE)
    assert figure(mute, "wifi_clients").null_reason is NullReason.UNSUPPORTED
    never = device_summary(device("ap", Role.ACCESS_POINT, None), FIVE)
    assert figure(never, "wifi_clients").null_reason is NullReason.UNSUPPORTED


def test_what_a_device_told_of_before_is_null_while_it_is_silent() -> None:
    counts = GearCounts(have=int(Topic.CLIENTS | Topic.RESOURCES | Topic.LINE_FAILURES))
    found = gear_figures(counts, Role.SWITCH, NullReason.AUTH)
    assert {(f.kpi, f.null_reason) for f in found} == {
        ("wifi_clients", NullReason.AUTH), ("resource_used_pct", NullReason.AUTH), ("power_events", NullReason.AUTH),
    }  # fmt: skip


def test_every_figure_has_an_entry_with_its_companions_and_its_reasons() -> None:
    full = poll(
        *rows(Kind.CLIENTS, 3), *rows(Kind.CLIENT_RSSI, -80), *rows(Kind.CLIENT_SNR, 20), *rows(Kind.RSSI, -60),
        *rows(Kind.CHANNEL_UTILIZATION, 20), *rows(Kind.CHANNEL_SELF_TX, 5), *rows(Kind.CHANNEL_SELF_RX, 5),
        *rows(Kind.NOISE_FLOOR, -95), *rows(Kind.DOT11_RETRIES, 5), *rows(Kind.DOT11_TRANSMITTED, 50),
        reading(Kind.AP_COUNT, 3), reading(Kind.AP_REGISTERED, 3), reading(Kind.LINE_BADS, 1),
        reading(Kind.ON_BATTERY, 1), reading(Kind.BATTERY_RUNTIME, 20), reading(Kind.BATTERY_CHARGE, 90),
        reading(Kind.LOAD, 10), reading(Kind.POE_NOMINAL, 100), reading(Kind.POE_USED, 10),
        reading(Kind.TEMPERATURE, 30, limit=50), reading(Kind.CPU_USED, 5), reading(Kind.MEMORY_USED, 5),
    )  # fmt: skip
    whole = windows([(0.0, full), (200.0, full)], [0.0, 300.0])[0]
    parts = [whole, GearCounts(have=whole.have), GearCounts(polls=1, have=whole.have)]
    for counts in parts:
        site = site_summary([device("d", Role.ACCESS_POINT, counts)], None, FIVE, clients=None)
        found = [*gear_figures(counts, Role.ACCESS_POINT), *site.figures]
        assert len(found) >= 14 + 3
        for one in found:
            entry = CATALOGUE[one.kpi]
            assert set(one.parts) <= set(entry.parts), one
            if one.null_reason is not None:
                assert one.null_reason in entry.nulls, one
        assert {f.kpi for f in found} >= {k for k in CATALOGUE if k.startswith("wifi_")}


def test_an_access_points_figures_travel_in_few_octets() -> None:
    readings = poll(
        *rows(Kind.CLIENTS, 12, 9), *rows(Kind.CLIENT_RSSI, *[-45 - i for i in range(21)]),
        *rows(Kind.CHANNEL_UTILIZATION, 31, 22), *rows(Kind.CHANNEL_SELF_TX, 9, 8), *rows(Kind.CHANNEL_SELF_RX, 4, 2),
        *rows(Kind.NOISE_FLOOR, -95, -97), reading(Kind.CPU_USED, 12), reading(Kind.MEMORY_USED, 44),
    )  # fmt: skip
    gear = windows([(150.0, readings)], [0.0, 300.0])[0]
    with_it = device_summary(device("ap", Role.ACCESS_POINT, gear), FIVE)
    without = device_summary(device("ap", Role.SWITCH, None), FIVE)
    sizes = [len(json.dumps(summary_to_plain(s), separators=(",", ":"))) for s in (with_it, without)]
    assert sizes[0] - sizes[1] < 900, sizes


def test_the_distributions_travel() -> None:
    gear = GearCounts(1, int(Topic.SIGNAL), signal=ValueCounts.of([-50.0, -50.0]))
    plain = summary_to_plain(device_summary(device("ap", Role.ACCESS_POINT, gear), FIVE))
    assert plain["values"] == {"wifi_signal_dbm": [[-50, 2]]}
    site = summary_to_plain(site_summary([device(n, Role.ACCESS_POINT, gear) for n in "ab"], None, FIVE))
    assert site["values"] == {"wifi_signal_dbm": [[-50, 4]]}


def test_pieces_of_a_device_merge() -> None:
    merged = merge_device(device("a", Role.UPS, clients(2)), device("a", Role.UPS, None))
    assert merged.gear == clients(2)
    both = merge_device(device("a", Role.UPS, clients(2)), device("a", Role.UPS, clients(4)))
    assert both.gear == merge_gear(clients(2), clients(4))


# statuses


def judged(kpi: str, gear: GearCounts, role: Role = Role.ACCESS_POINT, window: Window = HOUR) -> Status:
    states = {300: UP, 3600: HOUR_UP, 86_400: DAY_UP}[window.length_s]
    return figure(device_summary(device("d", role, gear, states), window), kpi).status


def hour_of(name: str, value: float, topic: Topic, **more: float) -> GearCounts:
    levels = {key: level(number, 3_600_000) for key, number in {name: value, **more}.items()}
    return GearCounts(12, int(topic), levels=levels)


@pytest.mark.parametrize(
    ("kpi", "gear", "status"),
    [
        ("wifi_clients", hour_of("clients", 90, Topic.CLIENTS, busiest=25), Status.GOOD),
        ("wifi_clients", hour_of("clients", 90, Topic.CLIENTS, busiest=50), Status.WARN),
        ("wifi_clients", hour_of("clients", 90, Topic.CLIENTS, busiest=51), Status.BAD),
        ("wifi_signal_dbm", GearCounts(12, int(Topic.SIGNAL), signal=ValueCounts.of([-67.0] * 9)), Status.GOOD),
        ("wifi_signal_dbm", GearCounts(12, int(Topic.SIGNAL), signal=ValueCounts.of([-75.0] * 9)), Status.WARN),
        ("wifi_signal_dbm", GearCounts(12, int(Topic.SIGNAL), signal=ValueCounts.of([-76.0] * 9)), Status.BAD),
        ("wifi_snr_db", GearCounts(12, int(Topic.SNR), snr=ValueCounts.of([25.0] * 9)), Status.GOOD),
        ("wifi_snr_db", GearCounts(12, int(Topic.SNR), snr=ValueCounts.of([14.0] * 9)), Status.BAD),
        (
            "wifi_link_drop_db",
            GearCounts(12, int(Topic.LINK), levels={"link": level(-60, 3_600_000)}, links={"a": (2, 600), "b": (1, 0)}),
            Status.GOOD,
        ),
        (
            "wifi_link_drop_db",
            GearCounts(
                12, int(Topic.LINK), levels={"link": level(-60, 3_600_000)}, links={"a": (2, 1202), "b": (1, 0)}
            ),
            Status.BAD,
        ),
        ("wifi_interference_pct", hour_of("other", 5, Topic.CHANNEL, channel=30, channel_top=45), Status.WARN),
        ("wifi_interference_pct", hour_of("other", 5, Topic.CHANNEL, channel=30), Status.NONE),
        ("wifi_noise_dbm", hour_of("noise", -95, Topic.NOISE, noise_top=-84), Status.BAD),
        ("wifi_retry_pct", GearCounts(12, int(Topic.RETRY), frames=10_000, retried=1500), Status.WARN),
        ("wifi_retry_pct", GearCounts(12, int(Topic.RETRY), frames=10_000, retried=3000), Status.BAD),
        ("wifi_ap_up_pct", hour_of("aps", 9, Topic.APS, aps_known=10), Status.WARN),
        ("wifi_ap_up_pct", hour_of("aps", 8, Topic.APS, aps_known=10), Status.BAD),
        ("wifi_ap_up_pct", hour_of("aps", 10, Topic.APS, aps_known=10), Status.GOOD),
        ("ups_runtime_min", hour_of("runtime", 15, Topic.RUNTIME), Status.GOOD),
        ("ups_runtime_min", hour_of("runtime", 4.9, Topic.RUNTIME), Status.BAD),
        ("poe_headroom_pct", hour_of("poe_used", 85, Topic.POE, poe_nominal=100), Status.WARN),
        ("cooling_margin_c", hour_of("margin", 5, Topic.COOLING), Status.GOOD),
        ("cooling_margin_c", hour_of("margin", 0, Topic.COOLING), Status.WARN),
        ("cooling_margin_c", hour_of("margin", -0.1, Topic.COOLING), Status.BAD),
        ("resource_used_pct", hour_of("cpu", 71, Topic.RESOURCES), Status.WARN),
        ("resource_used_pct", hour_of("cpu", 20, Topic.RESOURCES, storage=91), Status.BAD),
    ],
)
def test_statuses_of_an_hour(kpi: str, gear: GearCounts, status: Status) -> None:
    assert judged(kpi, gear) is status
    assert judged(kpi, gear, window=FIVE) is Status.NONE


@pytest.mark.parametrize(("seconds", "status"), [(0, Status.GOOD), (299, Status.WARN), (300, Status.BAD)])
def test_time_on_battery_is_judged_on_a_day(seconds: int, status: Status) -> None:
    gear = GearCounts(288, int(Topic.BATTERY_SECONDS), battery_ms=1000 * seconds, supply_reads=288)
    assert judged("on_battery_s", gear, Role.UPS, DAY) is status


@pytest.mark.parametrize(
    ("kpi", "mark", "topic", "levels", "window"),
    [
        ("on_battery_s", Mark.BATTERY_LOW, Topic.BATTERY, {"on_battery": level(0, 86_400_000)}, DAY),
        ("ups_runtime_min", Mark.BATTERY_LOW, Topic.RUNTIME, {"runtime": level(60, 3_600_000)}, HOUR),
        ("cooling_margin_c", Mark.FAN_STOPPED, Topic.COOLING, {"margin": level(30, 3_600_000)}, HOUR),
    ],
)
def test_what_the_device_itself_calls_bad_is_bad(
    kpi: str, mark: Mark, topic: Topic, levels: dict[str, Level], window: Window
) -> None:
    quiet = GearCounts(12, int(topic), levels=levels)
    assert judged(kpi, merge_gear(quiet, GearCounts(marks=int(mark))), Role.UPS, window) is Status.BAD
    assert judged(kpi, quiet, Role.UPS, window) is Status.GOOD
    nothing = GearCounts(12, int(topic), int(mark))
    assert judged(kpi, nothing, Role.UPS, window) is Status.NONE, "a status belongs to a value (kpi/README.md R10)"


def test_a_doubtful_unit_gives_no_status() -> None:
    gear = hour_of("runtime", 1902, Topic.RUNTIME)
    assert judged("ups_runtime_min", gear, Role.UPS) is Status.GOOD
    assert judged("ups_runtime_min", merge_gear(gear, GearCounts(marks=int(Mark.UNIT))), Role.UPS) is Status.NONE


def test_a_level_that_is_known_for_less_than_half_of_the_window_has_no_status() -> None:
    gear = GearCounts(3, int(Topic.RESOURCES), levels={"cpu": level(99, 1_700_000)})
    assert judged("resource_used_pct", gear) is Status.NONE
    gear = GearCounts(3, int(Topic.RESOURCES), levels={"cpu": level(99, 1_700_000), "memory": level(1, 1_900_000)})
    assert judged("resource_used_pct", gear) is Status.NONE, "the processor is what it is read on"
    gear = GearCounts(3, int(Topic.RESOURCES), levels={"cpu": level(99, 1_900_000), "memory": level(1, 1_700_000)})
    assert judged("resource_used_pct", gear) is Status.BAD
    gear = GearCounts(3, int(Topic.CLIENTS), levels={"clients": level(9, 1_700_000), "busiest": level(99, 1_700_000)})
    assert judged("wifi_clients", gear) is Status.NONE
    cooling = GearCounts(3, int(Topic.COOLING), levels={"margin": level(-5, 1_700_000)})
    assert judged("cooling_margin_c", cooling) is Status.NONE


def test_readings_that_hold_no_time_are_known_for_no_longer_than_the_levels_beside_them() -> None:
    """The access point answered SNMP for 28 minutes of the hour, and echoes for all of it."""
    weak = ValueCounts.of([-90.0])
    heard = GearCounts(3, int(Topic.CLIENTS | Topic.SIGNAL), levels={"clients": level(9, 1_700_000)})
    assert judged("wifi_signal_dbm", replace(heard, signal=weak)) is Status.NONE
    longer = replace(heard, signal=weak, levels={"clients": level(9, 1_900_000)})
    assert judged("wifi_signal_dbm", longer) is Status.BAD
    alone = GearCounts(3, int(Topic.SIGNAL), signal=weak)
    assert judged("wifi_signal_dbm", alone) is Status.BAD


# the site


def test_the_sites_clients_are_the_sum_and_its_peak_that_of_the_sum() -> None:
    fives = [
        [device("a", Role.ACCESS_POINT, clients(a)), device("b", Role.ACCESS_POINT, clients(b))]
        for a, b in ((30, 5), (5, 20))
    ]
    folded = [merge_device(x, y) for x, y in zip(*fives, strict=True)]
    peaks = [site_clients(devices) for devices in fives]
    assert peaks[0] is not None
    assert peaks[1] is not None
    summary = site_summary(folded, None, Window(0, 600), clients=merge_gear(*peaks))  # type: ignore[arg-type]  # above
    found = figure(summary, "wifi_clients")
    assert found.value == pytest.approx(17.5 + 12.5)
    assert found.parts["peak"] == 35  # and not 30 + 20
    assert found.flags == ("worst:a",)


def test_a_silent_access_point_lowers_the_sites_known_time_and_not_its_count() -> None:
    half = [device("a", Role.ACCESS_POINT, clients(10, 150_000)), device("b", Role.ACCESS_POINT, clients(4))]
    found = figure(site_summary(half, None, FIVE, clients=site_clients(half)), "wifi_clients")
    assert found.value == 14
    assert found.parts["known_s"] == 225


def test_a_controllers_clients_are_not_counted_twice() -> None:
    aps = [device("a", Role.ACCESS_POINT, clients(10)), device("b", Role.ACCESS_POINT, clients(4))]
    counts = merge_gear(clients(15), GearCounts(have=int(Topic.APS), levels={"aps": level(2), "aps_known": level(2)}))
    for controller in (device("c", Role.CONTROLLER, clients(15)), device("c", Role.GATEWAY, counts)):
        site = [*aps, controller]
        found = figure(site_summary(site, None, FIVE, clients=site_clients(site)), "wifi_clients")
        assert (found.value, found.parts["peak"]) == (15, 15)
    assert site_clients([device("sw", Role.SWITCH, GearCounts(polls=1))]) is None


def test_sums_of_the_site_name_the_worst() -> None:
    def ups(minutes: float, failures: int) -> GearCounts:
        have = int(Topic.RUNTIME | Topic.LINE_FAILURES)
        return GearCounts(5, have, levels={"runtime": level(minutes)}, line_intervals=5, line_failures=failures)

    summary = site_summary([device("u1", Role.UPS, ups(40, 1)), device("u2", Role.UPS, ups(8, 2))], None, FIVE)
    runtime, failures = figure(summary, "ups_runtime_min"), figure(summary, "power_events")
    assert (runtime.value, runtime.parts["worst_min"], runtime.flags) == (8, 8, ("worst:u2",))
    assert (failures.value, failures.parts["worst"], failures.flags) == (3, 2, ("worst:u2",))
    assert "wifi_clients" not in names(summary)


def test_a_supply_whose_unit_is_doubted_hides_no_other_one_that_is_nearly_empty() -> None:
    doubted = GearCounts(12, int(Topic.RUNTIME), int(Mark.UNIT), {"runtime": level(1902, 3_600_000)})
    empty = GearCounts(12, int(Topic.RUNTIME), levels={"runtime": level(4, 3_600_000)})
    both = [device("u1", Role.UPS, doubted, HOUR_UP), device("u2", Role.UPS, empty, HOUR_UP)]
    runtime = figure(site_summary(both, None, HOUR), "ups_runtime_min")
    assert (runtime.value, runtime.status, runtime.flags) == (4, Status.BAD, ("worst:u2",))
    alone = figure(site_summary(both[:1], None, HOUR), "ups_runtime_min")
    assert (alone.value, alone.status, alone.flags) == (1902, Status.NONE, ("unit", "worst:u1"))


def test_supplies_of_different_makes_are_added() -> None:
    """One counts failures and seconds, the other only says whether it is on battery."""
    counting = int(Topic.LINE_FAILURES | Topic.BATTERY_SECONDS)
    one = GearCounts(5, counting, line_intervals=5, line_failures=1, battery_ms=60_000, supply_reads=5)
    on = Level(5, 300_000, 0, 100, 100 * 120_000)
    two = GearCounts(5, int(Topic.BATTERY), levels={"on_battery": on}, battery_starts=2, supply_reads=5)
    silent = GearCounts(0, int(Topic.BATTERY))
    made = [device(f"u{n}", Role.UPS, gear) for n, gear in enumerate((one, two, silent), 1)]
    summary = site_summary(made, None, FIVE)
    events, seconds = figure(summary, "power_events"), figure(summary, "on_battery_s")
    assert (events.value, events.n, events.parts["worst"]) == (3, 10, 2)
    assert (seconds.value, seconds.parts) == (180, {"worst_s": 120})
    assert figure(site_summary(made[2:], None, FIVE), "power_events").null_reason is NullReason.NO_DATA


def test_links_of_two_devices_stay_apart() -> None:
    links = [GearCounts(1, int(Topic.LINK), links={"t.1": (1, fall)}) for fall in (100, 700)]
    summary = site_summary([device(n, Role.ROUTER, g) for n, g in zip("ab", links, strict=True)], None, FIVE)
    found = figure(summary, "wifi_link_drop_db")
    assert (found.value, found.flags) == (7, ("worst:b",))


def test_ports_in_use_are_those_of_switches() -> None:
    ports = {f"ge{i}": PortCounts(up_ms=300_000 * (i < 3), down_ms=1, speed_bps=0, physical=True) for i in range(4)}
    switch = DeviceWindow("sw", Role.SWITCH, UP, ports=ports, restarts=ASKED)
    server = DeviceWindow("srv", Role.SERVER, UP, ports=ports, restarts=ASKED)
    assert figure(device_summary(switch, FIVE), "port_used_pct").value == 75
    assert "port_used_pct" not in names(device_summary(server, FIVE))
    found = figure(site_summary([switch, server], None, FIVE), "port_used_pct")
    assert (found.value, found.n, found.parts) == (75, 4, {"up": 3, "worst_pct": 75})
    month = Window(0, 30 * 86_400)
    states = StateSeconds(up_ms=30 * 86_400_000, checks=30)
    used = dict.fromkeys("abc", PortCounts(up_ms=16 * 86_400_000, speed_bps=0, physical=True))
    full = DeviceWindow("sw", Role.SWITCH, states, ports=used, restarts=ASKED)
    assert figure(device_summary(full, month), "port_used_pct").status is Status.BAD
