"""Agents that need longer than one poll to say who they are: what was learnt in one is the start of the next."""

from collections import Counter

import pytest

from collectors.snmp.batch import FIRST_LIMIT
from collectors.snmp.client import SnmpClient
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.credentials import Community
from collectors.snmp.device import DeviceSettings
from collectors.snmp.gear.model import Source, Table, ValueSpec
from kpi.gear import Facts, Inventory, Kind, Readings
from kpi.model import Metric, Sample, Target
from tests.collectors.snmp_device.access_point import (
    NEIGHBOURS,
    OWN,
    POWERED,
    RADIOS,
    STATIONS,
    OneProfile,
    access_point,
)
from tests.collectors.snmp_device.scripted import INT, OCTETS, TOO_BIG, ScriptedAgent, arcs, serving
from tests.doubles import ManualClock

ANSWER_S = 3.0
"""By the collector's clock, which passes with each answer alone."""
LOOKED_UP = f"{OWN}.50.1"
NAMES = f"{OWN}.51.1"
NAMED = Table(
    "named",
    LOOKED_UP,
    label=(Source(oid=f"{NAMES}.1"),),
    values=(ValueSpec(Kind.LOAD, Source(column="1")),),
)


class SlowClock(ManualClock):
    """Time passes where the test says so."""

    def passes(self, seconds: float) -> None:
        self._mono_ns += round(seconds * 1e9)


def slowly(agent: ScriptedAgent) -> SlowClock:
    """A clock by which each answer takes ANSWER_S, and so does each silence."""
    clock = SlowClock()
    agent.answered = agent.unheard = lambda _agent: clock.passes(ANSWER_S)
    return clock


async def polls(
    client: SnmpClient,
    agent: ScriptedAgent,
    version: str,
    clock: SlowClock,
    *,
    answers: int = 6,
    timeout_s: float = 10.0,
    most: int = 60,
) -> list[list[Sample]]:
    """Polls until the device's values are told, each with time for so many ``answers``."""
    settings = DeviceSettings(
        Community(version, b"public"), agent.port, timeout_s=timeout_s, retries=0, counters_s=3600.0
    )
    collector = SnmpCollector(client, clock, {"t": settings}, OneProfile(*TABLES))
    target = Target("t", "dev", "snmp", "127.0.0.1", 1.0, answers * ANSWER_S)
    found: list[list[Sample]] = []
    while len(found) < most:
        found.append(list(await collector.collect(target)))
        if any(sample.metric == Metric.READINGS for sample in found[-1]):
            return found
    raise AssertionError(f"not learnt in {most} polls: {Counter(str(one.oids[0]) for one in agent.log)}")


TABLES = (RADIOS, STATIONS, POWERED, NEIGHBOURS, NAMED)


def many_names() -> ScriptedAgent:
    """More names to be looked up than one poll has time for."""
    agent = access_point()
    for row in range(1, 6 * FIRST_LIMIT):
        agent.values[*arcs(LOOKED_UP), 1, row] = (INT, row % 90)
        agent.values[*arcs(NAMES), 1, row] = (OCTETS, b"load %d" % row)
    agent.most_varbinds = FIRST_LIMIT
    return agent


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_first_contact_goes_on_with_what_was_learnt(client: SnmpClient, version: str) -> None:
    agent = many_names() if version == "2c" else access_point()
    async with serving(agent):
        said = await polls(client, agent, version, slowly(agent))
    assert len(said) > 2, "it took several polls"
    last = {sample.metric: sample.value for sample in said[-1]}
    assert last[Metric.INVENTORY] == Inventory("acme-ap", "Acme", "switch", "7.1", None)
    readings, facts = last[Metric.READINGS], last[Metric.FACTS]
    assert isinstance(readings, Readings) and isinstance(facts, Facts)
    assert not readings.missed and facts.complete and len(facts.rows) == 1
    assert Kind.CLIENTS in {one.kind for one in readings.readings}
    loads = {one.name: one.value for one in readings.readings if one.kind is Kind.LOAD}
    assert len(loads) == (6 * FIRST_LIMIT - 1 if version == "2c" else 0)
    assert all(value == int(name.split()[1]) % 90 for name, value in loads.items())
    own = Counter(tuple(one.oids) for one in agent.log if any(oid[:7] == arcs(OWN)[:7] for oid in one.oids))
    assert max(own.values()) <= 2, "what was answered is not asked again; the last question of a poll may be"


async def test_what_an_agent_does_not_bear_is_remembered_too(client: SnmpClient) -> None:
    """tooBig, and silence to questions that are too long: neither is found out again in each poll."""
    agent = many_names()
    agent.most_varbinds, agent.swallows_over = 20, 30
    agent.set(f"{OWN}.8.1.0", OCTETS, b"")
    async with serving(agent):
        said = await polls(client, agent, "2c", slowly(agent), answers=9, timeout_s=0.3)
    assert len(said) > 2
    refused = Counter(tuple(one.oids) for one in agent.log if len(one.oids) > 20)
    assert max(refused.values(), default=0) <= 3, TOO_BIG
