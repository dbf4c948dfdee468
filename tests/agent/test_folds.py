"""Hours, days and months out of the store: pure folds, the same when done again, made up for after a pause."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.folds import Folds, Plains, _Due, fold, month_bounds
from agent.messages import MessageDraft
from agent.pace import Pace
from agent.recorder import Recorder
from agent.store import Batch, StateRow, Store, StoreSettings, WindowRow
from agent.store.model import DAY, FIVE_MINUTES, HOUR, MINUTE, MONTH
from agent.windows import ECHO, PORTS, STATE
from kpi.echo import EchoCounts
from kpi.model import Window
from kpi.port_counts import PortCounts, ports_window_from_plain, ports_window_to_plain
from kpi.states import StateSeconds
from tests.doubles import ManualClock

ROME = ZoneInfo("Europe/Rome")
START = 1_799_967_600
"""2027-01-14 23:00:00 UTC, the last hour of a day."""


def five(start: int, up_ms: int = 300_000) -> WindowRow:
    plain = StateSeconds(up_ms=up_ms, down_ms=300_000 - up_ms, checks=300).to_plain()
    return WindowRow("a", STATE, FIVE_MINUTES, "boot", float(start), start, plain)


class Said:
    """What was told of which windows."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.open: list[str] = []
        """The entities of the window that has not ended."""

    def __call__(self, window: Window, revision: int) -> "Said":
        self.windows.append(window)
        self.open = []
        return self

    async def take(self, entity: str, plains: Plains, _pace: Pace) -> Sequence[MessageDraft]:
        self.open.append(entity)
        return [MessageDraft(f"summary/{entity}", "test", {"window": self.windows[-1].start_utc})]

    async def end(self, _pace: Pace) -> Sequence[MessageDraft]:
        return [MessageDraft("summary/site", "test", {"of": len(self.open)})]


@asynccontextmanager
async def folding(path: Path, said: Said, rows: Sequence[WindowRow], zone: ZoneInfo = ROME) -> AsyncIterator[Any]:
    clock = ManualClock(utc=START + 2 * HOUR)
    async with Store.open(path, StoreSettings(ballast_bytes=0), clock, probe_id="p", boot_id="boot") as store:
        recorder = Recorder(store, clock, lambda: None)
        writing = asyncio.create_task(recorder.run())
        recorder.put(Batch(windows=rows))
        await recorder.settled()
        folds = Folds(store, recorder, zone=lambda: zone, folded=said)
        yield folds, store, recorder
        recorder.stop()
        await writing


async def test_an_hour_is_the_fold_of_its_five_minutes_and_again_the_same(tmp_path: Path) -> None:
    said = Said()
    rows = [five(START + 300 * i, up_ms=300_000 - 1000 * i) for i in range(12)]
    rows.append(WindowRow("a", STATE, FIVE_MINUTES, "later", 5.0, START, StateSeconds(unknown_ms=7).to_plain()))
    async with folding(tmp_path / "s.db", said, rows) as (folds, store, recorder):
        for _ in range(2):
            await folds.hour(START)
            await recorder.settled()
            (hour,) = await store.windows("a", STATE, HOUR, START, START + HOUR)
            states = StateSeconds.from_plain(hour.plain)
            assert (states.up_ms, states.down_ms, states.unknown_ms) == (3_600_000 - 66_000, 66_000, 7)
        (day,) = await store.windows("a", STATE, DAY, START - 23 * HOUR, START + HOUR)
        assert StateSeconds.from_plain(day.plain).down_ms == 66_000
    assert {w.length_s for w in said.windows} == {HOUR, DAY, 30 * DAY}
    assert Window(START, HOUR) in said.windows


