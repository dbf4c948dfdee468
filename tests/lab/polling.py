"""The agent's core on the real clock: real devices polled by SNMP from a namespace, as often as a test wants.

    async with Polling(probe, {"r1": "10.1.0.1"}) as polling, polling.rhythm(0.5):
        await polling.until(lambda: polling.latest("r1").bgp_peers, "a peer")

Collector, profiles, accumulators, events and topology are the agent's own; echoes, scheduler and store are left out
(`sonda run` has them, agent.py).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self

from agent.boundary import Boundary
from agent.core import Core
from agent.latest import Latest
from agent.monitor import snmp_id
from agent.polled import Polled
from agent.profiles import load_library
from agent.recorder import Recorder
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from agent.store.model import Batch, Committed
from agent.timeline import Timeline
from collectors.clock import ClockTrust, SystemClock
from collectors.link import read_surroundings
from collectors.snmp.client import SnmpClient
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.credentials import Community
from collectors.snmp.device import DeviceSettings
from kpi.fabric_counts import FabricCounts
from kpi.fabric_figures import fabric_figures
from kpi.gear_counts import GearCounts
from kpi.gear_figures import gear_figures
from kpi.model import Device, Figure, Metric, Outcome, Role, Sample, Target
from tests.lab.daemon import NotReadyError
from tests.lab.network import Namespace

FIVE_S = 300.0
LIBRARY = load_library()
"""Read here and not in a test's loop: some 100 ms."""


class Polling:
    """Devices by id with their addresses, all of one role, SNMPv2c "public"."""

    def __init__(
        self, place: Namespace, devices: Mapping[str, str], *, role: Role = Role.SWITCH, every_s: float = 1.0
    ) -> None:
        """``every_s``: what the agent takes the period of its polls to be; a state is believed for two of them."""
        self.place = place
        self.clock = SystemClock()
        self.samples: dict[str, list[Sample]] = {}
        """Of each device's last poll."""
        self._stack = AsyncExitStack()
        self._batches: list[Batch] = []
        self._recorder = Recorder(self, self.clock, lambda: None)
        self._every_s = every_s
        self._one_at_a_time = asyncio.Lock()
        self._going_on: asyncio.Task[None] | None = None
        self._role = role
        plan = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, every_s, every_s, 1.0, 1)
        self._devices = tuple(
            Watchable(Device(id_, id_, role, address), address, "", None, plan, PortsSettings())
            for id_, address in devices.items()
        )
        timeline = Timeline(self.clock, not_before_utc=0.0, trust=lambda _utc, _past: ClockTrust.SYNCHRONISED)
        self.core = Core(
            clock=self.clock,
            timeline=timeline,
            recorder=self._recorder,
            boot="boot",
            still_open=(),
            running=lambda _interface: True,
            send_confirm=lambda _target: None,
            ask_again=lambda _device: None,
            changed=lambda: None,
            five_closed=lambda _label, _following: None,
            in_pieces=lambda _label, _following, _flags: None,
            late=lambda _label: None,
            dated=lambda: None,
            boundary=Boundary(),
        )

    async def commit(self, batch: Batch) -> Committed:
        """agent.recorder.Commits: a store that is a list."""
        self._batches.append(batch)
        return Committed(None, None)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            with self.place.inside():  # nothing of it awaits: its sockets are opened here and used from anywhere
                client = await stack.enter_async_context(SnmpClient(self.clock))
            writing = asyncio.create_task(self._recorder.run())
            stack.push_async_callback(_ended, writing)
            settings = DeviceSettings(
                Community("2c", b"public"), timeout_s=1.0, status_s=self._every_s, counters_s=self._every_s
            )
            asked = {snmp_id(device.device.id): settings for device in self._devices}
            self.collector = SnmpCollector(client, self.clock, asked, LIBRARY)
            self.core.apply(SitePlan(self._devices, None, (), ()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def poll(self) -> None:
        """One poll of every device, all at once; it begins when the one before has ended."""
        async with self._one_at_a_time:
            await asyncio.gather(*map(self._poll, self._devices))

    async def _poll(self, device: Watchable) -> None:
        id_ = device.device.id
        target = Target(snmp_id(id_), id_, "snmp", device.address, self._every_s, 10.0)
        self.samples[id_] = list(await self.collector.collect(target))
        for sample in self.samples[id_]:
            self.core.monitor.take(sample)

    @asynccontextmanager
    async def rhythm(self, every_s: float) -> AsyncIterator[None]:
        """Polls go on while in the block, each device's next one ``every_s`` after the one before began."""

        async def run() -> None:
            due = time.monotonic()
            while True:
                await self.poll()
                due = max(due + every_s, time.monotonic())
                await asyncio.sleep(due - time.monotonic())

        self._going_on = asyncio.create_task(run())
        try:
            yield
        finally:
            await _ended(self._going_on)

    def polled(self, device: str) -> Polled:
        """All that is known of a device."""
        polled = self.core.monitor[device].polled
        assert polled is not None
        return polled

    def latest(self, device: str) -> Latest:
        """What it told last."""
        return self.polled(device).latest

    def answered(self, device: str) -> bool:
        """Whether its last poll was answered."""
        return any(s.metric == Metric.SNMP and s.outcome is Outcome.OK for s in self.samples.get(device, ()))

    def close(self, device: str) -> tuple[FabricCounts, GearCounts]:
        """The window that ends now, and began where the last one was closed."""
        polled, now = self.polled(device), self.clock.monotonic()
        fabric = polled.close_fabric(now, now + FIVE_S, {})
        return fabric or FabricCounts(), polled.close_gear(now, now + FIVE_S) or GearCounts()

    def figures(self, device: str) -> dict[str, Figure]:
        """The figures of the window that ends now."""
        fabric, gear = self.close(device)
        return {figure.kpi: figure for figure in (*fabric_figures(fabric), *gear_figures(gear, self._role))}

    async def look(self) -> None:
        """The topology as the agent looks at it once a minute."""
        with self.place.inside():
            around = read_surroundings()
        await self.core.topology.look(around)

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """What was said so far on event/KIND, oldest first."""
        await self._recorder.settled()
        drafts = [draft for batch in self._batches for draft in batch.drafts]
        return [json.loads(json.dumps(draft.body)) for draft in drafts if draft.topic == f"event/{kind}"]

    async def kinds(self) -> list[str]:
        """The kinds of all events so far, in their order."""
        await self._recorder.settled()
        topics = [draft.topic for batch in self._batches for draft in batch.drafts]
        return [topic.removeprefix("event/") for topic in topics if topic.startswith("event/")]

    async def until(self, condition: Callable[[], object], what: str, timeout_s: float = 15) -> float:
        """Waits while polls go on. Gives the seconds it took; NotReadyError names ``what``."""

        async def holds() -> object:
            return condition()

        return await self._until(holds, what, timeout_s)

    async def until_outside(self, condition: Callable[[], object], what: str, timeout_s: float = 15) -> float:
        """The same of something outside of the agent, which takes a program to find out: it runs beside the loop."""
        return await self._until(lambda: asyncio.to_thread(condition), what, timeout_s)

    async def _until(self, condition: Callable[[], Awaitable[object]], what: str, timeout_s: float) -> float:
        began = time.monotonic()
        while not await condition():
            if self._going_on is not None and self._going_on.done():
                self._going_on.result()  # what a poll has raised
            if time.monotonic() - began > timeout_s:
                raise NotReadyError(f"{what}: not within {timeout_s} s")
            await asyncio.sleep(0.02)
        return time.monotonic() - began


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
