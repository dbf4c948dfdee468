"""Status: Wilson (vector 12), worse only when proven, better after two windows, two of three for the rest."""

import pytest

from kpi.catalogue import CATALOGUE
from kpi.entry import DAY_S, HOUR_S, THIRTY_DAYS_S, Rule, Scope
from kpi.model import Status
from kpi.status import Happened, Reading, level, read_on, remembered, status_of, status_of_day, votes, wilson

GOOD, WARN, BAD, NONE = Status.GOOD, Status.WARN, Status.BAD, Status.NONE
LOSS, RTT, AVAILABILITY = CATALOGUE["loss_ratio"], CATALOGUE["rtt_ms"], CATALOGUE["availability_pct"]


def lost(k: int, n: int = 3600, status: Status = NONE) -> Reading:
    return Reading(100 * k / n, n, status)


def test_vector_12_wilson() -> None:
    low, high = wilson(3, 300)
    assert 100 * low == pytest.approx(0.341, abs=5e-4)
    assert 100 * high == pytest.approx(2.898, abs=5e-4)
    assert status_of(LOSS, lost(3, 300)) is WARN  # above 0.1 % for sure; above 1 % is not proven


def test_wilson_at_its_ends() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 300)[1] == pytest.approx(3.8416 / 303.8416, rel=1e-4)  # of the order of 3/n
    assert wilson(1, -5) == (0.0, 1.0)


def test_of_none_and_of_all_the_bounds_are_exact_however_many_there_were() -> None:
    """A floating point number just above 0 would be "proven worse" than a limit of 100 %."""
    for n in (*range(1, 5000), 2_592_000):
        low, high = wilson(0, n)
        assert low == 0
        assert 0 < high < 1
        low, high = wilson(n, n)
        assert 0 < low < 1
        assert high == 1


@pytest.mark.parametrize("kpi", ["bgp_stability", "ospf_stability"])
def test_a_session_that_never_fell_is_good_whatever_the_number_of_polls(kpi: str) -> None:
    entry = CATALOGUE[kpi]
    first = entry.min_n
    assert [n for n in range(first, 1500) if status_of(entry, Reading(100.0, n)) is not GOOD] == []


def test_wilson_of_more_bad_ones_than_there_are() -> None:
    assert wilson(301, 300) == wilson(300, 300)
    assert wilson(-1, 300) == wilson(0, 300)


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [
        (0, 299, NONE),
        (299, 299, NONE),
        (0, 300, GOOD),
        (1, 300, GOOD),
        (2, 3600, GOOD),
        (20, 3600, WARN),
        (60, 3600, BAD),
    ],
)
def test_first_window(k: int, n: int, expected: Status) -> None:
    assert status_of(LOSS, lost(k, n)) is expected


def test_one_good_window_is_not_enough_two_are() -> None:
    bad = lost(100, status=BAD)
    first = lost(0)
    after_one = status_of(LOSS, first, [bad])
    assert after_one is BAD
    assert status_of(LOSS, lost(1), [bad, lost(0, status=after_one)]) is GOOD


def test_better_goes_as_far_as_both_windows_say() -> None:
    assert status_of(LOSS, lost(0), [lost(100, status=BAD), lost(20, status=BAD)]) is WARN


def test_worse_needs_proof_and_comes_at_once() -> None:
    good = lost(0, status=GOOD)
    assert status_of(LOSS, lost(5), [good, good]) is GOOD  # 0.14 %: above, but by chance perhaps
    assert status_of(LOSS, lost(60), [good, good]) is BAD


def test_a_window_with_too_little_does_not_count_as_a_good_one() -> None:
    history = [lost(100, status=BAD), Reading(None, 0, NONE)]
    assert status_of(LOSS, lost(0), history) is BAD
    assert status_of(LOSS, lost(0), [lost(100, status=BAD), lost(0, 40, NONE)]) is BAD


