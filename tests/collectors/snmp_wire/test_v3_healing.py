"""SNMPv3 with an agent that reboots, changes its engine, falls silent. Its time and ours run by one ManualClock."""

import asyncio

import pytest

from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import UsmUser
from collectors.snmp.errors import (
    Timeout,
)
from tests.collectors.snmp_wire.scripted import AUTH_ONLY, LONG_S, OIDS, OPEN, USER, ScriptedPeer, V3Agent
from tests.doubles import ManualClock

SOON_S = 0.05


@pytest.mark.parametrize("user", [OPEN, AUTH_ONLY, USER], ids=lambda user: user.level)
async def test_a_first_request_discovers_and_later_ones_do_not(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer, user: UsmUser
) -> None:
    agent.user = user
    peer = device.peer(user)
    for _ in range(3):
        assert (await snmp.get(peer, OIDS, timeout_s=LONG_S)).values == [0, 1, 2]
    assert agent.reports == ["engine"]
    assert len(device.seen) == 4
    assert snmp.counters["engine_discovered"] == 1
    if user.auth:
        assert (peer.engine.boots, peer.engine.authentic) == (agent.boots, True)


async def test_a_reboot_is_healed_within_the_request(snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.reboot()
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert agent.reports == ["engine", "time"]
    assert peer.engine.boots == 6
    assert snmp.counters["report_not_in_time_window"] == 1
    assert snmp.counters["engine_rediscovered"] == 0


async def test_a_reboot_that_is_told_by_unsigned_reports_is_healed_by_a_retry(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    agent.signs_reports = False
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.reboot()
    assert (await snmp.get(peer, OIDS, timeout_s=SOON_S, retries=9)).values == [0, 1, 2]
    assert peer.engine.boots == 6
    assert snmp.counters["report_unauthentic"] >= 1


async def test_boots_that_went_back_are_healed_by_discovering_again(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.reboot(boots=1)
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert peer.engine.boots == 1
    assert snmp.counters["engine_rediscovered"] == 1


async def test_a_clock_set_back_with_the_same_boots_is_healed(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.reboot(boots=agent.boots)
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert snmp.counters["engine_rediscovered"] == 1


@pytest.mark.parametrize("user", [OPEN, USER], ids=lambda user: user.level)
async def test_a_new_engine_id_is_healed_within_the_request(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer, user: UsmUser
) -> None:
    agent.user = user
    peer = device.peer(user)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.engine_id = b"\x80\x00\x1f\x88\x80second--"
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert peer.engine.engine_id == agent.engine_id
    assert snmp.counters["engine_rediscovered"] == 1


async def test_an_hour_of_silence_costs_nothing(
    snmp: SnmpClient, clock: ManualClock, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    await clock.advance(3600)
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert agent.reports == ["engine"]
    clock.step_wall(-86400)
    await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)
    assert agent.reports == ["engine"]


async def test_a_fast_clock_at_the_agent_is_followed(
    snmp: SnmpClient, clock: ManualClock, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    for _ in range(10):
        await snmp.get(peer, OIDS, timeout_s=LONG_S)
        await clock.advance(300)
        agent.booted_at -= 100  # 100 s too fast in 300
    assert agent.reports == ["engine"]


async def test_our_own_sleep_is_healed(snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.booted_at -= 7200  # CLOCK_MONOTONIC stands still in suspend
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert agent.reports == ["engine", "time"]


async def test_a_device_that_lets_no_report_out_is_healed_by_the_next_request(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.engine_id = b"\x80\x00\x1f\x88\x80second--"
    agent.mute_reports = True
    with pytest.raises(Timeout):
        await snmp.get(peer, OIDS, timeout_s=SOON_S, retries=1)
    agent.mute_reports = False
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert snmp.counters["engine_rediscovered"] == 1


async def test_a_lost_discovery_is_tried_again(snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer) -> None:
    agent.silent = True
    asking = asyncio.create_task(snmp.get(device.peer(USER), OIDS, timeout_s=SOON_S, retries=20))
    await device.arrived(2)
    agent.silent = False
    assert (await asking).values == [0, 1, 2]


async def test_requests_at_once_share_one_engine(snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer) -> None:
    peer = device.peer(USER)
    replies = await asyncio.gather(*(snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0) for _ in range(20)))
    assert all(reply.values == [0, 1, 2] for reply in replies)
    assert snmp.counters["engine_discovered"] == 1
