"""Power, cooling, resources and ports in use: every edge case of kpi/README.md."""

import pytest

from kpi import power
from kpi.counters import UptimeTracker
from kpi.gear import Kind, Readings
from kpi.gear_accumulator import GearAccumulator, GearMemory
from kpi.gear_counts import GearCounts, merge_gear
from kpi.gear_figures import gear_figures, port_used_pct
from kpi.model import Figure, NullReason, PortIdentity, Role
from kpi.physical import is_physical
from kpi.port_counts import PortCounts, merge_ports, ports_window_from_plain, ports_window_to_plain
from tests.kpi.gear_polls import poll, reading, rows

Poll = tuple[float, Readings]


def counted(*polls: Poll, end: float = 300.0) -> GearCounts:
    gear = GearAccumulator(UptimeTracker(), 0.0, end)
    for at, readings in polls:
        gear.take(at, readings)
    return gear.close(end)


def figure(kpi: str, counts: GearCounts, role: Role = Role.UPS) -> Figure:
    return next(f for f in gear_figures(counts, role) if f.kpi == kpi)


def one(kpi: str, *readings_of_one_poll: Readings) -> Figure:
    return figure(kpi, counted(*[(60.0 * i, readings) for i, readings in enumerate(readings_of_one_poll)]))


def bads(count: int, at: float) -> Poll:
    return at, poll(reading(Kind.LINE_BADS, count), uptime_cs=round(100 * at) + 5000)


# power_events


def test_input_failures_are_the_counters_difference() -> None:
    found = figure("power_events", counted(bads(3, 0), bads(5, 60), bads(5, 120)))
    assert (found.value, found.n) == (2, 2)


def test_one_reading_of_the_counter_is_no_difference() -> None:
    found = figure("power_events", counted(bads(3, 0)))
    assert (found.value, found.null_reason) == (None, NullReason.INSUFFICIENT)


def test_a_restarted_supply_makes_its_counter_unknown() -> None:
    restarted = (250.0, poll(reading(Kind.LINE_BADS, 0), uptime_cs=100))
    counts = counted(bads(3, 0), restarted)
    assert figure("power_events", counts).value is None
    assert counts.refused == (("restarted", 1),)
    without_clock = counted((0.0, poll(reading(Kind.LINE_BADS, 3))), (60.0, poll(reading(Kind.LINE_BADS, 1))))
    assert without_clock.refused == (("reset", 1),)
    forward = one("power_events", poll(reading(Kind.LINE_BADS, 3)), poll(reading(Kind.LINE_BADS, 4)))
    assert (forward.value, forward.flags) == (1, ("uptime",))


def test_a_failure_that_took_the_probe_along_is_counted_when_it_is_back() -> None:
    first = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    first.take(*bads(3, 10))
    memory = GearMemory.from_plain(first.memory().to_plain())
    again = GearAccumulator(UptimeTracker(), 3600.0, 3900.0, memory)
    again.take(*bads(4, 3700))
    assert figure("power_events", again.close(3900.0)).value == 1


def test_a_failure_is_not_lost_with_the_window_that_was_open_when_the_probe_stopped() -> None:
    first = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    for at, count, seconds_on in ((10.0, 3, 0), (70.0, 4, 30)):
        first.take(
            at,
            poll(
                reading(Kind.LINE_BADS, count), reading(Kind.ON_BATTERY_SECONDS, seconds_on), uptime_cs=round(100 * at)
            ),
        )
    memory = GearMemory.from_plain(first.memory().to_plain())
    again = GearAccumulator(UptimeTracker(), 3600.0, 3900.0, memory)
    again.take(3700.0, poll(reading(Kind.LINE_BADS, 4), reading(Kind.ON_BATTERY_SECONDS, 0), uptime_cs=370_000))
    counts = again.close(3900.0)
    assert figure("power_events", counts).value == 1
    assert figure("on_battery_s", counts).value == 30
    assert again.memory().pending == ()  # said once


