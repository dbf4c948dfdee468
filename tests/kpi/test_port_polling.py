"""Ports polled every minute beside ports polled every five: the same windows, bins and peaks."""

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi import figures
from kpi.port_counts import PortCounts, merge_ports, ports_window_from_plain, ports_window_to_plain
from tests.kpi.port_readings import GE0, port, reading

MINUTE, WINDOW = 60, 300
G1, M100 = 1_000_000_000, 100_000_000


def polled(every_s: int, minutes: list[tuple[int, int]], phase: float) -> list[PortCounts]:
    """The windows of a port with so many octets in and packets in every minute, read every ``every_s``."""
    accumulator, windows = port(), []
    octets = packets = 0
    for minute in range(len(minutes) + 1):
        at = phase + MINUTE * minute
        if minute * MINUTE % every_s == 0:
            accumulator.take_counters(at, reading(at, in_octets=octets, out_octets=octets // 2, in_unicast=packets))
        if minute < len(minutes):
            octets, packets = octets + minutes[minute][0], packets + minutes[minute][1]
        if minute % 5 == 4:
            windows.append(accumulator.close(float(WINDOW * (minute // 5 + 1))))
    return windows


TRAFFIC = st.lists(st.tuples(st.integers(0, 7_500_000_000), st.integers(0, 10**7)), min_size=14, max_size=30)


@settings(max_examples=60)
@given(TRAFFIC, st.floats(0.5, 59.5))
def test_a_minutes_rhythm_says_of_a_window_what_five_minutes_say(minutes: list[tuple[int, int]], phase: float) -> None:
    """Where both are read at the same moments, that is at a window's first poll."""
    fast = polled(MINUTE, minutes, phase)
    slow = polled(WINDOW, minutes, phase)
    ends = [sum(octets for octets, _ in minutes[: 5 * n + 4]) for n in range(len(fast))]
    for n, (one, other) in enumerate(zip(fast, slow, strict=True)):
        assert one.polls == (5 if n else 4)
        assert other.polls == (1 if n else 0)
        assert len(one.bins) == 1
        assert one.in_octets == ends[n] - (ends[n - 1] if n else 0)
        assert one.in_ms == pytest.approx(MINUTE * 1000 * one.polls, abs=50)
        assert one.bins[0] == (one.in_max_bps, one.out_max_bps, G1)
        assert one.in_max_bps == pytest.approx(8000 * one.in_octets / one.in_ms, abs=1)
    # five minutes' polls see the same octets, a poll earlier
    assert sum(w.in_octets for w in slow) == sum(o for o, _ in minutes[: 5 * (len(slow) - 1)])
    assert sum(w.in_packets for w in fast) == sum(p for _, p in minutes[: 5 * len(fast) - 1])


def test_a_burst_of_a_minute_is_no_peak_of_five() -> None:
    burst = [(0, 0)] * 4 + [(0, 0), (7_500_000_000, 0), (0, 0), (0, 0), (0, 0)] + [(75_000_000, 0)] * 5
    _, second, third = polled(MINUTE, burst, 7.0)
    assert second.in_max_bps == 200_000_000, "1 Gbit/s for a minute of five"
    assert third.bins == ((10_000_000, 5_000_000, G1),)
    both = merge_ports(second, third)
    assert (both.in_max_bps, both.polls, len(both.bins)) == (200_000_000, 10, 2)
    figure = figures.p95_rate_bps(both)
    assert (figure.value, figure.n) == (200_000_000, 2), "bins are counted, not polls"
    assert figures.if_util_pct(both).parts["p95_pct"] == 20


def test_windows_of_minutes_and_of_five_pack_alike() -> None:
    minutes = [(1_000_003 * minute, minute) for minute in range(15)]
    fast, slow = (polled(every, minutes, 7.0)[1] for every in (MINUTE, WINDOW))
    plain = ports_window_to_plain({"a": fast, "b": slow})
    assert ports_window_from_plain(plain) == {"a": fast, "b": slow}
    assert plain["bins"] == [1], "the bin is what the sums say"


def test_one_missed_minute_changes_no_total_and_silence_makes_no_peak() -> None:
    accumulator = port()
    told = []
    for at in (10, 70, 190, 250, *range(640, 1200, 60)):  # a poll is missed, then more than six minutes
        accumulator.take_counters(float(at), reading(at, in_octets=1000 * at, out_octets=0))
        if at % WINDOW >= 240:
            told.append(accumulator.close(float(at // WINDOW + 1) * WINDOW))
    assert [w.in_ms for w in told] == [240_000, 390_000 + 240_000, 300_000]
    assert {w.in_max_bps for w in told} == {8000}
    assert reduce(merge_ports, told).in_octets == 1000 * (1180 - 10)


def test_silence_of_more_than_a_window_and_a_half_is_in_no_bin_of_minutes() -> None:
    accumulator = port()
    accumulator.take_counters(10.0, reading(10))
    for at in (610, 670, 730):
        accumulator.take_counters(float(at), reading(at, in_octets=10**6 if at == 610 else 10**6 + 750 * (at - 610)))
    counts = accumulator.close(900.0)
    assert (counts.gap_in_octets, counts.gap_ms) == (10**6, 600_000)
    assert (counts.in_ms, counts.in_max_bps) == (120_000, 6000)


@pytest.mark.parametrize("octets", [0, 5000])
def test_a_speed_that_changed_within_the_window_leaves_its_bin_without_one(octets: int) -> None:
    """Also where nothing passed in the interval of the change: 500 Mbit/s were no 500 % of 100 Mbit/s."""
    accumulator = port()
    before = 3_750_000_000
    accumulator.take_counters(0.0, reading(0))
    accumulator.take_counters(60.0, reading(60, in_octets=before))
    accumulator.take_identity(90.0, replace(GE0, speed_bps=M100))
    for at in (120, 180, 240):
        accumulator.take_counters(float(at), reading(at, in_octets=before + octets))
    counts = accumulator.close(300.0)
    assert counts.bins == ((round(8 * (before + octets) / 240), 0, 0),)
    assert figures.if_util_pct(counts).parts["p95_pct"] is None
    accumulator.take_counters(300.0, reading(300, in_octets=before + octets))
    assert accumulator.close(600.0).bins == ((0, 0, M100),)


def test_a_speed_that_changed_after_the_last_reading_of_the_window_does_not_divide_it() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(0))
    accumulator.take_counters(60.0, reading(60, in_octets=3_750_000_000))
    accumulator.take_identity(90.0, replace(GE0, speed_bps=M100))
    counts = accumulator.close(300.0)
    assert counts.bins == ((500_000_000, 0, 0),)
    assert (counts.in_capacity_bits, counts.speed_bps) == (60 * G1, M100)
