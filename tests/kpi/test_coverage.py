"""How much is known of what a figure is made from (kpi/README.md R3): echoes, or the polls of that device, port or table."""

from dataclasses import replace

import pytest

from kpi import figures
from kpi.counters import UptimeTracker
from kpi.coverage import device_coverage, port_coverage, sent_share, site_coverage
from kpi.echo import EchoCounts
from kpi.entry import HOUR_S
from kpi.fabric_counts import DuplexCounts, FabricCounts, SessionCounts, StpCounts
from kpi.gear import Kind
from kpi.gear_accumulator import GearAccumulator
from kpi.gear_counts import GearCounts, Level, Topic
from kpi.gear_figures import known_s
from kpi.merge import DeviceWindow
from kpi.model import Figure, Role, Status, Summary, Window
from kpi.port_counts import PortCounts
from kpi.port_summary import port_figures, ports_to_plain
from kpi.reboots import RestartCounts
from kpi.states import StateSeconds
from kpi.summary import device_summary, figure_to_plain, judged, site_summary, summary_to_plain
from tests.kpi.gear_polls import poll, reading, rows

HOUR = Window(0, HOUR_S)
UP = StateSeconds(up_ms=3_600_000, checks=3600)
ECHO = EchoCounts(sent=3600)


def device(states: StateSeconds = UP, **of: object) -> DeviceWindow:
    return replace(DeviceWindow("d", Role.SWITCH, states, ECHO), **of)  # type: ignore[arg-type]


def status(summary: Summary, kpi: str) -> Status:
    return next(f.status for f in summary.figures if f.kpi == kpi)


def test_echoes_are_for_what_comes_of_echoes_and_polls_for_what_comes_by_snmp() -> None:
    """The device answered all echoes, and SNMP for 20 minutes of the hour; or the other way round."""
    twenty = {"cpu": Level(20, 1_200_000, 9900, 9900, 9900 * 1_200_000)}
    gear = GearCounts(20, int(Topic.RESOURCES), levels=twenty)
    silent = device(gear=gear, restarts=RestartCounts(readings=20, known_ms=1_200_000))
    assert device_coverage(silent, "availability_pct") == device_coverage(silent, "rtt_ms") == 1
    assert device_coverage(silent, "resource_used_pct") == device_coverage(silent, "reboots") == pytest.approx(1 / 3)
    assert status(device_summary(silent, HOUR), "resource_used_pct") is Status.NONE
    dark = StateSeconds(up_ms=1_200_000, unknown_ms=2_400_000, checks=1200)
    whole = {"cpu": Level(60, 3_600_000, 9900, 9900, 9900 * 3_600_000)}
    told = device(dark, gear=GearCounts(60, int(Topic.RESOURCES), levels=whole))
    assert device_coverage(told, "loss_ratio") == pytest.approx(1 / 3)
    assert status(device_summary(told, HOUR), "resource_used_pct") is Status.BAD


@pytest.mark.parametrize(
    ("kpi", "counts", "expected"),
    [
        ("if_in_bps", PortCounts(in_ms=900_000, out_ms=1_800_000), 0.25),
        ("if_out_bps", PortCounts(in_ms=900_000, out_ms=1_800_000), 0.5),
        ("if_util_pct", PortCounts(in_ms=2_700_000), 0.75),
        ("p95_rate_bps", PortCounts(out_ms=3_600_000, bins=((0, 1, 0),) * 9), 0.75),
        ("if_error_pct", PortCounts(in_ms=3_600_000, in_packet_ms=900_000, out_packet_ms=360_000), 0.25),
        ("if_discard_pct", PortCounts(out_packet_ms=360_000), 0.1),
        ("if_discard_pct", PortCounts(in_packets=1), 1.0),
        ("if_discard_pct", PortCounts(), 0.0),
        ("link_flap", PortCounts(up_ms=900_000, down_ms=900_000, off_ms=900_000, unknown_ms=900_000), 0.75),
        ("link_flap", PortCounts(up_ms=7_200_000), 1.0),
    ],
)
def test_a_port_is_known_as_long_as_its_own_polls_say(kpi: str, counts: PortCounts, expected: float) -> None:
    (figure,) = [one for one in figures.port_figures(counts) if one.kpi == kpi]
    assert port_coverage(counts, figure, 3_600_000) == expected
    assert port_coverage(counts, figure, 0) is None