def test_without_the_counter_changes_to_battery_are_counted() -> None:
    states = [0, 1, 1, 0, 1]
    found = one("power_events", *[poll(reading(Kind.ON_BATTERY, state)) for state in states])
    assert found.value == 2
    unknown_before = one("power_events", poll(reading(Kind.ON_BATTERY, 1)))
    assert unknown_before.value == 0


# on_battery_s


def seconds(*counters: int, step: float = 60.0, first: float = 0.0) -> Figure:
    polls = [(first + step * i, poll(reading(Kind.ON_BATTERY_SECONDS, s))) for i, s in enumerate(counters)]
    return figure("on_battery_s", counted(*polls, end=first + step * len(counters) + 1))


def test_seconds_on_battery_are_the_maximum_of_each_time() -> None:
    assert seconds(0, 40, 100, 0, 0).value == 100
    assert seconds(0, 40, 100, 0, 30, 0).value == 130


@pytest.mark.parametrize("step", [59.5, 59.9, 60.0, 60.1, 60.5])
def test_a_long_time_on_battery_is_its_maximum_though_polls_are_not_asked_to_the_second(step: float) -> None:
    """The device counts whole seconds: 60 of them may lie between polls 59.9 s apart."""
    polls = [step * i for i in range(50)]
    lasted = [int(at - 100) if 100 <= at < 2500 else 0 for at in polls]
    readings = [(at, poll(reading(Kind.ON_BATTERY_SECONDS, s))) for at, s in zip(polls, lasted, strict=True)]
    counts = counted(*readings, end=3300.0)
    assert counts.battery_ms / 1000 == pytest.approx(max(lasted), abs=0.01)


def test_a_second_time_on_battery_between_two_polls_is_told_by_its_length() -> None:
    assert seconds(0, 50, 20).value == 70  # shorter: another time
    assert seconds(0, 10, 55).value == 65  # 55 s fit between the polls: another time, and a longer one
    assert seconds(0, 10, 70).value == 70  # 70 s do not: the same


def test_a_counter_that_stands_still_is_that_of_the_last_time() -> None:
    assert seconds(0, 45, 45, 45, 45).value == 45


def test_a_first_reading_counts_from_the_windows_beginning() -> None:
    found = figure("on_battery_s", counted((100.0, poll(reading(Kind.ON_BATTERY_SECONDS, 900)))))
    assert found.value == 100
    stale = counted((100.0, poll(reading(Kind.ON_BATTERY_SECONDS, 900), reading(Kind.ON_BATTERY, 0))))
    assert figure("on_battery_s", stale).value == 0


def test_over_a_restart_of_the_probe_seconds_on_battery_are_totals() -> None:
    first = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    first.take(290.0, poll(reading(Kind.ON_BATTERY_SECONDS, 0)))
    again = GearAccumulator(UptimeTracker(), 2100.0, 2400.0, first.memory())
    again.take(2200.0, poll(reading(Kind.ON_BATTERY_SECONDS, 1200)))
    assert figure("on_battery_s", again.close(2400.0)).value == 1200


def test_a_time_on_battery_over_the_edge_of_a_window_is_shared_out_and_nothing_is_counted_twice() -> None:
    for kind, values in ((Kind.ON_BATTERY_SECONDS, (0, 20, 80, 0)), (Kind.ON_BATTERY, (0, 1, 1, 0))):
        gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
        for at, value in zip((230.0, 290.0, 350.0, 410.0), values, strict=True):
            gear.take(at, poll(reading(kind, value)))
        first, second = gear.close(300.0), gear.close(600.0)
        spent = [figure("on_battery_s", counts).value for counts in (first, second, merge_gear(first, second))]
        assert spent == ([20, 60, 80] if kind is Kind.ON_BATTERY_SECONDS else [10, 110, 120])
        assert [figure("power_events", counts).value for counts in (first, second)] == [1, 0]


