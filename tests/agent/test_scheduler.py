"""The scheduler: no drift, stable splay, overlaps skipped, deadlines kept, one slow job never delays another."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from agent.boundary import Boundary
from agent.scheduler import Scheduler, splay
from tests.doubles import ManualClock


@asynccontextmanager
async def running(clock: ManualClock) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(clock, Boundary())
    task = asyncio.create_task(scheduler.run())
    yield scheduler
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_ticks_come_at_the_interval_without_drift() -> None:
    clock = ManualClock(monotonic=1000.003)
    seen: list[float] = []
    async with running(clock) as scheduler:
        scheduler.add_tick("a", 1.0, lambda: seen.append(clock.monotonic()))
        await clock.advance(100)
    assert 99 <= len(seen) <= 100
    assert [round(b - a, 6) for a, b in itertools.pairwise(seen)] == [1.0] * (len(seen) - 1)


async def test_the_splay_of_a_key_is_stable_and_spreads_targets() -> None:
    assert splay("device-1", 50) == splay("device-1", 50)
    assert len({splay(f"device-{i}", 50) for i in range(500)}) == 50


async def test_a_standstill_is_not_made_up_for() -> None:
    clock = ManualClock()
    seen: list[float] = []
    async with running(clock) as scheduler:
        scheduler.add_tick("a", 1.0, lambda: seen.append(clock.monotonic()))
        await clock.advance(5)
        before = len(seen)
        clock._mono_ns += int(60e9)  # the process was stopped for a minute
        await clock.advance(3)
        assert len(seen) - before <= 4
        assert scheduler.counters.missed >= 59


async def test_an_overlapping_run_is_skipped_and_counted() -> None:
    clock = ManualClock()
    reasons: list[str] = []
    started = 0

    async def slow() -> None:
        nonlocal started
        started += 1
        await clock.sleep(2.5)

    async with running(clock) as scheduler:
        scheduler.add_job("slow", 1.0, 0.9, slow, reasons.append)
        await clock.advance(6.5)
        assert started == 3
        assert reasons.count("overlap") == scheduler.counters.overlaps == 4


async def test_a_run_past_its_deadline_is_cut_off_and_said() -> None:
    clock = ManualClock()
    reasons: list[str] = []
    scheduler = Scheduler(clock, Boundary())
    cut = asyncio.Event()

    def overrun(reason: str) -> None:
        reasons.append(reason)
        cut.set()

    scheduler.add_job("stuck", 1.0, 0.05, _forever, overrun)
    task = asyncio.create_task(scheduler.run())
    await clock.advance(1.01)
    async with asyncio.timeout(2):
        await cut.wait()
    assert reasons == ["deadline"]
    assert scheduler.counters.deadlines == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _forever() -> None:
    await asyncio.Event().wait()


async def test_a_stuck_job_delays_no_other() -> None:
    clock = ManualClock()
    seen: list[float] = []

    async def quick() -> None:
        seen.append(clock.monotonic())
        await asyncio.sleep(0)

    async with running(clock) as scheduler:
        for i in range(50):
            scheduler.add_job(f"stuck{i}", 1.0, 0.9, _forever, lambda _: None)
        scheduler.add_job("quick", 1.0, 0.9, quick, lambda _: None)
        await clock.advance(10)
    assert len(seen) == 10
    assert [round(b - a, 6) for a, b in itertools.pairwise(seen)] == [1.0] * 9


async def test_what_raises_is_logged_once_a_streak_and_never_ends_the_scheduler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    calls = 0

    def broken() -> None:
        nonlocal calls
        calls += 1
        if calls != 4:
            raise ValueError("a fault of ours")

    async with running(clock) as scheduler:
        scheduler.add_tick("broken", 1.0, broken)
        await clock.advance(6)
    assert calls == 6
    assert sum("failed unexpectedly" in r.message for r in caplog.records) == 2


async def test_a_run_that_raises_is_said_each_time() -> None:
    clock = ManualClock()
    said: list[tuple[str, str]] = []

    def broken() -> None:
        raise ValueError("a fault of ours")

    async def broken_job() -> None:
        raise ValueError("a fault of ours")

    def deaf(reason: str) -> None:
        raise ValueError(reason)

    async with running(clock) as scheduler:
        scheduler.add_tick("tick", 1.0, broken, lambda reason: said.append(("tick", reason)))
        scheduler.add_job("job", 1.0, 0.9, broken_job, lambda reason: said.append(("job", reason)))
        scheduler.add_job("deaf", 1.0, 0.9, broken_job, deaf)
        await clock.advance(3)
    assert sorted(said) == [("job", "unexpected")] * 3 + [("tick", "unexpected")] * 3


async def test_removed_keys_stop_and_stop_lets_the_running_end() -> None:
    clock = ManualClock()
    seen: list[str] = []

    async def job() -> None:
        await clock.sleep(0.5)
        seen.append("ended")

    scheduler = Scheduler(clock, Boundary())
    scheduler.add_tick("gone", 1.0, lambda: seen.append("gone"))
    scheduler.remove("gone")
    scheduler.add_job("job", 1.0, 0.9, job, lambda _: None)
    task = asyncio.create_task(scheduler.run())
    await clock.advance(1.0)
    scheduler.stop()
    await clock.advance(1.0)
    await task
    assert seen == ["ended"]


async def test_an_extra_run_asked_for_within_a_run_comes_right_after_it() -> None:
    clock = ManualClock()
    began: list[float] = []

    async with running(clock) as scheduler:

        async def job() -> None:
            began.append(clock.monotonic())
            if len(began) == 1:
                scheduler.run_soon("job")
            await clock.sleep(0.1)

        scheduler.add_job("job", 60.0, 50.0, job, lambda _: None)
        await clock.advance(60.0)
        assert len(began) == 2
        assert round(began[1] - began[0], 6) == 0.1
        assert scheduler.counters.overlaps == 0


async def test_a_job_runs_soon_after_the_start_and_keeps_its_turns() -> None:
    """Of 200 devices that are polled once a minute the last has its first poll 4 s after the start, not 60 s."""
    ran: dict[bool, dict[str, list[float]]] = {}
    for soon in (False, True):
        clock = ManualClock(monotonic=1000.0)
        seen = ran[soon] = {f"device-{i}": [] for i in range(200)}

        async def job(times: list[float], clock: ManualClock = clock) -> None:
            times.append(clock.monotonic())
            await clock.sleep(3.0)

        async with running(clock) as scheduler:
            for key, times in seen.items():
                first = 4.0 if soon else None
                scheduler.add_job(key, 60.0, 45.0, partial(job, times), lambda _: None, first_within_s=first)
            await clock.advance(180)
            assert scheduler.counters.overlaps == 0
    plain, early = ran[False], ran[True]
    assert max(times[0] for times in plain.values()) > 1055
    for key, times in early.items():
        extra = len(times) - len(plain[key])
        assert extra in {0, 1}
        assert times[extra:] == plain[key], "the turns are the same"
        assert times[0] <= (1004.1 if extra else 1014.1)
    firsts = [times[0] for times in early.values()]
    assert max(firsts.count(at) for at in set(firsts)) < 20, "they are spread"


async def test_a_job_that_is_removed_has_no_first_run() -> None:
    clock, ran = ManualClock(), list[int]()

    async def job() -> None:
        ran.append(1)

    async with running(clock) as scheduler:
        for i in range(20):
            scheduler.add_job(f"device-{i}", 600.0, 45.0, job, lambda _: None, first_within_s=4.0)
            scheduler.remove(f"device-{i}")
        await clock.advance(10)
    assert ran == []