@pytest.mark.parametrize("k", [0, 1, 20, 100])
@pytest.mark.parametrize("n", [29, 40, 299, 300, 3600])
@pytest.mark.parametrize("last", [GOOD, WARN, BAD, NONE])
def test_what_is_remembered_says_the_same_as_the_whole(k: int, n: int, last: Status) -> None:
    whole = [lost(k, n, last), lost(min(k, 29), n, last)]
    for now in (lost(0), lost(5), lost(60)):
        assert status_of(LOSS, now, [remembered(LOSS, one) for one in whole]) is status_of(LOSS, now, whole)


def test_windows_that_differ_in_how_much_alone_are_remembered_alike() -> None:
    assert remembered(LOSS, lost(0, 3600, GOOD)) == remembered(LOSS, lost(0, 3599, GOOD))
    assert remembered(LOSS, lost(0, 299)) != remembered(LOSS, lost(0, 300))


def test_time_ratios_count_checks_and_are_good_when_high() -> None:
    month = 2_592_000
    assert status_of(AVAILABILITY, Reading(99.95, month)) is GOOD
    assert status_of(AVAILABILITY, Reading(99.8, month)) is WARN
    assert status_of(AVAILABILITY, Reading(99.0, month)) is BAD
    assert status_of(AVAILABILITY, Reading(99.0, 100)) is WARN  # below 99.9 for sure, below 99.5 not
    assert status_of(AVAILABILITY, Reading(50.0, 29)) is NONE


def test_others_go_by_two_of_three_windows() -> None:
    slow, fast = Reading(30.0, 300), Reading(2.0, 300)
    for before, now, expected in [
        ([], slow, BAD),
        ([fast], slow, GOOD),
        ([fast, fast], slow, GOOD),
        ([fast, slow], slow, BAD),
        ([slow, fast], slow, BAD),
        ([slow, slow], fast, BAD),
        ([slow, slow, fast], fast, GOOD),
        ([slow, Reading(10.0, 300)], fast, WARN),
        ([Reading(None), Reading(None)], slow, BAD),
        ([slow, slow], Reading(None), NONE),
    ]:
        assert status_of(RTT, now, before, scope=Scope.LAN) is expected


RUNTIME, BATTERY = CATALOGUE["ups_runtime_min"], CATALOGUE["on_battery_s"]


def test_safety_limits_are_worse_at_once_and_better_after_two_windows() -> None:
    low, low_warn, well = Reading(4.0, 5), Reading(10.0, 5), Reading(40.0, 5)
    for before, now, expected in [
        ([], well, GOOD),
        ([], low, BAD),
        ([well, well], low, BAD),
        ([well], low_warn, WARN),
        ([low], well, BAD),
        ([low, well], well, GOOD),
        ([low], low_warn, BAD),
        ([low, low_warn], low_warn, WARN),
        ([low, low_warn], well, WARN),
        ([low, Reading(None)], well, BAD),  # a window that does not vote is no good one
        ([low, Reading(40.0, 0)], well, BAD),
        ([Reading(40.0, 5, BAD, alarmed=True)], well, BAD),  # the device itself had said so
        ([low], Reading(None), NONE),
        ([low], Reading(40.0, 0), NONE),
    ]:
        assert status_of(RUNTIME, now, before) is expected, (before, now)
    assert status_of(RUNTIME, Reading(40.0, 5, alarmed=True)) is BAD
    assert CATALOGUE["cooling_margin_c"].rule is RUNTIME.rule is Rule.SAFETY


def test_a_day_of_events_is_judged_by_itself() -> None:
    for seconds, expected in ((0.0, GOOD), (1.0, WARN), (299.0, WARN), (300.0, BAD)):
        for before in ([], [Reading(9000.0, 5)] * 2, [Reading(0.0, 5)] * 2):
            assert status_of(BATTERY, Reading(seconds, 5), before) is expected
    events = {kpi.id for kpi in CATALOGUE.values() if kpi.rule is Rule.EVENTS}
    assert events == {
        "reboots", "link_flap", "on_battery_s", "stp_changes", "neighbour_churn", "ospf_resets", "bgp_resets",
    }  # fmt: skip
    assert all(CATALOGUE[kpi].status_window_s == DAY_S for kpi in events)