def test_what_is_known_of_a_ports_figure_is_what_is_known_of_the_direction_that_decides_it() -> None:
    """A minute of full and faulty input beside an hour of idle output: neither is known for half of the hour."""
    counts = PortCounts(
        polls=60, absent=0, in_octets=7_500_000_000, in_ms=60_000, out_ms=3_600_000, in_capacity_bits=60 * 10**9,
        in_capacity_octets=7_500_000_000, out_capacity_bits=3600 * 10**9, speed_bps=10**9, in_packets=2000,
        in_errors=200, in_packet_ms=60_000, out_packets=10**6, out_packet_ms=3_600_000, up_ms=3_600_000,
    )  # fmt: skip
    found = {figure.kpi: figure for figure in port_figures({"p": counts}, HOUR)["p"]}
    for kpi in ("if_util_pct", "if_error_pct"):
        assert found[kpi].coverage == pytest.approx(1 / 60)
        assert found[kpi].status is Status.NONE
    assert (found["if_discard_pct"].coverage, found["if_discard_pct"].status) == (1, Status.GOOD)
    assert found["if_out_bps"].coverage == 1


def test_the_95th_percentile_is_known_for_as_many_bins_as_its_own_direction_has() -> None:
    """All twelve bins have the way in, three the way out, which is the busier one."""
    counts = PortCounts(
        polls=12, speed_bps=10**9, absent=0, bins=tuple((5, 900 if i < 3 else -1, 10**9) for i in range(12))
    )
    figure = figures.p95_rate_bps(counts)
    assert (figure.value, figure.n) == (900, 3)
    assert port_coverage(counts, figure, 3_600_000) == 0.25
    assert "p95_partial" in port_figures({"a": counts}, HOUR)["a"][3].flags


def test_of_both_directions_together_no_more_is_known_than_of_the_lesser() -> None:
    counts = PortCounts(
        polls=12, in_octets=9, in_ms=3_600_000, out_octets=9, out_ms=900_000, in_capacity_bits=720, in_capacity_octets=9,
        out_capacity_bits=720, out_capacity_octets=9, speed_bps=10, absent=0, flags=("half_duplex",),
    )  # fmt: skip
    assert port_coverage(counts, figures.if_util_pct(counts), 3_600_000) == 0.25
    full = replace(counts, flags=("full_duplex",), in_capacity_octets=18)
    assert port_coverage(full, figures.if_util_pct(full), 3_600_000) == 1


def test_interference_is_known_as_long_as_the_share_of_others_is() -> None:
    levels = {"channel": Level(60, 3_600_000, 0, 0, 0), "other": Level(10, 600_000, 0, 0, 0)}
    gear = GearCounts(60, int(Topic.CHANNEL), levels=levels)
    assert known_s(gear, "wifi_interference_pct") == 600


def test_what_is_known_of_the_fullest_resource_is_what_is_known_of_that_one() -> None:
    levels = {"cpu": Level(1, 60_000, 9900, 9900, 9900 * 60_000), "memory": Level(60, 3_600_000, 10, 10, 36_000_000)}
    part = device(gear=GearCounts(60, int(Topic.RESOURCES), levels=levels))
    assert device_coverage(part, "resource_used_pct") == pytest.approx(1 / 60)
    assert status(device_summary(part, HOUR), "resource_used_pct") is Status.NONE


def test_sessions_that_are_known_for_two_minutes_are_not_known_by_their_neighbour() -> None:
    bgp = {"a": SessionCounts(checks=60, known_ms=3_600_000)}
    bgp |= {f"p{i}": SessionCounts(checks=60, known_ms=120_000) for i in range(9)}
    assert device_coverage(device(fabric=FabricCounts(bgp=bgp)), "bgp_stability") == pytest.approx(0.13)


def test_a_supplys_time_on_battery_is_known_as_its_own_seconds_are() -> None:
    levels = {"told_line": Level(60, 3_600_000), "told_seconds": Level(1, 60_000), "on_battery": Level(60, 3_600_000)}
    have = Topic.LINE_FAILURES | Topic.BATTERY | Topic.BATTERY_SECONDS
    counts = GearCounts(60, int(have), levels=levels)
    assert [known_s(counts, kpi) for kpi in ("power_events", "on_battery_s")] == [3600, 60]