@pytest.mark.parametrize("kind", [Kind.ON_BATTERY, Kind.ON_BATTERY_SECONDS])
def test_what_could_not_be_read_in_the_window_is_null_and_not_0(kind: Kind) -> None:
    """The supply answers, but not of its battery."""
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    gear.take(0.0, poll(reading(kind, 0), reading(Kind.LOAD, 20)))
    first = gear.close(300.0)
    for at in (910.0, 970.0):
        gear.take(at, poll(reading(Kind.LOAD, 20), missed={"t": "timeout"}))
    gear.close(900.0)
    silent = gear.close(1200.0)
    for kpi in ("on_battery_s", "power_events"):
        assert figure(kpi, first).value == 0
        assert (figure(kpi, silent).value, figure(kpi, silent).null_reason) == (None, NullReason.NO_DATA)


def test_without_seconds_the_state_tells_the_time() -> None:
    polls = [(60.0 * i, poll(reading(Kind.ON_BATTERY, state))) for i, state in enumerate([0, 1, 1, 0, 0])]
    assert figure("on_battery_s", counted(*polls)).value == 120


def test_seconds_do_not_exceed_the_time_that_passed() -> None:
    assert seconds(0, 5000).value == 60


def test_a_low_battery_is_flagged() -> None:
    found = one("on_battery_s", poll(reading(Kind.ON_BATTERY, 1), reading(Kind.BATTERY_LOW, 1)))
    assert found.flags == ("battery_low",)


def test_since_when_it_runs_on_battery() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    polls = [
        (10.0, poll(reading(Kind.ON_BATTERY, 0), reading(Kind.ON_BATTERY_SECONDS, 0))),
        (70.0, poll(reading(Kind.ON_BATTERY, 1), reading(Kind.ON_BATTERY_SECONDS, 25))),
        (70.5, poll(reading(Kind.ON_BATTERY_SECONDS, 25))),  # asked again at once: still on battery
        (130.0, poll(reading(Kind.ON_BATTERY, 0), reading(Kind.ON_BATTERY_SECONDS, 0))),
    ]
    since = []
    for at, readings in polls:
        gear.take(at, readings)
        since.append(gear.on_battery_since)
    assert since == [None, 45, 45, None]


# ups_runtime_min


def test_runtime_is_the_least_with_charge_and_load() -> None:
    found = one(
        "ups_runtime_min",
        poll(reading(Kind.BATTERY_RUNTIME, 40), reading(Kind.BATTERY_CHARGE, 100), reading(Kind.LOAD, 30)),
        poll(reading(Kind.BATTERY_RUNTIME, 14), reading(Kind.BATTERY_CHARGE, 80), reading(Kind.LOAD, 55)),
    )
    assert (found.value, found.n) == (14, 2)
    assert found.parts == {"charge_pct": 80, "load_pct": 55}


@pytest.mark.parametrize("value", [-1, 65535])
def test_a_runtime_that_is_none_is_null(value: float) -> None:
    found = one("ups_runtime_min", poll(reading(Kind.BATTERY_RUNTIME, value)))
    assert (found.value, found.null_reason, found.flags) == (None, NullReason.NO_DATA, ())


def test_more_than_a_day_is_in_a_doubtful_unit() -> None:
    found = one("ups_runtime_min", poll(reading(Kind.BATTERY_RUNTIME, 1902)))
    assert (found.value, found.n, found.flags) == (1902, 0, ("unit",))
    assert one("ups_runtime_min", poll(reading(Kind.BATTERY_RUNTIME, 1440))).flags == ()


def test_a_failed_self_test_is_flagged() -> None:
    found = one("ups_runtime_min", poll(reading(Kind.BATTERY_RUNTIME, 30), reading(Kind.SELF_TEST_FAILED, 1)))
    assert found.flags == ("self_test_failed",)


# poe_headroom_pct


def test_what_is_left_of_the_power_budget() -> None:
    found = one("poe_headroom_pct", poll(*rows(Kind.POE_NOMINAL, 370, 130), *rows(Kind.POE_USED, 300, 100)))
    assert found.value == pytest.approx(20)
    assert found.parts == {"used_w": 400, "nominal_w": 500}


