"""Agents that bear less than they are asked: sizes, and instances that spoil an answer."""

import pytest

from kpi.model import Metric, Outcome, PortCounters
from tests.collectors.snmp_device.conftest import MakePoller
from tests.collectors.snmp_device.scripted import (
    GEN_ERR,
    IF,
    IFX,
    NO_SUCH_NAME,
    arcs,
    serving,
    switch,
)

BAD = (*arcs(IFX), 9, 2)
"""ifHCInBroadcastPkts of port 2."""


async def test_too_big_shrinks_what_is_asked_and_is_remembered(poller: MakePoller) -> None:
    agent = switch(6)
    agent.most_varbinds = 17
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        assert {s.outcome for s in probe.of(Metric.PORT_COUNTERS).values()} == {Outcome.OK}
        assert len(probe.of(Metric.PORT_COUNTERS)) == 6
        assert probe.odd["too_big"] >= 1
        before = probe.odd["too_big"]
        agent.log.clear()
        await probe.poll(300)
        assert probe.odd["too_big"] == before
        assert max(len(a.oids) for a in agent.log) <= 17
        assert len(probe.of(Metric.PORT_COUNTERS)) == 6


async def test_an_agent_that_bears_fewer_than_one_port_is_asked_in_halves(poller: MakePoller) -> None:
    agent = switch(2)
    agent.most_varbinds = 9
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        found = probe.of(Metric.PORT_COUNTERS)["ge2"].value
        assert found == PortCounters(100_000, 0, 64, 64, 2000, 4000, 20, 40, 3, 5, 4, 6, 1, 2, 0, 0)
        before = dict(probe.odd)
        await probe.poll(300)
        assert probe.of(Metric.PORT_COUNTERS)["ge2"].value == found
        assert probe.odd == before, "what is too big is not asked again"


async def test_answers_grow_to_a_frame_and_no_further(poller: MakePoller) -> None:
    async with serving(switch(48)) as agent:
        probe = poller(agent, counters_s=60.0)
        await probe.poll()
        for _ in range(3):
            agent.log.clear()
            await probe.poll(60)
        sizes = [len(a.oids) for a in agent.log]
    assert 48 < max(sizes) < 100
    assert len(sizes) <= 16


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("blames_nobody", [False, True])
async def test_one_bad_instance_costs_one_value(poller: MakePoller, version: str, blames_nobody: bool) -> None:
    agent = switch(4)
    agent.fails_on = {BAD: GEN_ERR}
    agent.blames_nobody = blames_nobody
    async with serving(agent):
        probe = poller(agent, version=version)
        await probe.poll()
        assert {s.outcome for s in probe.of(Metric.PORT_COUNTERS).values()} == {Outcome.OK}
        hit, whole = (probe.of(Metric.PORT_COUNTERS)[key].value for key in ("ge2", "ge3"))
        assert isinstance(hit, PortCounters) and isinstance(whole, PortCounters)
        assert (hit.in_broadcast, hit.out_broadcast, whole.in_broadcast) == (None, 6, 4)
        assert probe.odd["poisoned"] == 1
        assert probe.collector.left_out("dev:snmp") == {"1.3.6.1.2.1.31.1.1.1.9.2": "gen_err"}
        agent.log.clear()
        await probe.poll(300)
        assert len(probe.of(Metric.PORT_COUNTERS)) == 4
        assert all(BAD not in a.oids for a in agent.log), "it is not asked again"
        agent.fails_on = {}
        await probe.poll(3700)
        await probe.poll(300)
        mended = probe.of(Metric.PORT_COUNTERS)["ge2"].value
        assert isinstance(mended, PortCounters) and mended.in_broadcast == 4


@pytest.mark.parametrize("fault", ["silent_on", "garbage_on"])
async def test_an_instance_that_silences_or_garbles_an_answer_is_found_by_halving(
    poller: MakePoller, fault: str
) -> None:
    agent = switch(4)
    getattr(agent, fault).add(BAD)
    async with serving(agent):
        probe = poller(agent, timeout_s=0.05)
        await probe.poll()
        found = probe.of(Metric.PORT_COUNTERS)["ge2"].value
        assert isinstance(found, PortCounters)
        assert (found.in_broadcast, found.in_octets, found.out_discards) == (None, 2000, 0)
        assert len(probe.of(Metric.PORT_COUNTERS)) == 4
        reason = {"silent_on": "timeout", "garbage_on": "undecodable"}[fault]
        assert probe.collector.left_out("dev:snmp") == {"1.3.6.1.2.1.31.1.1.1.9.2": reason}


async def test_v1_no_such_name_on_several_of_sixty(poller: MakePoller) -> None:
    agent = switch(4)
    bad = [(*arcs(IF), column, index) for column, index in ((13, 1), (14, 3), (20, 4))]
    agent.fails_on = dict.fromkeys(bad, NO_SUCH_NAME)
    async with serving(agent):
        probe = poller(agent, version="1")
        await probe.poll()
        counters = {key: sample.value for key, sample in probe.of(Metric.PORT_COUNTERS).items()}
    assert all(isinstance(value, PortCounters) for value in counters.values())
    lost = {
        key: [n for n in ("in_discards", "in_errors", "out_errors") if getattr(v, n) is None]
        for key, v in counters.items()
    }
    assert lost == {"ge1": ["in_discards"], "ge2": [], "ge3": ["in_errors"], "ge4": ["out_errors"]}


async def test_large_requests_that_are_swallowed_make_smaller_ones(poller: MakePoller) -> None:
    agent = switch(6)
    agent.swallows_over = 20
    async with serving(agent):
        probe = poller(agent, timeout_s=0.05)
        await probe.poll()
        assert {s.outcome for s in probe.of(Metric.PORT_COUNTERS).values()} == {Outcome.OK}
        assert probe.odd["unanswered"] >= 1
        before = probe.odd["unanswered"]
        await probe.poll(300)
        assert len(probe.of(Metric.PORT_COUNTERS)) == 6
        assert probe.odd["unanswered"] == before
        assert probe.collector.left_out("dev:snmp") == {}
