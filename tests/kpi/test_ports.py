"""Ports: traffic, errors, state time and flaps, window after window."""

import itertools
import json
import random
import time
from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi.counters import WRAP, UptimeTracker
from kpi.model import PortCounters, PortIdentity, PortStatus
from kpi.port_counts import (
    Absent,
    PortCounts,
    merge_ports,
    p95_across_links,
    p95_bps,
    ports_window_from_plain,
    ports_window_to_plain,
)
from kpi.ports import LastReading, PortAccumulator

GE0 = PortIdentity("ge0", 1, "ge0", "", "uplink", 6, 1500, 1_000_000_000, None)
ZERO = PortCounters(0, 0, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def port(identity: PortIdentity = GE0, *, access: bool = False) -> PortAccumulator:
    return PortAccumulator(identity, UptimeTracker(), 0.0, 300.0, access=access)


def reading(at: float, **changed: int | None) -> PortCounters:
    values: dict[str, Any] = {"uptime_cs": round(at * 100), **changed}
    return replace(ZERO, **values)


def status(at: float, oper: str = "up", last_change_cs: int | None = 5, admin: str = "up") -> PortStatus:
    return PortStatus(admin, oper, last_change_cs, round(at * 100))


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


def test_minute_polls_make_one_bin_and_conserve_totals() -> None:
    accumulator = port()
    windows = []
    for minute in range(16):
        at = 7.0 + 60 * minute
        accumulator.take_counters(at, reading(at, in_octets=60_000 * minute, out_octets=0))
        if minute % 5 == 4:
            windows.append(accumulator.close(300.0 * (minute // 5 + 1)))
    assert [w.polls for w in windows] == [4, 5, 5]
    assert sum(w.in_octets for w in windows) == 60_000 * 14
    assert [w.in_ms for w in windows] == [240_000, 300_000, 300_000]
    assert {w.bins[0][0] for w in windows} == {8000}


def test_a_reading_of_the_next_window_is_set_aside_until_this_one_is_closed() -> None:
    accumulator = port()
    accumulator.take_counters(0.5, reading(0.5))
    accumulator.take_status(0.5, status(0.5))
    accumulator.take_counters(299.5, reading(299.5, in_octets=299))
    accumulator.take_status(300.2, status(300.2, "down"))
    accumulator.take_counters(301.0, reading(301, in_octets=1000))
    first = accumulator.close(300.0)
    assert (first.in_octets, first.transitions) == (299, 0)
    second = accumulator.close(600.0)
    assert (second.in_octets, second.transitions) == (701, 1)


def test_a_port_found_after_the_windows_end_has_nothing_to_close() -> None:
    accumulator = PortAccumulator(GE0, UptimeTracker(), 301.0, 600.0)
    assert accumulator.close(300.0) == PortCounts()
    assert accumulator.close(600.0).unknown_ms == 299_000


def test_a_clock_jump_cuts_the_window_and_the_next_is_as_long_as_told() -> None:
    accumulator = port()
    accumulator.take_status(0.0, status(0))
    assert accumulator.close(100.0, 350.0).up_ms == 100_000
    accumulator.take_status(110.0, status(110))
    rest = accumulator.close(350.0)
    assert rest.up_ms + rest.unknown_ms == 250_000


def test_windows_that_nobody_closed_are_merged_not_lost() -> None:
    accumulator = port()
    for i in range(4):
        at = 1.0 + 300 * i
        accumulator.take_counters(at, reading(at, in_octets=1000 * i))
    counts = accumulator.close(1200.0)
    assert (counts.in_octets, len(counts.bins)) == (3000, 3)
    assert counts.unknown_ms == 1_200_000


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


def test_silence_longer_than_a_window_and_a_half_gives_totals_only() -> None:
    accumulator = port()
    accumulator.take_counters(10.0, reading(10))
    accumulator.close(300.0)
    accumulator.close(600.0)
    accumulator.take_counters(610.0, reading(610, in_octets=6000))
    counts = accumulator.close(900.0)
    assert (counts.gap_in_octets, counts.gap_ms) == (6000, 600_000)
    assert (counts.in_octets, counts.bins, counts.in_max_bps) == (0, (), 0)


def test_a_restart_of_the_probe_gives_totals_never_peaks() -> None:
    before = port()
    before.take_counters(290.0, reading(290, in_octets=100, out_octets=40))
    last = before.last_reading()
    assert last is not None
    kept = LastReading.from_plain(json.loads(json.dumps(last.moved(1_700_000_000).to_plain())))
    after = port()
    after.resume(kept.moved(-1_700_000_400))
    after.take_counters(10.0, reading(410, in_octets=600_100, out_octets=40))
    after.take_counters(70.0, reading(470, in_octets=600_200, out_octets=40))
    counts = after.close(300.0)
    assert (counts.gap_in_octets, counts.gap_out_octets, counts.gap_ms) == (600_000, 0, 120_000)
    assert (counts.in_octets, counts.in_ms, counts.in_max_bps) == (100, 60_000, 13)


@pytest.mark.parametrize(
    ("changed", "index"), [({"uptime_cs": 900}, 1), ({}, 2), ({"discontinuity_cs": 4000}, 1), ({"octet_bits": 32}, 1)]
)
def test_a_gap_without_proof_gives_nothing(changed: dict[str, int], index: int) -> None:
    after = port()
    after.resume(LastReading(index, -110.0, reading(290, in_octets=100), GE0.speed_bps))
    after.take_counters(10.0, replace(reading(410, in_octets=600_100), **changed))
    counts = after.close(300.0)
    assert (counts.gap_in_octets, counts.gap_ms, counts.in_octets) == (0, 0, 0)


def test_a_32_bit_gap_above_the_wrap_limit_gives_nothing() -> None:
    after = port()
    after.resume(LastReading(1, -50.0, reading(290, octet_bits=32), GE0.speed_bps))
    after.take_counters(10.0, reading(350, octet_bits=32, in_octets=5))
    assert after.close(300.0).gap_ms == 0  # 34 s at 1 Gb/s


def test_packets_and_errors_are_counted_together_or_not_at_all() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(1000))
    full = {"in_unicast": 900, "in_multicast": 60, "in_broadcast": 40, "in_errors": 10, "in_discards": 5}
    accumulator.take_counters(60.0, reading(1060, **full, out_unicast=500, out_errors=10))
    accumulator.take_counters(120.0, reading(1120, **full, out_unicast=900, out_errors=3, out_discards=1))
    counts = accumulator.close(300.0)
    assert (counts.in_packets, counts.in_errors, counts.in_discards) == (1000, 10, 5)
    assert (counts.out_packets, counts.out_errors, counts.out_discards) == (500, 10, 0)  # errors went back: unknown


def test_no_poll_is_too_slow_for_error_counters() -> None:
    accumulator = port(replace(GE0, speed_bps=100_000_000_000))
    accumulator.take_counters(0.0, reading(1000))
    accumulator.take_counters(299.0, reading(1299, in_unicast=5000, in_errors=3))
    counts = accumulator.close(300.0)
    assert (counts.in_packets, counts.in_errors) == (5000, 3)


def test_absent_objects_are_remembered_as_absent() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(0, in_discards=None, in_multicast=None))
    accumulator.take_counters(60.0, reading(60, in_unicast=10, in_discards=None, in_multicast=None, in_errors=1))
    counts = accumulator.close(300.0)
    assert counts.absent == Absent.IN_DISCARDS
    assert (counts.in_packets, counts.in_errors) == (10, 1)


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


def test_vector_8_p95() -> None:
    assert p95_bps(range(1, 21)) == (19, 20)
    assert p95_bps(range(1, 8641)) == (8208, 8640)
    assert p95_bps([]) is None


def test_p95_across_links_sums_before_ranking_and_leaves_out_missing_bins() -> None:
    one = {at: (at, 0, 0) for at in range(1, 21)}
    other = {at: (100 - at, 5, 0) for at in range(1, 21)}
    assert p95_across_links([one, other]) == (100, 20)
    assert p95_across_links([one, {1: (1, 1, 0), 2: (-1, 3, 0)}]) == (3, 2)
    assert p95_across_links([]) is None
    assert p95_across_links([one, {}]) is None


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 200),
        st.sampled_from(["counters", "status", "restart", "renumber", "speed"]),
        st.integers(0, 10**9),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_folding_windows_conserves_everything(events: list[tuple[int, str, int]]) -> None:
    fine, coarse = port(), PortAccumulator(GE0, UptimeTracker(), 0.0, 6000.0)
    at, total, born = 0.0, 0, -50.0
    windows, end = [], 300.0
    identity = GE0
    for step, kind, size in events:
        at += step
        while at >= end + 3:
            windows.append(fine.close(end))
            end += 300
        total += size
        if kind == "restart":
            born, total = at - 1, 0
        elif kind == "renumber":
            identity = replace(identity, index=identity.index + 1)
        elif kind == "speed":
            identity = replace(identity, speed_bps=size)
        for accumulator in (fine, coarse):
            if kind == "status":
                oper = ["up", "down", "dormant"][size % 3]
                accumulator.take_status(at, status(at - born, oper, size % 5, "up" if size % 7 else "down"))
            elif kind in {"renumber", "speed"}:
                accumulator.take_identity(at, identity)
            else:
                accumulator.take_counters(at, reading(at - born, in_octets=total, out_octets=2 * total))
    while end <= 6000:
        windows.append(fine.close(end))
        end += 300
    whole, folded = coarse.close(6000.0), reduce(merge_ports, windows)
    assert folded == reduce(lambda later, earlier: merge_ports(earlier, later), reversed(windows))
    assert folded.in_octets + folded.gap_in_octets == whole.in_octets + whole.gap_in_octets
    assert folded.in_ms + folded.gap_ms == whole.in_ms + whole.gap_ms
    for name in ("transitions", "downs", "up_ms", "down_ms", "unknown_ms", "off_ms", "flapping", "flapped", "refused"):
        assert getattr(folded, name) == getattr(whole, name)
    assert folded.merit == pytest.approx(whole.merit, abs=1)
    assert folded.up_ms + folded.down_ms + folded.unknown_ms + folded.off_ms == 6_000_000
    assert all(window.in_ms <= 1.5 * 300_000 + 300_000 for window in windows)
    rows = {f"p{i}": window for i, window in enumerate([*windows, whole, folded])}
    assert ports_window_from_plain(json.loads(json.dumps(ports_window_to_plain(rows)))) == rows


def test_plain_form_of_a_device() -> None:
    assert ports_window_from_plain(ports_window_to_plain({})) == {}
    with pytest.raises(ValueError, match="version 9"):
        ports_window_from_plain({"v": 9, "port": []})
    with pytest.raises(ValueError, match="version 9"):
        LastReading.from_plain([9])


def busy_switch(ports: int = 48) -> dict[str, PortCounts]:
    rng = random.Random(3)
    counts = {}
    uptime = UptimeTracker()
    for i in range(ports):
        accumulator = PortAccumulator(replace(GE0, key=f"GigabitEthernet1/0/{i}"), uptime, 0.0, 300.0)
        for minute in range(5):
            accumulator.take_status(60.0 * minute, status(60 * minute))
        for at in (0.0, 299.0):
            big = {name: rng.randrange(10**9) if at else 0 for name in ("in_octets", "out_octets")}
            small = {name: rng.randrange(10**5) if at else 0 for name in ("in_unicast", "out_unicast")}
            accumulator.take_counters(at, reading(at, **big, **small))
        counts[f"GigabitEthernet1/0/{i}"] = accumulator.close(300.0)
    return counts


def test_plain_form_of_48_busy_ports_is_small() -> None:
    assert len(json.dumps(ports_window_to_plain(busy_switch()), separators=(",", ":"))) < 6000


@pytest.mark.may_block
def test_a_poll_of_a_port_is_cheap() -> None:
    accumulator = PortAccumulator(GE0, UptimeTracker(), 0.0, 1e9)
    readings = [(60.0 * i, reading(60 * i, in_octets=i * 10**6, out_octets=i, in_unicast=i)) for i in range(500)]

    def run() -> float:
        accumulator.uptime.__init__()  # type: ignore[misc]
        began = time.perf_counter()
        for at, counters in readings:
            accumulator.take_counters(at, counters)
        return (time.perf_counter() - began) / len(readings)

    best = min(run() for _ in range(7))
    assert best < 40e-6, f"{best * 1e6:.1f} us"


def test_merging_is_associative_over_missing_windows() -> None:
    rows = list(busy_switch(3).values())
    for a, b, c in itertools.permutations([rows[0], PortCounts(), rows[1]]):
        assert merge_ports(merge_ports(a, b), c) == merge_ports(a, merge_ports(b, c))
