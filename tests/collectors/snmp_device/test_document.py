"""The poll document of agent/README.md."""

import asyncio
import dataclasses
import json
import socket

import pytest

from agent.profiles import load_library
from collectors.clock import SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import Community
from collectors.snmp.document import Document, PollTarget, poll_document, poll_documents
from tests.collectors.snmp_device.scripted import (
    COUNTER64,
    GAUGE,
    IF,
    IFX,
    INT,
    OCTETS,
    ScriptedAgent,
    arcs,
    serving,
    switch,
)

LIBRARY = load_library()
ENT = "1.3.6.1.2.1.47.1.1.1.1"


def target(agent: ScriptedAgent, version: str = "2c") -> PollTarget:
    return PollTarget(f"127.0.0.1:{agent.port}", "127.0.0.1", agent.port, Community(version, b"public"))


async def document(client: SnmpClient, agent: ScriptedAgent, version: str = "2c") -> Document:
    return await poll_document(client, SystemClock(), target(agent, version), LIBRARY, timeout_s=0.2, retries=0)


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_a_correct_switch(client: SnmpClient, version: str) -> None:
    agent = switch(2)
    agent.values[*arcs(IFX), 6, 2] = (COUNTER64, 0)
    agent.column(f"{ENT}.5", {1: (INT, 11), 2: (INT, 3), 3: (INT, 10)})
    for column, said in ((10, b"1.2.3"), (11, b"SN-1"), (12, b"Acme"), (13, b"S-2")):
        agent.column(f"{ENT}.{column}", {2: (OCTETS, said)})
    async with serving(agent):
        found = await document(client, agent, version)
    assert json.loads(json.dumps(found)) == found
    assert 0 <= found.pop("seconds") < 5
    assert found.pop("interfaces")[1] == {
        "index": 2,
        "name": "ge2",
        "descr": "Port 2",
        "alias": "to desk 2",
        "mtu": 1500,
        "speed_bps": 1_000_000_000,
        "mac": "02:00:00:00:00:02",
        "admin_status": "up",
        "oper_status": "up",
        "in_octets": 2000,
        "out_octets": 4000,
        "in_unicast_packets": 20,
        "out_unicast_packets": 40,
        "in_errors": 1,
        "out_errors": 2,
        "in_discards": 0,
        "out_discards": 0,
    }
    assert found == {
        "target": f"127.0.0.1:{target(agent).port}",
        "answered": True,
        "errors": [],
        "system": {
            "sys_object_id": "1.3.6.1.4.1.99999.1",
            "sys_descr": "Scripted switch",
            "sys_name": "sw1",
            "sys_location": "rack 1",
            "uptime_seconds": 1000.0,
        },
        "identity": {"profile": "standard", "vendor": "Acme", "model": "S-2", "firmware": "1.2.3", "serial": "SN-1"},
        "wireless": [],
        "sensors": [],
        "other": [],
        "neighbors": [],
        "bgp_peers": [],
        "ospf_neighbors": [],
        "stp": None,
    }


async def test_speeds_that_an_agent_cannot_say_and_ones_in_mbit_s(client: SnmpClient) -> None:
    agent = switch(3)
    agent.column(f"{IF}.5", {1: (GAUGE, 1000), 2: (GAUGE, 2**32 - 1), 3: (GAUGE, 2**32 - 1)})
    agent.column(f"{IFX}.15", {1: (GAUGE, 1000), 2: (GAUGE, 0), 3: (GAUGE, 10_000)})
    async with serving(agent):
        found = await document(client, agent)
    assert [port["speed_bps"] for port in found["interfaces"]] == [1_000_000_000, None, 10_000_000_000]


async def test_whatever_answers_has_answered(client: SnmpClient) -> None:
    for version in ("1", "2c"):
        async with serving(ScriptedAgent({(1, 3, 6, 1, 4, 1, 5, 1, 0): (INT, 1)})) as agent:
            found = await document(client, agent, version)
        assert found["answered"] is True
        assert found["interfaces"] == [] and found["system"]["sys_object_id"] is None


async def test_silence_is_said_in_a_sentence(client: SnmpClient) -> None:
    async with serving(switch(1)) as agent:
        agent.silent = True
        found = await document(client, agent)
    assert found["answered"] is False
    assert len(found["errors"]) == 1 and found["errors"][0].startswith("no answer")


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_a_credential_that_may_read_nothing_is_no_answer(client: SnmpClient, version: str) -> None:
    """authorizationError (RFC 3416) is what net-snmp says to a user without the privacy that it asks for."""
    agent = switch(2)
    agent.denies = True
    async with serving(agent):
        found = await document(client, agent, version)
    assert found["answered"] is False
    assert len(found["errors"]) == 1
    assert found["errors"][0].startswith("the device knows this credential and lets it read nothing")
    assert len(agent.log) == 1


async def test_an_answer_from_another_address_is_named(client: SnmpClient) -> None:
    agent = switch(2)
    async with serving(agent):
        here = target(agent)
        elsewhere = PollTarget(here.label, "127.0.0.3", here.port, here.credential)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.bind(("127.0.0.3", here.port))
            asked.setblocking(False)

            def take() -> None:
                data, sender = asked.recvfrom(65535)
                agent.transport.sendto(agent.reply(data) or b"", sender)

            asyncio.get_running_loop().add_reader(asked, take)
            lost = await poll_document(client, SystemClock(), elsewhere, LIBRARY, timeout_s=0.3, retries=0)
            known = dataclasses.replace(elsewhere, answers_from="127.0.0.1")
            found = await poll_document(client, SystemClock(), known, LIBRARY, timeout_s=5.0, retries=0)
            asyncio.get_running_loop().remove_reader(asked)
    assert lost["answered"] is False
    assert lost["errors"][0].startswith("an answer came from 127.0.0.1, not from where it was asked for")
    assert found["answered"] is True and len(found["interfaces"]) == 2


async def test_a_name_that_does_not_resolve(client: SnmpClient) -> None:
    unknown = PollTarget("nowhere.invalid", "nowhere.invalid", 161, Community("2c", b"public"))
    found = await poll_document(client, SystemClock(), unknown, LIBRARY, timeout_s=0.2, retries=0)
    assert found["answered"] is False and found["errors"][0].startswith("nowhere.invalid: ")


async def test_silence_during_the_walk_keeps_what_was_read(client: SnmpClient) -> None:
    async with serving(switch(40)) as agent:
        agent.answered = lambda a: setattr(a, "silent", len(a.log) > 8)
        found = await document(client, agent)
    assert found["answered"] is True
    assert found["system"]["sys_name"] == "sw1"
    assert 0 < len(found["interfaces"]) <= 40
    assert found["errors"][0].startswith("no answer")


async def test_many_devices_at_once_and_dead_ones_delay_nobody(client: SnmpClient) -> None:
    """The dead ones are still waited for, for longer than any machine needs, when all others have been read."""
    good = switch(2)
    async with serving(good), serving(switch(1)) as dead:
        dead.silent = True
        targets = [target(dead), *(target(good) for _ in range(5)), target(dead)]
        documents = poll_documents(client, SystemClock(), targets, LIBRARY, timeout_s=50.0, retries=0, together=4)
        found = [await anext(documents) for _ in range(5)]
        assert client.outstanding == 2
        await documents.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert [d["answered"] for d in found] == [True] * 5
    assert client.outstanding == 0, "who stops reading waits for nobody"