def test_a_port_that_was_read_for_less_than_half_of_the_hour_has_no_status() -> None:
    def error_status(ms: int) -> Status:
        counts = PortCounts(polls=6, in_packets=10**6, in_errors=10**5, in_packet_ms=ms, in_ms=ms, absent=0)
        found = port_figures({"ge0": counts}, HOUR)["ge0"]
        return next(figure.status for figure in found if figure.kpi == "if_error_pct")

    assert error_status(1_799_000) is Status.NONE
    assert error_status(1_800_000) is Status.BAD
    half = port_figures({"ge0": PortCounts(in_ms=900_000, polls=1)}, HOUR, due_ms=900_000)["ge0"]
    assert half[0].coverage == 1  # the rest of the hour was planned work


@pytest.mark.parametrize(
    ("kpi", "expected"),
    [
        ("stp_changes", 0.25),
        ("neighbour_churn", 0.5),
        ("ospf_stability", 0.5),
        ("ospf_resets", 0.5),
        ("bgp_stability", 1.0),
        ("bgp_resets", 1.0),
        ("duplex_mismatch", 1.0),
    ],
)
def test_routing_and_switching_are_known_as_long_as_their_tables(kpi: str, expected: float) -> None:
    fabric = FabricCounts(
        stp=StpCounts(1),
        duplex=DuplexCounts(judged=1),
        ospf={"a": SessionCounts(9, 900_000), "b": SessionCounts(9, 1_800_000, two_way_ms=900_000)},
        bgp={"c": SessionCounts(60, 3_600_000)},
        known_ms={"stp": 900_000, "neighbours": 1_800_000},
    )
    assert device_coverage(device(fabric=fabric), kpi) == expected


def test_what_could_not_be_sent_lowers_what_is_known_of_echoes() -> None:
    assert sent_share(EchoCounts(sent=30, faults_by=(("x", 10),), skipped=20)) == 0.5
    assert sent_share(None) == sent_share(EchoCounts()) == 1
    part = device(echo=EchoCounts(sent=1700, skipped=1900))
    assert status(device_summary(part, HOUR), "loss_ratio") is Status.NONE


def test_a_window_that_is_all_maintenance_has_no_status() -> None:
    planned = device(StateSeconds(maintenance_ms=3_600_000, maintenance_up_ms=3_600_000))
    assert device_coverage(planned, "loss_ratio") is None
    assert status(device_summary(planned, HOUR), "loss_ratio") is Status.NONE
    assert judged(Figure("loss_ratio", 0.0, n=3600), HOUR, coverage=None).status is Status.NONE
    assert judged(Figure("loss_ratio", 0.0, n=3600), HOUR).status is Status.GOOD


def test_measured_time_has_a_status_however_little_was_measured() -> None:
    dark = [device(StateSeconds(up_ms=360_000, unknown_ms=3_240_000, checks=360))]
    summary = site_summary(dark, None, HOUR)
    assert status(summary, "monitoring_coverage_pct") is Status.BAD
    assert status(summary, "loss_ratio@lan") is Status.NONE


def test_the_sites_figures_are_known_as_those_of_the_devices_that_have_them() -> None:
    known = device(restarts=RestartCounts(readings=60, known_ms=3_600_000))
    half = device(device="e", restarts=RestartCounts(readings=30, known_ms=1_800_000))
    assert site_coverage([known, half], "reboots", {}) == 0.75
    short = device(StateSeconds(up_ms=1_200_000, maintenance_ms=2_400_000), device="f")
    assert site_coverage([known, short], "availability_pct", {}) == 1
    assert site_coverage([known, half], "link_flap", {"d": Figure("link_flap", 0.0, coverage=0.5)}) == 0.5
    assert site_coverage([], "reboots", {}) is None
    summary = site_summary([known, half, device(device="g")], None, HOUR)
    assert next(f.coverage for f in summary.figures if f.kpi == "reboots") == 0.75