def hours(*weights: float, coverage: float | None = 1.0) -> list[Happened]:
    return [Happened(HOUR_S * i, HOUR_S, weight, 0.0, coverage) for i, weight in enumerate(weights)]


def test_the_last_24_hours_are_added_up() -> None:
    day = hours(250.0, *[0.0] * 22, 50.0)
    assert status_of_day(BATTERY, day, DAY_S) == (BAD, 300.0)
    assert status_of_day(BATTERY, day, DAY_S + 300) == (BAD, 300.0)  # the hour that leaves counts until it has left
    assert status_of_day(BATTERY, day, DAY_S + HOUR_S) == (WARN, 50.0)
    assert status_of_day(BATTERY, day, 23 * HOUR_S) == (WARN, 250.0)  # what is later is not looked at
    assert status_of_day(BATTERY, [], DAY_S) == (NONE, None)
    assert status_of_day(CATALOGUE["if_in_bps"], day, DAY_S) == (NONE, None)


def test_a_day_weighs_what_its_heaviest_window_weighs_at_least() -> None:
    assert status_of_day(BATTERY, [Happened(0, 300, 5.0, 900.0)], 300) == (BAD, 900.0)
    assert status_of_day(BATTERY, [Happened(0, 300, 5.0, 4.0), Happened(300, 300, 5.0, 0.0)], 600) == (WARN, 10.0)


def test_half_of_the_24_hours_must_be_known_for_nothing_to_have_happened() -> None:
    assert status_of_day(BATTERY, hours(*[0.0] * 24, coverage=0.5), DAY_S)[0] is GOOD
    assert status_of_day(BATTERY, hours(*[0.0] * 24, coverage=0.49), DAY_S)[0] is NONE
    assert status_of_day(BATTERY, hours(*[0.0] * 12), 12 * HOUR_S)[0] is GOOD
    assert status_of_day(BATTERY, hours(*[0.0] * 11), 11 * HOUR_S)[0] is NONE  # before was nothing
    assert status_of_day(BATTERY, hours(*[0.0] * 12), 30 * HOUR_S)[0] is NONE  # six hours of them are left
    assert status_of_day(BATTERY, [Happened(0, 300, 0.0)], 300) == (NONE, None)
    assert status_of_day(BATTERY, hours(0.0, coverage=None), HOUR_S)[0] is NONE  # nothing was due
    assert status_of_day(BATTERY, hours(*[0.0] * 24, coverage=None), DAY_S)[0] is NONE
    planned = [*hours(*[0.0] * 22, coverage=None), Happened(22 * HOUR_S, HOUR_S, 0.0)]
    assert status_of_day(BATTERY, planned, DAY_S)[0] is GOOD  # of two hours that were due one is known
    quiet = [*hours(0.0), Happened(HOUR_S + 900, 300, 7.0)]
    assert status_of_day(BATTERY, quiet, HOUR_S + 1800) == (WARN, 7.0)  # the rest of the hour that runs is quiet


def test_what_happened_has_happened_however_little_else_is_known() -> None:
    """Three restarts in the one hour that is known, 22 hours ago, are three restarts."""
    reboots = CATALOGUE["reboots"]
    assert status_of_day(reboots, [Happened(0, HOUR_S, 3.0)], 23 * HOUR_S) == (BAD, 3.0)
    assert status_of_day(reboots, [Happened(0, 300, 1.0)], 300) == (WARN, 1.0)
    assert status_of_day(reboots, [Happened(0, HOUR_S, 3.0, 0.0, 0.01)], HOUR_S) == (BAD, 3.0)
    assert status_of_day(reboots, [Happened(0, HOUR_S, 3.0)], 26 * HOUR_S) == (NONE, None)


