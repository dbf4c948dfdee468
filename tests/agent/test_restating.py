"""Planned work that is entered late (kpi/README.md R4): computed again out of the store, said with a higher revision."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import agent.restating
from agent.core import DEVICE
from agent.folds import Folds
from agent.messages import MessageDraft
from agent.pace import Pace
from agent.recorder import Recorder
from agent.restating import Restating
from agent.settings.models import PortsSettings
from agent.site import SitePlan, Watchable
from agent.store import Batch, Store, StoreSettings, WindowRow
from agent.store.model import FIVE_MINUTES, HOUR, StateRow
from agent.summaries import FoldedWindow, Summaries
from agent.windows import STATE
from kpi.model import Device, Role, State, Window
from kpi.states import StateSeconds, Turn, state_seconds
from tests.doubles import ManualClock

START = 1_800_000_000
DOWN, UP = START + 700.0, START + 1300.0
TURNS = [Turn(START - 60.0, State.UP), Turn(DOWN, State.DOWN), Turn(UP, State.UP)]


def plan(*maintenance: tuple[frozenset[str], float, float]) -> SitePlan:
    device = Device("a", "A", Role.SERVER, "192.0.2.1")
    return SitePlan((Watchable(device, "192.0.2.1", "eth0", 1.0, None, PortsSettings()),), None, (), maintenance)


WORK = (frozenset({"a"}), START + 600.0, START + 1500.0)


class Scene:
    """A store with an hour of device "a", which was down for ten minutes."""

    def __init__(self, store: Store, restating: Restating, recorder: Recorder) -> None:
        self.store, self.restating, self.recorder = store, restating, recorder
        self.said: list[tuple[int, Mapping[str, Any]]] = []

    async def five(self) -> dict[int, StateSeconds]:
        await self.recorder.settled()
        rows = await self.store.windows("a", STATE, FIVE_MINUTES, START, START + HOUR)
        return {(row.start_utc or 0) - START: StateSeconds.from_plain(row.plain) for row in rows}

    async def hour(self) -> StateSeconds:
        await self.recorder.settled()
        (row,) = await self.store.windows("a", STATE, HOUR, START, START + HOUR)
        return StateSeconds.from_plain(row.plain)

    def summaries(self) -> dict[int, Mapping[str, Any]]:
        """By start, what was said of the device last."""
        return {start: body for start, body in self.said if body["entity"] == "a"}


@asynccontextmanager
async def scene(path: Path, before: SitePlan, after: SitePlan) -> AsyncIterator[Scene]:
    clock = ManualClock(utc=START + HOUR + 60)
    async with Store.open(path, StoreSettings(ballast_bytes=0), clock, probe_id="p", boot_id="boot") as store:
        recorder = Recorder(store, clock, lambda: None)
        writing = asyncio.create_task(recorder.run())
        summaries = Summaries()
        said: list[tuple[int, Mapping[str, Any]]] = []

        class Heard(FoldedWindow):
            async def take(self, entity: str, plains: Mapping[str, Any], pace: Pace) -> list[MessageDraft]:
                drafts = await super().take(entity, plains, pace)
                said.extend((self._window.start_utc, draft.body) for draft in drafts)
                return drafts

        def folded(window: Window, revision: int) -> FoldedWindow:
            return Heard(summaries, window, after, {}, revision=revision, judged=list)

        folds = Folds(store, recorder, zone=lambda: ZoneInfo("UTC"), folded=folded)
        rows = [_row(label, before) for label in range(START, START + HOUR, FIVE_MINUTES)]
        states = [StateRow("a", DEVICE, "boot", t.at - START, t.at, t.state.value) for t in TURNS]
        recorder.put(Batch(windows=rows, states=states))
        await folds.hour(START)
        await recorder.settled()
        said.clear()
        made = Scene(store, Restating(store, recorder, folds), recorder)
        made.said = said
        yield made
        recorder.stop()
        await writing


def _row(label: int, planned: SitePlan) -> WindowRow:
    spans = [(a, b) for _, a, b in planned.maintenance]
    states = state_seconds(TURNS, label, label + FIVE_MINUTES, maintenance=spans, checks=300)
    return WindowRow("a", STATE, FIVE_MINUTES, "boot", float(label - START), label, states.to_plain())


async def test_an_outage_in_late_planned_work_leaves_the_figures_with_a_higher_revision(tmp_path: Path) -> None:
    async with scene(tmp_path / "s.db", plan(), plan(WORK)) as made:
        assert (await made.hour()).down_ms == 600_000
        assert await made.restating.planned((), plan(WORK), START + HOUR + 60.0) == 3
        fives = await made.five()
        assert sum(s.down_ms for s in fives.values()) == 0
        assert [at for at, s in fives.items() if s.maintenance_ms] == [600, 900, 1200]
        hour = await made.hour()
        assert (hour.down_ms, hour.maintenance_ms, hour.maintenance_down_ms) == (0, 900_000, 600_000)
        said = made.summaries()
        assert sorted(said) == [START + 600, START + 900, START + 1200]
        assert {body["revision"] for body in said.values()} == {1}
        assert said[START + 900]["figures"]["availability_pct"]["incl_maint"] == 0


async def test_a_window_that_cannot_be_read_is_not_computed_again_and_costs_no_other(tmp_path: Path) -> None:
    async with scene(tmp_path / "s.db", plan(), plan(WORK)) as made:
        (row,) = await made.store.windows("a", STATE, FIVE_MINUTES, START + 600, START + 601)
        made.recorder.put(Batch(windows=[replace(row, plain=[1, -7], revision=1)]))
        assert await made.restating.planned((), plan(WORK), START + HOUR + 60.0) == 2
        assert made.restating._boundary.unread_rows == {STATE: 1}
        assert not made.restating._boundary.faults
        hour = await made.hour()
        assert (hour.maintenance_ms, hour.unknown_ms) == (600_000, 300_000)


async def test_planned_work_that_is_taken_back_counts_again(tmp_path: Path) -> None:
    async with scene(tmp_path / "s.db", plan(WORK), plan()) as made:
        assert (await made.hour()).down_ms == 0
        assert await made.restating.planned((WORK,), plan(), START + HOUR + 60.0) == 3
        assert (await made.hour()).down_ms == 600_000


async def test_what_is_known_already_is_not_said_again(tmp_path: Path) -> None:
    async with scene(tmp_path / "s.db", plan(WORK), plan(WORK)) as made:
        assert await made.restating.planned((), plan(WORK), START + HOUR + 60.0) == 0
        assert made.said == []


async def test_work_to_come_and_work_long_past_change_nothing(tmp_path: Path) -> None:
    late = (frozenset({"a"}), START + 2 * HOUR + 0.0, START + 3 * HOUR + 0.0)
    async with scene(tmp_path / "s.db", plan(), plan(late)) as made:
        assert await made.restating.planned((), plan(late), START + HOUR + 60.0) == 0
        assert await made.restating.planned((), plan(WORK), START + 40 * 86_400.0) == 0


async def test_what_500_entries_of_1000_devices_cost_is_done_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[bool]] = defaultdict(set)

    def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def made_note(*args: Any) -> Any:
            threads[name].add(threading.current_thread() is threading.main_thread())
            return call(*args)

        return made_note

    slow = ("_read", "_changed", "_by_entity", "_written")
    for name in slow:
        monkeypatch.setattr(agent.restating, name, noted(name, getattr(agent.restating, name)))
    async with scene(tmp_path / "s.db", plan(), plan(WORK)) as made:
        for planned in (plan(WORK), plan(WORK), plan()):
            await made.restating.follow(planned, START + HOUR + 60.0, "boot")
        assert (await made.hour()).maintenance_ms == 0
    assert threads == {name: {False} for name in slow}
