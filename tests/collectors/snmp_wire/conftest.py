"""SNMPv3 on a clock that stands still: a client, and an agent with levers behind a real socket."""

from collections.abc import AsyncIterator

import pytest

from collectors.snmp.client import SnmpClient
from tests.collectors.snmp_wire.scripted import USER, ScriptedPeer, V3Agent
from tests.doubles import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def snmp(clock: ManualClock) -> AsyncIterator[SnmpClient]:
    async with SnmpClient(clock) as opened:
        yield opened
        assert opened.outstanding == 0


@pytest.fixture
def agent(clock: ManualClock) -> V3Agent:
    return V3Agent(clock, USER)


@pytest.fixture
async def device(agent: V3Agent) -> AsyncIterator[ScriptedPeer]:
    async with ScriptedPeer(agent) as opened:
        yield opened
