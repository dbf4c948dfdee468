"""A port's states: transitions seen and inferred, state time, flapping."""

from kpi.counters import WRAP, UptimeTracker
from kpi.model import PortStatus
from kpi.ports import LastReading, PortAccumulator
from tests.kpi.port_readings import GE0, port, reading, status


def test_transitions_are_seen_or_inferred() -> None:
    accumulator = port()
    accumulator.take_status(0.0, status(1000))
    accumulator.take_status(60.0, status(1060, "down", 104_000))
    accumulator.take_status(120.0, status(1120, "up", 110_000))
    accumulator.take_status(180.0, status(1180, "up", 116_000))  # down and up between two polls
    accumulator.take_status(240.0, status(1240, "up", 116_000))
    counts = accumulator.close(300.0)
    assert (counts.transitions, counts.downs) == (4, 2)
    assert (counts.up_ms, counts.down_ms, counts.unknown_ms) == (240_000, 60_000, 0)


def test_last_change_is_compared_for_inequality_as_it_wraps() -> None:
    accumulator = port()
    accumulator.take_status(0.0, PortStatus("up", "up", WRAP - 5, WRAP - 3))
    accumulator.take_status(60.0, PortStatus("up", "up", 9, 5997))
    assert accumulator.close(300.0).transitions == 2


def test_after_a_restart_nothing_is_inferred() -> None:
    accumulator = port()
    accumulator.take_status(0.0, status(9000, last_change_cs=800_000))
    accumulator.take_status(60.0, status(20, last_change_cs=0))
    accumulator.take_status(120.0, status(80, last_change_cs=0))
    assert accumulator.close(300.0).transitions == 0


def test_a_restart_seen_by_another_port_counts_for_all_ports() -> None:
    uptime = UptimeTracker()
    accumulator = PortAccumulator(GE0, uptime, 0.0, 300.0)
    accumulator.take_status(0.0, status(9000, last_change_cs=800_000))
    uptime.take(59.9, 1990)
    accumulator.take_status(60.0, status(20, last_change_cs=0))
    assert accumulator.close(300.0).transitions == 0


def test_an_agent_that_gives_its_uptime_for_last_change_does_not_flap() -> None:
    accumulator = port()
    for minute in range(5):
        accumulator.take_status(60.0 * minute, status(60 * minute, last_change_cs=6000 * minute))
    assert accumulator.close(300.0).transitions == 0


def test_ports_switched_off_do_not_flap() -> None:
    accumulator = port()
    accumulator.take_status(0.0, status(1000))
    accumulator.take_status(60.0, status(1060, "down", 105_000, admin="down"))
    accumulator.take_status(120.0, status(1120, "up", 111_000))
    counts = accumulator.close(300.0)
    assert (counts.transitions, counts.off_ms, counts.down_ms) == (0, 60_000, 0)


def test_access_ports_are_not_counted() -> None:
    accumulator = port(access=True)
    for i in range(5):
        accumulator.take_status(60.0 * i, status(60 * i, "down" if i % 2 else "up", i))
    counts = accumulator.close(300.0)
    assert (counts.transitions, counts.merit, counts.flags) == (0, 0, ("access",))
    assert counts.down_ms == 120_000


def test_dormant_and_testing_are_not_down() -> None:
    accumulator = port()
    for i, oper in enumerate(["up", "dormant", "up", "testing", "lowerLayerDown"]):
        accumulator.take_status(60.0 * i, status(60 * i, oper))
    counts = accumulator.close(300.0)
    assert (counts.transitions, counts.unknown_ms, counts.down_ms) == (1, 120_000, 60_000)


def test_a_status_holds_two_periods() -> None:
    accumulator = port()
    accumulator.take_status(30.0, status(30))
    counts = accumulator.close(300.0)
    assert (counts.up_ms, counts.unknown_ms) == (120_000, 180_000)


def test_vector_10_over_window_seams() -> None:
    accumulator = PortAccumulator(GE0, UptimeTracker(), -10.0, 290.0)
    accumulator.take_status(-5.0, status(995))
    windows = []
    for i, at in enumerate((0.0, 300.0, 600.0)):
        accumulator.take_status(at, status(1000 + at, "down", i * 10))
        windows.append(accumulator.close(290.0 + 300 * i))
        accumulator.take_status(at + 290.5, status(1290.5 + at, "up", i * 10 + 5))
    assert [w.flapping for w in windows] == [False, False, True]
    assert windows[2].merit == round(2423.66 * 2 ** (-290 / 900))
    for i in range(3, 9):
        windows.append(accumulator.close(290.0 + 300 * i))
    ends = [290.0 + 300 * i for i in range(9)]
    assert [w.flapping for w in windows] == [600 <= end < 600 + 1523 for end in ends]
    assert [w.flapped for w in windows] == [False, False, *[True] * 6, False]


def test_flapping_survives_a_restart_of_the_probe() -> None:
    after = port()
    after.resume(LastReading(1, -900.0, reading(0), GE0.speed_bps, 4000.0, flapping=True))
    assert after.flapping
    counts = after.close(300.0)
    assert (counts.flapping, counts.flapped, counts.merit) == (True, True, round(2000 * 2 ** (-300 / 900)))