def test_a_nominal_of_0_is_no_budget() -> None:
    none = one("poe_headroom_pct", poll(reading(Kind.POE_NOMINAL, 0), reading(Kind.POE_USED, 0)))
    assert (none.value, none.null_reason) == (None, NullReason.UNSUPPORTED)
    one_of_two = one("poe_headroom_pct", poll(*rows(Kind.POE_NOMINAL, 0, 100), *rows(Kind.POE_USED, 7, 90)))
    assert one_of_two.value == pytest.approx(10)


def test_what_a_group_of_no_known_budget_uses_is_not_taken_from_the_others() -> None:
    """A member that joined the stack: its budget is read with the next hour's tables."""
    used = rows(Kind.POE_USED, 100, 300)
    found = one("poe_headroom_pct", poll(reading(Kind.POE_NOMINAL, 400, "1"), *used))
    assert (found.value, found.parts) == (75, {"used_w": 100, "nominal_w": 400})
    elsewhere = one("poe_headroom_pct", poll(reading(Kind.POE_NOMINAL, 800, "0"), *used))
    assert elsewhere.value == 50, "one budget that no row is that of"


def test_a_budget_that_is_read_once_an_hour_holds() -> None:
    polls = [(0.0, poll(reading(Kind.POE_NOMINAL, 100), reading(Kind.POE_USED, 50)))]
    polls += [(300.0 * i, poll(reading(Kind.POE_USED, 50))) for i in range(1, 12)]
    counts = counted(*polls, end=3600.0)
    assert counts.levels["poe_nominal"].ms == counts.levels["poe_used"].ms == 3_600_000
    assert figure("poe_headroom_pct", counts).value == 50


# cooling_margin_c


def test_the_margin_is_the_least_below_the_devices_own_limit() -> None:
    found = one(
        "cooling_margin_c",
        poll(
            reading(Kind.TEMPERATURE, 70, "asic", limit=105),
            reading(Kind.TEMPERATURE, 60, "psu", limit=75),
            reading(Kind.TEMPERATURE, 90, "no-limit"),
        ),
    )
    assert (found.value, found.parts) == (15, {"hottest_c": 90})


@pytest.mark.parametrize(("name", "margin"), [("Inlet Temp", 5.0), ("chassis ambient", 5.0), ("CPU", None)])
def test_only_the_air_that_goes_in_has_a_limit_by_name(name: str, margin: float | None) -> None:
    found = one("cooling_margin_c", poll(reading(Kind.TEMPERATURE, 27, name=name)))
    assert found.value == margin
    if margin is None:
        assert found.null_reason is NullReason.UNSUPPORTED
        assert found.parts == {"hottest_c": 27}
    else:
        assert found.parts == {"hottest_c": 27, "inlet_c": 27}


def test_the_least_margin_of_all_polls_counts_and_nonsense_does_not() -> None:
    def at(celsius: float, limit: float) -> Readings:
        return poll(reading(Kind.TEMPERATURE, celsius, limit=limit))

    assert one("cooling_margin_c", at(40, 60), at(58, 60), at(45, 60)).value == 2
    assert one("cooling_margin_c", at(64, 60)).value == -4
    assert one("cooling_margin_c", poll(*rows(Kind.TEMPERATURE, -273, 6553.5))).parts == {}
    assert one("cooling_margin_c", at(40, 0)).value is None


def test_a_fan_that_stands_still_in_two_polls_is_flagged() -> None:
    turning, still = rows(Kind.FAN_SPEED, 4000, 4100), rows(Kind.FAN_SPEED, 4000, 0)
    cool = reading(Kind.TEMPERATURE, 40, limit=60)
    assert one("cooling_margin_c", poll(cool, *turning), poll(cool, *still), poll(cool, *turning)).flags == ()
    assert one("cooling_margin_c", poll(cool, *still), poll(cool, *still)).flags == ("fan_stopped",)
    other = [reading(Kind.FAN_SPEED, 0, "1"), reading(Kind.FAN_SPEED, 3900, "2")]
    assert one("cooling_margin_c", poll(cool, *still), poll(cool, *other)).flags == ()
    alone = one("cooling_margin_c", poll(*still), poll(*still))
    assert (alone.value, alone.flags) == (None, ("fan_stopped",))


