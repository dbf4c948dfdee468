"""Broken agents are normal (agent/README.md): none crashes, hangs or inflates a poll, each is counted by name."""

import asyncio
import time

from collectors.clock import SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.credentials import Community
from collectors.snmp.device import DeviceSettings
from collectors.snmp.walk import ROWS_MAX
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, Target
from tests.collectors.snmp_device.conftest import MakePoller
from tests.collectors.snmp_device.scripted import (
    COUNTER64,
    GEN_ERR,
    GET,
    IF,
    IFX,
    INT,
    OCTETS,
    TICKS,
    UPTIME,
    ScriptedAgent,
    arcs,
    bind,
    port,
    serving,
    switch,
)


async def test_rows_that_come_again_end_the_walk(poller: MakePoller) -> None:
    agent = switch(3)
    agent.frozen_next = True
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        assert probe.odd["repeated"] >= 1
        assert len(agent.log) < 40
        assert probe.snmp.outcome is Outcome.OK
        assert probe.collector.left_out("dev:snmp")["ifDescr"] == "repeated"


async def test_a_table_without_end_is_cut(poller: MakePoller) -> None:
    agent = ScriptedAgent({arcs(UPTIME): (TICKS, 1)}, endless=(*arcs(IF), 8))
    async with serving(agent):
        probe = poller(agent, deadline_s=60)
        await probe.poll()
        assert probe.odd["endless"] == 1
        assert len(probe.of(Metric.PORT_STATUS)) <= ROWS_MAX
        assert probe.snmp.outcome is Outcome.OK


async def test_a_walk_of_nonsense_instances_is_bounded(poller: MakePoller) -> None:
    agent = switch(1)
    for extra in range(40):
        agent.values[*arcs(IF), 2, 1, extra, 5] = (OCTETS, b"?")
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        assert probe.odd == {"odd_instance": 40}
        assert set(probe.of(Metric.PORT_IDENTITY)) == {"ge1"}


async def test_answers_in_another_order_are_sorted_out(poller: MakePoller) -> None:
    agent = switch(5)
    agent.mangle = lambda pdu, binds: list(reversed(binds)) if pdu == GET else binds
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        found = probe.of(Metric.PORT_COUNTERS)["ge4"].value
        assert found == PortCounters(100_000, 0, 64, 64, 4000, 8000, 40, 80, 3, 5, 4, 6, 1, 2, 0, 0)


async def test_bulk_answers_in_another_order_still_find_every_port(poller: MakePoller) -> None:
    agent = switch(5)

    def swap(pdu: int, binds: list[bytes]) -> list[bytes]:
        return (
            binds if pdu == GET else [binds[at ^ 1] if at ^ 1 < len(binds) else binds[at] for at in range(len(binds))]
        )

    agent.mangle = swap
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        assert set(probe.of(Metric.PORT_COUNTERS)) == {f"ge{n}" for n in range(1, 6)}


async def test_varbinds_too_many_and_too_few(poller: MakePoller) -> None:
    agent = switch(2)
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        extra = bind((*arcs(IF), 99, 1), b"\x02\x01\x07")
        agent.mangle = lambda _pdu, binds: [*binds[:-1], extra, extra]
        await probe.poll(300)
        assert probe.snmp.outcome is Outcome.OK
        found = probe.of(Metric.PORT_COUNTERS)["ge2"].value
        assert isinstance(found, PortCounters)
        assert (found.in_octets, found.out_discards) == (2000, None), "the one that was left out is None"
        assert probe.odd["unasked"] > 0


async def test_an_answer_with_nothing_in_it_is_no_reading(poller: MakePoller) -> None:
    agent = switch(2)
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        agent.mangle = lambda _pdu, binds: []
        await probe.poll(300)
        lost = probe.of(Metric.PORT_COUNTERS)["ge1"]
        assert (lost.outcome, lost.reason, lost.value) == (Outcome.REFUSED, "missing", None)


