"""Planned work that is entered late or taken back: each kind of stored window, and what there is to go by."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.core import DEVICE
from agent.folds import Folds
from agent.pace import Pace
from agent.recorder import Recorder
from agent.restating import Planned, Restating
from agent.settings.models import PortsSettings
from agent.site import SitePlan, Watchable
from agent.store import Batch, Store, StoreSettings, WindowRow
from agent.store.model import FIVE_MINUTES, HOUR, MINUTE, CountersRow, StateRow
from agent.windows import ECHO, FABRIC, GEAR, PORTS, RESTARTS, STATE
from kpi.echo import EchoCounts, merge_echo_halves
from kpi.entities import LINK, PLANNED, SITE, UPLINK
from kpi.fabric_counts import FabricCounts, StpCounts
from kpi.gear_counts import GearCounts, Level, Topic
from kpi.model import Device, Role, State, Window
from kpi.planned import Halves, halves_from_plain, halves_to_plain, read_halves
from kpi.port_counts import PortCounts, ports_window_to_plain
from kpi.reboots import Restart, RestartCounts, dated_restarts
from kpi.states import StateSeconds
from tests.doubles import ManualClock

START = 1_800_000_000
NOW = START + HOUR + 60.0
A = frozenset({"a"})
WORK: Planned = (A, START + 640.0, START + 900.0)
"""From the minute 10 of the hour on, that is in the five minutes at 600, to the end of them."""


def plan(*maintenance: Planned) -> SitePlan:
    def watchable(name: str, role: Role) -> Watchable:
        return Watchable(Device(name, name, role, "192.0.2.1"), "192.0.2.1", "eth0", 1.0, None, PortsSettings())

    devices = [watchable("a", Role.ACCESS_POINT), watchable("gw", Role.GATEWAY)]
    internet = tuple(f"i{n}" for n in range(3))
    devices += [watchable(name, Role.INTERNET) for name in internet]
    return SitePlan(tuple(devices), "gw", internet, maintenance)


class Told:
    async def take(self, entity: str, plains: Mapping[str, Any], pace: Pace) -> list[Any]:
        return []

    async def end(self, _pace: Pace) -> list[Any]:
        return []


class Scene:
    def __init__(self, store: Store, recorder: Recorder) -> None:
        self.store, self.recorder = store, recorder
        self.said: list[tuple[Window, int]] = []

        def folded(window: Window, revision: int) -> Told:
            self.said.append((window, revision))
            return Told()

        self.folds = Folds(store, recorder, zone=lambda: ZoneInfo("UTC"), folded=folded)
        self.restating = Restating(store, recorder, self.folds)

    async def put(self, kind: str, plain: Any, label: int, entity: str = "a", length_s: int = FIVE_MINUTES) -> None:
        row = WindowRow(entity, kind, length_s, "boot", float(label), START + label, plain)
        self.recorder.put(Batch(windows=[row]))
        await self.recorder.settled()

    async def states(self, entity: str, *turns: tuple[float, State]) -> None:
        rows = [StateRow(entity, DEVICE, "boot", at, START + at, state.value) for at, state in turns]
        self.recorder.put(Batch(states=rows))
        await self.recorder.settled()

    async def rows(self, kind: str, entity: str = "a", length_s: int = FIVE_MINUTES) -> dict[int, WindowRow]:
        await self.recorder.settled()
        found = await self.store.windows(entity, kind, length_s, START, START + HOUR)
        return {(row.start_utc or 0) - START: row for row in found}

    async def planned(self, kind: str, entity: str = "a", length_s: int = FIVE_MINUTES) -> list[int]:
        """The labels of those that are planned work, whole."""
        rows = await self.rows(kind, entity, length_s)
        return [label for label, row in rows.items() if halves_from_plain(row.plain).counted is None]


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock(utc=NOW)
    async with Store.open(
        tmp_path / "s.db", StoreSettings(ballast_bytes=0), clock, probe_id="p", boot_id="boot"
    ) as store:
        recorder = Recorder(store, clock, lambda: None)
        writing = asyncio.create_task(recorder.run())
        yield Scene(store, recorder)
        recorder.stop()
        await writing


LABELS = range(0, HOUR, FIVE_MINUTES)


async def test_what_came_by_snmp_leaves_with_its_five_minutes_and_those_after_the_work(tmp_path: Path) -> None:
    plains = {
        PORTS: ports_window_to_plain({"ge1": PortCounts(polls=1, transitions=3, speed_bps=1, up_ms=5)}),
        FABRIC: FabricCounts(stp=StpCounts(5, 5, 4, 7)).to_plain(),
        GEAR: GearCounts(polls=5, have=int(Topic.RESOURCES)).to_plain(),
    }
    async with scene(tmp_path) as made:
        for kind, plain in plains.items():
            for label in LABELS:
                await made.put(kind, plain, label)
        assert await made.restating.planned((), plan(WORK), NOW) == 2
        for kind, plain in plains.items():
            assert await made.planned(kind) == [600, 900]
            rows = await made.rows(kind)
            assert halves_from_plain(rows[600].plain).planned == plain
            assert [rows[label].revision for label in (300, 600, 900, 1200)] == [0, 1, 1, 0]
        assert await made.restating.planned((), plan(WORK), NOW) == 0
        assert await made.restating.planned((WORK,), plan(), NOW) == 2
        for kind, plain in plains.items():
            assert [row.plain for row in (await made.rows(kind)).values()] == [plain] * len(LABELS)


async def test_the_first_answer_after_a_silence_that_began_in_the_work_tells_of_it(tmp_path: Path) -> None:
    """The device was silent from the work on until 40 minutes past; what changed since counts at its first answer."""
    plain = FabricCounts(stp=StpCounts(5, 5, 4, 7)).to_plain()
    async with scene(tmp_path) as made:
        for label in LABELS:
            await made.put(RESTARTS, RestartCounts(readings=0 if 900 <= label < 2400 else 5).to_plain(), label)
            reach_s = 1560 if label == 2400 else 0
            await made.put(FABRIC, halves_to_plain(Halves(plain), reach_s), label)
        await made.restating.planned((), plan(WORK), NOW)
        assert await made.planned(FABRIC) == [600, 900, 2400]
        assert (await made.rows(FABRIC))[2400].plain["reach_s"] == 1560
        await made.restating.planned((WORK,), plan(), NOW)
        assert await made.planned(FABRIC) == []


async def test_restarts_leave_by_their_own_date(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        await made.put(RESTARTS, dated_restarts([(20.0, Restart.DEVICE), (50.0, Restart.DEVICE)], 5).to_plain(), 600)
        await made.put(RESTARTS, dated_restarts([(-10.0, Restart.DEVICE), (90.0, Restart.DEVICE)], 5).to_plain(), 900)
        await made.restating.planned((), plan(WORK), NOW)
        rows = await made.rows(RESTARTS)
        inside, after = (read_halves(RestartCounts.from_plain, rows[label].plain) for label in (600, 900))
        assert (inside.counted, after.counted) == (
            dated_restarts([(20.0, Restart.DEVICE)]),
            dated_restarts([(90.0, Restart.DEVICE)], 5),
        )
        assert (inside.planned, after.planned) == (
            dated_restarts([(50.0, Restart.DEVICE)], 5),
            dated_restarts([(-10.0, Restart.DEVICE)]),
        )


def echoes(sent: int, lost: int) -> EchoCounts:
    return EchoCounts(sent=sent, lost=lost, longest_run=lost, lost_by=(("timeout", lost),) if lost else ())


async def _minutes(made: Scene, *, kept: bool) -> None:
    """Five minutes of 60 echoes each, of which the n-th minute lost n."""
    whole: Halves[EchoCounts] = Halves()
    for n in range(5):
        counts = echoes(60, n)
        whole = merge_echo_halves(whole, Halves(counts))
        if kept:
            await made.put(ECHO, counts.to_plain(), 600 + 60 * n, length_s=MINUTE)
    assert whole.counted is not None
    await made.put(ECHO, whole.counted.to_plain(), 600)


async def test_echoes_leave_by_the_minute_while_minutes_are_kept(tmp_path: Path) -> None:
    short: Planned = (A, START + 665.0, START + 750.0)
    async with scene(tmp_path) as made:
        await _minutes(made, kept=True)
        assert await made.restating.planned((), plan(short), NOW) == 1
        assert await made.planned(ECHO, length_s=MINUTE) == [660, 720]
        halves = read_halves(EchoCounts.from_plain, (await made.rows(ECHO))[600].plain)
        assert [(half.sent, half.lost) for half in (halves.counted, halves.planned) if half] == [(180, 7), (120, 3)]
        longer: Planned = (A, START + 665.0, START + 790.0)
        assert await made.restating.planned((short,), plan(longer), NOW) == 1
        assert await made.planned(ECHO, length_s=MINUTE) == [660, 720, 780]
        assert await made.restating.planned((longer,), plan(), NOW) == 1
        back = read_halves(EchoCounts.from_plain, (await made.rows(ECHO))[600].plain)
        assert back.planned is None
        assert back.counted is not None
        assert (back.counted.sent, back.counted.lost) == (300, 10)


async def test_echoes_whose_minutes_are_gone_leave_by_the_five_minutes(tmp_path: Path) -> None:
    short: Planned = (A, START + 665.0, START + 750.0)
    async with scene(tmp_path) as made:
        await _minutes(made, kept=False)
        assert await made.restating.planned((), plan(short), NOW) == 1
        assert await made.planned(ECHO) == [600]
        assert await made.restating.planned((short,), plan(), NOW) == 1
        halves = read_halves(EchoCounts.from_plain, (await made.rows(ECHO))[600].plain)
        assert (halves.planned, halves.counted and halves.counted.lost) == (None, 10)


async def test_states_that_cannot_be_computed_again_move_as_a_whole(tmp_path: Path) -> None:
    """Their changes are no longer stored: nothing is invented, and nothing that was measured is lost."""
    was = StateSeconds(up_ms=200_000, down_ms=90_000, unknown_ms=10_000, checks=290)
    async with scene(tmp_path) as made:
        await made.put(STATE, was.to_plain(), 600)
        await made.restating.planned((), plan(WORK), NOW)
        now = StateSeconds.from_plain((await made.rows(STATE))[600].plain)
        assert (now.maintenance_ms, now.maintenance_up_ms, now.maintenance_down_ms) == (300_000, 200_000, 90_000)
        assert (now.expected_ms, now.checks) == (0, 290)
        await made.restating.planned((WORK,), plan(), NOW)
        assert StateSeconds.from_plain((await made.rows(STATE))[600].plain) == was


async def test_an_outage_that_outlasts_the_work_is_counted_from_its_end(tmp_path: Path) -> None:
    """Down from 700 to 1300, of which 200 s are planned: the window in which it ends tells of 400 s."""
    async with scene(tmp_path) as made:
        await made.states("a", (-60.0, State.UP), (700.0, State.DOWN), (1300.0, State.UP))
        for label in LABELS:
            down = max(0, min(1300, label + 300) - max(700, label))
            restored = {"outages_restored": 1, "restored_ms": 600_000} if label == 1200 else {}
            started = {"outages_started": 1} if label == 600 else {}
            open_ms = {600: 200_000, 900: 500_000}.get(label, 0)
            states = StateSeconds(1000 * (300 - down), 1000 * down, open_ms=open_ms, checks=300, **restored, **started)
            await made.put(STATE, states.to_plain(), label)
        await made.restating.planned((), plan(WORK), NOW)
        found = {label: StateSeconds.from_plain(row.plain) for label, row in (await made.rows(STATE)).items()}
        assert (found[600].outages_started, found[900].outages_started) == (0, 1)
        assert (found[1200].outages_restored, found[1200].restored_ms) == (1, 400_000)


async def test_the_way_to_the_internet_follows_its_gateways_work(tmp_path: Path) -> None:
    work: Planned = (frozenset({"gw"}), START + 640.0, START + 820.0)
    async with scene(tmp_path) as made:
        for name in (LINK, "gw", "i0", "i1", "i2"):
            await made.states(name, (-60.0, State.UP))
        for name in ("gw", "i0", "i1", "i2"):
            await made.states(name, (700.0, State.DOWN), (800.0, State.UP))
        was = StateSeconds(200_000, 100_000, checks=300, outages_started=1, outages_restored=1, restored_ms=100_000)
        await made.put(STATE, was.to_plain(), 600, entity=UPLINK)
        await made.restating.planned((), plan(work), NOW)
        now = StateSeconds.from_plain((await made.rows(STATE, UPLINK))[600].plain)
        assert (now.up_ms, now.down_ms, now.maintenance_ms, now.maintenance_down_ms) == (120_000, 0, 180_000, 100_000)
        assert (now.outages_started, now.outages_restored) == (0, 0)
        await made.restating.planned((work,), plan(), NOW)
        assert StateSeconds.from_plain((await made.rows(STATE, UPLINK))[600].plain) == was


async def test_the_sites_clients_follow_the_access_points(tmp_path: Path) -> None:
    def clients(n: int) -> dict[str, Any]:
        level = Level(5, 300_000, 100 * n, 100 * n, 100 * n * 300_000)
        return GearCounts(5, int(Topic.CLIENTS), levels={"clients": level}).to_plain()

    async with scene(tmp_path) as made:
        for label in LABELS:
            await made.put(GEAR, clients(7), label)
            await made.put(GEAR, clients(4), label, entity="gw")
            await made.put(GEAR, clients(11), label, entity=SITE)
        await made.restating.planned((), plan(WORK), NOW)
        rows = await made.rows(GEAR, SITE)
        of = {label: GearCounts.from_plain(row.plain).levels["clients"].mean for label, row in rows.items()}
        assert [of[label] for label in (300, 600, 900, 1200)] == [11, 4, 4, 11]


async def test_work_that_is_taken_back_while_the_agent_is_off_is_noticed(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        await _minutes(made, kept=True)
        await made.put(STATE, StateSeconds(unknown_ms=300_000).to_plain(), 600)
        await made.restating.follow(plan(WORK), NOW, "boot")
        assert await made.planned(ECHO, length_s=MINUTE) == [600, 660, 720, 780, 840]
        said = len(made.said)
        again = Restating(made.store, made.recorder, made.folds)
        await again.follow(plan(WORK), NOW + 60, "another boot")
        assert len(made.said) == said  # nothing to say
        await again.follow(plan(), NOW + 120, "another boot")
        assert await made.planned(ECHO, length_s=MINUTE) == []
        assert [(window.start_utc - START, revision) for window, revision in made.said] == [(600, 1), (600, 2)]


async def test_what_is_said_again_has_a_higher_revision_than_anything_said_before(tmp_path: Path) -> None:
    """An hour is said again for one of its five minutes, and then for another one that was never touched."""
    plain = FabricCounts(stp=StpCounts(5, 5, 4, 7)).to_plain()
    first, second = (A, START + 300.0, START + 400.0), (A, START + 2400.0, START + 2500.0)
    async with scene(tmp_path) as made:
        for label in LABELS:
            await made.put(STATE, StateSeconds(unknown_ms=300_000).to_plain(), label)
            await made.put(FABRIC, plain, label)
        await made.folds.hour(START)
        made.said.clear()
        await made.restating.follow(plan(first), NOW, "boot")
        again = Restating(made.store, made.recorder, made.folds)
        await again.follow(plan(first, second), NOW, "another boot")
        assert [revision for window, revision in made.said if window.length_s == HOUR] == [1, 2]
        await again.follow(plan(second), NOW, "another boot")
        assert [revision for window, revision in made.said if window.start_utc == START + 300] == [1, 3]


async def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        await _minutes(made, kept=True)
        records: list[Any] = [{"planned": 5}, {"planned": [["a", "x", None]]}, [], {}]
        for plain in records:
            made.recorder.put(Batch(counters=[CountersRow(PLANNED, "boot", 0.0, NOW, plain)]))
            await made.recorder.settled()
            await made.restating.follow(plan(WORK), NOW, "boot")
            assert await made.planned(ECHO, length_s=MINUTE) == [600, 660, 720, 780, 840]


async def test_windows_that_were_written_without_a_date_know_of_no_work_until_they_get_one(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        await made.restating.follow(plan(WORK), NOW, "boot")
        await _minutes(made, kept=True)  # as if dated only now
        await made.restating.follow(plan(WORK), NOW, "boot")
        assert await made.planned(ECHO, length_s=MINUTE) == []
        await made.restating.follow(plan(WORK), NOW, "boot", anew=True)
        assert await made.planned(ECHO, length_s=MINUTE) == [600, 660, 720, 780, 840]


async def test_weeks_of_work_do_not_crowd_out_what_else_waits_for_the_disk(tmp_path: Path) -> None:
    hours = 40
    plain = FabricCounts(stp=StpCounts(5, 5, 4, 7)).to_plain()
    async with scene(tmp_path) as made:
        rows = [WindowRow("a", FABRIC, FIVE_MINUTES, "boot", float(n), START - n * HOUR, plain) for n in range(hours)]
        made.recorder.put(Batch(windows=rows))
        await made.recorder.settled()
        waiting: list[int] = []

        class Slow(Recorder):
            """Its store has not taken anything yet whenever somebody looks."""

            kept = 0

            def put(self, batch: Batch) -> None:
                self.kept += 1
                waiting.append(self.kept)
                made.recorder.put(batch)

            @property
            def waiting(self) -> int:
                return self.kept

            async def settled(self) -> None:
                self.kept = 0
                await made.recorder.settled()

        recorder = Slow(made.store, ManualClock(), lambda: None)
        restating = Restating(made.store, recorder, made.folds)
        await restating.planned((), plan((A, START - hours * HOUR + 0.0, NOW)), NOW)
        assert max(waiting) < 12
        assert len(waiting) >= hours


async def test_a_device_whose_windows_cannot_be_read_costs_no_other_one_its_figures(tmp_path: Path) -> None:
    both: Planned = (frozenset({"a", "gw"}), *WORK[1:])
    async with scene(tmp_path) as made:
        for label in LABELS:
            await made.put(RESTARTS, [99, "a window of another age"], label)
            await made.put(RESTARTS, RestartCounts(readings=5).to_plain(), label, entity="gw")
        await made.restating.planned((), plan(both), NOW)
        assert await made.planned(RESTARTS, "gw") == [600]


async def test_five_minutes_that_the_agent_did_not_live_to_close_leave_planned_work_out(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        work = (A, START + 660.0, START + 720.0)
        folds = Folds(
            made.store,
            made.recorder,
            zone=lambda: ZoneInfo("UTC"),
            folded=lambda _window, _revision: Told(),
            planned=plan(work).maintenance_of,
        )
        await made.states("a", (600.0, State.UP), (670.0, State.DOWN), (700.0, State.UP))
        for n in range(3):
            plain = halves_to_plain(Halves.of(echoes(60, 30 if n == 1 else 0).to_plain(), planned=n == 1))
            await made.put(ECHO, plain, 600 + 60 * n, length_s=MINUTE)
        running = asyncio.create_task(folds.run(START + HOUR))
        for _ in range(1000):
            if await made.rows(STATE):
                break
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        halves = read_halves(EchoCounts.from_plain, (await made.rows(ECHO))[600].plain)
        assert [(half.sent, half.lost) for half in (halves.counted, halves.planned) if half] == [(120, 0), (60, 30)]
        states = StateSeconds.from_plain((await made.rows(STATE))[600].plain)
        assert (states.down_ms, states.maintenance_ms, states.maintenance_down_ms) == (0, 60_000, 30_000)
