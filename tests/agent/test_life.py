"""Published, stored, folded and recomputed are one computation, to the millisecond, whatever clock and agent do."""

import random
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.store import Store, StoreSettings
from agent.store.model import DAY, FIVE_MINUTES, HOUR, Batch
from collectors.clock import ClockTrust
from kpi.entities import AGENT
from tests.agent.life import Life, agree
from tests.agent.world import MIDNIGHT
from tests.doubles import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 3000.5)


async def ended(life: Life, path: Path, *, outages: bool = True) -> int:
    """A further start makes up for what is left; then everything agrees."""
    if life.run is not None:
        await life.stop()
    await life.clock.advance(2 * FIVE_MINUTES)
    await life.start()
    await life.kill()
    return await agree(path, life.clock, life.messages, life.clock.utc(), outages=outages)


async def test_an_undisturbed_hour(clock: ManualClock, tmp_path: Path) -> None:
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(400)
    life.silent.add("srv")
    await life.advance(500)
    life.silent.clear()
    await life.advance(400)
    assert await ended(life, tmp_path / "s.db") >= 6 * 4


@pytest.mark.parametrize("step", [2400.0, 5.0, -400.0, -5.0, -3600.0, 3 * 86400.0])
async def test_a_clock_that_steps(clock: ManualClock, tmp_path: Path, step: float) -> None:
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(350)
    life.silent.add("srv")
    await life.advance(150)
    clock.step_wall(step)
    await life.advance(300)
    life.silent.clear()
    await life.advance(700 + max(0.0, -step))
    await ended(life, tmp_path / "s.db")


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("off_s", [3.0, 70.0, 1000.0, 3 * 86400.0])
async def test_a_restart(clock: ManualClock, tmp_path: Path, how: str, off_s: float) -> None:
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(350)
    life.silent.add("srv")
    await life.advance(130)
    await (life.stop() if how == "stop" else life.kill())
    await clock.advance(off_s)
    await life.start()
    await life.advance(800)
    await ended(life, tmp_path / "s.db")


FIRST_RUNS = [  # how it ends, after how long, for how long it is off; window, seconds up in it, echoes
    ("kill", 0.0, 299.0, 3000, 0.5, 1),
    ("kill", 20.0, 200.0, 3000, 79.5, 16),
    ("kill", 20.0, 3000.0, 6000, 279.5, 56),
    ("stop", 0.0, 1000.0, 3000, 0.0, 1),
    ("stop", 0.0, 1000.0, 3900, 199.5, 40),
    ("stop", 0.0, 1.0, 3000, 298.5, 61),
    ("stop", 20.0, 1.0, 3000, 298.5, 61),
]


@pytest.mark.parametrize(("how", "run_s", "off_s", "window", "up_s", "echoes"), FIRST_RUNS)
async def test_a_first_run_that_ends_before_its_first_minute_is_written(
    clock: ManualClock, tmp_path: Path, *, how: str, run_s: float, off_s: float, window: int, up_s: float, echoes: int
) -> None:
    """It was up as long as that is on the disk; while the agent is off nothing is known."""
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(run_s)
    await (life.stop() if how == "stop" else life.kill())
    await clock.advance(off_s)
    await life.start()
    await life.advance(320.0)
    await ended(life, tmp_path / "s.db")
    (said,) = [m for t, m in life.messages if t == "summary/device/gw" and m["window"]["start"] == MIDNIGHT + window]
    known = said["figures"]["availability_pct"]
    assert known["up_s"] == pytest.approx(up_s, abs=0.01)
    assert (known["down_s"], known["unknown_s"]) == (0, pytest.approx(300 - up_s, abs=0.01))
    assert said["coverage"] == pytest.approx(up_s / 300, abs=0.001)
    assert said["figures"]["loss_ratio"]["n"] == echoes


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_first_run_that_ends_as_its_clock_has_jumped(clock: ManualClock, tmp_path: Path, how: str) -> None:
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(20.0)
    clock.step_wall(2400.0)
    await life.advance(1.0)
    await (life.stop() if how == "stop" else life.kill())
    await clock.advance(100.0)
    await life.start()
    await life.advance(320.0)
    await ended(life, tmp_path / "s.db")
    said = [m for t, m in life.messages if t == "summary/device/gw" and m["window"]["start"] == MIDNIGHT + 5400]
    assert said[-1]["figures"]["availability_pct"]["up_s"] == pytest.approx(300 - 21.5 - 100, abs=1.5)