async def test_hostile_names(poller: MakePoller) -> None:
    agent = switch(5)
    names = [b"<script>alert(1)</script>", b"\x00\x07\x1b[31m", b"\xff\xfeport", b"A" * 60_000, b"\xe2\x80\xaeevil"]
    for index, name in enumerate(names, 1):
        agent.values[*arcs(IFX), 1, index] = (OCTETS, name)
    agent.set("1.3.6.1.2.1.1.5.0", OCTETS, b"\xc3\xa9t\xc3\xa9\r\nline")
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
    found = {s.value.index: s.value.name for s in probe.of(Metric.PORT_IDENTITY).values()}  # type: ignore[union-attr]
    assert found[1] == "<script>alert(1)</script>"
    assert found[2] == "␀␇␛[31m"
    assert found[3] == "ÿþport"
    assert found[4] == "A" * 254 + "…"
    assert found[5] == "\ufffdevil"
    assert probe.of(Metric.SYSTEM)[""].value.name == "été line"  # type: ignore[union-attr]


async def test_ports_that_share_a_name_are_told_apart(poller: MakePoller) -> None:
    agent = switch(4)
    for index in (1, 2, 3):
        agent.values[*arcs(IFX), 1, index] = (OCTETS, b"eth")
    for index in (2, 3):
        agent.values[*arcs(IF), 6, index] = (OCTETS, bytes(6))
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        assert set(probe.of(Metric.PORT_STATUS)) == {"eth [02:00:00:00:00:01]", "eth #2", "eth #3", "ge4"}


async def test_half_a_table_is_half_a_port(poller: MakePoller) -> None:
    agent = switch(2)
    for column in (6, 7, 8, 9, 10, 11, 12, 13, 15, 18, 19):
        del agent.values[*arcs(IFX), column, 2]
    del agent.values[*arcs(IF), 14, 2]
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        found = probe.of(Metric.PORT_COUNTERS)["ge2"].value
        assert found == PortCounters(100_000, None, 32, 32, 2000, 4000, 20, 40, None, None, None, None, None, 2, 0, 0)
        identity = probe.of(Metric.PORT_IDENTITY)["ge2"].value
        assert isinstance(identity, PortIdentity) and (identity.alias, identity.speed_bps) == ("", 1_000_000_000)


async def test_silence_halfway_keeps_what_was_had(poller: MakePoller) -> None:
    agent = switch(30)
    async with serving(agent):
        probe = poller(agent, timeout_s=0.05)
        await probe.poll()

        def fall_silent(agent: ScriptedAgent) -> None:
            agent.silent = len([a for a in agent.log if a.pdu == GET]) >= 2

        agent.log.clear()
        agent.answered = fall_silent
        await probe.poll(60)
        by_outcome = {o: [s for s in probe.of(Metric.PORT_STATUS).values() if s.outcome is o] for o in Outcome}
        assert probe.snmp.outcome is Outcome.OK and probe.snmp.reason == "timeout"
        assert by_outcome[Outcome.OK] and by_outcome[Outcome.NO_REPLY]
        assert len(probe.of(Metric.PORT_STATUS)) == 30
        assert {s.reason for s in by_outcome[Outcome.NO_REPLY]} == {"timeout"}


async def test_a_slow_device_keeps_its_deadline_and_learns_over_several_polls(client: SnmpClient) -> None:
    """0.05 s an answer, 0.3 s a poll: the first walk goes on in the next polls."""
    agent = switch(30)
    reply = agent.reply
    agent.reply = lambda data: _later(agent, reply(data))  # type: ignore[method-assign]
    clock = SystemClock()
    async with serving(agent):
        collector = SnmpCollector(
            client, clock, {"t": DeviceSettings(Community("2c", b"public"), agent.port, timeout_s=0.2, retries=0)}
        )
        target = Target("t", "dev", "snmp", "127.0.0.1", 1.0, 0.3)
        rounds = 0
        while rounds < 60:
            rounds += 1
            began = time.monotonic()
            samples = await collector.collect(target)
            assert time.monotonic() - began < 1.3
            assert samples[0].outcome is Outcome.OK
            if any(s.metric == Metric.PORT_IDENTITY for s in samples):
                break
        assert 1 < rounds < 60
        samples = await collector.collect(target)
        assert any(isinstance(s.value, PortStatus) for s in samples)


