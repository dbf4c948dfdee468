"""kpi/README.md R5: wall time only labels; a jump cuts the window; an unset clock gives no dates until it is set."""

import math
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collectors.clock
from agent.timeline import HOLD_S, ClockEvent, Timeline, counted_of, taken_of
from collectors.clock import ClockTrust, clock_trust
from tests.doubles import ManualClock


def timeline(clock: ManualClock, trust: list[ClockTrust]) -> Timeline:
    return Timeline(clock, not_before_utc=0.0, trust=lambda _utc, _not_before: trust[0])


def judged(trust: ClockTrust, _utc: float, _not_before: float) -> ClockTrust:
    return trust


def counting(line: Timeline) -> bool:
    return line.counts


async def test_windows_are_aligned_in_utc() -> None:
    clock = ManualClock(monotonic=500.0, utc=1_700_000_130.0)
    line = timeline(clock, [ClockTrust.SYNCHRONISED])
    span = line.span(500.0, 60)
    assert (span.start_utc, span.start, span.end) == (1_700_000_100, 470.0, 530.0)
    assert line.span(500.0, 300).start_utc == 1_700_000_100


async def test_a_small_drift_bends_no_window_and_many_of_them_are_a_jump() -> None:
    """kpi/README.md R5: no bucket exceeds its length, so that the calendar moves at a jump alone."""
    clock = ManualClock()
    line = timeline(clock, [ClockTrust.SYNCHRONISED])
    before = line.offset_s
    for _ in range(2):
        clock.step_wall(0.8)
        assert line.look() is ClockEvent.NOTHING
        assert line.offset_s == before
    clock.step_wall(0.8)
    assert line.look() is ClockEvent.JUMPED
    assert line.offset_s == pytest.approx(before + 2.4)


async def test_a_second_of_the_calendar_counts_once() -> None:
    """Set back by 400 s: what is measured then has no date, until the calendar is where it was before."""
    clock = ManualClock(monotonic=1000.0, utc=1_700_000_000.0)
    line = timeline(clock, [ClockTrust.SYNCHRONISED])
    await clock.advance(1000)
    clock.step_wall(-400)
    assert line.look() is ClockEvent.JUMPED
    assert (line.counts, line.span(clock.monotonic(), 60).start_utc) == (False, None)
    assert line.last_twice_s == 400
    assert line.edge == 2400.0
    assert (line.date(1999.0), line.date(2100.0)) == (1_700_000_999.0, None)
    await clock.advance(400)
    assert line.look() is ClockEvent.COUNTS
    assert (line.cut_at, line.counts) == (2400.0, True)
    assert line.date(2100.0) == line.date(2400.0) == 1_700_001_000.0, "what began meanwhile counts from there"
    assert line.utc(2100.0) == 1_700_000_700.0, "as the clock had it"
    await clock.advance(10)
    assert line.look() is ClockEvent.NOTHING
    assert line.counted_plain(clock.monotonic()) == [[1_700_000_000_000, 1_700_001_010_000, 1]]


async def test_a_clock_set_ahead_and_back_fills_the_hole_and_counts_nothing_twice() -> None:
    clock = ManualClock(monotonic=0.0, utc=1_700_000_000.0)
    line = timeline(clock, [ClockTrust.SYNCHRONISED])
    for seconds, step in ((100, 2400.0), (50, -2400.0)):
        await clock.advance(seconds)
        clock.step_wall(step)
        assert line.look() is ClockEvent.JUMPED
    assert counting(line), "the hole is nobody's"
    assert line.edge == pytest.approx(150 + 2350)
    await clock.advance(2350)
    assert line.look() is ClockEvent.COUNTS
    assert not counting(line)
    await clock.advance(50)
    assert line.look() is ClockEvent.COUNTS
    assert counting(line)
    assert line.counted_plain(clock.monotonic()) == [
        [1_700_000_000_000, 1_700_000_100_000, 1], [1_700_000_150_000, 1_700_002_550_000, 1],
    ]  # fmt: skip


async def test_what_the_runs_before_have_counted_is_not_counted_again() -> None:
    clock = ManualClock(monotonic=0.0, utc=1_700_000_000.0)
    line = Timeline(
        clock,
        not_before_utc=0.0,
        trust=lambda _utc, _past: ClockTrust.SYNCHRONISED,
        counted=[(0, 1_700_000_100_000, True)],
    )
    assert (line.counts, line.edge) == (False, 100.0)
    assert line.counted_to(0.0) == 1_700_000_100.0
    plain = line.counted_plain(0.0)
    assert counted_of({"counted": plain}, None) == [(0, 1_700_000_100_000, True)]
    assert counted_of({"counted": [[1, 2]]}, None) == [(1, 2, False)], "nobody wrote down whether it was trusted"
    assert counted_of({}, 5.0) == [(0, 5000, False)]
    assert counted_of({}, None) == []
    odd: Any
    for odd in (None, [], {"counted": 1}, {"counted": [[1]]}, {"counted": [[1, math.inf]]}, {"counted": [[1, "2"]]}):
        with pytest.raises(ValueError, match=r"\w"):
            counted_of(odd, 5.0)
    for odd in (None, [], {"taken_over": 1}, {"taken_over": [[1]]}, {"taken_over": [[math.nan, 2]]}):
        with pytest.raises(ValueError, match=r"\w"):
            taken_of(odd)