@pytest.mark.parametrize("set_after_s", [5.0, 400.0])
async def test_a_first_run_whose_clock_is_not_set(clock: ManualClock, tmp_path: Path, set_after_s: float) -> None:
    """Killed before or after it was set; what has no date is in no window, and the time between is unknown."""
    life = Life(clock, tmp_path / "s.db")
    life.trust = ClockTrust.UNSET
    await life.start()
    await life.advance(20.0)
    if set_after_s < 20.0:
        life.trust = ClockTrust.SYNCHRONISED
        await life.advance(5.0)
    await life.kill()
    await clock.advance(100.0)
    life.trust = ClockTrust.SYNCHRONISED
    await life.start()
    await life.advance(320.0)
    await ended(life, tmp_path / "s.db")
    (said,) = [m for t, m in life.messages if t == "summary/device/gw" and m["window"]["start"] == MIDNIGHT + 3000]
    ran = (21.0 if set_after_s < 20.0 else 0.0) + 300 - (125.5 if set_after_s < 20.0 else 120.5)
    assert said["figures"]["availability_pct"]["up_s"] == pytest.approx(ran, abs=1.5)


@pytest.mark.parametrize("run_s", [20.0, 130.0, 670.0])
@pytest.mark.parametrize("row", ["gone", "damaged", "of another version", "of another version, without a date"])
async def test_a_run_that_left_nothing_readable_of_how_long_it_lived(
    clock: ManualClock, tmp_path: Path, run_s: float, row: str
) -> None:
    """Everything after the newest thing that the store knows of is unknown, never up: a minute that was written lives
    from its beginning."""
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(run_s)
    await life.kill()
    with closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as con:
        if row == "gone":
            con.execute("DELETE FROM counters")
        elif row == "damaged":
            con.execute("UPDATE counters SET seal = seal + 1")
    if row.startswith("of another version"):
        settings = StoreSettings(ballast_bytes=0)
        async with Store.open(tmp_path / "s.db", settings, clock, probe_id="p", boot_id="boot-1") as store:
            kept = await store.last_counters(AGENT)
            assert kept is not None
            utc = kept.utc_at if row == "of another version" else None
            await store.commit(Batch(counters=[replace(kept, utc_at=utc, plain={"counted": 7})]))
    await clock.advance(1000.0)
    begun = clock.utc() - MIDNIGHT
    await life.start()
    await life.advance(320.0)
    await ended(life, tmp_path / "s.db")
    for message in (m for t, m in life.messages if t == "summary/device/gw"):
        start = message["window"]["start"] - MIDNIGHT
        spans = ((3000.5, 3000.5 + run_s), (begun, begun + 320.0))
        ran = sum(max(0.0, min(end, start + 300) - max(first, start)) for first, end in spans)
        assert ran - 125 <= message["figures"]["availability_pct"]["up_s"] <= ran + 0.01, (start, ran)


@pytest.mark.parametrize("seed", range(200, 206))
async def test_nothing_is_up_longer_than_the_agent_ran(tmp_path: Path, seed: int) -> None:
    """Short runs, stopped and killed at random; everything answers, so that it is up while the agent runs."""
    chance = random.Random(seed)
    clock = ManualClock(monotonic=1000.0, utc=MIDNIGHT + chance.uniform(0, HOUR))
    life = Life(clock, tmp_path / "s.db")
    spans: list[tuple[float, float]] = []
    for run_s in (*(chance.choice((0.0, 0.7, 20.0, 59.0, 70.0, 150.0)) for _ in range(6)), 320.0):
        begun = clock.utc()
        await life.start()
        await life.advance(run_s)
        spans.append((begun, clock.utc()))
        await (life.stop() if chance.random() < 0.4 else life.kill())
        await clock.advance(chance.choice((0.0, 1.0, 40.0, 200.0, 700.0)))
    await ended(life, tmp_path / "s.db")
    for message in (m for t, m in life.messages if t == "summary/device/gw"):
        start = message["window"]["start"]
        ran = sum(max(0.0, min(end, start + 300) - max(first, start)) for first, end in spans)
        assert message["figures"]["availability_pct"]["up_s"] <= ran + 0.01, (start, ran)