# resource_used_pct


def test_resources_are_means_over_time_and_the_greatest_counts() -> None:
    found = one(
        "resource_used_pct",
        poll(*rows(Kind.CPU_USED, 10, 30), reading(Kind.MEMORY_USED, 50), *rows(Kind.STORAGE_USED, 20, 85)),
        poll(*rows(Kind.CPU_USED, 90, 100), reading(Kind.MEMORY_USED, 50), *rows(Kind.STORAGE_USED, 20, 85)),
    )
    assert found.value == 85
    assert found.parts == {
        "cpu_pct": pytest.approx((20 * 60 + 95 * 240) / 300), "memory_pct": 50, "storage_pct": 85, "max_pct": 95,
    }  # fmt: skip


def test_more_than_all_is_all_and_less_than_nothing_is_no_reading() -> None:
    found = one("resource_used_pct", poll(reading(Kind.CPU_USED, 140), reading(Kind.MEMORY_USED, -1)))
    assert (found.value, found.parts) == (100, {"cpu_pct": 100, "max_pct": 100})


# port_used_pct


def port(name: str, if_type: int | None = 6) -> PortIdentity:
    return PortIdentity(name, 1, name, "", "", if_type, 1500, 10**9, None)


@pytest.mark.parametrize(
    ("name", "if_type", "physical"),
    [
        ("ge-0/0/1", 6, True), ("GigabitEthernet1/0/24", 6, True), ("eth0", 6, True), ("1", 117, True),
        ("lan1", 6, True), ("fc1/1", 56, True), ("Bridge-Aggregation1", 161, False), ("Vlan1", 53, False),
        ("lo", 24, False), ("br0", 6, False), ("bridge1", 6, False), ("veth12ab", 6, False), ("eth0.100", 6, False),
        ("docker0", 6, False), ("wlan0", 71, False), ("x", None, False),
    ],
)  # fmt: skip
def test_physical_ports_are_told_by_type_and_name(name: str, if_type: int | None, physical: bool) -> None:
    assert is_physical(port(name, if_type)) is physical


def used(**up_ms: int) -> dict[str, PortCounts]:
    return {name: PortCounts(up_ms=ms, down_ms=1, speed_bps=0, physical=True) for name, ms in up_ms.items()}


def test_a_port_that_was_up_once_in_the_window_is_in_use() -> None:
    days = [used(a=0, b=86_400_000), used(a=60_000, b=0), used(a=0, b=0)]
    folded = {name: merge_ports(merge_ports(days[0][name], days[1][name]), days[2][name]) for name in "ab"}
    folded |= {"c": PortCounts(down_ms=1, speed_bps=0, physical=True), "vlan1": PortCounts(up_ms=9, speed_bps=0)}
    folded = ports_window_from_plain(ports_window_to_plain(folded))
    found = port_used_pct(folded.values())
    assert found is not None
    assert found.value == pytest.approx(200 / 3)
    assert (found.n, found.parts) == (3, {"up": 2})


def test_ports_of_which_nothing_is_known_are_null_and_none_are_no_figure() -> None:
    unknown = port_used_pct([PortCounts(unknown_ms=300_000, speed_bps=0, physical=True)], NullReason.AUTH)
    assert unknown is not None
    assert (unknown.value, unknown.null_reason) == (None, NullReason.AUTH)
    assert port_used_pct([PortCounts(up_ms=1, speed_bps=0)]) is None


def test_a_time_on_battery_or_a_load_that_no_supply_has_is_no_reading() -> None:
    readings = poll(*rows(Kind.LOAD, 200, 201, -1), reading(Kind.ON_BATTERY_SECONDS, 30 * 86_400 + 1))
    assert power.battery_levels_of({Kind.LOAD: readings.readings[:3]}) == {"load": 200}
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    gear.take(0.0, readings)
    assert gear.on_battery_since is None
    gear.take(60.0, poll(reading(Kind.ON_BATTERY_SECONDS, 30 * 86_400)))
    assert gear.on_battery_since == 60.0 - 30 * 86_400
