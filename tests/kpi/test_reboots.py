"""Restarts: the device's, or its SNMP agent's alone."""

import pytest

from kpi.counters import WRAP
from kpi.model import SystemReading
from kpi.reboots import Restart, RestartCounts, RestartTracker, count_restarts, merge_restarts


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
    assert tracker.take(300.0, after) is expected


def test_an_untrusted_uptime_tells_nothing_but_engine_boots_do() -> None:
    tracker = RestartTracker()
    for minute in range(4):
        assert tracker.take(60.0 * minute, SystemReading(900, 3)) is None
    assert not tracker.uptime.trusted
    assert tracker.take(300.0, SystemReading(900, 4)) is Restart.DEVICE


def test_a_reboot_in_a_long_silence_shows_less_than_has_passed() -> None:
    tracker = RestartTracker()
    tracker.take(0.0, SystemReading(84_000))
    tracker.take(60.0, SystemReading(90_000))
    assert tracker.take(3660.0, SystemReading(300_000)) is Restart.DEVICE
    slow = RestartTracker()  # one that always counts too little is odd, not rebooting
    assert [slow.take(60.0 * i, SystemReading(90_000 + 60 * i)) for i in range(4)] == [None] * 4


def test_a_restart_that_a_ports_pdu_showed_first_is_still_one() -> None:
    tracker = RestartTracker()
    tracker.take(0.0, SystemReading(90_000))
    tracker.uptime.take(60.0, 500)
    assert tracker.take(60.1, SystemReading(510)) is Restart.DEVICE
    assert tracker.take(120.1, SystemReading(6510)) is None


def test_tracker_over_a_restart_of_the_probe() -> None:
    tracker = RestartTracker()
    assert tracker.take(0.0, SystemReading(90_000)) is None
    assert tracker.take(60.0, SystemReading(96_000)) is None
    assert tracker.take(120.0, SystemReading(500)) is Restart.DEVICE
    assert tracker.uptime.restarts == 1
    again = RestartTracker()
    assert tracker.last is not None
    again.resume(-300.0, tracker.last[1])
    assert again.take(10.0, SystemReading(31_500)) is None
    rebooted = RestartTracker()
    rebooted.resume(-300.0, tracker.last[1])
    assert rebooted.take(10.0, SystemReading(100)) is Restart.DEVICE


def test_counts_are_half_open_and_leave_maintenance_apart() -> None:
    events = [(0.0, Restart.DEVICE), (10.0, Restart.AGENT), (50.0, Restart.DEVICE), (60.0, Restart.DEVICE)]
    first = count_restarts(events, 0, 60, readings=1, maintenance=[(40, 55)])
    assert first == RestartCounts(device=1, agent=1, in_maintenance=1, readings=1)
    second = count_restarts(events, 60, 120, readings=2)
    assert merge_restarts(first, second) == RestartCounts(2, 1, 1, 3)
    assert RestartCounts.from_plain(first.to_plain()) == first
    with pytest.raises(ValueError, match="version 9"):
        RestartCounts.from_plain([9])