async def test_started_in_1970_and_set_later(tmp_path: Path) -> None:
    """250 s measured before the clock was set are in the summary of their five minutes."""
    clock = ManualClock(monotonic=1000.0, utc=40.0)
    life = Life(clock, tmp_path / "s.db")
    life.trust = ClockTrust.UNSET
    await life.start()
    await life.advance(40)
    clock.step_wall(MIDNIGHT - clock.utc() + 10.0)  # 10 s into five minutes: the clock began 30 s before
    await life.advance(100)
    life.silent.add("srv")
    await life.advance(90)
    life.trust = ClockTrust.SYNCHRONISED
    await life.advance(200)
    life.silent.clear()
    await life.advance(300)
    await ended(life, tmp_path / "s.db")
    (first,) = [b for t, b in life.messages if t == "summary/device/gw" and b["window"]["start"] == int(MIDNIGHT)]
    assert first["figures"]["availability_pct"]["up_s"] == pytest.approx(300, abs=1)
    assert first["figures"]["loss_ratio"]["n"] == pytest.approx(60, abs=13)


@pytest.mark.parametrize("at", [530.0, 670.0, 703.0])
@pytest.mark.parametrize("step", [-700.0, -5.0, 150.0])
async def test_pieces_of_a_window_are_said_as_one(clock: ManualClock, tmp_path: Path, at: float, step: float) -> None:
    """Around the end of five minutes, also in the seconds in which the last minute waits for its last answers."""
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(at)
    clock.step_wall(step)
    await life.advance(1100.0)
    await ended(life, tmp_path / "s.db")
    for topic in ("summary/site", "summary/device/srv"):
        said = [(m["window"]["start"], m["revision"]) for t, m in life.messages if t == topic]
        for start in {start for start, _ in said}:
            assert [r for s, r in said if s == start] == list(range(sum(s == start for s, _ in said)))
        if step > -700.0:
            assert {r for _, r in said} == {0}


async def test_five_minutes_that_a_small_jump_cuts_are_said_whole_at_their_end(
    clock: ManualClock, tmp_path: Path
) -> None:
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(420.0)
    clock.step_wall(5.0)
    await life.advance(190.0)
    await life.kill()
    (said,) = [m for t, m in life.messages if t == "summary/device/srv" and m["window"]["start"] == MIDNIGHT + 3300]
    assert (said["revision"], said["final"]) == (0, True)
    assert said["figures"]["rtt_ms"]["n"] == pytest.approx(295 / 5, abs=1)
    assert said["coverage"] == pytest.approx(295 / 300, abs=0.003)  # five seconds of the calendar never were
    (site,) = [m for t, m in life.messages if t == "summary/site" and m["window"]["start"] == MIDNIGHT + 3300]
    assert site["flags"] == ["clock_jump"]


async def test_a_measured_outage_is_not_erased_by_a_clock_that_steps_back(clock: ManualClock, tmp_path: Path) -> None:
    """Down in the first pass over these five minutes, up in the second: what was measured first stays, and no more."""
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(310.0)
    life.silent.add("srv")
    await life.advance(280.0)
    life.silent.clear()
    await life.advance(20.0)
    clock.step_wall(-330.0)
    await life.advance(1000.0)
    await ended(life, tmp_path / "s.db")
    said = [m for t, m in life.messages if t == "summary/device/srv" and m["window"]["start"] == MIDNIGHT + 3300]
    assert [m["revision"] for m in said] == [0]
    assert said[0]["figures"]["availability_pct"]["down_s"] == pytest.approx(280, abs=6)


async def test_what_holds_at_present_does_not_reach_into_what_an_earlier_pass_counted_ahead(
    clock: ManualClock, tmp_path: Path
) -> None:
    """Its first answer came two milliseconds after it began, and nothing is known before that."""
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(3.0)
    life.trust = ClockTrust.UNVERIFIED
    clock.step_wall(-2000.0)
    await life.advance(13.0)
    clock.step_wall(-2000.0)
    await life.advance(240.0)
    await ended(life, tmp_path / "s.db")
    said = [m for t, m in life.messages if t == "summary/device/gw" and m["window"]["start"] == MIDNIGHT + 3000]
    assert said
    assert all(m["figures"]["availability_pct"]["up_s"] == pytest.approx(3.998, abs=0.0005) for m in said)


