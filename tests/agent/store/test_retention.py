"""What is given up by age and by bytes, in which order, and how it is said."""

import dataclasses
import json
import random
from pathlib import Path

import pytest

from agent.messages import MessageDraft
from agent.store import DAY, Batch, DiskFault, StateRow, Store, StoreSettings, WindowRow
from agent.store.db import open_reader
from agent.store.model import GAP_SCHEMA
from agent.store.write_side import LOG_TIMES
from kpi.model import Incident
from tests.agent.store.conftest import SMALL, Opener
from tests.doubles import ManualClock

START = 1_700_000_100 // 300 * 300
NOISE = random.Random(7)


def windows(start: int, length_s: int, count: int, size: int = 60) -> list[WindowRow]:
    """Windows of ``count`` entities at one start, each about ``size`` bytes that do not compress."""
    return [WindowRow(f"e{n}", "echo", length_s, "b", 0.0, start, NOISE.randbytes(size).hex()) for n in range(count)]


def drafts(count: int, size: int = 200) -> list[MessageDraft]:
    return [MessageDraft("summary/site", "sonda.summary.v1", {"x": NOISE.randbytes(size).hex()}) for _ in range(count)]


async def rows(store: Store) -> dict[str, int]:
    return {kind.kind: kind.rows for kind in (await store.report()).held if kind.rows}


async def dropped(store: Store) -> dict[str, tuple[int, int]]:
    return {kind.kind: (kind.for_age, kind.for_space) for kind in (await store.report()).dropped}


async def settle(store: Store) -> None:
    """Returns when the housekeeping after the last write is done."""
    await store._writer.do(lambda _: None)


async def test_each_length_is_kept_as_long_as_it_may_be(opener: Opener, clock: ManualClock) -> None:
    async with opener() as store:
        await store.commit(Batch())
        for length_s in (60, 300, 3600, DAY, 0):
            await store.commit(Batch(windows=windows(START, length_s, 10)))
        kept = {"windows 60 s": 10, "windows 300 s": 10, "windows 3600 s": 10, "windows 86400 s": 10}
        kept["windows 1 month"] = 10
        for days, gone in (
            (1.9, None),
            (0.2, "windows 60 s"),
            (87, None),
            (1.1, "windows 300 s"),
            (650, "windows 3600 s"),
        ):
            await clock.advance(days * 86400)
            await store.commit(Batch())
            await settle(store)
            if gone:
                del kept[gone]
            assert await rows(store) == kept, days
        assert await dropped(store) == {
            "windows 60 s": (10, 0),
            "windows 300 s": (10, 0),
            "windows 3600 s": (10, 0),
        }


async def test_nothing_is_dropped_by_age_while_the_clock_is_not_believed(opener: Opener, clock: ManualClock) -> None:
    synchronised = False
    async with opener(synchronised=lambda: synchronised) as store:
        await store.commit(Batch(windows=windows(START, 60, 10)))
        clock.step_wall(40 * 86400)
        await clock.advance(4000)
        await store.commit(Batch())
        await settle(store)
        assert await rows(store) == {"windows 60 s": 10}
        synchronised = True
        await clock.advance(4000)
        await store.commit(Batch())
        await settle(store)
        assert await rows(store) == {}


