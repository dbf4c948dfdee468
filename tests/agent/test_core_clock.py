"""The measuring heart when the wall clock jumps, creeps or is not set."""

import pytest

from agent.windows import ECHO, STATE
from collectors.clock import ClockTrust
from kpi.echo import EchoCounts
from kpi.states import StateSeconds
from tests.agent.world import MIDNIGHT, running
from tests.doubles import ManualClock


@pytest.mark.parametrize("step", [3600.0, -3600.0, 40.0, -40.0])
async def test_a_clock_jump_cuts_the_windows_and_no_bucket_exceeds_its_length(clock: ManualClock, step: float) -> None:
    async with running(clock) as world:
        world.watch(gw=())
        await clock.advance(130.0)
        clock.step_wall(step)
        await clock.advance(700.0)
    rows = world.disk.windows(ECHO, 60, "gw")
    sent = [EchoCounts.from_plain(r.plain).sent for r in rows]
    assert max(sent) <= 60
    assert sum(sent) >= 780  # 830 echoes, less those of the minute still open; none is lost to the jump
    assert all(r.start_utc is not None and r.start_utc % 60 == 0 for r in rows)
    for row in world.disk.windows(STATE, 300, "gw"):
        seconds = StateSeconds.from_plain(row.plain)
        assert seconds.up_ms + seconds.down_ms + seconds.unknown_ms <= 300_000
    assert len(world.disk.messages("event/clock.jump")) == 1
    assert world.core.timeline.jumps == 1


async def test_a_clock_set_back_a_little_at_the_end_of_five_minutes_bends_no_label(clock: ManualClock) -> None:
    """A step below JUMP_S is taken over at the minute's end: the five minutes that follow are the next ones all the
    same, though by the new calendar the last ones are not quite over."""
    async with running(clock) as world:
        world.watch(gw=())
        await clock.advance(270.0)
        clock.step_wall(-1.6)
        await clock.advance(400.0)
    assert world.core.timeline.jumps == 0
    said = [(m["window"]["start"] - int(MIDNIGHT), m["revision"]) for m in world.disk.messages("summary/site")]
    assert said == [(0, 0), (300, 0)]
    rows = world.disk.windows(ECHO, 300, "gw")
    assert [EchoCounts.from_plain(r.plain).sent for r in rows] == [pytest.approx(300, abs=2)] * 2


@pytest.mark.parametrize("at", [130.0, 270.0, 303.0])
@pytest.mark.parametrize("step", [-700.0, -5.0, 150.0])
async def test_pieces_of_a_window_are_said_with_rising_revisions_and_none_is_empty(
    clock: ManualClock, at: float, step: float
) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        await clock.advance(at)
        clock.step_wall(step)
        await clock.advance(1100.0)
    for topic in ("summary/site", "summary/device/a"):
        said = [(m["window"]["start"], m["revision"]) for m in world.disk.messages(topic)]
        assert len(set(said)) == len(said)
        for start in {start for start, _ in said}:
            assert [r for s, r in said if s == start] == list(range(sum(s == start for s, _ in said)))
    for row in world.disk.windows(STATE, 300, "a"):
        seconds = StateSeconds.from_plain(row.plain)
        assert 0 < seconds.up_ms + seconds.down_ms + seconds.unknown_ms <= 300_500


async def test_five_minutes_that_a_small_jump_cuts_are_said_whole_at_their_end(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        await clock.advance(120.0)
        clock.step_wall(5.0)
        await clock.advance(190.0)
    first, second = world.disk.messages("summary/device/a")
    assert first["window"] == second["window"] == {"start": int(MIDNIGHT), "length_s": 300}
    assert [(m["revision"], m["final"]) for m in (first, second)] == [(0, False), (1, True)]
    assert first["figures"]["rtt_ms"]["n"] == pytest.approx(120, abs=2)
    assert second["figures"]["rtt_ms"]["n"] == pytest.approx(295, abs=2)
    assert second["coverage"] == pytest.approx(294.5 / 300, abs=0.003)  # five seconds of the calendar never were
    (cut, whole) = world.disk.messages("summary/site")
    assert cut["flags"] == whole["flags"] == ["clock_jump"]


async def test_incidents_get_their_dates_when_the_clock_is_set(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.trust = ClockTrust.UNSET
        world.timeline.dated = False
        world.watch(gw=(), a=(), b=())
        await clock.advance(10.0)
        world.silent |= {"a", "b"}
        await clock.advance(20.0)
        world.silent.remove("b")
        await clock.advance(10.0)
        clock.step_wall(1e6)
        world.trust = ClockTrust.SYNCHRONISED
        await clock.advance(5.0)
        (still,) = world.core.incidents
        assert still.opened_utc == pytest.approx(MIDNIGHT + 1e6 + 11, abs=1.5)
    rows = {i.id: i for batch in world.disk.batches for i in batch.incidents}  # as the store: by id, the last counts
    assert {i.entity: i.closed_utc is None for i in rows.values()} == {"a": True, "b": False}
    assert all(i.opened_utc == pytest.approx(MIDNIGHT + 1e6 + 11, abs=1.5) for i in rows.values())
    assert rows[still.id] == still
    assert len(world.disk.messages("event/device.down")) == 2


async def test_an_unset_clock_gives_windows_without_dates_and_no_summaries(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.trust = ClockTrust.UNSET
        world.timeline.dated = False
        world.core.windows._block.dated = False
        world.watch(gw=())
        await clock.advance(400.0)
        assert world.disk.messages("summary/site") == []
        undated = world.disk.windows(ECHO, 60, "gw")[1:]
        assert undated and all(r.start_utc is None for r in undated)
        world.trust = ClockTrust.SYNCHRONISED
        await clock.advance(2.0)
        assert world.dated == 1
        await clock.advance(700.0)
        assert len(world.disk.messages("summary/site")) >= 1