def test_a_figures_coverage_stands_beside_it_where_it_is_another_than_the_summarys() -> None:
    figure = Figure("reboots", 0.0, n=5, coverage=0.5)
    assert figure_to_plain(figure, 1.0)["coverage"] == 0.5
    assert "coverage" not in figure_to_plain(figure, 0.52)
    assert "coverage" not in figure_to_plain(figure)
    half = device(restarts=RestartCounts(readings=30, known_ms=1_800_000))
    assert summary_to_plain(device_summary(half, HOUR))["figures"]["reboots"]["coverage"] == 0.5


def test_a_figure_says_that_it_is_partial_by_its_own_coverage() -> None:
    half = device(restarts=RestartCounts(readings=30, known_ms=1_800_000))
    plain = summary_to_plain(device_summary(half, HOUR))
    assert "partial" not in plain
    assert plain["figures"]["reboots"]["partial"] is True
    assert "partial" not in plain["figures"]["availability_pct"]
    assert "partial" not in figure_to_plain(Figure("monitoring_coverage_pct", 50.0, coverage=0.5), 0.5)


def test_ports_say_how_much_they_know_where_that_is_not_the_whole() -> None:
    def counts(ms: int) -> PortCounts:
        return PortCounts(
            polls=ms // 60_000, absent=0, in_octets=10**6, in_ms=ms, out_ms=ms, in_packets=2000, in_packet_ms=ms,
            out_packets=2000, out_packet_ms=ms, up_ms=ms, speed_bps=10**9,
        )  # fmt: skip

    whole = ports_to_plain(port_figures({"a": counts(3_600_000), "b": counts(3_600_000)}, HOUR))
    assert not [name for name in whole if name.endswith(".coverage") or name == "partial"]
    assert [name for name in whole if name.endswith(".n")] == ["if_in_bps.n", "if_error_pct.n", "link_flap.n"]
    assert [whole["if_in_bps.n"], whole["if_error_pct.n"], whole["link_flap.n"]] == [60, 2000, 3600]
    part = ports_to_plain(port_figures({"a": counts(3_600_000), "b": counts(360_000)}, HOUR))
    assert part["if_in_bps.coverage"] == part["if_error_pct.coverage"] == part["link_flap.coverage"] == [1, 0.1]
    assert part["partial"]["if_in_bps"] == part["partial"]["if_error_pct"] == part["partial"]["link_flap"] == [1]
    assert part["if_in_bps.n"] == [60, 6]


def test_readings_that_are_no_levels_are_known_while_their_table_is_read() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 600.0)
    heard = rows(Kind.CLIENT_RSSI, -60)
    gear.take(0.0, poll(reading(Kind.CPU_USED, 5), *heard))
    gear.take(60.0, poll(reading(Kind.CPU_USED, 5)))  # nobody is connected: an empty table is read all the same
    gear.take(120.0, poll(missed={"t": "timeout"}))
    for at in (180.0, 240.0, 300.0):
        gear.take(at, poll(missed={"t": "timeout"}))
    gear.take(480.0, poll(reading(Kind.CPU_USED, 5), *heard))
    counts = gear.close(600.0)
    known = known_s(counts, "wifi_signal_dbm")
    assert known is not None
    assert 180 <= known - 120 <= 540  # up to 480 s at most two periods, then up to the end
    assert known_s(counts, "rtt_ms") is None
    assert known_s(GearCounts(have=int(Topic.SIGNAL)), "wifi_signal_dbm") is None


def test_a_table_that_cannot_be_read_is_not_known_though_others_are() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 3600.0)
    for minute in range(60):
        other = replace(reading(Kind.CPU_USED, 5), instance="u.cpu.1")
        heard = rows(Kind.CLIENT_RSSI, -60) if minute < 20 else []
        missed = {} if minute < 20 else {"t": "timeout"}
        gear.take(60.0 * minute, poll(other, *heard, missed=missed))
    counts = gear.close(3600.0)
    assert known_s(counts, "resource_used_pct") == 3600
    assert known_s(counts, "wifi_signal_dbm") == pytest.approx(1260, abs=60)  # 19 minutes and two periods
    assert status(device_summary(device(gear=counts), HOUR), "wifi_signal_dbm") is Status.NONE