async def test_a_trusted_pass_takes_over_what_another_has_counted() -> None:
    """Set ahead by nobody knows whom, then back by a time daemon: the seconds of the calendar are the later pass's."""
    clock, trust = ManualClock(monotonic=0.0, utc=1_700_000_000.0), [ClockTrust.SYNCHRONISED]
    line = timeline(clock, trust)
    await clock.advance(100)
    trust[0] = ClockTrust.UNVERIFIED
    clock.step_wall(400.0)
    assert line.look() is ClockEvent.JUMPED
    await clock.advance(300)
    trust[0] = ClockTrust.SYNCHRONISED
    clock.step_wall(-400.0)
    assert line.look() is ClockEvent.JUMPED
    assert counting(line) and line.edge == float("inf")
    assert (line.last_twice_s, line.last_later_s) == (300.0, 300.0)
    (taken,) = line.told_taken_over()
    assert (taken.start, taken.end, taken.with_end) == (1_700_000_500_000, 1_700_000_800_000, True)
    assert line.told_taken_over() == []
    assert line.taken_over(1_700_000_790.0, 60.0) and not line.taken_over(1_700_000_800.0, 60.0)
    assert line.counted_plain(400.0) == [[1_700_000_000_000, 1_700_000_100_000, 1]]
    assert taken_of({"taken_over": line.taken_plain()}) == [(1_700_000_500_000, 1_700_000_800_000)]
    assert taken_of({}) == []


async def test_the_first_pass_counts_where_both_are_trusted_or_none_is() -> None:
    for kind in (ClockTrust.SYNCHRONISED, ClockTrust.UNVERIFIED):
        clock = ManualClock(monotonic=0.0, utc=1_700_000_000.0)
        line = timeline(clock, [kind])
        await clock.advance(300)
        clock.step_wall(-200.0)
        assert line.look() is ClockEvent.JUMPED
        assert not counting(line) and line.told_taken_over() == []
        assert (line.last_twice_s, line.last_later_s) == (200.0, 0.0)


async def test_a_pass_that_is_vouched_for_only_later_takes_over_from_then_on() -> None:
    clock, trust = ManualClock(monotonic=0.0, utc=1_700_000_000.0), [ClockTrust.UNVERIFIED]
    line = timeline(clock, trust)
    await clock.advance(300)
    clock.step_wall(-200.0)
    assert line.look() is ClockEvent.JUMPED
    await clock.advance(50)
    trust[0] = ClockTrust.SYNCHRONISED
    assert line.look() is ClockEvent.COUNTS
    assert counting(line) and line.edge == float("inf")
    (taken,) = line.told_taken_over()
    assert (taken.start, taken.end) == (1_700_000_150_000, 1_700_000_300_000)


