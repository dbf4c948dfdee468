"""Restarts that sysUpTime alone does not show by going back, and those between two requests of one poll."""

import pytest

from kpi.model import Metric, PortIdentity
from tests.collectors.snmp_device.conftest import MakePoller, Poller
from tests.collectors.snmp_device.scripted import GET_BULK, TICKS, UPTIME, ScriptedAgent, port, serving, switch


async def renumbered(probe: Poller, agent: ScriptedAgent, *, uptime_cs: int, after_s: float) -> int | None:
    """The ifIndex told for ge1 where the device came back with the two changed; None where the ports were not walked."""
    agent.values.update(port(1, "ge2"))
    agent.values.update(port(2, "ge1"))
    agent.set(UPTIME, TICKS, uptime_cs)
    agent.log.clear()
    await probe.poll(after_s)
    if GET_BULK not in {asked.pdu for asked in agent.log}:
        return None
    identity = probe.of(Metric.PORT_IDENTITY)["ge1"].value
    assert isinstance(identity, PortIdentity)
    return identity.index


async def test_a_device_that_was_silent_for_longer_than_it_had_been_up(poller: MakePoller) -> None:
    async with serving(switch(2, uptime=10_000)) as agent:
        probe = poller(agent)
        await probe.poll()
        agent.silent = True
        await probe.poll(60)
        agent.silent = False
        assert await renumbered(probe, agent, uptime_cs=50_000, after_s=540) == 2


async def test_a_restart_between_two_polls_of_a_device_that_was_young(poller: MakePoller) -> None:
    """Up for 80 s, then back 5 s after the poll: 55 s are more than the 20 s of two polls ago, and less than 140."""
    async with serving(switch(2, uptime=2_000)) as agent:
        probe = poller(agent)
        await probe.poll()
        agent.set(UPTIME, TICKS, 2_200)
        await probe.poll(2)  # too soon to judge a clock by
        agent.set(UPTIME, TICKS, 4_700)
        await probe.poll(25)
        assert await renumbered(probe, agent, uptime_cs=5_500, after_s=60) == 2


@pytest.mark.parametrize(
    ("uptimes_cs", "why"),
    [
        ((0, 0, 0, 0), "no clock"),
        ((100, 160, 220, 280), "seconds where hundredths belong"),
        ((100_000, 100_000, 106_000, 106_000), "a clock that moves every other minute"),
        ((2**32 - 3_000, 3_000, 9_000, 15_000), "round at 497 days: looked at once more, by the rule of going back"),
    ],
)
async def test_a_clock_that_does_not_run_is_no_restart(
    poller: MakePoller, uptimes_cs: tuple[int, ...], why: str
) -> None:
    first, *rest = uptimes_cs
    async with serving(switch(2, uptime=first)) as agent:
        probe = poller(agent)
        await probe.poll()
        walked = []
        for uptime in rest:
            agent.set(UPTIME, TICKS, uptime)
            agent.log.clear()
            await probe.poll(60)
            walked.append(GET_BULK in {asked.pdu for asked in agent.log})
    assert walked == [uptimes_cs[0] > uptimes_cs[1], False, False], why
