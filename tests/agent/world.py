"""A site without sockets or disk: Core on a clock that stands still, devices that answer or not."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agent.boundary import Boundary
from agent.core import Core
from agent.recorder import Commits, Recorder
from agent.settings.models import PortsSettings
from agent.site import SitePlan, Watchable
from agent.store.model import Batch, Committed, WindowRow
from agent.timeline import Timeline
from collectors.clock import ClockTrust
from collectors.icmp.echo import EchoTarget
from kpi.model import Device, Metric, Outcome, Role, Sample, State
from tests.doubles import ManualClock

MIDNIGHT = 1_700_006_400.0


class Disk:
    """A store that keeps batches in a list."""

    def __init__(self, store: Commits | None = None) -> None:
        self.batches: list[Batch] = []
        self._store = store

    async def commit(self, batch: Batch) -> Committed:
        self.batches.append(batch)
        return Committed(None, None) if self._store is None else await self._store.commit(batch)

    def windows(self, kind: str, length_s: int, entity: str) -> list[WindowRow]:
        return [
            w for b in self.batches for w in b.windows if (w.kind, w.length_s, w.entity) == (kind, length_s, entity)
        ]

    def messages(self, topic: str) -> list[Any]:
        return [json.loads(json.dumps(d.body)) for b in self.batches for d in b.drafts if d.topic == topic]


class World:
    """Devices that answer or not, one echo a second each, on the site's wire."""

    def __init__(
        self,
        clock: ManualClock,
        *,
        store: Commits | None = None,
        boot: str = "boot",
        trust: ClockTrust = ClockTrust.SYNCHRONISED,
        counted: Sequence[Sequence[int]] = (),
        taken_before: Sequence[Sequence[int]] = (),
    ) -> None:
        """``store`` is written as well as the list of batches; ``counted`` is what the runs before have counted."""
        self.clock = clock
        self.disk = Disk(store)
        self.trust = trust
        self.timeline = Timeline(
            clock,
            not_before_utc=0.0,
            trust=lambda _utc, _past: self.trust,
            counted=counted,
            taken_before=taken_before,
        )
        self.recorder = Recorder(self.disk, clock, lambda: None)
        self.boundary = Boundary()
        self.silent: set[str] = set()
        self.pieces: list[tuple[int, int, tuple[str, ...]]] = []
        self.link = True
        self.numbers: dict[str, int] = {}
        self.dated = 0
        self.core = Core(
            clock=clock,
            timeline=self.timeline,
            recorder=self.recorder,
            boot=boot,
            still_open=(),
            running=lambda _interface: self.link,
            send_confirm=lambda target: self.echo(target, Metric.CONFIRM),
            ask_again=lambda _device: None,
            changed=lambda: None,
            five_closed=self.five_closed,
            in_pieces=self.in_pieces,
            late=self.late,
            dated=self._on_date,
            taken_over=self.taken_over,
            boundary=self.boundary,
        )

    def five_closed(self, label: int, following: int) -> None:
        """Nobody folds here; see tests/agent/life.py."""

    def in_pieces(self, label: int, following: int, flags: tuple[str, ...]) -> None:
        """The same; what is to be closed out of the store is in ``pieces``."""
        self.pieces.append((label, following, flags))

    def late(self, label: int) -> None:
        """The same."""

    def taken_over(self, start: int, end: int) -> None:
        """The same."""

    def _on_date(self) -> None:
        self.dated += 1

    def watch(self, **parents: tuple[str, ...]) -> None:
        self.core.apply(SitePlan(tuple(watchable(name, behind) for name, behind in parents.items()), "gw", (), ()))

    def echo(self, target: EchoTarget, metric: str) -> None:
        device = target.id.partition("/")[0]
        at = self.clock.monotonic()
        if device in self.silent or (not self.link):
            if metric == Metric.ECHO:
                self._later(0.25, lambda: self.core.monitor.overdue(target.id, at))
                number = self._number(target.id)
                self._later(2.0, lambda: self._take(target.id, metric, at, None, number))
        else:
            self._take(target.id, metric, at, 1.5, self._number(target.id) if metric == Metric.ECHO else 0)

    def _number(self, target: str) -> int:
        self.numbers[target] = self.numbers.get(target, -1) + 1
        return self.numbers[target]

    def _take(self, target: str, metric: str, at: float, rtt: float | None, number: int) -> None:
        outcome = Outcome.OK if rtt is not None else Outcome.NO_REPLY
        self.core.monitor.take(Sample(target, metric, "", at, rtt, outcome, None, number))

    def _later(self, seconds: float, call: Any) -> None:
        async def run() -> None:
            await self.clock.sleep(seconds)
            call()

        self.tasks.append(asyncio.create_task(run()))

    tasks: list[asyncio.Task[None]] = []  # noqa: RUF012 - set anew by each world()

    async def send_for_ever(self) -> None:
        while True:
            for track in list(self.core.monitor):
                self.echo(track.echo_target, Metric.ECHO)
            await self.clock.sleep(1.0)

    def state(self, device: str) -> State:
        return self.core.watch[device].state


def watchable(name: str, parents: tuple[str, ...]) -> Watchable:
    role = Role.GATEWAY if name == "gw" else Role.SERVER
    return Watchable(Device(name, name, role, "192.0.2.1", parents), "192.0.2.1", "eth0", 1.0, None, PortsSettings())


@asynccontextmanager
async def running(clock: ManualClock, *, counted: Sequence[Sequence[int]] = ()) -> AsyncIterator[World]:
    world = World(clock, counted=counted)
    world.tasks = [
        asyncio.create_task(c)
        for c in (world.recorder.run(), world.core.watch.run(), world.core.windows.run(), world.send_for_ever())
    ]
    try:
        yield world
    finally:
        for task in world.tasks:
            task.cancel()
        await asyncio.gather(*world.tasks, return_exceptions=True)