@pytest.mark.parametrize("odd", [["odd"], None, {"v": 1}, [1, 0.5], [1, -5], {"counted": 7}])
async def test_a_stored_window_that_cannot_be_read_is_left_out_and_counted(tmp_path: Path, odd: Any) -> None:
    rows = [five(START + 300 * i) for i in range(12)]
    rows[3] = replace(rows[3], plain=odd)
    ports = ports_window_to_plain({"ge0": PortCounts(speed_bps=1, in_octets=5)})
    for i, plain in enumerate([ports, odd, ports]):
        rows.append(replace(five(START + 300 * i), kind=PORTS, plain=plain))
    async with folding(tmp_path / "s.db", Said(), rows) as (folds, store, recorder):
        await folds._fold(FIVE_MINUTES, HOUR, START, START + HOUR)
        await recorder.settled()
        (hour,) = await store.windows("a", STATE, HOUR, START, START + HOUR)
        states = StateSeconds.from_plain(hour.plain)
        assert (states.up_ms, states.unknown_ms) == (11 * 300_000, 300_000)
        (hour,) = await store.windows("a", PORTS, HOUR, START, START + HOUR)
        assert ports_window_from_plain(hour.plain)["ge0"].in_octets == 10
        assert folds._boundary.unread_rows == {STATE: 1, PORTS: 1}
        assert not folds._boundary.faults, "it is no fault of the code"


async def test_a_month_ends_by_the_sites_own_calendar(tmp_path: Path) -> None:
    first, end = month_bounds(START, ROME)
    last_hour = end - HOUR
    said = Said()
    async with folding(tmp_path / "s.db", said, [five(last_hour)]) as (folds, store, recorder):
        await folds.hour(last_hour)
        await recorder.settled()
        (month,) = await store.windows("a", STATE, MONTH, first, first + 1)
        assert month.start_utc == first
        assert StateSeconds.from_plain(month.plain).expected_ms == 1000 * (end - first)  # most of it unknown
    assert Window(first, end - first) in said.windows


@pytest.mark.parametrize(
    ("day", "hours"), [("2027-03-15", 31 * 24 - 1), ("2027-10-15", 31 * 24 + 1), ("2027-02-15", 28 * 24)]
)
def test_months_with_a_change_of_the_clock_are_an_hour_shorter_or_longer(day: str, hours: int) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=ROME).timestamp()
    first, end = month_bounds(int(noon), ROME)
    assert end - first == hours * HOUR
    assert datetime.fromtimestamp(first, ROME).isoformat()[8:19] == "01T00:00:00"


async def test_what_was_missed_is_made_up_for_and_only_that(tmp_path: Path) -> None:
    said = Said()
    rows = [five(START), five(START - 5 * HOUR)]
    async with folding(tmp_path / "s.db", said, rows) as (folds, store, recorder):
        await folds.hour(START)
        await recorder.settled()
        said.windows.clear()
        making = asyncio.create_task(folds.run(START + HOUR + 60))
        async with asyncio.timeout(10):
            while not await store.windows("a", STATE, HOUR, START - 5 * HOUR, START - 4 * HOUR):  # noqa: ASYNC110 - the store has no event for it
                await asyncio.sleep(0.01)
        making.cancel()
        assert [w for w in said.windows if w.length_s == HOUR] == [Window(START - 5 * HOUR, HOUR)]


