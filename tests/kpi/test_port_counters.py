"""A port's counters: what is taken for traffic, errors and discards, and what is refused."""

from dataclasses import replace

import pytest

from kpi.counters import UptimeTracker
from kpi.figures import if_bps
from kpi.port_counts import (
    Absent,
)
from kpi.ports import PortAccumulator
from tests.kpi.port_readings import GE0, port, reading
from tests.pace import turns


def test_a_rate_divides_by_the_agents_time_and_counts_where_the_interval_ends() -> None:
    accumulator = port()
    accumulator.take_counters(10.0, reading(10, in_octets=1000, out_octets=50))
    assert accumulator.close(300.0).polls == 0
    accumulator.take_counters(310.0, reading(313, in_octets=1000 + 303_000, out_octets=50 + 606_000))
    counts = accumulator.close(600.0)
    assert (counts.in_octets, counts.in_ms, counts.polls) == (303_000, 303_000, 1)
    assert counts.bins == ((8000, 16_000, 1_000_000_000),)
    assert (counts.in_max_bps, counts.out_max_bps) == (8000, 16_000)
    assert counts.in_capacity_bits == 303_000_000_000


def test_the_latest_rate_is_that_of_the_last_interval_or_unknown() -> None:
    accumulator, seen = port(), []
    readings = [
        (10.0, reading(10, in_octets=1000, out_octets=50)),
        (20.0, reading(20, in_octets=11_000, out_octets=50)),
        (30.0, reading(30, in_octets=13_500, out_octets=None)),
        (40.0, reading(1, in_octets=14_000, out_octets=0)),  # it restarted in between
    ]
    for at, counters in readings:
        accumulator.take_counters(at, counters)
        seen.append(accumulator.latest_bps)
    assert seen == [None, (8000.0, 0.0), (2000.0, None), None]


def test_counter32_wraps_and_resets() -> None:
    slow = replace(GE0, speed_bps=100_000_000)
    accumulator = port(slow)
    accumulator.take_counters(0.0, reading(5000, octet_bits=32, in_octets=4_294_967_000, out_octets=7))
    accumulator.take_counters(60.0, reading(5060, octet_bits=32, in_octets=704, out_octets=7))
    counts = accumulator.close(300.0)
    assert (counts.in_octets, counts.out_octets) == (1000, 0)
    assert counts.bins == ((133, 0, 100_000_000),)


def test_an_agents_restart_never_makes_a_spike() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(90_000, in_octets=10**15, out_octets=1))
    accumulator.take_counters(60.0, reading(20, in_octets=500, out_octets=400))
    accumulator.take_counters(120.0, reading(80, in_octets=1500, out_octets=1400))
    counts = accumulator.close(300.0)
    assert (counts.in_octets, counts.in_ms, counts.out_octets) == (1000, 60_000, 1000)
    assert counts.refused == (("restarted", 1),)


def test_a_discontinuity_of_one_port_breaks_that_ports_delta() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(1000, in_octets=500))
    accumulator.take_counters(60.0, reading(1060, in_octets=900, discontinuity_cs=105_000))
    counts = accumulator.close(300.0)
    assert counts.polls == 0
    assert counts.bins == ()
    assert counts.refused == (("discontinuity", 1),)


def test_frozen_uptime_uses_the_probes_time_and_says_so() -> None:
    accumulator = port()
    for i in range(5):
        accumulator.take_counters(60.0 * i, reading(0, uptime_cs=77, in_octets=6000 * i, out_octets=0))
    counts = accumulator.close(300.0)
    assert counts.refused == (("restarted", 1),)  # the first odd interval is not believed
    assert (counts.in_octets, counts.in_ms) == (18_000, 180_000)
    assert counts.flags == ("uptime",)
    accumulator.take_counters(300.0, reading(0, uptime_cs=77, in_octets=3, out_octets=0))
    assert accumulator.close(600.0).refused == (("reset", 1),)


def test_absent_uptime_uses_the_probes_time_from_the_first_interval() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(0, uptime_cs=None, in_octets=0, out_octets=0))
    accumulator.take_counters(60.0, reading(0, uptime_cs=None, in_octets=600, out_octets=0))
    counts = accumulator.close(300.0)
    assert (counts.in_octets, counts.in_ms, counts.flags) == (600, 60_000, ("uptime",))


def test_a_new_index_breaks_the_delta_and_the_same_index_does_not() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(1000, in_octets=500))
    accumulator.take_identity(30.0, replace(GE0, alias="to the hall"))
    accumulator.take_counters(60.0, reading(1060, in_octets=900))
    accumulator.take_identity(90.0, replace(GE0, index=7))
    accumulator.take_counters(120.0, reading(1120, in_octets=5_000_000))
    counts = accumulator.close(300.0)
    assert counts.in_octets == 400
    assert counts.refused == (("renumbered", 1),)


def test_a_changed_speed_gives_traffic_but_no_share_of_the_line() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(0))
    accumulator.take_identity(30.0, replace(GE0, speed_bps=100_000_000))
    accumulator.take_counters(60.0, reading(60, in_octets=600))
    counts = accumulator.close(300.0)
    assert (counts.in_octets, counts.in_capacity_bits, counts.bins[0][2]) == (600, 0, 0)
    accumulator.take_counters(320.0, reading(320, in_octets=1200))
    assert accumulator.close(600.0).in_capacity_bits == 26_000_000_000


def test_widths_are_not_mixed() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(0, in_octets=5))
    accumulator.take_counters(60.0, reading(60, in_octets=9, octet_bits=32, packet_bits=32))
    assert accumulator.close(300.0).refused == (("width", 3),)


