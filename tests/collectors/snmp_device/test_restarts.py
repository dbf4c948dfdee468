"""Restarts that sysUpTime alone does not show by going back, and those between two requests of one poll."""

from types import SimpleNamespace
from typing import cast

import pytest

from collectors.snmp.batch import Asker, Group, Poisons, Size
from collectors.snmp.contact import Contact
from collectors.snmp.oid import parse
from collectors.snmp.watch import JITTER_CS, RestartedMeanwhile, Watch
from kpi.gear import Kind, Reading, Readings
from kpi.model import Metric, PortIdentity
from tests.collectors.snmp_device.access_point import MARKER, NEIGHBOUR, RADIO, STATION, OneProfile, access_point
from tests.collectors.snmp_device.conftest import MakePoller, Poller
from tests.collectors.snmp_device.scripted import (
    COUNTER32,
    GAUGE,
    GET_BULK,
    INT,
    OCTETS,
    TICKS,
    UPTIME,
    ScriptedAgent,
    arcs,
    port,
    serving,
    switch,
)
from tests.collectors.snmp_device.test_gear import facts, readings


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


def restarting(agent: ScriptedAgent, before: str) -> None:
    """The agent begins anew, its radios numbered the other way round, right before it answers for ``before``."""
    root = arcs(before)

    def watch(pdu: int, binds: list[bytes]) -> list[bytes]:
        asked = agent.log[-1].oids
        if any(oid[: len(root)] == root for oid in asked) and agent.values[arcs(UPTIME)] == (TICKS, 100_000):
            agent.set(UPTIME, TICKS, 200)
            agent.column(f"{RADIO}.2", {1: (OCTETS, b"2.4 GHz"), 2: (OCTETS, b"5 GHz")})
            agent.column(f"{RADIO}.3", {1: (GAUGE, 90), 2: (GAUGE, 95)})
            agent.column(f"{RADIO}.4", {1: (COUNTER32, 65535), 2: (COUNTER32, 370)})
            agent.column(f"{RADIO}.5", {1: (INT, 1), 2: (INT, 1)})
            _, _, again = agent._answer(1, pdu, asked, *agent.last_bounds)
            return again
        return binds

    agent.mangle = watch


@pytest.mark.parametrize("before", [f"{RADIO}.3", STATION, NEIGHBOUR])
async def test_values_of_a_device_that_restarts_within_the_poll_are_thrown_away(
    poller: MakePoller, before: str
) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent, library=OneProfile())
        await probe.poll()
        restarting(agent, before)
        agent.set(MARKER, INT, 5)
        await probe.poll(300)
        value = probe.of(Metric.READINGS)[""].value
        assert isinstance(value, Readings) and not value.readings and not facts(probe)
        assert set(value.missed.values()) == {"restarted"}
        await probe.poll(60)
    assert (readings(probe)[Kind.NOISE_FLOOR].name, facts(probe)[0].complete) == ("5 GHz", True)
    names = {one.name: one.value for one in told(probe) if one.kind is Kind.NOISE_FLOOR}
    assert names == {"5 GHz": -95.0, "2.4 GHz": -90.0}


def told(probe: Poller) -> tuple[Reading, ...]:
    value = probe.of(Metric.READINGS)[""].value
    assert isinstance(value, Readings)
    return value.readings


async def test_first_contact_with_a_device_that_restarts_meanwhile_begins_again(poller: MakePoller) -> None:
    async with serving(access_point()) as agent:
        restarting(agent, STATION)
        probe = poller(agent, library=OneProfile())
        await probe.poll()
        assert not readings(probe) and not facts(probe)
        await probe.poll(60)
    names = {one.name: one.value for one in told(probe) if one.kind is Kind.NOISE_FLOOR}
    assert names == {"5 GHz": -95.0, "2.4 GHz": -90.0}


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_the_watch_costs_no_request(poller: MakePoller, version: str) -> None:
    """A device without sysUpTime is not watched; one with it is asked as often, a varbind more each time."""
    asked = []
    for watched in (True, False):
        agent = access_point()
        for row in range(3, 60):
            agent.values[*arcs(RADIO), 3, row] = (GAUGE, 90)
            agent.values[*arcs(RADIO), 5, row] = (INT, 1)
            agent.values[*arcs(STATION), 1, 1, 2, 0, 0, 0, 1, row] = (INT, 1)
        if not watched:
            del agent.values[arcs(UPTIME)]
        async with serving(agent):
            probe = poller(agent, version=version, library=OneProfile())
            for after_s in (0, 60, 300, 300, 3600):
                await probe.poll(after_s)
        asked.append([request for request in agent.log if any(oid[:7] == arcs(RADIO)[:7] for oid in request.oids)])
    with_it, without = asked
    assert [one.pdu for one in with_it] == [one.pdu for one in without]
    more = [len(one.oids) - len(other.oids) for one, other in zip(with_it, without, strict=True)]
    assert set(more) == {0, 1}, "who the device is, is not watched"


@pytest.mark.parametrize(("limit", "ceiling"), [(48, 250), (48, 48), (8, 8), (2, 2)])
def test_sysuptime_takes_no_other_s_place(limit: int, ceiling: int) -> None:
    alone, seen = (cast("Contact", SimpleNamespace(version="2c", watch=watch)) for watch in (None, Watch(5)))
    groups = [Group(0, (parse(f"1.3.6.1.4.1.99999.{row}"),)) for row in range(96)]
    plain, watched = (
        [*packing.add(groups), *packing.rest()]
        for packing in (Asker(who, Size(limit, ceiling), Poisons()).packing() for who in (alone, seen))
    )
    assert all(len(batch.request.oids) <= ceiling for batch in watched)
    if ceiling > limit:
        assert [len(batch.groups) for batch in watched] == [len(batch.groups) for batch in plain]


def test_a_tick_back_is_no_restart() -> None:
    watch = Watch(5_000)
    for uptime in (5_001, 5_000, 5_001 - JITTER_CS, None):
        watch.saw(uptime)
    with pytest.raises(RestartedMeanwhile):
        watch.saw(5_000 - JITTER_CS)