async def test_five_minutes_that_the_agent_did_not_live_to_close_are_closed_at_the_next_start(tmp_path: Path) -> None:
    """Up until the second minute was written, then killed; the next run begins in the five minutes after."""
    said = Said()
    minutes = [
        WindowRow("a", ECHO, MINUTE, "boot", 0.0, START + 60 * i, EchoCounts(sent=60).to_plain()) for i in range(2)
    ]
    async with folding(tmp_path / "s.db", said, [*minutes, five(START - 300)]) as (folds, store, recorder):
        recorder.note(
            StateRow("a", "device", "boot", 0.0, START - 900.0, "up"),
            StateRow("b", "device", "boot", 0.0, START + 20.0, "down"),
            StateRow("a", "device", "boot", 0.0, START + 125.0, "unknown", "agent_stopped"),
            StateRow("b", "device", "boot", 0.0, START + 125.0, "unknown", "agent_stopped"),
            StateRow("a", "device", "next", 0.0, START + 310.0, "up"),
        )
        making = asyncio.create_task(folds.run(START + 320))
        async with asyncio.timeout(10):
            while not (rows := await store.windows(None, STATE, FIVE_MINUTES, START, START + 300)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        states = {row.entity: StateSeconds.from_plain(row.plain) for row in rows}
        assert (states["a"].up_s, states["a"].down_s, states["a"].unknown_s, states["a"].checks) == (125, 0, 175, 120)
        assert (states["b"].up_s, states["b"].down_s, states["b"].unknown_s) == (0, 105, 195)
        (echo,) = await store.windows("a", ECHO, FIVE_MINUTES, START, START + 300)
        assert EchoCounts.from_plain(echo.plain).sent == 120
        assert Window(START, FIVE_MINUTES) in said.windows
        making.cancel()


async def test_time_of_which_no_window_tells_is_unknown_and_a_day_whose_last_hour_is_missing_is_a_day(
    tmp_path: Path,
) -> None:
    said = Said()
    day = START + HOUR - DAY
    rows = [five(day + 300 * i) for i in range(6)]  # half an hour, then the agent was off until after midnight
    async with folding(tmp_path / "s.db", said, rows) as (folds, store, _):
        making = asyncio.create_task(folds.run(START + HOUR + 60))
        async with asyncio.timeout(10):
            while not (found := await store.windows("a", STATE, DAY, day, day + DAY)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        making.cancel()
        (hour,) = await store.windows("a", STATE, HOUR, day, day + DAY)
        states = StateSeconds.from_plain(hour.plain)
        assert (states.up_s, states.unknown_s, states.coverage) == (1800, 1800, 0.5)
        states = StateSeconds.from_plain(found[0].plain)
        assert (states.up_s, states.unknown_s) == (1800, DAY - 1800)


def test_there_is_no_fold_of_nothing_and_none_of_an_unknown_version() -> None:
    with pytest.raises(ValueError, match="nothing"):
        fold(STATE, [])
    with pytest.raises(ValueError, match="version"):
        fold(STATE, [[99, 1]])


async def test_what_got_its_date_late_is_closed_said_and_folded(tmp_path: Path) -> None:
    """Minutes that began 70 s into the calendar's five, and a change of state in the midst of them."""
    said = Said()
    rows = [
        WindowRow("a", ECHO, MINUTE, "boot", 1070.0 + 60 * i, None, EchoCounts(sent=60).to_plain()) for i in range(75)
    ]
    async with folding(tmp_path / "s.db", said, rows) as (folds, store, recorder):
        recorder.note(StateRow("a", "device", "boot", 1070.0, None, "up"))
        recorder.note(StateRow("a", "device", "boot", 1400.0, None, "down"))
        await recorder.settled()
        assert await store.relabel("boot", START - 1000.0) == 75
        making = asyncio.create_task(folds.run(None))
        await asyncio.sleep(0)
        folds.dated(START + 15 * 300 + 70)
        async with asyncio.timeout(10):
            while not await store.windows("a", STATE, HOUR, START, START + HOUR):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        making.cancel()
        fives = [w for w in said.windows if w.length_s == FIVE_MINUTES]
        assert fives == [Window(START + 300 * i, FIVE_MINUTES) for i in range(15)]
        states = [
            StateSeconds.from_plain(r.plain) for r in await store.windows("a", STATE, FIVE_MINUTES, START, START + 601)
        ]
        assert [(s.unknown_s, s.up_s, s.down_s) for s in states] == [(70, 230, 0), (0, 100, 200), (0, 0, 300)]
        echoes = await store.windows("a", ECHO, FIVE_MINUTES, START, START + HOUR)
        assert [EchoCounts.from_plain(r.plain).sent for r in echoes] == [240, *[300] * 11], (
            "no bucket exceeds its length"
        )


async def test_what_the_runs_before_have_counted_gets_no_second_date(tmp_path: Path) -> None:
    rows = [
        WindowRow("a", ECHO, MINUTE, "boot", 1000.0 + 60 * i, None, EchoCounts(sent=60).to_plain()) for i in range(5)
    ]
    async with folding(tmp_path / "s.db", Said(), rows) as (_, store, recorder):
        recorder.note(
            StateRow("a", "device", "boot", 1000.0, None, "up"), StateRow("a", "device", "boot", 1200.0, None, "down")
        )
        await recorder.settled()
        assert await store.relabel("boot", START - 1000.0, START + 100.0) == 3
        found = await store.windows("a", ECHO, MINUTE, START, START + HOUR)
        assert [row.start_utc for row in found] == [START + 120, START + 180, START + 240]
        assert len(await store.undated("boot")) == 2
        assert [row.utc_at for row in await store.state_changes("a", 0, START + HOUR)] == [START + 200.0]


async def test_a_month_of_many_ports_is_read_a_device_and_a_day_at_a_time(tmp_path: Path) -> None:
    """A month of 4,800 ports would not fit into memory, and folding a day of them at once would hold up all echoes."""
    bins = ((26_667, -1, 10**9),)
    counts = PortCounts(polls=1, in_octets=10**6, in_ms=300_000, up_ms=3_600_000, speed_bps=10**9, bins=bins)
    ports = ports_window_to_plain({f"ge{i}": counts for i in range(4)})
    hours = range(START - 39 * HOUR, START + HOUR, HOUR)
    rows = [
        row
        for start in hours
        for entity in ("a", "b")
        for row in (
            WindowRow(entity, STATE, HOUR, "", 0.0, start, StateSeconds(up_ms=3_600_000, checks=3600).to_plain()),
            WindowRow(entity, PORTS, HOUR, "", 0.0, start, ports),
        )
    ]
    most = 0
    async with folding(tmp_path / "s.db", Said(), rows) as (folds, store, recorder):
        read = store.windows

        async def counted(entity: str | None, kind: str, *span: int) -> Sequence[WindowRow]:
            nonlocal most
            found: Sequence[WindowRow] = await read(entity, kind, *span)
            if kind == PORTS:
                most = max(most, len(found))
            return found

        store.windows = counted
        await folds._fold(HOUR, MONTH, hours.start, hours.stop)
        store.windows = read
        await recorder.settled()
        folded = {
            (row.entity, kind): row.plain
            for kind in (PORTS, STATE)
            for row in await store.windows(None, kind, MONTH, hours.start, hours.stop)
        }
    assert most == 24
    for entity in ("a", "b"):
        merged = ports_window_from_plain(folded[entity, PORTS])
        assert {key: c.in_octets for key, c in merged.items()} == dict.fromkeys(
            (f"ge{i}" for i in range(4)), 40 * 10**6
        )
        assert all(not c.bins for c in merged.values())
        assert StateSeconds.from_plain(folded[entity, STATE]).up_ms == 40 * 3_600_000


def hour_of_two() -> list[WindowRow]:
    """Five minutes of "a" and "b", each with a port."""
    port = PortCounts(polls=1, in_octets=10**6, in_ms=300_000, up_ms=300_000, speed_bps=10**9)
    return [
        row
        for start in range(START, START + HOUR, FIVE_MINUTES)
        for entity in ("a", "b")
        for row in (
            replace(five(start), entity=entity),
            WindowRow(entity, PORTS, FIVE_MINUTES, "boot", float(start), start, ports_window_to_plain({"ge0": port})),
        )
    ]


async def test_the_next_devices_ports_are_read_when_this_ones_are_done_with(tmp_path: Path) -> None:
    """All windows of 4,800 ports, unpacked at once, were 17 MB beside what stays."""
    said = Said()
    at_once: list[list[str]] = []
    async with folding(tmp_path / "s.db", said, hour_of_two()) as (folds, store, _):
        read = store.windows

        async def seen(entity: str | None, kind: str, *span: int) -> Sequence[WindowRow]:
            if kind == PORTS:
                at_once.append([*said.open, str(entity)])
            found: Sequence[WindowRow] = await read(entity, kind, *span)
            return found

        store.windows = seen
        await folds._fold(FIVE_MINUTES, HOUR, START, START + HOUR)
        store.windows = read
    assert at_once == [["a"], ["a", "b"]], "of each, when those before it were told"


async def test_an_hour_is_written_and_said_at_once_or_not_at_all(tmp_path: Path) -> None:
    """Killed before the commit, the next run finds nothing of the hour and says each message once; killed after it,
    everything, and says nothing again."""
    async with folding(tmp_path / "s.db", Said(), hour_of_two()) as (folds, store, recorder):
        batches: list[Batch] = []
        recorder.put = batches.append
        await folds._fold(FIVE_MINUTES, HOUR, START, START + HOUR)
        (batch,) = batches
        assert {(row.entity, row.kind) for row in batch.windows} == {(e, k) for e in "ab" for k in (STATE, PORTS)}
        assert [draft.topic for draft in batch.drafts] == ["summary/a", "summary/b", "summary/site"]
        assert (await store.backlog()).last_seq == 0
        assert not await store.windows(None, STATE, HOUR, START, START + HOUR), "the kill came first"
    for again in (False, True):
        said = Said()
        async with folding(tmp_path / "s.db", said, []) as (folds, store, recorder):
            await folds._make_up(START + HOUR)
            await recorder.settled()
            told = await store.waiting(0, 100)
            assert [m.topic for m in told if json.loads(m.payload).get("window") == START] == ["summary/a", "summary/b"]
            assert (Window(START, HOUR) in said.windows) is not again


async def test_a_month_that_ends_while_the_agent_is_off_is_folded_and_an_empty_store_gives_nothing(
    tmp_path: Path,
) -> None:
    first, end = month_bounds(START, ROME)
    said = Said()
    async with folding(tmp_path / "empty.db", said, []) as (folds, store, recorder):
        await folds._make_up(end + 5 * HOUR)
        assert said.windows == []
    async with folding(tmp_path / "s.db", said, [five(end - 4 * HOUR)]) as (folds, store, recorder):
        await folds.hour(end - 4 * HOUR)
        await recorder.settled()
        said.windows.clear()
        await folds._make_up(end + 5 * HOUR)
        await recorder.settled()
        (month,) = await store.windows("a", STATE, MONTH, first, first + 1)
        assert StateSeconds.from_plain(month.plain).up_ms == 300_000
    assert Window(first, end - first) in said.windows
    assert all(w.length_s > HOUR for w in said.windows), "an hour of which nothing is known is none"


async def test_looking_for_what_was_cut_short_reads_no_more_than_five_minutes_at_a_time(tmp_path: Path) -> None:
    """Two days of minutes of 200 devices, unpacked at once, were a gigabyte at every start."""
    plain = EchoCounts(sent=60).to_plain()
    alive = range(START - 2 * HOUR, START - HOUR + 180, 60)
    rows = [WindowRow(entity, ECHO, MINUTE, "boot", float(at), at, plain) for at in alive for entity in ("a", "b")]
    most = 0
    async with folding(tmp_path / "s.db", Said(), rows) as (folds, store, recorder):
        read = store.windows

        async def counted(*asked: Any) -> Sequence[WindowRow]:
            nonlocal most
            found: Sequence[WindowRow] = await read(*asked)
            most = max(most, len(found)) if asked[2] == MINUTE else most
            return found

        store.windows = counted
        await folds._make_up(START + HOUR + 60)
        store.windows = read
        await recorder.settled()
        (five_minutes,) = await store.windows("a", ECHO, FIVE_MINUTES, START - HOUR, START)
        assert EchoCounts.from_plain(five_minutes.plain).sent == 180
    assert most <= 10


async def made_up(path: Path, rows: Sequence[WindowRow], now_utc: int, zone: ZoneInfo = ROME) -> dict[int, list[int]]:
    """Where folded windows begin, by length, after a start at ``now_utc``."""
    async with folding(path, Said(), rows, zone) as (folds, store, recorder):
        await folds._make_up(now_utc)
        await recorder.settled()
        return {
            length: [row.start_utc for row in await store.windows("a", STATE, length, 0, now_utc)]
            for length in (HOUR, DAY, MONTH)
        }


@pytest.mark.parametrize("ahead_s", [2400, 3 * DAY, 40 * DAY])
async def test_a_clock_set_ahead_over_the_end_of_an_hour_leaves_no_hour_unmade(tmp_path: Path, ahead_s: int) -> None:
    """The last five minutes before the jump are the last of its hour, its day and, if it is far enough, its month."""
    said = Said()
    last = START + 8 * 300
    async with folding(tmp_path / "s.db", said, [five(START + 300 * i) for i in range(9)]) as (folds, store, recorder):
        running = asyncio.create_task(folds.run(0))
        folds.five_closed(last, last + ahead_s)
        coarsest = MONTH if ahead_s > 20 * DAY else DAY
        async with asyncio.timeout(10):
            while not await store.windows("a", STATE, coarsest, 0, START + HOUR):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        await recorder.settled()
        (hour,) = await store.windows("a", STATE, HOUR, START, START + HOUR)
        months = await store.windows("a", STATE, MONTH, 0, START + HOUR)
        running.cancel()
    assert StateSeconds.from_plain(hour.plain).up_s == 9 * 300
    assert [StateSeconds.from_plain(m.plain).up_s for m in months] == ([9 * 300] if ahead_s > 20 * DAY else [])


@pytest.mark.parametrize("days", [3, 30, 75])
async def test_however_long_the_agent_was_off_what_it_had_measured_is_folded(tmp_path: Path, days: int) -> None:
    """Off from Friday evening to Monday, or for months: the last hours, their day and their month."""
    rows = [five(START - HOUR + 300 * i) for i in range(20)]
    made = await made_up(tmp_path / "s.db", rows, START + days * DAY)
    assert made[HOUR] == [START - HOUR, START]
    assert made[DAY] == [START - 23 * HOUR]
    assert made[MONTH] == ([month_bounds(START, ROME)[0]] if days > 20 else [])


async def test_hours_that_were_missed_make_their_day_and_month_anew(tmp_path: Path) -> None:
    first, end = month_bounds(START, ROME)
    rows = [five(START - HOUR), five(START)]
    said = Said()
    async with folding(tmp_path / "s.db", said, rows) as (folds, store, recorder):
        await folds._fold(FIVE_MINUTES, HOUR, START, START + HOUR)
        for length, span in ((DAY, (START - 23 * HOUR, START + HOUR)), (MONTH, (first, end))):
            await folds._fold(HOUR, length, *span)
        await folds._make_up(end + HOUR)
        await recorder.settled()
        for length, start in ((DAY, START - 23 * HOUR), (MONTH, first)):
            (row,) = await store.windows("a", STATE, length, start, start + 1)
            assert StateSeconds.from_plain(row.plain).up_s == 600
        said.windows.clear()
        await folds._make_up(end + HOUR)
        assert said.windows == [], "nothing is made twice"


async def test_an_hour_that_ends_after_its_day_was_folded_is_in_its_day_and_month(tmp_path: Path) -> None:
    """The clock was days ahead when the day and the month ended, and was set back into them."""
    first, end = month_bounds(START, ROME)
    hour, said = START - 5 * HOUR, Said()
    async with folding(tmp_path / "s.db", said, [five(START)]) as (folds, store, recorder):
        await folds.hour(START)
        await folds._fold(HOUR, MONTH, first, end)
        recorder.put(Batch(windows=[five(hour + 3300)]))
        await recorder.settled()
        said.windows.clear()
        await folds._do(_Due(hour + 3300, hour + HOUR))
        await recorder.settled()
        for length, start in ((HOUR, hour), (DAY, START - 23 * HOUR), (MONTH, first)):
            (row,) = await store.windows("a", STATE, length, start, start + 1)
            assert StateSeconds.from_plain(row.plain).up_s == (300 if length == HOUR else 600)
    day = START - 23 * HOUR
    assert said.windows == [Window(hour, HOUR), Window(day - 29 * DAY, 30 * DAY)], "each is said once"


@pytest.mark.parametrize("name", ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Rome"])
@pytest.mark.parametrize("live", [True, False])
async def test_a_month_of_any_zone_is_the_sum_of_its_five_minutes(tmp_path: Path, name: str, *, live: bool) -> None:
    """Where a month ends within an hour of UTC, the five minutes of that hour go to the month they are in."""
    zone = ZoneInfo(name)
    first, end = month_bounds(START, zone)
    rows = [five(at, up_ms=100_000) for at in (first - 300, first, first + 300, end - 600, end - 300)]
    rows += [five(at, up_ms=200_000) for at in (end, end + 300)]
    async with folding(tmp_path / "s.db", Said(), rows, zone) as (folds, store, recorder):
        if live:
            running = asyncio.create_task(folds.run(0))
            hours = sorted({(row.start_utc or 0) // HOUR * HOUR for row in rows})
            for at in (at for hour in hours for at in range(hour, hour + HOUR, 300)):
                folds.five_closed(at, at + 300)
            async with asyncio.timeout(10):
                while not await store.windows("a", STATE, MONTH, first, first + 1):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
            running.cancel()
        else:
            await folds._make_up(end + 2 * HOUR)
            await recorder.settled()
        (month,) = await store.windows("a", STATE, MONTH, first, first + 1)
    states = StateSeconds.from_plain(month.plain)
    assert (states.up_ms, states.expected_ms) == (400_000, 1000 * (end - first))