async def test_what_was_taken_over_right_after_a_trusted_pass_is_unknown(clock: ManualClock, tmp_path: Path) -> None:
    """The trusted pass said that it ended there, and the one that followed it what it knew: both lose their dates."""
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(350.0)
    life.trust = ClockTrust.UNVERIFIED
    clock.step_wall(-7.0)
    await life.advance(100.0)
    life.silent.add("srv")
    await life.advance(300.0)
    life.silent.clear()
    await life.advance(100.0)
    life.trust = ClockTrust.SYNCHRONISED
    clock.step_wall(-2000.0)
    await life.advance(100.0)
    clock.step_wall(5000.0)
    await life.advance(700.0)
    await ended(life, tmp_path / "s.db", outages=False)
    said = [m for t, m in life.messages if t == "summary/device/srv" and m["window"]["start"] == MIDNIGHT + 3600]
    last = max(said, key=lambda m: m["revision"])["figures"]["availability_pct"]
    assert (last["up_s"], last["down_s"], last["unknown_s"]) == (0, 0, 300)


async def test_a_state_of_a_run_that_was_killed_before_its_first_minute_does_not_go_on(tmp_path: Path) -> None:
    """Taken over, answered and killed within seconds; the next run starts long before, and jumps over that time."""
    clock = ManualClock(monotonic=1000.0, utc=MIDNIGHT + 2334.59)
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(3.0)
    life.trust = ClockTrust.UNVERIFIED
    clock.step_wall(-2400.0)
    await life.advance(240.0)
    await life.stop()
    life.trust = ClockTrust.SYNCHRONISED
    clock.step_wall(-400.0)
    await life.start()
    await life.advance(16.0)
    await life.kill()
    clock.step_wall(-2000.0)
    await life.start()
    await life.advance(243.0)
    clock.step_wall(2400.0)
    await life.advance(240.0)
    await ended(life, tmp_path / "s.db", outages=False)


@pytest.mark.parametrize("run_s", [100.0, 500.0])
async def test_five_minutes_that_come_after_their_hour_are_in_it(
    clock: ManualClock, tmp_path: Path, run_s: float
) -> None:
    """The clock is set back into an hour that is folded, and the agent ends before it comes to its end again."""
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(700.0)
    clock.step_wall(-2000.0)
    await life.advance(run_s)
    await ended(life, tmp_path / "s.db")


async def test_a_pass_that_counts_what_was_taken_over_ends_where_it_jumps(clock: ManualClock, tmp_path: Path) -> None:
    """It jumps over what an earlier pass has counted ahead: between both nothing is known."""
    life = Life(clock, tmp_path / "s.db")
    await life.start()
    await life.advance(3.0)
    clock.step_wall(2400.0)
    await life.advance(100.0)
    life.trust = ClockTrust.UNVERIFIED
    clock.step_wall(-2400.0)
    await life.advance(400.0)
    life.trust = ClockTrust.SYNCHRONISED
    clock.step_wall(-300.0)
    await life.advance(100.0)
    clock.step_wall(4000.0)
    await life.advance(400.0)
    await ended(life, tmp_path / "s.db", outages=False)


async def test_an_hour_of_a_day_that_a_clock_ahead_had_folded_is_in_it(tmp_path: Path) -> None:
    """A day ahead the day is folded; set back at a restart, the agent comes to the end of an hour that was not."""
    clock = ManualClock(monotonic=1000.0, utc=MIDNIGHT + 816.141)
    life = Life(clock, tmp_path / "s.db")
    life.trust = ClockTrust.UNVERIFIED
    await life.start()
    await life.advance(170.0)
    clock.step_wall(DAY)
    await life.advance(13.0)
    for step, off_s, on_s in ((-400.0, 400.0, 80.0), (-2000.0, 1.0, 243.0)):
        await life.stop()
        clock.step_wall(step)
        await clock.advance(off_s)
        await life.start()
        await life.advance(on_s)
    await life.advance(700.0)
    await ended(life, tmp_path / "s.db", outages=False)


