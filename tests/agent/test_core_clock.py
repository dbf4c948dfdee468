"""The measuring heart when the wall clock jumps, creeps or is not set."""

from dataclasses import replace

import pytest

from agent.windows import ECHO, STATE
from collectors.clock import ClockTrust
from kpi.echo import EchoCounts
from kpi.states import StateSeconds
from tests.agent.world import MIDNIGHT, World, running
from tests.doubles import ManualClock


def unset(world: World) -> None:
    """As if the agent had started with a clock that is not to be believed."""
    world.trust = ClockTrust.UNSET
    world.timeline.dated = False
    world.timeline._stretches[-1] = replace(world.timeline._stretches[-1], counts=False)


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
    assert all(r.start_utc % 60 == 0 for r in rows if r.start_utc is not None)
    undated = sum(EchoCounts.from_plain(r.plain).sent for r in rows if r.start_utc is None)
    assert undated == pytest.approx(40 if step == -40.0 else 0, abs=2), "a second pass has no date"
    for row in world.disk.windows(STATE, 300, "gw"):
        seconds = StateSeconds.from_plain(row.plain)
        assert seconds.up_ms + seconds.down_ms + seconds.unknown_ms <= 300_000
    (told,) = world.disk.messages("event/clock.jump")
    assert told["twice_s"] == {-40.0: 40.0, -3600.0: 130.5}.get(step, 0.0) == told["counted"].get("earlier_s", 0)
    assert world.core.timeline.jumps == 1


async def test_a_clock_set_back_a_little_at_the_end_of_five_minutes_bends_no_label(clock: ManualClock) -> None:
    """A step below JUMP_S moves no window: the five minutes that follow are the next ones all the same."""
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


async def test_incidents_get_their_dates_when_the_clock_is_set(clock: ManualClock) -> None:
    async with running(clock) as world:
        unset(world)
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


async def test_incidents_get_their_dates_where_the_clock_is_set_before_anybody_vouches_for_it(
    clock: ManualClock,
) -> None:
    """It steps twice while it is still not to be believed; what began before, between and after gets its own date."""
    async with running(clock) as world:
        unset(world)
        world.watch(gw=(), a=(), b=())
        await clock.advance(10.0)
        world.silent |= {"a"}
        await clock.advance(20.0)
        clock.step_wall(1000.0)
        await clock.advance(20.0)
        world.silent |= {"b"}
        await clock.advance(20.0)
        clock.step_wall(1e6)
        await clock.advance(5.0)
        world.trust = ClockTrust.SYNCHRONISED
        await clock.advance(5.0)
        opened = {i.entity: i.opened_utc - MIDNIGHT - 1e6 - 1000.0 for i in world.core.incidents}
    assert opened == {"a": pytest.approx(11, abs=1.5), "b": pytest.approx(51, abs=1.5)}


async def test_an_unset_clock_gives_windows_without_dates_and_no_summaries(clock: ManualClock) -> None:
    async with running(clock) as world:
        unset(world)
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
