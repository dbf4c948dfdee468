"""One port, window after window: where intervals and readings count, and what windows conserve."""

import json
from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi.counters import UptimeTracker
from kpi.port_counts import (
    PortCounts,
    merge_ports,
    ports_window_from_plain,
    ports_window_to_plain,
)
from kpi.ports import LastReading, PortAccumulator
from tests.kpi.port_readings import GE0, port, reading, status


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
