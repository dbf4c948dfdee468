"""kpi/README.md R5: wall time only labels; a jump cuts the window; an unset clock gives no dates until it is set."""

from pathlib import Path

import pytest

import collectors.clock
from agent.timeline import HOLD_S, ClockEvent, Timeline
from collectors.clock import ClockTrust, clock_trust
from tests.doubles import ManualClock


def timeline(clock: ManualClock, trust: list[ClockTrust]) -> Timeline:
    return Timeline(clock, not_before_utc=0.0, trust=lambda _utc, _not_before: trust[0])


async def test_windows_are_aligned_in_utc() -> None:
    clock = ManualClock(monotonic=500.0, utc=1_700_000_130.0)
    line = timeline(clock, [ClockTrust.SYNCHRONISED])
    span = line.span(500.0, 60)
    assert (span.start_utc, span.start, span.end) == (1_700_000_100, 470.0, 530.0)
    assert line.span(500.0, 300).start_utc == 1_700_000_100


async def test_a_small_drift_is_taken_over_at_a_windows_end_only() -> None:
    clock = ManualClock()
    line = timeline(clock, [ClockTrust.SYNCHRONISED])
    before = line.offset_s
    clock.step_wall(0.8)
    assert line.look() is ClockEvent.NOTHING
    assert line.offset_s == before
    line.settle()
    assert line.offset_s == pytest.approx(before + 0.8)


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