def test_the_hour_that_runs_is_known_as_far_as_it_is_told() -> None:
    half_a_day = hours(*[0.0] * 12)
    assert status_of_day(BATTERY, half_a_day, 12 * HOUR_S + 3300)[0] is GOOD
    told = [Happened(12 * HOUR_S + 300 * i, 300, 0.0, 0.0, 0.0) for i in range(11)]
    assert status_of_day(BATTERY, [*half_a_day, *told], 12 * HOUR_S + 3300)[0] is GOOD
    assert status_of_day(BATTERY, [*half_a_day[1:], *told], 12 * HOUR_S + 3300)[0] is NONE


@pytest.mark.parametrize(
    ("reading", "coverage", "expected"),
    [
        (lost(0, 300), 0.5, True),
        (lost(0, 300), 0.49, False),
        (lost(0, 299), 1.0, False),
        (Reading(None, 300), 1.0, False),
        (lost(0, 300), None, False),
    ],
)
def test_windows_that_say_too_little_do_not_vote(reading: Reading, coverage: float | None, *, expected: bool) -> None:
    assert votes(LOSS, reading, coverage) is expected


def test_two_of_three_windows_are_those_that_vote() -> None:
    slow, fast, nothing = Reading(30.0, 300), Reading(2.0, 300), Reading(None)
    assert status_of(RTT, slow, [slow, nothing, fast], scope=Scope.LAN) is BAD
    assert status_of(RTT, fast, [slow, nothing, nothing], scope=Scope.LAN) is GOOD


def test_a_routing_session_is_judged_from_ten_polls_on() -> None:
    bgp = CATALOGUE["bgp_stability"]
    assert status_of(bgp, Reading(100.0, 9)) is NONE
    assert status_of(bgp, Reading(100.0, 10)) is GOOD
    assert status_of(bgp, Reading(50.0, 10)) is BAD
    assert CATALOGUE["ospf_stability"].min_n == 10


@pytest.mark.parametrize(
    ("kpi", "sides"),
    [
        ("rtt_ms", [(5, GOOD), (5.01, WARN), (20, WARN), (20.01, BAD)]),
        ("loss_ratio", [(0.1, GOOD), (0.101, WARN), (1, WARN), (1.001, BAD)]),
        ("jitter_ms", [(30, GOOD), (50, WARN), (50.1, BAD)]),
        ("availability_pct", [(99.9, GOOD), (99.89, WARN), (99.5, WARN), (99.49, BAD)]),
        ("network_uptime_pct", [(99.9, GOOD), (99.5, WARN), (99.49, BAD)]),
        ("monitoring_coverage_pct", [(99, GOOD), (98.9, WARN), (95, WARN), (94.9, BAD)]),
        ("reboots", [(0, GOOD), (1, WARN), (2, BAD)]),
        ("if_util_pct", [(70, GOOD), (90, WARN), (90.1, BAD)]),
        ("if_error_pct", [(0.01, GOOD), (0.1, WARN), (0.101, BAD)]),
        ("if_discard_pct", [(0.1, GOOD), (1, WARN), (1.01, BAD)]),
        ("link_flap", [(0, GOOD), (1, WARN), (3, WARN), (4, BAD)]),
        ("stp_changes", [(2, GOOD), (3, WARN), (10, WARN), (11, BAD)]),
        ("neighbour_churn", [(0, GOOD), (1, WARN), (2, WARN), (3, BAD)]),
        ("ospf_stability", [(100, GOOD), (99.99, WARN), (99.9, WARN), (99.89, BAD)]),
        ("bgp_stability", [(100, GOOD), (99.99, WARN), (99.9, WARN), (99.89, BAD)]),
        ("ospf_resets", [(0, GOOD), (1, WARN), (2, BAD)]),
        ("bgp_resets", [(0, GOOD), (1, WARN), (2, BAD)]),
        ("wifi_clients", [(25, GOOD), (50, WARN), (50.1, BAD)]),
        ("wifi_signal_dbm", [(-67, GOOD), (-67.1, WARN), (-75, WARN), (-75.1, BAD)]),
        ("wifi_snr_db", [(25, GOOD), (15, WARN), (14.9, BAD)]),
        ("wifi_interference_pct", [(40, GOOD), (50, WARN), (50.1, BAD)]),
        ("wifi_noise_dbm", [(-92, GOOD), (-85, WARN), (-84.9, BAD)]),
        ("wifi_retry_pct", [(9.99, GOOD), (10, WARN), (19.99, WARN), (20, BAD)]),
        ("wifi_ap_up_pct", [(100, GOOD), (99.9, WARN), (90, WARN), (89.9, BAD)]),
        ("on_battery_s", [(0, GOOD), (1, WARN), (299, WARN), (300, BAD)]),
        ("ups_runtime_min", [(15, GOOD), (14.9, WARN), (5, WARN), (4.9, BAD)]),
        ("poe_headroom_pct", [(20, GOOD), (10, WARN), (9.9, BAD)]),
        ("resource_used_pct", [(70, GOOD), (90, WARN), (90.1, BAD)]),
        ("port_used_pct", [(80, GOOD), (95, WARN), (95.1, BAD)]),
    ],
)
def test_each_limit_is_on_the_side_that_its_sign_says(kpi: str, sides: list[tuple[float, Status]]) -> None:
    """At the limits themselves and beside them: "up to" 5 ms is good at 5 ms, "below" 10 % is not at 10 %."""
    entry = CATALOGUE[kpi]
    threshold, better = entry.threshold(Scope.LAN), entry.better
    assert threshold is not None
    assert better is not None
    assert [level(threshold, better, value) for value, _ in sides] == [side for _, side in sides]


