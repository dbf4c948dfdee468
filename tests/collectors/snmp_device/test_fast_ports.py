"""Ports whose counters are read with every status poll: what is asked when, and in how many packets."""

import dataclasses

from kpi.model import Metric, Outcome, PortCounters
from tests.collectors.snmp_device.conftest import MakePoller, Poller
from tests.collectors.snmp_device.scripted import (
    COUNTER32,
    COUNTER64,
    GET,
    IF,
    IFX,
    OCTETS,
    TICKS,
    UPTIME,
    Arcs,
    ScriptedAgent,
    arcs,
    serving,
    switch,
)

EVERY_S = 60


def make_fast(probe: Poller, *names: str) -> Poller:
    """The ports with these ifNames or ifAliases become fast."""
    settings = {
        target: dataclasses.replace(s, fast=lambda port: bool({port.name, port.alias} & set(names)))
        for target, s in probe.collector._settings.items()
    }
    probe.collector.configure(settings)
    return probe


def octets_of(agent: ScriptedAgent) -> list[int]:
    """The ports whose ifHCInOctets was asked for, as often as it was."""
    return [oid[-1] for asked in agent.log for oid in asked.oids if oid[:-1] == (*arcs(IFX), 6)]


def columns_of(oids: list[Arcs], index: int) -> set[int]:
    """The columns of ifXTable that were asked of a port."""
    return {oid[-2] for oid in oids if oid[: len(arcs(IFX))] == arcs(IFX) and oid[-1] == index}


async def test_fast_ports_are_read_in_every_poll_and_the_others_every_five_minutes(poller: MakePoller) -> None:
    async with serving(switch(4)) as agent:
        probe = make_fast(poller(agent), "ge2", "to desk 4")
        asked, told = [], []
        for gap in (0, *[EVERY_S] * 10):
            agent.log.clear()
            await probe.poll(gap)
            asked.append(octets_of(agent))
            told.append(sorted(probe.of(Metric.PORT_COUNTERS)))
    few, every = [2, 4], [1, 2, 3, 4]
    assert asked[1:] == [few, few, few, few, every, few, few, few, few, every], "and no port twice in one poll"
    assert told[0] == ["ge1", "ge2", "ge3", "ge4"]
    assert told[1:] == [[f"ge{port}" for port in ports] for ports in asked[1:]]
    assert told[1] == ["ge2", "ge4"]


async def test_what_belongs_together_travels_together(poller: MakePoller) -> None:
    async with serving(switch(20)) as agent:
        probe = make_fast(poller(agent), *(f"ge{port}" for port in range(1, 21, 2)))
        await probe.poll()
        agent.log.clear()
        await probe.poll(EVERY_S)
    assert {asked.pdu for asked in agent.log} == {GET}
    with_counters = [a.oids for a in agent.log if any(oid[:-1] == (*arcs(IFX), 6) for oid in a.oids)]
    assert len(with_counters) > 1
    for oids in with_counters:
        assert oids[0] == arcs(UPTIME)
        for index in {oid[-1] for oid in oids[1:]}:
            assert columns_of(oids[1:], index) == {6, 7, 8, 9, 10, 11, 12, 13, 19}, "a port's counters are never torn"


async def test_packets_grow_only_where_ports_are_fast(poller: MakePoller) -> None:
    packets = {}
    async with serving(switch(24)) as agent:
        for fast in ((), ("nowhere",), ("ge1",), ("ge1", "ge20")):
            probe = make_fast(poller(agent), *fast) if fast else poller(agent)
            for gap in (0, *[300] * 3):  # until the size that fits is found
                await probe.poll(gap)
            counts = []
            for gap in (EVERY_S, 300 - EVERY_S):
                agent.log.clear()
                await probe.poll(gap)
                counts.append(len(agent.log))
            packets[fast] = tuple(counts)
    status, every = packets[()]
    assert packets[("nowhere",)] == (status, every)
    assert packets[("ge1",)] == packets[("ge1", "ge20")] == (status + 1, every), "when all are due, fast costs nothing"


async def test_where_all_are_due_in_every_poll_anyway_nothing_is_read_twice(poller: MakePoller) -> None:
    async with serving(switch(3)) as agent:
        probe = make_fast(poller(agent, counters_s=60.0), "ge1")
        await probe.poll()
        for _ in range(3):
            agent.log.clear()
            await probe.poll(EVERY_S)
            assert octets_of(agent) == [1, 2, 3]


async def test_an_alias_that_changed_with_the_link_changes_what_is_fast(poller: MakePoller) -> None:
    async with serving(switch(3)) as agent:
        probe = make_fast(poller(agent), "uplink")
        await probe.poll()
        await probe.poll(EVERY_S)
        assert not probe.of(Metric.PORT_COUNTERS)
        agent.values[*arcs(IFX), 18, 3] = (OCTETS, b"uplink")
        agent.values[*arcs(IF), 9, 3] = (TICKS, 90_000)
        await probe.poll(EVERY_S)
        assert set(probe.of(Metric.PORT_COUNTERS)) == {"ge3"}
        agent.values[*arcs(IFX), 18, 3] = (OCTETS, b"to desk 3")
        agent.values[*arcs(IF), 9, 3] = (TICKS, 96_000)
        await probe.poll(EVERY_S)
        assert not probe.of(Metric.PORT_COUNTERS)


async def test_widths_that_a_fast_reading_decides_hold_for_the_slow_ones_too(poller: MakePoller) -> None:
    agent = switch(2)
    agent.values[*arcs(IFX), 6, 1] = (COUNTER64, 0)
    agent.values[*arcs(IF), 10, 1] = (COUNTER32, 0)
    async with serving(agent):
        probe = make_fast(poller(agent), "ge1")
        await probe.poll()
        agent.values[*arcs(IF), 10, 1] = (COUNTER32, 700)
        await probe.poll(EVERY_S)
        for gap in (EVERY_S, 300 - 2 * EVERY_S):
            agent.log.clear()
            await probe.poll(gap)
            asked = {oid for a in agent.log for oid in a.oids}
            assert (*arcs(IF), 10, 1) in asked and (*arcs(IFX), 6, 1) not in asked
            found = probe.of(Metric.PORT_COUNTERS)["ge1"].value
            assert isinstance(found, PortCounters) and (found.in_octets, found.octet_bits) == (700, 32)


async def test_fast_counters_that_do_not_come_are_lost_with_a_reason(poller: MakePoller) -> None:
    async with serving(switch(2)) as agent:
        probe = make_fast(poller(agent, timeout_s=0.05), "ge2")
        await probe.poll()
        agent.answered = lambda one: setattr(one, "silent", (*arcs(IF), 8, 2) in one.log[-1].oids)
        await probe.poll(EVERY_S)
    lost = probe.of(Metric.PORT_COUNTERS)
    assert set(lost) == {"ge2"}
    assert (lost["ge2"].outcome, lost["ge2"].value) == (Outcome.NO_REPLY, None)
    assert probe.of(Metric.PORT_STATUS)["ge2"].outcome is Outcome.OK