async def test_a_wall_clock_that_jumps_ahead_does_not_empty_the_store(opener: Opener, clock: ManualClock) -> None:
    async with opener() as store:
        for days_ago in range(100):
            start = (int(clock.utc()) // 300 - 288 * days_ago) * 300
            await store.commit(Batch(windows=windows(start, 300, 1)))
        await clock.advance(3700)
        await store.commit(Batch())
        await settle(store)
        assert await rows(store) == {"windows 300 s": 90}
        clock.step_wall(10 * 365 * 86400)
        for held in (89, 88):
            await clock.advance(3700)
            await store.commit(Batch())
            await settle(store)
            assert await rows(store) == {"windows 300 s": held}
        clock.step_wall(-10 * 365 * 86400)
    async with opener() as store:
        await store.commit(Batch())
        await settle(store)
        assert await rows(store) == {"windows 300 s": 88}


async def test_acknowledged_payloads_go_by_age_their_digests_stay_and_what_waits_stays(
    opener: Opener, clock: ManualClock
) -> None:
    async with opener() as store:
        for _ in range(3):
            await store.commit(Batch(drafts=drafts(10)))
            await clock.advance(86400)
        await store.acknowledge([*range(1, 5), *range(7, 26)])
        await clock.advance(32.5 * 86400)  # the first day's are 35.5 days old, the second's 34.5
        await store.commit(Batch())
        await settle(store)
        assert await rows(store) == {"acknowledged": 15, "unsent": 7, "digests": 30}
        assert await dropped(store) == {"acknowledged": (8, 0)}
        kept = await store.messages(1, 30)
        assert [message.seq for message in kept if message.payload is None] == [1, 2, 3, 4, 7, 8, 9, 10]
        assert await store.replay_from() == 5
        assert all(len(message.digest) == 32 for message in kept) and len(kept) == 30
        await clock.advance(732 * 86400)
        await store.commit(Batch())
        await settle(store)
        assert await rows(store) == {"unsent": 7, "digests": 26}, "digests below the oldest payload are gone"
        assert (await store.backlog()).last_seq == 30
        assert (await store.commit(Batch(drafts=drafts(1)))).first_seq == 31


async def test_acknowledged_payloads_have_a_byte_limit(opener: Opener, clock: ManualClock) -> None:
    async with opener(settings=dataclasses.replace(SMALL, keep_acknowledged_bytes=100_000)) as store:
        for _ in range(10):
            done = await store.commit(Batch(drafts=drafts(500)))
            assert done.first_seq is not None and done.last_seq is not None
            await store.acknowledge(range(done.first_seq, done.last_seq + 1))
        await clock.advance(3700)
        await store.commit(Batch())
        await settle(store)
        held = {kind.kind: kind.bytes for kind in (await store.report()).held}
        assert 0 <= held["acknowledged"] <= 100_000
        assert (await store.messages(5000, 5000))[0].payload is None or held["acknowledged"] > 0


async def test_fine_windows_go_first_unsent_messages_last_and_a_gap_names_them(
    opener: Opener, clock: ManualClock
) -> None:
    settings = dataclasses.replace(SMALL, max_bytes=6_000_000)  # 4 MB of pages beside log and ballast
    async with opener(settings=settings) as store:
        for length_s in (60, 300, 3600, DAY):
            await store.commit(Batch(windows=windows(START, length_s, 600, 400)))
        await store.commit(Batch(drafts=drafts(1000, 400)))
        await store.acknowledge(range(1, 1001))
        order = []
        sent = 1000
        for _ in range(150):
            done = await store.commit(Batch(drafts=drafts(100, 400)))
            await settle(store)
            assert done.last_seq is not None
            sent = done.last_seq
            order += [kind for kind in await dropped(store) if kind not in order]
            report = await store.report()
            assert report.bytes_used <= settings.max_bytes
            if "unsent" in order:
                break
        assert order == [
            "windows 60 s",
            "windows 300 s",
            "acknowledged",
            "windows 3600 s",
            "digests",
            "windows 86400 s",
            "unsent",
        ]
        assert report.bytes_file <= 6_000_000
        waiting = await store.waiting(0, 10_000)
        gaps = [
            json.loads(message.payload) for message in waiting if json.loads(message.payload)["schema"] == GAP_SCHEMA
        ]
        named = {n for gap in gaps for low, high in gap["ranges"] for n in range(low, high + 1)}
        assert gaps and all(gap["reason"] == "space" and gap["of_stream"] == store.stream for gap in gaps)
        present = {message.seq for message in waiting}
        backlog = await store.backlog()
        assert present | named == set(range(1001, backlog.last_seq + 1)) and not present & named
        assert len(named) == (await dropped(store))["unsent"][1] > 0
        assert backlog.messages == len(present) and backlog.bytes == sum(len(m.payload) for m in waiting)
        assert backlog.last_seq > sent, "the gap has a number of its own"
        since = {kind.kind: kind.first_utc for kind in (await store.report()).dropped}
        assert since.pop("unsent") == int(clock.utc()) and set(since.values()) == {None}
        await clock.advance(3600.0)
        for _ in range(50):
            await store.commit(Batch(drafts=drafts(100, 400)))
        await settle(store)
        [unsent] = [kind for kind in (await store.report()).dropped if kind.kind == "unsent"]
        assert unsent.for_space > len(named) and unsent.first_utc == int(clock.utc()) - 3600, "the first counts"


async def test_gap_messages_outlive_what_is_given_up_later(opener: Opener) -> None:
    settings = dataclasses.replace(SMALL, max_bytes=3_000_000)
    async with opener(settings=settings) as store:
        for _ in range(80):
            await store.commit(Batch(drafts=drafts(50, 500)))
        await settle(store)
        waiting = [json.loads(message.payload) for message in await store.waiting(0, 100_000)]
        gaps = [body for body in waiting if body["schema"] == GAP_SCHEMA]
        named = {n for gap in gaps for low, high in gap["ranges"] for n in range(low, high + 1)}
        assert len(gaps) > 1
        assert named | {body["seq"] for body in waiting} == set(range(1, (await store.backlog()).last_seq + 1))
        assert not named & {gap["seq"] for gap in gaps}


async def test_freed_pages_are_used_again(opener: Opener, clock: ManualClock) -> None:
    async with opener(settings=dataclasses.replace(SMALL, keep_minute_days=0.25)) as store:
        sizes = []
        for minute in range(0, 24 * 60, 10):
            await store.commit(Batch(windows=windows(int(clock.utc()) // 60 * 60, 60, 50)))
            await clock.advance(600)
            if minute % 120 == 0:
                sizes.append((await store.report()).bytes_file)
        assert sizes[-1] <= sizes[4] * 1.1


async def test_the_days_left_follow_from_what_was_written(opener: Opener, clock: ManualClock) -> None:
    settings = dataclasses.replace(SMALL, max_bytes=10_000_000, keep_minute_days=1, keep_five_minutes_days=1e6)
    async with opener(settings=settings) as store:
        assert (await store.report()).days_left is None
        for _ in range(4 * 24):
            await store.commit(Batch(windows=windows(int(clock.utc()) // 300 * 300, 300, 20, 200)))
            await clock.advance(3600)
        report = await store.report()
        a_day = (report.bytes_used - settings.wal_bytes - report.ballast_bytes) / 4
        assert report.days_left == pytest.approx((settings.max_bytes - report.bytes_used) / a_day, rel=0.15)


def test_the_default_limits_are_those_of_the_design() -> None:
    assert StoreSettings().max_bytes == 4_000_000_000
    assert (StoreSettings().keep_minute_days, StoreSettings().keep_five_minutes_days) == (2, 90)
    assert StoreSettings().keep_hour_days == StoreSettings().keep_digest_days == 731
    assert (StoreSettings().keep_acknowledged_days, StoreSettings().keep_acknowledged_bytes) == (35, 10**9)


async def test_the_log_is_bounded_while_somebody_reads_an_old_view(opener: Opener, tmp_path: Path) -> None:
    log = tmp_path / "sonda.db-wal"
    async with opener() as store:
        await store.commit(Batch(windows=windows(START, 60, 100, 400)))
        reader = open_reader(tmp_path / "sonda.db")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM window").fetchone()
        written = 0

        async def write_until_it_is_refused() -> None:
            nonlocal written
            for n in range(400):
                await store.commit(Batch(windows=windows(START + 60 * n, 60, 100, 400)))
                written += 1

        with pytest.raises(DiskFault, match="an old view"):
            await write_until_it_is_refused()
        assert written > 20
        most = log.stat().st_size
        assert most <= (LOG_TIMES + 1) * SMALL.wal_bytes
        report = await store.report()
        assert report.bytes_used >= report.bytes_file - report.freelist_bytes + most
        reader.execute("ROLLBACK")
        reader.close()
        await store.commit(Batch(windows=windows(START + 60 * 1000, 60, 100, 400)))
        await settle(store)
        assert log.stat().st_size <= 2 * SMALL.wal_bytes, "given back"
        assert len(await store.windows(None, "echo", 60, START, START + 60 * 2000)) == 100 * (written + 1)


async def test_states_and_incidents_are_kept_as_long_as_the_hours(opener: Opener, clock: ManualClock) -> None:
    async with opener() as store:
        now = clock.utc()
        states = [StateRow("sw", "device", "boot-1", float(n), now + n, "up" if n % 2 else "down") for n in range(10)]
        undated = [StateRow("sw", "device", boot, 1.0, None, "up") for boot in ("boot-0", "boot-1")]
        over = [Incident(f"i{n}", "device.down", "sw", "no_reply", now + n, now + n + 1) for n in range(10)]
        still = Incident("open", "device.down", "sw", "no_reply", now, None)
        await store.commit(Batch(states=[*states, *undated], incidents=[*over, still]))
        await clock.advance(730 * 86400)
        await store.commit(Batch())
        await settle(store)
        assert len(await store.state_changes("sw", now - 1, now + 100)) == 10
        await clock.advance(86400 + 3600)
        await store.commit(Batch())
        await settle(store)
        assert [row.utc_at for row in await store.state_changes("sw", now - 1, now + 100)] == [now + 9], (
            "in force still"
        )
        assert [incident.id for incident in await store.incidents(0, clock.utc() + 1)] == ["open"]
        assert (await dropped(store))["states"] == (9 + 1, 0) and (await dropped(store))["incidents"] == (10, 0)


async def test_states_and_incidents_go_for_lack_of_space_before_unsent_messages(opener: Opener) -> None:
    async with opener(settings=dataclasses.replace(SMALL, max_bytes=4_000_000)) as store:
        for n in range(30):
            rows = [
                StateRow("sw", "device", "boot-1", float(k), START + 3600.0 * (200 * n + k), "up") for k in range(200)
            ]
            over = [Incident(f"i{n}.{k}", "x", "sw", "y" * 600, START + k, START + 86400.0 * n) for k in range(200)]
            await store.commit(Batch(states=rows, incidents=over, drafts=drafts(40)))
        await settle(store)
        gone = await dropped(store)
        assert gone["states"][1] > 1000 and gone["incidents"][1] > 100
        assert "unsent" not in gone