def test_unknown_speed_is_said_for_32_bits() -> None:
    accumulator = port(replace(GE0, speed_bps=None))
    accumulator.take_counters(0.0, reading(0, octet_bits=32))
    accumulator.take_counters(60.0, reading(60, octet_bits=32, in_octets=5))
    counts = accumulator.close(300.0)
    assert (counts.flags, counts.speed_bps, counts.in_octets) == (("speed_assumed",), 0, 5)


def test_packets_and_errors_are_counted_together_or_not_at_all() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(1000))
    full = {"in_unicast": 900, "in_multicast": 60, "in_broadcast": 40, "in_errors": 10, "in_discards": 5}
    accumulator.take_counters(60.0, reading(1060, **full, out_unicast=500, out_errors=10))
    accumulator.take_counters(120.0, reading(1120, **full, out_unicast=900, out_errors=3, out_discards=1))
    counts = accumulator.close(300.0)
    assert (counts.in_packets, counts.in_errors, counts.in_discards) == (1000, 10, 5)
    assert (counts.out_packets, counts.out_errors, counts.out_discards) == (500, 10, 0)  # errors went back: unknown


@pytest.mark.parametrize(
    ("speed_bps", "seconds", "known"), [(10**10, 288.0, True), (10**10, 289.0, False), (10**9, 299.0, True)]
)
def test_a_poll_slower_than_errors_can_go_round_knows_no_errors(speed_bps: int, seconds: float, *, known: bool) -> None:
    """ifInErrors is a Counter32 whatever the octets are: at 10 Gb/s 2^32 frames pass in 288.6 s (kpi/README.md R6)."""
    accumulator = port(replace(GE0, speed_bps=speed_bps))
    accumulator.take_counters(0.0, reading(1000))
    accumulator.take_counters(seconds, reading(1000 + seconds, in_octets=9, in_unicast=5000, in_errors=3))
    counts = accumulator.close(300.0)
    assert (counts.in_packets, counts.in_errors) == ((5000, 3) if known else (0, 0))
    assert counts.in_packet_ms == counts.out_packet_ms == (seconds * 1000 if known else 0)
    assert counts.in_octets == 9


def test_errors_that_go_back_by_a_little_are_no_wrap() -> None:
    """5000 -> 4999 read as a wrap would be 4.29 thousand million errors, a share of 99.98 %."""
    accumulator = port()
    accumulator.take_counters(0.0, reading(1000, in_errors=5000))
    accumulator.take_counters(60.0, reading(1060, in_unicast=10**6, in_errors=4999, out_unicast=5, out_octets=9))
    counts = accumulator.close(300.0)
    assert (counts.in_packets, counts.in_errors, counts.in_packet_ms) == (0, 0, 0)
    assert (counts.out_packets, counts.out_packet_ms) == (5, 60_000)


def test_absent_objects_are_remembered_as_absent() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(0, in_discards=None, in_multicast=None))
    accumulator.take_counters(60.0, reading(60, in_unicast=10, in_discards=None, in_multicast=None, in_errors=1))
    counts = accumulator.close(300.0)
    assert counts.absent == Absent.IN_DISCARDS
    assert (counts.in_packets, counts.in_errors) == (10, 1)


@pytest.mark.may_block
def test_a_poll_of_a_port_is_cheap() -> None:
    accumulator = PortAccumulator(GE0, UptimeTracker(), 0.0, 1e9)
    readings = [(60.0 * i, reading(60 * i, in_octets=i * 10**6, out_octets=i, in_unicast=i)) for i in range(500)]

    def run() -> None:
        accumulator.uptime.__init__()  # type: ignore[misc]
        for at, counters in readings:
            accumulator.take_counters(at, counters)

    assert turns(run) / len(readings) < 350


@pytest.mark.parametrize(
    ("speed_bps", "bps", "taken"),
    [
        (1_000_000_000, 9_900_000_000, True),
        (1_000_000_000, 10_100_000_000, False),
        (1_000_000_000, 2 * 10**18, False),
        (400_000_000_000, 10**12, True),
        (9_000, 10**9, True),
        (10_000_000, 9 * 10**11, True),
        (10_000_000, 2 * 10**18, False),
        (None, 9 * 10**11, True),
        (0, 2 * 10**12, False),
    ],
)
def test_a_counter64_that_rises_by_more_than_any_line_carries_is_unknown(
    speed_bps: int | None, bps: int, taken: bool
) -> None:
    accumulator, octets = port(replace(GE0, speed_bps=speed_bps)), bps * 60 // 8
    accumulator.take_counters(0.0, reading(0, in_octets=5, out_octets=5))
    accumulator.take_counters(60.0, reading(60, in_octets=5 + octets, out_octets=605))
    counts = accumulator.close(300.0)
    assert (counts.in_octets, counts.out_octets) == (octets if taken else 0, 600)
    assert ("too_fast" in counts.flags) is not taken
    assert counts.refused == (() if taken else (("too_fast", 1),))
    figure = if_bps(counts, "in")
    assert figure.value == (bps if taken else None)
    assert ("too_fast" in figure.flags) is not taken


def test_packets_of_64_bits_have_that_bound_too() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(0))
    accumulator.take_counters(60.0, reading(60, in_unicast=2**63, out_unicast=100))
    counts = accumulator.close(300.0)
    assert (counts.in_packets, counts.out_packets) == (0, 100)


def test_what_an_agent_held_back_for_a_minute_is_taken_though_the_interval_is_short() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(0))
    accumulator.take_counters(1.0, reading(1, in_octets=125_000_000 * 30))
    assert accumulator.close(300.0).in_octets == 125_000_000 * 30
