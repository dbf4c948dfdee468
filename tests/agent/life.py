"""The agent over its lifetime: runs that are stopped and killed, over one real database, on a clock that a test moves."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.boundary import Boundary
from agent.folds import Folds, fold
from agent.parts import calendar_before
from agent.site import SitePlan
from agent.store import Store, StoreSettings
from agent.store.model import DAY, FIVE_MINUTES, HOUR, WindowRow
from agent.windows import ECHO, STATE
from collectors.clock import ClockTrust
from kpi.echo import EchoCounts
from kpi.entities import AGENT, LINK, UPLINK
from kpi.model import Role, State
from kpi.states import StateSeconds, Turn, network_changes, state_seconds
from tests.agent.world import World, watchable
from tests.doubles import ManualClock

INTERNET = ("one", "two", "three")
STEP_S = 20.0
"""How far the clock is moved before what waits for the disk has its turn."""
HISTORY_S = 3 * 3600.0


def plan() -> SitePlan:
    """A gateway, a server behind it, three internet targets."""
    internet = [
        replace(w, device=replace(w.device, role=Role.INTERNET)) for w in (watchable(n, ("gw",)) for n in INTERNET)
    ]
    devices = [watchable("gw", ()), watchable("srv", ("gw",)), *internet]
    return SitePlan(tuple(replace(w, echo_s=5.0) for w in devices), "gw", INTERNET, ())


class _Run(World):
    """One run of the agent; what is folded goes to ``folds``."""

    folds: Folds

    def five_closed(self, label: int, following: int) -> None:
        self.folds.five_closed(label, following)

    def in_pieces(self, label: int, following: int, flags: tuple[str, ...]) -> None:
        self.folds.in_pieces(label, following, flags)

    def late(self, label: int) -> None:
        self.folds.late(label)

    def taken_over(self, start: int, end: int) -> None:
        self.folds.taken_over(start, end)

    async def send_for_ever(self) -> None:
        while True:
            for track in list(self.core.monitor):
                self.echo(track.echo_target, "echo")
            await self.clock.sleep(5.0)


class Life:
    """``silent`` are the devices that do not answer; ``link`` is the probe's own; ``trust`` that of the clock."""

    def __init__(self, clock: ManualClock, path: Path) -> None:
        self.clock = clock
        self._path = path
        self.silent: set[str] = set()
        self.trust = ClockTrust.SYNCHRONISED
        self.boots = 0
        self.run: _Run | None = None
        self.messages: list[tuple[str, Any]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._opened = AsyncExitStack()

    async def start(self) -> None:
        """As agent/parts.py does it."""
        self.boots += 1
        self.store = store = await self._open(f"boot-{self.boots}")
        counters = {row.entity: row for row in await store.all_counters()}
        agent = counters.get(AGENT)
        counted, taken_before = await calendar_before(store, agent, Boundary())
        self.run = run = _Run(
            self.clock,
            store=store,
            boot=f"boot-{self.boots}",
            trust=self.trust,
            counted=counted,
            taken_before=taken_before,
        )
        run.silent = self.silent
        run.tasks = []
        run.folds = Folds(
            store,
            run.recorder,
            zone=lambda: ZoneInfo("Asia/Kathmandu"),
            folded=run.core.window_folded,
            site=run.core,
            planned=run.core.maintenance_of,
            kept=run.core.statuses_kept,
            closed_before=run.timeline.taken_over,
            not_yet=run.timeline.not_yet,
            clock=self.clock,
            boundary=run.boundary,
        )
        run.core.apply(plan())
        since, until = run.timeline.remembered(HISTORY_S)
        await run.core.resume(await store.state_changes(None, since, until), list(counters.values()))
        self._tasks = [
            asyncio.create_task(work)
            for work in (
                run.recorder.run(),
                run.core.watch.run(),
                run.core.windows.run(),
                run.send_for_ever(),
                run.folds.run(
                    int(self.clock.utc()) if run.timeline.dated else None, agent.utc_at if agent is not None else None
                ),
                self._follow_first_date(run),
            )
        ]
        await self._quiet()

    async def advance(self, seconds: float) -> None:
        """That much time, with what waits for the disk done every STEP_S."""
        while seconds > 0:
            if self.run is not None:
                self.run.trust = self.trust
            await self.clock.advance(min(seconds, STEP_S))
            seconds -= STEP_S
            await self._quiet()

    async def stop(self) -> None:
        """In order: what is open is written."""
        assert self.run is not None
        await self.run.core.windows.finish()
        await self._quiet()
        await self.kill()

    async def kill(self) -> None:
        """What is not on the disk is lost."""
        assert self.run is not None
        for task in (*self._tasks, *self.run.tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, *self.run.tasks, return_exceptions=True)
        faults = self.run.boundary.faults
        assert not faults, faults
        self.messages += [(d.topic, json.loads(json.dumps(d.body))) for b in self.run.disk.batches for d in b.drafts]
        self.run = None
        await self._opened.aclose()

    async def _open(self, boot: str) -> Store:
        settings = StoreSettings(ballast_bytes=0, keep_minute_days=30)
        return await self._opened.enter_async_context(
            Store.open(self._path, settings, self.clock, probe_id="p", boot_id=boot)
        )

    async def _follow_first_date(self, run: _Run) -> None:
        while not run.dated:
            await self.clock.sleep(0.5)
        await run.recorder.settled()
        await self.store.relabel(f"boot-{self.boots}", run.timeline.offset_s, run.timeline.before_utc or 0.0)
        run.folds.dated(self.clock.utc())

    async def _quiet(self) -> None:
        """Until nothing waits for the disk."""
        run = self.run
        if run is None:
            return
        for _ in range(3):
            with suppress(TimeoutError):
                async with asyncio.timeout(20):
                    await run.recorder.settled()
                    while run.folds.busy:  # noqa: ASYNC110 - it is waited for here alone
                        await asyncio.sleep(0.001)
            await self.clock.advance(0)


def known_turns(turns: Sequence[Turn], counted: Sequence[Sequence[int]], start: int, now_utc: float) -> list[Turn]:
    """The states without what lies ahead of the calendar and was counted by nobody."""
    end, found = start + FIVE_MINUTES, list(turns)
    times = sorted({start, end, *(s / 1000 for span in counted for s in span[:2] if start < s / 1000 < end), now_utc})
    for a, b in pairwise(times):
        if a >= max(now_utc, start) and b <= end and not any(s <= 1000 * a < e for s, e, _ in counted):
            found = [turn for turn in found if not a <= turn.at < b] + [Turn(a, State.UNKNOWN)]
            found.sort(key=lambda turn: turn.at)
    return found


async def agree(
    path: Path, clock: ManualClock, messages: Sequence[tuple[str, Any]], now_utc: float, *, outages: bool = True
) -> int:
    """Published, stored, folded and recomputed are one, to the millisecond; how many windows of five minutes that
    were. ``outages``: how many there were and how long they lasted as well, which nobody computes again where a clock
    that was set far back fills the time before closed windows."""
    async with Store.open(
        path, StoreSettings(ballast_bytes=0, keep_minute_days=30), clock, probe_id="p", boot_id="reader"
    ) as store:
        fives: dict[tuple[str, int], list[WindowRow]] = defaultdict(list)
        for row in await store.windows(None, STATE, FIVE_MINUTES, 0, 1 << 33):
            assert row.start_utc is not None
            fives[row.entity, row.start_utc].append(row)
        turns: dict[str, list[Turn]] = defaultdict(list)
        for change in await store.state_changes(None, 0, float(1 << 33)):
            assert change.utc_at is not None
            turns[change.entity].append(Turn(change.utc_at, State(change.state)))
        agent = await store.last_counters(AGENT)
        assert agent is not None
        counted = agent.plain["counted"]
        said: dict[tuple[str, int], dict[int, Any]] = defaultdict(dict)
        for topic, body in messages:
            if topic.startswith("summary/") and body["window"]["length_s"] == FIVE_MINUTES:
                of_window = said[body["entity"], body["window"]["start"]]
                assert body["revision"] not in of_window, f"{topic} {body['window']}: one revision was said twice"
                of_window[body["revision"]] = body

        for (entity, start), rows in fives.items():
            stored = StateSeconds.from_plain(fold(STATE, [row.plain for row in rows]))
            assert stored.expected_ms + stored.maintenance_ms == 1000 * FIVE_MINUTES, (entity, start, stored)
            needed = (LINK, "gw", *INTERNET) if entity == UPLINK else (entity,)
            known = [known_turns(turns[name], counted, start, now_utc) for name in needed]
            changes = network_changes(known[0], known[1], known[2:]) if entity == UPLINK else known[0]
            assert changes is not None
            again = state_seconds(changes, start, start + FIVE_MINUTES, checks=stored.checks)
            if not outages:
                nothing = dict.fromkeys(("outages_started", "outages_restored", "restored_ms", "open_ms"), 0)
                stored, again = replace(stored, **nothing), replace(again, **nothing)
            assert stored == again, (entity, start, [row.boot for row in rows], stored, again, changes)
            if entity == UPLINK:
                continue
            last = said[entity, start][max(said[entity, start])]
            told = last["figures"]["availability_pct"]
            for part, ms in (("up_s", stored.up_ms), ("down_s", stored.down_ms), ("unknown_s", stored.unknown_ms)):
                assert round(1000 * told[part]) == ms, (entity, start, part)
            echoes = [
                EchoCounts.from_plain(row.plain)
                for row in await store.windows(entity, ECHO, 60, start, start + FIVE_MINUTES)
            ]
            assert sum(e.sent for e in echoes) == last["figures"].get("loss_ratio", {"n": 0})["n"], (
                entity,
                start,
                [row.boot for row in rows],
                [e.sent for e in echoes],
                last,
            )
        assert {key for key in said if key[0] != "@site"} == {key for key in fives if key[0] != UPLINK}

        for entity, length in ((e, length) for e in {e for e, _ in fives} for length in (HOUR, DAY)):
            known_spans = {at // length * length for e, at in fives if e == entity}
            folded = {row.start_utc: row for row in await store.windows(entity, STATE, length, 0, 1 << 33)}
            assert {s for s in known_spans if s + length <= now_utc - FIVE_MINUTES} <= folded.keys()
            for begin, row in folded.items():
                assert begin is not None
                parts = [
                    StateSeconds.from_plain(r.plain)
                    for (e, at), rows in fives.items()
                    if e == entity and begin <= at < begin + length
                    for r in rows
                ]
                found = StateSeconds.from_plain(row.plain)
                for part in ("up_ms", "down_ms", "outages_started", "outages_restored", "restored_ms", "checks"):
                    assert getattr(found, part) == sum(getattr(p, part) for p in parts), (entity, length, begin, part)
                assert found.expected_ms == 1000 * length
    return len(fives)
