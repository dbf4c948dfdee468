"""What could not be measured comes as a sample too: a name without an address, a fault of ours in the collector."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from agent.boundary import Boundary
from agent.measuring import Measuring
from agent.scheduler import Scheduler
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from collectors.icmp.echo import EchoTarget
from kpi.echo import EchoAccumulator
from kpi.model import Device, Metric, Outcome, Role, Sample, Target
from tests.doubles import ManualClock


class Broken:
    """An echo engine and an SNMP collector with a fault of ours in each."""

    def configure(self, _targets: object) -> None:
        pass

    def forget(self, _target: str) -> None:
        pass

    def send(self, _target: EchoTarget, *, confirm: bool = False) -> None:
        raise ValueError("a fault of ours")

    async def collect(self, _target: Target) -> Sequence[Sample]:
        raise ValueError("a fault of ours")


def measured(clock: ManualClock, address: str) -> tuple[Scheduler, list[Sample]]:
    taken: list[Sample] = []
    scheduler = Scheduler(clock, Boundary())
    broken = cast("Any", Broken())
    measuring = Measuring(
        clock=clock,
        scheduler=scheduler,
        engine=broken,
        collector=broken,
        take=taken.append,
        echo_target=lambda device: EchoTarget(device, address),
        unnamed=lambda name: {"a.example": "name_not_resolved"}[name],
    )
    credential = CredentialSettings(name="c", version="3", user="monitor")
    snmp = SnmpPlan(credential, 161, 10.0, 10.0, 2.0, 1)
    device = Device("a", "A", Role.SERVER, "a.example")
    measuring.apply(SitePlan((Watchable(device, address, "eth0", 1.0, snmp, PortsSettings()),), None, (), ()))
    return scheduler, taken


@pytest.mark.parametrize(("address", "reason"), [("192.0.2.1", "unexpected"), ("", "name_not_resolved")])
async def test_what_could_not_be_asked_is_an_agent_fault_each_time(
    address: str, reason: str, clock: ManualClock
) -> None:
    scheduler, taken = measured(clock, address)
    for _ in range(750):
        scheduler._fire_due(clock.monotonic())
        await clock.advance(0.04)
    assert {(s.outcome, s.reason) for s in taken} == {(Outcome.AGENT_FAULT, reason)}
    echoes = EchoAccumulator()
    for sample in taken:
        echoes.add(sample)
    counts = echoes.snapshot()
    assert (counts.sent, counts.lost) == (0, 0)
    assert counts.faults == pytest.approx(30, abs=1)
    assert sum(s.metric == Metric.SNMP for s in taken) == 3


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