@pytest.mark.parametrize("trust", [ClockTrust.SYNCHRONISED, ClockTrust.UNVERIFIED])
@pytest.mark.parametrize(("off_s", "up_s"), [(30.0, 300.0), (700.0, 200.5), (3 * 86400.0, 200.5)])
async def test_a_kill_before_a_clock_that_stepped_back_comes_to_the_old_time(
    clock: ManualClock, tmp_path: Path, trust: ClockTrust, off_s: float, up_s: float
) -> None:
    """Measured up to 3500.5, set back by 400 s, killed 150 s later, started after ``off_s``: of these five minutes what
    was measured stays in each revision, and the dead time is unknown."""
    life = Life(clock, tmp_path / "s.db")
    life.trust = trust
    await life.start()
    await life.advance(500.0)
    clock.step_wall(-400.0)
    await life.advance(150.0)
    await life.kill()
    await clock.advance(off_s)
    await life.start()
    await life.advance(600.0)
    await ended(life, tmp_path / "s.db")
    said = [m for t, m in life.messages if t == "summary/device/srv" and m["window"]["start"] == MIDNIGHT + 3300]
    figures = [m["figures"]["availability_pct"] for m in sorted(said, key=lambda m: m["revision"])]
    assert figures[-1]["up_s"] == pytest.approx(up_s, abs=6)
    assert figures[-1]["unknown_s"] == pytest.approx(300 - up_s, abs=6)
    assert [f["up_s"] for f in figures] == sorted(f["up_s"] for f in figures)
    assert not any(f["down_s"] for f in figures)


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_predecessor_whose_clock_was_days_ahead(clock: ManualClock, tmp_path: Path, how: str) -> None:
    """Nobody vouched for it: what it dated loses its dates at once, and everything that follows has its own."""
    life = Life(clock, tmp_path / "s.db")
    life.trust = ClockTrust.UNVERIFIED
    clock.step_wall(3 * DAY)
    await life.start()
    await life.advance(350.0)
    life.silent.add("srv")
    await life.advance(500.0)
    await (life.stop() if how == "stop" else life.kill())
    clock.step_wall(-3 * DAY - 700.0)
    life.trust = ClockTrust.SYNCHRONISED
    begun = clock.utc()
    await life.start()
    await life.advance(900.0)
    now = clock.utc()
    await ended(life, tmp_path / "s.db", outages=False)
    said: dict[int, dict[int, Any]] = defaultdict(dict)
    for topic, body in life.messages:
        if topic == "summary/device/srv":
            said[body["window"]["start"]][body["revision"]] = body["figures"]["availability_pct"]
    last = {start: of_window[max(of_window)] for start, of_window in said.items()}
    present = {start: figure for start, figure in last.items() if begun - 300 < start and start + 300 <= now}
    assert len(present) >= 3
    assert sum(f["down_s"] for f in present.values()) == pytest.approx(900, abs=300)
    withdrawn = [start for start in last if start > now + DAY]
    assert withdrawn
    for start in withdrawn:
        assert max(said[start]) > 0 and last[start]["unknown_s"] == 300 and not last[start]["down_s"]


async def test_a_trusted_pass_over_seconds_of_one_that_is_not(clock: ManualClock, tmp_path: Path) -> None:
    """Down by the clock that nobody vouched for, up by the trusted one: what is said in the end is that it was up."""
    life = Life(clock, tmp_path / "s.db")
    life.trust = ClockTrust.UNVERIFIED
    await life.start()
    life.silent.add("srv")
    await life.advance(900.0)
    life.silent.clear()
    life.trust = ClockTrust.SYNCHRONISED
    clock.step_wall(-900.0)
    await life.advance(1500.0)
    await ended(life, tmp_path / "s.db")
    jumps = [body for topic, body in life.messages if topic == "event/clock.jump"]
    assert [(j["twice_s"], j["counted"]) for j in jumps] == [
        (pytest.approx(900, abs=2), {"earlier_s": 0, "later_s": pytest.approx(900, abs=2)})
    ]
    for start in (MIDNIGHT + 3300, MIDNIGHT + 3600):
        said = [m for t, m in life.messages if t == "summary/device/srv" and m["window"]["start"] == start]
        figures = [m["figures"]["availability_pct"] for m in sorted(said, key=lambda m: m["revision"])]
        assert figures[0]["down_s"] == pytest.approx(300, abs=6) and figures[-1]["down_s"] == 0
        assert figures[-1]["up_s"] == pytest.approx(300, abs=6)


