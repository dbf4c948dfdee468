"""Restarts: the device's, or its SNMP agent's alone."""

import pytest

from kpi.counters import WRAP
from kpi.model import SystemReading
from kpi.planned import Halves
from kpi.reboots import (
    Restart,
    RestartCounts,
    Restarted,
    RestartTracker,
    all_restarts,
    dated_restarts,
    merge_restarts,
    split_restarts,
)


def what(found: Restarted | None) -> Restart | None:
    return found.what if found is not None else None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (SystemReading(90_000), SystemReading(120_000), None),
        (SystemReading(90_000), SystemReading(4000), Restart.DEVICE),
        (SystemReading(90_000, host_uptime_cs=95_000), SystemReading(4000, host_uptime_cs=125_000), Restart.AGENT),
        (SystemReading(90_000, host_uptime_cs=95_000), SystemReading(4000, host_uptime_cs=9000), Restart.DEVICE),
        (SystemReading(90_000, host_uptime_cs=95_000), SystemReading(4000), Restart.DEVICE),
        (SystemReading(90_000, 7), SystemReading(120_000, 8), Restart.DEVICE),
        (SystemReading(90_000, 7, 90_000), SystemReading(4000, 8, 120_000), Restart.AGENT),
        (SystemReading(4_294_960_000), SystemReading(22_710), None),  # vector 7: wraps after 497.1 d
        (SystemReading(4_294_960_000), SystemReading(12_000), Restart.DEVICE),
        (SystemReading(50, host_uptime_cs=WRAP - 10), SystemReading(30, host_uptime_cs=29_990), Restart.AGENT),
        (SystemReading(5000), SystemReading(5300), None),  # seconds instead of hundredths: odd, no restart
        (SystemReading(5000), SystemReading(5000), None),  # frozen
        (SystemReading(None), SystemReading(4000), None),
        (SystemReading(9_000_000), SystemReading(8_670_000), None),  # its clock was set back by an hour
    ],
)
def test_what_restarted_in_300_s(before: SystemReading, after: SystemReading, expected: Restart | None) -> None:
    tracker = RestartTracker()
    tracker.take(0.0, before)
    assert what(tracker.take(300.0, after)) is expected


def test_an_untrusted_uptime_tells_nothing_but_engine_boots_do() -> None:
    tracker = RestartTracker()
    for minute in range(4):
        assert tracker.take(60.0 * minute, SystemReading(900, 3)) is None
    assert not tracker.uptime.trusted
    assert what(tracker.take(300.0, SystemReading(900, 4))) is Restart.DEVICE


def test_a_reboot_in_a_long_silence_shows_less_than_has_passed() -> None:
    tracker = RestartTracker()
    tracker.take(0.0, SystemReading(84_000))
    tracker.take(60.0, SystemReading(90_000))
    assert what(tracker.take(3660.0, SystemReading(300_000))) is Restart.DEVICE
    slow = RestartTracker()  # one that always counts too little is odd, not rebooting
    assert [slow.take(60.0 * i, SystemReading(90_000 + 60 * i)) for i in range(4)] == [None] * 4


def test_a_reboot_between_the_first_two_readings_counts_as_soon_as_the_clock_is_known_to_be_good() -> None:
    """200 s of uptime 300 s after a reading of 10 s: a restart, or a clock in the wrong unit. The next reading tells."""
    tracker = RestartTracker()
    assert tracker.take(0.0, SystemReading(1000)) is None
    assert tracker.take(300.0, SystemReading(20_000)) is None
    assert tracker.take(600.0, SystemReading(50_000)) == Restarted(600.0, 100.0, Restart.DEVICE)
    assert tracker.take(900.0, SystemReading(80_000)) is None


def test_a_late_restart_is_the_agents_where_the_host_ran_on_over_it() -> None:
    agent, device = RestartTracker(), RestartTracker()
    for at, uptime, host in ((0.0, 1000, 900_000), (300.0, 20_000, 930_000), (600.0, 50_000, 960_000)):
        found = agent.take(at, SystemReading(uptime, host_uptime_cs=host))
    assert what(found) is Restart.AGENT
    for at, uptime, host in ((0.0, 1000, 1500), (300.0, 20_000, 20_500), (600.0, 50_000, 50_500)):
        found = device.take(at, SystemReading(uptime, host_uptime_cs=host))
    assert what(found) is Restart.DEVICE


def test_a_device_that_starts_over_and_over_from_the_first_reading_on_is_seen_to() -> None:
    tracker = RestartTracker()
    found = [
        tracker.take(300.0 * i, SystemReading(100 * s)) for i, s in enumerate((10, 20, 40, 90, 150, 250, 270, 570))
    ]
    assert [one is not None for one in found] == [False, False, True, True, True, True, True, True]
    assert [one.began for one in found if one is not None] == [280.0, 560.0, 810.0, 1050.0, 1250.0, 1530.0]
    assert tracker.uptime.usable


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.5, 2.0, 10.0])
def test_a_clock_at_a_wrong_rate_is_no_restart_though_polls_are_not_to_the_second(rate: float) -> None:
    tracker, late = RestartTracker(), (0.0, 1.5, -1.5, 0.5, -1.0, 2.0)
    passed = [300.0 * i + off for i, off in enumerate(late)]
    assert [tracker.take(at, SystemReading(int(100 * rate * at))) for at in passed] == [None] * len(late)
    assert not tracker.uptime.trusted


