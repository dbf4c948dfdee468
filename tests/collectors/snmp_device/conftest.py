"""A client on real sockets, a collector with a clock that stands still, and short waiting times."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from collectors.clock import SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.credentials import Community
from collectors.snmp.device import DeviceSettings
from collectors.snmp.gear.library import Library
from kpi.model import Metric, Sample, Target
from tests.collectors.snmp_device.scripted import ScriptedAgent
from tests.doubles import ManualClock

TARGET = "dev:snmp"


@dataclass
class Poller:
    """A collector with one device, polled by hand."""

    collector: SnmpCollector
    clock: ManualClock | SystemClock
    deadline_s: float = 20.0
    samples: list[Sample] = field(default_factory=list)

    async def poll(self, after_s: float = 0.0) -> list[Sample]:
        """The samples of one poll, ``after_s`` later."""
        if after_s:
            assert isinstance(self.clock, ManualClock)
            await self.clock.advance(after_s)
        target = Target(TARGET, "dev", "snmp", "127.0.0.1", 60.0, self.deadline_s)
        self.samples = list(await self.collector.collect(target))
        return self.samples

    def of(self, metric: str) -> dict[str, Sample]:
        """The last poll's samples of a metric, by instance."""
        return {sample.instance: sample for sample in self.samples if sample.metric == metric}

    @property
    def snmp(self) -> Sample:
        return self.of(Metric.SNMP)[""]

    @property
    def odd(self) -> dict[str, int]:
        return dict(self.collector.tally.odd)


MakePoller = Callable[..., Poller]


@pytest.fixture
async def client() -> AsyncIterator[SnmpClient]:
    async with SnmpClient(SystemClock()) as client:
        yield client


@pytest.fixture
def poller(client: SnmpClient) -> MakePoller:
    def make(
        agent: ScriptedAgent | int,
        *,
        version: str = "2c",
        timeout_s: float = 1.0,
        retries: int = 0,
        deadline_s: float = 20.0,
        real_clock: bool = False,
        counters_s: float = 300.0,
        library: Library | None = None,
    ) -> Poller:
        port = agent if isinstance(agent, int) else agent.port
        settings = DeviceSettings(
            Community(version, b"public"), port, timeout_s=timeout_s, retries=retries, counters_s=counters_s
        )
        clock = SystemClock() if real_clock else ManualClock()
        return Poller(SnmpCollector(client, clock, {TARGET: settings}, library), clock, deadline_s)

    return make
