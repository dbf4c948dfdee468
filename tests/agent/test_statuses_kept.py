"""Statuses over a restart of the agent: in the commit of the window that made them, and nothing is said twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.folds import Folds
from agent.recorder import Recorder
from agent.store.model import Batch, Committed, CountersRow, StoreSettings, WindowRow
from agent.store.store import Store
from agent.windows import ECHO, STATE
from kpi.echo import EchoCounts
from kpi.entities import SITE, STATUSES
from kpi.model import Status
from kpi.states import StateSeconds
from tests.agent.world import MIDNIGHT, World
from tests.doubles import ManualClock

HOUR = 3600


class Run:
    """One run of the agent's heart over a store that lives on."""

    def __init__(self, clock: ManualClock, store: Store) -> None:
        self.world, self._store = World(clock), store
        self.batches: list[Batch] = []
        self.recorder = Recorder(self, clock, lambda: None)
        core = self.world.core
        self.folds = Folds(
            store, self.recorder, zone=lambda: ZoneInfo("UTC"), folded=core.window_folded, kept=core.statuses_kept
        )

    async def commit(self, batch: Batch) -> Committed:
        self.batches.append(batch)
        return await self._store.commit(batch)

    async def hour(self, number: int, lost: int) -> None:
        """An hour with so many of its 3,600 echoes lost."""
        start = int(MIDNIGHT) + number * HOUR
        rows = [row for five in range(start, start + HOUR, 300) for row in five_minutes(five, lost // 12)]
        self.recorder.put(Batch(windows=rows))
        await self.folds.hour(start)
        await self.recorder.settled()

    def said(self) -> list[tuple[str, str, str]]:
        """The threshold events about loss."""
        drafts = [draft.body for batch in self.batches for draft in batch.drafts if draft.topic == "event/threshold"]
        return [(body["entity"], body["was"], body["status"]) for body in drafts if body["kpi"].startswith("loss")]

    def status(self, entity: str, kpi: str) -> Status | None:
        standing = self.world.core.summaries.statuses.standing(entity, "", kpi)
        return standing.status if standing is not None else None


def five_minutes(start: int, lost: int) -> Sequence[WindowRow]:
    states, echo = StateSeconds(up_ms=300_000, checks=300), EchoCounts(sent=300, lost=lost)
    return [
        WindowRow("gw", STATE, 300, "b", float(start), start, states.to_plain()),
        WindowRow("gw", ECHO, 300, "b", float(start), start, echo.to_plain()),
    ]


@asynccontextmanager
async def a_run(clock: ManualClock, path: Path) -> AsyncIterator[Run]:
    settings = StoreSettings()
    async with Store.open(path, settings, clock, probe_id="p", boot_id="b", synchronised=lambda: True) as store:
        run = Run(clock, store)
        task = asyncio.create_task(run.recorder.run())
        run.world.watch(gw=())
        await run.world.core.resume([], await store.all_counters())
        try:
            yield run
        finally:
            run.recorder.stop()
            await task


async def test_a_status_is_kept_in_the_commit_of_its_window_with_what_is_said_of_it(
    clock: ManualClock, tmp_path: Path
) -> None:
    async with a_run(clock, tmp_path / "sonda.db") as run:
        await run.hour(0, lost=360)
        (batch,) = [b for b in run.batches if any(row.length_s == HOUR for row in b.windows)]
        assert {row.entity for row in batch.counters} == {f"{STATUSES}/gw", f"{STATUSES}/{SITE}"}
        assert [d.body["status"] for d in batch.drafts if d.body.get("kpi") == "loss_ratio"] == ["bad"]


async def test_a_restart_says_nothing_twice_and_forgets_nothing(clock: ManualClock, tmp_path: Path) -> None:
    path = tmp_path / "sonda.db"
    async with a_run(clock, path) as run:
        await run.hour(0, lost=360)
        assert run.said() == [("gw", "good", "bad"), (SITE, "good", "bad")]
        since = run.world.core.summaries.statuses.standing("gw", "", "loss_ratio")
    async with a_run(clock, path) as run:
        assert run.status("gw", "loss_ratio") is run.status(SITE, "loss_ratio@lan") is Status.BAD
        assert run.world.core.summaries.statuses.standing("gw", "", "loss_ratio") == since
        await run.hour(1, lost=360)
        await run.hour(2, lost=0)
        assert run.status("gw", "loss_ratio") is Status.BAD, "one good hour is not enough"
        assert run.said() == []
    async with a_run(clock, path) as run:
        await run.hour(3, lost=0)
        assert run.status("gw", "loss_ratio") is Status.GOOD, "the good hour before the restart counts"
        assert run.said() == [("gw", "bad", "good"), (SITE, "bad", "good")]


async def test_statuses_that_cannot_be_read_cost_nobody_else_theirs(clock: ManualClock, tmp_path: Path) -> None:
    path = tmp_path / "sonda.db"
    odd: list[Any] = [{"v": 9}, {"v": 1, "alike": 5}, [], "x", None]
    async with a_run(clock, path) as run:
        await run.hour(0, lost=360)
    for plain in odd:
        settings = StoreSettings()
        async with Store.open(path, settings, clock, probe_id="p", boot_id="b", synchronised=lambda: True) as store:
            await store.commit(Batch(counters=[CountersRow(f"{STATUSES}/gw", "b", 1.0, 1.0, plain)]))
        async with a_run(clock, path) as run:
            assert run.status("gw", "loss_ratio") is None, json.dumps(plain)
            assert run.status(SITE, "loss_ratio@lan") is Status.BAD