def test_a_restart_that_a_ports_pdu_showed_first_is_still_one() -> None:
    tracker = RestartTracker()
    tracker.take(0.0, SystemReading(90_000))
    tracker.uptime.take(60.0, 500)
    assert what(tracker.take(60.1, SystemReading(510))) is Restart.DEVICE
    assert tracker.take(120.1, SystemReading(6510)) is None


def test_tracker_over_a_restart_of_the_probe() -> None:
    tracker = RestartTracker()
    assert tracker.take(0.0, SystemReading(90_000)) is None
    assert tracker.take(60.0, SystemReading(96_000)) is None
    assert what(tracker.take(120.0, SystemReading(500))) is Restart.DEVICE
    assert tracker.uptime.restarts == 1
    again = RestartTracker()
    assert tracker.last is not None
    again.resume(-300.0, tracker.last[1])
    assert again.take(10.0, SystemReading(31_500)) is None
    rebooted = RestartTracker()
    rebooted.resume(-300.0, tracker.last[1])
    assert what(rebooted.take(10.0, SystemReading(100))) is Restart.DEVICE


@pytest.mark.parametrize(
    ("trusted", "after_cs", "expected"),
    [
        (True, 40_000, Restart.DEVICE),  # it was 36,000 before the gap of 600 s: it rose, by less than has passed
        (True, 96_000, None),
        (True, 59_600, Restart.DEVICE),
        (False, 40_000, None),  # a clock that was not to be trusted before is not now
    ],
)
def test_a_reboot_inside_the_probes_own_gap(*, trusted: bool, after_cs: int, expected: Restart | None) -> None:
    tracker = RestartTracker()
    tracker.resume(-600.0, SystemReading(36_000), trusted=trusted)
    found = tracker.take(0.0, SystemReading(after_cs))
    assert what(found) is expected
    if found is not None:
        assert found == Restarted(0.0, -after_cs / 100, Restart.DEVICE)


def test_a_restart_is_dated_by_the_uptime_it_shows_and_lies_between_the_readings() -> None:
    tracker = RestartTracker()
    tracker.take(0.0, SystemReading(90_000))
    assert tracker.take(60.0, SystemReading(1500)) == Restarted(60.0, 45.0, Restart.DEVICE)
    assert tracker.take(120.0, SystemReading(7500, 3)) is None
    assert tracker.take(180.0, SystemReading(13_500, 4)) == Restarted(180.0, 120.0, Restart.DEVICE)
    silent = RestartTracker()
    silent.take(0.0, SystemReading(None, 3))
    assert silent.take(60.0, SystemReading(None, 4)) == Restarted(60.0, 60.0, Restart.DEVICE)


def test_a_restart_in_maintenance_that_is_read_after_it_is_planned() -> None:
    """It began at 590 and was noticed in the window that begins at 600."""
    noticed = dated_restarts([(-10.0, Restart.DEVICE)], 5)
    halves = split_restarts(noticed, 600.0, 300.0, [(300.0, 600.0)])
    assert halves == Halves(RestartCounts(readings=5), dated_restarts([(-10.0, Restart.DEVICE)]))
    assert split_restarts(noticed, 600.0, 300.0, [(300.0, 590.0)]) == Halves(noticed)


def test_restarts_in_planned_work_are_counted_apart_by_their_own_date() -> None:
    """The window is [600, 900); one of the restarts was before it, and was only noticed in it."""
    noticed = dated_restarts([(-20.0, Restart.DEVICE), (10.0, Restart.AGENT), (50.0, Restart.DEVICE)], 5, 290_000)
    assert (noticed.device, noticed.agent, noticed.readings) == (2, 1, 5)
    assert split_restarts(noticed, 600.0, 300.0, []) == Halves(noticed)
    before = split_restarts(noticed, 600.0, 300.0, [(500.0, 590.0)])
    assert (before.counted, before.planned) == (
        dated_restarts([(10.0, Restart.AGENT), (50.0, Restart.DEVICE)], 5, 290_000),
        dated_restarts([(-20.0, Restart.DEVICE)]),
    )
    inside = split_restarts(noticed, 600.0, 300.0, [(640.0, 655.0)])
    assert inside.counted == dated_restarts([(-20.0, Restart.DEVICE), (10.0, Restart.AGENT)])
    assert inside.planned == dated_restarts([(50.0, Restart.DEVICE)], 5, 290_000)
    half_open = split_restarts(noticed, 600.0, 300.0, [(640.0, 650.0)])
    assert half_open.planned == RestartCounts(readings=5, known_ms=290_000)
    for halves in (before, inside, half_open):
        assert all_restarts(halves) == noticed


def test_restarts_without_dates_move_with_their_window() -> None:
    old = RestartCounts(device=1, readings=5)
    assert split_restarts(old, 600.0, 300.0, [(640.0, 650.0)]) == Halves(None, old)
    assert split_restarts(old, 600.0, 300.0, [(40.0, 50.0)]) == Halves(old)


def test_restart_counts_merge_and_survive_their_plain_form() -> None:
    first = dated_restarts([(1.5, Restart.DEVICE), (2.5, Restart.AGENT)], 3, 80_000)
    assert merge_restarts(first, RestartCounts(1, 0, 2)) == RestartCounts(2, 1, 5, 80_000)
    assert RestartCounts.from_plain(first.to_plain()) == first
    assert RestartCounts.from_plain([1, 2, 1, 0, 7]) == RestartCounts(2, 1, 7)
    with pytest.raises(ValueError, match="version 9"):
        RestartCounts.from_plain([9])