def test_thresholds_depend_on_scope() -> None:
    assert status_of(RTT, Reading(30.0, 300), scope=Scope.LAN) is BAD
    assert status_of(RTT, Reading(30.0, 300), scope=Scope.WAN) is GOOD
    assert status_of(RTT, Reading(30.0, 300)) is NONE  # without a scope there is no threshold


def test_limits_belong_to_the_better_side() -> None:
    assert RTT.better is not None
    lan = RTT.threshold(Scope.LAN)
    assert lan is not None
    assert [level(lan, RTT.better, v) for v in (5, 5.01, 20, 20.01)] == [GOOD, WARN, WARN, BAD]
    uptime = AVAILABILITY.threshold(Scope.LAN)
    assert uptime is not None
    assert AVAILABILITY.better is not None
    assert [level(uptime, AVAILABILITY.better, v) for v in (99.9, 99.89, 99.5, 99.49)] == [GOOD, WARN, WARN, BAD]


def test_little_coverage_gives_no_status() -> None:
    assert status_of(LOSS, lost(0), coverage=0.49) is NONE
    assert status_of(LOSS, lost(0), coverage=0.5) is GOOD


def test_traffic_has_no_status() -> None:
    assert status_of(CATALOGUE["if_in_bps"], Reading(1e9, 12)) is NONE


@pytest.mark.parametrize(
    ("kpi", "lengths", "others"),
    [
        ("loss_ratio", [HOUR_S], [300, DAY_S]),
        ("link_flap", [DAY_S], [HOUR_S]),
        ("availability_pct", [THIRTY_DAYS_S, 28 * DAY_S, 31 * DAY_S + 3600, 28 * DAY_S - 3600], [DAY_S]),
        ("if_in_bps", [], [300, HOUR_S]),
    ],
)
def test_status_is_read_on_one_length(kpi: str, lengths: list[int], others: list[int]) -> None:
    assert all(read_on(CATALOGUE[kpi], length) for length in lengths)
    assert not any(read_on(CATALOGUE[kpi], length) for length in others)
