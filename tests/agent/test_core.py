"""The measuring heart on a clock that stands still: samples in, states, incidents, windows and messages out."""

import pytest

from agent.monitor import echo_id
from agent.windows import ECHO, STATE
from kpi.echo import EchoCounts
from kpi.model import Metric, Outcome, Sample, State
from kpi.states import StateSeconds
from tests.agent.world import MIDNIGHT, running
from tests.doubles import ManualClock


async def test_minutes_and_five_minutes_are_written_with_what_was_measured(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",))
        await clock.advance(306)
    minutes = world.disk.windows(ECHO, 60, "a")
    assert [m.start_utc for m in minutes] == [int(MIDNIGHT) + 60 * i for i in range(5)]
    counts = [EchoCounts.from_plain(m.plain) for m in minutes]
    assert [c.sent for c in counts] == [60] * 5  # 0.5 s into the first minute, one a second
    (five,) = world.disk.windows(ECHO, 300, "a")
    assert EchoCounts.from_plain(five.plain).sent == 300
    (states,) = world.disk.windows(STATE, 300, "a")
    seconds = StateSeconds.from_plain(states.plain)
    assert (seconds.up_ms, seconds.down_ms, seconds.unknown_ms) == (299_498, 0, 502)
    (summary,) = world.disk.messages("summary/device/a")
    assert summary["figures"]["rtt_ms"]["v"] == pytest.approx(1.5, rel=0.011)
    assert summary["figures"]["loss_ratio"]["v"] == 0
    assert summary["window"] == {"start": int(MIDNIGHT), "length_s": 300}
    (site,) = world.disk.messages("summary/site")
    assert site["figures"]["monitoring_coverage_pct"]["v"] == pytest.approx(100 * 299_498 / 300_000, abs=0.01)


@pytest.mark.parametrize("devices", [7, 100])
async def test_time_in_which_the_agent_was_stopped_is_unknown_however_many_devices_answer_first(
    clock: ManualClock, devices: int
) -> None:
    names = ["gw", *(f"d{n}" for n in range(devices))]
    async with running(clock) as world:
        world.watch(**{name: () if name == "gw" else ("gw",) for name in names})
        for before, stopped in ((60.0, 12.0), (60.0, 12.0), (40.0, 30.0)):
            await clock.advance(before)
            clock.stop(stopped)
            for track in list(world.core.monitor):  # their answers are read before anything else
                world.echo(track.echo_target, Metric.ECHO)
        await clock.advance(320.0 - 214.0)
    for name in names:
        (row,) = world.disk.windows(STATE, 300, name)
        seconds = StateSeconds.from_plain(row.plain)
        assert seconds.down_ms == 0
        assert 44_000 <= seconds.unknown_ms - 502 <= 48_000, name  # 54 s, and up to two after each last answer
        assert 0.83 <= seconds.coverage <= 0.86
    (site,) = world.disk.messages("summary/site")
    assert 83 <= site["figures"]["monitoring_coverage_pct"]["v"] <= 86


async def test_a_window_that_ends_while_the_agent_is_stopped_knows_nothing_of_that_time(clock: ManualClock) -> None:
    """It is closed the moment the agent goes on, before anybody was looked at or has answered."""
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",))
        await clock.advance(270.0)
        clock.stop(60.0)
        await world.core.windows.tick()
        await clock.advance(10.0)
    for name in ("gw", "a"):
        (row,) = world.disk.windows(STATE, 300, name)
        seconds = StateSeconds.from_plain(row.plain)
        assert 27_000 <= seconds.unknown_ms - 502 <= 29_000, name


async def test_a_device_that_vanishes_is_down_within_5_5_s_backdated_and_its_lost_seconds_count(
    clock: ManualClock,
) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        await clock.advance(100.0)
        world.silent.add("a")
        vanished = clock.monotonic()
        while world.state("a") is not State.DOWN:
            await clock.advance(0.05)
        assert clock.monotonic() - vanished < 5.5
        await clock.advance(60.0)
        world.silent.clear()
        await clock.advance(150.0)
    (down,) = world.disk.messages("event/device.down")
    (up,) = world.disk.messages("event/device.up")
    assert (down["device"], up["device"]) == ("a", "a")
    (states,) = world.disk.windows(STATE, 300, "a")
    seconds = StateSeconds.from_plain(states.plain)
    assert seconds.outages_started == 1
    assert 61_000 <= seconds.down_ms <= 66_000
    incident = [i for b in world.disk.batches for i in b.incidents]
    assert [i.closed_utc is None for i in incident] == [True, False]


async def test_a_dead_gateway_is_one_incident_and_what_is_behind_keeps_its_availability(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",), b=("gw",), c=("a",))
        await clock.advance(100.0)
        world.silent |= {"gw", "a", "b", "c"}
        await clock.advance(60.0)
        assert world.state("gw") is State.DOWN
        assert {world.state(d) for d in "abc"} == {State.UNKNOWN}
        (incident,) = world.core.incidents
        assert (incident.entity, incident.hides) == ("gw", ("a", "b", "c"))
        world.silent.clear()
        await clock.advance(150.0)
        assert {world.state(d) for d in ("gw", "a", "b", "c")} == {State.UP}
    for device in "abc":
        (summary,) = world.disk.messages(f"summary/device/{device}")
        assert summary["figures"]["availability_pct"]["v"] == 100
        assert summary["coverage"] < 0.85


async def test_the_own_link_down_is_one_incident_and_no_devices_fault(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",), b=())
        await clock.advance(100.0)
        world.link = False
        await clock.advance(30.0)
        assert {world.state(d) for d in ("gw", "a", "b")} == {State.UNKNOWN}
        (incident,) = world.core.incidents
        assert incident.kind == "probe.link"
        world.link = True
        await clock.advance(200.0)
        assert list(world.core.incidents) == []
    assert world.disk.messages("event/device.down") == []
    (summary,) = world.disk.messages("summary/device/b")
    assert summary["figures"]["availability_pct"]["v"] == 100


async def test_a_send_that_fails_before_the_link_is_seen_down_is_no_other_fault(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",))
        await clock.advance(10.0)
        world.link = False
        world.core.watch.not_measured("a", "net_unreachable")
        assert [(i.kind, i.cause) for i in world.core.incidents] == [("probe.link", "own_link")]
        await clock.advance(10.0)
        world.link = True
        await clock.advance(10.0)
    told = world.disk.messages("event/probe.fault")
    assert [(b["cause"], b["state"]) for b in told] == [("own_link", "open"), ("own_link", "closed")]


async def test_of_a_removed_device_nothing_is_known_and_nothing_stays_open(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        world.silent = {"a"}
        await clock.advance(20.0)
        assert [i.entity for i in world.core.incidents] == ["a"]
        world.watch(gw=())
        assert list(world.core.incidents) == []
        world.silent = set()
        await clock.advance(30.0)
        world.watch(gw=(), a=())
        await clock.advance(300.0)
    (summary,) = world.disk.messages("summary/device/a")
    availability = summary["figures"]["availability_pct"]
    assert availability["down_s"] == pytest.approx(20, abs=1), "what was measured before it was taken out stays"
    assert availability["unknown_s"] == pytest.approx(30, abs=2), "before it came back it was not watched"
    (row,) = [s for b in world.disk.batches for s in b.states if s.reason == "removed"]
    assert (row.entity, row.state) == ("a", "unknown")


async def test_an_unanswered_echo_id_of_a_removed_device_is_dropped(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=(), a=())
        await clock.advance(10.0)
        world.watch(gw=())
        world.core.monitor.take(Sample(echo_id("a"), Metric.ECHO, "", clock.monotonic(), 1.0, Outcome.OK))
        world.core.monitor.overdue(echo_id("a"), clock.monotonic())
        assert [t.id for t in world.core.monitor] == ["gw"]