def _later(agent: ScriptedAgent, data: bytes | None) -> None:
    if data is not None:
        asyncio.get_running_loop().call_later(0.05, _send, agent, data)


def _send(agent: ScriptedAgent, data: bytes) -> None:
    if not agent.transport.is_closing():
        agent.transport.sendto(data, agent.last_from)


async def test_one_dead_one_slow_one_lying_device_do_not_move_another(client: SnmpClient) -> None:
    good, lying, dead = switch(4), switch(4), switch(1)
    lying.frozen_next = True
    lying.fails_on = {(*arcs(IF), 10, 1): GEN_ERR}
    dead.silent = True
    clock = SystemClock()
    async with serving(good), serving(lying), serving(dead):
        settings = {
            name: DeviceSettings(Community("2c", b"public"), agent.port, timeout_s=0.5)
            for name, agent in (("good", good), ("lying", lying), ("dead", dead))
        }
        collector = SnmpCollector(client, clock, settings)
        targets = {name: Target(name, name, "snmp", "127.0.0.1", 60, 5) for name in settings}
        polls = {name: asyncio.create_task(collector.collect(target)) for name, target in targets.items()}
        samples = await polls["good"]
        assert not polls["dead"].done(), "the dead one is still being waited for"
        assert samples[0].outcome is Outcome.OK
        assert (await polls["dead"])[0].outcome is Outcome.NO_REPLY
        assert (await polls["lying"])[0].outcome is Outcome.OK


async def test_a_restart_in_the_middle_of_a_poll_is_settled_in_the_next(poller: MakePoller) -> None:
    agent = switch(2)
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()

        def restart(agent: ScriptedAgent) -> None:
            agent.values[arcs(UPTIME)] = (TICKS, 10)
            agent.values[*arcs(IFX), 6, 1] = (COUNTER64, 0)

        agent.answered = restart
        await probe.poll(300)
        late = probe.of(Metric.PORT_COUNTERS)["ge1"]
        assert (late.outcome, late.reason) == (Outcome.SKIPPED, "restarted"), "it may be another port by now"
        agent.values[arcs(UPTIME)] = (TICKS, 6010)
        agent.values.update(port(3))
        agent.set("1.3.6.1.2.1.31.1.5.0", TICKS, 5)
        agent.answered = lambda _agent: None
        await probe.poll(60)
        assert "ge3" in probe.of(Metric.PORT_IDENTITY)


async def test_wrong_community_is_silence(poller: MakePoller) -> None:
    agent = switch(1)
    agent.community = b"other"
    async with serving(agent):
        probe = poller(agent, timeout_s=0.05)
        await probe.poll()
        assert (probe.snmp.outcome, probe.snmp.reason) == (Outcome.NO_REPLY, "timeout")


async def test_scalars_of_the_wrong_type(poller: MakePoller) -> None:
    agent = switch(1)
    agent.set(UPTIME, OCTETS, b"12 days")
    agent.set("1.3.6.1.2.1.1.2.0", OCTETS, b"1.3.6.1.4.1.5")
    agent.set("1.3.6.1.2.1.1.5.0", INT, 7)
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        found = probe.of(Metric.SYSTEM)[""].value
        assert (found.uptime_cs, found.object_id, found.name) == (None, "1.3.6.1.4.1.5", "7")  # type: ignore[union-attr]
        status = probe.of(Metric.PORT_STATUS)["ge1"].value
        assert isinstance(status, PortStatus) and status.uptime_cs is None


async def test_names_in_other_encodings_are_readable_or_marked_in_keys(poller: MakePoller) -> None:
    """RFC 3411 wants UTF-8; what is read as Latin-1 though it is not would be a key that nobody recognises."""
    agent = switch(3)
    for index, raw in enumerate((bytes.fromhex("b6cbbfda31"), "Порт".encode("cp1251"), "Büro".encode("latin-1")), 1):
        agent.values[*arcs(IFX), 1, index] = (OCTETS, raw)
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
    assert set(probe.of(Metric.PORT_STATUS)) == {"端口1", "\ufffd\ufffd\ufffd\ufffd", "Büro"}