@pytest.mark.parametrize("seed", range(100, 108))
async def test_whatever_the_trust_in_the_clock_does(tmp_path: Path, seed: int) -> None:
    """As the next one, with a clock that a time daemon vouches for now and then, and that is set while the agent is off."""
    chance = random.Random(seed)
    clock = ManualClock(monotonic=1000.0, utc=MIDNIGHT + chance.uniform(0, HOUR))
    life = Life(clock, tmp_path / "s.db")
    kinds = (ClockTrust.SYNCHRONISED, ClockTrust.UNVERIFIED)
    life.trust = chance.choice(kinds)
    await life.start()
    await life.advance(3.0)
    for _ in range(14):
        what = chance.choice(("wait", "outage", "gateway", "step", "step", "trust", "restart"))
        if what == "outage":
            life.silent ^= {chance.choice(("srv", "one", "two"))}
        elif what == "gateway":
            life.silent ^= {"gw", "srv", "one", "two", "three"}
        elif what == "trust":
            life.trust = chance.choice(kinds)
        elif what == "step":
            life.trust = chance.choice(kinds)
            clock.step_wall(chance.choice((-400.0, -7.0, -2000.0, 5.0, 2400.0, float(DAY))))
        elif what == "restart":
            await (life.stop() if chance.random() < 0.5 else life.kill())
            life.trust = chance.choice(kinds)
            clock.step_wall(chance.choice((0.0, 0.0, 900.0, -400.0, -7.0, -2000.0)))
            await clock.advance(chance.choice((1.0, 40.0, 400.0)))
            await life.start()
            await life.advance(3.0)
        await life.advance(chance.choice((13.0, 77.0, 240.0, 400.0)))
    await life.advance(700.0)
    await ended(life, tmp_path / "s.db", outages=False)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_clock_and_agent_do(tmp_path: Path, seed: int) -> None:
    """Outages, own link, steps of the clock, stops, kills and pauses, drawn at random; a clock that is not set at some
    starts."""
    chance = random.Random(seed)
    clock = ManualClock(monotonic=1000.0, utc=MIDNIGHT + chance.uniform(0, HOUR))
    life = Life(clock, tmp_path / "s.db")
    if chance.random() < 0.25:
        life.trust = ClockTrust.UNSET
        clock.step_wall(-1.6e9)
    await life.start()
    await life.advance(3.0)
    for _ in range(14):
        what = chance.choice(("wait", "wait", "outage", "outage", "gateway", "step", "restart"))
        if what == "outage":
            life.silent ^= {chance.choice(("srv", "one", "two"))}
        elif what == "gateway":
            life.silent ^= {"gw", "srv", "one", "two", "three"}
        elif what == "step" and life.trust is ClockTrust.SYNCHRONISED:
            steps = (-400.0, -7.0, 1.5, 5.0, 2400.0) if seed % 2 else (-400.0, -7.0, -2000.0, 1.5, 5.0, 2400.0, 4000.0)
            clock.step_wall(chance.choice(steps))
        elif what == "restart":
            await (life.stop() if chance.random() < 0.5 else life.kill())
            await clock.advance(chance.choice((1.0, 40.0, 400.0)))
            await life.start()
            await life.advance(3.0)
        await life.advance(chance.choice((13.0, 77.0, 240.0, 400.0)))
        if life.trust is ClockTrust.UNSET and chance.random() < 0.5:
            clock.step_wall(MIDNIGHT + 7000 - clock.utc())
            life.trust = ClockTrust.SYNCHRONISED
    if life.trust is ClockTrust.UNSET:
        clock.step_wall(MIDNIGHT + 7000 - clock.utc())
        life.trust = ClockTrust.SYNCHRONISED
    await life.advance(700.0)
    await ended(life, tmp_path / "s.db", outages=seed % 2 == 1)
