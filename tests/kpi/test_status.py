"""Status: Wilson (vector 12), worse only when proven, better after two windows, two of three for the rest."""

import pytest

from kpi.catalogue import CATALOGUE
from kpi.entry import DAY_S, HOUR_S, THIRTY_DAYS_S, Scope
from kpi.model import Status
from kpi.status import Reading, level, read_on, remembered, status_of, wilson

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
    assert wilson(0, 300)[0] == pytest.approx(0, abs=1e-15)
    assert wilson(300, 300)[1] == pytest.approx(1, abs=1e-15)
    assert wilson(0, 300)[1] == pytest.approx(3.8416 / 303.8416, rel=1e-4)  # of the order of 3/n
    assert wilson(1, -5) == (0.0, 1.0)


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