async def test_a_start_after_a_predecessor_that_was_days_ahead_counts_at_once() -> None:
    clock, ahead = ManualClock(monotonic=0.0, utc=1_700_000_000.0), 1_700_300_000_000
    counted = [(1_699_990_000_000, 1_699_999_000_000, True), (ahead, ahead + 500_000, False)]
    for trust, counts in ((ClockTrust.SYNCHRONISED, True), (ClockTrust.UNVERIFIED, True)):
        line = Timeline(clock, not_before_utc=0.0, trust=partial(judged, trust), counted=counted)
        assert line.counts is counts
        assert bool(line.told_taken_over()) is (trust is ClockTrust.SYNCHRONISED)
    line = Timeline(
        clock, not_before_utc=0.0, trust=lambda _utc, _past: ClockTrust.SYNCHRONISED, counted=[(0, ahead, False)]
    )
    assert line.counts and line.counted_to(0.0) == 1_700_000_000.0
    line = Timeline(
        clock, not_before_utc=0.0, trust=lambda _utc, _past: ClockTrust.UNVERIFIED, counted=[(0, ahead, False)]
    )
    assert not line.counts, "nobody knows which of the two is right"


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 4000.0),
            st.one_of(st.just(0.0), st.floats(-5000.0, 5000.0)),
            st.sampled_from((ClockTrust.SYNCHRONISED, ClockTrust.UNVERIFIED)),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from((0.0, 1_699_999_000.0, 1_700_001_000.0)),
    st.booleans(),
)
def test_no_second_counts_twice_however_the_clock_steps(
    steps: list[tuple[float, float, ClockTrust]], counted: float, begun_trusted: bool
) -> None:
    """What a trusted pass takes over counts in it alone."""
    clock, trust = Stepped(), [ClockTrust.SYNCHRONISED if begun_trusted else ClockTrust.UNVERIFIED]
    line = Timeline(
        clock,
        not_before_utc=0.0,
        trust=lambda _utc, _past: trust[0],
        counted=counted_of({}, counted or None),
    )
    spans: list[tuple[int, int]] = [(0, round(1000 * counted))] if counted else []
    begun = line.began

    def take_over() -> None:
        for taken in line.told_taken_over():
            for start, end in spans[:]:
                if start < taken.end and end > taken.start:
                    spans.remove((start, end))
                    spans.extend(
                        (a, b) for a, b in ((start, min(end, taken.start)), (max(start, taken.end), end)) if a < b
                    )

    def passed(now: float, *, counts: bool, offset: float) -> None:
        if counts and now > begun:
            spans.append((round((begun + offset) * 1000), round((now + offset) * 1000)))

    take_over()
    for wait, step, trusted in [*steps, (1.0, 0.0, trust[0])]:
        until = clock.now + wait
        while clock.now < until:
            clock.now = min(until, max(line.edge, clock.now + 0.001))
            counts, offset = line.counts, line.offset_s
            if line.look() is not ClockEvent.NOTHING:
                passed(line.cut_at, counts=counts, offset=offset)
                begun = line.cut_at
            take_over()
        clock.offset += step
        trust[0] = trusted
        counts, offset = line.counts, line.offset_s
        if line.look() is not ClockEvent.NOTHING:
            passed(line.cut_at, counts=counts, offset=offset)
            begun = line.cut_at
        take_over()
    spans.sort()
    for before, after in pairwise(spans):
        assert before[1] <= after[0]


class Stepped:
    """A clock without a loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self.offset = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> float:
        return self.now + self.offset

    def monotonic_ns(self) -> int:
        return round(self.now * 1e9)

    def utc_ns(self) -> int:
        return round(self.utc() * 1e9)

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nobody sleeps here, and certainly not for {seconds} s")


@pytest.mark.parametrize("step", [3600.0, -3600.0, 2.5])
async def test_a_jump_is_said_once_and_moves_the_calendar(step: float) -> None:
    clock = ManualClock()
    line = timeline(clock, [ClockTrust.SYNCHRONISED])
    clock.step_wall(step)
    assert line.look() is ClockEvent.JUMPED
    assert line.look() is ClockEvent.NOTHING
    assert line.utc(clock.monotonic()) == pytest.approx(clock.utc())
    assert line.jumps == 1
    assert line.last_jump_s == pytest.approx(step)


async def test_an_unset_clock_gives_no_dates_until_it_is_set() -> None:
    clock = ManualClock()
    trust = [ClockTrust.UNSET]
    line = timeline(clock, trust)
    assert line.span(clock.monotonic(), 60).start_utc is None
    await clock.advance(100)
    clock.step_wall(1e6)
    trust[0] = ClockTrust.SYNCHRONISED
    assert line.look() is ClockEvent.DATED
    assert line.span(clock.monotonic(), 60).start_utc is not None
    assert line.look() is ClockEvent.NOTHING


async def test_a_clock_that_nobody_sets_is_believed_in_the_end() -> None:
    clock = ManualClock()
    line = timeline(clock, [ClockTrust.UNSET])
    await clock.advance(HOLD_S - 1)
    assert line.look() is ClockEvent.NOTHING
    await clock.advance(2)
    assert line.look() is ClockEvent.DATED
    assert line.trust is ClockTrust.UNSET


def test_trust_comes_from_the_daemon_then_from_what_is_known_to_have_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collectors.clock, "_kernel_synchronised", lambda: False)
    assert clock_trust(1e9, 5e8, tmp_path / "none") is ClockTrust.UNVERIFIED
    assert clock_trust(1e8, 5e8, tmp_path / "none") is ClockTrust.UNSET
    assert clock_trust(1e9, 5e8, tmp_path) is ClockTrust.UNSET
    (tmp_path / "synchronized").touch()
    assert clock_trust(1e9, 5e8, tmp_path) is ClockTrust.SYNCHRONISED
    monkeypatch.setattr(collectors.clock, "_kernel_synchronised", lambda: True)
    assert clock_trust(1e8, 5e8, tmp_path / "none") is ClockTrust.SYNCHRONISED
