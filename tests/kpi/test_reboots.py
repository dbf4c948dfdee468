"""Restarts: the device's, or its SNMP agent's alone."""

import pytest

from kpi.counters import WRAP
from kpi.model import SystemReading
from kpi.reboots import Restart, RestartCounts, Restarted, RestartTracker, count_restarts, merge_restarts


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
    planned = Restarted(620.0, 590.0, Restart.DEVICE)
    counts = count_restarts([planned], 600.0, 900.0, readings=5, maintenance=[(300.0, 600.0)])
    assert counts == RestartCounts(in_maintenance=1, readings=5)
    assert count_restarts([planned], 600.0, 900.0, readings=5, maintenance=[(300.0, 590.0)]).device == 1
    assert count_restarts([planned], 300.0, 600.0, readings=5).device == 0  # it counts where it was noticed


def test_counts_are_half_open_and_leave_maintenance_apart() -> None:
    seen = [(0.0, Restart.DEVICE), (10.0, Restart.AGENT), (50.0, Restart.DEVICE), (60.0, Restart.DEVICE)]
    events = [Restarted(at, at, what) for at, what in seen]
    first = count_restarts(events, 0, 60, readings=1, known_ms=20_000, maintenance=[(40, 55)])
    assert first == RestartCounts(device=1, agent=1, in_maintenance=1, readings=1, known_ms=20_000)
    second = count_restarts(events, 60, 120, readings=2, known_ms=60_000)
    assert merge_restarts(first, second) == RestartCounts(2, 1, 1, 3, 80_000)
    assert RestartCounts.from_plain(first.to_plain()) == first
    with pytest.raises(ValueError, match="version 9"):
        RestartCounts.from_plain([9])
